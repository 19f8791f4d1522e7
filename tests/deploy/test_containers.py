"""The images: what is in them, and that they run as narrowly as they should."""

import json

import pytest
from places import DEPLOY, HERE, TOOLS, USER, eventually, ground, run

FILES = sorted([*DEPLOY.glob("containers/*.Containerfile"), *HERE.glob("images/*.Containerfile")])
# Nothing but what the program needs: no right of root's, nothing writable, no network.
NARROW = ["--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
ALONE = [*NARROW, "--network", "none"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_hadolint_finds_nothing(file):
    run(TOOLS / "hadolint", file)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two days of EDR files and a model trained on them, for the image's user to write to."""
    folder = tmp_path_factory.mktemp("trained")
    for sub in ("data", "edr"):
        (folder / sub).mkdir()
    now = "2026-11-03T00:00:00Z"
    ground("simulate", "--out", folder / "edr", "--days", "2", "--start", "2026-11-01T00:00:00Z", "--aircraft", "2")
    ground("retrain", "--history", f"file://{folder}/edr", "--model-dir", folder / "data/model", "--now", now)
    run("chown", "-R", f"{USER}:{USER}", folder / "data")
    return folder


def settings(folder, **values):
    """A configuration file with these settings."""
    file = folder / "ground.toml"
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    return file


class TestGround:
    def test_the_program_runs_as_a_user_without_rights(self, engine, ground_image):
        config = json.loads(engine.podman("image", "inspect", ground_image).stdout)[0]["Config"]
        assert config["User"] == f"{USER}:{USER}"

    def test_check_config_shows_what_is_mounted_and_what_the_environment_sets(self, engine, ground_image, tmp_path):
        file = settings(tmp_path, **{"history.prefix": "fleet_edr"})
        mounts = ["-v", f"{file}:/etc/cabinwatch/ground.toml:ro"]
        environment = ["-e", "CABINWATCH_GROUND__BROKER__USER=ground"]
        done = engine.podman("run", "--rm", *ALONE, *mounts, *environment, ground_image, "check-config", "--json")
        values = {setting["key"]: setting["value"] for setting in json.loads(done.stdout)}
        assert values["history.prefix"] == "fleet_edr"
        assert values["broker.user"] == "ground"

    def test_detect_scores_a_mounted_folder(self, engine, ground_image, trained, tmp_path):
        file = settings(
            tmp_path,
            **{"history.url": "file:///edr", "model.dir": "model", "tables.url": "sqlite:///var/lib/cabinwatch/t.db"},
        )
        mounts = [
            *("-v", f"{file}:/etc/cabinwatch/ground.toml:ro"),
            *("-v", f"{trained}/edr:/edr:ro"),
            *("-v", f"{trained}/data:/var/lib/cabinwatch"),
        ]
        now = ["--now", "2026-11-03T00:00:00Z"]
        engine.podman("run", "--rm", *ALONE, *mounts, ground_image, "detect", *now)
        rows = ground("tables", "--tables", f"sqlite://{trained}/data/t.db", "--table", "windows", "--format", "json")
        assert json.loads(rows.stdout)

    def test_the_health_check_fails_where_nobody_answers(self, engine, ground_image, container):
        name = container(ground_image, *ALONE, "--entrypoint", "sleep", command=["60"])
        engine.podman("healthcheck", "run", name, expect=1)

    def test_ingest_ends_in_order_when_it_is_told_to(self, engine, ground_image, container):
        mount = ["-v", f"{DEPLOY}/compose/ground.toml:/etc/cabinwatch/ground.toml:ro"]
        where = ["--broker", "mqtt://127.0.0.1:1", "--tables", "sqlite:///var/lib/cabinwatch/tables.db"]
        unset = ["-e", "CABINWATCH_GROUND__BROKER__PASSWORD_FILE=", "-e", "CABINWATCH_GROUND__BROKER__USER="]
        waiting = container(ground_image, *ALONE, *mount, *unset, command=["ingest", *where])
        eventually("ingest looks for the broker", lambda: "broker" in engine.logs(waiting))
        engine.podman("stop", "--time", "20", waiting)
        assert exit_code(engine, waiting) == 0


class TestAgent:
    # With what a gateway can spare, and the configuration that we hand out.
    SMALL = [
        *(*ALONE, "--memory", "32m", "--memory-swap", "32m"),
        *("-v", f"{DEPLOY}/agent.toml:/etc/cabinwatch/agent.toml:ro", "-e", "CABINWATCH_AGENT__TAIL=TC-LJB"),
    ]

    def test_the_image_holds_one_program(self, engine, agent_image, container):
        name = container(agent_image, command=["--version"])
        listing = run("sh", "-c", f"'{engine.program}' export {name} | tar -t", env=engine.environment).stdout
        files = {path for path in listing.split() if not path.endswith("/")}
        made_by_podman = {path for path in files if path.startswith(("etc/", "dev/", "proc/", "sys/", "run/"))}
        assert files - made_by_podman == {"usr/bin/cabinwatch-agent"}

    def test_it_says_its_version(self, engine, agent_image):
        done = engine.podman("run", "--rm", *self.SMALL, agent_image, "--version")
        assert done.stdout.startswith("cabinwatch-agent ")

    def test_check_config_shows_what_the_environment_sets(self, engine, agent_image):
        done = engine.podman("run", "--rm", *self.SMALL, agent_image, "check-config")
        assert "TC-LJB" in done.stdout

    def test_it_counts_events_and_ends_in_order(self, engine, agent_image, container):
        agent = container(agent_image, *self.SMALL)
        inside = ["exec", agent, "/usr/bin/cabinwatch-agent"]
        record = ["record", "--point", "DHCP", "--state", "FAIL", "--description", "no address"]

        def status():
            # Its exit code says that something needs attention: there is no broker here.
            return engine.podman(*inside, "status", expect=None).stdout

        eventually("the agent runs", lambda: "runs as process" in status(), log=status)
        engine.podman(*inside, *record)
        eventually("the event is stored", lambda: "no address" in engine.podman(*inside, "export").stdout)
        engine.podman("stop", "--time", "20", agent)
        assert exit_code(engine, agent) == 0, engine.logs(agent)


def exit_code(engine, name):
    """How a container ended."""
    return int(engine.podman("inspect", "--format", "{{.State.ExitCode}}", name).stdout)
