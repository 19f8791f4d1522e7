#!/usr/bin/env bash
# Runs every check, one stage after the other, and ends with one line: `N passed, N failed`, and where something could
# not be tried on this machine, how many checks that are.
#
#   run.sh             all stages
#   run.sh STAGE...    only these (after a first full run)
#
# A stage's output is shown as it comes. Its tests are counted by the lines that `cargo test` ends with (ours do the
# same); a stage that has none counts as one check. A stage that breaks counts as a failure, whatever it printed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export CARGO_TERM_PROGRESS_WHEN=never
LOG=$(mktemp)
readonly LOG
trap 'rm -f "$LOG"' EXIT
# What is run, in this order: cheap and telling first, then what needs the programs.
readonly STAGES=(setup format dependencies lint build unit no-std parity contract bad-input gateway-logs diag readme demo
    notebook operations smtp kill clock storage-faults overload link mosquitto rollout cassandra hdfs faults stream api
    browser cross deploy service)

passed=0
failed=0
skipped=0
summary=()

stage_setup() { tests/scripts/setup.sh test; }

stage_format() { cargo fmt --all --check; }

# The advisories' database comes over the net from outside the registry, so it is checked only where it lies ready.
stage_dependencies() {
    cargo fetch --locked || return 1
    local checks=(licenses bans sources)
    if [ -d "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs" ]; then
        checks+=(advisories)
    else
        echo "no advisory database on this machine: known vulnerabilities were NOT checked (cargo deny fetch gets it)"
    fi
    .cache/tools/bin/cargo-deny --offline --log-level error check --hide-inclusion-graph "${checks[@]}" || return 1
    if cargo tree --locked --package cabinwatch-agent --edges normal --prefix none | grep -E '^(aws-lc|datafusion|scylla)'; then
        echo "the agent must not depend on these"
        return 1
    fi
}

# For cargo, all targets are those that `cargo test` runs by itself; the tests on real parts are not among them.
stage_lint() {
    cargo clippy --locked --workspace --all-targets -- -D warnings &&
        cargo clippy --locked --workspace --test '*' -- -D warnings
}

# One profile, and always the whole workspace: every other selection of packages has other features, and cargo would
# build everything below once more for it. The programs that later stages start are built here, too.
stage_build() {
    cargo build --locked --workspace --all-targets &&
        cargo build --locked --workspace --test '*'
}

stage_unit() { cargo test --locked --workspace --no-fail-fast; }

stage_no-std() { cross/prove-no-std.sh; }

stage_parity() {
    local script status=0
    for script in tests/parity/*_parity.py; do
        echo "-- $script"
        .cache/venv/bin/python "$script" || status=1
    done
    return "$status"
}

stage_contract() { end_to_end contract; }
stage_bad-input() { end_to_end bad_input; }
stage_diag() { end_to_end diag; }
stage_gateway-logs() { end_to_end gateway_logs; }
stage_readme() { end_to_end readme && end_to_end walkthrough; }
stage_demo() { end_to_end demo; }
stage_stream() { end_to_end stream; }
stage_notebook() { end_to_end notebook; }
stage_operations() { end_to_end operations; }
stage_deploy() { try_on_machines tests/deploy --ignore tests/deploy/test_agent_service.py; }
stage_service() { try_on_machines tests/deploy/test_agent_service.py; }
# What is shipped is packed twice for one processor only: the build for all three takes as long as the rest together.
stage_cross() {
    cross/build.sh && cross/twice.sh x86_64-unknown-linux-musl && end_to_end cross
}
stage_kill() { end_to_end kill; }
stage_clock() { end_to_end clock; }
stage_storage-faults() { end_to_end storage_faults; }
stage_overload() { end_to_end overload; }
stage_link() { end_to_end link; }
stage_mosquitto() { end_to_end mosquitto; }
stage_rollout() { end_to_end rollout; }
stage_cassandra() { cargo test --locked --workspace --test cassandra; }
stage_hdfs() { end_to_end hdfs; }
stage_smtp() { end_to_end smtp; }
stage_faults() { end_to_end faults; }
stage_api() { end_to_end api; }
stage_browser() { end_to_end browser; }

try_on_machines() { tests/deploy/prepare.sh && .cache/deploy/venv/bin/pytest --quiet "$@"; }

# Runs the end-to-end tests of one module, by their whole names: a part of a name would find those of others, too.
# --nocapture: what these tests print (seeds, counts) tells what was really done.
end_to_end() {
    local tests
    mapfile -t tests < <(cargo test --locked --workspace --test e2e -- --list | sed -n "s/^\($1::.*\): test\$/\1/p")
    [ "${#tests[@]}" -gt 0 ] || return 1
    cargo test --locked --workspace --test e2e -- --nocapture --exact "${tests[@]}"
}

# Adds up one of the counts in the "N passed; M failed; K ignored" lines of the log.
count() {
    grep -E '[0-9]+ passed; [0-9]+ failed; [0-9]+ ignored' "$LOG" | grep -oE "[0-9]+ $1" | awk '{ sum += $1 } END { print sum + 0 }'
}

run_stage() {
    local name=$1 start=$SECONDS status=0 good bad left_out
    printf '\n== %s\n' "$name"
    "stage_$name" </dev/null 2>&1 | tee "$LOG"
    status=${PIPESTATUS[0]}
    good=$(count passed)
    bad=$(count failed)
    left_out=$(count ignored)
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    [ "$status" -ne 0 ] || [ $((good + bad)) -gt 0 ] || good=1
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + left_out))
    summary+=("$(printf '%-14s %5d s  %5d passed  %5d failed  %5d skipped' \
        "$name" $((SECONDS - start)) "$good" "$bad" "$left_out")")
}

main() {
    local name
    for name in "${@:-${STAGES[@]}}"; do
        declare -F "stage_$name" >/dev/null || {
            echo "run.sh: there is no stage '$name'; there are: ${STAGES[*]}" >&2
            exit 2
        }
        run_stage "$name"
    done
    printf '\n'
    printf '%s\n' "${summary[@]}"
    printf '%-14s %5d s\n\n' "all" "$SECONDS"
    if [ "$skipped" -eq 0 ]; then
        echo "$passed passed, $failed failed"
    else
        echo "$passed passed, $failed failed, $skipped skipped: what this machine lacks for them stands above"
    fi
    [ "$failed" -eq 0 ]
}

main "$@"
