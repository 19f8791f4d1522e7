"""What was looked at, and what came of it."""

import time


class Report:
    """Prints each check as it is made, and counts."""

    def __init__(self):
        self.began = time.monotonic()
        self.passed = 0
        self.failed = 0

    def part(self, title):
        print(f"\n== {title}", flush=True)

    def note(self, text):
        print(f"[{time.monotonic() - self.began:4.0f} s] {text}", flush=True)

    def check(self, what, faults=()):
        """One check. It has passed when there are no faults."""
        if faults:
            self.failed += 1
            self.note(f"FAILED  {what}")
            for fault in faults:
                print(f"           {fault}", flush=True)
        else:
            self.passed += 1
            self.note(f"ok      {what}")
        return not faults

    def equal(self, what, found, expected):
        """One check: two values are the same."""
        return self.check(what, [] if found == expected else [f"expected {expected}", f"found    {found}"])

    def summary(self):
        return f"{self.passed} passed, {self.failed} failed"
