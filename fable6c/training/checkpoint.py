"""Checkpoints: named arrays and a JSON description in one file, written atomically, checked by SHA-256, without pickle.

    magic (8 bytes) | u64 size of the description | description (JSON) | the arrays, one after the other | SHA-256 of all before

`save` keeps the previous checkpoint beside the new one, and `load` takes the newest that is whole: a power cut in the
middle of a save, or a damaged file, costs at most the time since the save before.

A save writes checkpoint.new.f6k (atomically: temporary file, fsync, rename, fsync of the folder) and then renames twice. `load` looks
at all three names, so it finds the new checkpoint or the old one whichever of the renames reached the disk.
"""

import hashlib
import json
import math
import os
import struct
import sys
from typing import Optional, Union

import numpy as np

from fable6c.errors import UserError
from fable6c.files import atomic_file, open_file

MAGIC = b"\x89F6K\r\n\x1a\n"
VERSION = 1
FRESH, NAME, PREVIOUS = "checkpoint.new.f6k", "checkpoint.f6k", "checkpoint.previous.f6k"  # from new to old


def save(folder: str, description: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write `folder`/checkpoint.f6k; what was there becomes checkpoint.previous.f6k. UserError if it cannot be written."""
    fresh, path, previous = (os.path.join(folder, name) for name in (FRESH, NAME, PREVIOUS))
    table = [{"name": name, "dtype": array.dtype.str, "shape": array.shape} for name, array in arrays.items()]
    head = json.dumps({"version": VERSION, "description": description, "arrays": table}).encode()
    digest = hashlib.sha256()
    with atomic_file(fresh) as file:
        parts: list[Union[bytes, memoryview]] = [MAGIC, struct.pack("<Q", len(head)), head]
        parts += [np.ascontiguousarray(array).data.cast("B") for array in arrays.values()]
        for part in parts:
            digest.update(part)
            file.write(part)
        file.write(digest.digest())
    try:
        if os.path.exists(path):
            os.replace(path, previous)
        os.replace(fresh, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be replaced ({error.strerror}); check the folder's permissions") from error


def load(folder: str) -> Optional[tuple[dict, dict[str, np.ndarray]]]:
    """The newest whole checkpoint of `folder`: (description, arrays), or None if there is none at all.

    A line on stderr if the newest is damaged and the one before is used. UserError if none is whole, or for one of another
    version: that is not damage, and going on from an older one would in the end overwrite it.
    """
    problem = None
    for name in (FRESH, NAME, PREVIOUS):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            continue
        try:
            head, data = _read(path)
        except UserError as error:
            problem = problem or error
            continue
        if head["version"] != VERSION:
            raise UserError(
                f"{path}: the checkpoint has version {head['version']}, this build reads {VERSION}; use the fable6c that wrote it, or another folder"
            )
        if problem:
            print(f"{problem}; using {name} instead", file=sys.stderr)
        return head["description"], _arrays(path, head["arrays"], data)
    if problem:
        raise UserError(f"{problem}; no whole checkpoint is left there: train anew in another folder (--out)")
    return None


def _read(path: str) -> tuple[dict, memoryview]:
    """The head of a checkpoint file and the bytes of its arrays; UserError if it is not whole."""
    try:
        with open_file(path) as file:
            data = file.read(len(MAGIC))
            data = data + file.read() if data == MAGIC else b""  # what is none may be far larger than memory
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise UserError(f"{path}: is not a checkpoint of fable6c")
    if len(data) < 48 or hashlib.sha256(memoryview(data)[:-32]).digest() != data[-32:]:
        raise UserError(f"{path}: the checkpoint is damaged (its checksum does not match)")
    size = struct.unpack_from("<Q", data, 8)[0]
    try:
        head = json.loads(data[16 : 16 + size])
    except (ValueError, RecursionError):
        raise foreign(path, "its description is not JSON") from None
    if not isinstance(head, dict) or not isinstance(head.get("version"), int):
        raise foreign(path, "it names no version")
    if head["version"] == VERSION and not (isinstance(head.get("description"), dict) and isinstance(head.get("arrays"), list)):
        raise foreign(path, "it has no description or no table of arrays")
    return head, memoryview(data)[16 + size : -32]


def foreign(path: str, reason: str) -> UserError:
    """A file with a right checksum and wrong content: it was made by something else."""
    return UserError(
        f"{path}: is not a checkpoint that fable6c wrote ({reason}); restore it from a copy, or train anew in another folder (--out)"
    )


def _arrays(path: str, table: object, data: memoryview) -> dict[str, np.ndarray]:
    """The arrays that `table` describes, as views of the file's bytes."""
    arrays: dict[str, np.ndarray] = {}
    at = 0
    try:
        for entry in table:  # type: ignore[attr-defined]
            dtype, shape = np.dtype(entry["dtype"]), entry["shape"]
            count = math.prod(shape)
            if (
                dtype.kind not in "fiu"
                or not all(type(size) is int and size >= 0 for size in shape)
                or count * dtype.itemsize > len(data) - at
            ):
                raise ValueError
            arrays[entry["name"]] = np.frombuffer(data, dtype, count, at).reshape(shape)
            at += count * dtype.itemsize
    except (TypeError, ValueError, KeyError):
        raise foreign(path, "its table of arrays is wrong") from None
    if at != len(data):
        raise foreign(path, f"{len(data) - at} bytes are in no array")
    return arrays
