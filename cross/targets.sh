# Read by the scripts beside it: what the agent is built for. No program by itself.
# shellcheck shell=bash disable=SC2034  # whoever reads this file uses them

readonly TARGETS=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl armv7-unknown-linux-musleabihf)

# What Debian calls the architecture.
readonly -A ARCHITECTURE=(
    [x86_64-unknown-linux-musl]=amd64
    [aarch64-unknown-linux-musl]=arm64
    [armv7-unknown-linux-musleabihf]=armhf
)

# The most bytes the program may have.
readonly -A MOST_BYTES=(
    [x86_64-unknown-linux-musl]=4000000
    [aarch64-unknown-linux-musl]=3600000
    [armv7-unknown-linux-musleabihf]=3200000
)

# Where static-agent.sh leaves the program of a target.
program_of() { echo ".cache/cross/$1/cabinwatch-agent"; }

# known_targets TARGET...: fails when one of them is none of ours.
known_targets() {
    local target
    for target in "$@"; do
        [ -n "${ARCHITECTURE[$target]:-}" ] || {
            echo "there is no target '$target'; there are: ${TARGETS[*]}" >&2
            return 2
        }
    done
}
