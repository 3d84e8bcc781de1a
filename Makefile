# Every target makes what it needs, and is quick the second time. Variables are given as `make run RANKS=2`.

PYTHON      ?= python3
VENV        ?= .venv
MPI         ?= mpich
RANKS       ?= 4
HOSTS       ?= 4
RATE        ?= 1gbit
EXPERIMENT  ?= experiments/quickstart.toml
ARGS        ?=
PYTEST_ARGS ?=
FUZZ_N      ?= 1000000
FUZZ_ARGS   ?=
KILLS       ?= 200
SOAK_MINUTES ?= 10
SOAK_RANKS   ?= 64

BIN     := $(VENV)/bin
SOURCES := pyproject.toml setup.py $(wildcard cython_ext/*.pyx cython_ext/*.h)
SANITIZE := -fsanitize=address,undefined
HAS_SLURM := PATH="$$PATH:/usr/sbin:/sbin"; command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null
# A part of the tests says nothing about coverage.
COVER   := $(if $(strip $(PYTEST_ARGS)),,--cov --cov-report=term --cov-fail-under=90)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run lab test slurm-test lint fuzz kills soak bench figures tables clean

help: ## this list
	@echo 'make TARGET [VARIABLE=value …]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo 'Variables: PYTHON=$(PYTHON) VENV=$(VENV) MPI=$(MPI) RANKS=$(RANKS) HOSTS=$(HOSTS) RATE=$(RATE) EXPERIMENT=$(EXPERIMENT) ARGS= PYTEST_ARGS= FUZZ_N=$(FUZZ_N) FUZZ_ARGS= KILLS=$(KILLS) SOAK_MINUTES=$(SOAK_MINUTES) SOAK_RANKS=$(SOAK_RANKS)'

run: $(VENV)/.installed ## train EXPERIMENT on RANKS ranks; prints a table and draws a figure (ARGS: options of gradwire run)
	$(BIN)/mpiexec -n $(RANKS) $(BIN)/gradwire run $(EXPERIMENT) $(ARGS)

lab: $(VENV)/.installed ## the same on HOSTS hosts over links of RATE; results/lab has the runs (make lab-100mbit: at that rate)
	$(BIN)/gradwire lab $(EXPERIMENT) --hosts $(HOSTS) --rate $(RATE) $(ARGS)

lab-%: $(VENV)/.installed
	$(BIN)/gradwire lab $(EXPERIMENT) --hosts $(HOSTS) --rate $* $(ARGS)

test: $(VENV)/.with-test ## all tests, with coverage of at least 90% (PYTEST_ARGS: a part of them)
	$(BIN)/python -m pytest $(COVER) $(PYTEST_ARGS)

slurm-test: $(VENV)/.with-test ## batch scripts and jobs on a real Slurm of two nodes, on this machine: installed (root), started, tested, stopped
	@{ $(HAS_SLURM); } || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || \
	  { echo 'slurm-test needs slurmctld, slurmd and munged, and root. On Debian or Ubuntu: apt-get install slurm-wlm munge' >&2; exit 1; }
	@{ $(HAS_SLURM); } || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge; }
	$(BIN)/python -m pytest -rs tests/slurm $(PYTEST_ARGS)

lint: $(VENV)/.with-dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fuzz: $(VENV)/.with-test ## FUZZ_N damaged inputs to each family of decoders under AddressSanitizer and UBSan (FUZZ_ARGS: see tests/fuzz.py)
	CFLAGS='$(SANITIZE) -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g' LDFLAGS='$(SANITIZE)' \
	  $(BIN)/python setup.py -q build --build-base build/sanitized --build-lib build/sanitized/lib
	LD_PRELOAD="$$($${CC:-cc} -print-file-name=libasan.so)" PYTHONPATH=build/sanitized/lib PYTHONMALLOC=malloc \
	  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096 UBSAN_OPTIONS=print_stacktrace=1 \
	  $(BIN)/python tests/fuzz.py -n $(FUZZ_N) $(FUZZ_ARGS)

kills: $(VENV)/.with-test ## kill a run KILLS times at random moments, resume it each time, compare it with one that nobody touched
	$(BIN)/python tests/kills.py -n $(KILLS)

soak: $(VENV)/.with-test ## SOAK_MINUTES of training on SOAK_RANKS ranks, dim 10⁸, 10⁸ nonzeros (needs 16 GiB), a run file of 10⁶ rows
	OMP_NUM_THREADS=1 $(BIN)/mpiexec -n $(SOAK_RANKS) $(BIN)/python tests/soak.py train --minutes $(SOAK_MINUTES)
	OMP_NUM_THREADS=1 $(BIN)/mpiexec -n 2 $(BIN)/python tests/soak.py wide
	OMP_NUM_THREADS=1 $(BIN)/mpiexec -n 2 $(BIN)/python tests/soak.py many
	$(BIN)/python tests/soak.py rows

bench: $(VENV)/.with-test ## gradient kernels, parsers and all codecs, beside other libraries (ARGS: options of gradwire bench codecs)
	$(BIN)/gradwire bench compute
	$(BIN)/gradwire bench codecs --peers $(ARGS)

figures: $(VENV)/.installed ## draw the figures of all recorded experiments again
	$(BIN)/gradwire figures $(ARGS)

tables: $(VENV)/.installed ## write the tables of all recorded experiments again
	$(BIN)/gradwire tables $(ARGS)

clean: ## remove virtual environments and everything built; results stay
	rm -rf build dist src/*.egg-info .pytest_cache .hypothesis .ruff_cache .coverage .coverage.* htmlcov
	rm -rf .venv .venv-* $(if $(wildcard $(VENV)/pyvenv.cfg),$(VENV))
	rm -f src/gradwire/_ext/*.so cython_ext/*.c
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +

# An editable installation: Python files need no second one, changed kernels do.
$(VENV)/.installed: $(SOURCES)
	@command -v $(PYTHON) >/dev/null || { echo 'gradwire needs Python 3.11 or newer; there is no $(PYTHON). Try make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -c "$$CHECK"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'Installing gradwire and $(MPI) into $(VENV): once, a few minutes'
	$(BIN)/pip install -q -e '.[$(MPI)]'
	@touch $@

# Only what the extra adds: gradwire itself is there already.
$(VENV)/.with-%: $(VENV)/.installed
	$(BIN)/pip install -q 'gradwire[$*]'
	@touch $@

define CHECK
import importlib.util, os, shutil, sys, sysconfig
have = "%d.%d" % sys.version_info[:2]
compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
header = os.path.join(sysconfig.get_path("include"), "Python.h")
wanted = [
    (sys.version_info >= (3, 11), "Python 3.11 or newer; %s is %s. Try make PYTHON=python3.12 ..." % (sys.executable, have)),
    (shutil.which(compiler), "a C compiler; there is no %s. On Debian or Ubuntu: apt-get install gcc" % compiler),
    (os.path.exists(header), "Python's headers; there is no %s. On Debian or Ubuntu: apt-get install python%s-dev" % (header, have)),
    (importlib.util.find_spec("ensurepip"), "Python's venv module. On Debian or Ubuntu: apt-get install python%s-venv" % have),
]
missing = ["gradwire needs " + what for there, what in wanted if not there]
sys.exit("\n".join(missing) or 0)
endef
export CHECK
