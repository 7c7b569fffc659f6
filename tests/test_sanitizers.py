"""The C code once more with AddressSanitizer and UndefinedBehaviorSanitizer, which end a program at an access outside of an
array, NumPy's arrays included, and at undefined behaviour.

A copy of the checkout is built with them, and the tests that call C run in the copy. Where a test would swallow the end of a
program, the report that it left still fails the check.
"""

import os
import pathlib
import re
import subprocess
import sys
import sysconfig

import pytest

from fable6c import kernels
from source_copy import copy_source

ROOT = pathlib.Path(__file__).parent.parent
COMPILER = os.environ.get("CC") or sysconfig.get_config_var("CC")
# Undefined behaviour traps, which AddressSanitizer reports as an illegal instruction and its place: what
# UndefinedBehaviorSanitizer writes by itself goes to the standard error, which a test may swallow.
# -fno-wrapv: Python's own options may define signed overflow, and what is defined is not checked.
SANITIZE = "-O1 -g -fno-omit-frame-pointer -fno-wrapv -fsanitize=address,undefined -fsanitize-undefined-trap-on-error"


class Sanitizers:
    """A compiler that builds with the sanitizers, and programs that run under them with their reports in one folder."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.compiler = folder / "cc"  # a script, because the options must come after those of the build
        self.compiler.write_text(f'#!/bin/sh\nexec {COMPILER} "$@" {SANITIZE}\n')
        self.compiler.chmod(0o755)
        (folder / "empty.c").write_text("")
        empty = str(folder / "empty.so")
        built = self.plain([str(self.compiler), "-shared", "-fPIC", "-o", empty, str(folder / "empty.c")])
        if built.returncode != 0:
            pytest.skip(f"{COMPILER} has no sanitizers: use gcc, whose package has them; it said: {built.stdout.strip()[-200:]}")
        # Loaded before Python, or it would not see the memory of NumPy; and after it C++, whose exceptions it wants to see.
        self.preload = re.search(r"=> (\S*libasan\S*)", self.plain(["ldd", empty]).stdout).group(1) + " libstdc++.so.6"

    def plain(self, command, **options):
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)

    def run(self, command, cwd, **variables):
        """Run the command; returns what it printed and the reports of it and of all programs that it started."""
        environment = {
            **os.environ,
            "LD_PRELOAD": self.preload,
            # Python leaves much to the end of the process, which is no leak.
            "ASAN_OPTIONS": f"detect_leaks=0:handle_sigill=1:log_path={self.folder / 'report'}",
            "PYTHONMALLOC": "malloc",  # Python's own allocator has no gaps between objects
            **variables,
        }
        done = self.plain(command, cwd=cwd, env=environment)
        reports = []
        for path in self.folder.glob("report.*"):
            reports.append(path.read_text(errors="replace"))
            path.unlink()
        return done, "\n".join(reports)


@pytest.fixture(scope="module")
def sanitizers(tmp_path_factory):
    return Sanitizers(tmp_path_factory.mktemp("sanitizers"))


@pytest.fixture(scope="module")
def checkout(sanitizers):
    """A copy of the source with the extension modules built in it."""
    copy = sanitizers.folder / "checkout"
    copy_source(copy)
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    built = sanitizers.plain(command, cwd=copy, env={**os.environ, "CC": str(sanitizers.compiler)})
    assert built.returncode == 0, built.stdout[-3000:]
    return copy


# Those that call C, but for the long ones that call it by way of whole commands.
FILES = [
    "test_c_libraries",
    "test_codec",
    "test_kernels",
    "test_network",
    "test_optimizer",
    "test_tokenizer",
    "test_corpus_clean",
    "test_corpus_duplicates",
    "test_scout",
]


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_nothing_is_found(sanitizers, checkout, file):
    """test_kernels and test_network run themselves again for each other instruction set."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", f"tests/{file}.py"]
    done, reports = sanitizers.run(command, checkout)
    assert reports == "" and done.returncode == 0, reports[:6000] + done.stdout[-3000:]
    assert re.search(r"[1-9]\d* passed", done.stdout)


