"""Runs in Airflow's environment: imports the DAGs of a folder, and prints them and their pods as JSON."""

import json
import os
import sys
from pathlib import Path

folder, scratch = Path(sys.argv[1]), Path(sys.argv[2])
scratch.mkdir(parents=True, exist_ok=True)
kubeconfig = scratch / "kubeconfig"
kubeconfig.write_text(
    "apiVersion: v1\nkind: Config\ncurrent-context: none\n"
    "contexts: [{name: none, context: {cluster: none, user: none}}]\n"
    "clusters: [{name: none, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: none, user: {}}]\n"
)
os.environ.update(
    AIRFLOW_HOME=str(scratch),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(folder),
    KUBECONFIG=str(kubeconfig),
)
sys.path.insert(0, str(folder))

import pendulum  # noqa: E402
from airflow.dag_processing.dagbag import DagBag  # noqa: E402
from airflow.serialization.serialized_objects import DagSerialization  # noqa: E402
from kubernetes.client import ApiClient  # noqa: E402


class Run:
    """What a template may ask of a run."""

    run_after = pendulum.datetime(2026, 11, 21, 12, 5)


def task_of(operator):
    """A task with the pod it would start."""
    operator.render_template_fields({"dag_run": Run()})
    return {
        "retries": operator.retries,
        "timeout": operator.execution_timeout.total_seconds(),
        "upstream": sorted(operator.upstream_task_ids),
        "pod": ApiClient().sanitize_for_serialization(operator.build_pod_request_obj()),
    }


def dag_of(dag):
    """What of a DAG the tests look at; its schedule as the scheduler will read it."""
    stored = DagSerialization.to_dict(dag)["dag"]
    return {
        "schedule": stored["timetable"]["__var"]["expression"],
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "timeout": dag.dagrun_timeout.total_seconds(),
        "tasks": {operator.task_id: task_of(operator) for operator in dag.tasks},
    }


# As Airflow does by itself, it passes over files that don't look like DAGs.
bag = DagBag(str(folder), bundle_name="cabinwatch", safe_mode=True)
found = {
    "errors": bag.import_errors,
    "dags": {dag_id: dag_of(dag) for dag_id, dag in bag.dags.items()},
}
(scratch / "dags.json").write_text(json.dumps(found, indent=2))
