# The native programs; the Makefile includes this. One command, fable6c-wasi.wasm, in two engines:
#
#   fable6c.c   wasm3 interprets the module, which is built in as an array
#   aot.c       the module as C, by wasm2c
#
# and around them, for both: wasi.c, and the operating system, system_posix.c or system_windows.c.

HOST := asengine/host
HOST_HEADERS := $(HOST)/system.h $(HOST)/wasi.h
WARNINGS := -std=c99 -Wall -Wextra -pedantic

# ---- the interpreter ----

build/wasm3/wasm3.h: $(HOST)/fetch_wasm3.py | .venv/tools
	$(call say,'the source of wasm3 from PyPI')
	.venv/bin/python $(HOST)/fetch_wasm3.py build/wasm3
	@touch $@

build/module.inc: $(COMMAND)
	@mkdir -p build
	od -An -v -tx1 $< | sed 's/[0-9a-f][0-9a-f]/0x&,/g' > $@

# The core's own warnings are not ours to mend: -w for it, all of them for the host. The core counts on signed numbers that
# wrap around and on memory seen as several types, which C leaves undefined: two flags define them.
INTERPRETED := $(HOST)/fable6c.c $(HOST)/wasi.c $(HOST)/system_posix.c
CORE_FLAGS := -w -fwrapv -fno-strict-aliasing

