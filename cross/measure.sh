#!/usr/bin/env bash
# Says how large the static programs are and how large they may be, and fails when one is larger, or is not static.
#
#   measure.sh [TARGET...]     after static-agent.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. cross/targets.sh

# A static program names no interpreter (PT_INTERP) and no library (DT_NEEDED).
is_static() {
    local headers
    headers=$(readelf --wide --program-headers --dynamic "$1") && ! grep -E 'INTERP|\(NEEDED\)' <<<"$headers"
}

main() {
    local targets=("$@") target program bytes verdict status=0
    [ $# -gt 0 ] || targets=("${TARGETS[@]}")
    known_targets "${targets[@]}"
    printf '%-32s %12s %12s\n' "target" "at most" "measured"
    for target in "${targets[@]}"; do
        program=$(program_of "$target")
        bytes=$(stat --format=%s "$program")
        verdict=
        [ "$bytes" -le "${MOST_BYTES[$target]}" ] || verdict='  TOO LARGE'
        is_static "$program" || verdict+='  NOT STATIC'
        [ -z "$verdict" ] || status=1
        printf '%-32s %12d %12d%s\n' "$target" "${MOST_BYTES[$target]}" "$bytes" "$verdict"
    done
    return "$status"
}

main "$@"
