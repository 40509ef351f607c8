# The two commands are `make run` and `make test`; both set up what they need and may be run again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DEMO := .dateline/demo

# What installs and locks; not part of Dateline.
UV_VERSION := 0.13.9

.PHONY: run test lint typecheck format setup demo lock clean

setup: $(STAMP)

# LOCKED=1 (CI, containers) takes only files whose SHA-256 is in requirements.lock. It is not the default: on Linux it
# needs a place with the CPU build of torch, which an index of all packages does not have; constraints.txt takes the
# index's own torch there, and the same versions of all else.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ifdef LOCKED
INSTALL = $(PIP) --require-hashes --only-binary :all: --no-deps -r requirements.lock && \
	$(PIP) --no-deps --no-build-isolation -e .
else
INSTALL = $(PIP) -c constraints.txt -e '.[models,dev]'
endif

$(STAMP): pyproject.toml constraints.txt requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Dateline needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12 …"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up: packages and model files, about 2 GB the first time."
	@# The pip that Python 3.11 brings takes four times as long over these packages.
	@sed -n '/^pip==/,/[^\\]$$/p' requirements.lock >$(VENV)/pip.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/pip.lock
	$(INSTALL)
	touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/python -m eval demo-archive --data-dir $(DEMO)

run: demo
	$(BIN)/dateline serve --data-dir $(DEMO)

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

typecheck: $(STAMP)
	$(BIN)/mypy

# Anew from pyproject.toml, with the versions that the lock has; `make lock OPTIONS=--upgrade` for the newest ones.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	build/lock/bin/python .ci/lock build/lock/bin/uv $(OPTIONS)

clean:
	rm -rf $(VENV) .dateline build *.egg-info
