"""The architecture of a model: its dimensions and its tensors, in the order of the file."""

import dataclasses
from typing import List, Optional

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
        """Width of the queries and keys of copying."""
        return -(-self.dim // 4)

    @property
    def end_mark(self) -> int:
        """The id of the end-of-text mark, the last one."""
        return self.vocab - 1


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """The place of one tensor. kind: "f32", "ternary" (levels -1 … 1, one scale), "ternary_rows" (the same, a scale for each row) or
    "nonary" (levels -4 … 4, a scale for each row).

    A vector has `cols` None; the other kinds are always matrices.
    """

    name: str
    kind: str
    rows: int
    cols: Optional[int] = None

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


def tensor_specs(dimensions: Dimensions) -> List[TensorSpec]:
    """All tensors in the order of the file."""
    D, H, K, V = dimensions.dim, dimensions.hidden, dimensions.taps, dimensions.vocab
    specs = [TensorSpec("embedding", "nonary", V, D), TensorSpec("norm_in", "f32", D)]
    for layer in range(dimensions.layers):
        block = f"blocks.{layer}."
        specs += [
            TensorSpec(block + "norm_mix", "f32", D),
            TensorSpec(block + "mix_in", "ternary", 3 * D, D),
            TensorSpec(block + "taps", "f32", D, K),
            TensorSpec(block + "forget_bias", "f32", D),
            TensorSpec(block + "mix_out", "ternary", D, D),
            TensorSpec(block + "norm_glu", "f32", D),
            TensorSpec(block + "glu_in", "ternary", 2 * H, D),
            TensorSpec(block + "glu_out", "ternary", D, H),
        ]
    specs += [TensorSpec("norm_out", "f32", D), TensorSpec("head", "ternary_rows", V, D)]
    if dimensions.copies:
        specs += [
            TensorSpec("norm_copy", "f32", D),
            TensorSpec("copy_in", "ternary", 2 * dimensions.copy_dim, D),
            TensorSpec("copy_sentinel", "f32", dimensions.copy_dim),
            TensorSpec("copy_bias", "f32", 1),
        ]
    return specs


def parameter_count(dimensions: Dimensions) -> int:
    """Trained numbers in the model: all weights, gains, taps and biases (the scales are not counted)."""
    return sum(spec.size for spec in tensor_specs(dimensions))


def packed_row_bytes(columns: int) -> int:
    return -(-columns // 5)
