# Everything a newcomer, CI and a maintainer run. `make help` lists it.
unexport PYTHONDONTWRITEBYTECODE # without .pyc every start recompiles chromadb: twice the time
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 1

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LAYER := src/instep/cdk/locked/lambda.txt

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Make .venv with the locked tools (needs python3 alone)

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else "Instep runs on Python 3.11 to 3.13: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --only-binary :all: -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: $(READY) ## Watch a change travel from a DynamoDB table into a snapshot on S3, on this machine
	$(BIN)/instep demo

# Databases are made and synced here by the thousand. Memory spares a disk that, where there is enough of
# it and programs may run from there: some tests install a venv.
SHM = $(sort $(shell awk '$$2 == "/dev/shm" && !/noexec/ { print $$2 }' /proc/mounts 2>/dev/null))
SCRATCH = $(shell df -Pk $(SHM) 2>/dev/null | awk 'NR == 2 && $$4 > 6000000 { print "$(SHM)" }')

.PHONY: test
test: lint ## Every check and every test
	@scratch=$$(mktemp -d $(or $(SCRATCH),/tmp)/instep-tests.XXXXXX); trap 'rm -rf "$$scratch"' EXIT INT TERM; \
	TMPDIR=$$scratch $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

.PHONY: lint
lint: $(READY) ## ruff, mypy --strict and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: picture
picture: $(READY) ## Draw the workflow in README.md anew, from the synthesized definition
	$(BIN)/python -m instep.local.diagram README.md

.PHONY: lock
lock: $(READY) ## Write the locks anew: hashes only, no registry's address
	$(BIN)/uv pip compile --config-file requirements/lambda.toml pyproject.toml --extra lambda \
		--universal --generate-hashes --no-header --no-annotate --quiet -o $(LAYER)
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev -c $(LAYER) --universal \
		--generate-hashes --no-header --no-annotate --quiet -o requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml --all-extras --group bench -c requirements/dev.txt --universal \
		--generate-hashes --no-header --no-annotate --quiet -o requirements/bench.txt

.PHONY: audit
audit: $(READY) ## Known vulnerabilities of what runs in Lambda, licences of all there is (network)
	$(BIN)/uv tool run pip-audit==2.10.1 --disable-pip --require-hashes -r $(LAYER)
	$(BIN)/uv tool run pip-licenses==5.5.5 --python $(BIN)/python --from=mixed --order=license

.PHONY: deploy
deploy: $(READY) ## Deploy to the AWS account of the usual AWS environment, after showing which
	$(BIN)/instep deploy --aws

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf $(VENV) .build cdk.out node_modules
