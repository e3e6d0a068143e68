# The two commands of the README are `make demo` and `make test`; each installs what it needs into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench lock clean

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e .
	@touch $@

demo: .venv/ready
	$(BIN)/evbridge demo

test: .venv/ready
	$(BIN)/python -m pytest

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready
	$(BIN)/python -m tests.benchmarks

# Upgrades every dependency, with hashes, for all platforms.
lock:
	$(PYTHON) -m pip install --quiet uv
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --group dev --no-emit-index-url \
	  --no-emit-find-links --no-header -o requirements.lock pyproject.toml

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
