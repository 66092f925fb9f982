# One line per verb. Every verb works in .venv, which `make build` fills from the locked requirements.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
.DEFAULT_GOAL := help
.PHONY: help build proto lint type test bench load edge run serve wheel clean

help:  ## list the verbs
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

.venv/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

SOURCES := $(wildcard core/fanxing_core/*.pyx core/fanxing_core/*.pxd core/fanxing_core/*.h proto/fanxing/*/*.proto proto/fanxing/*/*/*.proto) setup.py
.venv/.built: .venv/.installed $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

build: .venv/.built  ## make .venv, the stubs and the native core

proto: .venv/.installed  ## generate the gRPC stubs
	$(BIN)/python setup.py -q proto

lint: build  ## ruff, import contracts, cython-lint, buf
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports && $(BIN)/cython-lint core && $(BIN)/buf lint && $(BIN)/buf format --diff --exit-code proto

type: build  ## mypy, strict
	$(BIN)/mypy

test: build  ## everything that must hold
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

bench: build  ## race our trees against the peers that are installed: ratios, tables, var/bench/forest.png
	$(BIN)/python -m tests.bench.race $(ARGS)

run: build  ## the market town: four months of trade, then loans
	$(BIN)/fanxing town play $(ARGS)

serve: build  ## serve on loopback
	$(BIN)/fanxing serve $(ARGS)

load: build  ## Locust against a service of its own, bounded in count and time
	$(BIN)/python -m loadtest $(ARGS)

edge: build  ## Envoy before two service processes on PostgreSQL, one journey through it
	$(BIN)/python -m deploy.envoy $(ARGS)

wheel: build  ## build the wheel and check what is in it
	$(BIN)/python -m build --quiet --no-isolation --wheel && $(BIN)/check-wheel-contents dist

clean:  ## throw away what was built
	rm -rf .venv build dist *.egg-info service/*.egg-info
