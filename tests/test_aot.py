"""The programs that are compiled ahead of time: the same bits, whatever wasm2c, processor and byte order; the operations; speed.

tests/test_native.py and tests/test_legacy.py run with them too. Skipped where `make aot`, `make legacy AOT=1` or `make arm` has
not built them.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import make_golden
from programs import EXPECTED, MODEL, rejected

ROOT = pathlib.Path(__file__).parent.parent
HOST = ROOT / "asengine" / "host"
COMMAND = ROOT / "asengine" / "build" / "fable6c-wasi.wasm"
NATIVE, AOT = ROOT / "build" / "fable6c", ROOT / "build" / "fable6c-aot"
LEGACY, LEGACY_AOT = ROOT / "build" / "legacy" / "fable6c", ROOT / "build" / "legacy" / "fable6c-aot"
ARM64, ARMV6 = ROOT / "build" / "arm" / "fable6c-arm64", ROOT / "build" / "arm" / "fable6c-armv6"
FLAGS = ["-O2", "-std=gnu11", "-w", f"-I{HOST}", "-fexcess-precision=standard", "-ffp-contract=off", "-fno-math-errno"]
SYSTEM = [str(HOST / "wasi.c"), str(HOST / "system_posix.c")]

needs_aot = pytest.mark.skipif(not AOT.exists(), reason="build/fable6c-aot is not built: make aot")
needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None or not COMMAND.exists(), reason="needs a C compiler and the engine: make wasm"
)


def run(*command, **options):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, **options)


def selftest(*program, text=None):
    done = run(*program, MODEL, "--selftest", "-p", "-", input=make_golden.TEXT.read_bytes() if text is None else text)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()


# The program


@needs_aot
def test_the_same_bits_as_everywhere():
    assert selftest(AOT)[-1] == f"selftest {EXPECTED['all_digests']}"


@needs_aot
@pytest.mark.slow
def test_all_tests_of_the_native_program():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_native.py"]
    done = run(*command, cwd=ROOT, env={**os.environ, "FABLE6C_PROGRAM": str(AOT)})
    assert done.returncode == 0, done.stdout.decode()
    assert re.search(r"[1-9]\d* passed", done.stdout.decode())


@pytest.mark.parametrize("program", [AOT, LEGACY_AOT], ids=["x86-64", "i586"])
def test_it_is_small(program):
    if not program.exists():
        pytest.skip(f"{program.name} is not built: make aot, make legacy AOT=1")
    assert program.stat().st_size <= 260 * 1024


# However the C code is made


def generate(wasm2c, folder):
    """What native.mk makes of wasm2c's output."""
    folder.mkdir(exist_ok=True)
    subprocess.run([*wasm2c, "-n", "engine", "-o", str(folder / "wasm2c.c"), str(COMMAND)], check=True)
    script = f"""
        sed -f {HOST}/wasm2c.sed wasm2c.h > engine.h
        sed -n '/^static [a-z0-9]* w2c_/,$p' wasm2c.c | sed -f {HOST}/wasm2c.sed > engine.inc
    """
    subprocess.run(["sh", "-c", script], cwd=folder, check=True)
    return folder


def debian():
    if shutil.which("wasm2c") is None:
        pytest.skip("wasm2c is missing; on Debian: apt install wabt")
    return ["wasm2c"]


def npm():
    script = ROOT / "node_modules" / ".bin" / "wasm2c"
    if not script.exists():
        pytest.skip("node_modules/.bin/wasm2c is not there: make wasm")
    return [str(script)]


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("wasm2c", [debian, npm])
def test_the_wasm2c_of_debian_and_of_npm(wasm2c, tmp_path):
    generate(wasm2c(), tmp_path)
    program = tmp_path / "fable6c"
    subprocess.run(["cc", *FLAGS, f"-I{tmp_path}", "-o", str(program), str(HOST / "aot.c"), *SYSTEM], check=True)
    assert selftest(program)[-1] == f"selftest {EXPECTED['all_digests']}"


