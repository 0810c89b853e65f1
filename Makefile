# make demo      the 3D tutorial at a small size, from nothing to pictures
# make demo-emc  a simulated crystal through the stages of EMC with two ranks, held against the truth
# make test      the whole test suite, with its own set-up
# make slurm-test  the tests on a SLURM that they start themselves (as root)
# make docs      docs/settings.md and docs/stages.md from the definitions
# make jobs      jobs/ from the table of stages
# make clean     remove what these made

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TESTERS ?= 2
export OMPI_MCA_osc ?= ^ucx

.PHONY: demo demo-emc test opencl-driver slurm-test check docs jobs clean

demo: $(VENV)/.installed
	@$(BIN)/fxs-hpc init demo >/dev/null
	$(BIN)/fxs-hpc fxs --config demo/config.ini simulate_ccd demo extract demo reconstruct demo average demo

# Two ranks wherever they start: on one core, and as root in a container.
DEMO_EMC := demo-emc/config.ini
TWO_RANKS = $(firstword $(wildcard $(BIN)/mpirun) mpirun) -np 2
demo-emc: export OMPI_ALLOW_RUN_AS_ROOT = 1
demo-emc: export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM = 1
demo-emc: export OMPI_MCA_rmaps_base_oversubscribe = 1
demo-emc: export PRTE_MCA_rmaps_default_mapping_policy = :oversubscribe
demo-emc: export OPENBLAS_NUM_THREADS = 1

demo-emc: $(VENV)/.installed
	@$(BIN)/fxs-hpc init demo-emc >/dev/null
	$(TWO_RANKS) $(BIN)/fxs-hpc emc simulate-frames $(DEMO_EMC)
	$(BIN)/fxs-hpc emc make-detector $(DEMO_EMC)
	$(BIN)/fxs-hpc emc make-filelists $(DEMO_EMC)
	$(TWO_RANKS) $(BIN)/fxs-hpc emc make-background $(DEMO_EMC)
	$(BIN)/fxs-hpc emc make-powder $(DEMO_EMC)
	$(BIN)/fxs-hpc emc make-quaternion $(DEMO_EMC)
	$(TWO_RANKS) $(BIN)/fxs-hpc emc orient-peak $(DEMO_EMC)
	$(TWO_RANKS) $(BIN)/fxs-hpc emc reduce-data $(DEMO_EMC)
	$(TWO_RANKS) $(BIN)/fxs-hpc emc make-Ematrix $(DEMO_EMC)
	$(BIN)/fxs-hpc emc init-phi $(DEMO_EMC)
	$(BIN)/fxs-hpc emc make-sym-op $(DEMO_EMC)
	$(TWO_RANKS) $(BIN)/fxs-hpc emc evaluate-front-end $(DEMO_EMC)

test: $(VENV)/.installed-test opencl-driver
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TESTERS) -m "not slurm"
	@$(MAKE) --no-print-directory slurm-test check

# A driver for the CPU where no OpenCL device is found, if we may; the tests that need a device are skipped without one.
opencl-driver: $(VENV)/.installed-test
	@$(BIN)/python -c 'import sys; from fxs_hpc.engine.opencl import devices; sys.exit(not devices.devices()[0])' || \
	{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && { apt-get update && apt-get install -y --no-install-recommends pocl-opencl-icd; } >/dev/null 2>&1; } || \
	echo "no OpenCL device and no way to install pocl-opencl-icd: the tests marked opencl are skipped"

# Jobs mostly wait: each process of the tests has a SLURM of its own.
slurm-test: $(VENV)/.installed-test
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TESTERS) --dist worksteal -m slurm -rs

check: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/mypy

docs: $(VENV)/.installed
	$(BIN)/python -m fxs_hpc.config.document docs/settings.md
	$(BIN)/python -m fxs_hpc.stages.document docs/stages.md

jobs: $(VENV)/.installed
	$(BIN)/python -m fxs_hpc.cluster.job_files jobs

# One virtual environment; the stamps say for which setup.cfg it was made.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed, $$($(PYTHON) --version 2>&1) is found; name another: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: this Python has no venv module; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg | $(BIN)/python
	@echo "installing fxs_hpc and what it needs into $(VENV): a minute or two"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable "$$(command -v mpirun >/dev/null && echo . || echo .[mpi])"
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "installing what the tests need into $(VENV)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .[test]
	@touch $@

clean:
	rm -rf $(VENV) demo demo-emc .pytest_cache .hypothesis .mypy_cache .ruff_cache
