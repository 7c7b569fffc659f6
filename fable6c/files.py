"""Files that are either the old ones or the new ones, never a half-written one.

The order that survives a crash or a power cut (as in SQLite's atomic commit): write a temporary file in the same folder, fsync
it, rename it over the old one, fsync the folder so that the rename itself is on disk.
"""

import contextlib
import os
from typing import BinaryIO, Iterator

try:
    import tomllib as tomllib  # others take it from here
except ImportError:  # Python < 3.11
    import tomli as tomllib  # noqa: F401

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from fable6c.errors import UserError


@contextlib.contextmanager
def atomic_file(path: str) -> Iterator[BinaryIO]:
    """A file object for the new content of `path`; the content appears there, complete, when the block ends.

    If the block raises, `path` keeps its old content and the temporary file is removed. An OSError (disk full, folder not
    writable, …) becomes a UserError that names the path and the reason.
    """
    # One fixed temporary name: what a killed process left behind is overwritten by the next save instead of piling up.
    temporary = path + ".tmp"
    try:
        try:
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _fsync_folder(os.path.dirname(path) or ".")
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(temporary)
            raise
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); free some space or choose another folder"
        ) from error


def atomic_write(path: str, content: bytes) -> None:
    """Replace the content of `path` by `content`, completely or not at all (see `atomic_file`)."""
    with atomic_file(path) as file:
        file.write(content)


def make_folder(path: str) -> None:
    """Create the folder `path` and its parents where they are missing. Raises UserError where that cannot be done."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: this folder cannot be made ({error.strerror}); choose another place"
        ) from error


def _fsync_folder(path: str) -> None:
    """Put the folder's entries on disk. Windows cannot open a folder; there the rename alone has to do."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keep other processes out of a folder, where two would write over each other's files. The lock goes with the process, however it ends."""
    if fcntl is None:
        yield
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UserError(f"{folder}: this folder cannot be read ({error.strerror}); choose another with --out") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another training is running there; wait for it, stop it, or choose another folder with --out") from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)
