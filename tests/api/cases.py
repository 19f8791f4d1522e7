"""Requests for two scorers that ought to answer alike: every way of writing an event that came to mind, and many that
came to no mind at all (drawn by a seed)."""

import json
import random
from dataclasses import dataclass, field

import traffic

JSON = "application/json"
EVENT = traffic.event(random.Random(0), 0) | {"user_context": "service", "dns_query": None}
TEXTS = [name for name in traffic.COLUMNS if name not in ("dest_port", "bytes_sent", "bytes_recv")]
NUMBERS = ["dest_port", "bytes_sent", "bytes_recv"]
# A value as it stands in the JSON text, since Python's `json` could not write all of these.
SAME_FOR_ALL = """null true false 0 1 -1 -0 443 65536 1.0 1.5 -0.0 0.0 1e3 1E+2 1e-1 1e22 12345678901234567890
    9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
    18446744073709551615 18446744073709551616 9223372036854775807.0 1e18 1e19 1e308 1e400 -1e400 0.1e1 100e-2
    [] [1] ["TCP"] [null] {} {"a":1} {"a":{"b":[1,"x",null,true]}} "" "x" "TCP" "tcp" "é" "日本" "🛩" "\\u00e9"
    "\\ud83d\\udee9" "\\u0000" "\\n" "\\"" "\\\\" "\\/" "null" "true" "443" "0" "-1" "+1" "-0" "+0" "00012" "1.0" "1.00"
    "1." ".0" "1.5" "1e3" "1E3" "0x10" "0b1" "1_000" "1__0" "_1" "1_" "1_0.0" "１" "١" "--1" "+-1" "-" "+" "."
    "9223372036854775807" "9223372036854775808" "-9223372036854775809" "Infinity" "NaN" "1,000" "1j" "TCP\\t"
    """.split()
SAME_FOR_ALL += ['" "', '" 1"', '"1 "', '"\\n1\\t"', '"\\u00a01"', '"- 1"', '"1 0"', '"\\u20031\\u2003"', '"1\\u0000"']
SAME_FOR_ALL += ["1" + "0" * 30, "1" + "0" * 400, "9" * 4300, '"%s"' % ("9" * 40), '"%s"' % ("9" * 4300), '"%s"' % ("0" * 5000)]
SAME_FOR_ALL += ['"%s"' % ("9" * 4301), '"%s.0"' % ("9" * 40), '"0%s"' % ("9" * 4300), '"%s"' % ("x" * 5000), "9" * 4301]
NOT_QUITE_JSON = ["NaN", "Infinity", "-Infinity", '"\\ud800"', '"\\udc00\\ud800"', '"a\\ud800"']
CONTENT_TYPES = [
    None, "", JSON, "application/json; charset=utf-8", "application/json;charset=latin-1", "application/json ;x",
    "APPLICATION/JSON", "Application/Json; q=1", " application/json", "application/json, text/plain", "application/json;",
    "application/vnd.api+json", "application/problem+json; a=b", "application/+json", "application/jsonx", "application/xml",
    "application/x-ndjson", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain",
    "text/json", "application", "json", "/json", "application/", "*/*", "application/json/json",
]  # fmt: skip
WHOLE_BODIES = [
    b"", b" ", b"\n", b"null", b"true", b"1", b"-", b"1.5", b'""', b'"event"', b"[]", b"[{}]", b"{}", b" {} ", b"{", b"}", b"[",
    b"]", b"{]", b"[}", b"{}{}", b"{} x", b"{},", b",", b"{,}", b"[,]", b"[1,]", b"[1 2]", b'{"a"}', b'{"a":}', b'{"a" 1}', b'{"a":1,}',
    b'{"a":1 "b":2}', b'{"a":1,,"b":2}', b"{a:1}", b"{'a':1}", b'{"a":1', b'{"a":', b'{"a"', b'{"a', b'{"', b'{"a":1,', b"{1:2}", b"{null:1}",
    b"nul", b"nulll", b"tru", b"True", b"None", b"undefined", b"nan", b"inf", b"-Inf", b"-Infinit", b"01", b"00", b"-01", b"+1", b".5",
    b"1.", b"1.e3", b"1e", b"1e+", b"1E-", b"-.5", b"0x10", b"1_000", b"- 1", b"--1", b'"', b'"a', b"\"a\nb\"", b"\"a\tb\"", b"\"a\x00b\"",
    b"\"\x1f\"", b"\"\x7f\"", b'"\\"', b'"\\x"', b'"\\u"', b'"\\u12"', b'"\\u12g4"', b'"\\u 123"', b'"\\u+123"', b'"\\U0041"', b"\"\\'\"", b'"\\',
    b'"\\u00', b'"\\ud83d\\u"', b'"\\ud83d\\u12"', b'"\\ud83d\\u0041"', b"/* */ {}", b"// x\n{}", b"{} // x", b"# x\n{}", b"<event/>",
    b"\xef\xbb\xbf{}", b"\xef\xbb\xbf", b"\xff", b"\xff\xfe", b"\xfe\xff", b'{"a":"\xff"}', b'"\xc3"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b"\x00",
    b"\x00{}", b"{\x00}", b"{}\x00", b"\xc2\xa0{}", b"\xe2\x80\xa8{}", b"\x0b{}", b"\x0c{}", b"\r\n\t {}\r\n\t ", b'{"":1}', b'{"a":{"b":}}',
    "{}".encode("utf-16"), "{}".encode("utf-16-le"), "{}".encode("utf-16-be"), "{}".encode("utf-32"), "{}".encode("utf-32-be"),
    b"[" * 100 + b"]" * 100, b"[" * 900 + b"]" * 900, b'{"a":' * 100 + b"1" + b"}" * 100, b"[" * 100, b'{"a":' * 100,
    '{"é":}'.encode(), '{"日本":1,}'.encode(), '["🛩",]'.encode(), '{"🛩":"é" x}'.encode(), '"🛩\n"'.encode(), '"é\\x"'.encode(),
]  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What is sent. No key means that today's client sends the right one."""

    name: str
    body: bytes
    method: str = "POST"
    path: str = "/event"
    content_type: str | None = JSON
    headers: dict = field(default_factory=dict)
    with_key: bool = True


