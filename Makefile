# One word per task, the same here and in CI. `make demo` and `make test` start from a bare machine with Python 3.11 to 3.13.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest

.PHONY: demo test test-slow lint format bench docs clean
.DEFAULT_GOAL := help

help:  ## the words
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 18

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}; name another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# Stamps: an installation is repeated only when what it depends on has changed.
$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e '.[torch,tensorflow]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed-demo

demo: $(VENV)/.installed-demo  ## train handwritten digits in PyTorch and TensorFlow, compare, report
	@rm -rf demo
	$(BIN)/bakeoff data sample digits demo/digits
	$(BIN)/bakeoff compare demo/digits --recipe mnist-cnn --frameworks torch,tensorflow --run demo/compare
	$(BIN)/bakeoff predict demo/compare/torch demo/digits/7 --top 2 --plot demo/sevens.png | head -n 4
	@echo
	@echo 'The report: demo/compare/report.html'
	@echo 'Your own photos, one folder a class: $(BIN)/bakeoff train PHOTOS'

# torch and TensorFlow must not share a process; every part runs even if one before it failed, and any failure fails all.
define each-framework
	@failed=; \
	echo '== framework-free'; $(PYTEST) $(1) || failed="$$failed framework-free"; \
	for framework in torch tensorflow jax; do \
	  echo "== $$framework"; \
	  $(PYTEST) $(1) --framework $$framework tests/frameworks || failed="$$failed $$framework"; \
	done; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi
endef

test: $(VENV)/.installed-dev  ## all tests but the slow ones
	$(call each-framework,-m 'not slow')

test-slow: $(VENV)/.installed-dev  ## the slow ones
	$(call each-framework,-m slow --allow-none)

lint: $(VENV)/.installed-dev  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## what ruff can mend by itself
	$(BIN)/ruff check --fix src tests bench
	$(BIN)/ruff format src tests bench

bench: $(VENV)/.installed-dev  ## what is measured, against whom
	@set -e; for script in bench/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script; done

docs: $(VENV)/.installed-dev  ## the pages that are made from code
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/rooms.py
	$(BIN)/python docs/support_matrix.py

clean:  ## what the other words made, the environment too
	rm -rf $(VENV) demo site dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
