"""Builds the extension modules from the C sources (setup.py names one object for each through cffi_modules).

_kernels.h is the only declaration of the C functions: cffi reads it here and the C files include it. The same sources are
compiled once for each instruction set, into fable6c._lib (what every machine of the platform has) and, on x86-64, into
fable6c._lib_avx2, _lib_avx512 and _lib_avx512bf16; fable6c/kernels.py loads the best one that the CPU can run, so one wheel
serves all machines.
"""

import os
import sys

import cffi

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = ["fable6c/_kernels.c", "fable6c/_bpe.c", "fable6c/_text.c"]

AVX2 = ["-mavx2", "-mfma"]
AVX512 = AVX2 + [f"-mavx512{part}" for part in ("f", "bw", "vl", "dq", "vnni")] + ["-mprefer-vector-width=512"]
INSTRUCTION_SETS = {
    "_lib": [],
    "_lib_avx2": AVX2,
    "_lib_avx512": AVX512,
    "_lib_avx512bf16": AVX512 + ["-mavx512bf16"],
}

# -ffp-contract=off: the inference path must round after every operation (docs/numerics.md); fused multiply-add is used only
# where a kernel asks for it by name.
COMPILE_ARGS = ["-O3", "-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"]
OPENMP = [] if sys.platform == "darwin" else ["-fopenmp"]


def _builder(module: str) -> cffi.FFI:
    builder = cffi.FFI()
    with open(os.path.join(HERE, "_kernels.h"), encoding="ascii") as header:
        builder.cdef(header.read())
    builder.set_source(
        f"fable6c.{module}",
        '#include "_kernels.h"',
        sources=SOURCES,
        include_dirs=["fable6c"],
        extra_compile_args=COMPILE_ARGS + INSTRUCTION_SETS[module] + OPENMP,
        extra_link_args=OPENMP + ["-lm"],
    )
    return builder


baseline = _builder("_lib")
avx2 = _builder("_lib_avx2")
avx512 = _builder("_lib_avx512")
avx512bf16 = _builder("_lib_avx512bf16")
