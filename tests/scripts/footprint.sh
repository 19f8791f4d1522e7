#!/usr/bin/env bash
# Measures what the agent takes of a gateway and of its link, and prints target and measured side by side; about twenty
# minutes. Fails when a target is missed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The most that `systemd-analyze security` may find exposed, in tenths.
readonly MOST_EXPOSED=15
readonly UNIT=cross/cabinwatch-agent.service

status=0

exposure() {
    local found
    found=$(systemd-analyze security --offline=true --threshold="$MOST_EXPOSED" "$UNIT") || status=1
    printf '\n%-60s%10s%10s\n' "the service" "target" "measured"
    printf '%-60s%10s%10s\n' "exposure by systemd-analyze, at most" "$((MOST_EXPOSED / 10)).$((MOST_EXPOSED % 10))" \
        "$(sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p' <<< "$found")"
}

# Only the static program is measured, so that the ground and the producers need no optimisation. What goes over the
# link does not depend on it either.
cross/build.sh && cargo build --locked --workspace --all-targets || exit 1
cross/measure.sh || status=1
cargo bench --locked --workspace --profile dev --bench footprint || status=1
cargo bench --locked --workspace --profile dev --bench link_budget || status=1
exposure
exit "$status"
