"""What the agent owes its producers, and whether it kept its word."""

import json
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Book:
    """What the producers have said. An event is `(point, milliseconds)`: no two of one point have the same time."""

    sent: dict = field(default_factory=dict)
    stored: set = field(default_factory=set)

    def take(self, line):
        """One line of a producer: `sent` or `stored`, its name, the event's number and time, its point."""
        what, producer, number, at, point = line
        event = (point, int(at))
        if what == "sent":
            self.sent[event] = (producer, int(number))
        else:
            self.stored.add(event)

    def handed_over(self, producers):
        """What each producer must know to go on after a power cut: its next number, and what it has no word of."""
        known = {name: {"next": 1, "waiting": []} for name in producers}
        for event, (producer, number) in self.sent.items():
            known[producer]["next"] = max(known[producer]["next"], number + 1)
            if event not in self.stored:
                known[producer]["waiting"].append([number, event[1]])
        return known


@dataclass
class Verdict:
    """What is wrong; all empty when nothing is."""

    lost: list
    doubled: list
    invented: list
    miscounted: list

    def faults(self):
        """In words, with examples."""
        return [
            f"{len(events)} {what}, e.g. {events[:3]}"
            for what, events in [
                ("acknowledged events are lost", self.lost),
                ("events are counted twice", self.doubled),
                ("events were never sent", self.invented),
                ("counts of windows are not those of the events", self.miscounted),
            ]
            if events
        ]


def exported(lines):
    """The events of `cabinwatch-agent export --format json`."""
    return [json.loads(line) for line in lines.splitlines()]


def judge(book, events, windows, window_seconds, millis):
    """Compares what the agent has with the book.

    `events` are those of `export`; `windows` the rows of `windows --json`, open ones included; `millis` reads a time.
    Events of points that no producer has are the daemons', and only their counts in windows are looked at.
    """
    points = {point for point, _ in book.sent}
    found = Counter((event["edr_point"], millis(event["edr_date"])) for event in events if event["edr_point"] in points)
    return Verdict(
        lost=sorted(book.stored - found.keys()),
        doubled=sorted(event for event, count in found.items() if count > 1),
        invented=sorted(found.keys() - book.sent.keys()),
        miscounted=miscounted(events, windows, window_seconds, millis),
    )


def miscounted(events, windows, window_seconds, millis):
    """Rows of windows whose failures are not those of the events. A row that is missing counts 0."""
    length = window_seconds * 1000
    by_events = Counter(
        (millis(event["edr_date"]) // length * length, event["edr_point"], event["description"])
        for event in events
        if event["state"] == "FAIL"
    )
    by_windows = Counter()
    for row in windows:
        by_windows[millis(row["start_time"]), row["edr_point"], row["description"]] += row["fail"]
    return sorted(
        (*key, by_events[key], by_windows[key])
        for key in by_events.keys() | by_windows.keys()
        if by_events[key] != by_windows[key]
    )