def written(members):
    """An object of these (name, JSON text) pairs, duplicates and all."""
    inside = ", ".join(f"{json.dumps(name)}: {value}" for name, value in members)
    return f"{{{inside}}}".encode("utf-8", "surrogatepass")


def event_with(**texts):
    """The ordinary event, some of its values by these JSON texts."""
    return written((name, texts.get(name, json.dumps(value))) for name, value in EVENT.items())


def single_changes():
    """One field at a time: absent, doubled, and with each value."""
    for name in EVENT:
        rest = [(other, json.dumps(value)) for other, value in EVENT.items() if other != name]
        yield Request(f"{name} absent", written(rest))
        yield Request(f"{name} twice, bad then good", written([(name, "[]"), *rest, (name, json.dumps(EVENT[name]))]))
        yield Request(f"{name} twice, good then bad", written([(name, json.dumps(EVENT[name])), *rest, (name, "[]")]))
        yield Request(f"{name} in capitals", written([*rest, (name.upper(), json.dumps(EVENT[name]))]))
        for value in SAME_FOR_ALL + NOT_QUITE_JSON:
            yield Request(f"{name}: {value[:40]}", event_with(**{name: value}))


def whole_bodies():
    """What is no event, or not even JSON."""
    for body in WHOLE_BODIES:
        yield Request(f"body {body[:40]!r}", body)
    ordinary = event_with()
    text = ordinary.decode()
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "latin-1"):
        yield Request(f"ordinary event in {encoding}", text.encode(encoding))
    yield Request("accents in latin-1", event_with(user_context='"\xe9"').decode().encode("latin-1"))
    yield Request("an unknown field", ordinary[:-1] + b', "more": [1, {"a": null}]}')
    yield Request("fields in another order", written(reversed([(k, json.dumps(v)) for k, v in EVENT.items()])))
    yield Request("in a list", b"[" + ordinary + b"]")
    yield Request("in another object", b'{"event": ' + ordinary + b"}")
    yield Request("twice", ordinary + b"\n" + ordinary)
    yield Request("as a string", json.dumps(text).encode())
    yield Request("without spaces", json.dumps(EVENT, separators=(",", ":")).encode())
    yield Request("on many lines", json.dumps(EVENT, indent=4).encode())


