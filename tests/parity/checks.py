"""Counts checks, and says which one failed and why. Ends with the line that tests/scripts/run.sh adds up."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Where users find the exporter; the tests use the same.
sys.path.append(str(ROOT / "deploy/migrate"))


class Checks:
    """One script's checks. `finish` is the last call."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def that(self, name, holds, detail=""):
        """One check, with what was seen when it does not hold."""
        if holds:
            self.passed += 1
            print(f"  ok      {name}")
        else:
            self.failed += 1
            print(f"  FAILED  {name}: {detail}")
        return holds

    def skip(self, name, reason):
        """One check that this machine can't make."""
        self.skipped += 1
        print(f"  SKIPPED {name}: {reason}")

    def same(self, name, ours, expected):
        """Two dictionaries or lists of rows are equal; shows the first few that differ."""
        if isinstance(expected, dict):
            keys = sorted(set(ours) | set(expected), key=repr)
            different = [(key, ours.get(key), expected.get(key)) for key in keys if ours.get(key) != expected.get(key)]
        else:
            pairs = zip(ours, expected)
            different = [(at, one, other) for at, (one, other) in enumerate(pairs) if one != other]
            if len(ours) != len(expected):
                different.append(("length", len(ours), len(expected)))
        shown = "; ".join(f"{key}: ours {one}, expected {other}" for key, one, other in different[:4])
        return self.that(name, not different, f"{len(different)} differ: {shown}")

    def finish(self):
        """Prints the counts and ends the script."""
        print(f"checks: {self.passed} passed; {self.failed} failed; {self.skipped} ignored")
        sys.exit(1 if self.failed else 0)


def built(name):
    """A program that cargo built in the dev profile, e.g. `cabinwatch-ground` or `examples/score_forest`."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    path = ROOT / target / "debug" / name
    if not path.exists():
        sys.exit(f"{path} is not built; run `tests/scripts/run.sh build` first")
    return path


def run(*command, expect=0):
    """Runs a program; its output is shown only when it ends in a way the test did not expect."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != expect:
        words = " ".join(str(part) for part in command)
        sys.exit(f"`{words}` ended with {done.returncode}, not {expect}:\n{done.stdout}{done.stderr}")
    return done.stdout