$(PROGRAM): $(INTERPRETED) $(HOST_HEADERS) build/module.inc build/wasm3/wasm3.h
	$(call say,'the native program')
	@mkdir -p build/host
	cd build/host && $(CC) $(CFLAGS) $(WARNINGS) -I.. -isystem ../wasm3 -c $(INTERPRETED:%=../../%)
	$(CC) $(CFLAGS) $(CORE_FLAGS) -s -o $@ build/host/*.o build/wasm3/*.c -lm

native: $(PROGRAM)

# ---- ahead of time: the module as C ----

# The system's wasm2c (Debian: wabt), else npm's: a test holds their programs to the same bits.
WASM2C ?= $(or $(shell command -v wasm2c),node_modules/.bin/wasm2c)

build/aot/engine.inc: $(COMMAND) $(HOST)/wasm2c.sed | $(if $(findstring node_modules,$(WASM2C)),node_modules/.package-lock.json)
	@mkdir -p build/aot
	$(WASM2C) -n engine -o build/aot/wasm2c.c $(COMMAND)
	sed -f $(HOST)/wasm2c.sed build/aot/wasm2c.h > build/aot/engine.h
	sed -n '/^static [a-z0-9]* w2c_/,$$p' build/aot/wasm2c.c | sed -f $(HOST)/wasm2c.sed > $@
	@grep -q '^static void engine_start' $@ && ! grep -q 'w2c_memory, (u64)' $@ || \
	  { echo 'wasm2c.sed does not fit this wasm2c; use the one of npm: make aot WASM2C=node_modules/.bin/wasm2c' >&2; exit 1; }

# The contract of the bits (docs/numerics.md): each f32 operation rounded, none fused with the next. The generated code's own
# warnings are not ours to mend.
AOT_FLAGS := -std=gnu11 -w -Ibuild/aot -I$(HOST) -fexcess-precision=standard -ffp-contract=off -fno-math-errno
AOT_NEEDS := $(HOST)/aot.c $(HOST)/wasi.c $(HOST)/wasm-rt.h $(HOST_HEADERS) build/aot/engine.inc
POSIX := $(HOST)/aot.c $(HOST)/wasi.c $(HOST)/system_posix.c

# Static where there is a C library that is small enough for it (Debian: musl-tools).
COMPILED := build/fable6c-aot
AOT_CC ?= $(if $(shell command -v musl-gcc),musl-gcc -static,$(CC))

$(COMPILED): $(AOT_NEEDS) $(HOST)/system_posix.c
	$(AOT_CC) -O2 $(AOT_FLAGS) -s -o $@ $(POSIX)

aot: $(COMPILED)

# ---- the program for old 32-bit PCs: static, musl, no instruction younger than the Pentium ----

LEGACY_INTERPRETED := build/legacy/fable6c
LEGACY_COMPILED := build/legacy/fable6c-aot
LEGACY := $(if $(AOT),$(LEGACY_COMPILED),$(LEGACY_INTERPRETED))
LEGACY_CC ?= gcc -m32
MUSL_LIB ?= /usr/lib/i386-linux-musl
MUSL_INCLUDE ?= /usr/include/i386-linux-musl
LEGACY_MODEL := $(or $(NAMED),$(RELEASED))
I586 := -O2 -march=i586 -mno-sse -mno-mmx -fcf-protection=none -fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections
LEGACY_FLAGS = $(I586) -fno-pic -fno-pie -nostdinc -isystem $(MUSL_INCLUDE) -isystem $(shell $(LEGACY_CC) -print-file-name=include)
LEGACY_LINK = $(LEGACY_CC) -static -no-pie -nostdlib -s -Wl,--gc-sections $(MUSL_LIB)/crt1.o $(MUSL_LIB)/crti.o
LEGACY_END = $(MUSL_LIB)/libc.a $(MUSL_LIB)/crtn.o
# Instructions of the Pentium, in an order for its successors. For nothing older than a Pentium 4:
# make legacy AOT=1 LEGACY_CPU='-march=pentium4 -msse2 -mfpmath=sse'
LEGACY_CPU ?= -mtune=i686

legacy: $(LEGACY)
	@sh $(HOST)/legacy_archive.sh $(call quote,$(LEGACY_MODEL)) build/legacy $(notdir $(LEGACY))

build/legacy/musl:
	@[ -e $(MUSL_LIB)/libc.a ] && [ -e $(MUSL_INCLUDE)/stdio.h ] || { echo 'musl for 32-bit x86 is missing; on Debian or Ubuntu:' \
	  'dpkg --add-architecture i386 && apt update && apt install gcc musl-dev:i386' >&2; exit 1; }
	@mkdir -p build/legacy/interpreted build/legacy/host
	@touch $@

# A copy of the core, changed for 32 bits. A core that the script does not fit would be a slow one silently.
build/legacy/wasm3/m3_exec.h: build/wasm3/wasm3.h $(HOST)/wasm3_32bit.sed build/legacy/musl
	rm -rf build/legacy/wasm3
	cp -r build/wasm3 build/legacy/wasm3
	sed -f $(HOST)/wasm3_32bit.sed build/wasm3/m3_exec_defs.h > build/legacy/wasm3/m3_exec_defs.h
	sed -f $(HOST)/wasm3_32bit.sed build/wasm3/m3_exec.h > $@
	@[ "$$(grep -c wraps $@)" = 12 ] && grep -q 'f32 _fp0' build/legacy/wasm3/m3_exec_defs.h || \
	  { echo 'wasm3_32bit.sed does not fit this wasm3' >&2; exit 1; }

build/legacy/int64.o: $(HOST)/legacy_int64.c build/legacy/musl
	$(LEGACY_CC) $(LEGACY_FLAGS) $(WARNINGS) -c -o $@ $<

LEGACY_HOST := build/legacy/host/wasi.o build/legacy/host/system_posix.o build/legacy/int64.o

build/legacy/host/%.o: $(HOST)/%.c $(HOST_HEADERS) build/legacy/musl
	$(LEGACY_CC) $(LEGACY_FLAGS) $(WARNINGS) -c -o $@ $<

# fastcall: two of an operation's arguments in registers, which leaves one for the address of the next.
$(LEGACY_INTERPRETED): $(HOST)/fable6c.c build/module.inc build/legacy/wasm3/m3_exec.h $(LEGACY_HOST)
	$(LEGACY_CC) $(LEGACY_FLAGS) $(WARNINGS) -Ibuild -isystem build/legacy/wasm3 -c -o build/legacy/interpreted/fable6c.o $<
	cd build/legacy/interpreted && $(LEGACY_CC) $(LEGACY_FLAGS) $(CORE_FLAGS) '-Dvectorcall=__attribute__((fastcall))' -c ../wasm3/*.c
	$(LEGACY_LINK) -o $@ build/legacy/interpreted/*.o $(LEGACY_HOST) $(LEGACY_END)

$(LEGACY_COMPILED): $(AOT_NEEDS) $(LEGACY_HOST)
	$(LEGACY_CC) $(LEGACY_FLAGS) $(LEGACY_CPU) $(AOT_FLAGS) -c -o build/legacy/aot.o $(HOST)/aot.c
	$(LEGACY_LINK) -o $@ build/legacy/aot.o $(LEGACY_HOST) $(LEGACY_END)

build/legacy/init: asengine/boot/init.c build/legacy/int64.o
	$(LEGACY_CC) $(LEGACY_FLAGS) $(WARNINGS) -c -o build/legacy/init.o $<
	$(LEGACY_LINK) -o $@ build/legacy/init.o build/legacy/int64.o $(LEGACY_END)

# Status 77 says that this machine lacks the emulator or the kernel; the line before it says which.
boot-test: $(LEGACY) build/legacy/init $(PROGRAM)
	.venv/bin/python asengine/boot/boot.py $(LEGACY) build/legacy/init $(PROGRAM) \
	  $(call quote,$(LEGACY_MODEL)) || [ $$? = 77 ]

# ---- Windows: i586, nothing but KERNEL32, so that Windows 98 runs it as well as the newest ----

WINDOWS := build/windows/fable6c.exe
WINDOWS_CC ?= i686-w64-mingw32-gcc

# No C run-time library: its newer functions are what old systems lack. Subsystem version 4.0: with a later one they refuse to start it.
$(WINDOWS): $(AOT_NEEDS) $(HOST)/system_windows.c $(HOST)/legacy_int64.c
	@command -v $(WINDOWS_CC) >/dev/null || \
	  { echo 'the compiler for 32-bit Windows is missing; on Debian or Ubuntu: apt install gcc-mingw-w64-i686' >&2; exit 1; }
	@mkdir -p build/windows
	$(WINDOWS_CC) $(I586) $(LEGACY_CPU) $(AOT_FLAGS) -nostdlib -Wl,--gc-sections,--entry=_start,--subsystem,console:4.0,--major-os-version,4,--minor-os-version,0 \
	  -Wl,--no-insert-timestamp,--disable-dynamicbase,--disable-nxcompat -s -o $@ \
	  $(HOST)/aot.c $(HOST)/wasi.c $(HOST)/system_windows.c $(HOST)/legacy_int64.c -lkernel32

windows: $(WINDOWS)
	@$(PYTHON) $(HOST)/windows_archive.py $(call quote,$(LEGACY_MODEL)) build/windows

# ---- ARM: static, for any Linux on a board or phone of 64 bits, or from the Raspberry Pi 1 on ----

ARM64_CC ?= aarch64-linux-gnu-gcc
ARMV6_CC ?= arm-linux-gnueabi-gcc
ARM := build/arm/fable6c-arm64 build/arm/fable6c-armv6

build/arm/fable6c-arm64: ARM_CC = $(ARM64_CC)
build/arm/fable6c-armv6: ARM_CC = $(ARMV6_CC) -marm -march=armv6 -mfpu=vfp -mfloat-abi=softfp
$(ARM): $(AOT_NEEDS) $(HOST)/system_posix.c
	@command -v $(firstword $(ARM_CC)) >/dev/null || \
	  { echo 'a compiler for ARM is missing; on Debian or Ubuntu: apt install gcc-aarch64-linux-gnu gcc-arm-linux-gnueabi' >&2; exit 1; }
	@mkdir -p build/arm
	$(ARM_CC) -O2 $(AOT_FLAGS) -ffunction-sections -Wl,--gc-sections -static -s -o $@ $(POSIX)

arm: $(ARM)

# The tests of these run where they can be built.
test: $(COMPILED) $(if $(wildcard $(MUSL_LIB)/libc.a),$(LEGACY_INTERPRETED) $(LEGACY_COMPILED) build/legacy/init) \
  $(if $(shell command -v $(WINDOWS_CC)),$(WINDOWS)) \
  $(if $(and $(shell command -v $(ARM64_CC)),$(shell command -v $(ARMV6_CC))),$(ARM))
