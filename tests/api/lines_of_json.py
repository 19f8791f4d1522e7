"""What schemathesis has to be told of `application/x-ndjson`, which the document can call no more than a text: how a drawn
text becomes a body, and what of an answer is checked against the schema of a line."""

import json

import schemathesis
from cases import EVENT

A_LINE = {
    "line": 1,
    "status": "normal",
    "anomaly_score": 0.1,
    "timestamp": "2025-06-14T00:00:00Z",
    "event_summary": "10.0.0.2 -> 10.0.1.2:443",
}


@schemathesis.serializer("application/x-ndjson")
def body(_context, drawn):
    """An ordinary event, so that there is an answer; then what was drawn."""
    text = drawn if isinstance(drawn, str) else json.dumps(drawn)
    return (json.dumps(EVENT) + "\n" + text).encode("utf-8", "surrogatepass")


@schemathesis.deserializer("application/x-ndjson")
def last_line(_context, response):
    """All lines have to be JSON. No line, as to a body without an event, is as good as a right one."""
    lines = [json.loads(line) for line in response.content.decode().split("\n") if line]
    return lines[-1] if lines else A_LINE
