#!/usr/bin/env bash
# Builds the agent as a static program that needs nothing of the machine it runs on.
#
#   static-agent.sh [TARGET...]     all targets unless some are named; targets.sh lists them
#
# It leaves .cache/cross/TARGET/cabinwatch-agent. The same sources give the same bytes in any folder.
#
# The standard library is built along: optimised for size like the rest, and rustup has no ready-made one for every
# target. Its sources come with the pinned toolchain or with Debian's (`tests/scripts/setup.sh cross`). zig, from PyPI,
# is the C compiler and the linker of every target.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. cross/targets.sh

readonly VENV=$PWD/.cache/cross/venv
# zig from 0.16 on brings an allocator of its own, which keeps what was freed; 0.15 has musl's.
readonly TOOLS=(ziglang==0.15.2 cargo-zigbuild==0.24.0)

# What the bundled SQLite leaves out: things the agent never asks for, and loading foreign code.
readonly SQLITE=(
    -USQLITE_ENABLE_FTS3 -USQLITE_ENABLE_FTS3_PARENTHESIS -USQLITE_ENABLE_FTS5 -USQLITE_ENABLE_RTREE
    -USQLITE_ENABLE_DBSTAT_VTAB -USQLITE_ENABLE_STAT4 -USQLITE_SOUNDEX -USQLITE_ENABLE_LOAD_EXTENSION
    -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_OMIT_JSON -DSQLITE_OMIT_DEPRECATED -DSQLITE_OMIT_SHARED_CACHE
    -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_DEFAULT_PCACHE_INITSZ=0
)

# The first toolchain with the library's sources.
find_sysroot() {
    local sysroot
    for sysroot in "$(rustc --print sysroot)" /usr; do
        if [ -d "$sysroot/lib/rustlib/src/rust/library" ]; then
            echo "$sysroot"
            return 0
        fi
    done
    echo "no Rust toolchain here has the library's sources; \`tests/scripts/setup.sh cross\` gets them" >&2
    return 1
}

install_tools() {
    [ "$(cat "$VENV/tools" 2>/dev/null)" != "${TOOLS[*]}" ] || return 0
    echo "installing into $VENV: ${TOOLS[*]}"
    rm -rf "$VENV"
    python3 -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "${TOOLS[@]}"
    echo "${TOOLS[*]}" >"$VENV/tools"
}

# rust_flags SYSROOT TARGET: what the compiler is told, each word behind a separator of cargo's.
#
# musl's start files come from zig: with the compiler's own, too, the link fails. A panic ends the process, so nobody
# walks the stack by tables. Panic messages hold the names of source files: as they are in the project, not as they lie
# on this machine.
rust_flags() {
    local index flags=(-Clink-self-contained=no -Cforce-unwind-tables=no)
    [[ $2 != armv7-* ]] || flags+=("-Ctarget-feature=+thumb-mode")
    for index in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
        flags+=("--remap-path-prefix=$index=/registry")
    done
    flags+=(
        "--remap-path-prefix=$1/lib/rustlib/src/rust=/rust"
        "--remap-path-prefix=$PWD=/cabinwatch"
        "--remap-path-prefix=$CARGO_TARGET_DIR=/target"
    )
    (
        IFS=$'\x1f'
        echo "${flags[*]}"
    )
}

# The same for the C compiler. 32-bit ARM's shorter instructions make the program a fifth smaller.
c_flags() {
    local flags="-fno-asynchronous-unwind-tables -fno-unwind-tables"
    [[ $1 != armv7-* ]] || flags+=" -mthumb"
    echo "$flags"
}

# build SYSROOT TARGET. Without std's feature `backtrace`: a stripped program has no names to put into one.
build() {
    local rust c
    rust=$(rust_flags "$1" "$2")
    c=$(c_flags "$2")
    CARGO_ENCODED_RUSTFLAGS=$rust TARGET_CFLAGS=$c LIBSQLITE3_FLAGS="${SQLITE[*]}" \
        "$CARGO" zigbuild --locked -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size \
        --package cabinwatch-agent --profile flight --target "$2"
    install -D "$CARGO_TARGET_DIR/$2/flight/cabinwatch-agent" "$(program_of "$2")"
}

main() {
    local targets=("$@") target sysroot
    [ $# -gt 0 ] || targets=("${TARGETS[@]}")
    known_targets "${targets[@]}"
    sysroot=$(find_sysroot)
    install_tools

    CARGO_TARGET_DIR=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")/static
    export CARGO_TARGET_DIR
    # cargo does not see that zig is another one.
    [ "$(cat "$CARGO_TARGET_DIR/tools" 2>/dev/null)" = "${TOOLS[*]}" ] || rm -rf "$CARGO_TARGET_DIR"
    mkdir -p "$CARGO_TARGET_DIR"
    echo "${TOOLS[*]}" >"$CARGO_TARGET_DIR/tools"
    # RUSTC_BOOTSTRAP lets a stable compiler take -Zbuild-std; RUSTC and CARGO keep any other out of it.
    export PATH=$VENV/bin:$PATH RUSTC=$sysroot/bin/rustc CARGO=$sysroot/bin/cargo RUSTC_BOOTSTRAP=1
    "$CARGO" fetch --quiet --locked
    for target in "${targets[@]}"; do
        echo "building for $target with $("$RUSTC" --version)"
        build "$sysroot" "$target"
    done
}

main "$@"
