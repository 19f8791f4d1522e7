"""The Kubernetes manifests, and the Airflow DAGs that start the same pods."""

import json
import re
import shutil

import manifests
import pytest
import yaml
from places import CACHE, DEPLOY, HERE, USER, ground, run

# Long after the last file of EDR files: `detect` then takes the newest ones.
NOW = "2026-11-21T12:05:00Z"


@pytest.fixture(scope="module")
def resources():
    return manifests.every()


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """The DAGs as the real Airflow imports them, and the pods its operators would start."""
    scratch = tmp_path_factory.mktemp("airflow")
    run(CACHE / "airflow/bin/python", HERE / "airflow_dags.py", DEPLOY / "airflow", scratch)
    return json.loads((scratch / "dags.json").read_text())


class TestManifests:
    @pytest.mark.parametrize("file", manifests.FILES, ids=lambda file: file.stem)
    def test_each_resource_follows_its_schema(self, file):
        for resource in manifests.read(file):
            manifests.validate(resource)

    def test_a_field_that_kubernetes_does_not_know_is_noticed(self, resources):
        broken = {**resources["CronJob", "cabinwatch-detect"], "scheduel": "*/5 * * * *"}
        with pytest.raises(Exception, match="scheduel"):
            manifests.validate(broken)

    def test_kustomize_is_given_every_file_but_the_example(self):
        named = yaml.safe_load((manifests.KUBERNETES / "kustomization.yaml").read_text())["resources"]
        assert sorted(named) == [file.name for file in manifests.FILES if file.name != "secret.example.yaml"]

    def test_every_pod_keeps_to_the_restricted_standard(self, resources):
        for resource in workloads(resources):
            pod = manifests.pod_of(resource)
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert pod["automountServiceAccountToken"] is False
            for container in manifests.containers(pod):
                narrow = container["securityContext"]
                assert narrow["allowPrivilegeEscalation"] is False
                assert narrow["readOnlyRootFilesystem"] is True
                assert narrow["capabilities"] == {"drop": ["ALL"]}
                assert container["resources"]["limits"]["memory"]

    def test_every_command_line_is_one_of_the_program(self, resources):
        assert not manifests.accepted(["detect", "--nonsense"])
        for resource in workloads(resources):
            for container in manifests.containers(manifests.pod_of(resource)):
                assert manifests.accepted(container["args"]), container["args"]

    def test_every_setting_is_one_of_the_program(self, resources, tmp_path):
        file = config_file(resources, tmp_path)
        for resource in workloads(resources):
            for container in manifests.containers(manifests.pod_of(resource)):
                settings = {variable["name"]: variable["value"] for variable in container.get("env", [])}
                ground("check-config", "--config", file, settings=settings)

    def test_the_secret_holds_the_files_that_settings_name(self, resources):
        named = set(re.findall(r"/run/secrets/cabinwatch/([a-z.-]+)", json.dumps(list(resources.values()))))
        held = [set(resource["stringData"]) for (kind, _), resource in resources.items() if kind == "Secret"]
        assert named <= set.union(*held)

    def test_only_the_pod_that_signs_has_the_private_key(self, resources):
        holders = [
            container["name"]
            for resource in workloads(resources)
            for container in manifests.containers(manifests.pod_of(resource))
            if "cabinwatch-signing" in manifests.secrets_of(manifests.pod_of(resource), container)
        ]
        assert holders == ["retrain"]

    def test_only_the_pod_that_serves_has_the_keys_of_the_api_and_it_has_no_other_secret(self, resources):
        held = {
            container["name"]: manifests.secrets_of(manifests.pod_of(resource), container)
            for resource in workloads(resources)
            for container in manifests.containers(manifests.pod_of(resource))
        }
        assert held.pop("serve") == {"cabinwatch-api"}
        assert "cabinwatch-api" not in set.union(*held.values())

    @pytest.mark.parametrize("name", ["cabinwatch-ingest", "cabinwatch-serve"])
    def test_selectors_find_their_pods(self, resources, name):
        labels = resources["Deployment", name]["spec"]["template"]["metadata"]["labels"]
        for kind in ("Deployment", "PodDisruptionBudget"):
            assert resources[kind, name]["spec"]["selector"]["matchLabels"] == labels
        assert resources["Service", name]["spec"]["selector"] == labels
        policy = resources["NetworkPolicy", "cabinwatch"]["spec"]["podSelector"]["matchLabels"]
        assert policy.items() <= labels.items()

    def test_ports_that_are_let_in_are_those_the_pods_have(self, resources):
        pod = manifests.pod_of(resources["Deployment", "cabinwatch-serve"])
        ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
        assert ports == {"api": 8000, "metrics": 9464}
        policy = resources["NetworkPolicy", "cabinwatch-serve"]["spec"]
        assert policy["podSelector"]["matchLabels"] == resources["Service", "cabinwatch-serve"]["spec"]["selector"]
        assert [rule["ports"] for rule in policy["ingress"]] == [[{"port": "api"}]]


