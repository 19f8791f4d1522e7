#!/usr/bin/env python3
"""A satellite line: a network namespace (the aircraft) whose packets reach this machine late, slowly, or not at all.

    satellite.py --rtt-ms 1000 --kbit 64 --loss 5 --seed 1

The kernel has no netem, so two tun devices, one at either end, hand their IP packets to this program. Each direction has
a rate, a queue in front of it, half of the round trip, and a share of packets that get lost. As everything passes here,
the counts are those of a line that is billed by volume: whole IP packets, also those that are lost on the way.

Prints one JSON object when it is ready: the namespace, and the addresses of both ends. Then it takes commands, one a line,
and answers each with a line of JSON: `counts` (since the last `reset`), `reset`, `down` and `up` (the line swallows
everything, or no longer), `line RTT_MS KBIT LOSS` (changes the line). The end of its input ends it.
"""

import argparse
import fcntl
import heapq
import itertools
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
TCP = 6
FIN, SYN, RST = 0x01, 0x02, 0x04
# What a modem holds; a longer queue only makes everything late.
QUEUE_BYTES = 64 << 10


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def open_tun(name):
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


class Counts:
    def __init__(self):
        self.packets = self.bytes = self.payload = self.again = 0
        self.syns = self.opened = self.ended = self.lost = self.overflowed = self.swallowed = 0


class Direction:
    """One way over the line."""

    def __init__(self, source, sink, line, rng):
        self.source, self.sink, self.line, self.rng = source, sink, line, rng
        self.counts = Counts()
        self.free_at = 0.0
        self.under_way = []
        self.numbers = itertools.count()
        self.highest = {}
        self.open = {}

    def take(self, packet, now, is_down):
        if packet[0] >> 4 != 4:
            return
        self.count(packet)
        if is_down:
            self.counts.swallowed += 1
            return
        seconds_a_byte = 8 / (self.line["kbit"] * 1000) if self.line["kbit"] else 0
        if seconds_a_byte and (self.free_at - now) / seconds_a_byte > QUEUE_BYTES:
            self.counts.overflowed += 1
            return
        self.free_at = max(self.free_at, now) + len(packet) * seconds_a_byte
        if self.rng.random() * 100 < self.line["loss"]:
            self.counts.lost += 1
            return
        due = self.free_at + self.line["rtt"] / 2000
        heapq.heappush(self.under_way, (due, next(self.numbers), packet))

    def count(self, packet):
        counts = self.counts
        counts.packets += 1
        counts.bytes += len(packet)
        head = (packet[0] & 15) * 4
        if packet[9] != TCP:
            return
        source, target, number = struct.unpack_from(">HHI", packet, head)
        flags = packet[head + 13]
        payload = len(packet) - head - (packet[head + 12] >> 4) * 4
        counts.syns += bool(flags & SYN)
        counts.payload += payload
        flow = (source, target)
        # Each connection counts once, however often its first and last packets are sent.
        if flags & SYN and self.open.get(flow) != number:
            self.open[flow] = number
            counts.opened += 1
        if flags & (FIN | RST):
            counts.ended += self.open.pop(flow, None) is not None
        if flags & SYN:
            self.highest[flow] = number
        elif payload:
            # Numbers wrap around; a difference of half of them means that it is the other way round.
            ahead = (number + payload - self.highest.get(flow, number)) & 0xFFFFFFFF
            new = min(payload, ahead) if ahead < 1 << 31 else 0
            counts.again += payload - new
            if new:
                self.highest[flow] = (number + payload) & 0xFFFFFFFF

    def deliver(self, now):
        while self.under_way and self.under_way[0][0] <= now:
            packet = heapq.heappop(self.under_way)[2]
            try:
                os.write(self.sink, packet)
            except OSError:
                pass  # The device is going away, or its queue is full: lost, as on any line.

    def next_due(self):
        return self.under_way[0][0] if self.under_way else None


