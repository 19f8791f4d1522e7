"""The oracle sees what it is there to see."""

import unittest

from daemons import without_copies
from oracle import Book, exported, judge

WINDOW = 10


def book(*lines):
    made = Book()
    for line in lines:
        made.take(line.split())
    return made


def event(at, point="PORTAL", state="FAIL"):
    return {"edr_date": at, "edr_point": point, "description": "timeout", "state": state}


def row(start, fail, point="PORTAL"):
    return {"start_time": start, "edr_point": point, "description": "timeout", "fail": fail}


def faults(book, events, windows):
    return judge(book, events, windows, WINDOW, millis=int).faults()


class Oracle(unittest.TestCase):
    SENT = ["sent portal 1 100 PORTAL", "stored portal 1 100 PORTAL", "sent portal 2 200 PORTAL"]

    def test_all_is_well_whether_or_not_the_event_nobody_vouched_for_is_there(self):
        self.assertEqual(faults(book(*self.SENT), [event(100)], [row(0, 1)]), [])
        self.assertEqual(faults(book(*self.SENT), [event(100), event(200)], [row(0, 2)]), [])

    def test_an_acknowledged_event_that_is_missing_is_lost(self):
        self.assertEqual(
            faults(book(*self.SENT), [event(200)], [row(0, 1)]),
            ["1 acknowledged events are lost, e.g. [('PORTAL', 100)]"],
        )

    def test_an_event_that_is_there_twice_is_doubled(self):
        self.assertIn("counted twice", faults(book(*self.SENT), [event(100), event(100)], [row(0, 2)])[0])

    def test_an_event_that_was_never_sent_is_invented(self):
        self.assertIn("never sent", faults(book(*self.SENT), [event(100), event(300)], [row(0, 2)])[0])

    def test_windows_must_agree_with_the_events(self):
        for windows in [[], [row(0, 2)], [row(10_000, 1)], [row(0, 1), row(0, 1)], [row(0, 1), row(0, 1, "DNS")]]:
            self.assertIn("counts of windows", faults(book(*self.SENT), [event(100)], windows)[0])

    def test_successes_are_in_no_row(self):
        self.assertEqual(faults(book(*self.SENT), [event(100, state="SUCCESS")], []), [])

    def test_the_daemons_events_are_nobodys_word(self):
        self.assertEqual(faults(book(*self.SENT), [event(100), event(5, "DHCP")], [row(0, 1), row(0, 1, "DHCP")]), [])

    def test_a_producer_goes_on_with_what_it_has_no_word_of(self):
        known = book(*self.SENT).handed_over(["portal", "hook"])
        self.assertEqual(known["portal"], {"next": 3, "waiting": [[2, 200]]})
        self.assertEqual(known["hook"], {"next": 1, "waiting": []})

    def test_an_export_is_an_object_a_line(self):
        self.assertEqual(exported('{"a": 1}\n{"a": 2}\n'), [{"a": 1}, {"a": 2}])


class Copies(unittest.TestCase):
    def test_the_same_about_a_station_within_300_ms_is_one_event(self):
        line = "2026-11-22T00:33:{}+00:00 ap hostapd: STA 02:00:00:00:0{}:00 did not acknowledge"
        lines = [line.format(at, station) for at, station in [("26.90", 7), ("26.92", 7), ("26.93", 6), ("27.21", 7)]]
        self.assertEqual(without_copies(lines, 0.3), 3)


if __name__ == "__main__":
    unittest.main()
