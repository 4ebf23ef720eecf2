# What people type; .ci/run types the same. Everything lands in .venv and the ignored folders.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: setup system demo serve check format test test-fast bench trial clean

setup: $(INSTALLED) system  ## everything into .venv; Java and Nginx from Debian's packages

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	scripts/venv "$(PYTHON)"
	touch $@

system:
	@scripts/system-packages

demo: setup  ## train, archive, serve and classify on the embedded corpus, in minutes
	$(BIN)/python -m docsort.commands.demo

serve: setup  ## what served last, or else what is in model_store, on port 1337 until Ctrl-C
	$(BIN)/docsort serve

check: $(INSTALLED)  ## format, lint, types, arrows between the packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: setup
	@scripts/system-packages chromium
	$(BIN)/pytest

test-fast: $(INSTALLED)  ## the tests that need neither a training nor a server
	$(BIN)/pytest -m unit

bench: setup  ## measurements beside other systems, into benchmarks/results
	scripts/peers
	$(BIN)/python -m benchmarks.scoring
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.startup

trial: setup  ## what must survive: faults, slow clients, bursts, a soak, rollouts; kills while training
	$(BIN)/python -m benchmarks.random_tables  # read right, or refused
	$(BIN)/python -m benchmarks.faults
	$(BIN)/python -m benchmarks.trial_rollout
	$(BIN)/python -m benchmarks.trial_faults
	$(BIN)/python -m benchmarks.resume  # twenty runs killed at random steps end bit-identical

clean:
	rm -rf .venv .peers build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
