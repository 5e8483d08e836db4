# make demo    install into .venv and condense bundled data
# make test    install and run the quick tests; `make test-all` runs the slow ones as well
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
PYTEST := $(BIN)/python -m pytest -n 2

.PHONY: help demo test test-all lint format clean

help:
	@echo "make demo      condense bundled data and evaluate the result: about a minute after installation"
	@echo "make test      run the quick tests"
	@echo "make test-all  run all tests"
	@echo "make lint      check format, style and types"
	@echo "make format    fix format and style"
	@echo "make clean     remove .venv, build files and caches; runs are kept"

demo: .venv/installed
	@rm -rf runs/demo
	@echo "Condensing 5,000 images of clothes into 10, then training networks on those 10 and on 10 random images:"
	@echo "about a minute on 2 idle cores."
	@echo
	@$(BIN)/condense run --data fashion-mini --ipc 1 --out runs/demo \
		method.steps=300 evaluation.networks=2 evaluation.recipe.epochs=300

test: .venv/installed-dev
	$(PYTEST) -m "not slow"

test-all: .venv/installed-dev
	$(PYTEST)

lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests examples scripts -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" \
		|| { echo "Python 3.10 or newer is needed. If you have one: make PYTHON=python3.12 demo"; exit 1; }
	@$(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "Python's venv module is needed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

# The stamp files repeat the installation only when pyproject.toml or constraints.txt changes.
.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing into .venv; PyTorch is large, so this takes a minute or more ..."
	@$(INSTALL) -e .
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing into .venv, with the development tools; this takes a minute or more ..."
	@$(INSTALL) -e ".[dev]"
	@touch $@ .venv/installed
