"""Where things lie, and running programs."""

import os
import shlex
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
HERE = ROOT / "tests/deploy"
CACHE = ROOT / ".cache/deploy"
TOOLS = CACHE / "venv/bin"
# What the image and the manifests say, and the tests hand out.
USER = 65532


def built(name):
    """A program of ours, as the stage `build` leaves it."""
    path = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / name
    assert path.exists(), f"{path} is not built; run `tests/scripts/run.sh build` first"
    return path


def run(*command, expect=0, timeout=300, **options):
    """Runs a program to its end, and shows what it said when it ends in another way than expected."""
    words = [str(word) for word in command]
    done = subprocess.run(words, timeout=timeout, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    said = f"{done.stdout}{done.stderr}"
    assert expect is None or done.returncode == expect, f"`{shlex.join(words)}` ended with {done.returncode}:\n{said}"
    return done


def ground(*arguments, **options):
    """`cabinwatch-ground ARGUMENTS...`, without the settings of whoever runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CABINWATCH_")}
    environment.update(options.pop("settings", {}))
    return run(built("cabinwatch-ground"), *arguments, env=environment, **options)


def eventually(what, holds, limit=120, log=str):
    """Waits for something to be true, and returns it. `log` gives what is shown when it does not come."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.2)
    raise AssertionError(f"in {limit} s it did not happen that {what}:\n{log()}")
