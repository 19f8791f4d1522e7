"""What a scorer answers while it has no model: the same as with one to whatever is no event, else 503."""

import requests
from test_todays_suite import HEADERS, NORMAL, TIMEOUT, URL, post


def test_an_event_is_answered_by_503():
    answer = post(NORMAL)
    assert answer.status_code == 503
    assert isinstance(answer.json()["detail"], str)


def test_the_event_is_checked_first():
    assert post({}).status_code == 422


def test_the_key_is_checked_before_all():
    assert post(NORMAL, {}).status_code == 403
    assert post({}, {}).status_code == 403


def test_it_lives():
    assert requests.get(f"{URL}/", timeout=TIMEOUT).status_code == 200
