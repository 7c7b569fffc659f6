"""The C kernels as Python functions: checked arguments in, C loops inside.

The first call chooses the instruction set, `kernels.ISA`: the best that this CPU has, or the one that the environment variable FABLE6C_ISA names.
`kernels.rmsnorm_forward(out, rstd, inp, gain)` checks every array (dtype, shape, contiguity) against the declaration in _kernels.h,
takes the sizes from the shapes and calls C. `bind("rmsnorm_forward", ...)` checks once and returns the
call for a training loop that uses the same arrays in every step. native.py does it.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fable6c import headers, native
from fable6c.native import INSTRUCTION_SETS as INSTRUCTION_SETS

LINE = 64  # bytes of a cache line


def _lib() -> Any:
    return native.load("kernels").lib


def set_threads(wanted: int) -> int:
    """Let the kernels use `wanted` threads; returns how many there are (1 in a build without OpenMP, and after a fork: native.py)."""
    return int(_lib().set_threads(native.max_threads("kernels", wanted)))


def linear_scratch_floats(tokens: int, outputs: int, inputs: int) -> int:
    """How long the scratch array of `linear_backward_input` and `linear_backward_weight` of these sizes must be."""
    return int(_lib().linear_scratch(tokens, outputs, inputs))


def threads() -> int:
    """How many threads the kernels may use."""
    return int(_lib().threads())


def muon_scratch_floats(outputs: int, inputs: int) -> int:
    """How long a row (Z) of the scratch array of `muon_update` must be for a matrix (outputs, inputs)."""
    return int(_lib().muon_scratch(outputs, inputs))


def block_scratch_floats(inputs: int, hidden: int) -> int:
    """How long the scratch array (Z) of the structs `layer` and `glu_block` must be for the threads that are set."""
    return int(_lib().block_scratch(inputs, hidden))


def block_chunks(tokens: int) -> int:
    """How many rows `parts` of `layer_backward` and `glu_block_backward` has for so many tokens."""
    return int(_lib().block_chunks(tokens))


def zeros(size: int, dtype: type = np.float32) -> np.ndarray:
    """`size` zeros from the start of a cache line on: a vector that lies in two lines takes two loads."""
    block = np.zeros(size * np.dtype(dtype).itemsize + LINE, np.uint8)
    start = -block.ctypes.data % LINE
    return block[start : len(block) - LINE + start].view(dtype)


def linear_scratch(tokens: int, outputs: int, inputs: int) -> np.ndarray:
    """A scratch array for `linear_backward_input` and `linear_backward_weight`."""
    return zeros(linear_scratch_floats(tokens, outputs, inputs))


def muon_scratch(shapes: Sequence[tuple[int, int]]) -> np.ndarray:
    """A scratch array for `muon_update` of matrices of these shapes, with a row for each of the threads that are set."""
    floats = max(muon_scratch_floats(*shape) for shape in shapes)
    return zeros(threads() * floats).reshape(threads(), floats)


def struct(kind: str, **fields: Any) -> Any:
    """A struct of _kernels.h for `bind`, its arrays checked; the sizes are those of the arrays."""
    return native.load("kernels").struct(kind, **fields)


def bind(function: str, *values: Any) -> native.Call:
    """Check `values` against the declaration of `function` and return the call that runs it on them, any number of times.

    Raises TypeError or ValueError that names the argument.
    """
    return native.load("kernels").bind(function, *values)


def __getattr__(name: str) -> Any:
    """`kernels.NAME(*arguments)` checks and calls at once; `kernels.ISA` is the instruction set."""
    if name == "ISA":
        return native.load("kernels").isa
    if name in headers.declarations("kernels").functions:
        return functools.partial(native.load("kernels").call, name)
    raise AttributeError(f"module 'fable6c.kernels' has no attribute '{name}'")
