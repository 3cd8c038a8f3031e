# Two commands need nothing but Python 3.11+, pip and make: `make demo` and `make test`. Each makes what it needs in .venv.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test check lint types docs unit soak bench build format lock clean

help: ## Show what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# --- environments ---

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Mainspring needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.visits: $(BIN)/python requirements/visits.txt pyproject.toml
	$(BIN)/pip install --quiet -r requirements/visits.txt
	$(BIN)/pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: $(BIN)/python requirements/dev.txt pyproject.toml
	$(BIN)/pip install --quiet -r requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps -e .
	@touch $@ $(VENV)/.visits

# --- for everybody ---

demo: $(VENV)/.visits ## Run the example service for real (ARGS=--once: check it and end)
	@$(BIN)/python examples/visits/demo.py $(ARGS)

test: lint types docs unit build ## Run every check

# --- the checks one by one ---

lint: $(VENV)/.dev ## Style
	$(BIN)/ruff check src tests examples benchmarks docs
	$(BIN)/ruff format --check src tests examples benchmarks docs

types: $(VENV)/.dev ## mypy strict and pyright strict
	$(BIN)/mypy src examples/visits/visits examples/visits/demo.py
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/.dev ## Build the documentation, without warnings
	$(BIN)/sphinx-build -q -W -b html docs docs/_build/html

unit: $(VENV)/.dev ## All tests
	$(BIN)/pytest $(ARGS)

build: $(VENV)/.dev ## Build the wheel and try it in an environment of its own
	@sh scripts/try_wheel.sh $(BIN)/python

soak: $(VENV)/.dev ## The long runs: random tests, hostile files, 1,000,000 runs of the machine, 100,000 of the drivers, 300 signals to the service
	HYPOTHESIS_PROFILE=soak $(BIN)/pytest tests/test_machine.py tests/test_properties.py tests/test_random_drivers.py -q
	HYPOTHESIS_PROFILE=soak $(BIN)/pytest -q -m hypothesis tests/test_composition_laws.py tests/test_plugins.py tests/test_diff.py tests/test_subsystems.py \
	  tests/test_instance_cache.py tests/test_wrap.py tests/test_selections.py tests/test_alias_required_tags.py tests/test_random_compositions.py
	HYPOTHESIS_PROFILE=soak $(BIN)/pytest -q -m hypothesis tests/config
	$(BIN)/python tests/soak.py --machine $${SOAK_MACHINE:-1000000} --drivers $${SOAK_DRIVERS:-100000} --seed $${SOAK_SEED:-0} --jobs 2
	STORM=1 $(BIN)/pytest tests/aio/test_cancellation.py -q -k random_moments
	SERVICE_SIGNALS=$${SERVICE_SIGNALS:-300} $(BIN)/pytest tests/service/test_processes.py -q -s -k whatever
	for i in $$(seq $${SOAK_KILLS:-20}); do $(BIN)/pytest tests/service/test_processes.py -q -k killed || exit 1; done

bench: $(VENV)/.bench ## The benchmarks, ours and the peers'
	$(VENV)-bench/bin/python benchmarks/run.py --peers $(ARGS)

$(VENV)/.bench: $(BIN)/python benchmarks/requirements-peers.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/pip install --quiet -r benchmarks/requirements-peers.txt
	$(VENV)-bench/bin/pip install --quiet --no-deps -e .
	@touch $@

format: $(VENV)/.dev ## Put the code into shape
	$(BIN)/ruff check --fix src tests examples benchmarks docs
	$(BIN)/ruff format src tests examples benchmarks docs

lock: ## Make the locked environments anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate requirements/visits.in -o requirements/visits.txt
	uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate requirements/dev.in -o requirements/dev.txt

clean: ## Remove everything that was made
	rm -rf $(VENV) $(VENV)-bench docs/_build docs/reference/errors.md dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
