"""Builds the extension module fable6c._lib from the C sources (called by setup.py through cffi_modules).

_kernels.h is the only declaration of the C functions: cffi reads it here and the C files include it.
"""

import os
import sys

import cffi

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = ["fable6c/_kernels.c", "fable6c/_bpe.c"]

# -ffp-contract=off: the inference path must round after every operation (docs/numerics.md); fused multiply-add is used only
# where a kernel asks for it by name.
COMPILE_ARGS = ["-O3", "-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra"]
OPENMP = [] if sys.platform == "darwin" else ["-fopenmp"]

ffibuilder = cffi.FFI()
with open(os.path.join(HERE, "_kernels.h"), encoding="ascii") as header:
    ffibuilder.cdef(header.read())
ffibuilder.set_source(
    "fable6c._lib",
    '#include "_kernels.h"',
    sources=SOURCES,
    include_dirs=["fable6c"],
    extra_compile_args=COMPILE_ARGS + OPENMP,
    extra_link_args=OPENMP,
)
