# The two commands of this repository: make demo, make test. `make help` lists all.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo test check unit protos model schema lock clean

help:  ## Show this list.
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed  ## Set up .venv/ with everything that is needed.

$(VENV)/.installed: pyproject.toml constraints.txt tools/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" tools/setup.sh
	@touch $@

demo: setup  ## Show every route, end to end, in one table.
	@$(BIN)/gateway demo

test: check unit  ## Run every check and every test.

check: setup  ## Format, lint and types.
	@echo "== format";     $(BIN)/ruff format --check --quiet .
	@echo "== lint";       $(BIN)/ruff check --quiet .
	@echo "== types";      $(BIN)/mypy

unit: setup
	@echo "== tests";      $(BIN)/pytest

protos: setup  ## Generate gateway/**/v1/ from protos/.
	@$(BIN)/python tools/protos.py

clean:  ## Remove the environment and the caches.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
