"""Memory for the scout's tables."""

import mmap
from typing import Union

import numpy as np

from fable6c.errors import UserError


def aligned(size: int, dtype: Union[type, np.dtype]) -> np.ndarray:
    """Zeros that begin at a page of memory; the system hands the pages out when they are first used."""
    size *= np.dtype(dtype).itemsize
    try:
        return np.frombuffer(mmap.mmap(-1, size), dtype)
    except OSError as error:
        raise UserError(
            f"{size >> 20} MiB of memory cannot be had ({error.strerror}); close other programs, or train with a smaller --memory"
        ) from None


def padded(array: np.ndarray, rows: int) -> np.ndarray:
    """The array with zero rows after it: whatever 12-bit token stands in a table, its row can be read."""
    out = aligned(rows * int(np.prod(array.shape[1:], dtype=int)), array.dtype).reshape((rows, *array.shape[1:]))
    out[: len(array)] = array
    return out
