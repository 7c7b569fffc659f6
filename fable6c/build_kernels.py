"""Builds the extension modules from the C sources (setup.py names one object for each through cffi_modules).

Each library is `_NAME.c` with its header `_NAME.h`, the only declaration: cffi reads it here, C includes it, and fable6c/native.py
checks calls against it. It becomes fable6c._lib_NAME, and where wider registers pay also fable6c._lib_NAME_avx2 and so on, from the same
source with other options; native.py loads the best one that the CPU can run, so one wheel serves all machines.

fable6c._lib_wasm3 is the wasm3 interpreter, which runs the engine (fable6c/engine.py). Its sources are not in this repository:
setup.py fetches the pinned archive before it builds.
"""

import glob
import os
import sys
import zlib
from collections.abc import Sequence
from typing import Any

import cffi

HERE = os.path.dirname(os.path.abspath(__file__))

# Windows aligns the stack to 16 bytes. gcc saves registers of 32 and 64 there as if it were aligned for them (its bug 54412); the
# assembler can be told to move them without that claim.
AVX2 = ["-mavx2", "-mfma"] + (["-Wa,-muse-unaligned-vector-move"] if sys.platform == "win32" else [])
AVX512 = AVX2 + [f"-mavx512{part}" for part in ("f", "bw", "vl", "dq", "vnni")] + ["-mprefer-vector-width=512"]

# What 64-bit ARM may have beyond NEON: the dot product of bytes, and products of matrices of them. A Mac may compile for x86 as well.
DOTPROD = ["-Xarch_arm64"] * (sys.platform == "darwin") + ["-march=armv8.2-a+dotprod"]
I8MM = DOTPROD[:-1] + ["-march=armv8.2-a+dotprod+i8mm"]

# -ffp-contract=off: the inference path must round after every operation (docs/numerics.md); fused multiply-add is used only
# where a kernel asks for it by name.
# -g0: Python's own options may ask for what a debugger needs, which is a fifth of the compiler's time and most of the file.
COMPILE_ARGS = ["-O3", "-g0", "-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"]
# As for the native program (Makefile): the core's warnings are not ours to mend, and it counts on signed numbers that wrap around
# and on memory seen as several types.
WASM3_ARGS = ["-O3", "-g0", "-w", "-fwrapv", "-fno-strict-aliasing"]
WASM3_FOLDER = "build/wasm3"  # where asengine/host/fetch_wasm3.py puts the core
WASM3_FILES = ["bind", "code", "compile", "core", "emit", "env", "exec", "function", "info", "module", "parse"]
OPENMP = [] if sys.platform == "darwin" else ["-fopenmp"]


def _extension(library: str, isa: str, header: str, **options: Any) -> cffi.FFI:
    """fable6c._lib_LIBRARY_ISA of what _LIBRARY.h declares, from sources that include `header`. It knows its declarations, HEADER_CRC, because
    native.py checks calls against them."""
    with open(os.path.join(HERE, f"_{library}.h"), encoding="ascii") as file:
        declarations = file.read()
    crc = f"#define HEADER_CRC {zlib.crc32(declarations.encode())}"
    builder = cffi.FFI()
    builder.cdef(f"{declarations}\n{crc}")
    builder.set_source(f"fable6c._lib_{library}{isa}", f'#include "{header}"\n{crc}', depends=sorted(glob.glob(f"{HERE}/_*.h")), **options)
    return builder


SOURCES = {"scout": ["scout", "scout_setup", "scout_ask", "scout_text", "bpe"]}  # of a library that has more than one


def _builder(library: str, isa: str = "", flags: Sequence[str] = ()) -> cffi.FFI:
    return _extension(
        library,
        isa,
        f"_{library}.h",
        sources=[f"fable6c/_{source}.c" for source in SOURCES.get(library, [library])],
        include_dirs=["fable6c"],
        extra_compile_args=COMPILE_ARGS + list(flags) + OPENMP,
        extra_link_args=OPENMP + ["-lm"],
    )


cpu = _builder("cpu")
bpe = _builder("bpe")
text = _builder("text")
codec = _builder("codec")
kernels = _builder("kernels")
kernels_avx2 = _builder("kernels", "_avx2", AVX2)
kernels_avxvnni = _builder("kernels", "_avxvnni", AVX2 + ["-mavxvnni"])
kernels_avx512 = _builder("kernels", "_avx512", AVX512)
kernels_avx512bf16 = _builder("kernels", "_avx512bf16", AVX512 + ["-mavx512bf16"])
kernels_amx = _builder("kernels", "_amx", AVX512 + ["-mavx512bf16", "-mamx-tile", "-mamx-int8"])
kernels_dotprod = _builder("kernels", "_dotprod", DOTPROD)
kernels_i8mm = _builder("kernels", "_i8mm", I8MM)
# The scout's sums have one order whatever the registers' width: both modules give the same bits.
scout = _builder("scout")
scout_avx2 = _builder("scout", "_avx2", ["-mavx2"])

wasm3 = _extension(
    "wasm3",
    "",
    "wasm3.h",
    sources=[f"{WASM3_FOLDER}/m3_{name}.c" for name in WASM3_FILES],
    include_dirs=[WASM3_FOLDER],
    extra_compile_args=WASM3_ARGS,
    extra_link_args=["-lm"],
)
