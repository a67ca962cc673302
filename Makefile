SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
PYTHON := $(BIN)/python
INSTALLED := .venv/.installed
PROTOS = $(shell find protos -name '*.proto' | sort)
PROTOC := $(PYTHON) -m grpc_tools.protoc -Iprotos
PLUGINS := --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc
BUILD := .venv/build
UV = $(or $(shell command -v uv),.venv/uv/bin/uv)

# $(call generate,FOLDER): the Python code of all protos, below FOLDER.
define generate
	mkdir -p $(1)
	$(PROTOC) $(PLUGINS) --python_out=$(1) --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)
endef

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- set up

$(INSTALLED): requirements.lock pyproject.toml tests/conformance/rest/older-client.lock
	@echo "installing into .venv (once, and after a change of requirements.lock or pyproject.toml)"
	@.ci/install
	@touch $@

.PHONY: venv
venv: $(INSTALLED) ## make .venv with everything that requirements.lock names

.PHONY: lock
lock: $(INSTALLED) ## resolve requirements.lock again, to the newest versions that pyproject.toml allows (needs uv)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && cp pyproject.toml README.md "$$folder" \
	  && export UV_PYTHON_DOWNLOADS=never \
	  && $(UV) lock --quiet --project "$$folder" --python $(PYTHON) \
	  && $(UV) export --quiet --project "$$folder" --python $(PYTHON) --frozen --no-header --all-extras --all-groups \
	    --no-emit-project --no-annotate --format requirements-txt > "$$folder/requirements.lock" \
	  && cp "$$folder/requirements.lock" requirements.lock

.PHONY: protos
protos: $(INSTALLED) ## make libs/proctor and docs/asyncapi.json again from protos/
	rm -rf libs/proctor
	$(call generate,libs)
	$(PROTOC) --include_imports --include_source_info --descriptor_set_out=$(BUILD)/protos.binpb $(PROTOS)
	$(PYTHON) protos/asyncapi.py $(BUILD)/protos.binpb > docs/asyncapi.json

.PHONY: format
format: $(INSTALLED) ## put the code into its form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

# --- check and test

.PHONY: check
check: check-code check-protos check-words ## everything that needs no test: form, lint, types, layers, protos, dependencies, words

.PHONY: check-code
check-code: $(INSTALLED)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry libs services

.PHONY: check-protos
check-protos: $(INSTALLED)
	@rm -rf $(BUILD)
	@$(call generate,$(BUILD)/libs)
	@$(PROTOC) --include_imports --include_source_info --descriptor_set_out=$(BUILD)/protos.binpb $(PROTOS)
	$(BIN)/buf lint $(BUILD)/protos.binpb
	@$(PYTHON) protos/asyncapi.py $(BUILD)/protos.binpb > $(BUILD)/asyncapi.json
	@diff --recursive --brief --exclude=__pycache__ $(BUILD)/libs/proctor libs/proctor \
	  && diff --brief $(BUILD)/asyncapi.json docs/asyncapi.json \
	  || { echo "generated files are not what protos/ says: run make protos"; exit 1; }

.PHONY: check-words
check-words: $(INSTALLED)
	$(BIN)/codespell

# All tests. Most of their time is waiting for processes, so two suites run at once, the longest first; what each says is
# printed in one piece when it ends. A suite that is "the rest of a folder" leaves out what others name, so none is missed.
SUITES := orchestrator integration attacks rest rest-sdk e2e unit
tests-rest-sdk := tests/conformance/rest/sdk
tests-rest := tests/conformance --ignore=tests/conformance/rest/sdk
tests-unit := tests/unit
tests-orchestrator := tests/integration/orchestrator
tests-integration := tests/integration --ignore=tests/integration/orchestrator
tests-e2e := tests/e2e
tests-attacks := tests/attacks --ignore=tests/attacks/test_leaks.py
# It counts what the whole machine has, so nothing runs beside it.
tests-leaks := tests/attacks/test_leaks.py
SAID := .venv/tests
# Each minute how far each suite is, so that a long silence means that something hangs. It reads from a pipe that nobody
# writes to: a `sleep` would outlive it.
PROGRESS = exec {never}<> <(:); until read -r -t 60 -u $$never; do now=--; for said in $(SAID)/*; do \
	now+="  $${said\#\#*/} $$(grep -oE '[0-9]+%|[0-9]+ passed' $$said | tail -n 1)"; done; echo "$$now"; done

.PHONY: test
test: check ## check, then all tests with real Postgres, NATS and jails
	@rm -rf $(SAID) && mkdir -p $(SAID)
	@{ $(PROGRESS); } & progress=$$!; trap "kill $$progress" EXIT; \
	$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target $(SUITES:%=suite-%); together=$$?; \
	$(MAKE) --no-print-directory suite-leaks; alone=$$?; \
	echo "== all suites"; grep --no-filename --extended-regexp '^(FAILED|ERROR) ' $(addprefix $(SAID)/,$(SUITES) leaks); \
	for suite in $(SUITES) leaks; do printf '%-13s %s\n' $$suite "$$(tail -n 1 $(SAID)/$$suite)"; done; \
	exit $$((together | alone))

.PHONY: $(SUITES:%=suite-%) suite-leaks
$(SUITES:%=suite-%) suite-leaks: suite-%: $(INSTALLED)
	@mkdir -p $(SAID)
	@echo "== $*: pytest $(tests-$*)"
	@$(BIN)/pytest $(tests-$*) 2>&1 | tee $(SAID)/$* || { echo "FAILED, with: $$(tail -n 1 $(SAID)/$*)" >> $(SAID)/$*; exit 1; }

.PHONY: test-fast
test-fast: $(INSTALLED) ## unit tests only
	$(BIN)/pytest --quiet tests/unit

.PHONY: generated
generated: $(INSTALLED) ## 500 generated requests for each operation of the REST API, other ones each time
	$(BIN)/pytest --quiet tests/conformance/rest/test_generated.py --examples 500

.PHONY: oracles
oracles: $(INSTALLED) .venv/oracles/lock ## compare with lm-evaluation-harness, in an environment of its own (600 MB, development only)
	$(BIN)/pytest --quiet tests/oracles

.venv/oracles/lock: tests/oracles/lm-eval.lock
	rm -rf .venv/oracles && $(PYTHON) -m venv .venv/oracles
	$(UV) pip sync --quiet --python .venv/oracles/bin/python --require-hashes $<
	cp $< $@

.PHONY: attacks
attacks: $(INSTALLED) ## every known attack on the jail, as root and unprivileged, in every isolation, with a table
	$(BIN)/pytest --quiet tests/attacks --all-profiles --isolation=fresh --isolation=preload --isolation=files --attack-table

.PHONY: attacks-long
attacks-long: $(INSTALLED) ## 10,000 jails, after which nothing may be left
	$(BIN)/pytest --quiet --capture no tests/attacks/test_leaks.py --all-profiles --jails 10000

.PHONY: bench
bench: $(INSTALLED) ## the benchmarks of tests/load; prints figures, asserts none
	@for benchmark in tests/load/bench_*.py; do echo "== $$benchmark" && $(PYTHON) "$$benchmark" || exit 1; done

# --- use

.PHONY: demo
demo: $(INSTALLED) ## evaluate a small suite with a real local model and print the results
	$(BIN)/proctor demo

.PHONY: up
up: $(INSTALLED) ## run everything on this machine and print its address and a key
	$(BIN)/proctor up

.PHONY: clean
clean: ## remove what make made; the state of `proctor up` stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