# What must be found. The calls go past the checks of fable6c/native.py, to the same modules.
OUTSIDE, UNDEFINED = "heap-buffer-overflow", "ILL on unknown address"
MISTAKES = {
    "behind a large array": (OUTSIDE, "lib.sum_of_squares(array('f4', 5000), 5001)"),
    "behind a small array": (OUTSIDE, "lib.sum_of_squares(array('f4', 5), 6)"),
    "before an array": (OUTSIDE, "lib.sum_of_squares(array('f4', 50, -4), 8)"),
    "in a product": (
        OUTSIDE,
        "q, s, packed, scale = array('i1', 8), array('f4', 1), array('i1', 192), array('f4', 1)\n"
        "lib.linear_forward(array('f4', 32), ffi.NULL, q, s, packed, scale, 1, 32, 8, 1)",
    ),
    "behind bytes": (OUTSIDE, "native.load('text').lib.text_words(array('u8', 60), array('u4', 60), b'x' * 99, 120)"),
    "in a local array": (UNDEFINED, "lib.conv_forward(*(array('f4', 3840) for _ in range(3)), 1, 40, 32, 40)"),
    "an overflow": (
        UNDEFINED,
        "q, weight, one = array('i1', 1 << 17, value=-128), array('i1', 1 << 17, value=-128), array('f4', 1)\n"
        "lib.linear_forward_naive(array('f4', 1), ffi.NULL, q, one, weight, one, 1, 1, 1 << 17, 1)",
    ),
    "a crooked address": (UNDEFINED, "lib.sum_of_squares(array('f4', 50, 1), 8)"),
}
CALL = """
import numpy as np
from fable6c import native
library, kept = native.load("kernels"), []
ffi, lib = library.ffi, library.lib
def array(dtype, count, offset=0, value=0):
    kept.append(np.full(count, value, dtype))
    return ffi.cast("void *", kept[-1].ctypes.data + offset)
print("before", flush=True)
{}
print("after")
"""


@pytest.mark.slow
@pytest.mark.parametrize("isa", kernels.INSTRUCTION_SETS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(sanitizers, checkout, mistake, isa):
    name, call = MISTAKES[mistake]
    done, report = sanitizers.run([sys.executable, "-c", CALL.format(call)], checkout, FABLE6C_ISA=isa)
    if "this CPU does not have it" in done.stdout:
        pytest.skip(f"this CPU does not have {isa}")
    assert done.returncode != 0 and done.stdout.startswith("before\n") and "after" not in done.stdout
    assert name in report and re.search(r"fable6c/_\w+\.[ch]:\d+", report)


@pytest.mark.slow
def test_nothing_is_found_in_the_native_program(sanitizers):
    """Our host with the sanitizers around the plain wasm3, whose calls would not fit the stack with them."""
    core = ROOT / "build" / "wasm3"
    if not (core.exists() and (ROOT / "build" / "module.inc").exists()):
        pytest.skip("build/wasm3 or build/module.inc is not there: make native")
    folder = sanitizers.folder / "native"
    folder.mkdir()
    sources = " ".join(f"'{ROOT}/asengine/host/{name}.c'" for name in ("fable6c", "wasi", "system_posix"))
    host = f"{sanitizers.compiler} -std=c99 '-I{ROOT}/build' -isystem '{core}' -c {sources}"
    interpreter = f"{COMPILER} -O2 -w -fwrapv -fno-strict-aliasing -c '{core}'/*.c"
    link = f"{sanitizers.compiler} -o fable6c *.o -lm"
    for command in (host, interpreter, link):
        built = sanitizers.plain(command, shell=True, cwd=folder)
        assert built.returncode == 0, built.stdout[-3000:]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "tests/test_native.py"]
    done, reports = sanitizers.run(command, ROOT, FABLE6C_PROGRAM=str(folder / "fable6c"))
    assert reports == "" and done.returncode == 0, reports[:6000] + done.stdout[-3000:]
    assert re.search(r"[1-9]\d* passed", done.stdout)
