"""What the fault pipeline computes, written a second time, from its definition and with nothing but the standard
library. Slow and plain on purpose: decimals and fractions, one dictionary after the other."""

import csv
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

Z_THRESHOLD = 3.0
# Less is what is left of adding up equal rates in doubles: rates are hundredths.
NO_DEVIATION = 1e-9
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Row:
    """One fault key in one window. `key` is (edr_point, description)."""

    start: int
    key: tuple
    fail: int
    success: int

    @property
    def fault_key(self):
        return " | ".join(self.key)

    @property
    def total(self):
        return self.fail + self.success

    @property
    def rate(self):
        """round_half_up(100 * fail / total, 2), in percent."""
        exact = Decimal(100 * self.fail) / Decimal(self.total)
        return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


def instant(text):
    """An edr_date; without an offset it is UTC."""
    when = datetime.fromisoformat(text.strip())
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


def window_start(when, seconds):
    """First second of the window an instant falls into."""
    return (when - EPOCH) // timedelta(seconds=seconds) * seconds


def aggregate(files, window_seconds=300):
    """All rows of these files taken together, sorted."""
    fails, successes = defaultdict(int), defaultdict(int)
    for path in files:
        with open(path, newline="", encoding="utf-8") as lines:
            for record in csv.DictReader(lines):
                start = window_start(instant(record["edr_date"]), window_seconds)
                if record["state"] == "FAIL":
                    fails[start, record["edr_point"], record["description"]] += 1
                elif record["state"] == "SUCCESS":
                    successes[start, record["edr_point"]] += 1
    return [
        Row(start, (point, description), fail, successes[start, point])
        for (start, point, description), fail in sorted(fails.items())
    ]


def statistics(rows):
    """(mean_rate, std_rate) per key; std_rate is None for a single row. Exact until the last step."""
    rates = defaultdict(list)
    for row in rows:
        rates[row.key].append(Fraction(row.rate))
    result = {}
    for key, values in rates.items():
        mean = sum(values) / len(values)
        deviation = None
        if len(values) > 1:
            deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        result[key] = (float(mean), deviation)
    return result


def z_of(rate, statistics):
    """(z_score, z_status) of a rate against its key's (mean_rate, std_rate), or None where the key is unknown."""
    if statistics is None:
        return None, "unseen_key"
    mean, deviation = statistics
    if deviation is None:
        return None, "too_few_samples"
    if deviation < NO_DEVIATION:
        return None, "zero_variance"
    return (float(rate) - mean) / deviation, "scored"


def z_score(row, known):
    """The same of a row against the statistics of all keys."""
    return z_of(row.rate, known.get(row.key))


def anomaly_z(row, known, threshold=Z_THRESHOLD):
    """1 where the rate is above its mean by more than the threshold."""
    score, _ = z_score(row, known)
    return int(score is not None and score > threshold)


def cut_at(path):
    """When a file was cut, by its name."""
    digits = re.search(r"_(\d{6}_\d{6})[^/]*\.csv$", path.name).group(1)
    return datetime.strptime(digits, "%y%m%d_%H%M%S").replace(tzinfo=timezone.utc)


def files_to_detect(files, now, window_seconds=300, newest=10):
    """The files of the last window length; where there is none, the newest."""
    recent = [path for path in files if now - timedelta(seconds=window_seconds) <= cut_at(path) <= now]
    return recent or sorted(files, key=cut_at)[-newest:]
