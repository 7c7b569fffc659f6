"""`make wheels`: a wheel that is linked for an old glibc, which works beside this checkout."""

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

import pytest

import bare_root
import make_golden

ROOT = pathlib.Path(__file__).parent.parent
pytestmark = pytest.mark.slow


def run(*command, **options):
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


class Wheels:
    """One wheel for each C library that this machine's compilers can serve. Each is built by the first test that asks for it, so that none waits for four."""

    def __init__(self, folder):
        self.folder = folder
        done = run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "-o", folder, cwd=ROOT)
        assert done.returncode == 0, done.stdout[-3000:]
        (self.source,) = folder.glob("*.tar.gz")

    def __getitem__(self, target):
        if target.startswith("aarch64") and shutil.which("aarch64-linux-gnu-gcc") is None:
            pytest.skip("aarch64-linux-gnu-gcc is missing; on Debian: apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross")
        if not list((self.folder / target).glob("*.whl")):
            command = (sys.executable, ROOT / "release" / "wheels.py", self.source, self.folder / target, target)
            done = run(*command, cwd=self.folder)
            assert done.returncode == 0, done.stdout[-3000:]
        (wheel,) = (self.folder / target).glob("*.whl")
        return wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("the Python package ziglang is missing: make .venv/wheels")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing")
    return Wheels(tmp_path_factory.mktemp("wheels"))


TAGS = {
    "x86_64-glibc": "manylinux2014_x86_64.manylinux_2_17_x86_64",
    "x86_64-musl": "musllinux_1_2_x86_64",
    "aarch64-glibc": "manylinux2014_aarch64.manylinux_2_17_aarch64",
    "aarch64-musl": "musllinux_1_2_aarch64",
}
SETS = {"x86_64": {"avx2", "avxvnni", "avx512", "avx512bf16", "amx"}, "aarch64": {"dotprod", "i8mm"}}


@pytest.mark.parametrize("target", TAGS)
def test_a_wheel_has_its_platform_and_every_instruction_set(wheels, target):
    wheel = wheels[target]
    assert re.fullmatch(rf"fable6c-[\d.]+-cp39-abi3-{re.escape(TAGS[target])}\.whl", wheel.name)
    assert wheel.stat().st_size < 3_000_000
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        machine = {"x86_64": 62, "aarch64": 183}[target.partition("-")[0]]
        libraries = [name for name in names if name.endswith(".abi3.so")]
        for name in libraries:
            assert int.from_bytes(archive.read(name)[18:20], "little") == machine, name
    assert {re.fullmatch(r"fable6c/_lib_kernels_(\w+)\.abi3\.so", name)[1] for name in names if "_lib_kernels_" in name} == SETS[
        target.partition("-")[0]
    ]
    assert {"fable6c/_lib_wasm3.abi3.so", "fable6c/wasm3-LICENSE", "fable6c/fable6c.wasm"} <= set(names)
    assert any("/libgomp-" in name for name in names) == (target != "aarch64-musl")


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="the Python package ziglang is missing: make .venv/wheels")
def test_a_compiler_that_is_missing_is_said_before_anything_is_built(tmp_path):
    command = (sys.executable, ROOT / "release" / "wheels.py", tmp_path / "source.tar.gz", tmp_path / "out")
    done = run(*command, cwd=tmp_path, env={**os.environ, "PATH": str(tmp_path)})
    assert done.returncode == 1 and re.fullmatch(r"gcc is missing; on Debian: apt install gcc .*\n", done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_of_this_machine_trains_on_two_threads_and_tells_a_story(wheels, tmp_path):
    if os.uname().machine != "x86_64":
        pytest.skip("needs x86-64")
    with zipfile.ZipFile(wheels["x86_64-glibc"]) as archive:
        archive.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    trained = run(
        sys.executable, "-m", "fable6c.train", "--preset", "micro", "--tokens", 1, "--threads", 2, "--out", tmp_path / "run", cwd=tmp_path, env=environment
    )  # fmt: skip
    assert trained.returncode == 0 and ", 2 threads" in trained.stdout, trained.stdout[-3000:]
    told = run(sys.executable, "-m", "fable6c.generate", make_golden.MODEL, "-p", "The fox", "-n", 20, cwd=tmp_path, env=environment)
    assert told.stdout.startswith("told by wasm3\nThe fox")


@pytest.mark.skipif(bare_root.missing() is not None, reason=str(bare_root.missing()))
@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie"])
def test_a_bare_debian_without_a_compiler_goes_from_the_wheel_to_a_story(wheels, suite):
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which is kept
        root = pathlib.Path(folder)
        try:
            environment = bare_root.make(suite, root, ["python3-venv", "ca-certificates"])
        except bare_root.CannotMake as problem:
            pytest.skip(str(problem))
        wheel = wheels["x86_64-glibc"]
        shutil.copy(wheel, root / "srv" / wheel.name)
        command = " && ".join([
            "cd ~", "! command -v cc gcc", "python3 -m venv env", f"env/bin/pip install /srv/{wheel.name}",
            "env/bin/fable6c train --minutes 0.1 --out run", "env/bin/fable6c export run -o own.f6c",
            "env/bin/fable6c generate own.f6c -p 'Once upon a time' -n 100",
        ])  # fmt: skip
        done = bare_root.run(root, command, environment)
        assert done.returncode == 0 and re.search("^Once upon a time", done.stdout, re.MULTILINE), done.stdout[-5000:]
