# One door to everything. Each target sets up what it needs; a bare Python 3.11 is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := $(sort $(wildcard libs/*/ services/*/)) deploy/ deploy/standins/

# What steers the Python or the PostgreSQL of whoever calls is not for ours.
unexport PYTHONHOME PYTHONPATH
ifneq ($(filter C POSIX,$(LC_ALL)),)
unexport LC_ALL # which keeps Python 3.11 from reading where it is, below a folder like "Käse"
endif
ifeq ($(DATABASE_URL),)
unexport PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGPASSFILE PGDATABASE PGSERVICE PGSERVICEFILE PGOPTIONS PGSSLMODE PGTARGETSESSIONATTRS
endif

.PHONY: setup run lock
setup: $(VENV)/.ready

# Packages come with hashes; members are installed as they lie here, with what the lock holds.
$(VENV)/.ready: requirements.lock $(addsuffix pyproject.toml,$(MEMBERS))
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("Python 3.11 or later is needed; name it: make $(firstword $(MAKECMDGOALS)) PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); false; }
	@echo "Setting up $(VENV) (first time: about a minute) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --offline --python $(BIN)/python --no-deps --no-build-isolation $(foreach m,$(MEMBERS),-e ./$(m))
	@touch $@

# Opens the shop and keeps it open until Ctrl-C; the data stays for the next time.
run: setup
	@$(BIN)/python -m privity_deploy.run

# Resolves every member's dependencies and the tools into one file: hashes, no addresses.
lock:
	@$(BIN)/python -m privity_deploy.lock

.PHONY: check test isolated contracts
# Everything that can be known without running the shop.
check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(foreach m,$(MEMBERS),$(m)src)
	@$(BIN)/lint-imports
	@$(BIN)/python -m privity_deploy.house.layout
	@$(BIN)/python -m privity_deploy.house.isolation
	@$(BIN)/python -m privity_deploy.house.contracts --check

# Each member imports with only what its own pyproject.toml declares.
isolated: setup
	@$(BIN)/python -m privity_deploy.house.isolation

# Writes each service's OpenAPI document, the contract that the gateway works from.
contracts: setup
	@$(BIN)/python -m privity_deploy.house.contracts

test: setup
	@$(BIN)/pytest -n auto --dist loadscope --no-loadscope-reorder $(TESTS)

.PHONY: gateway backup restore
# make gateway COMMAND="keys status": a command of the gateway, about the shop that is open.
gateway: setup
	@$(BIN)/python -m privity_deploy.within privacy-gateway $(BIN)/python -m privacy_gateway $(COMMAND)

# Data, keys and the journal of deletions, each to a place of its own: docs/backup-and-restore.md
backup: setup
	@$(BIN)/python -m privity_deploy.backup

# make restore BACKUP=folder [KEYS=folder] [JOURNAL=file], with the shop closed.
restore: setup
	@$(BIN)/python -m privity_deploy.restore $(BACKUP) $(if $(KEYS),--keys $(KEYS)) $(if $(JOURNAL),--journal $(JOURNAL))

.PHONY: demo bench torture
# The whole story step by step; opens a shop of its own when none is running.
demo: setup
	@$(BIN)/python -m privity_deploy.demo

# One read of six fields, the gateway beside a bare service and a conventional gateway; ratios.
bench: setup
	@$(BIN)/python tests/bench $(BENCH)

# The long forms of harnesses whose short forms are in `make test`.
torture: setup
	@PRIVITY_DISPATCHES=200 $(BIN)/pytest --timeout=1800 tests/test_adapter_killed.py
	@PRIVITY_STORE_KILLS=100 PRIVITY_AUDIT_KILLS=100 PRIVITY_CUTS=500 $(BIN)/pytest -s --timeout=3600 tests/test_store_killed.py tests/test_audit_killed.py tests/test_cut_lines.py
	@PRIVITY_TAMPERING=whole PRIVITY_RECORDS=1000000 PRIVITY_SIGNER_KILLS=100 $(BIN)/pytest --timeout=3600 libs/transparency services/audit-log
	@PRIVITY_DEATHS=1 PRIVITY_NIGHTS=1 $(BIN)/pytest --timeout=1800 services/privacy-gateway/tests/deletion
	@PRIVITY_RESTORES=1 $(BIN)/pytest --timeout=1800 tests/test_backup.py
	@PRIVITY_CANARIES=long $(BIN)/pytest --timeout=3600 tests/test_canaries.py
	@PRIVITY_DESTRUCTION_ROUNDS=1000 PRIVITY_KEY_ROTATIONS=20 $(BIN)/pytest --timeout=1800 services/privacy-gateway/tests/grants/test_keys_under_load.py
	@PRIVITY_SECRET_ROTATIONS=200 $(BIN)/pytest --timeout=1800 services/privacy-gateway/tests/disclosure/routes/test_secrets_under_load.py
	@PRIVITY_INDEX_ROTATIONS=12 $(BIN)/pytest --timeout=1800 tests/test_index_rotation.py
	@$(BIN)/pytest --hypothesis-profile=wide --timeout=1800 $(addprefix services/privacy-gateway/tests/,audit/test_leaf.py intake policy vault/test_sealing.py)
	@PRIVITY_SEALS=10000000 $(BIN)/pytest --timeout=1800 services/privacy-gateway/tests/vault/test_nonces.py
