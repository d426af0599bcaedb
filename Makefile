# One word per task, the same here and in CI. `make demo` and `make test` start from a bare machine with Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# TensorFlow has no wheels for Python 3.14 yet: the demo compares PyTorch with JAX there. Asked when the environment is made.
SECOND = $(shell $(BIN)/python -c 'import sys; print("tensorflow" if sys.version_info < (3, 14) else "jax")')

.PHONY: demo test test-slow test-clients bakeoff published bench-serve lint format bench census docs clean
.DEFAULT_GOAL := help

help:  ## the words
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 18

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or later is needed, this is {v[0]}.{v[1]}; name another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# Stamps: an installation is repeated only when what it depends on has changed.
$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e '.[torch,$(SECOND)]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed-demo

demo: $(VENV)/.installed-demo  ## train handwritten digits in two frameworks, compare, report
	@rm -rf demo
	$(BIN)/bakeoff data sample digits demo/digits
	$(BIN)/bakeoff compare demo/digits --recipe mnist-cnn --frameworks torch,$(SECOND) --run demo/compare
	$(BIN)/bakeoff predict demo/compare/torch demo/digits/7 --top 2 --plot demo/sevens.png | head -n 4
	@echo
	@echo 'The report: demo/compare/report.html'
	@echo 'Your own photos, one folder a class: $(BIN)/bakeoff train PHOTOS'

# The parts of the tests, one framework a process; a failing part doesn't keep the others from running.
test: $(VENV)/.installed-dev  ## all tests but the slow ones
	$(BIN)/python tests/parts.py

test-slow: $(VENV)/.installed-dev  ## the slow ones
	$(BIN)/python tests/parts.py --slow

# Clients that clash with TensorFlow's protobuf, and the linters of deploy/: an environment of their own.
$(VENV)-clients/.installed: tests/serving/clients/requirements.txt
	$(PYTHON) -m venv $(VENV)-clients
	$(VENV)-clients/bin/python -m pip install -q -r $<
	@touch $@

test-clients: $(VENV)/.installed-dev $(VENV)-clients/.installed  ## tritonclient, kserve, the linters of deploy/
	$(BIN)/python -m pytest -n0 tests/serving/test_other_clients.py tests/docs/test_deploy.py

# What `bakeoff serve` is measured against, in an environment of its own.
$(VENV)-peers/.installed:
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install -q litserve==0.2.19 mlserver "ray[serve]" "uvloop<0.22" onnxruntime pillow
	@touch $@

bakeoff: $(VENV)/.installed-dev  ## docs/bakeoff.md: three data sets, three frameworks; DATA=FOLDER BUDGET=30m
	$(BIN)/python bench/the_verdict.py runs/bakeoff $(DATA) $(BUDGET)

published: $(VENV)/.installed-dev  ## docs/explanation/articles.md: the articles' comparisons made fair; DATA=FOLDER
	$(BIN)/python bench/published.py runs/published $(DATA)

bench-serve: $(VENV)/.installed-dev $(VENV)-peers/.installed  ## the server against LitServe, MLServer and Ray Serve, what it keeps while things change, 10,000 odd requests
	$(BIN)/python bench/serve.py
	$(BIN)/python bench/serve_steady.py
	BAKEOFF_FUZZ=7500 $(BIN)/python -m pytest -q tests/serving/test_serve_fuzz.py  # and a third of it by gRPC

lint: $(VENV)/.installed-dev  ## ruff, mypy --strict, the contract of pages, of imports
	@failed=0; \
	for tool in 'ruff check src tests bench docs/*.py' 'ruff format --check src tests bench docs/*.py' mypy 'python tests/ops/hold_pages.py' lint-imports; do \
	  echo "$$tool"; $(BIN)/$$tool || failed=1; \
	done; \
	exit $$failed

format: $(VENV)/.installed-dev  ## what ruff can mend by itself
	$(BIN)/ruff check --fix src tests bench docs/*.py
	$(BIN)/ruff format src tests bench docs/*.py

bench: $(VENV)/.installed-dev  ## what is measured, against whom
	@set -e; for script in $(filter-out bench/census.py bench/serve.py bench/serve_steady.py bench/the_verdict.py bench/published.py bench/planted.py,$(wildcard bench/[a-z]*.py)); do echo "== $$script"; $(BIN)/python $$script; done

census: $(VENV)/.installed-dev  ## rows of the support matrix that are due; hours, may be interrupted
	$(BIN)/python bench/census.py

docs: $(VENV)/.installed-dev  ## the pages that are made from code
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/rooms.py
	$(BIN)/python docs/support_matrix.py

clean:  ## what the other words made, the environment too
	rm -rf $(VENV) demo site dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
