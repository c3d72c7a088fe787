# Two commands are all a fresh machine needs: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test check bench sbom clean
setup: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

demo: setup
	$(BIN)/cart demo $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

bench: setup
	$(BIN)/python -m benchmarks.run_all

# What a cart runs, and nothing of what builds it: a fresh environment with the runtime dependencies alone.
sbom: setup
	$(PYTHON) -m venv build/sbom && build/sbom/bin/python -m pip install --quiet . && $(BIN)/python -m pip install --quiet '.[sbom]'
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o sbom.json build/sbom/bin/python

clean:
	rm -rf $(VENV) build sbom.json *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
