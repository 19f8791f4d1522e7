"""Makes EDR files with everything that has ever made two programs disagree about them."""

import csv
import io
from datetime import timedelta, timezone

PREFIX = "thy_wifi_edr"
WINDOW = timedelta(seconds=300)

# (edr_point, description); the names say what each is for.
VARYING = [
    ("DHCP", "no address available"),
    ("AUTH", 'wrong "password", three times'),
    ("PORTAL | LOGIN", "timeout | upstream"),
    ("KAPI", "şifre hatası, ağ yok"),
    ("AUTH", "EAP timeout"),
]
STEADY = ("DNS", "SERVFAIL")
ONCE = ("RADIUS", "home server dead")
UNSEEN = ("PORTAL", "certificate expired")
# Failures and successes whose rate lies exactly between two hundredths, so that half-up and half-even part ways.
TIES = [(1, 31), (1, 799), (7, 153), (3, 29), (5, 155), (1, 159)]
TIE_POINT = "ASSOC"
TIE_KEY = (TIE_POINT, "handshake timeout")

DATE_FORMS = [
    lambda when: when.strftime("%Y-%m-%d %H:%M:%S"),
    lambda when: when.strftime("%Y-%m-%d %H:%M:%S.") + f"{when.microsecond // 1000:03}",
    lambda when: when.strftime("%Y-%m-%dT%H:%M:%SZ"),
    lambda when: when.astimezone(timezone(timedelta(hours=3))).strftime("%Y-%m-%dT%H:%M:%S+03:00"),
    lambda when: when.astimezone(timezone(timedelta(hours=-9, minutes=-30))).strftime("%Y-%m-%d %H:%M:%S.000-09:30"),
]
HEADERS = [
    ["edr_date", "edr_point", "description", "state"],
    ["session", "state", "description", "edr_date", "note", "edr_point"],
    ["edr_point", "edr_date", "state", "cabin", "description"],
]


class Maker:
    """Writes EDR files into a folder; all chance comes from one seeded generator."""

    def __init__(self, folder, random):
        self.folder = folder
        self.random = random
        self.files = []

    def events(self, start, keys, tie=None):
        """(time, point, description, state) of one window: attempts at every key, some states that count for nothing."""
        events = []
        for point, description in keys:
            if (point, description) in VARYING:
                fails, successes = self.random.randint(1, 9), self.random.randint(0, 30)
            else:
                fails, successes = 1, 3
            events += self.attempts(start, point, description, fails, successes)
        if tie:
            events += self.attempts(start, *TIE_KEY, *tie)
        for state in ("TIMEOUT", "fail", "FAIL ", "", "SUCCESSFUL"):
            events.append((self.moment(start), "DHCP", "no address available", state))
        # Successes of a point where nothing fails make no row; the window's first and last instants belong to it.
        events.append((start, "IDLE", "", "SUCCESS"))
        events.append((start, "DHCP", "no address available", "FAIL"))
        events.append((start + WINDOW - timedelta(milliseconds=1), "AUTH", "EAP timeout", "FAIL"))
        self.random.shuffle(events)
        return events

    def attempts(self, start, point, description, fails, successes):
        """That many failures and successes somewhere in the window."""
        states = ["FAIL"] * fails + ["SUCCESS"] * successes
        return [(self.moment(start), point, description, state) for state in states]

    def moment(self, start):
        """An instant of the window, on a whole second so that every date form can say it."""
        return start + timedelta(seconds=self.random.randrange(300))

    def write(self, cut, events, suffix=""):
        """One file, cut at this time."""
        header = self.random.choice(HEADERS)
        out = io.StringIO(newline="")
        quoting = self.random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
        ending = self.random.choice(["\n", "\r\n"])
        writer = csv.DictWriter(out, header, quoting=quoting, lineterminator=ending, restval="x,\"y\"")
        writer.writeheader()
        for when, point, description, state in events:
            form = DATE_FORMS[1] if when.microsecond else self.random.choice(DATE_FORMS)
            row = {"edr_date": form(when), "edr_point": point, "description": description, "state": state}
            writer.writerow(row)
        path = self.folder / f"{PREFIX}_{cut:%y%m%d_%H%M%S}{suffix}.csv"
        path.write_text(out.getvalue(), encoding="utf-8", newline="")
        self.files.append(path)
        return path

    def write_across(self, cut, events, parts=2):
        """The same rows spread over several files, as when a file is cut in mid-window."""
        for part in range(parts):
            self.write(cut + timedelta(seconds=part), events[part::parts], suffix=f"_{part}")
