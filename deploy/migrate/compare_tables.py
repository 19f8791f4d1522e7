#!/usr/bin/env python3
"""Compares one of the six tables of today's pipeline with the same table of Cabinwatch, number by number.

    cqlsh -e "COPY keyspace.combined_all TO 'today.csv' WITH HEADER = true AND NULL = ''"
    cabinwatch-ground tables --table combined_all --format csv --tail FLEET > ours.csv
    python3 compare_tables.py today.csv ours.csv [--since TIME] [--until TIME]

Differences that docs/migrating.md explains are counted by their reason; every other one is printed. Exit codes: 0 when
all differences are explained, 1 when not, 2 for a wrong call. Python 3.7 or later, nothing else.
"""

import argparse
import csv
import math
import sys
from collections import Counter
from datetime import datetime, timezone

SEPARATOR = " | "
WHOLE = ("fail", "success", "total", "anomaly_z", "anomaly_iforest", "anomaly_combined")
BROKEN = ("fail_rate", "mean_rate", "std_rate", "z_score")
TOLERANCE = 1e-6
# Rates that differ deviate by more; less is what adding up equal rates leaves over.
LEAST_DEVIATION = 1e-9
SHOWN = 20
FORMATS = [f"%Y-%m-%d{gap}%H:%M:%S{part}{zone}" for gap in " T" for part in ("", ".%f") for zone in ("", "%z")]

UNFILTERED = "rows of combined_all that are no anomaly: today's table is not filtered"
NO_DEVIATION = "keys without a deviation, or one of rounding alone: today they are always anomalies, here never"
POINT_WITH_SEPARATOR = "points that hold ` | `: today their successes are not found"
TWICE = "rows that stand in today's table more than once"


def instant(text):
    """A time in Unix seconds; without an offset it is UTC."""
    text = text.strip().replace("Z", "+0000")
    for each in FORMATS:
        try:
            when = datetime.strptime(text, each)
        except ValueError:
            continue
        return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
    raise ValueError(f"`{text}` is no time")


def number(text):
    """A cell as a number; none for an empty cell and for what is no number."""
    text = text.strip().lower()
    value = math.nan if text in ("", "null", "none") else {"true": 1.0, "false": 0.0}.get(text)
    value = float(text) if value is None else value
    return None if math.isnan(value) else value


def read(path, since, until):
    """Rows by (fault key, window start), and how many stood there twice."""
    rows, twice = {}, 0
    with open(path, newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        missing = {"fault_key", "start_time", *WHOLE, *BROKEN} - set(reader.fieldnames or [])
        if missing:
            sys.exit(f"compare_tables.py: {path} has no column {', '.join(sorted(missing))}")
        for row in reader:
            try:
                start = instant(row["start_time"])
                cells = {name: number(row[name]) for name in WHOLE + BROKEN}
            except ValueError as error:
                sys.exit(f"compare_tables.py: {path}:{reader.line_num}: {error}")
            if (since is not None and start < since) or (until is not None and start >= until):
                continue
            twice += (row["fault_key"], start) in rows
            rows[row["fault_key"], start] = cells
    return rows, twice


def same(name, one, other):
    """Whether two cells say the same."""
    if one is None or other is None:
        return one is other
    return one == other if name in WHOLE else abs(one - other) <= TOLERANCE * max(1.0, abs(one))


def only_successes_were_lost(today, ours):
    """Whether rates differ because today's successes were counted at another point, or at none."""
    return today["fail"] == ours["fail"] and today["success"] != ours["success"]


def explanation(key, today, ours):
    """Why today's row may differ from ours, or be missing there; none if there is no good reason."""
    if key.count(SEPARATOR) > 1 and (None in (today, ours) or only_successes_were_lost(today, ours)):
        return POINT_WITH_SEPARATOR
    if today is None:
        return None
    deviation = today["std_rate"]
    if today["anomaly_z"] == 1 if deviation is None else 0 < deviation < LEAST_DEVIATION:
        differing = [name for name in WHOLE + BROKEN if ours and not same(name, today[name], ours[name])]
        return NO_DEVIATION if set(differing) <= {"z_score", "anomaly_z", "anomaly_combined"} else None
    if ours is None and not any(today[name] for name in WHOLE[3:]):
        return UNFILTERED
    return None


def main():
    """Reads both, counts what is explained, prints what is not."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("today", help="CSV with a header, out of today's table")
    parser.add_argument("ours", help="CSV out of `cabinwatch-ground tables`")
    parser.add_argument("--since", type=instant, help="only windows that start then or later")
    parser.add_argument("--until", type=instant, help="only windows that start before")
    arguments = parser.parse_args()
    today, twice = read(arguments.today, arguments.since, arguments.until)
    ours, _ = read(arguments.ours, arguments.since, arguments.until)
    explained, unexplained, equal = Counter({TWICE: twice} if twice else {}), [], 0
    for key, start in sorted(set(today) | set(ours)):
        pair = today.get((key, start)), ours.get((key, start))
        cells = [name for name in WHOLE + BROKEN if None in pair or not same(name, pair[0][name], pair[1][name])]
        if not cells:
            equal += 1
            continue
        reason = explanation(key, *pair)
        if reason:
            explained[reason] += 1
            continue
        when = datetime.fromtimestamp(start, timezone.utc).isoformat()
        if None in pair:
            unexplained.append(f"{key} at {when}: only in {'ours' if pair[0] is None else 'today'}")
        else:
            numbers = ", ".join(f"{name} {pair[0][name]} / {pair[1][name]}" for name in cells)
            unexplained.append(f"{key} at {when}: today / ours: {numbers}")
    print(f"{equal} rows are equal")
    for reason, count in explained.items():
        print(f"{count} {reason}")
    for line in unexplained[:SHOWN]:
        print(f"DIFFERENT  {line}")
    print(f"{len(unexplained)} differences are not explained")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