def content_types():
    """The header decides whether the body is read as JSON at all."""
    for content_type in CONTENT_TYPES:
        for what, body in (("event", event_with()), ("{}", b"{}"), ("no JSON", b"{"), ("nothing", b"")):
            yield Request(f"{what} as {content_type!r}", body, content_type=content_type)


def keys(key):
    """The key is looked at before the event."""
    wrong = [None, "", "wrong", key[:-1], key + "x", key.upper(), f" {key} ", "é", f"{key},{key}"]
    for value in wrong:
        headers = {} if value is None else {"X-API-Key": value.encode()}
        for what, body in (("event", event_with()), ("{}", b"{}"), ("nothing", b""), ("no JSON", b"{")):
            yield Request(f"{what} with key {value!r}", body, headers=headers, with_key=False)
    yield Request("the header's name in small letters", event_with(), headers={"x-api-key": key}, with_key=False)
    yield Request("key as bearer", event_with(), headers={"Authorization": f"Bearer {key}"}, with_key=False)
    yield Request("key in the query", event_with(), path=f"/event?X-API-Key={key}", with_key=False)


def other_requests():
    """Other paths and methods; the health check needs no key."""
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        for path in ("/event", "/event?x=1"):
            yield Request(f"{method} {path}", event_with(), method=method, path=path)
    for method in ("PUT", "DELETE", "PATCH", "POST"):
        yield Request(f"{method} /", b"", method=method, path="/")
    for path in ("/", "/?x=1", "/nothing", "/event/more", "//", "/EVENT", "/%65vent"):
        yield Request(f"GET {path}", b"", method="GET", path=path, content_type=None, with_key=False)
    for path in ("/nothing", "/event/more", "/events/x", "//event", "/EVENT"):
        yield Request(f"POST {path}", event_with(), path=path)
    yield Request("POST /event?x=1", event_with(), path="/event?x=1")


def drawn_events(dice, count):
    """Ordinary events, some fields of which are changed in one of the ways above, several at a time."""
    for number in range(count):
        members = {name: json.dumps(value) for name, value in traffic.event(dice, number).items()}
        for name in dice.sample(list(members), dice.choice([0, 0, 0, 1, 2, 3, 6])):
            how = dice.random()
            if how < 0.25:
                del members[name]
            else:
                members[name] = dice.choice(SAME_FOR_ALL)
        if dice.random() < 0.3:
            members["bytes_sent"] = str(dice.randrange(10 ** dice.randrange(1, 19)))
        if dice.random() < 0.3:
            members["dest_port"] = str(dice.randrange(65536))
        order = list(members.items())
        if dice.random() < 0.2:
            dice.shuffle(order)
        yield Request(f"drawn event {number}", written(order))


def broken_texts(dice, count):
    """The ordinary event with a few bytes of it gone, doubled, or others put there."""
    stuff = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\u", b"e", b"-", b".", b"0", b" ", b"\n", b"\xc3\xa9", b"null"]
    for number in range(count):
        body = event_with(user_context='"\\u00e9\\n é 🛩"')
        for _ in range(dice.choice([1, 1, 2, 4])):
            at = dice.randrange(len(body))
            until = min(len(body), at + dice.choice([0, 1, 1, 2, 9]))
            body = body[:at] + dice.choice([b"", b"", body[at:until] * 2, dice.choice(stuff)]) + body[until:]
        if dice.random() < 0.2:
            body = body[: dice.randrange(len(body))]
        yield Request(f"broken text {number}", body)


def groups(key, seed, drawn):
    """Everything above by name; `drawn` of each drawn kind."""
    dice = random.Random(seed)
    return {
        "single changes": single_changes(),
        "whole bodies": whole_bodies(),
        "content types": content_types(),
        "keys": keys(key),
        "other requests": other_requests(),
        "drawn events": drawn_events(dice, drawn),
        "broken texts": broken_texts(dice, drawn),
    }
