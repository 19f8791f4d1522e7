"""Reads metrics from standard input with Prometheus' own parser, and prints them as JSON.

Usage: read_metrics.py openmetrics|text

Prints {"families": {name: type}, "samples": {"name{label=value}": number}}. The strict OpenMetrics parser raises on
every deviation from the format; `text` is the older format, which the node exporter's textfile collector reads.
"""

import json
import sys

from prometheus_client import parser as text_format
from prometheus_client.openmetrics import parser as open_metrics


def shown(sample):
    """A sample's name with its labels."""
    labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}" if labels else sample.name


def main():
    parser = {"openmetrics": open_metrics, "text": text_format}[sys.argv[1]]
    families = list(parser.text_string_to_metric_families(sys.stdin.read()))
    samples = [sample for family in families for sample in family.samples]
    content = {
        "families": {family.name: family.type for family in families},
        "samples": {shown(sample): sample.value for sample in samples},
    }
    if len(content["samples"]) != len(samples):
        sys.exit("a sample stands there twice")
    json.dump(content, sys.stdout)


if __name__ == "__main__":
    main()
