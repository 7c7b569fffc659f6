"""The update file `.f6u`: what a peer's training changed in the parameters of a base, in two bits for each.

    update = make_update(change, shapes, base, steps)    # change f32 (P,): parameters after training minus the base's
    data = encode_update(update)
    update = decode_update(data)                         # or a UserError, one line
    change = update.change()                             # f32 (P,), rounded

A header of 96 bytes (docs/exchange.md, "The update file"), an f32 scale for each tensor, then each tensor's codes, four to a byte. Nothing is
compressed, so its size follows from its header and nothing in it can unpack to more than sixteen times the file.
"""

import dataclasses
import os
import struct
import zlib
from collections.abc import Sequence

import numpy as np

from fable6c.errors import UserError
from fable6c.files import atomic_write, open_file

MAGIC = b"\x89F6U\r\n\x1a\n"
VERSION, TWO_BITS = 1, 1
HEADER = struct.Struct("<8sIIIIQ32s28xI")  # magic, version, codec, tensors, steps, parameters, base, zeros, CRC-32 of all but itself
MAX_TENSORS, MAX_PARAMETERS, MAX_STEPS = 4096, 1 << 31, 1 << 31
MAX_SCALE = np.float32(16)
# The four levels that lose least of a normal distribution (Max 1960, table I), in standard deviations; a code is the level's number.
LEVELS = np.array([-1.5104, -0.4528, 0.4528, 1.5104], np.float32)
BORDER = np.float32(0.9816)


@dataclasses.dataclass(frozen=True)
class Update:
    """base: SHA-256 of what was trained on (training/start.py), 32 bytes; steps: of the optimizer; sizes: numbers in each tensor; scales: f32
    (tensors,); codes: uint8, 0 to 3, one for each parameter."""

    base: bytes
    steps: int
    sizes: tuple[int, ...]
    scales: np.ndarray
    codes: np.ndarray

    def change(self) -> np.ndarray:
        """The change of each parameter, f32 (P,)."""
        return LEVELS[self.codes] * np.repeat(self.scales, self.sizes)


def make_update(change: np.ndarray, sizes: Sequence[int], base: bytes, steps: int) -> Update:
    """Round a change (P,) f32 to two bits; `sizes` of its tensors. What is lost, `change - update.change()`, is the sender's to add next time
    (error feedback: Seide et al. 2014). ValueError for a change that is not finite or not of these sizes."""
    if change.shape != (sum(sizes),) or not np.isfinite(change).all():
        raise ValueError(f"change: expected {sum(sizes)} finite numbers, got shape {change.shape}")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    scales = np.sqrt(np.add.reduceat(change.astype(np.float64) ** 2, starts) / np.asarray(sizes)).astype(np.float32)
    scales = np.minimum(scales, MAX_SCALE)
    border = np.repeat(scales * BORDER, sizes)
    codes = (2 * (change >= 0) + ((change >= border) | ((change < 0) & (change > -border)))).astype(np.uint8)
    return Update(base, steps, tuple(sizes), scales, codes)


def encode_update(update: Update) -> bytes:
    """The bytes of an update's file."""
    head = struct.pack("<8sIIIIQ32s28x", MAGIC, VERSION, TWO_BITS, len(update.sizes), update.steps, len(update.codes), update.base)
    sizes = np.asarray(update.sizes, "<u4").tobytes()
    packed = np.zeros(-(-len(update.codes) // 4) * 4, np.uint8)
    packed[: len(update.codes)] = update.codes
    packed = (packed.reshape(-1, 4) << np.array([0, 2, 4, 6], np.uint8)).sum(axis=1, dtype=np.uint8)
    content = sizes + update.scales.astype("<f4").tobytes() + packed.tobytes()
    return head + struct.pack("<I", zlib.crc32(content, zlib.crc32(head))) + content


def decode_update(data: bytes) -> Update:
    """The update in a file's bytes. UserError, one line, for what is none: each field is checked before anything of its size is made."""
    if len(data) < HEADER.size or data[: len(MAGIC)] != MAGIC:
        raise UserError("this is not an update (.f6u): it does not start as one does")
    _, version, codec, tensors, steps, parameters, base, crc = HEADER.unpack_from(data)
    if (version, codec) != (VERSION, TWO_BITS):
        raise UserError(
            f"the update has version {version} and codec {codec}, this build reads {VERSION} and {TWO_BITS}; get a newer fable6c"
        )
    if not (1 <= tensors <= MAX_TENSORS and 1 <= parameters <= MAX_PARAMETERS and 1 <= steps <= MAX_STEPS):
        raise UserError("the update's header has a number out of range; it is damaged or forged")
    wanted = HEADER.size + 8 * tensors + -(-parameters // 4)
    if len(data) != wanted:
        raise UserError(f"the update has {len(data):,} bytes, its header says {wanted:,}; copy or download it again")
    head, content = data[: HEADER.size - 4], memoryview(data)[HEADER.size :]
    if zlib.crc32(content, zlib.crc32(head)) != crc:
        raise UserError("the update is damaged (its checksum does not match); copy or download it again")
    sizes, scales = np.frombuffer(content, "<u4", tensors), np.frombuffer(content, "<f4", tensors, 4 * tensors).astype(np.float32)
    packed = np.frombuffer(content, np.uint8, offset=8 * tensors)
    codes = ((packed[:, None] >> np.array([0, 2, 4, 6], np.uint8)) & 3).reshape(-1)
    allowed = np.isfinite(scales) & (scales >= 0) & (scales <= MAX_SCALE)
    if any(head[64:]) or sizes.min() == 0 or int(sizes.sum(dtype=np.int64)) != parameters or codes[parameters:].any() or not allowed.all():
        raise UserError("the update holds a value that is not allowed; it is damaged or forged")
    return Update(base, steps, tuple(sizes.tolist()), scales, codes[:parameters])


def read_update(path: str) -> Update:
    """Read and check an update file. UserError, one line with its path, for what is none."""
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEADER.size)
            # No more is read than the header says and the limits allow: what is no update may be far larger than memory.
            data = head + (
                file.read(size) if head[: len(MAGIC)] == MAGIC and size <= HEADER.size + 8 * MAX_TENSORS + MAX_PARAMETERS // 4 else b""
            )
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    try:
        return decode_update(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def write_update(path: str, update: Update) -> None:
    """Write the file atomically."""
    atomic_write(path, encode_update(update))
