#!/usr/bin/env bash
# Runs every fuzz target for some seconds each: `fuzz/run.sh [SECONDS]`. What breaks one is kept in fuzz/artifacts.
# Needs a nightly toolchain (`rustup toolchain install nightly`) and a C++ compiler; builds cargo-fuzz once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SECONDS_EACH=${1:-60}
readonly TOOLS=$PWD/.cache/tools
readonly CARGO_FUZZ_VERSION=0.13.2

command -v c++ >/dev/null || { echo "fuzzing needs a C++ compiler (apt-get install g++)" >&2; exit 1; }
cargo +nightly --version || { echo "fuzzing needs a nightly toolchain: rustup toolchain install nightly" >&2; exit 1; }
if [ ! -x "$TOOLS/bin/cargo-fuzz" ]; then
    echo "building cargo-fuzz $CARGO_FUZZ_VERSION into .cache/tools (once)"
    cargo install --quiet --locked --debug --version "$CARGO_FUZZ_VERSION" --root "$TOOLS" cargo-fuzz
fi
export PATH="$TOOLS/bin:$PATH"

failed=()
for target in fuzz/fuzz_targets/*.rs; do
    name=$(basename "$target" .rs)
    echo "== $name, $SECONDS_EACH s"
    cargo +nightly fuzz run "$name" -- -max_total_time="$SECONDS_EACH" -max_len=65536 -rss_limit_mb=2048 ||
        failed+=("$name")
done
[ ${#failed[@]} -eq 0 ] || { echo "broken: ${failed[*]}" >&2; exit 1; }
echo "no target broke"
