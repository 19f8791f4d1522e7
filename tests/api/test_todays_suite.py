"""The five cases of the suite that users have for today's scorer. It knows nothing of `serve`: it must pass against
both, unchanged.

    AIOPS_API_KEY=... pytest tests/api/test_todays_suite.py          against http://localhost:8000
    AIOPS_API_URL=http://localhost:9000 AIOPS_API_KEY=... pytest ... elsewhere
"""

import os

import requests

URL = os.environ.get("AIOPS_API_URL", "http://localhost:8000")
HEADERS = {"X-API-Key": os.environ["AIOPS_API_KEY"]}
TIMEOUT = 60

NORMAL = {
    "timestamp": "2025-06-14T12:00:00",
    "process_path": "/usr/bin/curl",
    "process_hash": "d41d8cd98f00b204e9800998ecf8427e",
    "source_ip": "10.0.0.12",
    "dest_ip": "10.0.1.5",
    "dest_domain": "portal.example",
    "dest_port": 443,
    "bytes_sent": 1500,
    "bytes_recv": 6000,
    "protocol": "TCP",
    "dns_query": "portal.example",
    "parent_process": "/bin/bash",
    "user_context": "service",
}


def post(event, headers=HEADERS):
    return requests.post(f"{URL}/event", json=event, headers=headers, timeout=TIMEOUT)


def test_root():
    answer = requests.get(f"{URL}/", timeout=TIMEOUT)
    assert answer.status_code == 200
    assert answer.json() == {"message": "AIOps Network Anomaly Detection API is live"}


def test_normal_event():
    answer = post(NORMAL)
    assert answer.status_code == 200
    assert answer.json()["status"] == "normal"
    assert isinstance(answer.json()["anomaly_score"], float)


def test_schema():
    answer = post({"source_ip": "10.0.0.12", "dest_port": "https"})
    assert answer.status_code == 422
    offending = {error["loc"][-1] for error in answer.json()["detail"]}
    assert {"timestamp", "dest_ip", "dest_port", "bytes_sent", "bytes_recv", "protocol"} <= offending
    assert "dns_query" not in offending


def test_unauthorised():
    for headers in ({}, {"X-API-Key": "wrong"}):
        assert post(NORMAL, headers).status_code == 403


def test_logic():
    answer = post(NORMAL | {"dest_port": 31337, "bytes_sent": 80_000_000, "bytes_recv": 90_000_000})
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "anomaly"
    assert body["anomaly_score"] < 0
    assert body["event_summary"] == "10.0.0.12 -> 10.0.1.5:31337"
    assert body["timestamp"]
