"""A folder of what one publishes and follows, and the rules by which something comes into it.

    FOLDER/KEY/NAME.f6m           the newest manifest of a series that was accepted
    FOLDER/KEY/NAME-3.f6c         its file; older ones stay until their owner removes them
    FOLDER/KEY/incoming/          what is being fetched, and nobody has checked

The folder is the whole state: a manifest here is what a later one is measured by. A web server that offers it is a publisher's.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from typing import Callable, Optional

from fable6c.errors import UserError
from fable6c.files import atomic_write, make_folder, open_file
from fable6c.model.file import ModelFileError, read_model
from fable6c.sharing import manifest as manifests
from fable6c.sharing import updates
from fable6c.sharing.manifest import Manifest

DAY = 86400
MAX_UNPACKED = 1 << 30  # characters of a corpus chunk that are looked at


def parse_pointer(text: str) -> tuple[str, str]:
    """KEY/NAME as a person types it. UserError for anything else."""
    key, _, name = text.partition("/")
    if not re.fullmatch(manifests.HEX64, key) or not re.fullmatch(manifests.NAME, name):
        raise UserError(
            f"{text}: is no KEY/NAME; give the publisher's public key (64 digits 0-9 a-f), a slash and the name, such as 3f…/small"
        )
    return key, name


class Shelf:
    """The folder. clock: the time in seconds since 1970."""

    def __init__(self, folder: str, clock: Callable[[], float] = time.time):
        self.folder, self.clock = folder, clock

    def manifest_path(self, key: str, name: str) -> str:
        return os.path.join(self.folder, key, name + ".f6m")

    def item_path(self, key: str, name: str) -> str:
        """Of what the DHT gave: dht.py keeps it there."""
        return os.path.join(self.folder, key, name + ".item")

    def file_path(self, manifest: Manifest) -> str:
        return os.path.join(self.folder, manifest.key, manifest.file_name)

    def held(self, key: str, name: str) -> Optional[tuple[Manifest, bytes]]:
        """The newest manifest of a series that is here, and its bytes; None where there is none. UserError for one that is damaged."""
        path = self.manifest_path(key, name)
        try:
            with open_file(path) as file:
                data = file.read(manifests.MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); choose another folder with --folder") from None
        try:
            manifest = manifests.decode(data)
            if (manifest.key, manifest.name) != (key, name):
                raise UserError("it belongs to another series")
        except UserError as error:
            raise UserError(f"{path}: {error}; restore it, or remove it: then older files of this series are taken again") from None
        return manifest, data

    def series(self) -> list[tuple[str, str]]:
        """Key and name of each series that is here."""
        found = []
        for key in sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []:
            folder = os.path.join(self.folder, key)
            if re.fullmatch(manifests.HEX64, key) and os.path.isdir(folder):
                found += [(key, name[:-4]) for name in sorted(os.listdir(folder)) if re.fullmatch(manifests.NAME + r"\.f6m", name)]
        return found

    def newest(self, first: str, name: str) -> Optional[tuple[Manifest, bytes]]:
        """The newest manifest of the series that the key `first` began, whoever of its successors signed it, and its bytes; None where there is none."""
        found, key = None, first
        for _ in range(manifests.MAX_SUCCESSORS):
            held = self.held(key, name)
            if held is None:
                return found
            found, key = held, held[0].successor
            if not key:
                return found
        raise UserError(f"{first[:16]}…/{name}: this key has handed over more than {manifests.MAX_SUCCESSORS} times; ask its owner")

    def key_now(self, first: str, name: str) -> str:
        """The key that signs the series now: the one that began it, or whom it and its successors named."""
        found = self.newest(first, name)
        return (found[0].successor or found[0].key) if found else first

    def judge(self, data: bytes, first: str, name: str, max_size: int) -> Optional[Manifest]:
        """The manifest in somebody's bytes if it is news of the series that the key `first` began; None if it is the one that is here. UserError, one line, if
        it must not be taken: forged, of another series or key, expired, older than what is here, or beside it."""
        manifest, key, held = manifests.decode(data), self.key_now(first, name), self.newest(first, name)
        if manifest.key != key or manifest.name != name:
            raise UserError(f"the manifest is of {manifest.key[:16]}…/{manifest.name}, not of {key[:16]}…/{name}; nothing is kept")
        if held and (manifest.sequence < held[0].sequence or held[0].key != key and manifest.sequence == held[0].sequence):
            raise UserError(
                f"an old manifest was played again: number {manifest.sequence}, and {held[0].sequence} is here; nothing is kept"
            )
        if held and manifest.sequence == held[0].sequence and data != held[1]:
            raise UserError(
                f"there are two manifests with number {manifest.sequence}: their publisher's key signs different things; nothing is kept"
            )
        now = self.clock()
        if manifest.expires <= now:
            raise UserError(
                f"the manifest, number {manifest.sequence}, expired {(now - manifest.expires) / DAY:.1f} days ago: its publisher is gone, or "
                "somebody keeps back what is newer; nothing is kept"
            )
        if manifest.size > max_size:
            raise UserError(f"the file has {manifest.size:,} bytes, more than the {max_size:,} that are allowed; give a larger --max-size")
        return None if held and held[1] == data else manifest

    def _incoming_path(self, manifest: Manifest) -> str:
        return os.path.join(self.folder, manifest.key, "incoming", f"{manifest.file_name}-{manifest.sha256[:16]}")

    def begun(self, manifest: Manifest) -> bool:
        """Whether an interrupted fetch of the manifest's file left something."""
        return os.path.exists(os.path.join(self._incoming_path(manifest), manifest.file_name))

    @contextlib.contextmanager
    def incoming(self, manifest: Manifest) -> Iterator[str]:
        """The folder in which a manifest's file is fetched, under its `file_name`. What an interrupted fetch left there is there again; the
        files of other manifests are not. The folder goes when its file was taken or refused; it stays after anything that may pass."""
        folder = self._incoming_path(manifest)
        above = os.path.dirname(folder)
        make_folder(folder)
        for other in os.listdir(above):
            if other.startswith(f"{manifest.name}-") and other != os.path.basename(folder):
                shutil.rmtree(os.path.join(above, other), ignore_errors=True)
        try:
            yield folder
        except Refused:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)

    def take(self, manifest: Manifest, data: bytes, path: str) -> str:
        """Check a file that was fetched and put it and its manifest where they belong; returns its path. Refused if a check fails."""
        verify(manifest, path)
        target = self.file_path(manifest)
        os.replace(path, target)
        atomic_write(self.manifest_path(manifest.key, manifest.name), data)  # last: it says that the file is here
        return target

    def whole(self, manifest: Manifest) -> bool:
        """Whether the manifest's file is here, and is what it says."""
        path = self.file_path(manifest)
        return os.path.isfile(path) and manifests.file_hashes(path) == (manifest.size, manifest.sha256, manifest.root)


