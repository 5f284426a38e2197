# Everything from a fresh clone: `make run` opens the app, `make test` runs the checks. `make help` lists the rest.

VENV ?= .venv
PY := $(VENV)/bin/python
# The Python that makes the virtual environment: the first of these that is new enough. PYTHON=… picks another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
ARGS ?=

.PHONY: run test test-slow lint bench clean help python system
.DEFAULT_GOAL := help

run: $(VENV)/.installed ## install what is needed and open the app (ARGS="..." is handed on)
	@$(PY) main.py $(ARGS)

test: $(VENV)/.installed-test lint ## install what the tests need, then lint, check types and layers, and test
	$(PY) -m pytest $(ARGS)

test-slow: $(VENV)/.installed-test ## the tests that take longer; `make test` leaves them out
	$(PY) -m pytest -m slow $(ARGS)

lint: $(VENV)/.installed-test ## the checks without the tests
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	@for file in tests/*/conftest.py; do $(VENV)/bin/mypy --no-error-summary $$file || exit 1; done
	$(VENV)/bin/lint-imports

bench: $(VENV)/.installed ## measure the app on this machine
	@$(PY) main.py bench $(ARGS)

clean: ## remove the virtual environment and every cache; data, runs and recordings stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find poseapp tests -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

python:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
		{ echo "poseapp needs Python 3.10 or newer; found $$($(or $(PYTHON),python3) -V 2>/dev/null || echo none). Install it, or run: make PYTHON=/path/to/python3" >&2; exit 1; }

system: python
	@$(PYTHON) .ci/system-packages

$(PY): | system
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Python's venv module is missing. Run: sudo apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: pyproject.toml | $(PY)
	@echo "Installing poseapp into $(VENV) (once; about 830 MB on disk) …"
	@$(PY) -m pip install --quiet -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(PY)
	@echo "Installing poseapp and what its tests need into $(VENV) (once; several GB where PyPI's torch brings CUDA) …"
	@$(PY) -m pip install --quiet -e ".[test]"
	@touch $(VENV)/.installed $@
