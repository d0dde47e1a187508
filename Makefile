# `make demo` and `make test` are all that a new user needs; both make the virtual environment they use.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Pins of the versions that this release was tested with; without a file for this Python, the newest are taken.
PINS = $(shell $(PYTHON) -c "import sys, os; f = 'constraints/python-%d.%d.txt' % sys.version_info[:2]; print('-c ' + f if os.path.exists(f) else '')")
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The first target: what `make` alone prints
help:
	@echo "make demo       install into $(VENV), reproduce the range of January 2016, write a picture"
	@echo "make test       install into $(VENV), run the tests (a few minutes)"
	@echo "make lint types docs examples bench long coverage-tables clean: see the comments in this file"

.PHONY: help demo test long lint types docs examples bench coverage-tables clean

demo: $(VENV)/.run
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n auto

# Simulations against known truths, up to an hour; LONG="tests/evaluation" runs a part of them
long: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n auto --long -m long $(LONG)

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

# Every example in a docstring or a page of the docs
docs: $(VENV)/.dev
	$(BIN)/python -m pytest -q --doctest-modules darkmarket_estimates --doctest-glob="*.md" docs README.md

examples: $(VENV)/.dev
	for script in examples/*.py; do $(BIN)/python $$script > /dev/null || exit 1; done

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/distribution.py
	$(BIN)/python benchmarks/capture_recapture.py
	$(BIN)/python benchmarks/simulator.py
	$(BIN)/python benchmarks/engines.py --rows 1000000
	$(BIN)/python benchmarks/groups.py
	$(BIN)/python benchmarks/speed.py --max-rows 1000000
	$(BIN)/python benchmarks/bayes.py plain

# The tables of the docs that come from simulations; hours
coverage-tables: $(VENV)/.dev
	$(BIN)/python benchmarks/interval_coverage.py
	$(BIN)/python benchmarks/capture_recapture.py --table
	$(BIN)/python benchmarks/variants.py --full

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'Python 3.11 or newer is needed, this is ' + sys.version.split()[0] + ': make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python pyproject.toml
	$(PIP) $(PINS) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(PIP) $(PINS) -e ".[dev]"
	@touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) demo .pytest_cache .ruff_cache .mypy_cache
