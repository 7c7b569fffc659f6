"""The C kernels as Python functions: checked arguments in, C loops inside.

The first call chooses the instruction set, `kernels.ISA`: the best that this CPU has, or the one that the environment variable FABLE6C_ISA names.
`kernels.rmsnorm_forward(out, rstd, inp, gain)` checks every array (dtype, shape, contiguity) against the signature
below, derives the sizes from the shapes and calls C. `bind("rmsnorm_forward", ...)` checks once and returns the
call for a training loop that uses the same arrays in every step.
"""

import functools
import importlib
import os
from typing import Callable, List, Sequence, Tuple

import numpy as np

from fable6c.errors import UsageError, UserError

# From best to worst: the names that FABLE6C_ISA takes, and the modules of build_kernels.py.
INSTRUCTION_SETS = {
    "avx512bf16": "_lib_avx512bf16",
    "avx512": "_lib_avx512",
    "avx2": "_lib_avx2",
    "baseline": "_lib",
}

# name: arguments in C's order. `dtype(shape)`: a letter is a size, 3C a multiple, C~4 a size rounded up, 2 itself; `?` may be None;
# a bare dtype is a scalar. Sizes follow in C's order after "|". Legend of the letters: _kernels.c.
SIGNATURES = {
    "embedding_forward": "out:f32(N,C) tokens:i32(N) weight:i8(V,C) scale:f32(V) | N C V",
    "embedding_backward": "dlatent:f32(V,C) dout:f32(N,C) tokens:i32(N) | V C N",
    "rmsnorm_forward": "out:f32(N,C) rstd:f32(N) inp:f32(N,C) gain:f32(C) | N C",
    "rmsnorm_backward": "dinp:f32(N,C) dgain:f32(C) dout:f32(N,C) inp:f32(N,C) rstd:f32(N) gain:f32(C) | N C",
    "quantize_forward": "q:i8(N,C~4) s:f32(N) inp:f32(N,C) | N C",
    "quantize_backward": "q:i8(N,C~4) s:f32(N) dout:f32(N,C) draw:u32(D) | N C D",
    "discretize_forward": "weight:i8(O,C) scale:f32(S) latent:f32(O,C) levels:float share:float | O C S",
    "linear_pack": "packed:i8(O~32,C~4) weight:i8(O,C) | O C",
    "linear_pack_turned": "packed:i8(C~32,O~4) weight:i8(O,C) | O C",
    "linear_pack_gradient": "packed:f32(O,C~32) weight:i8(O,C) | O C",
    "linear_forward": "out:f32(N,O) residual:f32(N,O)? q:i8(N,P) s:f32(N) packed:i8(O~32,P) scale:f32(S) | N O P S",
    "linear_forward_naive": "out:f32(N,O) residual:f32(N,O)? q:i8(N,C~4) s:f32(N) weight:i8(O,C) scale:f32(S) | N O C S",
    "linear_backward_input": "dinp:f32(N,C) dout:f32(N,O) packed:f32(O,C~32) scale:f32(S) scratch:f32(Z) | N C O S Z",
    "linear_backward_input_naive": "dinp:f32(N,C) dout:f32(N,O) weight:i8(O,C) scale:f32(S) | N C O S",
    "linear_backward_weight": "dlatent:f32(O,C) dout:f32(N,O) q:i8(N,C~4) s:f32(N) scratch:f32(Z) | N C O Z",
    "linear_backward_weight_naive": "dlatent:f32(O,C) dout:f32(N,O) q:i8(N,C~4) s:f32(N) | N C O",
    "linear_backward_weight_int8": "dlatent:f32(O,C) dq:i8(N,O~4) ds:f32(N) q:i8(N,C~4) s:f32(N) draw:u32(D) scratch:f32(Z) "
    "| N C O D Z",
    "linear_backward_weight_int8_naive": "dlatent:f32(O,C) dq:i8(N,O~4) ds:f32(N) q:i8(N,C~4) s:f32(N) draw:u32(D) | N C O D",
    "conv_forward": "out:f32(B,T,C) inp:f32(B,T,3C) weight:f32(C,K) | B T C K",
    "conv_backward": "dinp:f32(B,T,3C) dweight:f32(C,K) dout:f32(B,T,C) inp:f32(B,T,3C) weight:f32(C,K) | B T C K",
    "scan_forward": "out:f32(B,T,C) h:f32(B,T,C) u:f32(B,T,3C) inp:f32(B,T,C) bias:f32(C) | B T C",
    "scan_backward": "dinp:f32(B,T,C) du:f32(B,T,3C) dbias:f32(C) dout:f32(B,T,C) h:f32(B,T,C) u:f32(B,T,3C) "
    "inp:f32(B,T,C) | B T C",
    "glu_forward": "out:f32(N,H) inp:f32(N,2H) | N H",
    "glu_backward": "dinp:f32(N,2H) dout:f32(N,H) inp:f32(N,2H) | N H",
    "dropout": "x:f32(M) draw:u32(D) | M D",
    "layer_forward": "out:f32(N,O) residual:f32(N,O)? q:i8(N,C~4) s:f32(N) rstd:f32(N)? inp:f32(N,C) gain:f32(C)? packed:i8(O~32,C~4) "
    "scale:f32(S) scratch:f32(Z) | N O C S Z",
    "layer_backward": "dinp:f32(N,C) dgain:f32(C)? dq:i8(N,O~4) ds:f32(N) dout:f32(N,O) inp:f32(N,C)? rstd:f32(N)? gain:f32(C)? "
    "turned:i8(C~32,O~4) scale:f32(S) draw:u32(D) scratch:f32(Z) parts:f32(M,C) | N O C S D Z M",
    "glu_block_forward": "out:f32(N,C) u:f32(N,2H) rstd:f32(N) q:i8(N,C~4) s:f32(N) pq:i8(N,H~4) ps:f32(N) inp:f32(N,C) gain:f32(C) "
    "packed_in:i8(2H~32,C~4) scale_in:f32(S) packed_out:i8(C~32,H~4) scale_out:f32(S) draw:u32(D) scratch:f32(Z) | N C H S D Z",
    "glu_block_backward": "dx:f32(N,C) dgain:f32(C) dq_out:i8(N,C~4) ds_out:f32(N) dq_in:i8(N,2H~4) ds_in:f32(N) u:f32(N,2H) "
    "inp:f32(N,C) rstd:f32(N) gain:f32(C) turned_out:i8(H~32,C~4) scale_out:f32(S) turned_in:i8(C~32,2H~4) scale_in:f32(S) "
    "draw_out:u32(D) draw_in:u32(D) draw:u32(D) scratch:f32(Z) parts:f32(M,C) | N C H S D Z M",
    "copy_forward": "odds:f32(B,T,2) power:f32(B,T,T) scratch:f32(B,2,T~16,K~16) u:f32(B,T,2K) rival:f32(K) bias:f32(1) tokens:i32(B,T) "
    "targets:i32(B,T) | B T K",
    "copy_backward": "du:f32(B,T,2K) drival:f32(K) dbias:f32(1) power:f32(B,T,T) dodds:f32(B,T,2) scratch:f32(B,2,T~16,K~16) u:f32(B,T,2K) "
    "rival:f32(K) tokens:i32(B,T) targets:i32(B,T) | B T K",
    "crossentropy_sparse": "loss:f32(N) entry:i32(N,E) value:f32(N,E) count:i32(N) logits:f32(N,V) targets:i32(N) odds:f32(N,2)? draw:u32(D) "
    "dloss:float | N E V D",
    "head_backward_sparse": "dinp:f32(N,C) dlatent:f32(V,C) first:i32(V) next:i32(N,E) entry:i32(N,E) value:f32(N,E) count:i32(N) q:i8(N,C~4) s:f32(N) "
    "weight:i8(V,C) scale:f32(V) | N C E V",
    "crossentropy": "loss:f32(N) logits:f32(N,V) targets:i32(N) odds:f32(N,2)? dloss:float | N V",
    "sum_of_squares": "values:f32(M) | M",
    "adamw_update": "param:f32(M) m:f32(M) v:f32(M) grad:f32(M) rate:float beta1:float beta2:float eps:float "
    "decay:float correction1:float correction2:float grad_scale:float | M",
    "muon_update": "param:f32(M) momentum:f32(M) grad:f32(M) matrices:i32(W) scratch:f32(R,Z) rate:float beta:float decay:float "
    "grad_scale:float | M W R Z",
}

