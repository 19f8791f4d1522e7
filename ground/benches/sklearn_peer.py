"""An isolation forest by scikit-learn: grows it, writes its trees and some rows, and times one row at a time.

Usage: sklearn_peer.py FOLDER FEATURES

Leaves forest.json and rows.csv in the folder and prints the median nanoseconds of `score_samples` on a single row.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.ensemble import IsolationForest

sys.path.append(str(Path(__file__).resolve().parents[2] / "deploy/migrate"))
from export_forest import document  # noqa: E402

TREES = 100
TRAINING_ROWS = 20_000
SCORED_ROWS = 4_096
TIMED_ROWS = 60


def nanoseconds_a_row(forest, rows):
    times = []
    for row in rows[:TIMED_ROWS]:
        began = time.perf_counter_ns()
        forest.score_samples(row.reshape(1, -1))
        times.append(time.perf_counter_ns() - began)
    return statistics.median(times)


def main():
    folder, features = Path(sys.argv[1]), int(sys.argv[2])
    random = np.random.default_rng(20261121)
    # Continuous values grow the largest trees, the worst case for speed; rates have many equal values.
    training = 100 * random.random((TRAINING_ROWS, features)) ** 3
    forest = IsolationForest(n_estimators=TREES, max_samples=256, random_state=42).fit(training)
    rows = 100 * random.random((SCORED_ROWS, features)) ** 3
    (folder / "forest.json").write_text(json.dumps(document(forest, rows)))
    np.savetxt(folder / "rows.csv", rows, delimiter=",", fmt="%.9g")
    print(nanoseconds_a_row(forest, rows))


if __name__ == "__main__":
    main()
