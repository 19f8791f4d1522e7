"""The access point as a machine: one boot of qemu, on a disk that forgets what was not flushed when the power is cut."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "vap"
# Far above what a busy machine takes without hardware support; only a hang reaches them.
BOOT_LIMIT = 240
COMMAND_LIMIT = 120
PR_SET_PDEATHSIG = 1


class Trouble(Exception):
    """The rig itself did not work, or something in the machine took for ever."""


def start(arguments, **options):
    """Starts a program that ends when this one does, however this one ends."""
    libc = ctypes.CDLL(None)

    def die_with_parent():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    # A Ctrl-C is for this program, which ends the others in its own order.
    return subprocess.Popen(arguments, preexec_fn=die_with_parent, start_new_session=True, **options)


def end(process):
    """SIGTERM; SIGKILL if that does not help."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Disk:
    """The disk as nbdkit serves it. Unflushed writes lie in a file of nbdkit's own that dies with it.

    `flushes` is `kept`, or `ignored` as by a disk that lies: then nothing reaches the image.
    """

    def __init__(self, folder, image, flushes="kept"):
        # A socket's path must be short, and this clone may lie deep.
        self.place = tempfile.TemporaryDirectory(prefix="vap-")
        self.socket = Path(self.place.name) / "disk.sock"
        mode = {"kept": "writeback", "ignored": "unsafe"}[flushes]
        log = open(folder / "nbdkit.log", "ab")
        arguments = ["nbdkit", "--foreground", "--unix", self.socket, "--filter=cache", "file", image, f"cache={mode}"]
        self.process = start(arguments, env={**os.environ, "TMPDIR": str(folder)}, stdout=log, stderr=log)
        while not self.socket.exists():
            if self.process.poll() is not None:
                raise Trouble(f"nbdkit has ended: {log.name}")
            time.sleep(0.02)

    def cut(self):
        self.process.kill()
        self.process.wait()
        self.place.cleanup()

    def end(self):
        """In order: what the machine has flushed is in the image."""
        end(self.process)
        self.place.cleanup()


class Machine:
    """One boot. As a context it is cut off at the end, unless it has ended before.

    `forward` is a port of 127.0.0.1 that the machine reaches as 10.0.2.100:1883; it reaches nothing else. `clock` is what
    its battery clock shows when the power comes: `utc` for the time of day, or a date.
    """

    def __init__(self, folder, image, flushes="kept", forward=None, clock="utc"):
        self.began = time.monotonic()
        self.console_log = folder / "console.log"
        self.said = []
        self.disk = Disk(folder, image, flushes)
        control, control_end = socket.socketpair()
        producers, producers_end = socket.socketpair()
        ends = [control_end.fileno(), producers_end.fileno()]
        self.qemu = start(
            self.command(ends, forward, clock),
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            stdout=open(self.console_log, "ab"),
            stderr=subprocess.STDOUT,
        )
        control_end.close()
        producers_end.close()
        self.control = control.makefile("rb")
        control.settimeout(BOOT_LIMIT)
        self.control_socket = control
        self.producers = threading.Thread(target=self.listen, args=(producers,), daemon=True)
        self.producers.start()

    def command(self, ends, forward, clock):
        network = ["-nic", "none"]
        if forward:
            forwarding = f"guestfwd=tcp:10.0.2.100:1883-tcp:127.0.0.1:{forward}"
            network = ["-nic", f"user,model=virtio-net-pci,restrict=on,{forwarding}"]
        return [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max",
            "-smp", "2", "-m", "512", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-rtc", f"base={clock}", "-serial", "stdio",
            "-kernel", CACHE / "kernel/vmlinuz", "-initrd", CACHE / "initrd.gz",
            "-append", "console=ttyS0 quiet loglevel=4 mitigations=off net.ifnames=0 panic=-1",
            "-drive", f"file=nbd+unix:///?socket={self.disk.socket},format=raw,if=none,id=disk",
            "-device", "virtio-blk-pci,drive=disk",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=control,fd={ends[0]}",
            "-device", "virtserialport,chardev=control,name=vap.control",
            "-chardev", f"socket,id=producers,fd={ends[1]}",
            "-device", "virtserialport,chardev=producers,name=vap.producers",
            *network,
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()

    def wait_until_up(self):
        """Until the machine has come so far that it takes commands, which is early in its boot."""
        self.reply()
        self.control_socket.settimeout(COMMAND_LIMIT + 30)

    def reply(self):
        try:
            line = self.control.readline()
        except TimeoutError:
            raise Trouble(f"the machine says nothing; its console: {self.console_log}") from None
        if not line:
            raise Trouble(f"the machine has ended by itself; its console: {self.console_log}")
        return json.loads(line)

    def attempt(self, command, text=""):
        """Runs a shell command in the machine: its exit status, and what it printed."""
        self.request(command, text)
        done = self.reply()
        return done["status"], done["out"]

    def request(self, command, text=""):
        request = {"run": command, "input": text, "limit": COMMAND_LIMIT}
        self.control_socket.sendall(json.dumps(request).encode() + b"\n")

    def run(self, command, text=""):
        """The same, for a command that must succeed."""
        status, printed = self.attempt(command, text)
        if status != 0:
            raise Trouble(f"in the machine, `{command}` ended with {status}:\n{printed}")
        return printed

    def agent_status(self):
        """What `cabinwatch-agent status` says; 3 is its exit code where something needs attention."""
        code, printed = self.attempt("cabinwatch-agent status --json")
        if code not in (0, 3):
            raise Trouble(f"in the machine, `cabinwatch-agent status` ended with {code}:\n{printed}")
        return json.loads(printed)

    def wait_for(self, what, command, limit=60):
        """Until a command of the machine succeeds: what it printed then."""
        until = time.monotonic() + limit
        while True:
            status, printed = self.attempt(command)
            if status == 0:
                return printed
            if time.monotonic() > until:
                raise Trouble(f"waited {limit} s in vain for {what}: `{command}` says\n{printed}")
            time.sleep(0.3)

    def listen(self, producers):
        """Keeps every line of the producers, also those that are still on their way when the power is cut."""
        for line in producers.makefile("r", encoding="utf-8", errors="replace"):
            if line.endswith("\n"):
                self.said.append(line.split())

    def cut(self):
        """Cuts the power: nothing gets a chance to write anything more."""
        self.disk.cut()
        self.qemu.kill()
        self.qemu.wait()
        self.producers.join(30)

    def power_off(self):
        """Shuts down in order."""
        self.request("systemctl --no-block poweroff")
        try:
            self.qemu.wait(BOOT_LIMIT)
        except subprocess.TimeoutExpired:
            raise Trouble(f"the machine does not power off; its console: {self.console_log}") from None
        self.disk.end()
        self.producers.join(30)
