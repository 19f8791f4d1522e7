"""Telemetry is scored as scikit-learn scores it: scaling, protocol index, decision_function and predict.

The peer is today's pipeline: StandardScaler over port and byte counts, the protocol's place in the sorted list, and an
IsolationForest of 100 trees. Its own trees are put into a model file of ours (telemetry_model.py, written after the
format's description), and both score the same events. Then our trainer's scaling and forest are compared with its own.
"""

import csv
import json
import subprocess
import tempfile
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
from checks import Checks, built, run
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from telemetry_model import model_file

SEED = 20261124
TOLERANCE = 1e-6
SEEDS = 12
# Our forest's distance from the average of scikit-learn's, as a multiple of its own forests' mean distance from it.
CLOSE = 2.0
NUMBERS = ("dest_port", "bytes_sent", "bytes_recv")
COLUMNS = [
    "timestamp", "process_path", "process_hash", "source_ip", "dest_ip", "dest_domain", "dest_port", "bytes_sent", "bytes_recv",
    "protocol", "dns_query", "parent_process", "user_context",
]  # fmt: skip


def traffic(random, rows):
    """Events as a sensor on hosts writes them: few ports and protocols, byte counts with a long tail, odd ones among them."""
    ports = random.choice([53, 80, 123, 443, 8443, 51820], rows, p=[0.3, 0.1, 0.05, 0.45, 0.05, 0.05])
    ports = np.where(random.random(rows) < 0.02, random.integers(1, 65536, rows), ports)
    protocols = random.choice(["TCP", "UDP", "ICMP", "QUIC", "Ünïcode", "sctp"], rows, p=[0.6, 0.3, 0.04, 0.04, 0.01, 0.01])
    sent, received = random.lognormal(7, 2, (2, rows)).astype(int)
    for at in range(rows):
        yield {
            "timestamp": f"2026-11-01T10:{at % 60:02}:00Z",
            "process_path": random.choice(["/usr/bin/curl", "C:\\Program Files\\x, y\\a.exe", 'say "hi"']),
            "process_hash": f"{at:064x}",
            "source_ip": f"10.0.{at % 7}.{at % 251}",
            "dest_ip": f"93.184.{at % 5}.{at % 199}",
            "dest_domain": random.choice(["example.org", ""]) or None,
            "dest_port": int(ports[at]),
            "bytes_sent": int(sent[at]) * (10**6 if at % 97 == 0 else 1),
            "bytes_recv": int(received[at]),
            "protocol": str(protocols[at]),
            "dns_query": None,
            "parent_process": "bash",
            "user_context": "line one\nline two" if at % 31 == 0 else "crew",
        }


def write(path, events, random):
    """The CSV, with rows among them that lack something. Says how many of those there are."""
    lacking = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for event in events:
            writer.writerow(event)
            if random.random() < 0.03:
                name = str(random.choice(["source_ip", "dest_ip", "dest_port", "protocol"]))
                writer.writerow({**event, name: str(random.choice(["", "NaN", "NA", "null", "None"]))})
                lacking += 1
    return lacking


def numbers(events):
    return np.array([[event[name] for name in NUMBERS] for event in events], dtype=np.int64)


class Peer:
    """Today's pipeline."""

    def __init__(self, events):
        self.scaler = StandardScaler().fit(numbers(events))
        self.encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        self.encoder.fit([[event["protocol"]] for event in events])
        self.protocols = list(self.encoder.categories_[0])
        self.rows = len(events)

    def features(self, events):
        index = self.encoder.transform([[event["protocol"]] for event in events])
        return np.hstack([self.scaler.transform(numbers(events)), index])

    def forest(self, events, seed=42):
        return IsolationForest(n_estimators=100, contamination="auto", random_state=seed).fit(self.features(events))


def ours(folder, events):
    """Decision, verdict, features and contributions of every event by the model in a folder."""
    lines = "\n".join(json.dumps(event) for event in events)
    done = subprocess.run(
        [built("examples/score_telemetry"), folder], input=lines, capture_output=True, text=True, check=True
    )
    rows = np.array([[float(cell) for cell in line.split(",")] for line in done.stdout.splitlines()])
    return rows[:, 0], rows[:, 1].astype(int), rows[:, 2:6].astype(np.float32), rows[:, 6:]


def extremes(event):
    """What no training row holds."""
    for number in (0, -1, 1, 2**31, 2**53 + 1, -(2**63), 2**63 - 1):
        for name in NUMBERS:
            yield {**event, name: number}
    for protocol in ("", "tcp", "TCP ", "\x00", "Ã", "ZZZ"):
        yield {**event, "protocol": protocol}


