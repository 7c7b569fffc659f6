"""The model file `.f6c`: read, check and write. docs/model-file.md is the contract; this page follows its order.

    data = encode_model(model)        # bytes: 64-byte header, one zstd frame
    model = decode_model(data)        # the same Model, or a ModelFileError with the document's code, name and message
"""

import dataclasses
import json
import os
import stat
import struct
import zlib
from typing import Dict, List, Optional, Union

import numpy as np
import zstandard

from fable6c.errors import UserError
from fable6c.files import atomic_write
from fable6c.model import zstd
from fable6c.tokenizer import Tokenizer, TokenizerError

MAGIC = b"\x89F6C\r\n\x1a\n"
NEWEST_VERSION = 2
HEADER = struct.Struct("<8s14I")  # 64 bytes: the magic, then the fields of the document's table
HEADER_BYTES = HEADER.size
MAX_CARD_BYTES = 65536
MAX_RAW_BYTES = 1 << 30
MAX_MAGNITUDE = np.float32(1024)
ZSTD_LEVEL = 19
# A frame of p bytes holds at most FREE_BYTES + CONTENT_RATIO * p: what a file costs to load stays in proportion to its size.
FREE_BYTES = 1 << 20
CONTENT_RATIO = 16
DEFAULT_LIMIT = 1 << 30  # bytes of memory, as `engine_memory` counts them, that a model may take by default

ERRORS = {
    1: ("TOO_SHORT", "the file has {} bytes, less than the 64 of a model's header: it is empty or truncated; copy or download it again"),
    2: ("WEB_PAGE", 'the file starts with "<": this is a web page, not a model; download the raw file'),
    3: ("NOT_A_MODEL", "the file does not start as a .f6c model does; give a file made by `python -m fable6c.export`"),
    4: ("TEXT_MODE", "the file was changed by a text-mode transfer (line ends rewritten); transfer it as binary"),
    5: ("NEWER_VERSION", "the model has format version {}, this build reads 1 and 2; get a newer fable6c"),
    6: ("HEADER_CHECKSUM", "the header is damaged (its checksum does not match); copy or download the file again"),
    7: ("BAD_DIMENSION", "the header's {} is out of range; the file is damaged or not made by fable6c"),
    8: ("BAD_SIZE", "the sizes in the header contradict each other ({}); the file is damaged or not made by fable6c"),
    9: ("TRUNCATED", "the file ends early: {} bytes are missing; copy or download it again"),
    10: ("TRAILING_BYTES", "the file has {} bytes after its end; copy or download it again"),
    11: ("TOO_LARGE", "the model needs {} KiB of memory, more than is allowed here; use a smaller model or allow more"),
    12: ("BAD_FRAME", "the compressed part is damaged (not a valid zstd frame with a right checksum); copy or download the file again"),
    13: ("CONTENT_CHECKSUM", "the unpacked content is damaged (its checksum does not match); copy or download the file again"),
    14: ("BAD_CARD", "the model card is not valid UTF-8 text; the file is damaged or not made by fable6c"),
    15: ("BAD_TOKENIZER", "the tokenizer is damaged at token {}; the file is damaged or not made by fable6c"),
    16: ("BAD_TENSOR", "tensor {} holds a value that is not allowed; the file is damaged or not made by fable6c"),
}
CODES = {name: code for code, (name, _) in ERRORS.items()}


class ModelFileError(UserError):
    """A model file that a reader rejects: `code` and `name` as in docs/model-file.md, `value` what was found (may be empty).

    The text is the document's message, after "PATH: " where a path is known.
    """

    def __init__(self, name: str, value: Union[int, str] = "", path: Optional[str] = None):
        self.name, self.value, self.code = name, value, CODES[name]
        message = ERRORS[self.code][1].format(value)
        super().__init__(message if path is None else f"{path}: {message}")


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


DIMENSION_RANGES = {
    "dim": (1, 4096),
    "layers": (1, 64),
    "hidden": (1, 16384),
    "taps": (1, 32),
    "vocab": (257, 65536),
    "context": (1, 1 << 20),
}


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
            TensorSpec("copy_rival", "f32", dimensions.copy_dim),
            TensorSpec("copy_bias", "f32", 1),
        ]
    return specs


def parameter_count(dimensions: Dimensions) -> int:
    """Trained numbers in the model: all weights, gains, taps and biases (the scales are not counted)."""
    return sum(spec.size for spec in tensor_specs(dimensions))


