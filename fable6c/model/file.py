"""The model file `.f6c`: read, check and write. docs/model-file.md is the contract; this page follows its order.

data = encode_model(model)        # bytes: 64-byte header, one zstd frame
model = decode_model(data)        # the same Model, or a ModelFileError with the document's code, name and message
"""

import dataclasses
import json
import os
import struct
import zlib
from typing import Any, Optional, Union

import numpy as np
import zstandard

from fable6c.errors import UserError
from fable6c.files import atomic_write, open_file
from fable6c.model import zstd
from fable6c.model.architecture import (
    COPIES_VERSION,
    DIMENSION_RANGES,
    MAX_EXPERTS,
    ROUTED_VERSION,
    SHARED,
    TENSORS,
    Dimensions,
    TensorSpec,
    expert_prefix,
    packed_row_bytes,
    tensor_specs,
)
from fable6c.model.errors import ERRORS
from fable6c.model.limits import (
    CONTENT_RATIO,
    FREE_BYTES,
    HEADER,
    HEADER_BYTES,
    MAGIC,
    MAX_CARD_BYTES,
    MAX_MAGNITUDE,
    MAX_RAW_BYTES,
    NEWEST_VERSION,
    ROUTER_PAIRS,
)
from fable6c.model.tokenizer import Tokenizer, TokenizerError

ZSTD_LEVEL = 19
DEFAULT_LIMIT = 1 << 30  # bytes of memory, as `engine_memory` counts them, that a model may take by default
EXPERTS_KEY = "experts"  # of a card
CODES = {name: code for code, (name, _) in ERRORS.items()}


class ModelFileError(UserError):
    """A model file that a reader rejects: `code` and `name` as in docs/model-file.md, `value` what was found (may be empty).

    The text is the document's message, after "PATH: " where a path is known.
    """

    def __init__(self, name: str, value: Union[int, str] = "", path: Optional[str] = None):
        self.name, self.value, self.code = name, value, CODES[name]
        message = ERRORS[self.code][1].format(value)
        super().__init__(message if path is None else f"{path}: {message}")


@dataclasses.dataclass
class Matrix:
    """A matrix of few levels: weight int8 (m, n), in -1 … 1 (ternary) or -4 … 4 (nonary); scale f32, (1,) or (m,) for the rows."""

    weight: np.ndarray
    scale: np.ndarray


@dataclasses.dataclass
class Model:
    """A model as the file holds it. merges: uint16 (V - 257, 2); tensors: by the names and shapes of `tensor_specs`; router: int8
    (router_rows, experts) where there are several (routing.py)."""

    dimensions: Dimensions
    card: dict
    merges: np.ndarray
    tensors: dict[str, Union[Matrix, np.ndarray]]
    router: Optional[np.ndarray] = None

    @property
    def experts(self) -> int:
        return 1 if self.router is None else int(self.router.shape[1])

    @property
    def version(self) -> int:
        """Format version of its file."""
        return self.dimensions.version if self.router is None else ROUTED_VERSION

    def expert(self, number: int) -> "Model":
        """One of several experts as a model of its own, with this model's card."""
        prefix = expert_prefix(number)
        names = {spec.name: spec.name if spec.row in TENSORS[SHARED] else prefix + spec.name for spec in tensor_specs(self.dimensions)}
        return Model(self.dimensions, self.card, self.merges, {name: self.tensors[place] for name, place in names.items()})


POWERS = np.array([1, 3, 9, 27, 81], np.uint8)


def pack_trits(weight: np.ndarray) -> bytes:
    """weight (m, n) in {-1, 0, 1} to m rows of ceil(n/5) bytes; trits past the last column are 0. [[1, 0, -1]] gives 2+3+0+27+81 = 113."""
    m, n = weight.shape
    digits = np.ones((m, 5 * packed_row_bytes(n)), np.uint8)
    digits[:, :n] = weight + 1
    return (digits.reshape(m, -1, 5) * POWERS).sum(axis=2, dtype=np.uint8).tobytes()


