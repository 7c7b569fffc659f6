"""The architecture of a model: its dimensions, and one table of its tensors that all else derives from.

TENSORS has a row for each tensor, in the order of the model file: its shape, its kind, how training begins and which optimizer it
has. From it come the places in the file (`tensor_specs`), the trainer's arrays and memory, `inspect`, and the engine's
layout (fable6c/model/layout.py writes asengine/assembly/layout.ts). OPERATIONS are what a token passes through, in order.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import Optional

from fable6c.errors import UserError

DIMENSION_RANGES = {
    "dim": (1, 4096),
    "layers": (1, 64),
    "hidden": (1, 16384),
    "taps": (1, 32),
    "vocab": (257, 65536),
    "context": (1, 1 << 20),
}
COPIES_VERSION = 2  # of the files whose models copy
ROUTED_VERSION = 3  # of those that have several experts, which copy
MAX_EXPERTS = 16
SHARED = "start"  # the part of TENSORS that all experts of a model have in common


@dataclasses.dataclass(frozen=True)
class Dimensions:
    """What fixes the shape of a model. UserError for a value outside DIMENSION_RANGES."""

    dim: int  # D, width
    layers: int  # L
    hidden: int  # H, width inside the GLU
    taps: int  # K, of the convolution
    vocab: int  # V: 256 bytes, the merges, the end mark
    context: int  # training window in tokens, and how far back a model copies
    copies: bool = False  # the next token may be copied from the text so far

    def __post_init__(self) -> None:
        for name, (low, high) in DIMENSION_RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UserError(f"{name} = {value} is out of range; give {low} to {high}")

    @property
    def version(self) -> int:
        """Format version of the file of one such model."""
        return COPIES_VERSION if self.copies else 1

    @property
    def copy_dim(self) -> int:
        """C, width of the queries and keys of copying."""
        return -(-self.dim // 4)

    @property
    def end_mark(self) -> int:
        """The id of the end-of-text mark, the last one."""
        return self.vocab - 1

    def size(self, text: str) -> int:
        """A size of the tables below as a number: "3D" is 3 · dim, "C" the copy_dim, "1" itself."""
        factor, letter = size_parts(text)
        return int(factor or 1) * (getattr(self, SIZE_LETTERS[letter]) if letter else 1)


SIZE_LETTERS = {"D": "dim", "H": "hidden", "K": "taps", "V": "vocab", "C": "copy_dim"}


def size_parts(text: str) -> tuple[str, str]:
    """Factor and letter of a size of the tables below: ("3", "D") of "3D"; either may be empty."""
    match = re.fullmatch(r"(\d*)([A-Z]?)", text)
    if match is None:
        raise ValueError(f"{text}: not a size")
    return match.group(1), match.group(2)


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A row of the table.

    kind     "f32", "ternary" (levels -1 … 1, one scale), "ternary_rows" (the same, a scale for each row) or "nonary" (levels
             -4 … 4, a scale for each row)
    rows, cols   sizes as in "3D"; a vector has no cols, the other kinds always have
    initial  a number, or "uniform" (± 1 / sqrt(cols)), "normal" (of deviation 0.02), "ramp" (-1 … 5: gates of all time spans)
    group    of the optimizer: "matrix" (Muon), "table" (AdamW with decay) or "vector" (AdamW)
    engine   how the engine keeps it: "unpacked", "packed" (as it is in the file) or "transposed"
    """

    name: str
    kind: str
    rows: str
    cols: str = ""
    initial: object = 1.0
    group: str = "vector"
    engine: str = "unpacked"


