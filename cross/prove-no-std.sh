#!/usr/bin/env bash
# Proves that cabinwatch-shared needs neither std nor an allocator: builds it for a microcontroller on which only
# `core` exists. A target with a ready-made library would not prove it, because there `alloc` lies beside `core`.
#
# rustup's toolchain has no library sources here, so Debian's compiler with its sources does it (`make setup`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET=thumbv7em-none-eabihf
[ -d /usr/lib/rustlib/src/rust/library ] || {
    echo "the no_std proof needs the packages rustc-web, cargo-web and rust-web-src; \`make setup\` installs them" >&2
    exit 1
}

# RUSTC_BOOTSTRAP lets a stable compiler take -Zbuild-std; RUSTC keeps rustup's out of it.
export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/no-std"
/usr/bin/cargo build --locked --release -Zbuild-std=core --package cabinwatch-shared --target "$TARGET"
echo "cabinwatch-shared builds for $TARGET on \`core\` alone"
