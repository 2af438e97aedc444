PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick check format proto bench migrate up crash endure compose-test

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,postgresql,ray]'
	touch $@

setup: $(STAMP)  ## a virtual environment in .venv with exact versions

demo: setup  ## from files to answers on real texts and images, without a network
	@$(BIN)/hashsvc demo

WORKERS ?= 2

check: setup  ## ruff, format, mypy, import-linter, buf
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint

format: setup
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

test: setup  ## every test in WORKERS (2) processes, the long suites in their short form
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

quick: setup  ## the tests without the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m 'not slow'

KILLS ?= 50
DB ?= sqlite

crash: setup  ## kill a real server KILLS times (50) on DB (sqlite or postgresql); one JSON line
	$(BIN)/python -m tests.crash.harness --kills $(KILLS) --db $(DB)

endure: setup  ## the long suites in their long form: outages, races, random histories, power loss, hostile input, restarts
	HASHSVC_LONG=1 $(BIN)/python -m pytest -s tests/catalog/test_outage.py tests/catalog/test_race.py \
		tests/app/test_damage.py tests/app/test_random_history.py tests/power \
		tests/server/test_hostile.py tests/client/test_restarts.py tests/runners/test_processes.py

PROTO_TOOLS := .proto-tools
PROTO_OUT ?= .
PROTOS := $(sort $(wildcard protos/hashsvc/v1/*.proto))
SERVICES := $(shell grep -l '^service ' $(PROTOS))

# The oldest generator whose runtime is supported: generated code refuses a runtime older than its generator.
$(PROTO_TOOLS)/.installed:
	$(PYTHON) -m venv $(PROTO_TOOLS)
	$(PROTO_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check grpcio-tools==1.74.0 grpcio==1.74.0 \
		protobuf==6.31.1 mypy-protobuf==3.7.0 types-protobuf==6.30.2.20250703 setuptools==80.9.0
	touch $@

proto: $(PROTO_TOOLS)/.installed  ## hashsvc/v1 from protos/
	PATH="$(abspath $(PROTO_TOOLS))/bin:$$PATH" $(PROTO_TOOLS)/bin/python -m grpc_tools.protoc -Iprotos \
		--python_out=$(PROTO_OUT) --pyi_out=$(PROTO_OUT) $(PROTOS)
	PATH="$(abspath $(PROTO_TOOLS))/bin:$$PATH" $(PROTO_TOOLS)/bin/python -m grpc_tools.protoc -Iprotos \
		--grpc_python_out=$(PROTO_OUT) --mypy_grpc_out=quiet:$(PROTO_OUT) $(SERVICES)

bench: setup  ## every benchmark, one JSON line each
	@for file in $$(grep -l '"__main__"' benchmarks/*.py); do \
		echo "== $$file" >&2; result=$$($(BIN)/python "$$file" --json) || exit 1; echo "$$result" | tail -n 1; \
	done

migrate: setup  ## bring the schema of the store (HASHSVC_STORE) up to date
	$(BIN)/hashsvc migrate

compose-test: setup  ## the containers for real, where a Docker engine runs: build, search, kill, search again
	$(BIN)/python -m tests.compose

up:  ## postgres, migrations, server and worker in containers
	docker compose up --build --detach
