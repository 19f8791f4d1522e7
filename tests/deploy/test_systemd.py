"""The systemd units: as systemd reads them, and as it runs them on a machine that boots."""

import json
import re
import shutil

import pytest
from engine import boot
from places import DEPLOY, HERE, ROOT, built, ground, run

UNITS = sorted([*(DEPLOY / "systemd").iterdir(), ROOT / "cross/cabinwatch-agent.service"])
PROGRAM = re.compile(r"/usr/bin/(cabinwatch-\w+)")
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
# Where 0 is nothing allowed and 100 everything; the rest is the network, which each of them is for.
MOST_EXPOSED = 15
SECRET = "a-password-nobody-may-see"
API_KEY = "an-api-key-nobody-may-see"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_every_line(unit, tmp_path):
    # The program of a unit has to exist where it is verified.
    for other in UNITS:
        text = PROGRAM.sub(lambda found: str(built(found[1])), other.read_text())
        (tmp_path / other.name).write_text(text)
    # It ends with 0 all the same when it says that it does not know a key.
    assert run("systemd-analyze", "verify", tmp_path / unit.name).stderr == ""


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_sandbox_is_tight(unit):
    run("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_every_command_line_is_one_of_the_program(unit):
    commands = re.findall(rf"^ExecStart={PROGRAM.pattern} (.*)$", unit.read_text(), re.MULTILINE)
    assert commands
    for program, arguments in commands:
        run(built(program), *arguments.split(), "--help")


@pytest.fixture(scope="module")
def booted(engine, tmp_path_factory):
    """What became of the units on a machine of their own: the folder that try-units.sh wrote to."""
    root = engine.machine(tmp_path_factory.mktemp("machine"))
    furnish(root)
    boot(root, "try-units", seconds=300)
    yield root
    shutil.rmtree(root)


def furnish(root):
    """Programs, units, configuration, secrets and EDR files, where docs/deployment.md and the units put them."""
    for program in ("cabinwatch-agent", "cabinwatch-ground"):
        shutil.copy(built(program), root / "usr/bin" / program)
    for unit in [*UNITS, HERE / "machine/broker.service"]:
        shutil.copy(unit, root / "etc/systemd/system")
    secrets = root / "etc/cabinwatch/secrets"
    secrets.mkdir(parents=True)
    secrets.chmod(0o700)
    ground("keygen", "--out", secrets / "signing.key")
    for name in ("ingest-password", "publish-password"):
        (secrets / name).write_text(f"{SECRET}\n")
        (secrets / name).chmod(0o400)
    (secrets / "api-keys").write_text(f"default:{API_KEY}\n")
    (secrets / "api-keys").chmod(0o400)
    ground("simulate", "telemetry", "--rows", "2000", "--out", root / "srv/network_traffic_data.csv")
    (root / "etc/cabinwatch/ground.toml").write_text(
        '[history]\nurl = "file:///srv/edr"\n[model]\ndir = "/var/lib/cabinwatch-ground/model"\n'
        '[tables]\nurl = "sqlite:///var/lib/cabinwatch-ground/tables.db"\n'
        '[mail]\nurl = "file:///var/lib/cabinwatch-ground/mail"\n[broker]\nurl = "mqtt://127.0.0.1:1883"\n'
    )
    (root / "etc/cabinwatch/agent.toml").write_text(
        'tail = "TC-LJB"\n[link]\nbroker = "mqtt://127.0.0.1:1883"\n'
        '[sources]\nevent_socket = "/run/cabinwatch/events.sock"\nspool = "/var/lib/cabinwatch/spool"\n'
    )
    day = ["--days", "1", "--start", "2026-11-01T00:00:00Z", "--aircraft", "2", "--files-per-day", "24"]
    ground("simulate", "--out", root / "srv/edr", *day)


def state(root, name):
    """What systemd says of a unit, as try-units.sh wrote it down."""
    text = (root / "var/lib/cabinwatch-test" / name).read_text()
    return dict(line.split("=", 1) for line in text.split())


def journal(root):
    """What the units have said."""
    return (root / "var/lib/cabinwatch-test/journal").read_text()


def assert_sandboxed(root, unit):
    """The unit's process was up, with an account of its own, no rights, none to gain, and a filter of system calls."""
    assert state(root, f"{unit}-running")["ActiveState"] == "active", journal(root)
    process = (root / f"var/lib/cabinwatch-test/{unit}-process").read_text().split("\n")
    status = {line.split(":")[0]: line.split()[1] for line in process if line}
    assert 61184 <= int(status["Uid"]) <= 65519
    assert (int(status["CapEff"], 16), status["NoNewPrivs"], status["Seccomp"]) == (0, "1", "2")


class TestOnAMachine:
    SUCCESS = {"Result": "success", "ExecMainStatus": "0", "ActiveState": "inactive"}

    def test_ingest_runs_in_its_sandbox(self, booted):
        assert_sandboxed(booted, "ingest")

    def test_ingest_ends_in_order(self, booted):
        assert state(booted, "ingest-stopped") == self.SUCCESS, journal(booted)

    def test_the_agent_runs_in_its_sandbox_and_takes_events(self, booted):
        assert_sandboxed(booted, "agent")
        assert "no address" in (booted / "var/lib/cabinwatch-test/agent-events").read_text(), journal(booted)

    def test_the_agent_ends_in_order(self, booted):
        assert state(booted, "agent-stopped") == self.SUCCESS, journal(booted)

    def test_retrain_trains_signs_and_publishes(self, booted):
        assert state(booted, "retrain") == self.SUCCESS, journal(booted)
        model = booted / "var/lib/private/cabinwatch-ground/model"
        assert (model / "model.cwm").exists()
        # Signed with the fleet's key, so none was made up.
        assert not (model / "signing.key").exists()

    def test_detect_fills_tables_and_mail(self, booted):
        assert state(booted, "detect") == self.SUCCESS, journal(booted)
        data = booted / "var/lib/private/cabinwatch-ground"
        rows = ground("tables", "--tables", f"sqlite://{data}/tables.db", "--table", "windows", "--format", "json")
        assert json.loads(rows.stdout)
        assert list(data.glob("mail/*.eml"))

    def test_serve_runs_in_its_sandbox_and_scores_for_who_has_a_key(self, booted):
        assert_sandboxed(booted, "serve")
        answers = booted / "var/lib/cabinwatch-test"
        assert (answers / "serve-with-key").read_text().split()[1] == "200", journal(booted)
        assert '"status"' in (answers / "serve-with-key").read_text()
        assert (answers / "serve-without").read_text().split()[1] == "403"

    def test_serve_ends_in_order(self, booted):
        assert state(booted, "serve-stopped") == self.SUCCESS, journal(booted)

    def test_the_key_stands_on_no_command_line_and_in_no_environment(self, booted):
        process = (booted / "var/lib/cabinwatch-test/serve-seen").read_text()
        assert "cabinwatch-ground" in process and "KEYS_FILE" in process
        assert API_KEY not in process

    def test_timers_come_round(self, booted):
        for unit in ("detect", "retrain"):
            assert (booted / f"var/lib/cabinwatch-test/{unit}-next").read_text().strip()

    def test_no_secret_stands_in_the_journal(self, booted):
        assert SECRET not in journal(booted)
        assert API_KEY not in journal(booted)
