"""Checkpoints: what is saved comes back, and whatever goes wrong during a save, the new one or the one before does."""

import errno
import hashlib
import json
import os
import struct
import subprocess

import numpy as np
import pytest

from fable6c import files
from fable6c.errors import UserError
from fable6c.training import checkpoint
from fable6c.training.checkpoint import FRESH, NAME, PREVIOUS


def save(folder, number):
    arrays = {"parameters": np.full(20, number, np.float32), "second": np.arange(3, dtype=np.float32)}
    checkpoint.save(str(folder), {"step": number}, arrays)


def load(folder):
    """The number of the checkpoint that is found; None if there is none."""
    found = checkpoint.load(str(folder))
    if found is None:
        return None
    description, arrays = found
    assert (arrays["parameters"] == description["step"]).all()
    return description["step"]


# ---- round trip


def test_round_trip(tmp_path):
    random = np.random.default_rng(1)
    description = {"text": "ä “quoted”\n", "elapsed": 0.1 + 0.2, "nested": {"none": None, "list": [1, 2.5]}, "seed": 2**32 - 1}
    arrays = {
        "matrix": random.standard_normal((5, 7)).astype(np.float32),
        "transposed": np.asfortranarray(random.standard_normal((3, 4))),
        "bytes": random.integers(-128, 128, 11).astype(np.int8),
        "one": np.array([np.nextafter(np.float32(1), np.float32(2)), np.nan, -0.0], np.float32),
    }
    checkpoint.save(str(tmp_path), description, arrays)
    found, read = checkpoint.load(str(tmp_path))
    assert found == description and list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype and read[name].shape == array.shape
        assert read[name].tobytes() == array.tobytes(), name


def test_the_file_is_as_documented(tmp_path):
    """Read without the module: magic, size, JSON, arrays, SHA-256. Nothing in it can run as code."""
    save(tmp_path, 7)
    data = (tmp_path / NAME).read_bytes()
    assert data[:8] == b"\x89F6K\r\n\x1a\n"
    (size,) = struct.unpack("<Q", data[8:16])
    head = json.loads(data[16 : 16 + size])
    assert head["version"] == 1 and head["description"] == {"step": 7}
    assert head["arrays"][0] == {"name": "parameters", "dtype": "<f4", "shape": [20]}
    assert data[16 + size : -32] == np.full(20, 7, "<f4").tobytes() + np.arange(3, dtype="<f4").tobytes()
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()


def test_the_previous_one_is_kept(tmp_path):
    assert load(tmp_path) is None
    for number in (1, 2, 3):
        save(tmp_path, number)
        assert load(tmp_path) == number
    assert sorted(os.listdir(tmp_path)) == sorted([NAME, PREVIOUS])
    os.remove(tmp_path / NAME)
    assert load(tmp_path) == 2


# ---- damage


def test_damage_anywhere_is_noticed(tmp_path, capsys):
    save(tmp_path, 1)
    save(tmp_path, 2)
    whole = (tmp_path / NAME).read_bytes()
    damaged = [whole[:length] for length in range(len(whole))] + [whole + b"\0"]
    damaged += [whole[:i] + bytes([whole[i] ^ 0x10]) + whole[i + 1 :] for i in range(len(whole))]
    for data in damaged:
        (tmp_path / NAME).write_bytes(data)
        assert load(tmp_path) == 1
        line = capsys.readouterr().err
        assert line.count("\n") == 1 and str(tmp_path / NAME) in line and line.endswith(f"using {PREVIOUS} instead\n")


def test_no_whole_checkpoint_is_an_error(tmp_path):
    """Not a run that silently begins again."""
    save(tmp_path, 1)
    save(tmp_path, 2)
    for name in (NAME, PREVIOUS):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match="no whole checkpoint is left"):
        load(tmp_path)


def test_a_checkpoint_of_another_version_is_not_passed_over(tmp_path, monkeypatch):
    save(tmp_path, 1)
    monkeypatch.setattr(checkpoint, "VERSION", 2)
    save(tmp_path, 2)
    monkeypatch.setattr(checkpoint, "VERSION", 1)
    with pytest.raises(UserError, match="the checkpoint has version 2, this build reads 1"):
        load(tmp_path)


# ---- saves that fail

OPERATIONS = ["open", "write", "flush", "fsync", "replace"]


