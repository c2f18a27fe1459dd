# One door to everything. Each target sets up what it needs; a bare Python 3.11 is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := $(sort $(wildcard libs/*/ services/*/)) deploy/ deploy/standins/

.PHONY: setup lock
setup: $(VENV)/.ready

# Packages come with hashes; members are installed as they lie here, with what the lock holds.
$(VENV)/.ready: requirements.lock $(addsuffix pyproject.toml,$(MEMBERS))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (first time: about a minute) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --offline --python $(BIN)/python --no-deps --no-build-isolation $(foreach m,$(MEMBERS),-e ./$(m))
	@touch $@

# Resolves every member's dependencies and the tools into one file: hashes, no addresses.
lock:
	@$(BIN)/python -m privity_deploy.lock