# wasm2c's output as it is, on wasm2c's own run time: the slow obvious version of aot.c.
PLAIN = r"""
#include "wasm2c.h"
#include "wasi.h"
#ifdef OLD_NAMES /* wabt 1.0.32 */
#define NAME(x) Z_wasi_snapshot_preview1Z_##x
#define WASI struct Z_wasi_snapshot_preview1_instance_t
static Z_engine_instance_t engine;
#define START() (Z_engine_init_module(), Z_engine_instantiate(&engine, 0), Z_engineZ__start(&engine))
#else
#define NAME(x) w2c_wasi__snapshot__preview1_##x
#define WASI struct w2c_wasi__snapshot__preview1
static w2c_engine engine;
#define START() (wasm2c_engine_instantiate(&engine, 0), w2c_engine_0x5Fstart(&engine))
#endif
#define MOVED wasi_memory(engine.w2c_memory.data, (u32)engine.w2c_memory.size)
u32 NAME(args_sizes_get)(WASI *i, u32 a, u32 b) { MOVED; return wasi_args_sizes_get(a, b); }
u32 NAME(args_get)(WASI *i, u32 a, u32 b) { MOVED; return wasi_args_get(a, b); }
u32 NAME(clock_time_get)(WASI *i, u32 a, u64 b, u32 c) { MOVED; return wasi_clock_time_get(a, b, c); }
u32 NAME(fd_prestat_get)(WASI *i, u32 a, u32 b) { MOVED; return wasi_fd_prestat_get(a, b); }
u32 NAME(fd_prestat_dir_name)(WASI *i, u32 a, u32 b, u32 c) { MOVED; return wasi_fd_prestat_dir_name(a, b, c); }
u32 NAME(path_open)(WASI *i, u32 a, u32 b, u32 c, u32 d, u32 e, u64 f, u64 g, u32 h, u32 k)
{ MOVED; return wasi_path_open(a, b, c, d, e, f, g, h, k); }
u32 NAME(fd_fdstat_get)(WASI *i, u32 a, u32 b) { MOVED; return wasi_fd_fdstat_get(a, b); }
u32 NAME(fd_seek)(WASI *i, u32 a, u64 b, u32 c, u32 d) { MOVED; return wasi_fd_seek(a, b, c, d); }
u32 NAME(fd_read)(WASI *i, u32 a, u32 b, u32 c, u32 d) { MOVED; return wasi_fd_read(a, b, c, d); }
u32 NAME(fd_write)(WASI *i, u32 a, u32 b, u32 c, u32 d) { MOVED; return wasi_fd_write(a, b, c, d); }
void NAME(proc_exit)(WASI *i, u32 a) { wasi_proc_exit(a); }
void run_module(void) { wasm_rt_init(); START(); }
"""


@needs_compiler
@pytest.mark.slow
def test_our_run_time_against_that_of_debian(tmp_path):
    generate(debian(), tmp_path)
    shipped = [folder for folder in ("/usr/share/wabt/wasm2c", "/usr/src/wasm2c") if os.path.exists(folder + "/wasm-rt-impl.c")]
    if not shipped:
        pytest.skip("wabt's package has no wasm-rt-impl.c")
    (tmp_path / "plain.c").write_text(PLAIN)
    (tmp_path / "host").mkdir()
    for name in ("wasi.h", "system.h"):  # without our wasm-rt.h, which has the name of theirs
        shutil.copy(HOST / name, tmp_path / "host")
    names = ["-DOLD_NAMES"] if "Z_engine" in (tmp_path / "wasm2c.h").read_text() else []
    sources = [str(tmp_path / "plain.c"), str(tmp_path / "wasm2c.c"), *SYSTEM]
    sources += [str(path) for path in pathlib.Path(shipped[0]).glob("wasm-rt-*.c")]
    program = tmp_path / "plain"
    flags = ["-O1", "-std=gnu11", "-w", "-ffp-contract=off", *names, f"-I{tmp_path}", f"-I{tmp_path / 'host'}", f"-I{shipped[0]}"]
    subprocess.run(["cc", *flags, "-o", str(program), *sources, "-lm"], check=True)
    text = make_golden.TEXT.read_bytes()[:600]
    assert selftest(program, text=text) == selftest(AOT if AOT.exists() else NATIVE, text=text)


