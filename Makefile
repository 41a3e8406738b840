# make demo   set-up, then the main job on the embedded default (ARGS="--seconds 120 --json")
# make test   set-up, then every check and test
# make check  linters, types and layers only
# make soak   2,000 fresh simulations and a million fuzzed messages
# make bench  speed and memory as ratios
# make gen    generated files: dashboards, sample configuration, screenshots are apart

# Tests start our processes again and again: they compile the code once.
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
WORKERS := --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: demo test check soak bench gen clean

# Set-up and demo print nothing of their own on stdout: with --json it is one object.
demo: .venv/runtime
	@$(BIN)/equipwatch demo $(ARGS)

test: check
	bash tests/support/system_packages.sh
	$(BIN)/python -m pytest $(WORKERS) $(ARGS)

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports
	$(BIN)/equipwatch dashboards build --check
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

soak: .venv/dev
	$(BIN)/python -m tests.simulation --seeds 2000 $(ARGS)
	EQUIPWATCH_FUZZ_MESSAGES=1000000 $(BIN)/python -m pytest --timeout 0 tests/ingest/test_fuzz.py

bench: .venv/dev
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only $(ARGS)

gen: .venv/dev
	$(BIN)/equipwatch dashboards build
	$(BIN)/equipwatch config sample > deploy/equipwatch.sample.toml

.venv/runtime: pyproject.toml constraints.txt
	@echo "set-up: environment in .venv" >&2
	@$(PYTHON) -m venv .venv >&2
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip >&2
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . >&2
	@touch $@

.venv/dev: .venv/runtime
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev >&2
	@touch $@

clean:
	rm -rf .venv demo-data