def deviation(values):
    """The population's standard deviation, rounded once."""
    count, spread = len(values), len(values) * sum(value * value for value in values) - sum(values) ** 2
    with localcontext() as context:
        context.prec = 60
        return float((Decimal(spread) / count**2).sqrt())


def same_trees(checks, folder, peer, training, events):
    forest = peer.forest(training)
    (folder / "telemetry.cwt").write_bytes(model_file(peer.scaler, peer.protocols, forest, peer.rows))
    decisions, verdicts, features, shares = ours(folder, events)
    expected = peer.features(events)
    checks.that(
        f"features of {len(events)} events, to the digit in single precision",
        np.array_equal(features, expected.astype(np.float32)),
        f"largest difference {np.abs(features - expected).max()}",
    )
    difference = np.abs(decisions - forest.decision_function(expected))
    checks.that(
        f"decision_function on scikit-learn's trees, largest difference {difference.max():.1e}",
        difference.max() <= TOLERANCE,
        events[int(difference.argmax())],
    )
    predicted = forest.predict(expected)
    checks.that(
        f"predict, {int((predicted == -1).sum())} anomalies of {len(events)}",
        np.array_equal(verdicts, predicted),
        f"{int((verdicts != predicted).sum())} differ",
    )
    # docs/telemetry.md: contributions add up to 1 + log2(-score).
    total = 1 + np.log2(-(decisions + forest.offset_))
    checks.that("contributions add up to the score", np.abs(shares.sum(axis=1) - total).max() <= TOLERANCE)


def trained_alike(checks, folder, peer, training, events, table, lacking):
    summary = json.loads(
        run(built("cabinwatch-ground"), "retrain", "--telemetry", table, "--model-dir", folder, "--json")
    )
    checks.that("as many training rows", summary["rows"] == peer.rows, summary["rows"])
    dropped = summary["dropped"]
    checks.that("every row that lacks something is dropped", sum(dropped.values()) == lacking, dropped)
    checks.that("the protocols and their order", summary["protocols"] == peer.protocols, summary["protocols"])
    for at, scaling in enumerate(summary["scaling"]):
        mean, scale = peer.scaler.mean_[at], peer.scaler.scale_[at]
        checks.that(f"mean of {scaling['feature']}, {mean!r}", scaling["mean"] == mean, scaling["mean"])
        exact = deviation([event[scaling["feature"]] for event in training])
        checks.that(
            f"deviation of {scaling['feature']}, {exact!r}",
            abs(scaling["scale"] - exact) <= 2 * np.spacing(exact),
            scaling["scale"],
        )
        # scikit-learn adds up in double precision, one row after the other.
        off = abs(scale / exact - 1)
        checks.that(f"scikit-learn's own rounding of it is {off:.0e}", off <= 1e-12)
    decisions, verdicts, features, _ = ours(folder, events)
    rows = peer.features(events)
    single = rows.astype(np.float32)
    equal = np.mean(features == single)
    checks.that(
        f"features by our scaling: {100 * equal:.2f} % to the digit, the others next to it",
        equal > 0.999 and np.all(np.abs(features - single) <= np.spacing(np.abs(single))),
        np.abs(features - single).max(),
    )
    forests = [peer.forest(training, seed) for seed in range(SEEDS)]
    theirs = np.array([forest.decision_function(rows) for forest in forests])
    average = theirs.mean(axis=0)
    own, distance = np.abs(theirs - average).mean(), np.abs(decisions - average).mean()
    checks.that(
        f"our forest's mean distance {distance:.4f}, scikit-learn's own {own:.4f}", distance <= CLOSE * own
    )
    same = np.mean((average < 0) == (verdicts == -1))
    checks.that(f"same verdict as their average on {100 * same:.1f} %", same >= 0.95)


def main():
    checks = Checks()
    random = np.random.default_rng(SEED)
    print(f"seed {SEED}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        training = list(traffic(random, 5000))
        lacking = write(folder / "traffic.csv", training, random)
        peer = Peer(training)
        events = training[:1000] + list(traffic(random, 1000)) + list(extremes(training[0]))
        same_trees(checks, folder, peer, training, events)
        trained_alike(checks, folder, peer, training, events, folder / "traffic.csv", lacking)
        few = [{**event, "dest_port": 443, "protocol": "TCP"} for event in training[:40]]
        same_trees(checks, folder, Peer(few), few, few + list(extremes(few[0])))
    checks.finish()


if __name__ == "__main__":
    main()
