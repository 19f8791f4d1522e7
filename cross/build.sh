#!/usr/bin/env bash
# Builds the agent for aircraft: static programs, checked for their size, and packages of them in dist/.
#
#   build.sh [TARGET...]     all targets unless some are named
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cross/static-agent.sh "$@"
cross/measure.sh "$@"
cross/package.sh "$@"
