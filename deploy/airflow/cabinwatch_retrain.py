"""Trains the fleet's model once a day, and sends it to the aircraft."""

from datetime import timedelta

from airflow.sdk import DAG
from cabinwatch_pods import ONE_AT_A_TIME, ground

with DAG(
    dag_id="cabinwatch_retrain",
    description="Cabinwatch: train and sign the fleet's model, then put it on the broker",
    schedule="30 2 * * *",
    dagrun_timeout=timedelta(hours=8),
    **ONE_AT_A_TIME,
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
