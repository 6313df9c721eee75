# make help    lists the targets

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev repro test test-all check audit bench torture docs hooks ui lock

# The commands in dvc.yaml call `python`: this project's own. Make 3.81, which macOS has, looks for a simple command
# on the PATH that it was started with, unless the shell is another one than /bin/sh.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
SHELL := bash

# Another Python's; with it, none of the environment's commands starts.
unexport PYTHONHOME

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null || grep '## ' Makefile

setup: ## Make .venv and install the locked dependencies
	@bash .ci/setup.sh

setup-dev: ## The same, with what tests and checks need
	@bash .ci/setup.sh dev

repro: setup ## Run the pipeline: fetch, prepare, train, evaluate what changed
	@bash .dvc/repair.sh
	@dvc repro

# The markers in pyproject.toml say what takes the time.
SLOW := mnist or postgres or browser or launchers or killed or repro or setup or server

test: setup-dev ## Run the tests, but for the slow ones
	@pytest -m 'not ($(SLOW))'

test-all: setup-dev ## Run all tests, every command of the docs on real MNIST included, or those in TESTS
	@pytest $(TESTS)

check: setup-dev ## Lint, types, DVC files
	@ruff check .
	@ruff format --check .
	@mypy
	@dvc dag > /dev/null

# Not pip-audit's default service: a mirror of the index may list no vulnerabilities, and every package then passes.
# No part of `make check`: what it finds changes with the day.
AUDIT := pip-audit --vulnerability-service osv --timeout 5 --progress-spinner off --disable-pip --require-hashes

# Advisories that we accept, each with its date and reason.
# 2026-11-27, diskcache: it unpickles DVC's site cache, and no version is fixed; `make setup` moves it (SECURITY.md).
ACCEPTED := CVE-2025-69872

audit: setup-dev ## Look for known vulnerabilities in the locked dependencies
	@report=$$($(AUDIT) $(ACCEPTED:%=--ignore-vuln %) --requirement requirements-dev.lock 2>&1) || case "$$report" in \
	    Found*|*[[:space:]]Found*) echo "$$report" >&2; exit 1;; \
	    *requests.exceptions.*|*'Could not connect'*|*ServiceError*) \
	        echo 'no vulnerability check: the OSV database cannot be reached';; \
	    *) echo "$$report" >&2; exit 1;; esac

bench: setup ## Measure speed on prepared/, and write benchmarks/results.md
	@python -m benchmarks

torture: setup ## Kill, damage and starve the pipeline, and write benchmarks/reliability.md
	@python -m benchmarks.torture

docs: setup-dev ## Write the settings into docs/reference.md from conf/
	@python docs/reference.py

hooks: setup-dev ## Install the Git hooks of .pre-commit-config.yaml
	@pre-commit install --allow-missing-config # earlier commits have none

ui: setup ## Show the runs in MLflow's UI on http://127.0.0.1:5001
	@python -m pipeline.ui

lock: setup-dev ## Pin the dependencies anew, within pyproject.toml's ranges
	@uv pip compile $(COMPILE) --upgrade --extra dev --extra joblib --extra ray --extra postgres pyproject.toml -o requirements-dev.lock
	@uv pip compile $(COMPILE) -c requirements-dev.lock pyproject.toml -o requirements.lock

# One file for every supported Python and system, with hashes; uv writes no address of an index into it.
COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
