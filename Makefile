PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick check format proto bench

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,postgresql]'
	touch $@

setup: $(STAMP)  ## a virtual environment in .venv with exact versions

check: setup  ## ruff, format, mypy, import-linter, buf
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint

format: setup
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

test: setup  ## every test, the long suites in their short form
	$(BIN)/python -m pytest

quick: setup  ## the tests without the slow ones
	$(BIN)/python -m pytest -m 'not slow'
