"""Memory for the scout's tables."""

import contextlib
import mmap
from typing import Union

import numpy as np

from fable6c.errors import UserError

HUGE = 1 << 22  # bytes from which on large pages are worth asking for


def aligned(size: int, dtype: Union[type, np.dtype]) -> np.ndarray:
    """Zeros that begin at a page of memory; the system hands the pages out when they are first used."""
    size *= np.dtype(dtype).itemsize
    try:
        memory = mmap.mmap(-1, size)
    except OSError as error:
        raise UserError(
            f"{size >> 20} MiB of memory cannot be had ({error.strerror}); close other programs, or train with a smaller --memory"
        ) from None
    if size >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):  # tables are read at random places: with large pages a third less time
        with contextlib.suppress(OSError):  # a kernel without them
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, dtype)
