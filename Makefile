# Fable-6 Nano. `make run` goes from nothing to a story; `make help` lists the rest.
#
# Everything lands in .venv, node_modules, asengine/build, build and runs. A rule runs again only when a file that it reads
# has changed, so without a network everything that is already there still works.

PYTHON ?= python3
CFLAGS ?= -O3
MINUTES ?= 2
CORPUS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Programs of the virtual environment come first: pip's Node is linked there where the system has none.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PIP := .venv/bin/python -m pip --disable-pip-version-check

# Each corpus and budget trains in a folder of its own. A corpus is known by its files' names, sizes and dates.
CORPUS_ID := $(if $(CORPUS),-$(shell find -L $(CORPUS) -type f -printf '%p %s %T@\n' 2>/dev/null | sort | cksum | cut -d' ' -f1))
NAME := micro$(CORPUS_ID)$(if $(filter-out 2,$(MINUTES)),-$(MINUTES)min)
NAMED := $(if $(filter undefined default,$(origin MODEL)),,$(MODEL))# the MODEL that a person names, on the command line or in the environment
MODEL := build/$(NAME).f6c

INSTALLED := .venv/installed
WASM := fable6c/fable6c.wasm
COMMAND := asengine/build/fable6c-wasi.wasm
PROGRAM := build/fable6c

.PHONY: help run test native legacy boot-test wasm page dist clean

help:
	@echo 'make run [CORPUS=text.txt] [MINUTES=2]   set up, train the micro model, tell a story'
	@echo 'make test                                set up, run all tests'
	@echo 'make native                              build/fable6c, the program that runs a model'
	@echo 'make legacy [MODEL=model.f6c]            build/legacy/, the program for old 32-bit PCs, and an archive to take there'
	@echo 'make boot-test                           start that program on an emulated Pentium II'
	@echo 'make wasm                                asengine/build/*.wasm, the engine'
	@echo 'make page [MODEL=model.f6c]              dist/fable6.html, the page in one file'
	@echo 'make dist                                dist/: a wheel and a source archive that carry the engine'
	@echo 'make clean                               remove what was built and downloaded; runs/ stays'

run: $(MODEL) $(PROGRAM)
	@echo
	$(PROGRAM) $(MODEL) -p "Once upon a time"
	@echo
	@echo 'Next:'
	@echo '  $(PROGRAM) $(MODEL)                 write stories together with it, line by line'
	@echo '  $(PROGRAM) $(MODEL) -p "The dragon" -t 1.0 -s 7'
	@echo '  make run CORPUS=your.txt MINUTES=10       learn from your own text (.zst works too)'
	@echo '  .venv/bin/python -m fable6c.train --help  larger models, longer runs'

test: $(INSTALLED) $(WASM) $(PROGRAM)
	status=0; .venv/bin/python -m pytest $(PYTEST_FLAGS) || status=1; npm test || status=1; exit $$status

native: $(PROGRAM)

wasm: $(WASM)

page: $(WASM)
	MODEL='$(NAMED)' npm run page

dist: $(INSTALLED) $(WASM)
	.venv/bin/python -m build

clean:
	rm -rf .venv node_modules build dist asengine/build fable6c/fable6c.wasm fable6c/_lib*.so fable6c/_lib*.c *.egg-info

# ---- Python ----

