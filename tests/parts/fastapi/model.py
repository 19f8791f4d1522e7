"""The model of the scorer in use today, by scikit-learn: what it is trained on, and how an event becomes features.

    model.py CSV MODEL

trains one on the events of CSV and leaves it in MODEL."""

import csv
import sys

import joblib
import numpy
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import StandardScaler

SCALED = ("dest_port", "bytes_sent", "bytes_recv")
# A row that lacks one of these is no training row.
REQUIRED = ("source_ip", "dest_ip", "dest_port", "protocol")


class Model:
    """A trained model: `scaler`, `protocols` (sorted), `forest`."""

    def __init__(self, rows):
        rows = [row for row in rows if all(row[name] for name in REQUIRED)]
        self.protocols = sorted({row["protocol"] for row in rows})
        self.scaler = StandardScaler().fit([[float(row[name]) for name in SCALED] for row in rows])
        self.forest = IsolationForest(n_estimators=100, contamination="auto", random_state=42)
        self.forest.fit(numpy.vstack([self.features(row) for row in rows]))

    def features(self, event):
        """One row of the matrix that the forest was trained on."""
        scaled = self.scaler.transform([[float(event[name]) for name in SCALED]])
        known = event["protocol"] in self.protocols
        return numpy.hstack([scaled, [[self.protocols.index(event["protocol"]) if known else -1]]])

    def decision(self, event):
        """Negative means anomaly."""
        return float(self.forest.decision_function(self.features(event))[0])


def main():
    _, events, model = sys.argv
    with open(events, encoding="utf-8", newline="") as file:
        joblib.dump(Model(csv.DictReader(file)), model)


if __name__ == "__main__":
    # Under its own name, so that what loads the model finds the class.
    import model

    model.main()
