# One command sets up and checks everything: a bare Debian 12 with python3.11 and make is enough.
# Each stamp in .venv stands for one installed lock file: a second call is instant, a changed lock installs again.

VENV := .venv
BIN := $(VENV)/bin

# The first Python that is there, runs (a shim may only look like one) and is new enough.
PYTHON = $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# Wheels only: a source package would fetch its own build tools, which no hash covers.
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check
LOCKED := $(INSTALL) --require-hashes --only-binary :all:

# Programs are compiled once, and not anew by each of the hundreds of processes that tests start.
unexport PYTHONDONTWRITEBYTECODE

# What `make test` runs on PostgreSQL too: the store and the node, the door, the registry, verdicts and histories of whole federations.
ON_BOTH := tests/store tests/released tests/node/test_node.py tests/node/test_submit.py tests/node/test_series.py tests/node/test_erasure.py \
	tests/node/test_retention.py tests/api/test_again.py tests/api/test_batch.py tests/api/test_lists.py \
	tests/api/test_search.py tests/api/test_witness.py tests/federation/test_agreement.py tests/federation/test_spread.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo run test test-long test-both lint crash fuzz bench bench-long soak clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: $(VENV)/.project ## three nodes on this machine: found, sign, witness, look up, catch one that lies; files in .run/demo
	rm -rf .run/demo
	$(BIN)/cbm demo --dir .run/demo

run: $(VENV)/.project ## one node, kept in .run/XR, on http://127.0.0.1:8750
	test -e .run/XR || $(BIN)/cbm node init .run/XR --participant XR --url http://127.0.0.1:8750
	$(BIN)/cbm node run .run/XR

test: lint ## everything that is checked before a change goes in, on SQLite, and the heart of it on PostgreSQL
	$(BIN)/pytest -q -n auto --dist worksteal --engine postgresql -m "not long" $(ON_BOTH)
	$(BIN)/pytest -q -n auto --dist worksteal --engine sqlite -m "not long"

test-long: $(VENV)/.dev ## what takes minutes by itself: the guides word by word, 34 States' public facts
	$(BIN)/pytest -q -n auto --dist worksteal -m long

test-both: lint ## all of it on both databases: some twenty minutes on two cores
	$(BIN)/pytest -q -n auto --dist worksteal

lint: $(VENV)/.dev ## style, types and floors only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

crash: $(VENV)/.dev ## every storage call fails, half fails or is the last, the power goes, a hundred kills: nothing may be lost
	CBM_CRASH_ROUNDS=100 $(BIN)/pytest -q -n auto --dist worksteal -m crash

fuzz: $(VENV)/.dev ## ask a node for ten minutes whatever its OpenAPI allows and forbids (CBM_FUZZ_SECONDS)
	CBM_FUZZ_SECONDS=$${CBM_FUZZ_SECONDS:-600} $(BIN)/pytest -q -s --engine sqlite tests/api/test_fuzz.py

bench: $(VENV)/.dev ## how fast it is, beside the raw speed of this machine: a quarter of an hour, nothing else running
	$(BIN)/python -m tests.benchmarks

bench-long: $(VENV)/.dev ## the same to 1,000,000 entries: an hour or two, and 12 GB in .run
	$(BIN)/python -m tests.benchmarks --long

soak: $(VENV)/.dev ## ten times the expected load for half an hour (SOAK_MINUTES): does anything grow?
	$(BIN)/python -m tests.soak

clean: ## remove what make and the tools made; .run stays: it holds keys and a log
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find exchange tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Existence counts, not age; pip is the last thing that a finished venv gets.
$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing. On Debian: apt-get install -y python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    export DEBIAN_FRONTEND=noninteractive; \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends $$package; \
	  else \
	    echo "Python cannot make a virtual environment here. Run: sudo apt-get install -y $$package"; exit 1; \
	  fi; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock requirements-build.lock | $(BIN)/pip
	$(LOCKED) -r requirements.lock -r requirements-build.lock
	@touch $@

$(VENV)/.project: pyproject.toml exchange/__init__.py $(VENV)/.runtime
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.project
	$(LOCKED) -r requirements-dev.lock
	@command -v softhsm2-util >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    export DEBIAN_FRONTEND=noninteractive; \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends softhsm2; \
	  else \
	    echo "A token in software is missing, for tests of keys in hardware. Run: sudo apt-get install -y softhsm2"; exit 1; \
	  fi; }
	@touch $@
