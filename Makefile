# make demo    install into .venv and condense bundled data
# make test    install and run the quick tests; `make test-slow` runs the others, `make test-all` all of them
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check -c $(CONSTRAINTS)
PYTEST := $(BIN)/python -m pytest -n 2 $(PYTEST_FLAGS)
LIBRARY := $(addprefix tests/,core augment networks matching data training evaluation config artifacts runs)

.PHONY: help demo test test-slow test-all test-lowest campaigns trust docs results dist lint format clean

help:
	@echo "make demo      condense bundled data and evaluate the result: about a minute after installation"
	@echo "make test      run the quick tests"
	@echo "make test-slow run the slow tests"
	@echo "make test-all  run all tests"
	@echo "make campaigns run a few trials of each campaign against the command"
	@echo "make trust     run all trials of the campaigns, and record their counts"
	@echo "make docs      build the documentation site in build/docs"
	@echo "make results   run the experiments that have no result yet, and write docs/results.md: hours to days"
	@echo "make dist      build the wheel and the source distribution in dist, and check them"
	@echo "make lint      check format, style and types"
	@echo "make format    fix format and style"
	@echo "make clean     remove .venv, build files and caches; runs are kept"

demo: $(VENV)/installed
	@rm -rf runs/demo
	@echo "Condensing 5,000 images of clothes into 10, then training networks on those 10 and on 10 random images:"
	@echo "about a minute on 2 idle cores."
	@echo
	@$(BIN)/condense run --data fashion-mini --ipc 1 --preset classic --out runs/demo \
		method.steps=300 evaluation.networks=2 evaluation.recipe.epochs=300

test: $(VENV)/installed-dev
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/installed-dev
	$(PYTEST) -m slow

test-all: $(VENV)/installed-dev
	$(PYTEST)

# With CONSTRAINTS=constraints-lowest.txt. Old versions of other packages use what Python or their own dependencies deprecate now.
test-lowest: $(VENV)/installed-dev
	$(PYTEST) -m "not slow" -W ignore::DeprecationWarning $(LIBRARY)

campaigns: $(VENV)/installed-dev
	$(BIN)/python -m tests.campaigns all --share 0.04 --jobs 2

trust: $(VENV)/installed-dev
	$(BIN)/python -m tests.campaigns all --jobs 2 --out results/trust.json --page docs/trust.md

docs: $(VENV)/installed-dev
	$(BIN)/python docs/site/build.py
	@echo "Open build/docs/index.html"

results: $(VENV)/installed-dev
	$(BIN)/python -m experiments

dist: $(VENV)/installed-dev
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/twine check --strict dist/*

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests examples experiments scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" \
		|| { echo "Python 3.10 or newer is needed. If you have one: make PYTHON=python3.12 demo"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "Python's venv module is needed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

# The stamp files repeat the installation only when pyproject.toml or the constraints change.
$(VENV)/installed: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo "Installing into $(VENV); PyTorch is large, so this takes a minute or more ..."
	@$(INSTALL) -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo "Installing into $(VENV), with the development tools; this takes a minute or more ..."
	@$(INSTALL) -e ".[dev]"
	@touch $@ $(VENV)/installed
