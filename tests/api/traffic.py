"""Ordinary network telemetry of a gateway's services: what both scorers are trained on.

    traffic.py ROWS SEED >CSV
"""

import csv
import random
import sys
from datetime import UTC, datetime, timedelta

COLUMNS = (
    "timestamp process_path process_hash source_ip dest_ip dest_domain dest_port bytes_sent bytes_recv protocol "
    "dns_query parent_process user_context"
).split()
# Program, host it speaks to, port, protocol, typical bytes out and in, and how often.
SERVICES = (
    ("/usr/bin/curl", "portal.example", 443, "TCP", 1_500, 6_000, 50),
    ("/usr/sbin/nginx", "cache.example", 80, "TCP", 900, 14_000, 25),
    ("/usr/sbin/unbound", None, 53, "UDP", 80, 220, 20),
    ("/usr/sbin/chronyd", "time.example", 123, "UDP", 48, 48, 5),
)
START = datetime(2025, 6, 14, tzinfo=UTC)


def event(dice, number):
    """One row; `number` places it in time."""
    path, host, port, protocol, sent, received, _ = dice.choices(SERVICES, [service[-1] for service in SERVICES])[0]
    return {
        "timestamp": (START + timedelta(seconds=number)).isoformat(),
        "process_path": path,
        "process_hash": f"{dice.getrandbits(128):032x}",
        "source_ip": f"10.0.0.{dice.randint(2, 250)}",
        "dest_ip": f"10.0.1.{dice.randint(2, 250)}",
        "dest_domain": host,
        "dest_port": port,
        "bytes_sent": max(0, round(dice.gauss(sent, sent / 4))),
        "bytes_recv": max(0, round(dice.gauss(received, received / 4))),
        "protocol": protocol,
        "dns_query": host,
        "parent_process": "/sbin/init",
        "user_context": dice.choice(["service", None]),
    }


def main():
    rows, seed = int(sys.argv[1]), int(sys.argv[2])
    dice = random.Random(seed)
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number in range(rows):
        row = event(dice, number)
        # Now and then a row is incomplete; training leaves those out that lack what it needs.
        if number % 97 == 0:
            row[dice.choice(["source_ip", "dest_ip", "dest_port", "protocol", "dest_domain"])] = None
        writer.writerow(row)


if __name__ == "__main__":
    main()
