# The two commands are `make demo` and `make test`; `make help` lists every target.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(if $(shell command -v $(name) 2>/dev/null),$(name))))
BIN := .venv/bin
READY := .venv/.ready
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: demo test setup lab help format check checks-static test-python test-notebooks notebooks golden calibrate laws oracle bench lock clean

demo: setup ## set up, run every notebook on a real log, and name the page to open
	@$(BIN)/workbench run params/runs/demo.yaml

test: setup checks-static test-python test-notebooks ## set up and pass every check and test

setup: $(READY) ## make the virtual environment .venv with the locked packages

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python found: install Python 3.11, 3.12 or 3.13."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed, was $$($(PYTHON) --version). Name one: make setup PYTHON=python3.11"; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version): $$(grep -c == requirements.lock) locked packages, about two minutes"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)
	@echo "Ready: .venv"

lab: setup ## open JupyterLab on the notebooks, with the project's own kernel
	@JUPYTER_PREFER_ENV_PATH=1 $(BIN)/jupyter lab --notebook-dir=. notebooks

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-24s %s\n", $$1, $$2}'

format: setup ## format the code and mend what a tool can mend
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

check: setup checks-static ## style, types, layers and generated files, without running a test

checks-static:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tools/environment.py --check
	@$(BIN)/python tools/architecture.py --check

test-python: setup ## the tests of the package
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

test-notebooks: setup ## the committed notebooks, run again and compared
	@$(BIN)/workbench run params/runs/demo.yaml
	@$(BIN)/python -m pytest notebooks -p workbench.run.nbval_plugin --nbval-lax --nbval-current-env --nbval-cell-timeout=300 --numprocesses=2 --dist=loadfile

notebooks: setup ## run the committed notebooks and store their outputs, normalised
	@$(BIN)/workbench run params/runs/demo.yaml
	@$(BIN)/workbench normalise --run notebooks/*.ipynb

golden: setup ## write the golden decision log again; read the difference before you commit it
	@$(BIN)/python tools/golden.py

calibrate: setup ## hold every estimator against simulated experiments with known truth (minutes)
	@$(BIN)/python tools/calibrate.py

laws: setup ## hold the laws of the decision core over ten times as many random cases as the tests do (an hour)
	@TIMES_AS_MANY_CASES=10 $(BIN)/python -m pytest tests/laws --numprocesses=2 --timeout=3600

oracle: setup ## hold uplift against econml and causalml, and CLV against pymc-marketing, which it installs
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python -r requirements.lock --group oracle
	@$(BIN)/python -m pytest tests/test_uplift_oracle.py tests/test_clv_oracle.py

bench: setup ## measure the replay on 10 million made events, beside other engines (minutes)
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --group benchmark
	@$(BIN)/python benchmarks/replay.py

lock: setup ## choose versions again: requirements.lock and environment.yml from pyproject.toml
	@$(BIN)/python tools/environment.py

clean: ## remove .venv, runs and caches
	@rm -rf .venv runs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
