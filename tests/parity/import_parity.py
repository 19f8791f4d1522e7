"""A model that `model import` took over scores as it does in today's pipeline.

Trains as that pipeline does (statistics by the text of the fault key, scikit-learn's IsolationForest on fail_rate),
hands the results over as it leaves them (joblib file; CSV by pandas, or a folder by Spark), and compares `detect` with
scikit-learn's own `score_samples` and `predict` and with z scores that are computed here.
"""

import csv
import io
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import edr
import joblib
import numpy as np
import reference
from checks import ROOT, Checks, built, run
from export_forest import document
from pipeline_parity import detect
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TOLERANCE = 1e-6
SEED = 20261123
EXPORTER = ROOT / "deploy/migrate/export_forest.py"
# The oldest scikit-learn that this machine's Python can have; trains and saves as someone with it would.
OLDEST = ROOT / ".cache/venv-oldest/bin/python"
TRAIN_OLDEST = """
import sys, joblib, numpy, sklearn
from sklearn.ensemble import IsolationForest
rates = numpy.loadtxt(sys.argv[1]).reshape(-1, 1)
joblib.dump(IsolationForest(contamination=0.07, random_state=5).fit(rates), sys.argv[2])
print(sklearn.__version__)
"""
# Keys a text can't tell apart (`PORTAL` with `LOGIN | x`, and `PORTAL | LOGIN` with `x`), and sides that are empty.
AMBIGUOUS = [
    ("PORTAL", "LOGIN | timeout"),
    ("PORTAL | LOGIN", "timeout"),
    ("GATE", ""),
    ("AUTH", 'back\\slash, quote "'),
]


def single(rates):
    """Rates as the pipeline hands them to scikit-learn."""
    return np.array(rates, dtype=float).reshape(-1, 1)


def history(folder):
    """Two days to train on and a window to detect in, which has sudden faults and keys of every kind."""
    maker = edr.Maker(folder, random.Random(SEED))
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    varying = edr.VARYING + AMBIGUOUS
    for number in range(48):
        start = today - timedelta(days=4) + number * edr.WINDOW
        once = [edr.ONCE] if number == 17 else []
        events = maker.events(start, edr.VARYING + [edr.STEADY] + once, tie=edr.TIES[number % len(edr.TIES)])
        for point, description in AMBIGUOUS:
            events += maker.attempts(
                start, point, description, maker.random.randint(1, 4), maker.random.randint(20, 60)
            )
        maker.write(start + edr.WINDOW, events)
    training = list(maker.files)
    start = today - timedelta(days=1)
    events = maker.events(start, varying + [edr.STEADY, edr.ONCE, edr.UNSEEN], tie=(1, 3))
    for point, description in varying[::2]:
        events += maker.attempts(start, point, description, maker.random.randint(40, 90), 0)
    maker.write(start + edr.WINDOW, events)
    # Long after the last file: `detect` reads the newest ten.
    return training, maker.files[-10:], start + timedelta(days=20)


def todays_statistics(rows):
    """(mean_rate, std_rate) by the text of the fault key, as today's pipeline groups; doubles all the way."""
    rates = {}
    for row in rows:
        rates.setdefault(row.fault_key, []).append(float(row.rate))
    return {
        key: (float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)
        for key, values in sorted(rates.items())
    }


