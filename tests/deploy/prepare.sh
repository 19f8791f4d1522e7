#!/usr/bin/env bash
# Gets what the deployment tests need into .cache/deploy, and says so before each step. What is there is used: the
# second run takes a moment. `tests/scripts/setup.sh test` has installed the packages before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly HERE=tests/deploy
readonly CACHE=.cache/deploy
readonly COMPOSE_GO=github.com/compose-spec/compose-go/v2@v2.16.2

say() { printf 'deploy: %s\n' "$*"; }

# python_environment NAME REQUIREMENTS
python_environment() {
    local venv=$CACHE/$1 requirements=$HERE/$2
    cmp -s "$requirements" "$venv/requirements.txt" && "$venv/bin/python" -c '' 2>/dev/null && return 0
    say "making a Python environment in $venv and installing: $(grep -oE '^[A-Za-z-]+' "$requirements" | tr '\n' ' ')"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$venv/requirements.txt"
}

# A slim Debian, made here because no container registry is asked for one.
debian_base() {
    [ -f "$CACHE/debian.tar" ] && return 0
    say "making a slim Debian with debootstrap (a minute)"
    local root
    root=$(mktemp -d)
    # Without documentation, as the slim images have it.
    debootstrap --variant=minbase bookworm "$root" >"$CACHE/debootstrap.log" 2>&1 || {
        tail "$CACHE/debootstrap.log" >&2
        rm -rf "$root"
        return 1
    }
    rm -rf "$root"/usr/share/{doc,man,info,locale}/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
    tar -C "$root" -cf "$CACHE/debian.tar.part" .
    mv "$CACHE/debian.tar.part" "$CACHE/debian.tar"
    rm -rf "$root"
}

compose_schema() {
    [ -f "$CACHE/compose-spec.json" ] && return 0
    say "fetching the schema of compose files"
    GOMODCACHE=$PWD/$CACHE/go GOFLAGS=-modcacherw go mod download "$COMPOSE_GO"
    cp "$CACHE/go/${COMPOSE_GO}/schema/compose-spec.json" "$CACHE/compose-spec.json"
    rm -rf "$CACHE/go"
}

packages() {
    say "building the agent's programs and packages (some minutes each the first time)"
    cross/build.sh
}

main() {
    mkdir -p "$CACHE"
    python_environment venv requirements.txt
    python_environment airflow airflow-requirements.txt
    compose_schema
    packages
    if [ "$(id -u)" -eq 0 ]; then
        debian_base
    else
        say "not root: no image is built, and neither the stack nor the systemd units are run"
    fi
}

main "$@"
