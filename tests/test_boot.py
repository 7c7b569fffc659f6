"""The program for old PCs on an emulated one: it starts without any other file, and says what the native program says."""

import importlib.util
import pathlib
import subprocess

import pytest

from programs import EXPECTED, MODEL

ROOT = pathlib.Path(__file__).parent.parent
LEGACY, COMPILED = ROOT / "build" / "legacy" / "fable6c", ROOT / "build" / "legacy" / "fable6c-aot"
INIT, NATIVE = ROOT / "build" / "legacy" / "init", ROOT / "build" / "fable6c"

specification = importlib.util.spec_from_file_location("boot", ROOT / "asengine" / "boot" / "boot.py")
machine = importlib.util.module_from_spec(specification)
specification.loader.exec_module(machine)

needs_machine = [
    pytest.mark.skipif(machine.missing() is not None, reason=str(machine.missing())),
    pytest.mark.skipif(not INIT.exists(), reason="build/legacy is not built: make legacy boot-test"),
]


def image(path, flags):
    """A file that says of itself what a kernel for 32 or 64 bits says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(0x236) + bytes([flags]))
    return str(path)


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("KERNEL", "/no/such/kernel")
    assert machine.missing().startswith("/no/such/kernel is missing")
    monkeypatch.setenv("KERNEL", image(tmp_path / "bzImage", 0))
    monkeypatch.setattr(machine, "EMULATORS", {32: "no-such-emulator", 64: "sh"})
    assert machine.missing() == f"no-such-emulator is missing; on Debian: apt install {machine.packages()}"
    image(tmp_path / "bzImage", 0x3F)
    assert machine.missing() is None


def test_a_kernel_for_32_bits_comes_first(monkeypatch, tmp_path):
    monkeypatch.delenv("KERNEL", raising=False)
    monkeypatch.setattr(machine, "IMAGES", str(tmp_path))
    assert machine.kernel() is None and machine.missing().startswith("a kernel is missing")
    newer = image(tmp_path / "13" / "amd64" / "text" / "debian-installer" / "amd64" / "linux", 1)
    assert machine.kernel() == newer and machine.bits(newer) == 64
    older = image(tmp_path / "12" / "i386" / "text" / "debian-installer" / "i386" / "linux", 0)
    assert machine.kernel() == older and machine.bits(older) == 32


@pytest.mark.parametrize(
    "release, package",
    [
        ('VERSION_ID="12"\n', "debian-installer-12-netboot-i386"),
        ('VERSION_ID="13"\n', "debian-installer-13-netboot-amd64"),
        ("ID=debian\n", "debian-installer-13-netboot-amd64"),
    ],
    ids=["12", "13", "testing"],
)
def test_the_package_is_one_that_the_release_has(monkeypatch, tmp_path, release, package):
    (tmp_path / "os-release").write_text(release)
    monkeypatch.setattr(machine, "OS_RELEASE", str(tmp_path / "os-release"))
    assert machine.packages().split()[-1] == package


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

    @pytest.mark.parametrize("program", [LEGACY, COMPILED], ids=lambda path: path.name)
    def test_selftest_story_and_faults(self, memory, program):
        if not program.exists():
            pytest.skip(f"build/legacy/{program.name} is not built: make legacy, make legacy AOT=1")
        story = EXPECTED["stories"][0]
        files = {"init": INIT.read_bytes(), "fable6c": program.read_bytes(), "model.f6c": pathlib.Path(MODEL).read_bytes()}
        files["damaged.f6c"] = files["model.f6c"][:-1]
        commands = [
            ["/fable6c", "/model.f6c", "--selftest"],
            ["/fable6c", "/model.f6c", "-p", EXPECTED["prompt"], "-n", "200", "-t", "0"],
            ["/fable6c", "/damaged.f6c", "-p", "x"],
            ["/fable6c", "/none.f6c", "-p", "x"],
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
