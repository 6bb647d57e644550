# Everything runs from .venv, which the first target that needs it makes.
# `make demo` and `make test` are the two commands of the README.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

SECONDS ?= 600
SEEDS ?= 1 2 3

.PHONY: help demo chaos test check format lint types layers scorecard test-kato lock clean
.DEFAULT_GOAL := help

help:  ## Show what there is to make.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.runtime  ## Run the main job on a whole stack of its own; it ends by itself.
	$(BIN)/kato-tasks demo

chaos: $(VENV)/.runtime  ## Break whole stacks, prove what survives: make chaos [MIGRATE=1] SECONDS=60 SEEDS="1 2 3"
	@code=0; for seed in $(SEEDS); do \
	    $(BIN)/kato-tasks chaos $(if $(MIGRATE),--migrate) --seconds $(SECONDS) --seed $$seed --json || code=1; \
	done; exit $$code

test: $(VENV)/.dev  ## Run all tests, with every service that can be started or is named.
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: lint types layers test  ## Run every gate: format, lint, types, layers, tests.

format: $(VENV)/.dev  ## Format the code.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

lint: $(VENV)/.dev  ## Check format and lint.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev  ## Check types, tests and benchmarks too.
	$(BIN)/mypy
	$(BIN)/mypy tests/conftest.py tests/unit tests/contract
	@for folder in $(filter-out tests/unit tests/contract tests/__pycache__,$(wildcard tests/*)); do \
	    [ ! -d $$folder ] || $(BIN)/mypy $$folder || exit 1; done

layers: $(VENV)/.dev  ## Check that imports point one way.
	$(BIN)/lint-imports

scorecard: $(VENV)/.dev  ## Hold the devserver against the recorded exchanges of a real server.
	$(BIN)/python -m scorecard

test-kato: $(VENV)/.dev  ## Run the contract suite against any server: make test-kato KATO_URL=...
	KATO_TASKS_TEST_KATO_URL=$(KATO_URL) $(BIN)/python -m pytest tests/kato

lock: $(VENV)/.dev  ## Pin the dependencies of pyproject.toml anew, with hashes (needs uv).
	./requirements/lock

clean:  ## Remove what was made.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements/runtime.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $(VENV)/.runtime $@