class TestDags:
    def test_airflow_imports_them_without_an_error(self, airflow):
        assert airflow["errors"] == {}
        assert sorted(airflow["dags"]) == ["cabinwatch_detect", "cabinwatch_retrain"]

    def test_detect_runs_every_five_minutes_and_never_twice_at_once(self, airflow):
        dag = airflow["dags"]["cabinwatch_detect"]
        assert (dag["schedule"], dag["catchup"], dag["max_active_runs"]) == ("*/5 * * * *", False, 1)
        assert list(dag["tasks"]) == ["detect"]

    def test_retrain_runs_once_a_day_and_then_publishes(self, airflow):
        dag = airflow["dags"]["cabinwatch_retrain"]
        assert (dag["schedule"], dag["catchup"], dag["max_active_runs"]) == ("30 2 * * *", False, 1)
        assert dag["tasks"]["publish"]["upstream"] == ["retrain"]

    def test_every_task_has_a_limit_that_its_run_allows(self, airflow):
        for dag in airflow["dags"].values():
            assert sum(task["timeout"] for task in dag["tasks"].values()) <= dag["timeout"]
            for task in dag["tasks"].values():
                assert task["pod"]["spec"]["activeDeadlineSeconds"] < task["timeout"]
                assert task["retries"] >= 1

    def test_a_run_that_is_repeated_looks_at_the_same_time(self, airflow):
        arguments = container_of(airflow, "detect")["args"]
        assert arguments == ["detect", "--now", "2026-11-21T12:05:00+00:00"]

    def test_every_pod_follows_its_schema(self, airflow):
        for dag in airflow["dags"].values():
            for task in dag["tasks"].values():
                manifests.validate(task["pod"])

    def test_every_command_line_is_one_of_the_program(self, airflow):
        for command in ("detect", "retrain", "publish"):
            assert manifests.accepted(container_of(airflow, command)["args"])

    @pytest.mark.parametrize("command", ["detect", "retrain", "publish"])
    def test_airflow_starts_the_pod_of_the_cron_job(self, airflow, resources, command):
        ours = pod_of_task(airflow, command)
        theirs = manifests.pod_of(resources["CronJob", "cabinwatch-" + command.replace("publish", "retrain")])
        for key in ("securityContext", "automountServiceAccountToken", "restartPolicy"):
            assert ours[key] == theirs[key], key
        our_container = ours["containers"][0]
        their_container = next(one for one in manifests.containers(theirs) if one["name"] == command)
        for key in ("env", "image", "resources", "securityContext"):
            assert our_container[key] == their_container[key], key
        assert manifests.mounted(ours, our_container) == manifests.mounted(theirs, their_container)
        assert our_container["args"][: len(their_container["args"])] == their_container["args"]


class TestPodsRun:
    """The pods' containers, run as a node would, on the ConfigMap with the addresses of files instead of HDFS."""

    ADDRESSES = {
        "CABINWATCH_GROUND__HISTORY__URL": "file:///var/lib/cabinwatch/edr",
        "CABINWATCH_GROUND__TABLES__URL": "sqlite:///var/lib/cabinwatch/tables.db",
    }

    @pytest.fixture(params=["airflow", "cron job"])
    def pods(self, request, airflow, resources):
        """The pods of detect and retrain, from one or the other."""
        if request.param == "airflow":
            return {command: pod_of_task(airflow, command) for command in ("detect", "retrain")}
        return {command: manifests.pod_of(resources["CronJob", f"cabinwatch-{command}"]) for command in ("detect", "retrain")}

    @pytest.fixture
    def volumes(self, resources, tmp_path):
        """Folders for the pods' volumes: the configuration, a signing key, a day of EDR files."""
        volumes = {name: tmp_path / name for name in ("config", "secrets", "signing-secrets", "hadoop", "data")}
        for folder in volumes.values():
            folder.mkdir()
        config_file(resources, volumes["config"])
        ground("keygen", "--out", volumes["signing-secrets"] / "signing.key")
        shutil.copy(volumes["signing-secrets"] / "signing.pub", volumes["secrets"])
        edr = volumes["data"] / "edr"
        day = ["--days", "1", "--start", "2026-11-01T00:00:00Z", "--aircraft", "2", "--files-per-day", "24"]
        ground("simulate", "--out", edr, *day)
        run("chown", "-R", f"{USER}:{USER}", tmp_path)
        return volumes

    def test_a_model_is_trained_and_scored_with(self, engine, ground_image, pods, volumes):
        for command, pod in (("retrain", pods["retrain"]), ("detect", pods["detect"])):
            container = next(one for one in manifests.containers(pod) if one["args"][0] == command)
            addresses = [part for name, url in self.ADDRESSES.items() for part in ("--env", f"{name}={url}")]
            found = dict(volumes)
            if "cabinwatch-signing" in manifests.secrets_of(pod, container):
                found["secrets"] = volumes["signing-secrets"]
            options = ["--rm", "--network", "none", *manifests.options(pod, container, found), *addresses]
            arguments = [*container["args"], "--now", NOW] if "--now" not in container["args"] else container["args"]
            engine.podman("run", *options, ground_image, *arguments)
        tables = f"sqlite://{volumes['data']}/tables.db"
        rows = ground("tables", "--tables", tables, "--table", "windows", "--format", "json").stdout
        assert json.loads(rows)


def workloads(resources):
    """What starts pods."""
    return [resource for (kind, _), resource in resources.items() if kind in ("Deployment", "CronJob", "Job")]


def config_file(resources, folder):
    """The ConfigMap's file."""
    file = folder / "ground.toml"
    file.write_text(resources["ConfigMap", "cabinwatch-ground"]["data"]["ground.toml"])
    return file


def pod_of_task(airflow, command):
    """What an Airflow task starts."""
    tasks = [dag["tasks"][command] for dag in airflow["dags"].values() if command in dag["tasks"]]
    return tasks[0]["pod"]["spec"]


def container_of(airflow, command):
    """The one container of an Airflow task."""
    return pod_of_task(airflow, command)["containers"][0]