# Other processors


def emulated(program):
    command = {ARM64: ["qemu-aarch64"], ARMV6: ["qemu-arm", "-cpu", "arm1176"]}[program]
    if not program.exists():
        pytest.skip(f"build/arm/{program.name} is not built: make arm")
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing; on Debian: apt install qemu-user")
    return [*command, program]


@pytest.mark.parametrize("program", [ARM64, ARMV6], ids=["arm64", "armv6"])
def test_arm(program):
    command = emulated(program)
    assert selftest(*command)[-1] == f"selftest {EXPECTED['all_digests']}"
    done = run(*command, MODEL, "-p", EXPECTED["prompt"], "-n", "200", "-t", "0")
    assert done.stdout.decode() == EXPECTED["prompt"] + EXPECTED["stories"][0]["text"] + "\n"
    assert rejected(run(*command, "missing.f6c"), 1).startswith("missing.f6c: cannot read the model (there is no such file)")


@pytest.mark.parametrize("program, bits, machine", [(ARM64, 2, 183), (ARMV6, 1, 40)], ids=["arm64", "armv6"])
def test_the_arm_programs_are_static(program, bits, machine):
    if not program.exists():
        pytest.skip(f"build/arm/{program.name} is not built: make arm")
    content = program.read_bytes()
    assert content[:6] == b"\x7fELF" + bytes([bits, 1]) and content[0x12] == machine
    assert b"/lib/ld-" not in content and program.stat().st_size < 700 * 1024


@needs_compiler
@pytest.mark.slow
def test_big_endian(tmp_path):
    if shutil.which("s390x-linux-gnu-gcc") is None or shutil.which("qemu-s390x") is None:
        pytest.skip("needs a compiler and an emulator; on Debian: apt install gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user")
    generate(npm(), tmp_path)
    program = tmp_path / "fable6c"
    subprocess.run(
        ["s390x-linux-gnu-gcc", *FLAGS, f"-I{tmp_path}", "-static", "-o", str(program), str(HOST / "aot.c"), *SYSTEM], check=True
    )
    assert selftest("qemu-s390x", program)[-1] == f"selftest {EXPECTED['all_digests']}"


# The operations of aot.c, with a module of our own making: what they are where C has no result, and faults

