"""Power cuts at random moments: what the agent has acknowledged must be there afterwards, once."""

import json
import random
import time
from datetime import datetime

import inside
from machine import Machine, Trouble
from oracle import Book, exported, judge

PRODUCERS = ["portal", "seats", "hook"]
WINDOW_SECONDS = 10
# A cut comes this long after the first word that something is stored, at most.
LONGEST_TRAFFIC = 6.0
# So often a second cut hits the boot after the first one, at most this long after the machine has come to life.
SECOND_CUT_EVERY = 4
LONGEST_RECOVERY = 6.0
TRAFFIC_LIMIT = 120


def millis(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)


class Aircraft:
    """An aircraft whose power is cut, and what its producers were told over all its boots."""

    def __init__(self, report, folder, image):
        self.report = report
        self.folder = folder
        self.image = image
        self.book = Book()
        self.stream = None
        self.newest_frame = 0
        # Unclean ends that the ground has been told of, and how many more there must be now, at least and at most.
        self.ends_told = 0
        self.ends_due = (0, 0)
        self.seen = ""

    def machine(self, flushes="kept"):
        return Machine(self.folder, self.image, flushes)

    def read(self, machine):
        """Takes what the producers of one boot have said into the book: how many new events are stored."""
        before = len(self.book.stored)
        while machine.said:
            self.book.take(machine.said.pop(0))
        return len(self.book.stored) - before

    def wait_for_agent(self, machine):
        """Until it runs and has taken over what lay in the spool."""
        machine.wait_until_up()
        machine.wait_for("the agent", "test -S /run/cabinwatch/events.sock")
        # Not by a pattern: the agent may rename what the shell found before `ls` looks for it.
        emptied = "! ls /var/lib/cabinwatch/spool | grep --quiet jsonl"
        machine.wait_for("the agent to empty the spool", emptied)

    def start_producers(self, machine):
        known = json.dumps(self.book.handed_over(PRODUCERS))
        machine.run("cat >/run/known; nohup /usr/local/lib/vap/producers </run/known >/run/producers.log 2>&1 &", known)

    def look_then_cut(self, number, flushes="kept"):
        """One boot: what is there after the cut before it, then traffic, and its cut in the middle of that."""
        with self.machine(flushes) as machine:
            self.wait_for_agent(machine)
            verdict, wrong = self.examine(machine)
            up = time.monotonic() - machine.began
            self.start_producers(machine)
            self.wait_for_traffic(machine)
            time.sleep(random.uniform(0.1, LONGEST_TRAFFIC))
            machine.cut()
            self.ends_due = (1, 1)
            stored = self.read(machine)
            waiting = len(self.book.sent) - len(self.book.stored)
            took = time.monotonic() - machine.began
            self.report.note(
                f"cut {number} after {took:.1f} s (up and looked at after {up:.1f} s): "
                f"{stored} events acknowledged in this boot, {waiting} sent without a word so far"
            )
        return verdict, wrong

    def wait_for_traffic(self, machine):
        until = time.monotonic() + TRAFFIC_LIMIT
        while not any(line[0] == "stored" for line in list(machine.said)):
            if time.monotonic() > until:
                raise Trouble(f"no event is stored:\n{machine.run('cat /run/producers.log')}")
            time.sleep(0.02)

    def cut_the_recovery(self, number):
        """One boot that is cut while the machine, and perhaps the agent, still recovers from the cut before."""
        with self.machine() as machine:
            machine.wait_until_up()
            moment = random.uniform(0, LONGEST_RECOVERY)
            time.sleep(moment)
            machine.cut()
        # Whether the agent had begun its work, only the agent knows.
        self.ends_due = (self.ends_due[0], self.ends_due[1] + 1)
        self.report.note(f"cut {number}, {moment:.1f} s into the recovery")

    def look(self):
        """One boot that looks what is there, and ends in order."""
        with self.machine() as machine:
            self.wait_for_agent(machine)
            found = self.examine(machine)
            machine.power_off()
        return found

    def examine(self, machine):
        """What the agent has, against the book; and what else is wrong."""
        events = exported(machine.run("cabinwatch-agent export --format json"))
        windows = exported(machine.run("cabinwatch-agent windows --json --last 100000"))
        verdict = judge(self.book, events, windows, WINDOW_SECONDS, millis)
        wrong = self.wrong(machine, len(events))
        self.seen = (
            f"{len(self.book.stored)} events acknowledged so far, {len(events)} there, each once; "
            f"{self.ends_told} unclean ends told"
        )
        return verdict, wrong

    def wrong(self, machine, events):
        """Whether the database is sound and the agent well, apart from which events are there."""
        wrong = []
        status = machine.agent_status()
        counters = status["counters"]
        if counters.pop("events") != events:
            wrong.append("the counter of events is not the number of events in the log")
        wrong += self.wrong_ends(machine, counters.pop("unclean_end"))
        harmless = {"windows_closed"}
        wrong += [f"{count} counted as {name}" for name, count in counters.items() if count and name not in harmless]
        wrong += inside.integrity(machine)
        self.stream = self.stream or status["stream"]
        if status["stream"] != self.stream:
            wrong.append("a new stream has begun: the database was given up")
        if status["outbox"]["newest"] < self.newest_frame:
            wrong.append("frame numbers have gone back")
        self.newest_frame = status["outbox"]["newest"]
        unit = machine.run("systemctl show cabinwatch-agent --property=ActiveState,NRestarts").split()
        if sorted(unit) != ["ActiveState=active", "NRestarts=0"]:
            wrong.append(f"the unit is not well: {unit}")
        return wrong


    def wrong_ends(self, machine, counted):
        """Whether each end without a word is counted, and the ground is told of it, once."""
        told = sum(frame.count for frame in inside.unclean_ends(machine))
        (least, most), more = self.ends_due, told - self.ends_told
        self.ends_told, self.ends_due = told, (0, 0)
        wrong = [] if counted == told else [f"{counted} unclean ends are counted, and the ground is told of {told}"]
        if not least <= more <= most:
            wrong.append(f"the ground is told of {more} unclean ends more, and there were {least} to {most}")
        return wrong


def honest_cuts(report, aircraft, cuts):
    """The disk keeps what was flushed. After every cut all that was acknowledged is there, once."""
    number = 0
    verdict, wrong = aircraft.look_then_cut(number := number + 1)
    report.check("the first boot begins with nothing", verdict.faults() + wrong)
    while number < cuts:
        if number % SECOND_CUT_EVERY == 0:
            aircraft.cut_the_recovery(number := number + 1)
        if number < cuts:
            after = number
            verdict, wrong = aircraft.look_then_cut(number := number + 1)
            report.check(f"after cut {after}: {aircraft.seen}", verdict.faults() + wrong)
    verdict, wrong = aircraft.look()
    report.check(f"after cut {number}: {aircraft.seen}", verdict.faults() + wrong)
    report.check("the producers had enough to say", [] if len(aircraft.book.stored) > 10 * cuts else ["too few events"])


def control(report, aircraft):
    """The disk lies: it says that it has flushed, and has not. The same oracle must see the loss."""
    verdict, wrong = aircraft.look_then_cut("with flushes ignored", flushes="ignored")
    report.check("after a shutdown in order no unclean end is told", verdict.faults() + wrong)
    verdict, _ = aircraft.look()
    lost = len(verdict.lost)
    report.note(f"{lost} acknowledged events are lost")
    report.check(
        "negative control: a disk that ignores flushes loses what was acknowledged, and the oracle sees it",
        [] if lost else ["nothing is lost: the rig would not see a loss"],
    )
