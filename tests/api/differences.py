"""Where `serve` answers otherwise than the scorer in use today, on purpose, and why. docs/api.md says the same in prose.

Every other difference fails the comparison, and so does one of these that no longer occurs."""

from collections.abc import Callable
from dataclasses import dataclass

# Problems that today's scorer does not know.
LIMITS = {"less_than_equal", "greater_than_equal", "string_too_long"}


@dataclass(frozen=True)
class Difference:
    """`holds` tells whether it explains these two answers to a request."""

    name: str
    reason: str
    holds: Callable


def _limit(_request, theirs, ours):
    """Ours has problems that are limits, on top of today's or in place of a limit of today's."""
    if ours.status != 422 or theirs.status not in (200, 422):
        return False
    limited = [problem["loc"] for problem in ours.detail if problem["type"] in LIMITS]
    others = [problem for problem in ours.detail if problem["type"] not in LIMITS]
    known = theirs.detail if theirs.status == 422 else []
    not_as_large = [problem for problem in known if problem["type"] == "int_parsing_size" and problem["loc"] in limited]
    return bool(limited) and others == [problem for problem in known if problem not in not_as_large]


def _nesting(_request, theirs, ours):
    return theirs.status in (200, 422) and _is_not_json(ours) and "deep" in ours.detail[0]["ctx"]["error"]


def _breaks(request, theirs, ours):
    return theirs.status == 500 and ours.status in (200, 422) and request.path == "/event"


def _gives_up(_request, theirs, ours):
    return theirs.status == 400 and _is_not_json(ours)


def _key_first(request, theirs, ours):
    return not request.with_key and ours.status == 403 and theirs.status in (400, 422)


def _no_type(request, theirs, ours):
    return request.content_type is None and theirs.status == 422 and _is_not_an_object(theirs) and not _is_not_an_object(ours)


def _path_as_written(request, theirs, ours):
    return "%" in request.path and ours.status == 404


def _is_not_json(answer):
    return answer.status == 422 and answer.detail[0]["type"] == "json_invalid"


def _is_not_an_object(answer):
    return answer.status == 422 and answer.detail[0]["type"] == "model_attributes_type"


DIFFERENCES = [
    Difference(
        "the key before the body",
        "Today a body that is no JSON is refused before the key is looked at, so anybody can make the server parse.",
        _key_first,
    ),
    Difference(
        "an answer where today's scorer breaks",
        "Today NaN, an infinity or half a surrogate pair in a body ends in a 500, because they cannot be written into the "
        "422; so does a number beyond single precision, because it cannot be scored.",
        _breaks,
    ),
    Difference(
        "422 where today's scorer gives up",
        "Today a body in no Unicode encoding, and a number of thousands of digits, is a 400 that names no place.",
        _gives_up,
    ),
    Difference(
        "limits",
        "Whole numbers have 64 bits, and texts a longest length: an event is of bounded size, wherever it is stored.",
        _limit,
    ),
    Difference(
        "nesting",
        "Arrays and objects nest no deeper than a reader can follow. Today's limit is the stack of the interpreter.",
        _nesting,
    ),
    Difference(
        "a body of no type",
        "A body without Content-Type is read as JSON, as FastAPI did until 0.131; the current one takes it for a text.",
        _no_type,
    ),
    Difference(
        "paths as they are written",
        "Today /%65vent is /event, too. No client writes it so, and rules of proxies in front are easier to trust.",
        _path_as_written,
    ),
]
