#!/usr/bin/env python3
"""Runs the virtual access point's tests: run.py [PART...]. Without a part, all of them; `shell` lets you look inside.

VAP_SEED=N repeats the moments of an earlier run, VAP_CUTS=N makes more cuts or fewer, VAP_KEEP=1 keeps the disks.
"""

import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import traceback
import unittest
from pathlib import Path

import cuts
import daemons
import test_oracle
import wrong_clock
from machine import CACHE, Machine, Trouble
from report import Report

CUTS = int(os.environ.get("VAP_CUTS", "24"))
RUN = CACHE / "run"


class Disks:
    """Copies of the disk, in a folder that is removed at the end."""

    def __enter__(self):
        self.lock = open(CACHE / "run.lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("vap: another run is under way; one machine at a time is enough work")
        shutil.rmtree(RUN, ignore_errors=True)
        RUN.mkdir()
        return self

    def __exit__(self, *_):
        if os.environ.get("VAP_KEEP") != "1":
            for image in RUN.glob("*/disk.ext4"):
                image.unlink()

    def fresh(self, name):
        """A folder for one part of the test, and the disk in it."""
        folder = RUN / name
        folder.mkdir()
        subprocess.run(["cp", "--sparse=always", CACHE / "disk.ext4", folder / "disk.ext4"], check=True)
        return folder, folder / "disk.ext4"


def oracle(report, _):
    report.part("oracle: it sees what it is there to see")
    tests = unittest.defaultTestLoader.loadTestsFromModule(test_oracle)
    for test in [test for suite in tests for test in suite]:
        result = unittest.TestResult()
        test.run(result)
        report.check(test.id().split(".")[-1], [text for _, text in result.failures + result.errors])


def real_daemons(report, disks):
    report.part("daemons: hostapd, dnsmasq and FreeRADIUS feed the agent")
    daemons.run(report, *disks.fresh("daemons"))


def power_cuts(report, disks):
    report.part(f"cuts: {CUTS} power cuts at random moments, then a disk that ignores flushes")
    aircraft = cuts.Aircraft(report, *disks.fresh("cuts"))
    cuts.honest_cuts(report, aircraft, CUTS)
    cuts.control(report, aircraft)


def wrong_clocks(report, disks):
    report.part("clock: the power comes back, and the battery clock does not")
    wrong_clock.run(report, *disks.fresh("clock"))


def shell(_, disks):
    """Runs each line of standard input in a fresh machine, which loses its power at the end."""
    with Machine(*disks.fresh("shell")) as machine:
        machine.wait_until_up()
        while True:
            print("access-point# ", end="", flush=True)
            if not (line := sys.stdin.readline()):
                return
            print(machine.attempt(line)[1], end="")


PARTS = {"oracle": oracle, "daemons": real_daemons, "cuts": power_cuts, "clock": wrong_clocks}


def main():
    if os.geteuid() != 0:
        sys.exit("vap: this must run as root: only root can make the machine's disk")
    names = sys.argv[1:] or list(PARTS)
    parts = {**PARTS, "shell": shell}
    if unknown := set(names) - set(parts):
        sys.exit(f"vap: there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    # An end by SIGTERM takes the same way out as Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = int(os.environ.get("VAP_SEED") or random.randrange(1_000_000))
    print(f"seed {seed}; VAP_SEED={seed} repeats the moments")
    random.seed(seed)
    report = Report()
    with Disks() as disks:
        for name in names:
            try:
                parts[name](report, disks)
            except Trouble as trouble:
                report.check(name, [str(trouble)])
            except Exception:
                # A mistake of the rig's own is a failure like any other, and must not hide the counts.
                report.check(name, traceback.format_exc().splitlines())
            except KeyboardInterrupt:
                sys.exit("\nvap: given up; nothing runs any more")
    print(f"\nlogs: {RUN.relative_to(Path.cwd()) if RUN.is_relative_to(Path.cwd()) else RUN}")
    if names == ["shell"]:
        return 0
    print(report.summary())
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
