"""Containers without an engine running: buildah builds, podman and runc run.

Images are kept in .cache/deploy. Containers live in a network namespace of the test run's own, so that the stack has
its usual ports and nothing of this machine's network is touched; it has no way out.
"""

import os
import shlex
import shutil
from pathlib import Path

from places import CACHE, HERE, run

CONFIGURATION = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
"""
BASE = "localhost/cabinwatch-test/debian"


def boot(root, script, seconds):
    """Boots a machine whose script, a unit of the same name beside it, runs to its end and powers the machine off. What
    it wrote to /var/lib/cabinwatch-test is there afterwards."""
    shutil.copy(HERE / f"machine/{script}.service", root / "etc/systemd/system")
    shutil.copy(HERE / f"machine/{script}.sh", root / "usr/local/bin")
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    (wanted / f"{script}.service").symlink_to(f"../{script}.service")
    results = root / "var/lib/cabinwatch-test"
    results.mkdir()
    nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe", "--private-network"]
    # On a signal it powers the machine off; when it is killed, the machine goes on.
    run("timeout", "--kill-after=30", str(seconds), *nspawn, "-D", root, "--boot", timeout=seconds + 60)
    return results


class Engine:
    """Image storage that outlives the run, and everything else in a folder that does not."""

    def __init__(self, scratch: Path):
        self.scratch = scratch
        self.namespace = f"cabinwatch-{os.getpid()}"
        storage = CACHE / "containers"
        storage.mkdir(parents=True, exist_ok=True)
        # A file system of layers can't lie on another of its kind.
        kind = run("stat", "--file-system", "--format=%T", storage).stdout.strip()
        driver = "vfs" if kind == "overlayfs" else "overlay"
        self.layers = storage / driver / driver
        # podman's own records name the run they are of; images are not among them.
        shutil.rmtree(storage / driver / "libpod", ignore_errors=True)
        self.storage = ["--root", str(storage / driver), "--runroot", str(scratch / "run"), "--storage-driver", driver]
        configuration = scratch / "containers.conf"
        configuration.write_text(CONFIGURATION)
        self.environment = {**os.environ, "CONTAINERS_CONF": str(configuration), "TMPDIR": str(scratch)}
        run("ip", "netns", "add", self.namespace)
        self.inside("ip", "link", "set", "lo", "up")
        places = ["--network-config-dir", str(scratch / "networks"), "--tmpdir", str(scratch / "tmp")]
        words = ["exec", *self.enter, "podman", *self.storage, *places]
        self.program = scratch / "podman"
        self.program.write_text(f'#!/bin/sh\n{shlex.join(words)} "$@"\n')
        self.program.chmod(0o755)

    @property
    def enter(self):
        """What puts a program into the containers' network namespace."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}"]

    @property
    def outside(self):
        """Puts a container beside the stack's network, where there are only published ports."""
        return ["--network", f"ns:/run/netns/{self.namespace}"]

    def inside(self, *command, **options):
        """Runs a program there."""
        return run(*self.enter, *command, **options)

    def podman(self, *command, **options):
        """`podman COMMAND...`"""
        return run(self.program, *command, env=self.environment, **options)

    def logs(self, container):
        """What a container has said."""
        done = self.podman("logs", container, expect=None)
        return done.stdout + done.stderr

    def build(self, tag, file, context, **arguments):
        """Builds an image; layers that are there already are taken."""
        given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        build = ["bud", "--isolation", "chroot", "--layers", "--timestamp", "0", "--format", "docker"]
        run("buildah", *self.storage, *build, *given, "-t", tag, "-f", file, context, env=self.environment, timeout=600)
        return tag

    def base(self):
        """The slim Debian that everything is built on."""
        if self.podman("image", "exists", BASE, expect=None).returncode != 0:
            self.podman("import", CACHE / "debian.tar", BASE)
        return BASE

    def stand_in(self, name, context):
        """The image of a part that others publish, made here of Debian's packages."""
        file = HERE / "images" / f"{name}.Containerfile"
        return self.build(f"localhost/cabinwatch-test/{name}", file, context, BASE_IMAGE=self.base())

    def machine(self, folder):
        """The root of a Debian with systemd, in a folder that need not be there yet."""
        root = folder / "root"
        root.mkdir(parents=True)
        name = self.podman("create", self.stand_in("systemd", HERE / "images"), "true").stdout.split()[-1]
        run("sh", "-c", f"'{self.program}' export {name} | tar -x -C '{root}'", env=self.environment)
        self.podman("rm", name)
        return root

    def close(self):
        """Ends every container, and removes all that isn't an image."""
        self.podman("rm", "--all", "--force", "--time", "1", expect=None)
        self.podman("volume", "rm", "--all", "--force", expect=None)
        for network in self.podman("network", "ls", "--quiet", expect=None).stdout.split():
            if network != "podman":
                self.podman("network", "rm", "--force", network, expect=None)
        self.podman("image", "prune", "--force", expect=None)
        # The folder of layers is mounted upon itself, and an exported container stays mounted in it.
        run("umount", "--recursive", self.layers, expect=None)
        run("ip", "netns", "delete", self.namespace, expect=None)
        shutil.rmtree(self.scratch, ignore_errors=True)