LINE = 64  # bytes of a cache line
DTYPES = {"f32": np.dtype(np.float32), "i32": np.dtype(np.int32), "u32": np.dtype(np.uint32), "i8": np.dtype(np.int8)}
POINTERS = {"f32": "float[]", "i32": "int32_t[]", "u32": "uint32_t[]", "i8": "int8_t[]"}


# OpenMP's threads wait for each other by spinning. On a machine whose cores are shared, a long spin burns the very core that
# the awaited thread needs (measured: a 0.6 ms product took 12 ms beside another busy process); 1,000 rounds are some
# microseconds. It is read when the extension is loaded, so it is set before.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


try:
    baseline = importlib.import_module("fable6c._lib")
except ImportError as error:
    raise UserError(
        f"the C extension is not built ({error}); run `pip install .` in the project's folder, with a C compiler installed"
    ) from None


@functools.lru_cache(maxsize=None)
def _load():
    """The extension module for the instruction set, and its name. Not at import, where a wrong FABLE6C_ISA would be no line but a traceback."""
    wanted = os.environ.get("FABLE6C_ISA", "")
    if wanted and wanted not in INSTRUCTION_SETS:
        raise UsageError(f"FABLE6C_ISA={wanted}: unknown instruction set; use one of {', '.join(INSTRUCTION_SETS)}")
    for name, module in INSTRUCTION_SETS.items():
        if name == (wanted or name) and baseline.lib.cpu_supports(name.encode()):
            return importlib.import_module(f"fable6c.{module}"), name
    raise UserError(f"FABLE6C_ISA={wanted}: this CPU does not have it; unset the variable or use FABLE6C_ISA=baseline")


def _lib():
    return _load()[0].lib


