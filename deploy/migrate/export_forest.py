#!/usr/bin/env python3
"""Exports an isolation forest that scikit-learn trained, for `cabinwatch-ground model import`.

    python3 export_forest.py MODEL.joblib FOREST.json

Run it in the Python environment that trained the forest: scikit-learn reads a forest of another release only by luck.
joblib files are programs, so load only files you trust. The format of FOREST.json is specified in docs/migrating.md.

Needs scikit-learn 1.0 or later and what that brings along, and Python 3.7 or later.
"""

import argparse
import json
import os
import sys
import warnings

import joblib
import numpy as np
import sklearn
from sklearn.ensemble import IsolationForest

FORMAT = "cabinwatch-forest"
VERSION = 1
# Every failure rate there is, in percent: 0.00 to 100.00. The import scores all of them and compares.
RATES = np.arange(10001).reshape(-1, 1) / 100


class Refusal(Exception):
    """Why a forest can't be exported, as a sentence."""


def load(path):
    """What a joblib file holds."""
    try:
        return joblib.load(path)
    except OSError as error:
        raise Refusal(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # Unpickling runs the file's own code, which may raise anything.
        raise Refusal(
            f"cannot load {path} with scikit-learn {sklearn.__version__}; run this script in the Python environment "
            f"that trained the forest ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
        ) from error


def check(forest, features):
    """Refuses what the format can't say."""
    if not isinstance(forest, IsolationForest):
        raise Refusal(
            f"the file holds a {type(forest).__name__}, not an IsolationForest; "
            "save the forest itself with joblib.dump(forest, path) and export that"
        )
    if not getattr(forest, "estimators_", None):
        raise Refusal("the IsolationForest has not been fitted: it has no trees")
    if forest.n_features_in_ != features:
        raise Refusal(
            f"the IsolationForest was trained on {forest.n_features_in_} features, "
            f"but {features} is expected: fail_rate and nothing else"
        )
    everything = np.arange(features)
    if any(not np.array_equal(np.sort(used), everything) for used in forest.estimators_features_):
        raise Refusal(
            f"its trees see only some of the {features} features each (max_features = {forest.max_features}); "
            "train it with max_features=1.0"
        )


def exact(value):
    """The shortest decimal that reads back as the same double. A text, so that no JSON library rounds it."""
    return repr(float(value))


def tree(estimator):
    """One tree, as scikit-learn keeps it; a leaf has no threshold."""
    nodes = estimator.tree_
    leaf = nodes.children_left == -1
    return {
        "children_left": nodes.children_left.tolist(),
        "children_right": nodes.children_right.tolist(),
        "feature": nodes.feature.tolist(),
        "threshold": [None if end else exact(value) for end, value in zip(leaf, nodes.threshold)],
        "n_node_samples": nodes.n_node_samples.tolist(),
    }


def document(forest, rows=RATES):
    """The content of FOREST.json: the trees, and scikit-learn's own answers for `rows`."""
    check(forest, rows.shape[1])
    with warnings.catch_warnings():
        # A forest that was trained on a data frame warns about rows without column names.
        warnings.simplefilter("ignore", UserWarning)
        scores, verdicts = forest.score_samples(rows), forest.predict(rows)
    return {
        "format": FORMAT,
        "version": VERSION,
        "scikit_learn": sklearn.__version__,
        "n_features": int(forest.n_features_in_),
        "max_samples": int(forest.max_samples_),
        "offset": exact(forest.offset_),
        "trees": [tree(estimator) for estimator in forest.estimators_],
        "expected": {
            "rows": [[exact(value) for value in row] for row in rows],
            "scores": [exact(score) for score in scores],
            "verdicts": verdicts.tolist(),
        },
    }


def write(content, path):
    """Writes the file as a whole or not at all."""
    temporary = f"{path}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as out:
            json.dump(content, out, separators=(",", ":"))
            out.write("\n")
        os.replace(temporary, path)
    except OSError as error:
        raise Refusal(f"cannot write {path}: {error.strerror or error}") from error


def main():
    """Exit codes: 0 exported, 1 refused, 2 wrong call."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", metavar="MODEL.joblib", help="the IsolationForest, as joblib.dump wrote it")
    parser.add_argument("forest", metavar="FOREST.json", help="the file to write")
    arguments = parser.parse_args()
    try:
        content = document(load(arguments.model))
        write(content, arguments.forest)
    except Refusal as refusal:
        sys.exit(f"export_forest.py: {refusal}")
    anomalies = content["expected"]["verdicts"].count(-1)
    print(
        f"{arguments.forest}: {len(content['trees'])} trees of {content['max_samples']} rows, "
        f"offset {content['offset']}; {anomalies} of the {len(RATES)} rates there are would be anomalies"
    )


if __name__ == "__main__":
    main()