class Satellite:
    def __init__(self, arguments):
        self.line = {"rtt": arguments.rtt_ms, "kbit": arguments.kbit, "loss": arguments.loss}
        self.is_down = False
        number = os.getpid() % 16384
        # 198.18.0.0/15 is set aside for measuring networks; each process has four addresses of it.
        base = f"198.18.{number >> 6}.{(number & 63) << 2}".rsplit(".", 1)
        self.ground, self.sky = (f"{base[0]}.{int(base[1]) + last}" for last in (1, 2))
        self.namespace = f"cwsat-{number}"
        names = (f"cwsky{number}", f"cwgnd{number}")
        sky, ground = (open_tun(name) for name in names)
        run("ip", "netns", "add", self.namespace)
        inside = ("ip", "-n", self.namespace)
        run("ip", "link", "set", names[0], "netns", self.namespace)
        run(*inside, "address", "add", f"{self.sky}/30", "dev", names[0])
        run(*inside, "link", "set", names[0], "up")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "route", "add", "default", "dev", names[0])
        run("ip", "address", "add", f"{self.ground}/30", "dev", names[1])
        run("ip", "link", "set", names[1], "up")
        # In the aircraft, localhost is the ground's end: certificates of the tests are made for that name.
        self.folder = f"/etc/netns/{self.namespace}"
        os.makedirs(self.folder, exist_ok=True)
        with open(f"{self.folder}/hosts", "w") as hosts:
            hosts.write(f"{self.ground} localhost\n")
        rng = random.Random(arguments.seed)
        self.up = Direction(sky, ground, self.line, rng)
        self.down = Direction(ground, sky, self.line, rng)

    def close(self):
        subprocess.run(("ip", "netns", "del", self.namespace), stdin=subprocess.DEVNULL)
        os.remove(f"{self.folder}/hosts")
        os.rmdir(self.folder)

    def obey(self, command):
        match command.split():
            case ["counts"]:
                return {"up": vars(self.up.counts), "down": vars(self.down.counts)}
            case ["reset"]:
                self.up.counts, self.down.counts = Counts(), Counts()
            case ["down"]:
                self.is_down = True
            case ["up"]:
                self.is_down = False
            case ["line", rtt, kbit, loss]:
                self.line.update(rtt=float(rtt), kbit=float(kbit), loss=float(loss))
            case _:
                return {"error": f"unknown command: {command}"}
        return {}

    def serve(self):
        """Passes packets on until the input ends."""
        pending = b""
        stdin = sys.stdin.fileno()
        sources = {self.up.source: self.up, self.down.source: self.down}
        while True:
            dues = [due for due in (self.up.next_due(), self.down.next_due()) if due is not None]
            wait = max(0.0, min(dues) - time.monotonic()) if dues else None
            for ready in select.select([*sources, stdin], [], [], wait)[0]:
                if ready != stdin:
                    self.read(sources[ready])
                    continue
                said = os.read(stdin, 4096)
                if not said:
                    return
                *lines, pending = (pending + said).split(b"\n")
                for line in lines:
                    print(json.dumps(self.obey(line.decode())), flush=True)
            now = time.monotonic()
            self.up.deliver(now)
            self.down.deliver(now)

    def read(self, direction):
        while True:
            try:
                packet = os.read(direction.source, 65536)
            except BlockingIOError:
                return
            direction.take(packet, time.monotonic(), self.is_down)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtt-ms", type=float, default=0)
    parser.add_argument("--kbit", type=float, default=0, help="rate each way; 0 for no limit")
    parser.add_argument("--loss", type=float, default=0, help="percent of packets each way")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("satellite.py: making network namespaces needs root; run the `link` stage as root")
    satellite = Satellite(arguments)
    try:
        print(json.dumps({"namespace": satellite.namespace, "ground": satellite.ground, "sky": satellite.sky}), flush=True)
        satellite.serve()
    finally:
        satellite.close()


if __name__ == "__main__":
    main()
