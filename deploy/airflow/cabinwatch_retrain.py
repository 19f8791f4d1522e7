"""Trains the fleet's model once a day, and sends it to the aircraft."""

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG
from cabinwatch_pods import ground

with DAG(
    dag_id="cabinwatch_retrain",
    description="Cabinwatch: train and sign the fleet's model, then put it on the broker",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=8),
    tags=["cabinwatch"],
):
    retrain = ground(
        "retrain",
        limit=timedelta(hours=3),
        cpu="2",
        memory="4Gi",
        # The private key is for the one that signs.
        secrets=("cabinwatch-ground", "cabinwatch-signing"),
        retries=1,
        retry_delay=timedelta(minutes=10),
    )
    publish = ground(
        "publish",
        limit=timedelta(minutes=10),
        cpu="100m",
        memory="256Mi",
        # The same bundle again does no harm; a broker that restarts is back in minutes.
        retries=5,
        retry_delay=timedelta(minutes=2),
        retry_exponential_backoff=True,
    )
    retrain >> publish