HEADER = r"""
#include "wasm-rt.h"
typedef uint8_t u8; typedef int8_t s8; typedef uint16_t u16; typedef int16_t s16; typedef uint32_t u32; typedef int32_t s32;
typedef uint64_t u64; typedef int64_t s64; typedef float f32; typedef double f64;
typedef struct { wasm_rt_memory_t w2c_memory; } engine;
"""
BODY = r"""
#include <math.h>
#include <stdio.h>
static void engine_instantiate(engine *instance, void *unused) { wasm_rt_allocate_memory(&instance->w2c_memory, 26, 65536); }
static volatile u32 zero = 0, size = 26 * 65536;
static int same(f32 a, f32 b) { return i32_reinterpret_f32(a) == i32_reinterpret_f32(b); }
#define CHECK(x) do { if (!(x)) { printf("wrong: " #x "\n"); wasi_proc_exit(3); } } while (0)
static void engine_start(engine *instance)
{
    %s
    wasi_proc_exit(0);
}
"""
VALUES = r"""
    static const f32 numbers[] = {0.0f, -0.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 0.49999997f, 1e-40f, 3.3f, -7.7f, 126.5f, 127.5f,
                                  4194303.5f, 4194304.5f, 8388607.5f, 8388608.0f, 16777217.0f, -3e38f, INFINITY, -INFINITY, 1e9f};
    enum { N = sizeof numbers / sizeof *numbers };
    for (int i = 0; i < N; i++) {
        volatile f32 a = numbers[i];
        CHECK(same(wasm_nearbyintf(a), rintf(a)));
        CHECK(same(wasm_fabsf(a), fabsf(a)) && (a < 0 || same(wasm_sqrtf(a), (f32)sqrt((f64)a))));
        CHECK(isnan(FMIN(a, NAN)) && isnan(FMAX(NAN, a)) && isnan(FMIN(NAN, a)) && isnan(FMAX(a, NAN)));
        for (int k = 0; k < N; k++) {
            volatile f32 b = numbers[k];
            if (a != b) CHECK(same(FMIN(a, b), a < b ? a : b) && same(FMAX(a, b), a > b ? a : b));
        }
    }
    CHECK(isnan(wasm_nearbyintf(NAN)) && isnan(wasm_sqrtf(-1.0f)));
    CHECK(same(FMIN(0.0f, -0.0f), -0.0f) && same(FMIN(-0.0f, 0.0f), -0.0f) && same(FMAX(-0.0f, 0.0f), 0.0f) && same(FMAX(0.0f, -0.0f), 0.0f));
    static const f32 parts[] = {0.0f, -0.0f, 1e-40f, 0.99f, -0.99f, 1.0f, -1.5f, 8388607.5f, -8388609.0f, 33554433.0f, -1073741825.0f, 2147483520.0f};
    for (int i = 0; i < (int)(sizeof parts / sizeof *parts); i++) { volatile f32 a = parts[i]; CHECK(I32_TRUNC_S_F32(a) == (u32)(s32)(s64)a); }
    CHECK(I32_TRUNC_S_F32(-2.9f) == (u32)-2 && I32_TRUNC_S_F32(-2147483648.0f) == 0x80000000u && I32_TRUNC_S_F32(2147483520.0f) == 2147483520u);
    volatile u32 n = 0, m = 33; volatile u64 w = 0;
    CHECK(I32_CLZ(n) == 32 && I64_CLZ(w) == 64 && I32_CTZ(n) == 32 && I64_CTZ(w) == 64);
    n = 0x80000001u; w = 0x8000000000000001u;
    CHECK(I32_ROTL(n, zero) == n && I32_ROTL(n, m) == 3 && I64_ROTL(w, zero) == w && I64_ROTL(w, (u64)65) == 3 && I32_POPCNT(n) == 2);
    i64_store(1000, 3, 0x1122334455667788u);
    CHECK(i32_load8_u(1000, 3) == 0x88 && i32_load16_u(1000, 3) == 0x7788 && i64_load32_u(1003, 0) == 0x55667788u);
    i32_store16(2000, 0, 0x18001);
    CHECK(i32_load16_s(2000, 0) == 0xffff8001u && i64_load16_s(2000, 0) == 0xffffffffffff8001u && i32_load(2000, 0) == 0x8001);
    CHECK(i64_load(1000, 3) == 0x1122334455667788u && i32_load(1003, 4) == 0x11223344 && i32_load8_s(1003, 0) == 0xffffff88u);
    CHECK(wasm_rt_grow_memory(0, 0) == 26 && wasm_rt_grow_memory(0, 2) == 26 && instance->w2c_memory.pages == 28);
    CHECK(i64_load(1000, 3) == 0x1122334455667788u && i32_load(27 * 65536, 65532) == 0);
    CHECK(wasm_rt_grow_memory(0, 70000) == UINT32_MAX && memory_size == 28 * 65536);
"""
FAULTS = {
    "far out": ("i32_load(zero - 1, 0);", "out of bounds memory access"),
    "at the end": ("i32_store8(size, 0, 1);", "out of bounds memory access"),
    "by the offset": ("i64_store(size - 8, 1, 1);", "out of bounds memory access"),
    "by a large offset": ("i32_load(zero, 0x7fffffff);", "out of bounds memory access"),
    "that wraps": ("i32_load(zero - 16, 32);", "out of bounds memory access"),
    "division": ("i32_store(0, 0, DIV_U(5u, zero));", "integer divide by zero"),
    "remainder": ("i32_store(0, 0, REM_U(5u, zero));", "integer divide by zero"),
    "too large": ("i32_store(0, 0, I32_TRUNC_S_F32(2147483648.0f));", "integer overflow"),
    "no number": ("i32_store(0, 0, I32_TRUNC_S_F32(NAN));", "invalid conversion to integer"),
    "unreachable": ("UNREACHABLE;", "unreachable executed"),
}