class Faults:
    """Counts the file operations of a save and lets one of them fail."""

    def __init__(self, monkeypatch, fail):
        self.names, self.failing = [], None  # the operations so far; the number of the one that fails
        self.fail = fail  # what happens there
        for name in ("fsync", "replace"):
            monkeypatch.setattr(os, name, self.watched(name, getattr(os, name)))
        monkeypatch.setattr(files, "open", lambda *arguments, **named: File(self, *arguments, **named), raising=False)

    def watched(self, name, function):
        def call(*arguments, **named):
            self.names.append(name)
            if len(self.names) - 1 == self.failing:
                self.fail()
            return function(*arguments, **named)

        return call


class File:
    """A file whose operations are watched."""

    def __init__(self, faults, *arguments, **named):
        self.file = faults.watched("open", open)(*arguments, **named)
        self.write, self.flush = faults.watched("write", self.file.write), faults.watched("flush", self.file.flush)
        self.fileno, self.truncate, self.close, self.name = self.file.fileno, self.file.truncate, self.file.close, self.file.name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


def no_space():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def prepare(folder, before):
    """A folder as it is before the save that fails; returns the checkpoint that it holds."""
    folder.mkdir()
    for number in {"nothing": [], "one": [1], "two": [1, 2], "newest damaged": [1, 2], "only fresh": [1]}[before]:
        save(folder, number)
    if before == "newest damaged":
        (folder / NAME).write_bytes(b"\x89F6K")
    if before == "only fresh":
        os.rename(folder / NAME, folder / FRESH)
    return {"nothing": None, "one": 1, "two": 2, "newest damaged": 1, "only fresh": 1}[before]


BEFORE = ["nothing", "one", "two", "newest damaged", "only fresh"]


@pytest.mark.parametrize("before", BEFORE)
def test_each_operation_fails_once(tmp_path, monkeypatch, before):
    """The disk is full, or a rename is refused: one line, the old or the new checkpoint is there, and the next save works."""
    faults = Faults(monkeypatch, no_space)
    for failing in range(100):
        folder = tmp_path / str(failing)
        faults.failing = None
        old = prepare(folder, before)
        faults.names, faults.failing = [], failing
        try:
            save(folder, 9)
        except UserError as error:
            assert str(folder) in str(error) and "No space left on device" in str(error) and "\n" not in str(error)
            assert load(folder) in (old, 9)
            assert not list(folder.glob("*.tmp"))
            save(folder, 10)
            assert load(folder) == 10
        else:
            assert failing == len(faults.names) and load(folder) == 9
            break
    assert set(faults.names) == set(OPERATIONS), "every kind of operation had its turn"


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_before_each_operation(tmp_path, monkeypatch, before):
    """kill -9 in the middle of a save: no clean-up runs."""
    faults = Faults(monkeypatch, lambda: os._exit(99))
    for failing in range(100):
        folder = tmp_path / str(failing)
        faults.failing = None
        old = prepare(folder, before)
        child = os.fork()
        if child == 0:
            faults.names, faults.failing = [], failing
            save(folder, 9)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if status == 0:
            assert load(folder) == 9
            break
        assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 99
        assert load(folder) in (old, 9)
        save(folder, 10)
        assert load(folder) == 10
    assert failing > len(OPERATIONS)


@pytest.mark.parametrize("renames_on_disk", [0, 1])
def test_a_power_cut_that_loses_a_rename(tmp_path, renames_on_disk):
    """The renames at the end of a save are not fsynced: any of them may be missing afterwards."""
    save(tmp_path, 1)
    save(tmp_path, 2)
    old = (tmp_path / NAME).read_bytes()
    save(tmp_path, 3)
    os.rename(tmp_path / NAME, tmp_path / FRESH)
    if renames_on_disk == 0:
        (tmp_path / NAME).write_bytes(old)
    assert load(tmp_path) == 3
    save(tmp_path, 4)
    assert load(tmp_path) == 4 and not (tmp_path / FRESH).exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be written .*Not a directory"):
        save(tmp_path / "file" / "run", 1)


def test_a_checkpoint_that_cannot_be_read(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(UserError, match="cannot be read .*Is a directory"):
        load(tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB; skipped where one may not be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("may not mount a tmpfs")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_really_full(small_disk):
    save(small_disk, 1)
    save(small_disk, 2)
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(bytes(free.f_bavail * free.f_bsize))
    with pytest.raises(UserError, match="No space left on device"):
        save(small_disk, 3)
    assert load(small_disk) == 2 and sorted(os.listdir(small_disk)) == sorted([NAME, PREVIOUS, "filler"])
    os.remove(small_disk / "filler")
    save(small_disk, 4)
    assert load(small_disk) == 4
