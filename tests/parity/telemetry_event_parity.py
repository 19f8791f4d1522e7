"""Events are read as FastAPI reads them: the same bodies are taken, with the same values, and the others are refused with
the same problems in the same order.

Asks FastAPI itself, with the model of today's scorer. What Python reads but cannot write (half a surrogate pair, NaN) makes
today's scorer answer 500; here it is replaced before FastAPI writes it. Where FastAPI gives up (400), ours must refuse.
"""

import json
import math
import random
import re
import subprocess
import warnings
from typing import Optional

from checks import Checks, built

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from fastapi.testclient import TestClient
from pydantic import BaseModel

SEED = 20261123
BODIES = 20_000
GOOD = {
    "timestamp": "2026-11-01T10:00:00Z", "process_path": "/usr/bin/curl", "process_hash": "abc", "source_ip": "10.0.0.1",
    "dest_ip": "1.2.3.4", "dest_domain": "example.org", "dest_port": 443, "bytes_sent": 100, "bytes_recv": 200,
    "protocol": "TCP", "dns_query": None, "parent_process": "bash", "user_context": "é😀",
}  # fmt: skip
NUMBERS = ("dest_port", "bytes_sent", "bytes_recv")
# What stands in a body in place of a value, as JSON's text.
LITERALS = [
    "null", "true", "false", "0", "-0", "-0.0", "443", "443.0", "443.5", "1e3", "1E+2", "1e18", "1e19", "-1e19", "1e400", "1e-400",
    "9223372036854774784.0", "9223372036854775807", "-9223372036854775808", "[]", "{}", "[1,[2,{\"a\":[]}]]", '{"a":1,"a":2.50}',
    '""', '" "', '"x"', '"\\u00e9\\ud83d\\ude00"', '"\\u0000"', '"\\b\\f\\n\\r\\t\\/\\\\\\""', "NaN", "Infinity", "-Infinity", '"\\ud800"',
    '"\\udc00\\ud800"', '"a\\ud800b"', "01", "1.", ".5", "+1", "-", "nul", "tru", "nan", "'x'", '"\\x"', '"\\u12"', '"\\u12g4"',
    '"\\ud800\\u"', '"\x01"', '"\x7f"', '"é', "", "[1,]", "[1 2]", "[,]", "[1", '{"a"}', '{"a":}', '{"a":1,}', "{1:2}", '{"a":1 "b":2}', '{"a',
    "12345678901234567890123", "-12345678901234567890123", '"\u2003443\u0085"', '"\ufeff443"', '"\x1f443"', "\u00a0443", "1 2", "/**/1",
]  # fmt: skip


class Event(BaseModel):
    """Today's."""

    timestamp: str
    process_path: str
    process_hash: str
    source_ip: str
    dest_ip: str
    dest_domain: Optional[str] = None
    dest_port: int
    bytes_sent: int
    bytes_recv: int
    protocol: str
    dns_query: Optional[str] = None
    parent_process: Optional[str] = None
    user_context: Optional[str] = None