# setuptools and cffi go into the environment itself, so that building again after a change in C needs no network.
.venv/tools:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || \
	  { echo 'Python 3.9 or newer is needed and $(PYTHON) is not; name another: make PYTHON=python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo 'Python has no venv module; on Debian or Ubuntu: apt install python3-venv' >&2; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null || \
	  { echo 'Python.h is missing; on Debian or Ubuntu: apt install python3-dev' >&2; exit 1; }
	@command -v $(firstword $(CC)) >/dev/null || \
	  { echo 'a C compiler is missing; on Debian or Ubuntu: apt install gcc libc6-dev' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) install -q 'pip>=21.3' 'setuptools>=77' wheel build 'cffi>=1.15'
	@touch $@

.venv/dependencies: pyproject.toml .venv/tools
	$(PIP) install -q --no-build-isolation -e '.[test,plot,corpus]'
	@touch $@

# cffi writes _lib*.c beside our own C files.
$(INSTALLED): .venv/dependencies setup.py fable6c/build_kernels.py $(filter-out fable6c/_lib%,$(wildcard fable6c/_*.[ch]))
	$(PIP) install -q --no-build-isolation --no-deps -e .
	@touch $@

# ---- the engine: AssemblyScript to WebAssembly ----

# Node 18 or newer with npm: the system's, else the one that PyPI carries (whose npm link is an empty file: it gets one here).
.venv/node: .venv/tools
	@if node -e 'process.exit(+(parseInt(process.versions.node) < 18))' 2>/dev/null && npm --version >/dev/null 2>&1; then \
	  echo "using the system's node $$(node --version)"; \
	else \
	  echo 'the system has no node 18 or newer with npm: installing one into .venv'; \
	  $(PIP) install -q nodejs-bin==18.4.0a4 && \
	  bin=$$(.venv/bin/python -c 'import nodejs, os; print(os.path.join(os.path.dirname(nodejs.__file__), "bin"))') && \
	  ln -sf "$$bin/node" .venv/bin/node && \
	  printf '#!/bin/sh\nexec node "%s/../lib/node_modules/npm/bin/npm-cli.js" "$$@"\n' "$$bin" > .venv/bin/npm && \
	  chmod +x .venv/bin/npm; \
	fi
	@touch $@

node_modules/.package-lock.json: package.json package-lock.json | .venv/node
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(COMMAND): $(wildcard asengine/assembly/*.ts) asengine/asconfig.json node_modules/.package-lock.json
	npm run asbuild

$(WASM): $(COMMAND)
	cp asengine/build/fable6c.wasm $@

# ---- the native program: the wasm3 core, the host and the command as an array ----

build/wasm3/wasm3.h: asengine/host/fetch_wasm3.py | .venv/tools
	.venv/bin/python asengine/host/fetch_wasm3.py build/wasm3
	@touch $@

build/module.inc: $(COMMAND)
	@mkdir -p build
	od -An -v -tx1 $< | sed 's/[0-9a-f][0-9a-f]/0x&,/g' > $@

# The core's own warnings are not ours to mend: -w for it, all of them for the host. The core counts on signed numbers that
# wrap around and on memory seen as several types, which C leaves undefined: two flags define them.
$(PROGRAM): asengine/host/fable6c.c build/module.inc build/wasm3/wasm3.h
	$(CC) $(CFLAGS) -std=c99 -Wall -Wextra -pedantic -Ibuild -isystem build/wasm3 -c -o build/host.o asengine/host/fable6c.c
	$(CC) $(CFLAGS) -w -fwrapv -fno-strict-aliasing -s -o $@ build/host.o build/wasm3/*.c -lm

# ---- the program for old 32-bit PCs: static, musl, no instruction younger than the Pentium ----

LEGACY := build/legacy/fable6c
LEGACY_CC ?= gcc -m32
MUSL_LIB ?= /usr/lib/i386-linux-musl
MUSL_INCLUDE ?= /usr/include/i386-linux-musl
LEGACY_MODEL := $(or $(NAMED),$(wildcard release/small.f6c))
LEGACY_FLAGS = -O2 -march=i586 -mno-sse -mno-mmx -fcf-protection=none -fno-pic -fno-pie -fno-stack-protector \
  -fno-asynchronous-unwind-tables -ffunction-sections -nostdinc -isystem $(MUSL_INCLUDE) \
  -isystem $(shell $(LEGACY_CC) -print-file-name=include)
LEGACY_LINK = $(LEGACY_CC) -static -no-pie -nostdlib -s -Wl,--gc-sections $(MUSL_LIB)/crt1.o $(MUSL_LIB)/crti.o
LEGACY_WARNINGS := -std=c99 -Wall -Wextra -pedantic

legacy: $(LEGACY)
	@if [ -n '$(LEGACY_MODEL)' ]; then sh asengine/host/legacy_archive.sh '$(LEGACY_MODEL)' build/legacy; \
	else echo 'no archive without a model: make legacy MODEL=model.f6c'; fi

build/legacy/musl:
	@[ -e $(MUSL_LIB)/libc.a ] && [ -e $(MUSL_INCLUDE)/stdio.h ] || { echo 'musl for 32-bit x86 is missing; on Debian or Ubuntu:' \
	  'dpkg --add-architecture i386 && apt update && apt install gcc musl-dev:i386' >&2; exit 1; }
	@mkdir -p build/legacy
	@touch $@

# A copy of the core, changed for 32 bits. A core that the script does not fit would be a slow one silently.
build/legacy/wasm3/m3_exec.h: build/wasm3/wasm3.h asengine/host/wasm3_32bit.sed build/legacy/musl
	rm -rf build/legacy/wasm3
	cp -r build/wasm3 build/legacy/wasm3
	sed -f asengine/host/wasm3_32bit.sed build/wasm3/m3_exec_defs.h > build/legacy/wasm3/m3_exec_defs.h
	sed -f asengine/host/wasm3_32bit.sed build/wasm3/m3_exec.h > $@
	@[ "$$(grep -c wraps $@)" = 12 ] && grep -q 'f32 _fp0' build/legacy/wasm3/m3_exec_defs.h || \
	  { echo 'wasm3_32bit.sed does not fit this wasm3' >&2; exit 1; }

build/legacy/int64.o: asengine/host/legacy_int64.c build/legacy/musl
	$(LEGACY_CC) $(LEGACY_FLAGS) $(LEGACY_WARNINGS) -c -o $@ $<

# fastcall: two of an operation's arguments in registers, which leaves one for the address of the next.
$(LEGACY): asengine/host/fable6c.c build/module.inc build/legacy/wasm3/m3_exec.h build/legacy/int64.o
	$(LEGACY_CC) $(LEGACY_FLAGS) $(LEGACY_WARNINGS) -Ibuild -isystem build/legacy/wasm3 -c -o build/legacy/host.o asengine/host/fable6c.c
	cd build/legacy && $(LEGACY_CC) $(LEGACY_FLAGS) -w -fwrapv -fno-strict-aliasing '-Dvectorcall=__attribute__((fastcall))' -c wasm3/*.c
	$(LEGACY_LINK) -o $@ build/legacy/*.o $(MUSL_LIB)/libc.a $(MUSL_LIB)/crtn.o

build/legacy/init: asengine/boot/init.c build/legacy/int64.o
	$(LEGACY_CC) $(LEGACY_FLAGS) $(LEGACY_WARNINGS) -c -o build/legacy/init.obj $<
	$(LEGACY_LINK) -o $@ build/legacy/init.obj build/legacy/int64.o $(MUSL_LIB)/libc.a $(MUSL_LIB)/crtn.o

# The tests of these run where they can be built.
test: $(if $(wildcard $(MUSL_LIB)/libc.a),$(LEGACY) build/legacy/init)

# Status 77 says that this machine lacks the emulator or the kernel; the line before it says which.
boot-test: $(LEGACY) build/legacy/init $(PROGRAM)
	.venv/bin/python asengine/boot/boot.py $(LEGACY) build/legacy/init $(PROGRAM) \
	  $(or $(LEGACY_MODEL),tests/golden/model.f6c) || [ $$? = 77 ]

# ---- a model ----

# Order-only: a change in the programs does not throw a trained model away.
$(MODEL): | $(INSTALLED) $(PROGRAM)
	.venv/bin/python -m fable6c.train --preset micro --minutes $(MINUTES) --out runs/$(NAME) $(if $(CORPUS),--corpus $(CORPUS))
	.venv/bin/python -m fable6c.export runs/$(NAME) -o $@
