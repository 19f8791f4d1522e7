#!/usr/bin/env bash
# Measures what the agent takes of a gateway, and prints target and measured side by side; about ten minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cross/build.sh
# Only the static program is measured, so that the ground and the producers need no optimisation.
cargo build --locked --workspace --all-targets
cross/measure.sh
cargo bench --locked --workspace --profile dev --bench footprint
