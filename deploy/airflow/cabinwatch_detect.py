"""Scores the newest EDR files every five minutes, the default length of a window."""

from datetime import timedelta

from airflow.sdk import DAG
from cabinwatch_pods import ONE_AT_A_TIME, ground

with DAG(
    dag_id="cabinwatch_detect",
    description="Cabinwatch: score the newest EDR files, write the tables, send the report",
    schedule="*/5 * * * *",
    dagrun_timeout=timedelta(minutes=10),
    **ONE_AT_A_TIME,
):
    ground(
        "detect",
        # Of the run's own time, so that one that is repeated reads the same files and writes the same rows.
        "--now",
        "{{ dag_run.run_after | ts }}",
        limit=timedelta(minutes=4),
        cpu="500m",
        memory="1Gi",
        retries=1,
        retry_delay=timedelta(seconds=15),
    )
