"""`retrain` and `detect` give, row by row, what the pipeline's definition gives.

The definition is written down a second time in reference.py; both read the same EDR files (edr.py), which hold every
case that has made two programs disagree.
"""

import csv
import io
import json
import random
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import edr
import reference
from checks import Checks, built, run

SEED = 20261121
DIGITS = 9


def write_training(maker, today):
    """Four days of files to train on, and one too old to count, which alone holds `UNSEEN`."""
    keys = edr.VARYING + [edr.STEADY]
    for day in (5, 4, 3, 2):
        for part in range(4):
            start = today - timedelta(days=day) + timedelta(hours=6 * part)
            events = []
            for number in range(6):
                window = start + number * edr.WINDOW
                once = [edr.ONCE] if (day, part, number) == (3, 1, 2) else []
                events += maker.events(window, keys + once, tie=edr.TIES[number])
            maker.write_across(start + timedelta(hours=1), events)
    stale = today - timedelta(days=45)
    maker.write(stale, maker.events(stale, keys + [edr.UNSEEN]))


def write_last_window(maker, start):
    """The window to detect in, spread over two files, with keys of every z_status and two sudden faults."""
    events = maker.events(start, edr.VARYING + [edr.STEADY, edr.ONCE, edr.UNSEEN], tie=(1, 3))
    events += maker.attempts(start, "DHCP", "no address available", 60, 0)
    events += maker.attempts(start, "AUTH", "EAP timeout", 90, 0)
    maker.write_across(start + edr.WINDOW, events)
    return start + edr.WINDOW + timedelta(seconds=30)


def number(cell):
    """A cell as a number, rounded so that the last bits of two summations do not matter; empty is None."""
    return None if cell in ("", None) else round(float(cell), DIGITS)


def seconds(text):
    """A cell's instant in Unix seconds."""
    return int(reference.instant(text).timestamp())


def keyed(rows):
    """Rows by (fault key, window)."""
    return {(row["fault_key"], seconds(row["start_time"])): row for row in rows}


def table(database, name):
    """The rows of one of the six tables, as `tables` prints them."""
    text = run(
        built("cabinwatch-ground"), "tables", "--tables", f"sqlite://{database}", "--table", name, "--format", "csv"
    )
    return keyed(csv.DictReader(io.StringIO(text)))


def scored(database):
    """Every row that was scored, anomalous or not, from the database itself."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return keyed(connection.execute("SELECT * FROM windows"))


def as_printed(row):
    """The columns that the definition determines, from a printed row."""
    return {
        "end": seconds(row["end_time"]),
        "counts": tuple(int(row[name]) for name in ("fail", "success", "total")),
        "fail_rate": number(row["fail_rate"]),
        "mean_rate": number(row["mean_rate"]),
        "std_rate": number(row["std_rate"]),
        "z_score": number(row["z_score"]),
        "z_status": row["z_status"],
        "anomaly_z": int(row["anomaly_z"]),
    }


def as_defined(row, known):
    """The same columns by the definition."""
    score, status = reference.z_score(row, known)
    mean, deviation = known.get(row.key, (None, None))
    rounded = [None if value is None else round(value, DIGITS) for value in (mean, deviation, score)]
    return {
        "end": row.start + 300,
        "counts": (row.fail, row.success, row.total),
        "fail_rate": float(row.rate),
        "mean_rate": rounded[0],
        "std_rate": rounded[1],
        "z_score": rounded[2],
        "z_status": status,
        "anomaly_z": reference.anomaly_z(row, known),
    }


def check_statistics(checks, model, known):
    """zscore_stats.csv has the documented header and values."""
    with open(model / "zscore_stats.csv", newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        ours = {row["fault_key"]: (number(row["mean_rate"]), number(row["std_rate"])) for row in reader}
        header = reader.fieldnames
    expected = {
        " | ".join(key): tuple(None if value is None else round(value, DIGITS) for value in values)
        for key, values in known.items()
    }
    checks.that("zscore_stats.csv has today's header", header == ["fault_key", "mean_rate", "std_rate"], header)
    checks.same(f"zscore_stats.csv: {len(expected)} keys", ours, expected)


def check_tables(checks, name, database, rows, known):
    """All scored rows by the definition, and the six tables by the two alarms of each row."""
    defined = {(row.fault_key, row.start): as_defined(row, known) for row in rows}
    every = scored(database)
    printed = {key: as_printed(row) for key, row in every.items()}
    checks.same(f"{name}: {len(defined)} scored rows", printed, defined)
    z_alarms = {key for key, row in defined.items() if row["anomaly_z"]}
    forest_alarms = {key for key, row in every.items() if int(row["anomaly_iforest"])}
    confirmed = z_alarms & forest_alarms
    for each, members in [
        ("combined_all", z_alarms | forest_alarms),
        ("combined_repeated", confirmed),
        ("zscore_all", z_alarms),
        ("zscore_repeated", confirmed),
        ("iforest_all", forest_alarms),
        ("iforest_repeated", confirmed),
    ]:
        held = {key: as_printed(row) for key, row in table(database, each).items()}
        checks.same(f"{name}: {each}, {len(members)} rows", held, {key: printed.get(key) for key in members})


def configuration(folder, **settings):
    """A configuration file that sets only these keys."""
    sections = {}
    for name, value in settings.items():
        section, key = name.split("__")
        sections.setdefault(section, []).append(f"{key} = {json.dumps(value)}")
    path = folder / f"{'_'.join(settings)}.toml"
    path.write_text("\n".join(f"[{section}]\n" + "\n".join(lines) for section, lines in sections.items()) + "\n")
    return path


def detect(folder, edr_files, model, name, now, *more):
    """One batch run into a database of its own; the database's path."""
    database = folder / f"{name}.db"
    run(
        built("cabinwatch-ground"), "detect", "--history", f"file://{edr_files}", "--model-dir", model,
        "--tables", f"sqlite://{database}", "--mail", f"file://{folder / name}-mail",
        "--now", f"{now:%Y-%m-%dT%H:%M:%SZ}", *more,
    )  # fmt: skip
    return database


def check_seed(checks, seed):
    """One random history, trained and detected in every way."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        edr_files, model = folder / "edr", folder / "model"
        edr_files.mkdir()
        maker = edr.Maker(edr_files, random.Random(seed))
        today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        write_training(maker, today)
        recent = [path for path in maker.files if today - reference.cut_at(path) < timedelta(days=30)]
        known = reference.statistics(reference.aggregate(recent))
        run(
            built("cabinwatch-ground"), "retrain", "--history", f"file://{edr_files}", "--days", 30,
            "--model-dir", model,
        )  # fmt: skip
        now = write_last_window(maker, today - timedelta(days=1))
        check_statistics(checks, model, known)

        newest_three = ["--config", configuration(folder, history__newest_files=3)]
        later = now + timedelta(days=20)
        for name, when, count, more in [
            ("recent", now, 10, []),
            ("newest-ten", later, 10, []),
            ("newest-three", later, 3, newest_three),
        ]:
            rows = reference.aggregate(reference.files_to_detect(maker.files, when, newest=count))
            database = detect(folder, edr_files, model, name, when, *more)
            check_tables(checks, name, database, rows, known)
        before = scored(database)
        detect(folder, edr_files, model, name, later, *more)
        checks.same("a second run changes nothing", {**scored(database)}, before)


def main():
    checks = Checks()
    for seed in [int(text) for text in sys.argv[1:]] or range(SEED, SEED + 3):
        print(f"seed {seed}")
        check_seed(checks, seed)
    checks.finish()


if __name__ == "__main__":
    main()
