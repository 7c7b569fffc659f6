"""Files of a person's: opened for reading only where they are files, and written so that they are either the old ones or the new ones.

The order that survives a crash or a power cut (as in SQLite's atomic commit): write a temporary file in the same folder, fsync
it, rename it over the old one, fsync the folder so that the rename itself is on disk.
"""

import codecs
import contextlib
import errno
import hashlib
import itertools
import json
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Optional

try:
    import tomllib
except ImportError:  # Python < 3.11
    import tomli as tomllib

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

from fable6c.errors import UsageError, UserError

MAX_NAME_BYTES = 255  # of a file's name, on every common file system
MAX_TEXT_BYTES = 4 << 20  # of a configuration or a description: no honest one comes near it
INTEGERS = range(-(2**63), 2**63)  # of TOML, section "Integer"; Python would read longer ones, and then cannot print them
ADVICE = {
    errno.ENOSPC: "free some space or choose another folder",
    errno.EDQUOT: "free some space or choose another folder",
    errno.EFBIG: "choose a folder on another disk",
    errno.ENOENT: "make its folder first, or choose another",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EISDIR: "name a file in it",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EACCES: "choose another folder",
    errno.EPERM: "choose another folder",
    errno.EROFS: "choose another folder",
}


def open_file(path: str) -> BinaryIO:
    """Open a file for reading. UserError for a pipe or a device, which would block or never end; OSError as `open` raises it."""
    # Without waiting for a pipe's other end; what was opened is looked at, so that nothing changes between the two.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):
            raise UserError(f"{path}: is a pipe or a device, which can be read only once; save it as a file first")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def file_sha256(path: str) -> str:
    """The SHA-256 of a file, in hexadecimal. UserError for what cannot be read."""
    digest = hashlib.sha256()
    try:
        with open_file(path) as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return digest.hexdigest()


def starts_with(path: str, magic: bytes) -> bool:
    """Whether a file that can be read begins with these bytes."""
    with open_file(path) as file:
        return file.read(len(magic)) == magic


def read_toml(path: str) -> dict[str, Any]:
    """The tables of a TOML file. UsageError, naming the path, for what cannot be read or is not TOML in UTF-8."""
    try:
        with open_file(path) as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if len(data) > MAX_TEXT_BYTES:
        raise UsageError(f"{path}: has more than {MAX_TEXT_BYTES >> 20} MiB, so it is no configuration; check the path")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError(f"{path}: is UTF-16 (it starts with {data[:2].hex(' ')}); save it as UTF-8")
    if data.startswith(codecs.BOM_UTF8):
        raise UsageError(f"{path}: starts with a byte order mark (ef bb bf), which TOML does not allow; save it as UTF-8 without one")
    try:
        tables = tomllib.loads(data.decode("utf-8"))
        if _has_long_integer(tables):
            raise ValueError
        return tables
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {data[error.start]:02x} at offset {error.start} is not UTF-8; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: is not valid TOML ({error})") from None
    except RecursionError:
        raise UsageError(f"{path}: is not read: its brackets are nested too deeply") from None
    except ValueError:
        raise UsageError(f"{path}: has a whole number of more than 64 bits; give a smaller one") from None


