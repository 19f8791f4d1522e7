"""What several files of tests share, and the line that tests/scripts/run.sh adds up."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from engine import Engine
from places import DEPLOY, built


@pytest.fixture(scope="session")
def engine():
    """buildah and podman with storage of their own."""
    if os.geteuid() != 0:
        pytest.skip("containers are built and run as root only")
    # Sockets have short names: not below pytest's own folder.
    engine = Engine(Path(tempfile.mkdtemp(prefix="cw-")))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def ground_image(engine, tmp_path_factory):
    """The ground's image around the program that the stage `build` made."""
    context = tmp_path_factory.mktemp("ground-image")
    shutil.copy(built("cabinwatch-ground"), context)
    file = DEPLOY / "containers/ground.Containerfile"
    tag = "localhost/cabinwatch-test/ground"
    return engine.build(tag, file, context, BASE_IMAGE=engine.base())


@pytest.fixture(scope="session")
def agent_image(engine):
    """The agent's image around its static program."""
    file = DEPLOY / "containers/agent.Containerfile"
    context = DEPLOY.parent / ".cache/cross/x86_64-unknown-linux-musl"
    return engine.build("localhost/cabinwatch-test/agent", file, context, BASE_IMAGE=engine.base())


@pytest.fixture
def container(engine):
    """Starts containers in the background, and removes them after the test."""
    started = []

    def start(image, *options, command=()):
        started.append(engine.podman("run", "--detach", *options, image, *command).stdout.split()[-1])
        return started[-1]

    yield start
    for name in started:
        engine.podman("rm", "--force", "--time", "1", name)


def pytest_terminal_summary(terminalreporter):
    """`N passed; M failed; K ignored`, as cargo prints it."""
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    failed = count["failed"] + count["error"]
    print(f"\ndeployment: {count['passed']} passed; {failed} failed; {count['skipped']} ignored")