def unpack_trits(data: Union[bytes, memoryview], m: int, n: int) -> np.ndarray:
    """The inverse of `pack_trits`: int8 (m, n). ValueError for a byte above 242 or a non-zero trit past the last column."""
    packed = np.frombuffer(data, np.uint8).reshape(m, packed_row_bytes(n))
    if packed.max() > 242:
        raise ValueError("a byte above 242")
    trits = (packed[:, :, None] // POWERS % 3).astype(np.int8).reshape(m, -1) - np.int8(1)
    if trits[:, n:].any():
        raise ValueError("a trit past the last column")
    return np.ascontiguousarray(trits[:, :n])


def split_planes(weight: np.ndarray) -> list[np.ndarray]:
    """int8 (m, n) in -4 … 4 to its two ternary planes, high and low, with weight = 3·high + low. 4 is 3+1, 2 is 3-1, 1 is 0+1."""
    high = ((weight + 4) // 3 - 1).astype(np.int8)
    return [high, weight - 3 * high]


def encode_model(model: Model) -> bytes:
    """The bytes of a model's file. ValueError (a bug in the caller) if a tensor has not the shape, type or values of its place.

    A lone surrogate in the card's texts (a file's name that is not UTF-8) is no character: it becomes a question mark."""
    card = json.dumps(model.card, ensure_ascii=False).encode("utf-8", "replace")
    tokenizer = np.ascontiguousarray(model.merges, "<u2").tobytes()
    tensors = b"".join(encode_tensor(spec, model.tensors[spec.name]) for spec in tensor_specs(model.dimensions, model.experts))
    if model.router is not None:
        rows = router_rows(model.dimensions)
        if model.router.dtype != np.int8 or len(model.router) != rows or not 2 <= model.experts <= MAX_EXPERTS:
            raise ValueError(f"router: expected int8 ({rows}, 2 to {MAX_EXPERTS}), got {model.router.dtype} {model.router.shape}")
        if not model.dimensions.copies:
            raise ValueError("router: expected experts that copy")
        tensors += model.router.tobytes()
    raw = card + tokenizer + tensors
    frame = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True, write_content_size=True).compress(raw)
    if len(raw) > FREE_BYTES + CONTENT_RATIO * len(frame):  # nearly all zeros; as it is it is small enough
        frame = zstd.store(raw)
    fields = (model.version, *(getattr(model.dimensions, name) for name in DIMENSION_RANGES))
    sizes = (len(card), len(tokenizer), len(tensors), len(raw), len(frame))
    header = HEADER.pack(MAGIC, *fields, *sizes, zlib.crc32(raw), 0)[:-4]
    return header + struct.pack("<I", zlib.crc32(header)) + frame


def encode_tensor(spec: TensorSpec, tensor: Union[Matrix, np.ndarray]) -> bytes:
    plain: Any = tensor  # a vector is its own numbers
    array: np.ndarray = getattr(tensor, "weight", plain)
    reals: np.ndarray = getattr(tensor, "scale", plain)
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


@dataclasses.dataclass(frozen=True)
class Header:
    """The header's fields after the magic and the version, checked against each other and the file's size."""

    dimensions: Dimensions
    experts: int
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
        with open_file(os.fspath(path)) as file:
            head = file.read(HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
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
    memory = engine_memory(header)
    try:
        if memory <= limit:
            return decode_content(data, header)
    except MemoryError:  # there is less than the limit
        pass
    raise ModelFileError("TOO_LARGE", -(-memory // 1024))


def decode_content(data: bytes, header: Header) -> Model:
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
    tensors = decode_tensors(raw[tensors_start:], header.dimensions, header.experts)
    router = None
    if header.experts > 1:
        rows = router_rows(header.dimensions)
        router = np.frombuffer(raw[-rows * header.experts :], np.int8).reshape(rows, -1).copy()
    return Model(header.dimensions, card, merges, tensors, router)


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
    dimensions = Dimensions(*fields[:6], copies=version >= COPIES_VERSION)  # type: ignore[misc]
    header = Header(dimensions, count_experts(dimensions, fields[8]) if version == ROUTED_VERSION else 1, *fields[6:])
    if not 2 <= header.card_bytes <= MAX_CARD_BYTES:
        raise ModelFileError("BAD_SIZE", "card_bytes")
    if header.tokenizer_bytes != 4 * (dimensions.vocab - 257):
        raise ModelFileError("BAD_SIZE", "tokenizer_bytes")
    if header.experts == 0 or header.tensor_bytes != tensor_bytes(dimensions, header.experts):
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


def tensor_bytes(dimensions: Dimensions, experts: int = 1) -> int:
    """Bytes in the file of all tensors, and of the router where there are several experts."""
    router = router_rows(dimensions) * experts if experts > 1 else 0
    return sum(spec.file_bytes for spec in tensor_specs(dimensions, experts)) + router


def router_rows(dimensions: Dimensions) -> int:
    """Rows of a router's table: of each token, then those that pairs of tokens share."""
    return dimensions.vocab + ROUTER_PAIRS


def count_experts(dimensions: Dimensions, size: int) -> int:
    """How many experts a file has whose tensors and router take `size` bytes; 0 if no number that is allowed takes them."""
    shared = sum(spec.file_bytes for spec in tensor_specs(dimensions) if spec.row in TENSORS[SHARED])
    experts, rest = divmod(size - shared, tensor_bytes(dimensions) - shared + router_rows(dimensions))
    return experts if rest == 0 and 2 <= experts <= MAX_EXPERTS else 0


ENGINE_BUFFERS = 1_622_896  # asengine/assembly/memory.ts: ARENA


def engine_memory(header: Header) -> int:
    """Bytes of the engine's memory with this model loaded, laid out as asengine/assembly/memory.ts does. All readers compare this figure
    with their limit, so that a file is TOO_LARGE for each of them or for none."""
    d = header.dimensions

    def placed(*sizes: int) -> int:
        return sum(-(-size // 8) * 8 for size in sizes)

    def unpacked(spec: TensorSpec) -> int:
        if spec.kind == "f32":
            return placed(4 * spec.size)
        assert spec.cols is not None
        groups = -(-spec.cols // (5 if spec.rows < 400 else 6))
        weights = 2 * spec.rows * (-(-groups // 8) * 8) if spec.row.engine == "unpacked" else 0
        return placed(weights, 4 * spec.scales)

    hash_cells = max(1024, 1 << (2 * d.vocab - 1).bit_length())
    model = placed(64 * d.vocab, d.vocab, 2 * hash_cells) + sum(map(unpacked, tensor_specs(d, header.experts)))
    if d.copies:
        key = -(-4 * d.copy_dim // 16) * 16
        model += placed(key, d.context * key, 2 * d.context, 4 * d.vocab)
    model += header.experts * d.layers * placed(4 * d.dim * d.taps, 4 * d.dim)
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


def expert_names(card: dict) -> list[str]:
    """What a card calls the experts of its model, in their order; nothing where it does not say."""
    names = card.get(EXPERTS_KEY)
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def decode_tensors(data: memoryview, dimensions: Dimensions, experts: int = 1) -> dict[str, Union[Matrix, np.ndarray]]:
    tensors: dict[str, Union[Matrix, np.ndarray]] = {}
    start = 0
    for place, spec in enumerate(tensor_specs(dimensions, experts)):
        record = data[start : start + spec.file_bytes]
        start += spec.file_bytes
        reals = np.frombuffer(record, "<f4", spec.size if spec.kind == "f32" else spec.scales).astype(np.float32)
        if not reals_allowed(reals):
            raise ModelFileError("BAD_TENSOR", place)
        if spec.kind == "f32":
            tensors[spec.name] = reals.reshape(spec.shape)
            continue
        try:
            assert spec.cols is not None
            planes = unpack_trits(record[4 * spec.scales :], spec.planes * spec.rows, spec.cols)
        except ValueError:
            raise ModelFileError("BAD_TENSOR", place) from None
        weight = planes if spec.planes == 1 else 3 * planes[: spec.rows] + planes[spec.rows :]
        tensors[spec.name] = Matrix(weight, reals)
    return tensors


def reals_allowed(reals: np.ndarray) -> bool:
    """Finite and of magnitude <= 1024: the comparison is false for NaN."""
    return bool((np.abs(reals) <= MAX_MAGNITUDE).all())
