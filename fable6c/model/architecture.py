"""The architecture of a model: its dimensions, and one table of its tensors that all else derives from.

TENSORS has a row for each tensor, in the order of the model file: its shape, its kind, how training begins and which optimizer it
has. From it come the places in the file (`tensor_specs`), the trainer's arrays and memory, `inspect`, and the engine's
layout (fable6c/model/layout.py writes asengine/assembly/layout.ts). OPERATIONS are what a token passes through, in order.
"""

import dataclasses
import re
from typing import Dict, List, Optional

from fable6c.errors import UserError

DIMENSION_RANGES = {
    "dim": (1, 4096),
    "layers": (1, 64),
    "hidden": (1, 16384),
    "taps": (1, 32),
    "vocab": (257, 65536),
    "context": (1, 1 << 20),
}


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

    def __post_init__(self):
        for name, (low, high) in DIMENSION_RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UserError(f"{name} = {value} is out of range; give {low} to {high}")

    @property
    def version(self) -> int:
        """Format version of its file."""
        return 2 if self.copies else 1

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
        factor, letter = SIZE.fullmatch(text).groups()
        return int(factor or 1) * (getattr(self, SIZE_LETTERS[letter]) if letter else 1)


SIZE = re.compile(r"(\d*)([A-Z]?)")
SIZE_LETTERS = {"D": "dim", "H": "hidden", "K": "taps", "V": "vocab", "C": "copy_dim"}


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
TENSORS: Dict[str, List[Tensor]] = {
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
        return 4 * self.scales + self.planes * self.rows * packed_row_bytes(self.cols)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the unpacked arrays: int8 weights and f32 scales, or f32."""
        return 4 * self.size if self.kind == "f32" else self.size + 4 * self.scales


def parts(dimensions: Dimensions) -> List[tuple]:
    """The parts of the tables that this model has, in order: ("start", ""), ("block", "blocks.0."), … with the prefix of their names."""
    blocks = [("block", f"blocks.{layer}.") for layer in range(dimensions.layers)]
    return [("start", ""), *blocks, ("end", ""), *([("copying", "")] if dimensions.copies else [])]


def tensor_specs(dimensions: Dimensions) -> List[TensorSpec]:
    """All tensors in the order of the file."""
    size = dimensions.size
    return [
        TensorSpec(prefix + row.name, row, size(row.rows), size(row.cols) if row.cols else None)
        for part, prefix in parts(dimensions)
        for row in TENSORS[part]
    ]


def parameter_count(dimensions: Dimensions) -> int:
    """Trained numbers in the model: all weights, gains, taps and biases (the scales are not counted)."""
    return sum(spec.size for spec in tensor_specs(dimensions))


def packed_row_bytes(columns: int) -> int:
    """Bytes of a row of trits in the file: five to a byte."""
    return -(-columns // 5)
