# Each target does all of its own set-up in $(VENV).
PYTHON ?= python3
VENV ?= .venv
PORT ?= 5000
BIN := $(VENV)/bin

.PHONY: run test soak lint format bench profile scale docs dist clean

run: $(VENV)/.example
	@PORT=$(PORT) exec $(BIN)/python -m example_app

# With bytecode written: else each of the processes that the tests start compiles everything anew.
test: $(VENV)/.test
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(ARGS)

soak: $(VENV)/.test
	$(BIN)/python -m tests.campaign $(ARGS)
	$(BIN)/python -m tests.near_cache --checks 1000000
	$(BIN)/python -m tests.mutations --tokens 1000000

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(ARGS)

profile: $(VENV)/.bench
	$(BIN)/python -m benchmarks.profile

scale: $(VENV)/.bench
	$(BIN)/python -m benchmarks.scale $(ARGS)

docs: $(VENV)/.docs
	$(BIN)/python docs/generate_settings.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --clean
	@echo "The documentation is in site/index.html."

dist: $(VENV)/.dist
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

clean:
	rm -rf $(VENV) dist build site *.egg-info

$(VENV)/.%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@