def program_of(statements, folder, *flags, compiler="cc"):
    if shutil.which(compiler) is None:
        pytest.skip("needs a C compiler")
    (folder / "engine.h").write_text(HEADER)
    (folder / "engine.inc").write_text(BODY % statements)
    program = folder / "operations"
    subprocess.run([compiler, *FLAGS, *flags, f"-I{folder}", "-o", str(program), str(HOST / "aot.c"), *SYSTEM, "-lm"], check=True)
    return program


@pytest.mark.parametrize("flags", [[], ["-O0"]], ids=["O2", "O0"])
def test_operations(flags, tmp_path):
    done = run(program_of(VALUES, tmp_path, *flags))
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize("cpu", ["arm64", "armv6", "s390x"])
def test_operations_of_other_processors(cpu, tmp_path):
    """As far as their compilers and emulators are here."""
    compiler, emulator, *flags = {
        "arm64": ["aarch64-linux-gnu-gcc", "qemu-aarch64"],
        "armv6": ["arm-linux-gnueabi-gcc", "qemu-arm", "-marm", "-march=armv6", "-mfpu=vfp", "-mfloat-abi=softfp"],
        "s390x": ["s390x-linux-gnu-gcc", "qemu-s390x"],
    }[cpu]
    if shutil.which(compiler) is None or shutil.which(emulator) is None:
        pytest.skip(f"needs {compiler} and {emulator}; on Debian: apt install gcc-{compiler[:-4]} qemu-user")
    done = run(emulator, program_of(VALUES, tmp_path, *flags, "-static", compiler=compiler))
    assert (done.returncode, done.stdout) == (0, b"")


def test_truncation_without_sse(tmp_path):
    """The i586 program's own way, in a program for this processor: it is plain C."""
    if os.uname().machine != "x86_64":
        pytest.skip("needs x86-64")
    done = run(program_of(VALUES, tmp_path, "-D__i386__", "-U__SSE__", "-mfpmath=387"))
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line(fault, tmp_path):
    statements, message = FAULTS[fault]
    assert rejected(run(program_of(statements, tmp_path)), 1) == "engine trap: " + message


def test_the_first_pages_are_what_aot_c_was_built_for():
    pages = int(re.search(r'"initialMemory": (\d+)', (ROOT / "asengine" / "asconfig.json").read_text()).group(1))
    assert int(re.search(r"FIRST_PAGES = (\d+)", (HOST / "aot.c").read_text()).group(1)) == pages


# Speed, in instructions, which no other process disturbs


def instructions_for_a_token(program):
    counts = []
    for tokens in (20, 60):
        done = run(
            "valgrind",
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            program,
            ROOT / "release" / "small.f6c",
            "-p",
            "Once upon a time",
            "-s",
            "2",
            "-n",
            tokens,
        )
        counts.append(int(re.search(rb"Collected : (\d+)", done.stderr).group(1)))
    return (counts[1] - counts[0]) / 40


@pytest.mark.slow
@pytest.mark.parametrize("compiled, interpreted, times", [(AOT, NATIVE, 5), (LEGACY_AOT, LEGACY, 3.5)], ids=["x86-64", "i586"])
def test_it_takes_a_fraction_of_the_instructions(compiled, interpreted, times):
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is missing; on Debian: apt install valgrind")
    if not (compiled.exists() and interpreted.exists()):
        pytest.skip(f"{compiled.name} is not built: make native aot, make legacy, make legacy AOT=1")
    assert instructions_for_a_token(interpreted) > times * instructions_for_a_token(compiled)
