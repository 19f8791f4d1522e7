"""The images: what is in them, and that they run as narrowly as they should."""

import json
import time

import pytest
from places import CACHE, DEPLOY, HERE, TOOLS, USER, built, ground, run

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
    ground("simulate", "--out", folder / "edr", "--days", "2", "--start", "2026-11-01T00:00:00Z", "--tails", "2")
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
        config = json.loads(engine.podman("image", "inspect", ground_image).stdout[0:])[0]["Config"]
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
