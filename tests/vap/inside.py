"""What lies in the agent's database, seen with other eyes than the agent's."""

import zlib
from dataclasses import dataclass

QUERY = """python3 -c '
import sqlite3
database = sqlite3.connect("file:/var/lib/cabinwatch/agent.db?mode=ro", uri=True)
for row in database.execute("{sql}"):
    print(row[0])'"""
# The first two bytes of a loss frame with the reason `unclean_end` (docs/wire-format.md).
UNCLEAN_END = b"\x01\x0d"


@dataclass
class UncleanEnds:
    """What one frame tells the ground: so many ends, between when and when, in seconds."""

    count: int
    since: int
    until: int


def query(machine, sql):
    return machine.run(QUERY.format(sql=sql)).splitlines()


def integrity(machine):
    """What SQLite has against its file; nothing, when it is sound."""
    found = query(machine, "PRAGMA integrity_check")
    return [] if found == ["ok"] else [f"SQLite finds the database damaged: {found}"]


def unclean_ends(machine):
    """All that the outbox holds of them. In these tests nothing leaves it."""
    rows = map(bytes.fromhex, query(machine, "SELECT hex(frame) FROM outbox ORDER BY seq"))
    frames = map(unsealed, rows)
    return [decode(frame[2:]) for frame in frames if frame.startswith(UNCLEAN_END)]


def unsealed(row):
    """A frame without its checksum, which comes last (docs/agent-store.md)."""
    frame, checksum = row[:-4], int.from_bytes(row[-4:], "little")
    assert zlib.crc32(frame) == checksum, f"the frame {row.hex()} does not match its checksum"
    return frame


def decode(body):
    numbers, shift, number = [], 0, 0
    for byte in body:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            shift, number = 0, 0
    count, since, until = numbers
    return UncleanEnds(count, *((zigzag >> 1) ^ -(zigzag & 1) for zigzag in (since, until)))
