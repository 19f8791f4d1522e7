"""The compose stack: its file against the specification's schema, then the stack itself, with an aircraft outside of it."""

import csv
import json
import os
import shutil
import sys
from collections import Counter
from datetime import datetime, timezone

import jsonschema
import manifests
import pytest
import yaml
from places import CACHE, DEPLOY, HERE, ROOT, TOOLS, USER, eventually, ground, run

COMPOSE = DEPLOY / "compose"
TAIL = "TC-LJB"
# Where aircraft reach the broker: an address, which a certificate names in another way than a name.
HOST = "127.0.0.1"
# Windows of the agent and of this file.
WINDOW = 300


def test_the_file_follows_the_specification():
    schema = json.loads((CACHE / "compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load((COMPOSE / "compose.yaml").read_text()))


def test_nothing_in_it_runs_with_more_rights_than_it_needs():
    services = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    ours = {name: service for name, service in services.items() if name != "cassandra"}
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in ours.values())
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert list(ports) == ["broker", "serve"]
    assert ports["serve"] == ["${API_LISTEN:-127.0.0.1:8000}:8000"], "no other machine reaches it without being let in"
    assert services["serve"]["secrets"] == ["api-keys"]


class Stack:
    """The stack in a folder of its own, as a user would copy it."""

    def __init__(self, engine, folder, images):
        self.engine = engine
        self.folder = folder / "compose"
        shutil.copytree(COMPOSE, self.folder)
        self.edr = folder / "edr"
        self.environment = {**engine.environment, **images, "EDR_FILES": str(self.edr), "CASSANDRA_HEAP": "512M"}

    def make_secrets(self, *fleet):
        """As the documentation says."""
        tails = self.folder / "tails.txt"
        tails.write_text("\n".join(fleet))
        environment = {**self.environment, "ENGINE": str(self.engine.program), "BROKER_HOST": HOST}
        run(self.folder / "make-secrets.sh", tails, env=environment)

    def compose(self, *command, **options):
        """`podman-compose COMMAND...`"""
        words = [TOOLS / "podman-compose", "--podman-path", self.engine.program, *command]
        return run(*words, cwd=self.folder, env=self.environment, **options)

    def ground(self, *command):
        """One command of the ground's, in a container of its own."""
        return self.compose("--profile", "commands", "run", "--rm", "--no-deps", "-T", "ground", *command).stdout

    def rows(self, table):
        """What one of the tables holds."""
        listing = self.engine.podman(
            *("exec", self.name("ingest"), "cabinwatch-ground", "tables", "--table", table, "--format", "json"),
            expect=None,
        )
        return json.loads(listing.stdout) if listing.returncode == 0 else []

    def name(self, service):
        """The container of a service."""
        return f"cabinwatch_{service}_1"

    def log(self, service):
        """What a service has said."""
        return self.engine.logs(self.name(service))


@pytest.fixture(scope="module")
def stack(engine, ground_image, tmp_path_factory):
    """The stack, up."""
    folder = tmp_path_factory.mktemp("stack")
    parts = ROOT / "tests/parts/cassandra"
    server = folder / "cassandra-image"
    shutil.copytree(ROOT / ".cache/cassandra/lib", server / "lib", copy_function=os.link)
    for file in (HERE / "images/cassandra", parts / "java.options", parts / "logback.xml"):
        shutil.copy(file, server)
    images = {
        "GROUND_IMAGE": ground_image,
        "BROKER_IMAGE": engine.stand_in("broker", HERE / "images"),
        "CASSANDRA_IMAGE": engine.stand_in("cassandra", server),
    }
    stack = Stack(engine, folder, images)
    day = ["--days", "1", "--start", "2026-11-01T00:00:00Z", "--aircraft", "2", "--files-per-day", "24"]
    ground("simulate", "--out", stack.edr, *day)
    ground("simulate", "telemetry", "--rows", "2000", "--out", stack.edr / "network_traffic_data.csv")
    stack.make_secrets(TAIL)
    # The fleet has grown: who was there keeps what it has.
    password = (stack.folder / "secrets/passwords" / TAIL).read_text()
    key = (stack.folder / "secrets/api-keys").read_text()
    stack.make_secrets(TAIL, "TC-LJC")
    assert (stack.folder / "secrets/api-keys").read_text() == key
    assert (stack.folder / "secrets/passwords" / TAIL).read_text() == password
    stack.compose("up", "--detach")
    yield stack
    stack.compose("down", "--volumes", expect=None)


@pytest.fixture(scope="module")
def aircraft(engine, agent_image, stack):
    """An agent that is no part of the stack and knows only its published port; it replays a day of EDR files."""
    folder = stack.folder.parent / "aircraft"
    folder.mkdir()
    password = stack.folder / "secrets/passwords" / TAIL
    shutil.copy(password, folder / "password")
    shutil.copy(stack.folder / "secrets/ca.pem", folder / "ca.pem")
    (folder / "agent.toml").write_text(
        f'tail = "{TAIL}"\nwindow_seconds = {WINDOW}\n'
        f'[link]\nbroker = "mqtts://{HOST}:8883"\nuser = "{TAIL}"\npassword_file = "/etc/cabinwatch/password"\n'
        'ca_file = "/etc/cabinwatch/ca.pem"\ndrain_bytes_per_second = 10000000\n'
        '[[sources.replay]]\npath = "/edr"\nspeed = 0\n'
    )
    run("chown", "-R", f"{USER}:{USER}", folder)
    narrow = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--memory", "32m"]
    mounts = ["-v", f"{folder}:/etc/cabinwatch:ro", "-v", f"{stack.edr}:/edr:ro"]
    engine.podman("run", "--detach", "--name", "aircraft", *engine.outside, *narrow, *mounts, agent_image)
    yield "aircraft"
    engine.podman("rm", "--force", "--time", "5", "aircraft")


def failures_of(folder):
    """Failures by window, point and description, counted from the EDR files themselves."""
    counts = Counter()
    for file in folder.glob("*_??????_??????*.csv"):
        for row in csv.DictReader(file.open()):
            if row["state"] == "FAIL":
                at = datetime.fromisoformat(row["edr_date"]).replace(tzinfo=timezone.utc).timestamp()
                counts[int(at) // WINDOW * WINDOW, row["edr_point"], row["description"]] += 1
    return counts


def stored(stack):
    """The same from the ground's tables."""
    start = lambda row: int(datetime.fromisoformat(row["start_time"]).timestamp())  # noqa: E731
    return {(start(row), row["edr_point"], row["description"]): row["fail"] for row in stack.rows("windows")}


# One event to the published port, from the machine that the stack runs on; prints status and answer.
ASK = """
import os, urllib.error, urllib.request
event = b'{"timestamp":"t","process_path":"p","process_hash":"h","source_ip":"10.0.0.1","dest_ip":"10.0.0.2",' \\
    b'"dest_port":443,"bytes_sent":2400,"bytes_recv":42000,"protocol":"TCP"}'
headers = {"X-API-Key": os.environ["KEY"], "Content-Type": "application/json"}
try:
    answer = urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8000/event", event, headers))
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
"""


def score(engine, key):
    """What the stack's scoring API answers: status and body; 0 when nobody listens."""
    asked = engine.inside(sys.executable, "-c", ASK, env={**os.environ, "KEY": key}, expect=None)
    status, _, body = asked.stdout.partition(" ")
    return int(status or 0), body


class TestTheStack:
    def test_cassandra_listens_where_its_clients_look(self, engine, stack):
        probe = ["exec", stack.name("ingest"), "bash", "-c", "exec 3<>/dev/tcp/cassandra/9042"]
        eventually("Cassandra listens", lambda: engine.podman(*probe, expect=None).returncode == 0, limit=180)

    def test_every_failure_of_an_aircraft_reaches_cassandra_once(self, stack, aircraft):
        expected = failures_of(stack.edr)
        assert expected
        last = max(window for window, _, _ in expected)
        # The last window of a replay stays open: no later event closes it.
        expected = {key: count for key, count in expected.items() if key[0] < last}
        told = lambda: stack.log("ingest") + stack.engine.logs(aircraft)  # noqa: E731
        eventually("the rows are there", lambda: expected.items() <= stored(stack).items(), limit=300, log=told)
        beyond = {key for key in stored(stack) if key[0] < last} - expected.keys()
        assert not beyond

    def test_a_model_is_trained_published_and_scored_with(self, stack):
        stack.ground("retrain")
        stack.ground("publish")
        stack.ground("detect")
        scored = lambda row: row["tail"] == "FLEET" and row["z_status"] == "scored"  # noqa: E731
        # A read may time out where Cassandra has few cores to itself.
        eventually("the rows are there", lambda: any(scored(row) for row in stack.rows("windows")))

    def test_ingest_answers_the_probes_of_the_kubernetes_manifest(self, engine, stack):
        container = manifests.pod_of(manifests.every()["Deployment", "cabinwatch-ingest"])["containers"][0]
        port = container["ports"][0]["containerPort"]
        for probe in ("livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"]
            ask = f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3"
            answer = engine.podman("exec", stack.name("ingest"), "bash", "-c", ask).stdout
            assert answer.split()[1] == "200"

    def test_the_health_check_of_the_image_asks_ingest(self, engine, stack):
        engine.podman("healthcheck", "run", stack.name("ingest"))

    def test_the_scoring_api_takes_up_a_model_and_scores_for_who_has_the_key(self, engine, stack):
        stack.ground("retrain", "--telemetry", "/edr/network_traffic_data.csv")
        key = (stack.folder / "secrets/api-keys").read_text().strip().split(":")[1]
        status = lambda key: score(engine, key)[0]  # noqa: E731
        eventually("events are scored", lambda: status(key) == 200, log=lambda: stack.log("serve"))
        assert json.loads(score(engine, key)[1])["status"] in ("normal", "anomaly")
        assert status("another key") == 403

    def test_the_broker_lets_nobody_in_without_a_password(self, engine, stack):
        publish = ["mosquitto_pub", "-h", HOST, "-p", "8883", "--cafile", "/ca.pem", "-V", "5", "-q", "1"]
        message = ["-t", f"cabinwatch/v1/{TAIL}/up/frames", "-m", "x"]
        outside = [*engine.outside, "-v", f"{stack.folder}/secrets/ca.pem:/ca.pem:ro"]
        image = stack.environment["BROKER_IMAGE"]
        refused = engine.podman("run", "--rm", *outside, image, *publish, *message, expect=None)
        assert refused.returncode != 0
        assert "not authorized" in refused.stderr.lower()

    def test_no_password_stands_in_a_log_or_on_a_command_line(self, engine, stack, aircraft):
        passwords = [file.read_text().strip() for file in stack.folder.glob("secrets/*-password")]
        passwords += [file.read_text().strip() for file in stack.folder.glob("secrets/passwords/*")]
        passwords.append((stack.folder / "secrets/api-keys").read_text().strip().split(":")[1])
        told = "".join(stack.log(service) for service in ("broker", "ingest", "serve")) + engine.logs(aircraft)
        told += engine.podman("inspect", stack.name("broker"), stack.name("ingest"), stack.name("serve"), aircraft).stdout
        assert len(passwords) == 5
        assert not [password for password in passwords if password in told]

    def test_ingest_ends_in_order(self, engine, stack):
        stack.compose("stop", "ingest")
        state = engine.podman("inspect", "--format", "{{.State.ExitCode}}", stack.name("ingest")).stdout
        assert state.strip() == "0", stack.log("ingest")
