"""Scores the newest EDR files every five minutes, the default length of a window."""

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG
from cabinwatch_pods import ground

with DAG(
    dag_id="cabinwatch_detect",
    description="Cabinwatch: score the newest EDR files, write the tables, send the report",
    schedule="*/5 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    # Files that were missed are not made up for by the dozen: `detect` reads the newest ones.
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=10),
    tags=["cabinwatch"],
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
