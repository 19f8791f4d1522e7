"""The forest's scores are scikit-learn's, on the same trees.

Trains IsolationForest on random data, hands its trees to our scorer, and compares `score_samples` and `predict` on
the training rows, on unseen rows and on extreme ones.
"""

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
from checks import Checks, built, run
from export_forest import document
from sklearn.ensemble import IsolationForest

TOLERANCE = 1e-6
SEED = 20261121


def rates(random, rows):
    """One feature as the pipeline has it: two decimals, heavy with duplicates, many exactly 0 or 100."""
    total = random.integers(1, 40, rows)
    fail = np.minimum(random.poisson(total * random.choice([0.02, 0.1, 0.6], rows)), total)
    return np.round(100 * fail / total, 2).reshape(-1, 1)


def traffic(random, rows):
    """Four features of different kinds: standardised sizes with a long tail, a port, a small whole number."""
    ports = random.choice([53, 80, 443, 8443, 51820], rows, p=[0.3, 0.1, 0.5, 0.05, 0.05])
    sizes = random.lognormal(6, 2, (rows, 2))
    protocol = random.integers(-1, 3, rows)
    return np.column_stack([ports, sizes, protocol]).astype(float)


def extremes(features):
    """Rows no training set holds: zeros, huge values of both signs, values that differ only beyond single precision."""
    values = [0.0, -0.0, 1e30, -1e30, 100.0, 100.00000001, 99.99999999, 16777217.0]
    return np.array([[value] * features for value in values])


def our_scores(forest, rows, folder):
    """Score and verdict of every row by our scorer."""
    (folder / "forest.json").write_text(json.dumps(document(forest, rows)))
    lines = (",".join(repr(float(value)) for value in row) for row in rows)
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    printed = run(built("examples/score_forest"), folder / "forest.json", folder / "rows.csv")
    pairs = [line.split(",") for line in printed.splitlines()]
    return np.array([float(score) for score, _ in pairs]), np.array([int(verdict) for _, verdict in pairs])


def compare(checks, name, forest, rows, folder):
    """One forest, one set of rows."""
    scores, verdicts = our_scores(forest, rows, folder)
    expected = forest.score_samples(rows)
    if not checks.that(f"{name}: a score for every row", len(scores) == len(rows), f"{len(scores)} of {len(rows)}"):
        return
    difference = np.abs(scores - expected)
    worst = int(difference.argmax())
    checks.that(
        f"{name}: score_samples, largest difference {difference.max():.1e} over {len(rows)} rows",
        difference.max() <= TOLERANCE,
        f"row {rows[worst].tolist()}: ours {scores[worst]!r}, scikit-learn {expected[worst]!r}",
    )
    predicted = forest.predict(rows)
    unequal = np.flatnonzero(verdicts != predicted)
    checks.that(
        f"{name}: predict, {int((predicted == -1).sum())} anomalies",
        len(unequal) == 0,
        f"{len(unequal)} differ, first {rows[unequal[0]].tolist()} at score {scores[unequal[0]]!r}"
        f" with offset {forest.offset_!r}"
        if len(unequal)
        else "",
    )


def main():
    checks = Checks()
    random = np.random.default_rng(SEED)
    print(f"seed {SEED}")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # scikit-learn warns where max_samples is above the number of rows; that case is wanted here.
        warnings.simplefilter("ignore")
        folder = Path(folder)
        for kind, make, count in [("rates", rates, 3000), ("traffic", traffic, 3000)]:
            training, unseen = make(random, count), make(random, 1000)
            rows = np.vstack([training, unseen, extremes(training.shape[1])])
            for contamination in ("auto", 0.05):
                for max_samples in ("auto", 64, 1000):
                    forest = IsolationForest(
                        n_estimators=100,
                        max_samples=max_samples,
                        contamination=contamination,
                        random_state=int(random.integers(1 << 31)),
                    ).fit(training)
                    name = f"{kind}, contamination {contamination}, max_samples {max_samples}"
                    compare(checks, name, forest, rows, folder)
        for name, training in [
            ("a single training row", np.array([[42.0]])),
            ("two training rows", np.array([[1.0], [2.0]])),
            ("training rows that are all alike", np.full((500, 1), 33.33)),
        ]:
            forest = IsolationForest(n_estimators=20, random_state=7).fit(training)
            compare(checks, name, forest, np.vstack([training, extremes(1)]), folder)
    checks.finish()


if __name__ == "__main__":
    main()
