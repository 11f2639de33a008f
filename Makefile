# brainworth in two commands: `make run` and `make test`. Both set up what they need in .venv.
#
#   make run STUDY=studies/nsd.yaml   another study
#   make run CORES=4                  fewer cores (default: all)
#   make run ARGS="-n"                more arguments for snakemake

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3,$(if $(shell command -v $(name)),$(name))))
CORES ?= all
STUDY ?=
ARGS ?=
BIN := .venv/bin
SLURM_PACKAGES := slurmctld slurmd slurm-client munge slurmdbd slurm-wlm-mysql-plugin mariadb-server-core
FINISHED := tests/workflow/test_default_study.py tests/workflow/test_bridges.py
OVERLAY := $(if $(STUDY),--configfile $(STUDY))

.DEFAULT_GOAL := help
.PHONY: help run plan doctor test lint format unit workflow finished test-slurm test-gpu test-drills \
  test-browser test-container bench bench-gpu clean

help: ## list what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/run.stamp ## set up and run a study to its PDF
	$(BIN)/snakemake --cores $(CORES) $(OVERLAY) $(ARGS)
	@case " $(ARGS) " in *" -n "*|*" --dry-run "*) ;; *) $(BIN)/brainworth summary $(STUDY) ;; esac

plan: .venv/run.stamp ## say what a study costs in bytes, disk and time, before it is run
	$(BIN)/brainworth plan $(STUDY)

doctor: .venv/run.stamp ## examine this machine and the source of a study's data
	$(BIN)/brainworth doctor $(STUDY)

# One thread of linear algebra, as in jobs: two pytest side by side would only take turns.
unit workflow finished: export OMP_NUM_THREADS = 1

test: lint ## set up and run all checks and tests
	$(MAKE) --no-print-directory --output-sync=target -j 2 workflow unit finished

lint: .venv/test.stamp ## formatting and style of Python and Snakemake code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check .
	$(BIN)/snakemake --lint
	$(BIN)/snakemake --lint --configfile studies/nsd.yaml
	$(BIN)/snakemake --lint --configfile studies/nsd-encoder.yaml

format: .venv/test.stamp ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt .

unit: .venv/test.stamp ## tests of the library
	$(BIN)/pytest -q -m "not workflow"

workflow: .venv/test.stamp ## tests that run Snakemake itself, but those of finished studies
	$(BIN)/pytest -q -m workflow $(FINISHED:%=--ignore=%)

finished: .venv/test.stamp ## tests of finished studies: the default one, and the bridges
	$(BIN)/pytest -q -m workflow $(FINISHED)

test-slurm: .venv-slurm/stamp ## tests under a real Slurm on this machine (root; Debian packages; an hour)
	@if [ "$$(id -u)" = 0 ] && ! { command -v slurmctld && command -v slurmdbd && command -v mariadbd; } >/dev/null; then \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(SLURM_PACKAGES); fi
	.venv-slurm/bin/pytest -q -m slurm tests/slurm

test-gpu: .venv/test.stamp ## tests of the encoder on a GPU (a CUDA build of PyTorch)
	$(BIN)/pytest -q -m cuda tests/encoder

test-drills: .venv/test.stamp ## kill runs in each stage and at 25 random moments; studies at the edge (an hour)
	$(BIN)/pytest -q -m drills tests/workflow

test-browser: .venv/test.stamp ## open the web page in a real browser (installs Debian's chromium if root)
	@if [ "$$(id -u)" = 0 ] && ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; fi
	$(BIN)/pytest -q -m browser tests/report

test-container: .venv/test.stamp ## build the image and run a study in it (docker, podman or buildah; 3 GB and more)
	$(BIN)/pytest -q -m container tests/workflow

bench: .venv/test.stamp ## benchmarks against other implementations
	$(BIN)/python benchmarks/rsa.py
	$(BIN)/python benchmarks/erosion.py
	$(BIN)/python benchmarks/full_size.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/extraction.py
	$(BIN)/python benchmarks/befs.py
	$(BIN)/python benchmarks/ranges.py
	$(BIN)/python benchmarks/files.py
	$(BIN)/python benchmarks/mamba.py
	$(BIN)/python benchmarks/ridge.py
	$(BIN)/python benchmarks/scheduling.py

bench-gpu: .venv/test.stamp ## time the encoder at its published size on a GPU (60 GB of memory)
	$(BIN)/python benchmarks/encoder_full_size.py

clean: ## remove results, figures, logs and papers of all studies (not data/, not .venv)
	rm -rf results figures logs paper/*.pdf paper/*.html .snakemake

.venv/python.stamp:
	@case "$(CURDIR)" in *" "*) echo "brainworth cannot run from a path with a space in it ($(CURDIR)): move the checkout"; exit 1 ;; esac
	@test -n "$(PYTHON)" || { echo "brainworth needs Python 3.11 or newer on the PATH (or make PYTHON=/path/to/python3.11)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "brainworth needs Python 3.11 or newer, not $$($(PYTHON) -V) (or make PYTHON=/path/to/python3.11)"; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/run.stamp: .venv/python.stamp pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/test.stamp: .venv/python.stamp pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@ .venv/run.stamp

# An environment of its own: where a slurm.conf is left and no slurmctld answers, the executor makes
# every start of Snakemake 10 seconds slower.
.venv-slurm/stamp: .venv/python.stamp pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-slurm
	.venv-slurm/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,slurm]'
	touch $@
