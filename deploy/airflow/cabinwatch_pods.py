"""What Cabinwatch's two Airflow DAGs share: when they may run, and the pod of a task, which is that of the CronJobs in
deploy/kubernetes.

The environment of Airflow's DAG processor and workers may set CABINWATCH_IMAGE and CABINWATCH_NAMESPACE. Everything else
comes from the namespace: the ConfigMap `cabinwatch-ground` (ground.toml), the Secrets `cabinwatch-ground` and, for retrain,
`cabinwatch-signing` (one file a secret), the volume claim `cabinwatch-data` (the model), and, for an HDFS cluster that needs
them, a ConfigMap `hadoop-conf` with its site files.
"""

import os
from datetime import datetime, timedelta, timezone

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import models as k8s

IMAGE = os.environ.get("CABINWATCH_IMAGE", "registry.example.com/cabinwatch-ground:0.1.0")
NAMESPACE = os.environ.get("CABINWATCH_NAMESPACE", "cabinwatch")
# The user of the image. Files of a Secret belong to its group.
USER = 65532
# Of every DAG: runs that were missed are not made up for, and none begins before the last has ended.
ONE_AT_A_TIME = {
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "catchup": False,
    "max_active_runs": 1,
    "tags": ["cabinwatch"],
}

MOUNTS = [
    k8s.V1VolumeMount(name="config", mount_path="/etc/cabinwatch", read_only=True),
    k8s.V1VolumeMount(name="secrets", mount_path="/run/secrets/cabinwatch", read_only=True),
    k8s.V1VolumeMount(name="hadoop", mount_path="/etc/hadoop/conf", read_only=True),
    k8s.V1VolumeMount(name="data", mount_path="/var/lib/cabinwatch"),
]


def volumes(secrets):
    """What is mounted there."""
    sources = [k8s.V1VolumeProjection(secret=k8s.V1SecretProjection(name=name)) for name in secrets]
    data = k8s.V1PersistentVolumeClaimVolumeSource(claim_name="cabinwatch-data")
    return [
        k8s.V1Volume(name="config", config_map=k8s.V1ConfigMapVolumeSource(name="cabinwatch-ground")),
        k8s.V1Volume(name="secrets", projected=k8s.V1ProjectedVolumeSource(default_mode=0o440, sources=sources)),
        k8s.V1Volume(name="hadoop", config_map=k8s.V1ConfigMapVolumeSource(name="hadoop-conf", optional=True)),
        k8s.V1Volume(name="data", persistent_volume_claim=data),
    ]


def ground(command, *arguments, limit, cpu, memory, secrets=("cabinwatch-ground",), **task):
    """A task that runs `cabinwatch-ground COMMAND ARGUMENTS...` for at most `limit`."""
    return KubernetesPodOperator(
        task_id=command,
        name=f"cabinwatch-{command}",
        namespace=NAMESPACE,
        image=IMAGE,
        arguments=[command, *arguments],
        env_vars={"HADOOP_CONF_DIR": "/etc/hadoop/conf"},
        labels={"app.kubernetes.io/name": "cabinwatch", "app.kubernetes.io/component": command},
        volumes=volumes(secrets),
        volume_mounts=MOUNTS,
        container_resources=k8s.V1ResourceRequirements(
            requests={"cpu": cpu, "memory": memory}, limits={"memory": memory}
        ),
        security_context=k8s.V1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
        ),
        container_security_context=k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
        ),
        automount_service_account_token=False,
        # A pod that hangs is ended by Kubernetes even where Airflow's worker is gone.
        active_deadline_seconds=int(limit.total_seconds()),
        execution_timeout=limit + timedelta(minutes=1),
        startup_timeout_seconds=120,
        # One that failed stays, to look at.
        on_finish_action="delete_succeeded_pod",
        **task,
    )
