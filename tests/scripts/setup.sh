#!/usr/bin/env bash
# Installs what is needed and not there yet, and says so before each step. Run twice, it does nothing the second time.
#
#   setup.sh build   what compiling needs: a Rust toolchain (checked, not installed) and a C compiler
#   setup.sh cross   that, and what builds and packs the agent for aircraft
#   setup.sh vap     all that, and what the virtual access point needs: qemu, nbdkit, debootstrap, mosquitto
#   setup.sh test    as `cross`, and mosquitto, Cassandra, Debian's rustc with its sources, Python environments,
#                    cargo-deny, qemu's ARM processors, chromium, wrk, and for the deployment tests podman, buildah,
#                    debootstrap and systemd
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly VENV=.cache/venv
readonly TOOLS=.cache/tools
readonly REQUIREMENTS=tests/requirements.txt
readonly CARGO_DENY_VERSION=0.20.2

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# Packages are asked for by what they bring, so that a program installed in another way is good enough.
missing_packages() {
    command -v cc >/dev/null || echo gcc libc6-dev
    [ "$1" != build ] || return 0
    command -v readelf >/dev/null || echo binutils
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3 python3-venv
    # A second compiler beside rustup's: it comes with the library's sources, which the no_std proof builds anew, and
    # the agent for aircraft where rustup could not add them.
    { [ "$1" != test ] && has_library_sources; } ||
        { [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] && [ -d /usr/lib/rustlib/src/rust/library ]; } ||
        echo rustc-web cargo-web rust-web-src
    [ "$1" != vap ] || missing_packages_of_the_access_point
    [ "$1" = test ] || return 0
    command -v openssl >/dev/null || echo openssl
    command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] || echo mosquitto
    command -v qemu-aarch64-static >/dev/null && command -v qemu-arm-static >/dev/null || echo qemu-user-static
    command -v javac >/dev/null || echo openjdk-17-jdk-headless
    command -v mvn >/dev/null || echo maven
    command -v podman >/dev/null && command -v buildah >/dev/null && [ -x /usr/lib/podman/netavark ] ||
        echo buildah podman runc netavark aardvark-dns iptables iproute2
    command -v debootstrap >/dev/null || echo debootstrap
    command -v ip >/dev/null || echo iproute2
    command -v systemd-nspawn >/dev/null || echo systemd systemd-container
    command -v go >/dev/null || echo golang-go
    command -v chromium >/dev/null && command -v chromedriver >/dev/null || echo chromium chromium-driver
    command -v wrk >/dev/null || echo wrk
}

missing_packages_of_the_access_point() {
    command -v qemu-system-x86_64 >/dev/null || echo qemu-system-x86
    command -v nbdkit >/dev/null || echo nbdkit
    command -v debootstrap >/dev/null || echo debootstrap
    command -v mkfs.ext4 >/dev/null || [ -x /sbin/mkfs.ext4 ] || echo e2fsprogs
    command -v depmod >/dev/null || [ -x /sbin/depmod ] || echo kmod
    command -v cpio >/dev/null || echo cpio
    command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] || echo mosquitto
}

install_packages() {
    local packages as_root=()
    read -r -a packages <<<"$(missing_packages "$1" | tr '\n' ' ')"
    [ ${#packages[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "please install these (there is no apt-get here): ${packages[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "please install these as root (there is no sudo here): ${packages[*]}"
        as_root=(sudo)
    fi
    say "installing by apt-get: ${packages[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

check_rust() {
    command -v cargo >/dev/null || fail "there is no cargo; install Rust by https://rustup.rs and run this again"
    # With rustup this fetches the pinned toolchain the first time.
    cargo --version >/dev/null || fail "the toolchain that rust-toolchain.toml names could not be started"
}

has_library_sources() { [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]; }

# The standard library's sources for the pinned toolchain. Without rustup, or out of its reach, Debian's serve.
add_library_sources() {
    has_library_sources && return 0
    command -v rustup >/dev/null || return 0
    say "adding the standard library's sources to the toolchain"
    rustup --quiet component add rust-src || say "rustup could not; Debian's compiler with its sources will do"
}

# The environment is good when it was made from these requirements and its Python still starts.
python_is_ready() {
    cmp -s "$2" "$1/requirements.txt" && "$1/bin/python" -c '' 2>/dev/null
}

# install_python ENVIRONMENT REQUIREMENTS [PIP OPTION...]
install_python() {
    python_is_ready "$1" "$2" && return 0
    say "making a Python environment in $1 and installing: $(grep -oE '^[a-z-]+' "$2" | tr '\n' ' ')"
    rm -rf "$1"
    python3 -m venv "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "${@:2}" || return 1
    cp "$2" "$1/requirements.txt"
}

install_cargo_deny() {
    [ "$("$TOOLS/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $CARGO_DENY_VERSION" ] && return 0
    say "building cargo-deny $CARGO_DENY_VERSION into $TOOLS (a minute or two, once)"
    # Unoptimised: it runs for a second, and an optimised build takes four times as long.
    CARGO_TARGET_DIR="$TOOLS/target" cargo install --quiet --locked --debug --force \
        --version "$CARGO_DENY_VERSION" --root "$TOOLS" cargo-deny
    rm -rf "$TOOLS/target"
}

# Puts the jars that tests/parts/NAME/pom.xml names into .cache/NAME/lib, once for each state of that file.
fetch_jars() {
    local name=$1 pom=tests/parts/$1/pom.xml folder=.cache/$1
    cmp -s "$pom" "$folder/pom.xml" && return 0
    say "fetching $name by Maven into $folder (some 70 MB, once)"
    rm -rf "$folder"
    mkdir -p "$folder"
    mvn --quiet --batch-mode --file "$pom" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$PWD/$folder/lib"
    cp "$pom" "$folder/pom.xml"
}

# The small program that starts a node of HDFS from those jars.
compile_hdfs() {
    local source=tests/parts/hdfs/HdfsNode.java folder=.cache/hdfs
    cmp -s "$source" "$folder/HdfsNode.java" && return 0
    say "compiling $source"
    javac -d "$folder/classes" -cp "$folder/lib/*" "$source"
    cp "$source" "$folder/HdfsNode.java"
}

main() {
    case "${1:-}" in
    build)
        install_packages build
        check_rust
        ;;
    cross | vap)
        check_rust
        add_library_sources
        install_packages "$1"
        ;;
    test)
        check_rust
        add_library_sources
        install_packages test
        install_python "$VENV" "$REQUIREMENTS"
        install_python "$VENV-oldest" "${REQUIREMENTS%.txt}-oldest.txt" --only-binary :all: ||
            say "there is no such old scikit-learn for this Python: its part of the parity tests is left out"
        install_python .cache/notebook docs/notebooks/requirements.txt
        install_python .cache/fastapi tests/parts/fastapi/requirements.txt
        install_python .cache/api tests/api/requirements.txt
        install_cargo_deny
        fetch_jars cassandra
        fetch_jars hdfs
        compile_hdfs
        say "everything the tests need is there"
        ;;
    *) fail "usage: setup.sh build|cross|vap|test" ;;
    esac
}

main "$@"
