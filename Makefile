# The two commands of the README are `make demo` and `make test`; each installs what it needs into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo run test check bench lock clean

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e .
	@touch $@

demo: .venv/ready
	$(BIN)/evbridge demo

# Serves the example configuration with sample data in ./run, until Ctrl-C. What is in ./run already is kept.
run: .venv/ready
	@mkdir -p run
	@test -e run/bridge.toml || cp docs/example/bridge.toml run/bridge.toml
	@cd run && ../$(BIN)/python -m bridge.demo.scene
	@cd run && ../$(BIN)/evbridge locations import locations.json --from ocpi-2.2.1
	@cd run && ../$(BIN)/evbridge tariffs import tariffs.json --from ocpi-2.2.1
	@cd run && ../$(BIN)/evbridge check
	cd run && exec ../$(BIN)/evbridge serve --config bridge.toml

test: .venv/ready
	$(BIN)/python -m pytest

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready
	$(BIN)/python -m tests.benchmarks

# Upgrades every dependency, with hashes, for all platforms; docker/requirements.lock is the part that the server needs.
lock:
	$(PYTHON) -m pip install --quiet uv
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --group dev --no-emit-index-url \
	  --no-emit-find-links --no-header -o requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes -c requirements.lock --no-emit-index-url \
	  --no-emit-find-links --no-header -o docker/requirements.lock pyproject.toml

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