@dataclasses.dataclass
class Matrix:
    """A matrix of few levels: weight int8 (m, n), in -1 … 1 (ternary) or -4 … 4 (nonary); scale f32, (1,) or (m,) for the rows."""

    weight: np.ndarray
    scale: np.ndarray


@dataclasses.dataclass
class Model:
    """A model as the file holds it. merges: uint16 (V - 257, 2); tensors: by the names and shapes of `tensor_specs`."""

    dimensions: Dimensions
    card: dict
    merges: np.ndarray
    tensors: Dict[str, Union[Matrix, np.ndarray]]


# Trits: five to a byte, the first in the lowest place: sum of (t_i + 1)·3^i.

POWERS = np.array([1, 3, 9, 27, 81], np.uint8)


def packed_row_bytes(columns: int) -> int:
    return -(-columns // 5)


def pack_trits(weight: np.ndarray) -> bytes:
    """weight (m, n) in {-1, 0, 1} to m rows of ceil(n/5) bytes; trits past the last column are 0. [[1, 0, -1]] gives 2+3+0+27+81 = 113."""
    m, n = weight.shape
    digits = np.ones((m, 5 * packed_row_bytes(n)), np.uint8)
    digits[:, :n] = weight + 1
    return (digits.reshape(m, -1, 5) * POWERS).sum(axis=2, dtype=np.uint8).tobytes()


def unpack_trits(data: bytes, m: int, n: int) -> np.ndarray:
    """The inverse of `pack_trits`: int8 (m, n). ValueError for a byte above 242 or a non-zero trit past the last column."""
    packed = np.frombuffer(data, np.uint8).reshape(m, packed_row_bytes(n))
    if packed.max() > 242:
        raise ValueError("a byte above 242")
    trits = (packed[:, :, None] // POWERS % 3).astype(np.int8).reshape(m, -1) - np.int8(1)
    if trits[:, n:].any():
        raise ValueError("a trit past the last column")
    return np.ascontiguousarray(trits[:, :n])


def split_planes(weight: np.ndarray) -> List[np.ndarray]:
    """int8 (m, n) in -4 … 4 to its two ternary planes, high and low, with weight = 3·high + low. 4 is 3+1, 2 is 3-1, 1 is 0+1."""
    high = ((weight + 4) // 3 - 1).astype(np.int8)
    return [high, weight - 3 * high]


# Writing.


def encode_model(model: Model) -> bytes:
    """The bytes of a model's file. ValueError (a bug in the caller) if a tensor has not the shape, type or values of its place."""
    card = json.dumps(model.card, ensure_ascii=False).encode("utf-8")
    tokenizer = np.ascontiguousarray(model.merges, "<u2").tobytes()
    tensors = b"".join(encode_tensor(spec, model.tensors[spec.name]) for spec in tensor_specs(model.dimensions))
    raw = card + tokenizer + tensors
    frame = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True, write_content_size=True).compress(raw)
    if len(raw) > FREE_BYTES + CONTENT_RATIO * len(frame):  # nearly all zeros; as it is it is small enough
        frame = zstd.store(raw)
    fields = (model.dimensions.version, *(getattr(model.dimensions, name) for name in DIMENSION_RANGES))
    sizes = (len(card), len(tokenizer), len(tensors), len(raw), len(frame))
    header = HEADER.pack(MAGIC, *fields, *sizes, zlib.crc32(raw), 0)[:-4]
    return header + struct.pack("<I", zlib.crc32(header)) + frame


def encode_tensor(spec: TensorSpec, tensor: Union[Matrix, np.ndarray]) -> bytes:
    array = tensor if spec.kind == "f32" else tensor.weight
    reals = tensor if spec.kind == "f32" else tensor.scale
    if array.shape != spec.shape:
        raise ValueError(f"{spec.name}: expected shape {spec.shape}, got {array.shape}")
    if reals.dtype != np.float32 or not reals_allowed(reals):
        raise ValueError(f"{spec.name}: expected finite float32 of magnitude <= {MAX_MAGNITUDE}")
    if spec.kind == "f32":
        return reals.astype("<f4").tobytes()
    if reals.shape != (spec.scales,):
        raise ValueError(f"{spec.name}: expected {spec.scales} scales, got shape {reals.shape}")
    levels = {1: 1, 2: 4}[spec.planes]
    if array.dtype != np.int8 or array.min() < -levels or array.max() > levels:
        raise ValueError(f"{spec.name}: expected int8 weights from {-levels} to {levels}")
    planes = [array] if spec.planes == 1 else split_planes(array)
    return reals.astype("<f4").tobytes() + b"".join(pack_trits(plane) for plane in planes)


def write_model(path: Union[str, os.PathLike], model: Model) -> None:
    """Write the file atomically: after a failure the old file, or none, is there."""
    atomic_write(os.fspath(path), encode_model(model))


# Reading: each step may rely on all that were before it.


@dataclasses.dataclass(frozen=True)
class Header:
    """The header's fields after the magic and the version, checked against each other and the file's size."""

    dimensions: Dimensions
    card_bytes: int
    tokenizer_bytes: int
    tensor_bytes: int
    raw_bytes: int
    packed_bytes: int
    raw_crc: int


def read_model(path: Union[str, os.PathLike], limit: int = DEFAULT_LIMIT) -> Model:
    """Read and check a model file. UserError if it cannot be opened, ModelFileError if it is rejected."""
    data = read_bytes(path, limit)
    try:
        return decode_model(data, limit)
    except ModelFileError as error:
        raise ModelFileError(error.name, error.value, os.fspath(path)) from None


def read_bytes(path: Union[str, os.PathLike], limit: int = DEFAULT_LIMIT) -> bytes:
    """The file's bytes: only the first 64 if they show that it is no model, else no more than a model within `limit` can have. UserError
    if it cannot be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEADER_BYTES)
            status = os.fstat(file.fileno())
            size = status.st_size if stat.S_ISREG(status.st_mode) else HEADER_BYTES + limit
            try:
                decode_header(head, size)
            except ModelFileError as error:
                if error.name not in ("TRUNCATED", "TRAILING_BYTES") and not head.isspace():  # a web page may begin with white space
                    return head
            return head + file.read(min(size - len(head), limit))
    except OSError as error:
        raise UserError(f"{os.fspath(path)}: cannot read the model ({error.strerror}); check the path") from None


def decode_model(data: bytes, limit: int = DEFAULT_LIMIT) -> Model:
    """The model in the bytes of a file, or ModelFileError. `limit`: see `engine_memory`."""
    header = decode_header(data)
    if engine_memory(header) > limit:
        raise ModelFileError("TOO_LARGE", -(-engine_memory(header) // 1024))
    raw = memoryview(decompress(data[HEADER_BYTES:], header.raw_bytes))
    if zlib.crc32(raw) != header.raw_crc:
        raise ModelFileError("CONTENT_CHECKSUM")
    card = decode_card(raw[: header.card_bytes])
    tensors_start = header.card_bytes + header.tokenizer_bytes
    merges = np.frombuffer(raw[header.card_bytes : tensors_start], "<u2").reshape(-1, 2).astype(np.uint16)
    try:
        Tokenizer(merges)
    except TokenizerError as error:
        raise ModelFileError("BAD_TOKENIZER", error.token) from None
    return Model(header.dimensions, card, merges, decode_tensors(raw[tensors_start:], header.dimensions))


def decode_header(data: bytes, size: Optional[int] = None) -> Header:
    """The header in a file's bytes, or ModelFileError. `size`: of the whole file, of which `data` may be the first 64 bytes."""
    size = len(data) if size is None else size
    if data.lstrip()[:1] == b"<":
        raise ModelFileError("WEB_PAGE")
    if len(data) >= len(MAGIC) and data[: len(MAGIC)] != MAGIC:
        raise ModelFileError("TEXT_MODE" if data[:4] == MAGIC[:4] else "NOT_A_MODEL")
    if len(data) < HEADER_BYTES:
        raise ModelFileError("TOO_SHORT", len(data))
    _, version, *fields, header_crc = HEADER.unpack_from(data)
    if version == 0:
        raise ModelFileError("NOT_A_MODEL")
    if version > NEWEST_VERSION:
        raise ModelFileError("NEWER_VERSION", version)
    if zlib.crc32(data[: HEADER_BYTES - 4]) != header_crc:
        raise ModelFileError("HEADER_CHECKSUM")

    for value, (name, (low, high)) in zip(fields, DIMENSION_RANGES.items()):
        if not low <= value <= high:
            raise ModelFileError("BAD_DIMENSION", name)
    dimensions = Dimensions(*fields[:6], copies=version == 2)
    header = Header(dimensions, *fields[6:])
    if not 2 <= header.card_bytes <= MAX_CARD_BYTES:
        raise ModelFileError("BAD_SIZE", "card_bytes")
    if header.tokenizer_bytes != 4 * (dimensions.vocab - 257):
        raise ModelFileError("BAD_SIZE", "tokenizer_bytes")
    if header.tensor_bytes != sum(spec.file_bytes for spec in tensor_specs(dimensions)):
        raise ModelFileError("BAD_SIZE", "tensor_bytes")
    if header.raw_bytes != header.card_bytes + header.tokenizer_bytes + header.tensor_bytes or header.raw_bytes > MAX_RAW_BYTES:
        raise ModelFileError("BAD_SIZE", "raw_bytes")
    if header.raw_bytes > FREE_BYTES + CONTENT_RATIO * header.packed_bytes:
        raise ModelFileError("BAD_SIZE", "packed_bytes")
    expected = HEADER_BYTES + header.packed_bytes
    if size < expected:
        raise ModelFileError("TRUNCATED", expected - size)
    if size > expected:
        raise ModelFileError("TRAILING_BYTES", size - expected)
    return header


ENGINE_BUFFERS = 1_618_480  # asengine/assembly/memory.ts: ARENA


def engine_memory(header: Header) -> int:
    """Bytes of the engine's memory with this model loaded, laid out as asengine/assembly/memory.ts does. All readers compare this figure
    with their limit, so that a file is TOO_LARGE for each of them or for none."""
    D, H, K, V = (getattr(header.dimensions, name) for name in ("dim", "hidden", "taps", "vocab"))
    C = header.dimensions.copy_dim

    def ternary(rows, columns):
        groups = -(-columns // (5 if rows < 400 else 6))
        return 2 * rows * (-(-groups // 8) * 8)

    def placed(*sizes):
        return sum(-(-size // 8) * 8 for size in sizes)

    hash_cells = max(1024, 1 << (2 * V - 1).bit_length())
    model = placed(64 * V, V, 2 * hash_cells, 4 * V, 4 * D, 4 * D, ternary(V, D), 4 * V)
    if header.dimensions.copies:
        key = -(-4 * C // 16) * 16
        context = header.dimensions.context
        model += placed(4 * D, ternary(2 * C, D), 4, 4 * C, 4, key, context * key, 2 * context, 4 * V)
    mixer = placed(4 * D, ternary(3 * D, D), 4, 4 * D * K, 4 * D, ternary(D, D), 4)
    unit = placed(4 * D, ternary(2 * H, D), 4, ternary(D, H), 4)
    state = placed(4 * D * K, 4 * D)
    model += header.dimensions.layers * (mixer + unit + state)
    return placed(max(ENGINE_BUFFERS + model, ENGINE_BUFFERS + HEADER_BYTES + header.packed_bytes)) + header.raw_bytes


def decompress(frame: bytes, raw_bytes: int) -> bytearray:
    """The content of exactly one zstd frame with a content size of `raw_bytes` and a checksum (RFC 8878, section 3.1.1)."""
    try:
        return zstd.decompress(frame, raw_bytes)
    except zstd.ZstdError:
        raise ModelFileError("BAD_FRAME") from None


def decode_card(data: memoryview) -> dict:
    try:
        text = str(data, "utf-8")
    except UnicodeDecodeError:
        raise ModelFileError("BAD_CARD") from None
    try:
        card = json.loads(text)
    except (ValueError, RecursionError):
        card = None
    return card if isinstance(card, dict) else {"text": text}


def decode_tensors(data: memoryview, dimensions: Dimensions) -> Dict[str, Union[Matrix, np.ndarray]]:
    tensors, start = {}, 0
    for place, spec in enumerate(tensor_specs(dimensions)):
        record = data[start : start + spec.file_bytes]
        start += spec.file_bytes
        reals = np.frombuffer(record, "<f4", spec.size if spec.kind == "f32" else spec.scales).astype(np.float32)
        if not reals_allowed(reals):
            raise ModelFileError("BAD_TENSOR", place)
        if spec.kind == "f32":
            tensors[spec.name] = reals.reshape(spec.shape)
            continue
        try:
            planes = unpack_trits(record[4 * spec.scales :], spec.planes * spec.rows, spec.cols)
        except ValueError:
            raise ModelFileError("BAD_TENSOR", place) from None
        weight = planes if spec.planes == 1 else 3 * planes[: spec.rows] + planes[spec.rows :]
        tensors[spec.name] = Matrix(weight, reals)
    return tensors


def reals_allowed(reals: np.ndarray) -> bool:
    """Finite and of magnitude <= 1024: the comparison is false for NaN."""
    return bool((np.abs(reals) <= MAX_MAGNITUDE).all())
