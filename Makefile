# The commands of the house. `make build`, `make demo` and `make test` work as the first command in a fresh clone.
# A second call of any of them does only what is out of date.

PYTHON ?= python3
KEEP ?= 0
ARGS ?=

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
CMAKE := $(BIN)/cmake
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help build compile demo test cpp-test debug-test thorough lint types sanitize bench clean

help:  ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

build: compile  ## make .venv with everything installed and compile the core into the tree

demo: build  ## serve two models, learn from labels which to trust, roll back; KEEP=1 stays up until Ctrl-C
	KEEP=$(KEEP) $(BIN)/python -m clipper.demo

test: build cpp-test  ## run the whole suite; ends with what was left out and what installs it
	$(BIN)/python -m pytest -q $(ARGS)

lint: build  ## ruff and cython-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/cython-lint $$(git ls-files '*.pyx' '*.pxd')

types: build  ## mypy --strict on all Python, stubtest on every compiled module
	$(BIN)/mypy $$(scripts/python-files)
	$(BIN)/python -m mypy.stubtest --concise --ignore-disjoint-bases --ignore-unused-allowlist \
	  --allowlist tests/typing/stubtest-allowlist.txt \
	  $$(git ls-files 'clipper/_core/*.pyx' | sed 's/\.pyx$$//; s,/,.,g')

sanitize: $(VENV)/.tools  ## C++ tests under ASan+UBSan and under TSan
	scripts/cpp-tests address thread

bench: build  ## measure beside the peers (ARGS="--help" lists what can be chosen)
	$(BIN)/python -m bench $(ARGS)

clean:  ## remove everything that was built, the virtual environment included
	rm -rf build dist *.egg-info $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find clipper model_containers bench tests -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f clipper/_core/*.so clipper/bench/load_client

# -- what the commands above are made of ---------------------------------------------------------------------------

# The virtual environment changes only with the files that say what is in it. The editable install registers the
# package without compiling (CLIPPER_BUILD_CORE=OFF): compiling is CMake's, in one build directory, incrementally.
$(VENV)/.tools: pyproject.toml scripts/preflight
	@scripts/preflight $(PYTHON)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group build
	@touch $@

$(VENV)/.installed: $(VENV)/.tools setup.py
	SKBUILD_CMAKE_DEFINE=CLIPPER_BUILD_CORE=OFF \
	  $(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[test,lint]'
	@touch $@

build/release/build.ninja: | $(VENV)/.installed
	$(CMAKE) -S . -B build/release -G Ninja -DPython_EXECUTABLE=$(BIN)/python -DCLIPPER_TRANSLATIONS=build/translations

# Ninja knows what is out of date, CMakeLists.txt included; make need not.
compile: $(VENV)/.installed build/release/build.ninja
	@$(CMAKE) --build build/release
	@$(CMAKE) --install build/release --prefix . >/dev/null

cpp-test: $(VENV)/.tools
	@scripts/cpp-tests plain

debug-test: build  ## the suite on a core built with its invariants checked
	scripts/debug-test $(ARGS)

thorough: build  ## the property tests with 5,000 examples
	CLIPPER_HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -q --timeout=3600 tests/property $(ARGS)
