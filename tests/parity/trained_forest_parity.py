"""Our trainer grows the same kind of forest as scikit-learn.

Two forests of different random trees never agree to the digit, not even two of scikit-learn's. So scikit-learn's own
spread from seed to seed is the yardstick: our scores must lie as close to its average as its own forests do.
"""

import random
import tempfile
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path

import edr
import numpy as np
import reference
from checks import Checks, built, run
from pipeline_parity import configuration, detect, scored
from sklearn.ensemble import IsolationForest

SEED = 20261122
SEEDS = 12
# Our distance from scikit-learn's average, as a multiple of its own forests' mean distance from it.
CLOSE = 2.0
SAME_VERDICT = 0.95


def training_history(folder):
    """Two weeks of windows with rates of all sizes; a single last file to detect in is made of the same kind."""
    maker = edr.Maker(folder, random.Random(SEED))
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in range(15, 1, -1):
        start = today - timedelta(days=day)
        events = [event for number in range(24) for event in some_window(maker, start + number * edr.WINDOW)]
        maker.write(start + timedelta(hours=3), events)
    return maker, today


def some_window(maker, start):
    """Mostly low rates, now and then a high one, as on a fleet that works."""
    events = []
    for point, description in edr.VARYING:
        fails = 1 + int(maker.random.expovariate(0.7))
        successes = maker.random.randint(20, 120) if maker.random.random() < 0.95 else maker.random.randint(0, 3)
        events += maker.attempts(start, point, description, fails, successes)
    return events


def single(rates):
    """Rates as the one-feature rows both forests see: single precision."""
    return np.array(rates, dtype=np.float32).reshape(-1, 1)


def compare(checks, name, rates, ours, settings):
    """Our scores of these rates against scikit-learn's forests from several seeds, all trained on `rates`."""
    forests = [IsolationForest(random_state=seed, **settings).fit(single(rates)) for seed in range(SEEDS)]
    theirs = np.array([forest.score_samples(single(list(ours))) for forest in forests])
    average = theirs.mean(axis=0)
    own = np.abs(theirs - average).mean()
    distance = np.abs(np.array([score for score, _ in ours.values()]) - average).mean()
    checks.that(
        f"{name}: mean distance {distance:.4f}, scikit-learn's own forests {own:.4f}", distance <= CLOSE * own
    )
    votes = np.array([forest.predict(single(list(ours))) == -1 for forest in forests]).mean(axis=0) > 0.5
    same = np.mean([alarm == vote for (_, alarm), vote in zip(ours.values(), votes)])
    checks.that(f"{name}: same verdict on {100 * same:.1f} % of {len(ours)} rates", same >= SAME_VERDICT)
    checks.that(f"{name}: anomalies exist and are few", 0 < votes.mean() < 0.5, votes.mean())


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(folder)
        (folder / "edr").mkdir()
        maker, today = training_history(folder / "edr")
        rows = reference.aggregate(maker.files)
        rates = [float(row.rate) for row in rows]
        everything = configuration(folder, history__newest_files=1000)
        for name, settings, theirs in [
            ("auto", {}, {}),
            ("contamination 0.05", {"retrain__contamination": 0.05}, {"contamination": 0.05}),
            ("200 trees of 64", {"retrain__n_estimators": 200, "retrain__max_samples": 64},
             {"n_estimators": 200, "max_samples": 64}),
        ]:  # fmt: skip
            model = folder / name.replace(" ", "-")
            config = configuration(folder, **settings, history__strict=True)
            run(
                built("cabinwatch-ground"), "retrain", "--history", f"file://{folder / 'edr'}", "--days", 30,
                "--model-dir", model, "--config", config,
            )  # fmt: skip
            when = today + timedelta(days=10)
            database = detect(folder, folder / "edr", model, model.name, when, "--config", everything)
            ours = {
                float(row["fail_rate"]): (float(row["iforest_score"]), row["anomaly_iforest"] == 1)
                for row in scored(database).values()
            }
            compare(checks, name, rates, ours, theirs)
    checks.finish()


if __name__ == "__main__":
    main()
