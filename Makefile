# Rekindle. `make` alone lists what there is.

PYTHON ?= python3
HOME_DIR ?= .rekindle
PHOTO ?=
KIND ?= restore_colourize
ONCE ?=
ALL ?=
only ?=

VENV := .venv/bin
LOCAL := $(VENV)/python -m deploy.local

# The GPU engines need PyTorch, so their tests run in an environment of their own.
GPU_TESTS := .rekindle/gpu-venv/bin/python -m pytest --confcutdir=tests/gpu tests/gpu
RUN_TESTS := yes
RUN_GPU_TESTS := $(if $(filter-out gpu,$(only)),,yes)

# What `only=` selects: a kind of test, or a folder.
ifeq ($(only),unit)
  SELECTION := -m "not stack"
else ifeq ($(only),gpu)
  RUN_TESTS :=
else ifneq ($(only),)
  SELECTION := tests/$(only)
endif

.DEFAULT_GOAL := help
.PHONY: bench chaos fairness fuzz help histories is-set-up mutants setup sheets soak training run stop status logs clean demo test gpu-environment coverage check format lint types imports web contracts formats openapi compose compose-env

##@ Start here

help: ## List these targets
	@awk 'BEGIN {FS = ":.*##"; print "make <target>"} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*##/ {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## Start everything and restore one photo [PHOTO=file] [KIND=restore|colourize|restore_colourize] [ONCE=1]
	@$(LOCAL) run --home "$(HOME_DIR)" --kind "$(KIND)" --photo "$(PHOTO)" $(if $(ONCE),--once)

test: setup $(if $(RUN_GPU_TESTS),gpu-environment) ## Run every test [only=unit|gpu|<folder of tests/>]
	@$(if $(RUN_TESTS),$(VENV)/python -m pytest $(SELECTION))
	@$(if $(RUN_GPU_TESTS),$(GPU_TESTS))

chaos: setup ## Torment a stack of its own and prove that nothing went wrong [minutes=2] [seed=1] [only=failpoints|planted [bugs="a b"]]
	@$(VENV)/python -m tests.chaos$(if $(only),.$(only) $(bugs), --minutes $(or $(minutes),2) --seed $(or $(seed),1))

fairness: setup ## Play an hour of generated traffic: who waits how long, and is it fair? [minutes=60] [seed=1]
	@$(VENV)/python -m tests.fairness --minutes $(or $(minutes),60) --seed $(or $(seed),1)

fuzz: setup ## Feed broken files to both doors: nothing may crash, hang or leak [only=decode] [files=200000] [seed=1] [minutes=]
	@$(VENV)/python -m tests.fuzz $(only) --files $(or $(files),200000) --seed $(or $(seed),1) $(if $(minutes),--minutes $(minutes))

histories: setup ## Play 2,000 lives of customers, and deliver their events as badly as Stripe may [count=2000] [seed=1]
	@REKINDLE_HISTORIES=$(or $(count),2000) REKINDLE_FIRST_SEED=$(or $(seed),1) $(VENV)/python -m pytest -q tests/billing/test_histories.py

mutants: setup ## Plant bugs in the ledger: its tests must find each [bugs="a b"]
	@$(VENV)/python -m tests.mutants $(bugs)

soak: setup ## Take a million random steps in the ledger, each answer predicted [only=ledger] [steps=1000000] [seed=]
	@REKINDLE_LEDGER_STEPS=$(or $(steps),1000000) REKINDLE_LEDGER_SEED=$(or $(seed),0) REKINDLE_LEDGER_SWEEPS=1000 \
	  $(VENV)/python -m pytest -s tests/credits/test_ledger_machine.py tests/credits/test_crowds.py

bench: setup ## What the hot paths cost, against peers [only=saga|…] [rounds=5] [jobs=600] [watch=dispatcher,…] [photos=folder]
	@$(VENV)/python -m bench $(only) --rounds $(or $(rounds),5) --jobs $(or $(jobs),600) --watch "$(watch)" --photos "$(photos)"

training: gpu-environment ## Train a network of the CPU engine anew only=scratches|light|colours photos=folder [minutes=40]
	@[ -n "$(only)" ] && [ -n "$(photos)" ] || { echo "Name both: \`make training only=scratches photos=folder\`."; exit 1; }
	@.rekindle/gpu-venv/bin/python -m bench.training.$(only) --photos "$(photos)" --minutes $(or $(minutes),40) \
	  --weights worker/engines/cpu/weights/$(only).onnx

sheets: setup ## Restore and colour every photo of a folder, to look at [photos=folder]
	@$(VENV)/python -m bench.sheets $(photos)

##@ The running stack

demo: is-set-up ## Restore one more photo on the running stack [PHOTO=file] [KIND=…]
	@$(LOCAL) demo --home "$(HOME_DIR)" --kind "$(KIND)" --photo "$(PHOTO)"

status: is-set-up ## Show what runs, where it listens and where it logs
	@$(LOCAL) status --home "$(HOME_DIR)"

logs: is-set-up ## Show the end of every log [only=<name>]
	@$(LOCAL) logs --home "$(HOME_DIR)" $(only)

stop: is-set-up ## Stop everything
	@$(LOCAL) down --home "$(HOME_DIR)"

clean: ## Stop, and delete data, logs and secrets [ALL=1: environments and servers too]
	@if [ -x $(VENV)/python ]; then $(LOCAL) clean --home "$(HOME_DIR)"; fi
	@$(if $(ALL),rm -rf .rekindle .venv web/node_modules web/.next web/out)

is-set-up:
	@[ -x $(VENV)/python ] || { echo "Nothing is set up yet: \`make run\` does it."; exit 1; }

##@ Working on it

setup: ## Make .venv and private copies of the servers
	@$(PYTHON) -m deploy.local.bootstrap

gpu-environment: setup ## Make the environment of tests/gpu, 1.6 GB with PyTorch
	@$(PYTHON) -m deploy.local.gpu_environment

check: setup format lint types imports contracts compose web coverage ## Everything that must be green before a push

web: setup ## Check the app: lint, types, unit tests
	@$(VENV)/python -m deploy.local.web

format: setup ## Is the code formatted?
	@$(VENV)/ruff format --check .

lint: setup ## Look for mistakes and smells
	@$(VENV)/ruff check .

types: setup ## Check types, strictly
	@$(VENV)/mypy

imports: setup ## Check who may import whom
	@$(VENV)/lint-imports

contracts: setup ## Write the messages' schemas; fails if they were stale
	@$(VENV)/python -m contracts

formats: setup ## Write docs/formats.md: what becomes of every sort of file
	@$(VENV)/python -m tests.corpus

openapi: setup ## Write docs/api/openapi.json from the code
	@$(VENV)/python -m services.gateway openapi

compose: setup ## Check docker-compose.yml and the images, offline
	@$(VENV)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(VENV)/hadolint deploy/docker/*Dockerfile*

compose-env: ## Write this machine's secrets for docker-compose.yml into .env
	@$(PYTHON) -m deploy.local.compose_env

coverage: setup gpu-environment ## Run every test and measure it: at least 85 %
	@$(VENV)/coverage erase
	@REKINDLE_COVERAGE=1 $(VENV)/coverage run -m pytest
	@$(subst -m pytest,-m coverage run --concurrency=thread -m pytest,$(GPU_TESTS))
	@$(VENV)/coverage combine --quiet
	@$(VENV)/coverage report --fail-under=85 --skip-covered
