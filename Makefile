# Everything that is done to this project by hand or by a machine. `make help` lists it.
# Needs Python 3.11 or newer with venv, and a C compiler for one of the tests.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := config/examples/demo.yaml
DATA := data

# Processes that run tests
WORKERS ?= 4
# Arguments for pytest: make tests PYTEST='-k wire'
PYTEST ?=
# Arguments for the fault bench, a share of its numbers, a seed and some of its benches:
# make faults FAULTS='0.1 1 writers'
FAULTS ?=
# How long to soak: make soak SOAK=8h
SOAK ?= 5 min
# Arguments for the benchmarks: make bench BENCH=--quick
BENCH ?=
# Seeds of the clock bench, first seed, parts: make clock-bench CLOCK='5 0 slow'
# or kinds and numbers of sessions: make clock-sessions CLOCK='stamps --seconds 600'
CLOCK ?=

# Tests start a thousand processes: the project is compiled once, not in each of them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check tests systemd faults clock-bench clock-sessions soak format bench clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(READY) ## Record ten seconds of simulated devices into data/
	@mkdir -p $(DATA)
	@before=$$(ls -t $(DATA) | head -n 1); \
	$(BIN)/rigd record $(DEMO) --data-root $(DATA); code=$$?; \
	folder=$$(ls -t $(DATA) | head -n 1); \
	if [ "$$folder" != "$$before" ]; then \
	  echo; \
	  echo "Look at:   $(DATA)/$$folder (the README.md here tells what each file is)"; \
	  echo "Check it:  $(BIN)/rigd verify $(DATA)/$$folder"; \
	fi; \
	exit $$code

test: $(READY) ## Check and test everything
	@$(MAKE) --no-print-directory --jobs 2 check tests

check: $(READY) ## Format, lint, types and the direction of imports, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Tests of one file stay in one process: some of them share what is costly to make.
# Half of the time they wait for devices and disks, so that four fit on two cores.
tests: $(READY) ## Run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
	  --ignore tests/systemd $(PYTEST)

# Takes root; says why where systemd can't boot.
systemd: $(READY) ## Boot the real systemd in namespaces and try the service in it
	$(BIN)/python -m pytest tests/systemd $(PYTEST)

faults: $(READY) ## Break things in large numbers and show what survives
	$(BIN)/python -m tests.faults $(FAULTS)

clock-bench: $(READY) ## Measure how well clocks are aligned, beside published rules
	$(BIN)/python -m tests.clock $(CLOCK)

clock-sessions: $(READY) ## Record with real processes and compare times with the truth
	$(BIN)/python -m tests.clock_sessions $(CLOCK)

soak: $(READY) ## Run sessions through one service for long and see that it does not grow
	$(BIN)/python -m tests.soak '$(SOAK)'

format: $(READY) ## Format the code and mend what can be mended without thought
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## Measure speeds on this machine
	$(BIN)/python -m benchmarks $(BENCH)

clean: ## Remove all that can be made again; data/ stays
	rm -rf .venv .venv-* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
	rm -rf .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "rigd needs Python 3.11 or newer, and none was found;" \
	  "say where it is: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON); the first time this takes a minute or two."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check \
	  --editable '.[lsl,plots,test,check]'
	@touch $@