def set_threads(wanted: int) -> int:
    """Let the kernels use `wanted` threads; returns how many there are (1 in a build without OpenMP)."""
    return _lib().set_threads(wanted)


def linear_scratch_floats(tokens: int, outputs: int, inputs: int) -> int:
    """How long the scratch array (Z) of `linear_backward_input` and `linear_backward_weight` of these sizes must be."""
    return _lib().linear_scratch(tokens, outputs, inputs)


def threads() -> int:
    """How many threads the kernels may use."""
    return _lib().threads()


def muon_scratch_floats(outputs: int, inputs: int) -> int:
    """How long a row (Z) of the scratch array of `muon_update` must be for a matrix (outputs, inputs)."""
    return _lib().muon_scratch(outputs, inputs)


def block_scratch_floats(inputs: int, hidden: int) -> int:
    """How long the scratch array (Z) of `glu_block_forward` and `glu_block_backward` must be for the threads that are set."""
    return _lib().block_scratch(inputs, hidden)


def block_chunks(tokens: int) -> int:
    """How many parts (M) `glu_block_backward` needs for so many tokens."""
    return _lib().block_chunks(tokens)


def zeros(size: int, dtype: type = np.float32) -> np.ndarray:
    """`size` zeros from the start of a cache line on: a vector that lies in two lines takes two loads."""
    block = np.zeros(size * np.dtype(dtype).itemsize + LINE, np.uint8)
    start = -block.ctypes.data % LINE
    return block[start : len(block) - LINE + start].view(dtype)


def linear_scratch(tokens: int, outputs: int, inputs: int) -> np.ndarray:
    """A scratch array for `linear_backward_input` and `linear_backward_weight`."""
    return zeros(linear_scratch_floats(tokens, outputs, inputs))


def muon_scratch(shapes: Sequence[Tuple[int, int]]) -> np.ndarray:
    """A scratch array for `muon_update` of matrices of these shapes, with a row for each of the threads that are set."""
    floats = max(muon_scratch_floats(*shape) for shape in shapes)
    return zeros(threads() * floats).reshape(threads(), floats)


class _Argument:
    """One parsed argument of a signature."""

    def __init__(self, text: str):
        self.name, kind = text.split(":")
        self.optional = kind.endswith("?")
        self.dtype, _, shape = kind.rstrip("?").rstrip(")").partition("(")
        self.sizes: List[str] = shape.split(",") if shape else []


@functools.lru_cache(maxsize=None)
def _signature(function: str):
    arguments, _, sizes = SIGNATURES[function].partition("|")
    return [_Argument(text) for text in arguments.split()], sizes.split()


def _size(text: str, known: dict) -> int:
    """The value of a size expression: C, 3C, C~4 (rounded up to a multiple of 4) or 2."""
    if text.isdigit():
        return int(text)
    name, _, multiple = text.partition("~")
    value = int(name[:-1] or 1) * known[name[-1]]
    return -(-value // int(multiple)) * int(multiple) if multiple else value


def bind(function: str, *values) -> Callable[[], object]:
    """Check `values` against the signature of `function` and return the call that runs it on them, any number of times.

    Raises TypeError or ValueError that names the argument. The arrays must stay alive as long as the call is used: it
    keeps them.
    """
    arguments, sizes = _signature(function)
    if len(values) != len(arguments):
        raise TypeError(f"{function}: expected {len(arguments)} arguments, got {len(values)}")
    known: dict = {}
    for plain in (True, False):  # the first plain letter for each size fixes it; where there is none, the first multiple
        for argument, value in zip(arguments, values):
            if argument.sizes and value is not None and getattr(value, "ndim", None) == len(argument.sizes):
                for size, extent in zip(argument.sizes, value.shape):
                    if not size.isdigit() and "~" not in size and (len(size) == 1) == plain:
                        known.setdefault(size[-1], extent // int(size[:-1] or 1))
    passed: list = []
    module, _ = _load()
    for argument, value in zip(arguments, values):
        if not argument.sizes:
            passed.append(float(value))
        elif value is None and argument.optional:
            passed.append(module.ffi.NULL)
        else:
            shape = tuple(_size(size, known) for size in argument.sizes)
            if not isinstance(value, np.ndarray) or value.dtype != DTYPES[argument.dtype] or value.shape != shape:
                found = f"{value.shape} {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
                raise ValueError(f"{function}: {argument.name}: expected {shape} {DTYPES[argument.dtype]}, got {found}")
            if not value.flags.c_contiguous:
                raise ValueError(f"{function}: {argument.name}: expected a C-contiguous array")
            passed.append(module.ffi.from_buffer(POINTERS[argument.dtype], value))
    return functools.partial(getattr(module.lib, function), *passed, *(known[size] for size in sizes))


def __getattr__(function: str):
    """`kernels.NAME(*arguments)` checks and calls at once; `kernels.ISA` is the instruction set."""
    if function == "ISA":
        return _load()[1]
    if function in SIGNATURES:
        return lambda *values: bind(function, *values)()
    raise AttributeError(f"module 'fable6c.kernels' has no attribute '{function}'")