# Before the blocks, in each block, after them, and only in a model that copies.
TENSORS: dict[str, list[Tensor]] = {
    "start": [
        Tensor("embedding", "nonary", "V", "D", "normal", "table", "packed"),
        Tensor("norm_in", "f32", "D"),
    ],
    "block": [
        Tensor("norm_mix", "f32", "D"),
        Tensor("mix_in", "ternary", "3D", "D", "uniform", "matrix"),
        Tensor("taps", "f32", "D", "K", "uniform", engine="transposed"),
        Tensor("forget_bias", "f32", "D", initial="ramp"),
        Tensor("mix_out", "ternary", "D", "D", "uniform", "matrix"),
        Tensor("norm_glu", "f32", "D"),
        Tensor("glu_in", "ternary", "2H", "D", "uniform", "matrix"),
        Tensor("glu_out", "ternary", "D", "H", "uniform", "matrix"),
    ],
    "end": [
        Tensor("norm_out", "f32", "D"),
        Tensor("head", "ternary_rows", "V", "D", "normal", "table"),
    ],
    "copying": [
        Tensor("norm_copy", "f32", "D"),
        Tensor("copy_in", "ternary", "2C", "D", "uniform", "matrix"),
        Tensor("copy_sentinel", "f32", "C", initial=0.0),
        # At first a place has e⁻⁸ of what the network's own prediction has: 255 of them 9 %.
        Tensor("copy_bias", "f32", "1", initial=8.0),
    ],
}


@dataclasses.dataclass(frozen=True)
class Operation:
    """A step of a token's way through the model.

    kind      what is done: the kernels KIND_forward and KIND_backward of _kernels.h, or what a `_bind_KIND` of
              fable6c/training/network.py does
    tensors   the parameters that it has, by their names in TENSORS
    inp, out  arrays that it reads and writes: "x" is the residual stream before a block, "next" after it
    residual  an array that is added to the product
    dinp, dout   the gradients of inp and out in training
    saved     arrays that backward needs, each `name:type(sizes)`: D~4 is D rounded up to a multiple of 4, N the tokens of a batch,
              T those of a window
    draws     places of chance in a block: which of its random numbers it takes
    """

    kind: str
    tensors: tuple[str, ...] = ()
    inp: str = ""
    out: str = ""
    residual: str = ""
    dinp: str = ""
    dout: str = ""
    saved: str = ""
    draws: tuple[int, ...] = ()


OPERATIONS: dict[str, list[Operation]] = {
    "start": [
        Operation("embedding", ("embedding",), "tokens", "embedded", dout="dnormed", saved="embedded:f32(N,D)"),
        Operation("rmsnorm", ("norm_in",), "embedded", "x", dinp="dnormed", dout="dx", saved="in.rstd:f32(N)"),
    ],
    "block": [
        Operation(
            "linear", ("norm_mix", "mix_in"), "x", "u", dinp="dx", dout="du", draws=(0,),
            saved="x:f32(N,D) mix_in.rstd:f32(N) mix_in.q:i8(N,D~4) mix_in.s:f32(N) u:f32(N,3D)",
        ),
        Operation("conv", ("taps",), "u", "conv", dinp="du", dout="dconv", saved="conv:f32(N,D)"),
        Operation("scan", ("forget_bias",), "conv", "mixed", dinp="dconv", dout="dmixed", saved="h:f32(N,D)"),
        Operation("dropout", (), "mixed", dinp="dmixed", draws=(4,)),
        Operation(
            "linear", ("mix_out",), "mixed", "glu_in.x", "x", dinp="dmixed", dout="dx", draws=(1,),
            saved="mix_out.q:i8(N,D~4) mix_out.s:f32(N)",
        ),
        Operation(
            "glu_block", ("norm_glu", "glu_in", "glu_out"), "glu_in.x", "next", dinp="dx", dout="dx", draws=(2, 3, 5),
            saved="glu_in.x:f32(N,D) glu_in.rstd:f32(N) glu_in.q:i8(N,D~4) glu_in.s:f32(N) glu_in.u:f32(N,2H) glu_out.q:i8(N,H~4) glu_out.s:f32(N)",
        ),
    ],
    "copying": [
        Operation(
            "linear", ("norm_copy", "copy_in"), "x", "copy_in.u", dinp="dx", dout="dcopy",
            saved="copy_in.rstd:f32(N) copy_in.q:i8(N,D~4) copy_in.s:f32(N) copy_in.u:f32(N,2C)",
        ),
        Operation(
            "copy", ("copy_sentinel", "copy_bias"), "copy_in.u", "odds", dinp="dcopy",
            saved="odds:f32(N,2) power:f32(N,T) dcopy:f32(N,2C) copy.scratch:f32(B,2,T~16,C~16)",
        ),
    ],
    "end": [
        Operation("rmsnorm", ("norm_out",), "x", "normed", dinp="dx", dout="dnormed", saved="x:f32(N,D) out.rstd:f32(N)"),
        Operation("head", ("head",), "normed", "logits", dinp="dnormed", saved="head.q:i8(N,D~4) head.s:f32(N)"),
    ],
}  # fmt: skip
DRAWS_IN_A_BLOCK = 6


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """A tensor of one model: its full name, its row of the table, and its shape in numbers. A vector has `cols` None."""

    name: str
    row: Tensor
    rows: int
    cols: Optional[int] = None

    @property
    def kind(self) -> str:
        return self.row.kind

    @property
    def shape(self) -> tuple:
        return (self.rows,) if self.cols is None else (self.rows, self.cols)

    @property
    def size(self) -> int:
        """Number of parameters; the scales of a matrix are not counted."""
        return self.rows * (1 if self.cols is None else self.cols)

    @property
    def scales(self) -> int:
        return {"f32": 0, "ternary": 1, "ternary_rows": self.rows, "nonary": self.rows}[self.kind]

    @property
    def planes(self) -> int:
        """Ternary planes in the file: a nonary tensor has two."""
        return {"f32": 0, "ternary": 1, "ternary_rows": 1, "nonary": 2}[self.kind]

    @property
    def file_bytes(self) -> int:
        """Bytes in the file's raw content."""
        if self.kind == "f32":
            return 4 * self.size
        assert self.cols is not None  # only vectors have none
        return 4 * self.scales + self.planes * self.rows * packed_row_bytes(self.cols)