def write_pandas(path, statistics):
    """As `DataFrame.to_csv` writes it, index column and all."""
    with open(path, "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["", "fault_key", "mean_rate", "std_rate"])
        for place, (key, (mean, deviation)) in enumerate(statistics.items()):
            writer.writerow([place, key, repr(mean), "" if deviation is None else repr(deviation)])
    return path


def write_spark(path, statistics):
    """As `df.write.csv(path, header=True)` writes it: part files, trimmed, quotes behind backslashes, NaN as text."""
    path.mkdir()
    (path / "_SUCCESS").touch()
    (path / "part-00002-c000.csv").touch()
    items = list(statistics.items())
    for part in range(2):
        with open(path / f"part-0000{part}-c000.csv", "w", encoding="utf-8") as out:
            out.write("fault_key,mean_rate,std_rate\n")
            for key, (mean, deviation) in items[part::2]:
                key = key.strip()
                if '"' in key or "," in key:
                    key = '"' + key.replace('\\"', '\\\\"').replace('"', '\\"') + '"'
                out.write(f"{key},{mean!r},{'NaN' if deviation is None else repr(deviation)}\n")
    return path


def close(ours, expected):
    """Equal within the tolerance; an absent number only equals an absent one."""
    if ours in (None, "") or expected is None:
        return ours in (None, "") and expected is None
    return abs(float(ours) - expected) <= TOLERANCE * max(1.0, abs(expected))


def identified(rows):
    """Printed rows by window, point and description: two pairs can print the same fault key."""
    return {
        (reference.instant(row["start_time"]).timestamp(), row["edr_point"], row["description"]): row for row in rows
    }


def check_detect(checks, name, database, rows, statistics, forest):
    """Every scored row, and the six tables, against today's computation."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        ours = identified(connection.execute("SELECT * FROM windows"))
    wanted = {(row.start, *row.key): row for row in rows}
    if not checks.same(f"{name}: the rows", sorted(ours), sorted(wanted)):
        return
    worst, wrong, members = 0.0, [], {}
    for key, row in wanted.items():
        z_score, z_status = reference.z_of(row.rate, statistics.get(row.fault_key))
        score = float(forest.score_samples(single([row.rate]))[0])
        verdict = int(forest.predict(single([row.rate]))[0] == -1)
        alarm = int(z_score is not None and z_score > 3.0)
        worst = max(worst, abs(float(ours[key]["iforest_score"]) - score))
        got = ours[key]
        if not (
            close(got["z_score"], z_score) and got["z_status"] == z_status and close(got["fail_rate"], float(row.rate))
        ):
            wrong.append((key, got["z_score"], z_score, got["z_status"], z_status))
        if (int(got["anomaly_z"]), int(got["anomaly_iforest"])) != (alarm, verdict):
            wrong.append((key, "verdicts", got["anomaly_z"], alarm, got["anomaly_iforest"], verdict))
        members[key] = (alarm, verdict)
    checks.that(f"{name}: z scores and all verdicts of {len(wanted)} rows", not wrong, wrong[:4])
    checks.that(f"{name}: score_samples, largest difference {worst:.1e}", worst <= TOLERANCE, worst)
    for each, holds in [
        ("combined_all", lambda z, f: z or f), ("combined_repeated", lambda z, f: z and f),
        ("zscore_all", lambda z, f: z), ("zscore_repeated", lambda z, f: z and f),
        ("iforest_all", lambda z, f: f), ("iforest_repeated", lambda z, f: z and f),
    ]:  # fmt: skip
        held = sorted(key for key, alarms in members.items() if holds(*alarms))
        text = run(
            built("cabinwatch-ground"), "tables", "--tables", f"sqlite://{database}", "--table", each, "--format", "csv"
        )
        printed = identified(csv.DictReader(io.StringIO(text)))
        checks.same(f"{name}: {each}, {len(held)} rows", sorted(printed), held)


def todays_table(path, rows, statistics, forest):
    """`combined_all` as today's pipeline leaves it, its defects included: unfiltered, a key without a deviation always
    an anomaly, the point found again by splitting the key, and some rows twice."""
    successes = {(row.start, row.key[0]): row.success for row in rows}
    columns = ["fault_key", "start_time", "end_time", "fail", "success", "total", "fail_rate", "mean_rate", "std_rate",
               "z_score", "anomaly_z", "anomaly_iforest", "anomaly_combined"]  # fmt: skip
    with open(path, "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns)
        writer.writeheader()
        for place, row in enumerate(rows):
            success = successes.get((row.start, row.fault_key.split(" | ")[0]), 0)
            rate = reference.Row(row.start, row.key, row.fail, success).rate
            mean, deviation = statistics.get(row.fault_key, (None, None))
            score = (float(rate) - mean) / deviation if deviation and deviation >= 1e-9 else None
            alarm = int(row.fault_key in statistics if deviation is None else score is not None and score > 3)
            verdict = int(forest.predict(single([rate]))[0] == -1)
            cells = [
                row.fault_key, datetime.fromtimestamp(row.start, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f%z"), "",
                row.fail, success, row.fail + success, float(rate), mean, deviation, score, alarm, verdict,
                int(alarm or verdict),
            ]  # fmt: skip
            for _ in range(2 if place % 7 == 0 else 1):
                writer.writerow({name: "" if cell is None else cell for name, cell in zip(columns, cells)})


def check_comparison(checks, folder, rows, statistics, forest):
    """The comparison of the first day explains today's defects, and nothing else."""
    todays_table(folder / "today.csv", rows, statistics, forest)
    text = run(
        built("cabinwatch-ground"), "tables", "--tables", f"sqlite://{folder / 'auto/detected.db'}", "--table",
        "combined_all", "--format", "csv",
    )  # fmt: skip
    (folder / "ours.csv").write_text(text)
    compare = [sys.executable, ROOT / "deploy/migrate/compare_tables.py", folder / "today.csv", folder / "ours.csv"]
    said = run(*compare)
    reasons = ["rows are equal", "not filtered", "without a deviation", "hold ` | `", "more than once"]
    missing = [reason for reason in reasons if reason not in said]
    checks.that("compare_tables.py explains every defect of today's", not missing, f"{missing}: {said}")
    printed = list(csv.DictReader(io.StringIO(text)))
    row = next(row for row in printed if row["fault_key"] == "AUTH | EAP timeout" and row["z_score"])
    off = {**row, "z_score": repr(float(row["z_score"]) + 0.001)}
    parted = next(row for row in printed if row["fault_key"].count(" | ") > 1)
    more = {**parted, "fail": str(int(parted["fail"]) + 1)}
    for name, row, others, said_of_it in [
        ("a row that is missing", row, [], "only in today"),
        ("a number that is off", row, [off], "today / ours: z_score"),
        ("a count that is off where the point holds ` | `", parted, [more], "today / ours: fail "),
    ]:
        with open(folder / "ours.csv", "w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, row)
            writer.writeheader()
            writer.writerows([*(other for other in printed if other is not row), *others])
        said = run(*compare, expect=1)
        shown = any(
            line.startswith(f"DIFFERENT  {row['fault_key']}") and said_of_it in line for line in said.splitlines()
        )
        checks.that(f"compare_tables.py shows {name}", shown and "1 differences" in said, said)


def export(model, forest, expect=0, python=sys.executable):
    """Runs the exporter as a user does; what it says."""
    done = subprocess.run([python, EXPORTER, model, forest], capture_output=True, text=True)
    if done.returncode != expect:
        sys.exit(f"the exporter ended with {done.returncode}, not {expect}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def take_over(checks, folder, name, forest, statistics, write, files, rows, now):
    """Exports, imports, shows and detects."""
    place = folder / name.replace(" ", "-")
    place.mkdir()
    joblib.dump(forest, place / "forest.joblib", compress=3)
    export(place / "forest.joblib", place / "FOREST.json")
    zscore = write(place / "zscore_stats.csv", statistics)
    model = place / "model"
    run(
        built("cabinwatch-ground"), "model", "import", "--zscore", zscore, "--forest", place / "FOREST.json",
        "--model-dir", model,
    )  # fmt: skip
    shown = json.loads(run(built("cabinwatch-ground"), "model", "show", "--model-dir", model, "--json"))
    seen = (shown["source"], shown["trees"], shown["self_test"], shown["trusted"], shown["fits_agents"])
    checks.same(f"{name}: model show", seen, ("imported", len(forest.estimators_), "passed", True, True))
    edr_files = place / "edr"
    edr_files.mkdir()
    for path in files:
        (edr_files / path.name).write_bytes(path.read_bytes())
    database = detect(place, edr_files, model, "detected", now)
    check_detect(checks, name, database, rows, statistics, forest)


def check_all_rates(checks, name, folder, forest):
    """Every rate there is gets scikit-learn's verdict, also those whose score is the offset itself."""
    rates = np.arange(10001) / 100
    (folder / "all.json").write_text(json.dumps(document(forest)))
    (folder / "all.csv").write_text("\n".join(map(repr, rates.tolist())) + "\n")
    printed = run(built("examples/score_forest"), folder / "all.json", folder / "all.csv")
    pairs = [line.split(",") for line in printed.splitlines()]
    difference = np.abs(np.array([float(score) for score, _ in pairs]) - forest.score_samples(single(rates))).max()
    unequal = np.flatnonzero(np.array([int(verdict) for _, verdict in pairs]) != forest.predict(single(rates)))
    on_offset = int((forest.score_samples(single(rates)) == forest.offset_).sum())
    checks.that(
        f"{name}: all 10,001 rates, {on_offset} of them on the offset, largest difference {difference:.1e}",
        difference <= TOLERANCE and len(unequal) == 0,
        f"{difference}, {len(unequal)} verdicts differ",
    )


def check_oldest(checks, folder, rates):
    """A forest of an old scikit-learn: exported there, it scores here as it did there; elsewhere it is refused."""
    if not (OLDEST.parents[1] / "requirements.txt").exists():
        checks.skip("a forest of an old scikit-learn", "this machine's Python cannot have one")
        return
    np.savetxt(folder / "rates.txt", rates)
    version = run(OLDEST, "-c", TRAIN_OLDEST, folder / "rates.txt", folder / "oldest.joblib").strip()
    export(folder / "oldest.joblib", folder / "oldest.json", python=OLDEST)
    zscore = write_pandas(folder / "oldest.csv", {"A | x": (1.0, 0.5)})
    said = run(
        built("cabinwatch-ground"), "model", "import", "--zscore", zscore, "--forest", folder / "oldest.json",
        "--model-dir", folder / "oldest",
    )  # fmt: skip
    same = f"scikit-learn {version}" in said and "the same at all 10001 rates" in said
    checks.that(f"scikit-learn {version}: score and verdict are the same at every rate", same, said)
    said = export(folder / "oldest.joblib", folder / "oldest.json", expect=1)
    checks.that(
        f"the exporter refuses a file of scikit-learn {version} under another", "that trained the forest" in said, said
    )


def check_refusals(checks, folder, rates):
    """What can't be exported or imported is refused in a sentence."""
    continuous = np.random.default_rng(SEED).random((40_000, 1)) * 100
    traffic = np.random.default_rng(SEED).random((500, 4))
    for name, content, sentence in [
        (
            "another estimator",
            RandomForestRegressor(n_estimators=2).fit(rates, rates.ravel()),
            "a RandomForestRegressor, not",
        ),
        ("a pipeline", make_pipeline(StandardScaler(), IsolationForest()).fit(rates), "holds a Pipeline"),
        ("a dictionary", {"forest": IsolationForest().fit(rates)}, "holds a dict"),
        ("a forest that is not fitted", IsolationForest(), "has not been fitted"),
        ("a forest over four features", IsolationForest().fit(traffic), "trained on 4 features, but 1 is expected"),
    ]:
        joblib.dump(content, folder / "refused.joblib")
        said = export(folder / "refused.joblib", folder / "refused.json", expect=1)
        checks.that(f"the exporter refuses {name}", sentence in said and "Traceback" not in said, said)
    (folder / "noise.joblib").write_bytes(b"no joblib file")
    said = export(folder / "noise.joblib", folder / "refused.json", expect=1)
    checks.that("the exporter refuses what is no joblib file", "cannot load" in said and "Traceback" not in said, said)
    said = export(folder / "missing.joblib", folder / "refused.json", expect=1)
    checks.that("the exporter names a missing file", "cannot read" in said and "missing.joblib" in said, said)
    try:
        document(IsolationForest(max_features=0.5).fit(traffic), traffic)
        checks.that("the exporter refuses trees that see some features", False, "it exported them")
    except Exception as refusal:
        checks.that("the exporter refuses trees that see some features", "max_features=1.0" in str(refusal), refusal)

    zscore = write_pandas(folder / "some.csv", {"A | x": (1.0, 0.5)})
    for name, forest, rows, sentence in [
        ("trees beyond the bundle's bound", IsolationForest(n_estimators=2, max_samples=40_000).fit(continuous),
         single([1.0]), "tree 0 has more than 8192 splits"),
        ("a forest over four features", IsolationForest(n_estimators=2).fit(traffic), traffic, "splits on 4 features"),
    ]:  # fmt: skip
        (folder / "refused.json").write_text(json.dumps(document(forest, rows)))
        done = subprocess.run(
            [built("cabinwatch-ground"), "model", "import", "--zscore", zscore, "--forest", folder / "refused.json",
             "--model-dir", folder / "refused"],
            capture_output=True, text=True,
        )  # fmt: skip
        named = "refused.json: " in done.stderr and sentence in done.stderr
        checks.that(f"the import refuses {name}", done.returncode == 1 and named, done.stderr)
    checks.that("a refused import leaves no model", not (folder / "refused/model.cwm").exists())


def main():
    checks = Checks()
    print(f"seed {SEED}")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(folder)
        (folder / "edr").mkdir()
        training, recent, now = history(folder / "edr")
        training_rows, rows = reference.aggregate(training), reference.aggregate(recent)
        statistics = todays_statistics(training_rows)
        rates = single([row.rate for row in training_rows])
        for name, settings, write in [
            ("auto", {"random_state": 42}, write_pandas),
            ("a share of 5 %", {"contamination": 0.05, "random_state": 1}, write_spark),
            ("a bootstrap of 64", {"n_estimators": 37, "max_samples": 64, "bootstrap": True, "contamination": 0.1},
             write_spark),
            ("one tree", {"n_estimators": 1, "contamination": 0.2, "random_state": 3}, write_pandas),
            ("all rows a tree", {"n_estimators": 300, "max_samples": 1.0, "random_state": 4}, write_pandas),
        ]:  # fmt: skip
            forest = IsolationForest(**{"random_state": SEED % 1000, **settings}).fit(rates)
            take_over(checks, folder, name, forest, statistics, write, recent, rows, now)
            check_all_rates(checks, name, folder, forest)
            if name == "auto":
                check_comparison(checks, folder, rows, statistics, forest)
        check_oldest(checks, folder, rates)
        check_refusals(checks, folder, rates)
    checks.finish()


if __name__ == "__main__":
    main()
