"""Where `serve` answers otherwise than the scorer in use today, on purpose, and why. docs/api.md says the same in prose.

Every other difference fails the comparison, and so does one of these that no longer occurs."""

import json
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Difference:
    """`holds` tells whether it explains these two answers to a request."""

    name: str
    reason: str
    holds: Callable


def _breaks(request, theirs, ours):
    return theirs.status == 500 and ours.status in (200, 400, 422) and request.path == "/event"


def _key_first(request, theirs, ours):
    return not request.with_key and ours.status == 403 and theirs.status in (400, 422)


DIFFERENCES = [
    Difference(
        "an answer where today's scorer breaks",
        "Today a body with NaN, an infinity, half a surrogate pair or a number beyond single precision ends in a 500: the "
        "offending value cannot be written into the 422, or cannot be scored.",
        _breaks,
    ),
    Difference(
        "the key before the body",
        "Today a body that is no JSON is refused before the key is looked at, so anybody can make the server parse.",
        _key_first,
    ),
]
