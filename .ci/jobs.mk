# What .ci/run holds, and what waits for what. `make -j` takes whatever can begin, in the order of `all`: what others wait
# for, then the longest first, so that nothing long begins when the rest is done.
#
# Each job is one line for .ci/job. The suite is cut by files into jobs that share nothing; each file is in one of them,
# which .ci/run holds against the number of tests that were collected.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
python := .venv/bin/python

# -- which files go together -------------------------------------------------------------------------------------------

integration := $(wildcard tests/integration/test_*.py)
# What starts a Docker daemon: once, so in one job.
docker := tests/contract/test_container_manager.py $(wildcard tests/integration/test_docker_*.py tests/integration/test_clipper_image*.py tests/fault/*docker*.py)
command_line := $(wildcard tests/integration/test_cli_*.py tests/integration/test_full_*.py tests/integration/test_secured_*.py)
figures := $(addprefix tests/integration/,test_paper_figures_quick.py test_bench_trust.py)
fuzzers := tests/integration/test_fuzzers.py
data_path := $(wildcard $(addprefix tests/integration/test_,data_path*.py e*.py feedback*.py http*.py plan*.py rpc*.py))
# The guard counts the instructions, in more cases; the rows of docs/reliability.md are run where invariants are checked.
elsewhere := tests/integration/test_instruction_count.py tests/fault/test_reliability_rows.py
taken := $(docker) $(command_line) $(figures) $(fuzzers) $(data_path) $(elsewhere)
processes := $(filter-out $(taken),$(integration) $(wildcard tests/fault/test_*.py tests/contract/test_*.py))

suites := documents properties processes docker data_path command_line figures fuzzers units

# -- jobs --------------------------------------------------------------------------------------------------------------

.PHONY: done demo all build parts debug-modules cpp-address cpp-plain cpp-thread debug-suite lint types guards $(suites)
all: build parts debug-modules cpp-address cpp-plain cpp-thread \
  debug-suite types processes docker documents data_path command_line figures units properties guards fuzzers lint

build:
	@.ci/job $@ make build

parts: build
	@.ci/job $@ .ci/install-parts build/ci/collected

# Neither waits for `make build`: these run while that installs. An option other than CMake's default would be tested in
# `make build`; here the core is compiled with its invariants checked, for the suite that runs on it, not optimized.
debug-modules:
	@SKBUILD_CMAKE_BUILD_TYPE=None SKBUILD_CMAKE_DEFINE=CLIPPER_DEBUG_INVARIANTS=ON \
	  .ci/job "pip install . in a clean environment" scripts/clean-install --modules-to build/debug/modules

cpp-address cpp-plain cpp-thread: cpp-%:
	@CLIPPER_WERROR=ON .ci/job "C++ tests, $*" scripts/cpp-tests $*

debug-suite: parts debug-modules
	@CLIPPER_HYPOTHESIS_PROFILE=quick .ci/job $@ scripts/debug-test --modules build/debug/modules --fail-on-left-out

lint: build
	@.ci/job $@ make lint

types: parts lint
	@.ci/job $@ make types

# pytest, with nothing left out, and with the counts for .ci/run.
suite = .ci/job "tests: $@" $(python) -m pytest -q --fail-on-left-out --report-to=build/ci/report-$@.json --durations=10 \
  -p no:cacheprovider
$(suites): parts
documents:
	@$(suite) tests/source
properties:
	@$(suite) tests/property
units:
	@$(suite) tests $(addprefix --ignore=tests/,source property integration fault contract)
processes docker data_path command_line figures fuzzers:
	@$(suite) $($@)

# Each executable in .ci/guards holds one measure (instructions per query, allocations per query) against its record; none
# of them minds that the machine is busy.
guards: parts
	@.ci/job $@ bash -euo pipefail -c 'for guard in .ci/guards/*; do \
	  [ ! -x "$$guard" ] || { echo "+ $$guard"; "$$guard"; }; done'

# It fills the machine, and holds itself to what queries see: alone.
demo: all
	@.ci/job $@ make demo

done: demo
	@$(python) scripts/closing_lines.py --since "$(CLIPPER_CI_STARTED)" --collected build/ci/collected \
	  $(addprefix --without ,$(elsewhere)) build/ci/report-*.json
