"""Prints the first ROWS rows of a telemetry CSV that are whole as events, one JSON text a line.

    as_events.py CSV ROWS"""

import csv
import json
import sys
from itertools import islice

NUMBERS = ("dest_port", "bytes_sent", "bytes_recv")
MAY_BE_NULL = ("dest_domain", "dns_query", "parent_process", "user_context")


def is_whole(row):
    return all(value or name in MAY_BE_NULL for name, value in row.items())


def main():
    _, path, rows = sys.argv
    with open(path, encoding="utf-8", newline="") as file:
        for row in islice(filter(is_whole, csv.DictReader(file)), int(rows)):
            event = {name: value or None for name, value in row.items()}
            print(json.dumps(event | {name: int(row[name]) for name in NUMBERS}))


if __name__ == "__main__":
    main()
