"""The scorer in use today (FastAPI, pydantic, scikit-learn), written from its description. `serve` takes its place, so
it is compared with it answer by answer, and measured against it.

    AIOPS_API_KEY=... MODEL=... uvicorn --app-dir tests/parts/fastapi app:app
"""

import json
import logging
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

import joblib
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import APIKeyHeader
from pydantic import BaseModel

KEY = os.environ["AIOPS_API_KEY"]
MODEL = joblib.load(os.environ["MODEL"]) if Path(os.environ["MODEL"]).exists() else None

app = FastAPI(title="AIOps Network Anomaly Detection API")
api_key = APIKeyHeader(name="X-API-Key", auto_error=False)
audit = logging.getLogger("audit")


class Event(BaseModel):
    """One network event, in the columns of the training data."""

    timestamp: str
    process_path: str
    process_hash: str
    source_ip: str
    dest_ip: str
    dest_domain: str | None = None
    dest_port: int
    bytes_sent: int
    bytes_recv: int
    protocol: str
    dns_query: str | None = None
    parent_process: str | None = None
    user_context: str | None = None


def check_key(key: str | None = Depends(api_key)):
    """Runs before the body is validated."""
    if key is None or not secrets.compare_digest(key.encode(), KEY.encode()):
        raise HTTPException(status_code=403, detail="Invalid or missing API key")


@app.get("/")
def root():
    """The health check."""
    return {"message": "AIOps Network Anomaly Detection API is live"}


@app.post("/event", dependencies=[Depends(check_key)])
def score(event: Event):
    """Scores one event."""
    if MODEL is None:
        raise HTTPException(status_code=503, detail="Model not loaded")
    decision = MODEL.decision(event.model_dump())
    answer = {
        "status": "anomaly" if decision < 0 else "normal",
        "anomaly_score": decision,
        "timestamp": datetime.now(UTC).isoformat(),
        "event_summary": f"{event.source_ip} -> {event.dest_ip}:{event.dest_port}",
    }
    if decision < 0:
        audit.warning(json.dumps(answer))
    return answer