class Refused(UserError):
    """A file that is not what its manifest says, or that its own reader rejects."""


def verify(manifest: Manifest, path: str) -> None:
    """Check a file from end to end before anything opens it: its size, both hashes, and then the strict reader of its kind. Refused if one fails."""
    size = os.path.getsize(path) if os.path.isfile(path) else 0
    if size != manifest.size:
        raise Refused(f"{manifest.file_name}: has {size:,} bytes, its manifest says {manifest.size:,}; nothing is kept")
    if manifests.file_hashes(path) != (manifest.size, manifest.sha256, manifest.root):
        raise Refused(f"{manifest.file_name}: is not the file that its manifest names (SHA-256 or v2 root); nothing is kept")
    check_kind(manifest.kind, path, manifest.file_name)


def check_kind(kind: str, path: str, name: str) -> None:
    """Let the reader of its kind judge a file: a model, an update or text. None of them executes or unpickles anything, and each bounds what it unpacks."""
    try:
        if kind == "model":
            read_model(path)
        elif kind == "update":
            updates.read_update(path)
        else:
            check_text(path)
    except ModelFileError as error:
        raise Refused(f"{name}: {ModelFileError(error.name, error.value)}; nothing is kept") from None
    except UserError as error:
        raise Refused(f"{name}: {str(error).removeprefix(path + ': ')}; nothing is kept") from None


def check_text(path: str) -> None:
    """UserError for a file that is not UTF-8 text in one zstd frame, or that unpacks to too much."""
    import codecs

    import zstandard

    decoder, size = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        with open_file(path) as file, zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file) as text:
            for block in iter(lambda: text.read(1 << 20), b""):
                size += len(block)
                if size > MAX_UNPACKED:
                    raise UserError(f"unpacks to more than {MAX_UNPACKED >> 20} MiB")
                decoder.decode(block)
            decoder.decode(b"", True)
    except (zstandard.ZstdError, UnicodeDecodeError):
        raise UserError("is not UTF-8 text packed by zstd") from None
    if not size:
        raise UserError("has no text")