def writable(value):
    """The value without what JSON cannot hold."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (list, tuple)):
        return [writable(item) for item in value]
    if isinstance(value, dict):
        return {writable(name): writable(item) for name, item in value.items()}
    return value


def client():
    app = FastAPI()

    @app.exception_handler(RequestValidationError)
    async def refused(_, error):
        return JSONResponse({"detail": writable(error.errors())}, 422)

    @app.post("/event")
    def event(event: Event):
        # Whole numbers as text: JSON writers differ above 2^53.
        return writable({name: str(value) if name in NUMBERS else value for name, value in event.model_dump().items()})

    return TestClient(app, raise_server_exceptions=False)


def integer_text(rand):
    text = "".join(rand.choice("0012349__..+- ") for _ in range(rand.randrange(1, 9)))
    return json.dumps(text)


def a_body(rand):
    """An event with a few fields changed, left out, doubled or broken."""
    fields = [[json.dumps(name), json.dumps(value, ensure_ascii=rand.random() < 0.5)] for name, value in GOOD.items()]
    for _ in range(rand.choice([0, 1, 1, 1, 2, 3])):
        entry = rand.choice(fields)
        kind = rand.random()
        if kind < 0.3:
            entry[1] = rand.choice(LITERALS)
        elif kind < 0.5:
            rand.choice(fields[6:9])[1] = integer_text(rand)
        elif kind < 0.6:
            fields.remove(entry)
        elif kind < 0.7:
            fields.insert(rand.randrange(len(fields)), [entry[0], rand.choice(LITERALS)])
        elif kind < 0.75:
            fields.append(['"extra"', rand.choice(LITERALS)])
        elif kind < 0.8:
            entry[0] = entry[0].replace("e", "\\u0065")
    rand.random() < 0.3 and rand.shuffle(fields)
    comma, colon = rand.choice([",", ", ", " ,\n\t"]), rand.choice([":", ": ", "\r:"])
    text = "{" + comma.join(name + colon + value for name, value in fields) + "}"
    if rand.random() < 0.1:
        at = rand.randrange(len(text))
        text = text[:at] + rand.choice(["", ",", "}", '"', "\\", "\x00", "é", "{"]) + text[at + rand.randrange(3) :]
    if rand.random() < 0.05:
        text = text[: rand.randrange(len(text) + 1)]
    return text.encode(rand.choice(["utf-8"] * 30 + ["utf-16", "utf-16-le", "utf-32-be", "utf-32", "utf-8-sig"]))


def ours(bodies):
    lines = "\n".join(body.hex() for body in bodies) + "\n"
    done = subprocess.run([built("examples/read_event")], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


def is_limit(problem):
    """A limit that today's scorer does not have: whole numbers of more than 64 bits."""
    return problem["type"] in ("less_than_equal", "greater_than_equal")


def agree(status, theirs, our):
    if status == 200:
        if isinstance(our, list):
            # Refused only for a limit of ours.
            return all(is_limit(problem) for problem in our)
        return theirs == {name: str(value) if name in NUMBERS else value for name, value in our.items()}
    if status == 422 and isinstance(our, list):
        limits = [problem for problem in our if is_limit(problem)]
        return theirs["detail"] == [problem for problem in our if problem not in limits]
    return status == 400 and isinstance(our, list) and len(our) > 0


def main():
    checks = Checks()
    rand = random.Random(SEED)
    print(f"seed {SEED}")
    asked = client()
    bodies = [literal.encode() for literal in LITERALS]
    bodies += [json.dumps(GOOD)[:-1].encode() + b', "dest_port": ' + literal.encode() + b"}" for literal in LITERALS]
    bodies += [json.dumps(GOOD)[:-1].encode() + b', "user_context": ' + literal.encode() + b"}" for literal in LITERALS]
    bodies += [b"\xff", b"\x00", b"\x00\x00", b"{\x00}", b"[" * 100_000, b"1" * 5_000]
    bodies += [a_body(rand) for _ in range(BODIES)]
    counts, wrong = {}, []
    for body, our in zip(bodies, ours(bodies), strict=True):
        answer = asked.post("/event", content=body, headers={"content-type": "application/json"})
        theirs = answer.json() if answer.status_code in (200, 422) else answer.text
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
        if not agree(answer.status_code, theirs, our):
            wrong.append(f"{body!r}: FastAPI {answer.status_code} {theirs}, ours {our}")
    checks.that(f"{len(bodies)} bodies; FastAPI answered {counts}", not wrong, f"{len(wrong)} differ: " + "\n".join(wrong[:5]))
    checks.that("bodies of every kind were among them", all(counts.get(status, 0) > 20 for status in (200, 422)), counts)
    checks.finish()


if __name__ == "__main__":
    main()
