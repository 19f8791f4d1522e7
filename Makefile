# Two targets are all a newcomer needs: `make demo` and `make test`.
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-vap bench cross cross-twice footprint fuzz clean

CARGO_TARGET_DIR ?= target
DEMO_OUT ?= demo-out
DEMO_FOR ?= 60s
FUZZ_SECONDS ?= 60

help:  ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup:  ## Installs what the tests need and is not there yet (apt, a Python environment under .cache)
	@tests/scripts/setup.sh test

build:  ## Builds both programs, optimised enough to judge them
	@tests/scripts/setup.sh build
	cargo build --locked --profile demo -p cabinwatch-agent -p cabinwatch-ground

demo:  ## Shows the whole path on this machine: aircraft, broker, ground, tables, mail
	@echo "Building both programs. The first time this compiles everything they stand on: about ten minutes on"
	@echo "two cores. After that it takes seconds."
	@$(MAKE) --no-print-directory build
	"$(CARGO_TARGET_DIR)/demo/cabinwatch-ground" demo --for $(DEMO_FOR) --out $(DEMO_OUT)

test:  ## Runs every check there is; ends with the counts
	@tests/scripts/run.sh

test-vap:  ## Cuts a virtual access point's power, again and again (as root; some twenty minutes)
	@tests/scripts/setup.sh vap
	@tests/vap/prepare.sh
	@python3 tests/vap/run.py

bench:  ## Measures speed and size, each as a ratio to something known
	@tests/scripts/setup.sh test
	@tests/scripts/bench.sh

cross:  ## Builds the agent for aircraft: static programs for three processors, and packages of them in dist/
	@tests/scripts/setup.sh cross
	@cross/build.sh

cross-twice:  ## Builds all that once more, elsewhere, and demands the same bytes
	@cross/twice.sh

footprint:  ## Measures what the agent takes of gateway and link (size, memory, flash, bytes) against its targets
	@tests/scripts/setup.sh test
	@tests/scripts/footprint.sh

fuzz:  ## Feeds every decoder random bytes, FUZZ_SECONDS each (needs a nightly toolchain and cargo-fuzz)
	@fuzz/run.sh $(FUZZ_SECONDS)

clean:  ## Removes what was built and what the demo left; .cache stays
	cargo clean
	rm -rf $(DEMO_OUT) dist fuzz/target
