"""`retrain` and `detect` give, row by row, what the pipeline's definition gives.

The definition is written down a second time in reference.py; both read the same EDR files (edr.py), which hold every
case that has made two programs disagree.
"""

import csv
import io
import json
import random
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import edr
import reference
from checks import Checks, built, run

SEED = 20261121
# With this threshold every row that has a z score is a z anomaly, so `zscore_all` shows all of them.
EVERYTHING = -1e9
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


def number(text):
    """A cell as a number, rounded so that the last bits of two summations do not matter; empty is None."""
    return None if text == "" else round(float(text), DIGITS)


def seconds(text):
    """A cell's instant in Unix seconds."""
    return int(reference.instant(text).timestamp())


def table(tables, name):
    """The rows of one table by (fault key, window)."""
    text = run(built("cabinwatch-ground"), "tables", "--tables", tables, "--table", name, "--format", "csv")
    rows = csv.DictReader(io.StringIO(text))
    return {(row["fault_key"], seconds(row["start_time"])): row for row in rows}


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


def as_defined(row, known, threshold):
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
        "anomaly_z": reference.anomaly_z(row, known, threshold),
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


def check_tables(checks, name, tables, rows, known, threshold):
    """The six tables: z columns by the definition, and membership by the two alarms of each row."""
    defined = {(row.fault_key, row.start): as_defined(row, known, threshold) for row in rows}
    z_alarms = {key: row for key, row in defined.items() if row["anomaly_z"]}
    found = {each: table(tables, each) for each in TABLES}
    printed = {key: as_printed(row) for key, row in found["zscore_all"].items()}
    checks.same(f"{name}: zscore_all, {len(z_alarms)} rows", printed, z_alarms)
    both = found["zscore_all"].keys() & found["iforest_all"].keys()
    either = found["zscore_all"].keys() | found["iforest_all"].keys()
    checks.that(f"{name}: combined_all is the union, {len(either)} rows", found["combined_all"].keys() == either)
    for each in ("combined_repeated", "zscore_repeated", "iforest_repeated"):
        checks.that(f"{name}: {each} is the intersection, {len(both)} rows", found[each].keys() == both)
    every = {key: as_printed(row) for key, row in found["combined_all"].items()}
    checks.same(f"{name}: combined_all's columns", every, {key: defined.get(key) for key in every})


TABLES = ("combined_all", "combined_repeated", "zscore_all", "zscore_repeated", "iforest_all", "iforest_repeated")


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
    """One batch run into tables of its own; the tables' address."""
    tables = f"sqlite://{folder / name}.db"
    run(
        built("cabinwatch-ground"), "detect", "--history", f"file://{edr_files}", "--model-dir", model,
        "--tables", tables, "--mail", f"file://{folder / name}-mail", "--now", f"{now:%Y-%m-%dT%H:%M:%SZ}", *more,
    )  # fmt: skip
    return tables


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

        everything = configuration(folder, detect__z_threshold=EVERYTHING)
        newest = configuration(folder, detect__z_threshold=EVERYTHING, history__newest_files=3)
        later = now + timedelta(days=20)
        for name, when, threshold, count, more in [
            ("recent", now, 3.0, 10, []),
            ("recent, every row", now, EVERYTHING, 10, ["--config", everything]),
            ("newest ten, every row", later, EVERYTHING, 10, ["--config", everything]),
            ("newest three, every row", later, EVERYTHING, 3, ["--config", newest]),
        ]:
            rows = reference.aggregate(reference.files_to_detect(maker.files, when, newest=count))
            file_name = name.replace(", ", "-").replace(" ", "-")
            tables = detect(folder, edr_files, model, file_name, when, *more)
            check_tables(checks, name, tables, rows, known, threshold)
        before = {each: table(tables, each) for each in TABLES}
        detect(folder, edr_files, model, file_name, later, *more)
        checks.that("a second run changes nothing", before == {each: table(tables, each) for each in TABLES})


def main():
    checks = Checks()
    for seed in [int(text) for text in sys.argv[1:]] or range(SEED, SEED + 3):
        print(f"seed {seed}")
        check_seed(checks, seed)
    checks.finish()


if __name__ == "__main__":
    main()