def parts(dimensions: Dimensions, table: Iterable[str]) -> Iterator[tuple[str, int, str]]:
    """The parts of a table that this model has, in its order: ("start", 0, ""), ("block", 0, "blocks.0."), … with the layer (the number of
    blocks, for what comes after them) and the prefix of the tensors' names."""
    L = dimensions.layers
    layers = {"start": [0], "block": range(L), "copying": [L] if dimensions.copies else [], "end": [L]}
    for part in table:
        for layer in layers[part]:
            yield part, layer, f"blocks.{layer}." if part == "block" else ""


def tensor_specs(dimensions: Dimensions, experts: int = 1) -> list[TensorSpec]:
    """All tensors in the order of the file. With several experts those that they share come first, and the others' names begin with
    "experts.0.", "experts.1." and so on."""
    size = dimensions.size
    specs = [
        (part, TensorSpec(prefix + row.name, row, size(row.rows), size(row.cols) if row.cols else None))
        for part, _, prefix in parts(dimensions, TENSORS)
        for row in TENSORS[part]
    ]
    if experts == 1:
        return [spec for _, spec in specs]
    own = [spec for part, spec in specs if part != SHARED]
    return [
        *(spec for part, spec in specs if part == SHARED),
        *(dataclasses.replace(spec, name=expert_prefix(expert) + spec.name) for expert in range(experts) for spec in own),
    ]


def expert_prefix(expert: int) -> str:
    """What the names of an expert's own tensors begin with, where there are several."""
    return f"experts.{expert}."


def operations(dimensions: Dimensions) -> Iterator[tuple[Operation, int, str]]:
    """The way of a token: each operation with its layer and the prefix of its tensors' names, as `parts` gives them."""
    for part, layer, prefix in parts(dimensions, OPERATIONS):
        for operation in OPERATIONS[part]:
            yield operation, layer, prefix


def parameter_count(dimensions: Dimensions, experts: int = 1) -> int:
    """Trained numbers in the model: all weights, gains, taps and biases (the scales and the router are not counted)."""
    return sum(spec.size for spec in tensor_specs(dimensions, experts))


def packed_row_bytes(columns: int) -> int:
    """Bytes of a row of trits in the file: five to a byte."""
    return -(-columns // 5)
