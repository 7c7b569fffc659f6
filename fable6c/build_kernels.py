"""Builds the extension modules from the C sources (setup.py names one object for each through cffi_modules).

_kernels.h is the only declaration of the C functions: cffi reads it here and the C files include it. The same sources are
compiled once for each instruction set, into fable6c._lib (what every machine of the platform has) and, on x86-64, into
fable6c._lib_avx2, _lib_avx512 and _lib_avx512bf16; fable6c/kernels.py loads the best one that the CPU can run, so one wheel
serves all machines. The scout, a predictor of its own, is fable6c._lib_scout and _lib_scout_avx2, from _scout.c and _scout.h.

fable6c._lib_wasm3 is the wasm3 interpreter, which runs the engine (fable6c/engine.py). Its sources are not in this repository:
setup.py fetches the pinned archive before it builds.
"""

import os
import sys
from typing import Sequence

import cffi

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = ["fable6c/_kernels.c", "fable6c/_bpe.c", "fable6c/_text.c"]

AVX2 = ["-mavx2", "-mfma"]
AVX512 = AVX2 + [f"-mavx512{part}" for part in ("f", "bw", "vl", "dq", "vnni")] + ["-mprefer-vector-width=512"]

# -ffp-contract=off: the inference path must round after every operation (docs/numerics.md); fused multiply-add is used only
# where a kernel asks for it by name.
COMPILE_ARGS = ["-O3", "-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"]
# As for the native program (Makefile): the core's warnings are not ours to mend, and it counts on signed numbers that wrap around
# and on memory seen as several types.
WASM3_ARGS = ["-O3", "-w", "-fwrapv", "-fno-strict-aliasing"]
WASM3_FOLDER = "build/wasm3"  # where asengine/host/fetch_wasm3.py puts the core
WASM3_FILES = ["bind", "code", "compile", "core", "emit", "env", "exec", "function", "info", "module", "parse"]
OPENMP = [] if sys.platform == "darwin" else ["-fopenmp"]


def _builder(module: str, header: str = "_kernels.h", sources: Sequence[str] = SOURCES, flags: Sequence[str] = ()) -> cffi.FFI:
    builder = cffi.FFI()
    with open(os.path.join(HERE, header), encoding="ascii") as file:
        builder.cdef(file.read())
    builder.set_source(
        f"fable6c.{module}",
        f'#include "{header}"',
        sources=list(sources),
        include_dirs=["fable6c"],
        extra_compile_args=COMPILE_ARGS + list(flags) + OPENMP,
        extra_link_args=OPENMP + ["-lm"],
    )
    return builder


baseline = _builder("_lib")
avx2 = _builder("_lib_avx2", flags=AVX2)
avx512 = _builder("_lib_avx512", flags=AVX512)
avx512bf16 = _builder("_lib_avx512bf16", flags=AVX512 + ["-mavx512bf16"])
# The scout's sums have one order whatever the registers' width: both modules give the same bits.
scout = _builder("_lib_scout", "_scout.h", ["fable6c/_scout.c"])
scout_avx2 = _builder("_lib_scout_avx2", "_scout.h", ["fable6c/_scout.c"], ["-mavx2"])


wasm3 = cffi.FFI()
with open(os.path.join(HERE, "_wasm3.h"), encoding="ascii") as file:
    wasm3.cdef(file.read())
wasm3.set_source(
    "fable6c._lib_wasm3",
    '#include "wasm3.h"',
    sources=[f"{WASM3_FOLDER}/m3_{name}.c" for name in WASM3_FILES],
    include_dirs=[WASM3_FOLDER],
    extra_compile_args=WASM3_ARGS,
    extra_link_args=["-lm"],
)
