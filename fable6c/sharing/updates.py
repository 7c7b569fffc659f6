"""The update file `.f6u`: what a peer's training changed in the parameters of a base, in two bits for each.

    update = make_update(change, base, steps)    # change f32 (P,): parameters after training minus the base's
    data = encode_update(update)
    update = decode_update(data)                 # or a UserError, one line
    change = update.change()                     # f32 (P,), rounded

A header of 96 bytes (docs/exchange.md, "The update file"), then a payload of fable6c/_codec.c, the one that a cluster's workers send too. Nothing
is compressed, so its size follows from its header and nothing in it can unpack to more than sixteen times the file.
"""

import dataclasses
import os
import struct
import zlib

import numpy as np

from fable6c.errors import UserError
from fable6c.files import atomic_write, open_file
from fable6c.training import codec

MAGIC = b"\x89F6U\r\n\x1a\n"
VERSION, BLOCKS = 1, 2  # codec 1, a scale for each tensor, lost 10 % of a change's squares instead of 7 %, and is gone
HEADER = struct.Struct("<8sIIIIQ32s28xI")  # magic, version, codec, steps, 0, parameters, base, zeros, CRC-32 of all but itself
MAX_PARAMETERS, MAX_STEPS = 1 << 31, 1 << 31


@dataclasses.dataclass(frozen=True)
class Update:
    """base: SHA-256 of what was trained on (training/start.py), 32 bytes; steps: of the optimizer; parameters: how many numbers the payload has."""

    base: bytes
    steps: int
    parameters: int
    payload: bytes

    def change(self) -> np.ndarray:
        """The change of each parameter, f32 (P,)."""
        change = np.zeros(self.parameters, np.float32)
        codec.add(change, self.payload, 1.0)
        return change


def make_update(change: np.ndarray, base: bytes, steps: int) -> Update:
    """Round a change (P,) f32 to two bits. What is lost, `change - update.change()`, is the sender's to add next time (error feedback: Seide
    et al. 2014). FloatingPointError for a change that is not finite."""
    payload, _ = codec.encode(change)
    return Update(base, steps, len(change), payload)


def encode_update(update: Update) -> bytes:
    """The bytes of an update's file."""
    head = struct.pack("<8sIIIIQ32s28x", MAGIC, VERSION, BLOCKS, update.steps, 0, update.parameters, update.base)
    return head + struct.pack("<I", zlib.crc32(update.payload, zlib.crc32(head))) + update.payload


def decode_update(data: bytes) -> Update:
    """The update in a file's bytes. UserError, one line, for what is none: each field is checked before anything of its size is made."""
    if len(data) < HEADER.size or data[: len(MAGIC)] != MAGIC:
        raise UserError("this is not an update (.f6u): it does not start as one does")
    _, version, kind, steps, zero, parameters, base, crc = HEADER.unpack_from(data)
    if (version, kind) != (VERSION, BLOCKS):
        raise UserError(f"the update has version {version} and codec {kind}, this build reads {VERSION} and {BLOCKS}; get a newer fable6c")
    if not (1 <= parameters <= MAX_PARAMETERS and 1 <= steps <= MAX_STEPS):
        raise UserError("the update's header has a number out of range; it is damaged or forged")
    wanted = HEADER.size + codec.size(parameters)
    if len(data) != wanted:
        raise UserError(f"the update has {len(data):,} bytes, its header says {wanted:,}; copy or download it again")
    head, payload = data[: HEADER.size - 4], data[HEADER.size :]
    if zlib.crc32(payload, zlib.crc32(head)) != crc:
        raise UserError("the update is damaged (its checksum does not match); copy or download it again")
    if zero or any(head[64:]) or codec.wrong(payload, parameters):
        raise UserError("the update holds a value that is not allowed; it is damaged or forged")
    return Update(base, steps, parameters, payload)


def read_update(path: str) -> Update:
    """Read and check an update file. UserError, one line with its path, for what is none."""
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEADER.size)
            # No more is read than the header says and the limits allow: what is no update may be far larger than memory.
            data = head + (file.read(size) if head[: len(MAGIC)] == MAGIC and size <= HEADER.size + codec.size(MAX_PARAMETERS) else b"")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    try:
        return decode_update(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def write_update(path: str, update: Update) -> None:
    """Write the file atomically."""
    atomic_write(path, encode_update(update))
