"""`serve` answers as the scorer in use today does: the same status, the same problems of the same fields, and where both
have the same trees, the same score.

PEER_URL and SERVE_URL say where both run; SAME_MODEL=1 that they score with the same trees. SEED and DRAWN choose what is
drawn."""

import os
from collections import Counter
from datetime import datetime

import cases
import pytest
from client import Client
from differences import DIFFERENCES

KEY = os.environ["AIOPS_API_KEY"]
SEED = int(os.environ.get("SEED", "20251122"))
DRAWN = int(os.environ.get("DRAWN", "1000"))
SAME_MODEL = os.environ.get("SAME_MODEL") == "1"
# The sum of a hundred path lengths may be taken in another order.
TOLERANCE = 1e-9
SHOWN = 8

GROUPS = cases.groups(KEY, SEED, DRAWN)
occurred = Counter()


@pytest.fixture(scope="module")
def scorers():
    return Client(os.environ["PEER_URL"], KEY), Client(os.environ["SERVE_URL"], KEY)


def problem(theirs, ours):
    """What differs; nothing when the answers agree."""
    if theirs.status != ours.status:
        return "status"
    if theirs.status == 200 and "anomaly_score" in theirs.body:
        return scored_otherwise(theirs.body, ours.body)
    # Words for a person may differ where no client has ever read them; the fields at fault may not.
    if theirs.status == 422:
        return None if theirs.detail == ours.detail else "detail"
    if theirs.status == 200:
        return None if theirs.body == ours.body else "body"
    return None if isinstance(ours.detail, str) else "detail is no text"


def scored_otherwise(theirs, ours):
    if list(theirs) != list(ours):
        return "names"
    if theirs["event_summary"] != ours["event_summary"]:
        return "event_summary"
    if not datetime.fromisoformat(ours["timestamp"]).tzinfo:
        return "timestamp"
    if ours["status"] != ("anomaly" if ours["anomaly_score"] < 0 else "normal"):
        return "status and score"
    if SAME_MODEL and abs(theirs["anomaly_score"] - ours["anomaly_score"]) > TOLERANCE:
        return "anomaly_score"
    return None


@pytest.mark.parametrize("group", GROUPS)
def test_answers_agree(scorers, group):
    peer, serve = scorers
    answers, disagreements = Counter(), []
    for request in GROUPS[group]:
        theirs, ours = peer.ask(request), serve.ask(request)
        answers[theirs.status] += 1
        what = problem(theirs, ours)
        explained = what and next((known for known in DIFFERENCES if known.holds(request, theirs, ours)), None)
        if explained:
            occurred[explained.name] += 1
        elif what:
            disagreements.append(f"{what}: {request.name}: {request.body[:300]}\n  today: {theirs!r}\n  serve: {ours!r}")
    print(f"{group}: {answers.total()} requests, seed {SEED}; today's answers: {dict(answers)}")
    assert not disagreements, f"{len(disagreements)} differ\n" + "\n".join(line[:1500] for line in disagreements[:SHOWN])


@pytest.mark.parametrize("known", DIFFERENCES, ids=lambda known: known.name)
def test_every_difference_that_is_listed_occurs(known):
    assert occurred[known.name]
