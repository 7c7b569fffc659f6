"""The Python package on Windows, as far as it can be tried without a Python for Windows: its C code compiles and computes the same bits,
its lock and its signals."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import types

import pytest

from fable6c import build_kernels, files
from fable6c.errors import UserError
from fable6c.training import signals
from kernel_driver import DRIVER, OPTIONS

ROOT = pathlib.Path(__file__).parent.parent
COMPILER = "x86_64-w64-mingw32-gcc"


@pytest.fixture(scope="module")
def wine64(tmp_path_factory):
    if shutil.which("wine") is None:
        pytest.skip("wine is missing; on Debian: apt install wine64 wine")
    environment = {**os.environ, "WINEPREFIX": str(tmp_path_factory.mktemp("wine64") / "prefix"), "WINEDEBUG": "-all", "DISPLAY": ""}
    return lambda *command: subprocess.run(
        ["wine", *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, timeout=300
    )


@pytest.mark.slow
@pytest.mark.parametrize("isa, flags", [("baseline", []), ("avx2", ["-mavx2", "-mfma"])])
def test_the_kernels_compute_the_same_bits(isa, flags, wine64, tmp_path):
    if shutil.which(COMPILER) is None:
        pytest.skip(f"{COMPILER} is missing; on Debian: apt install gcc-mingw-w64-x86-64")
    if isa == "avx2" and "avx2" not in pathlib.Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU does not have avx2")
    (tmp_path / "driver.c").write_text(DRIVER)
    sources = [str(tmp_path / "driver.c"), str(ROOT / "fable6c" / "_kernels.c")]
    aligned = ["-Wa,-muse-unaligned-vector-move"] if flags else []
    subprocess.run([COMPILER, *OPTIONS, *flags, *aligned, "-static", *sources, "-o", str(tmp_path / "driver.exe"), "-lm"], check=True)
    subprocess.run(["cc", *OPTIONS, *flags, *sources, "-o", str(tmp_path / "driver"), "-lm"], check=True)
    expected = subprocess.run([str(tmp_path / "driver")], stdout=subprocess.PIPE, check=True).stdout
    assert expected.count(b"\n") == 5
    done = wine64(tmp_path / "driver.exe")
    assert done.returncode == 0 and done.stdout.replace(b"\r\n", b"\n") == expected


@pytest.mark.slow
@pytest.mark.parametrize("library", ["cpu", "bpe", "text", "codec", "kernels", "scout"])
def test_all_c_code_compiles_for_windows(library, tmp_path):
    if shutil.which(COMPILER) is None:
        pytest.skip(f"{COMPILER} is missing; on Debian: apt install gcc-mingw-w64-x86-64")
    avx2 = ["-mavx2", "-mfma"]
    avx512 = [*avx2, *(f"-mavx512{part}" for part in ("f", "bw", "vl", "dq", "vnni", "bf16"))]
    sets = {"kernels": [[], avx2, [*avx2, "-mavxvnni"], avx512], "scout": [[], avx2]}.get(library, [[]])
    for flags in sets:
        command = [
            COMPILER,
            *OPTIONS,
            *flags,
            "-Wall",
            "-Werror",
            "-shared",
            *(str(ROOT / "fable6c" / f"_{source}.c") for source in build_kernels.SOURCES.get(library, [library])),
            "-o",
            str(tmp_path / "library.dll"),
            "-lm",
        ]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr[:3000]


def test_a_folder_is_locked_without_fcntl(tmp_path, monkeypatch):
    """What Windows has instead: a byte of a file. Another process holds it: the error that msvcrt.locking gives then."""
    calls = []

    def locking(descriptor, mode, size):
        calls.append((mode, size))
        if len(calls) == 2:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setattr(files, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2), raising=False)
    with files.locked(str(tmp_path)):
        with pytest.raises(UserError, match="another training is running there"):
            with files.locked(str(tmp_path)):
                raise AssertionError("locked twice")
    assert calls == [(2, 1), (2, 1)] and (tmp_path / "lock").exists()


def test_a_closed_console_waits_for_the_save():
    """Windows ends the process when the handler returns: not before the run has saved."""
    with signals.StopSignal() as stop:
        assert stop._closed(0) == 0 and stop.number == 0  # Ctrl-C is a signal of its own
        answers = []
        thread = threading.Thread(target=lambda: answers.append(stop._closed(2)))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive() and stop.number == signal.SIGTERM
    thread.join(30)
    assert answers == [1]


def test_windows_needs_the_unaligned_moves():
    """build_kernels.py as Windows would read it."""
    script = "import sys; sys.platform = 'win32'; from fable6c import build_kernels as b; print(b.AVX2, b.AVX512)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert len(re.findall("-Wa,-muse-unaligned-vector-move", done.stdout)) == 2