def _has_long_integer(value: object) -> bool:
    if isinstance(value, (dict, list)):
        return any(map(_has_long_integer, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and value not in INTEGERS


def read_json(path: str) -> Any:
    """The value of a JSON file that a stage noted down. OSError where it cannot be read, UserError for a pipe, ValueError for what is no JSON."""
    with open_file(path) as file:
        data = file.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        raise ValueError(f"it has more than {MAX_TEXT_BYTES >> 20} MiB")
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None


@contextlib.contextmanager
def atomic_file(path: str) -> Iterator[BinaryIO]:
    """A file object for the new content of `path`; the content appears there, complete, when the block ends.

    If the block raises, `path` keeps its old content and the temporary file is removed. A symbolic link stays, and the file that it leads to
    is replaced; owner and permissions of a file that was there stay too. An OSError (disk full, folder not writable, …)
    becomes a UserError that names the path and the reason, and so does a `path` that is a pipe, a device or a folder.
    """
    before = existing_file(path)
    with _output_errors(path):
        target = os.path.realpath(path) if os.path.islink(path) else path
        with _create_beside(target) as file:
            try:
                yield file
                file.flush()
                if before is not None:
                    _keep(before, file)
                os.fsync(file.fileno())
                if os.name == "nt":  # which renames no open file; elsewhere the lock lasts until the name is gone
                    file.close()
                os.replace(file.name, target)
            except BaseException:
                if os.name == "nt":
                    file.close()
                with contextlib.suppress(OSError):
                    os.remove(file.name)
                raise
        _fsync_folder(os.path.dirname(target) or ".")


def existing_file(path: str, inputs: Iterable[Optional[str]] = ()) -> Optional[os.stat_result]:
    """What is at `path`, where a result is to appear; None where there is nothing. UserError where it cannot appear, because that is a folder, a
    pipe or a device, lies in no folder, or is one of the `inputs`, the files that the result is made of."""
    with _output_errors(path):
        try:
            status = os.stat(path)
        except FileNotFoundError:
            os.stat(os.path.dirname(os.path.realpath(path)))
            return None
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path}: is a pipe or a device, which cannot hold the result; name a file")
    for read in filter(None, inputs):
        with contextlib.suppress(OSError):  # whoever reads it says so
            if os.path.samestat(os.stat(read), status):
                raise UserError(f"{path}: is {read}, which is read for it; choose another name for the result")
    return status


@contextlib.contextmanager
def _output_errors(path: str) -> Iterator[None]:
    """Turns an OSError into the line that says what to do about it."""
    try:
        yield
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "choose another folder")
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); {advice}") from error


def _create_beside(target: str) -> BinaryIO:
    """A new file in the target's folder, under a name of our own that nobody uses: NAME.fable6c-1.tmp, or the next number.

    It is locked while it is written. So what a killed process left behind, which is locked no more, is written over instead of piling up, and
    two processes with one target do not write into one file. What has such a name and is no file (a folder, a link, a pipe) stays as it is.
    """
    folder, name = os.path.split(target)
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), target)
    for number in itertools.count(1):
        ending = f".fable6c-{number}.tmp"
        path = os.path.join(folder, os.fsdecode(os.fsencode(name)[: MAX_NAME_BYTES - len(ending)]) + ending)
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(path).st_mode):
                continue
        file = open(path, "r+b", opener=lambda path, flags: os.open(path, flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666))
        with contextlib.suppress(FileNotFoundError):  # the process that wrote it has renamed it just now
            if _lock(file.fileno()) and os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                file.truncate()
                return file
        file.close()
    raise AssertionError("numbers do not end")


def _keep(before: os.stat_result, file: BinaryIO) -> None:
    """Give the new file what a person had set on the old one."""
    if not hasattr(os, "fchmod"):  # Windows
        return
    with contextlib.suppress(OSError):  # only root can give files away
        os.fchown(file.fileno(), before.st_uid, before.st_gid)
    with contextlib.suppress(OSError):
        os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))


def atomic_write(path: str, content: bytes) -> None:
    """Replace the content of `path` by `content`, completely or not at all (see `atomic_file`)."""
    with atomic_file(path) as file:
        file.write(content)


def make_folder(path: str) -> None:
    """Create the folder `path` and its parents where they are missing. Raises UserError where that cannot be done."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: this folder cannot be made ({error.strerror}); choose another place") from error


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
def locked(folder: str, work: str = "training", option: str = "--out") -> Iterator[None]:
    """Keep other processes out of a folder, where two would write over each other's files. The lock goes with the process, however it ends.

    `work` and `option`, for the message: what runs there, and the option that names the folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY) if fcntl else os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise UserError(f"{folder}: this folder cannot be read ({error.strerror}); choose another with {option}") from None
    try:
        if not _lock(descriptor):
            raise UserError(f"{folder}: another {work} is running there; wait for it, stop it, or choose another folder with {option}")
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether what is open there is ours alone now, until it is closed. Also true on a file system without locks."""
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows locks no folders: the first byte of a file in it
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass
    return True
