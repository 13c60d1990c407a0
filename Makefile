# Every target sets up what it needs, in .venv and nowhere else; a second run starts at once.
# Needs: Python 3.11 or newer, GNU make. On the first run also: a package index and, for the server, a Go module proxy.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
SOURCES := core examples tests $(wildcard benchmarks)
SERVER_INPUTS := $(wildcard plugins/server/pyproject.toml plugins/server/*.py plugins/server/go/go.*)
PYTEST := $(BIN)/pytest
# As many tests at the same time as there are cores, where they do not wait for the clock of the machine.
PARALLEL := -n auto --dist worksteal
# The pins count for what builds the packages as well.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --build-constraint constraints.txt

# The stamps lie in the environment, so that whoever removes it starts from nothing.
UV_STAMP := $(VENV)/.uv
ENV_STAMP := $(VENV)/.packages
SERVER_STAMP := $(VENV)/.server
DOCS_STAMP := $(VENV)/.docs

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

.PHONY: help demo unit test e2e check fix soak bench docs constraints hooks clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

demo: $(ENV_STAMP) $(SERVER_STAMP) ## a real server, a worker and a caller who hears himself answered
	@cd examples && ../$(BIN)/python -m demo

unit: $(ENV_STAMP) ## the tests that need no network and no server; about three minutes
	$(PYTEST) $(PARALLEL) -m "not e2e and not soak"

test: check unit e2e ## all that must pass: check, unit, e2e (what CI runs)

e2e: $(ENV_STAMP) $(SERVER_STAMP) ## the tests with real servers and real processes
	$(PYTEST) -m "e2e and not soak"

check: $(ENV_STAMP) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(SOURCES)
	@set -e; for plugin in $(PLUGINS); do echo "mypy $$plugin"; MYPYPATH=$$plugin:$$plugin/tests $(BIN)/mypy $$plugin; done
	$(BIN)/lint-imports --no-cache

fix: $(ENV_STAMP) ## let the formatter and the linter repair what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

soak: $(ENV_STAMP) $(SERVER_STAMP) ## repetitions that take minutes: many jobs, the demo again and again
	$(PYTEST) -m soak

bench: $(ENV_STAMP) $(SERVER_STAMP) ## measure side by side with older frameworks; more than an hour (a try: BENCH="--quick --runs 1")
	$(BIN)/python -m benchmarks $(BENCH)

docs: $(ENV_STAMP) $(DOCS_STAMP) ## build the documentation into site/ (a broken link is an error)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html"

constraints: $(UV_STAMP) ## renew the pinned versions in constraints.txt
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-annotate --no-header --no-emit-index-url \
		--no-emit-package lk-agents $(patsubst plugins/%,--no-emit-package lk-agents-%,$(PLUGINS)) --all-extras \
		--group dev --group docs pyproject.toml $(addsuffix /pyproject.toml,$(PLUGINS)) --output-file constraints.txt

hooks: $(ENV_STAMP) ## run the fast checks before every commit
	$(BIN)/pre-commit install

clean: ## remove everything that make has made
	rm -rf $(VENV) site dist build .mypy_cache .ruff_cache .hypothesis .pytest_cache
	rm -rf plugins/*/dist plugins/server/lk_agents_server/bin plugins/silero/lk_agents_silero/data
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what the targets stand on ---

$(UV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "lk-agents needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)."; \
		echo "Say which one to use: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu it comes with the package python3-venv."; exit 1; }
	@echo "setting up $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix --constraint ,$(wildcard constraints.txt)) uv
	@touch $@

# Without the server: whoever only runs the unit tests need not compile it.
$(ENV_STAMP): $(UV_STAMP) pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(PLUGINS))
	@echo "installing lk-agents, its plugins and the tools into $(VENV)"
	@LK_SERVER_BUILD=skip $(INSTALL) --group dev --editable . $(addprefix --editable ./,$(PLUGINS))
	@touch $@

$(SERVER_STAMP): $(ENV_STAMP) $(SERVER_INPUTS)
	@test -e plugins/server/lk_agents_server/bin/livekit-server || { \
		echo "building the real LiveKit server from its Go source: the first time this takes 2 to 5 minutes, because"; \
		echo "some 360 MB of Go modules are fetched and compiled; later builds take seconds. (LK_SERVER_BINARY=PATH uses yours.)"; }
	@$(INSTALL) --reinstall-package lk-agents-server --no-deps --editable ./plugins/server
	@touch $@

$(DOCS_STAMP): $(ENV_STAMP)
	@$(INSTALL) --group docs
	@touch $@
