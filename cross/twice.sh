#!/usr/bin/env bash
# Builds the packages a second time, from a copy of the sources in another folder and with nothing of the first build,
# and fails unless they come out the same to the byte.
#
#   twice.sh [TARGET...]     after build.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. cross/targets.sh

readonly COPY=$PWD/.cache/cross/elsewhere/cabinwatch

# Times go along: what has not changed since an earlier copy need not be compiled again.
copy_sources() {
    rm -rf "$COPY"
    mkdir -p "$COPY/.cache/cross"
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents --preserve --target-directory="$COPY"
    ln -s "$PWD/.cache/cross/venv" "$COPY/.cache/cross/venv"
}

packages() { (cd "$1" && find . -name "*-$2.tar.gz" -o -name "*_${ARCHITECTURE[$2]}.deb" | sort | xargs sha256sum); }

main() {
    local targets=("$@") target first second status=0
    [ $# -gt 0 ] || targets=("${TARGETS[@]}")
    known_targets "${targets[@]}"
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
    export SOURCE_DATE_EPOCH
    CARGO_TARGET_DIR=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")/elsewhere
    export CARGO_TARGET_DIR
    copy_sources
    "$COPY/cross/static-agent.sh" "${targets[@]}"
    "$COPY/cross/package.sh" "${targets[@]}" >/dev/null
    for target in "${targets[@]}"; do
        first=$(packages dist "$target")
        second=$(packages "$COPY/dist" "$target")
        echo "$first"
        if [ -z "$first" ] || [ "$first" != "$second" ]; then
            printf 'they differ from what came out in %s:\n%s\n' "$COPY" "$second" >&2
            status=1
        fi
    done
    [ "$status" -ne 0 ] || echo "built twice in two places, the packages are the same to the byte"
    return "$status"
}

main "$@"
