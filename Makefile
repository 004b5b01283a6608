# Everything a developer or CI does with the project; `make help` lists it.

PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $(p))))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore
PYTEST := $(BIN)/python -m pytest
# Each process of the tests has servers of its own; a file's tests stay together.
PROCESSES ?= 2
PARALLEL := -n $(PROCESSES) --dist loadfile
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run manage logs backup restore install dev lint format type imports test test-all fuzz audit conformance settings docs bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## Start the whole platform and print "ready: <address>" (PORT, HEADWATER_DATA, WORKERS)
	@exec $(BIN)/python -m stack run --die-with-parent

manage: $(VENV)/.installed ## Run a management command against the running platform: make manage ARGS="verify_ledger"
	@exec $(BIN)/python manage.py $(ARGS)

backup: $(VENV)/.installed ## Write the database to a file, beside the running platform: make backup FILE=headwater.dump
	@exec $(BIN)/python -m stack backup $(FILE)

restore: $(VENV)/.installed ## Fill an empty data directory from a backup: make restore FILE=headwater.dump (ARGS=--hold: a copy that does nothing)
	@exec $(BIN)/python -m stack restore $(FILE) $(ARGS)

logs: ## Follow the logs of all processes
	@exec tail -n 20 -F $${HEADWATER_DATA:-var}/log/*.log

install: $(VENV)/.installed ## Create the virtual environment with the pinned requirements
dev: $(VENV)/.installed-dev ## The same with the tools of the tests

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or later is needed (set PYTHON=/path/to/python3)" >&2; exit 1; }
	@echo "creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt client/pyproject.toml | $(VENV)/bin/python
	@echo "installing requirements.txt"
	@$(PIP) -r requirements.txt
# The command line, from this folder: what it needs, and what builds it, is pinned above.
	@$(PIP) --no-deps --no-build-isolation --editable ./client
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-observe.txt $(VENV)/.installed
	@echo "installing requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch $@

lint: $(VENV)/.installed-dev ## Style, mistakes, and what is dangerous (ruff, with the rules of bandit)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev ## Put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(VENV)/.installed-dev ## Strict type check (mypy)
	$(BIN)/python -m mypy

imports: $(VENV)/.installed-dev ## Imports point down only (import-linter)
	$(BIN)/lint-imports

test: lint type imports ## Everything that must be green before a change is taken
	$(PYTEST) $(PARALLEL) -m "not slow" $(ARGS)

test-all: lint type imports ## The same and the slow tests
	$(PYTEST) $(PARALLEL) $(ARGS)

fuzz: $(VENV)/.installed-dev ## An hour of random and of guided cases against what reads strangers' text (ARGS="--minutes 5 cron")
	$(BIN)/python -m tests.fuzz $(ARGS)

audit: $(VENV)/.installed-dev ## The requirements against known vulnerabilities; says so where no advisories are in reach
	$(BIN)/python -m tests.audit

conformance: $(VENV)/.installed-dev ## Run all tests, and write docs/conformance.md: which test holds which rule
	-$(PYTEST) $(PARALLEL) -q --junit-xml=build/tests.xml $(ARGS)
	$(BIN)/python -m tests.conformance build/tests.xml

settings: $(VENV)/.installed-dev ## Write the table of settings in docs/operations.md from config/declared.py
	$(BIN)/python -m tests.documented

docs: $(VENV)/.installed-dev ## Build the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "build/site/index.html"

bench: $(VENV)/.installed-dev ## Measure, and write docs/performance.md
	$(BIN)/python -m tests.benchmarks $(ARGS)

clean: ## Remove caches; the virtual environment and the data directory stay
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
