#!/usr/bin/env bash
# Builds the agent as one static program that needs nothing of the machine it runs on.
#
#   static-agent.sh TARGET [PROFILE]     e.g. x86_64-unknown-linux-musl; the profile is release unless another is named
#
# It leaves .cache/cross/TARGET/PROFILE/cabinwatch-agent.
#
# rustup's toolchain has no library of other targets here. Debian's compiler has the library's sources (`make setup`),
# and zig, from PyPI, is the C compiler and linker of every target.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET=${1:?which target? e.g. x86_64-unknown-linux-musl}
readonly PROFILE=${2:-release}
readonly VENV=$PWD/.cache/cross/venv
readonly TOOLS=(ziglang==0.17.0 cargo-zigbuild==0.24.0)
readonly OUT=.cache/cross/$TARGET/$PROFILE

[ -d /usr/lib/rustlib/src/rust/library ] || {
    echo "a static agent needs the packages rustc-web, cargo-web and rust-web-src; \`make setup\` installs them" >&2
    exit 1
}
if ! [ "$(cat "$VENV/tools" 2>/dev/null)" = "${TOOLS[*]}" ]; then
    echo "installing into $VENV: ${TOOLS[*]}"
    rm -rf "$VENV"
    python3 -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "${TOOLS[@]}"
    echo "${TOOLS[*]}" >"$VENV/tools"
fi

# RUSTC_BOOTSTRAP lets a stable compiler take -Zbuild-std; RUSTC and CARGO keep rustup's out of it. musl's start files
# come from zig: with the compiler's own, too, the link fails.
export PATH=$VENV/bin:$PATH RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-C link-self-contained=no"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/static"
/usr/bin/cargo zigbuild --locked -Zbuild-std=std,panic_abort --package cabinwatch-agent --profile "$PROFILE" --target "$TARGET"

install -D "$CARGO_TARGET_DIR/$TARGET/${PROFILE/#dev/debug}/cabinwatch-agent" "$OUT/cabinwatch-agent"
echo "$OUT/cabinwatch-agent: $(stat -c %s "$OUT/cabinwatch-agent") bytes, static"
