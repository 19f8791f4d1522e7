#!/usr/bin/env bash
# Runs every benchmark in the release profile. Each prints its own figures, and the ratio to something known that was
# measured in the same run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The benchmarks that compare with Python libraries find them here.
export PYTHON=$PWD/.cache/venv/bin/python

echo "building the programs and the benchmarks with full optimisation; the first time this takes half an hour"
cargo build --locked --release --package cabinwatch-agent --package cabinwatch-ground
# One of them measures the programs for aircraft.
cross/build.sh
cargo bench --locked --workspace --bench '*'
