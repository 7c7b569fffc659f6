"""The program for old PCs on an emulated one: it starts without any other file, and says what the native program says."""

import importlib.util
import pathlib
import subprocess

import pytest

from test_native import EXPECTED, MODEL

ROOT = pathlib.Path(__file__).parent.parent
LEGACY, INIT, NATIVE = ROOT / "build" / "legacy" / "fable6c", ROOT / "build" / "legacy" / "init", ROOT / "build" / "fable6c"

specification = importlib.util.spec_from_file_location("boot", ROOT / "asengine" / "boot" / "boot.py")
machine = importlib.util.module_from_spec(specification)
specification.loader.exec_module(machine)

needs_machine = [
    pytest.mark.skipif(machine.missing() is not None, reason=str(machine.missing())),
    pytest.mark.skipif(not (LEGACY.exists() and INIT.exists()), reason="build/legacy is not built: make legacy boot-test"),
]


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(machine, "EMULATOR", "no-such-emulator")
    assert machine.missing() == f"no-such-emulator is missing; on Debian: apt install {machine.PACKAGES}"
    monkeypatch.setattr(machine, "EMULATOR", "sh")
    monkeypatch.setenv("KERNEL", "/no/such/kernel")
    assert machine.missing().startswith("/no/such/kernel is missing")


def test_the_ram_disk_is_a_cpio_archive():
    import gzip

    content = gzip.decompress(machine.archive({"init": b"abcde", "commands": b""}))
    assert content[:6] == b"070701" and len(content) % 4 == 0
    assert content.index(b"init\0") == 110 and content[116:121] == b"abcde"  # 110 + name, to a multiple of 4
    assert content.rstrip(b"\0").endswith(b"TRAILER!!!")


@pytest.mark.slow
@pytest.mark.parametrize("memory", [256, pytest.param(64, id="64-MB")])
class TestBoot:
    pytestmark = needs_machine

    def test_selftest_story_and_faults(self, memory):
        story = EXPECTED["stories"][0]
        files = {"init": INIT.read_bytes(), "fable6c": LEGACY.read_bytes(), "model.f6c": pathlib.Path(MODEL).read_bytes()}
        files["damaged.f6c"] = files["model.f6c"][:-1]
        program = ["/fable6c"]
        commands = [
            [*program, "/model.f6c", "--selftest"],
            [*program, "/model.f6c", "-p", EXPECTED["prompt"], "-n", "200", "-t", "0"],
            [*program, "/damaged.f6c", "-p", "x"],
            [*program, "/none.f6c", "-p", "x"],
        ]
        result = machine.boot(files, commands, memory=memory)
        assert [done.status for done in result.results] == [0, 0, 1, 1], result.console
        selftest, told, damaged, none = (done.text for done in result.results)
        assert told == EXPECTED["prompt"] + story["text"] + "\n"
        if NATIVE.exists():
            assert selftest == subprocess.run([NATIVE, MODEL, "--selftest"], stdout=subprocess.PIPE, check=True).stdout.decode()
        assert selftest.splitlines()[-1].startswith("selftest ")
        assert "the file ends early: 1 bytes are missing" in damaged and damaged.count("\n") == 1
        assert none.startswith("fable6c: /none.f6c: ") and none.count("\n") == 1
        assert len(result.memory) == 2
