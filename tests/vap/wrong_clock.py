"""A gateway without a battery clock: after a power cut it is 1970, and events come before the time does."""

import time

import inside
from cuts import WINDOW_SECONDS, millis
from machine import Machine
from oracle import exported, miscounted

EPOCH = "1970-01-01T00:00:00"
POINT = "CABIN"
EVENTS = 4
# How far the machine's clock may be from this one's: setting it takes a command of its own.
TOLERANCE = 5.0
MARK = "/run/systemd/timesync/synchronized"
RECORD = f"cabinwatch-agent record --timeout 60000 --point {POINT} --state FAIL --description"


class Gateway:
    """One aircraft, and when its events truly happened."""

    def __init__(self, folder, image):
        self.folder = folder
        self.image = image
        # From when to when, by this machine's clock, by the event's description.
        self.truth = {}

    def boot(self, clock):
        return Machine(self.folder, self.image, clock=clock)

    def up(self, machine):
        machine.wait_until_up()
        machine.wait_for("the agent", "test -S /run/cabinwatch/events.sock")

    def record(self, machine):
        """Some events, each stored when the command ends."""
        for _ in range(EVENTS):
            name, before = f"event {len(self.truth) + 1}", time.time()
            machine.run(f"{RECORD} '{name}'")
            self.truth[name] = (before, time.time())

    def set_clock(self, machine):
        """As a time service does it: the clock first, then the mark."""
        machine.run(f"date -s @{time.time():.3f}; mkdir -p {MARK.rpartition('/')[0]}; touch {MARK}")
        machine.wait_for("the agent to trust the clock", "cabinwatch-agent status --json | grep -q '\"trusted\"'")

    def found(self, machine):
        """The events that are there, by their descriptions: when each was, in seconds."""
        self.events = exported(machine.run("cabinwatch-agent export --format json"))
        found = {}
        for event in self.events:
            if event["edr_point"] == POINT:
                found.setdefault(event["description"], []).append(millis(event["edr_date"]) / 1000)
        return found

    def misdated(self, found, names, earliest, latest):
        """Which of these events are not there once, from the one time on to the other, which two functions tell."""
        return [
            f"{name} is there at {found.get(name, [])}"
            for name in names
            if len(found.get(name, [])) != 1 or not earliest(name) <= found[name][0] <= latest(name)
        ]


def run(report, folder, image):
    gateway = Gateway(folder, image)
    with gateway.boot("utc") as machine:
        gateway.up(machine)
        gateway.record(machine)
        machine.cut()
    before = list(gateway.truth)
    last_known = gateway.truth[before[-1]]
    with gateway.boot(EPOCH) as machine:
        gateway.up(machine)
        gateway.record(machine)
        waits(report, machine)
        machine.cut()
    in_between = [name for name in gateway.truth if name not in before]
    with gateway.boot(EPOCH) as machine:
        gateway.up(machine)
        uptime = float(machine.run("cut -d' ' -f1 /proc/uptime"))
        # When the kernel's clock began, and when the agent was there.
        started = (time.time() - uptime, time.time())
        gateway.record(machine)
        gateway.set_clock(machine)
        gateway.record(machine)
        certain = [name for name in gateway.truth if name not in in_between]
        found = gateway.found(machine)
        report.check(
            f"{len(certain)} events of boots whose time came to be known are there once, each at its true time",
            gateway.misdated(
                found,
                certain,
                lambda name: gateway.truth[name][0] - TOLERANCE,
                lambda name: gateway.truth[name][1] + TOLERANCE,
            ),
        )
        report.check(
            f"{len(in_between)} events of the boot whose time nobody ever knew are there once, before the boot after it",
            gateway.misdated(
                found, in_between, lambda _: last_known[0] - TOLERANCE, lambda _: started[0] + 1
            ),
        )
        nobody = sorted(found.keys() - gateway.truth.keys())
        report.check("there is nothing else", nobody)
        windows = exported(machine.run("cabinwatch-agent windows --json --last 100000"))
        report.check("the windows hold the same", miscounted(gateway.events, windows, WINDOW_SECONDS, millis))
        told(report, machine, last_known, started)
        report.check("SQLite finds the database sound", inside.integrity(machine))
        machine.power_off()


def waits(report, machine):
    """Before there is a time of day, everything is stored, and nothing that bears a time goes out."""
    status = machine.agent_status()
    clock = status["clock"]
    report.equal("with its clock years behind, the agent waits for the time", clock["trust"], "provisional")
    report.equal("the events wait with it", clock["waiting_events"], EVENTS)
    report.equal("the unclean end is counted already", status["counters"]["unclean_end"], 1)
    report.equal("and not yet told", inside.unclean_ends(machine), [])


def told(report, machine, last_known, started):
    """Both ends in one frame: from the last commit before the first of them to the start after the second."""
    counters = machine.agent_status()["counters"]
    names = ["unclean_end", "late", "future", "provisional_guessed"]
    report.equal("what the agent counts", {name: counters[name] for name in names}, dict(zip(names, [2, 0, 0, EVENTS])))
    frames = inside.unclean_ends(machine)
    report.equal("unclean ends told, in one frame", [frame.count for frame in frames], [2])
    for frame in frames:
        wrong = []
        if abs(frame.since - last_known[1]) > TOLERANCE + 1:
            wrong.append(f"it begins at {frame.since}, and the last event before was at {last_known[1]:.0f}")
        if not started[0] - TOLERANCE <= frame.until <= started[1] + TOLERANCE:
            wrong.append(f"it ends at {frame.until}, and the start after it was in {started[0]:.0f}..{started[1]:.0f}")
        report.check("it says from when to when", wrong)
