"""What `python -m build` makes: a source archive and a wheel that carry the engine and work away from the checkout."""

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import make_golden
from source_copy import copy_source

ROOT = pathlib.Path(__file__).parent.parent
MODULE = ROOT / "asengine" / "build" / "fable6c.wasm"
WASM3_ARCHIVE = ROOT / "build" / "pywasm3-0.5.0.tar.gz"


def python(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def needs_build():
    for module in ("build", "wheel", "cffi"):
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:  # a folder build/ in the checkout looks like a package without a file
            pytest.skip(f"the Python package {module} is missing: make test installs it")
    import setuptools

    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip(f"setuptools {setuptools.__version__} is older than 77: make test installs a newer one")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the source, without anything built or downloaded."""
    needs_build()
    copy = tmp_path_factory.mktemp("packaging") / "checkout"
    copy_source(copy)
    (copy / "fable6c" / "fable6c.wasm").unlink(missing_ok=True)
    return copy


@pytest.fixture(scope="module")
def dist(checkout):
    """The folder with the archive and the wheel, the wheel made from the archive, without the network."""
    if not MODULE.exists():
        pytest.skip("fable6c.wasm is not built: npm run asbuild")
    (checkout / "asengine" / "build").mkdir()
    shutil.copy(MODULE, checkout / "asengine" / "build")
    if WASM3_ARCHIVE.exists():
        (checkout / "build").mkdir()
        shutil.copy(WASM3_ARCHIVE, checkout / "build")
    done = python("-m", "build", "--no-isolation", cwd=checkout)
    assert done.returncode == 0, done.stdout[-3000:]
    return checkout / "dist"


def only(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


@pytest.mark.slow
def test_an_archive_without_the_engine_is_refused(checkout):
    kept = checkout / "asengine" / "prebuilt"
    kept.rename(checkout / "kept")
    done = python("setup.py", "-q", "sdist", cwd=checkout)
    (checkout / "kept").rename(kept)
    assert done.returncode != 0
    assert done.stdout.strip().endswith("fable6c/fable6c.wasm is missing; build it with `make wasm`, then make the archive")


@pytest.mark.slow
def test_the_source_archive_is_the_whole_source_and_the_engine(dist):
    with tarfile.open(only(dist, "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        files = [member for member in archive.getmembers() if member.name.endswith("/fable6c/fable6c.wasm")]
        assert archive.extractfile(files[0]).read() == MODULE.read_bytes()
    assert not [name for name in names if name.endswith((".so", ".pyc")) or name.startswith(("node_modules", "asengine/build"))]
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("the list of source files needs a git checkout")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    missing = {name for name in tracked if not name.startswith(".") and (ROOT / name).is_file()} - names
    assert tracked and missing == set()


@pytest.mark.slow
def test_the_wheel_tells_a_story_away_from_the_checkout(dist, tmp_path):
    wheel = only(dist, "*.whl")
    assert re.fullmatch(r"fable6c-[\d.]+-cp39-abi3-\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read("fable6c/fable6c.wasm") == MODULE.read_bytes()
        scripts = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
        assert "[console_scripts]\nfable6c = fable6c.__main__:script\n" in scripts
        archive.extractall(tmp_path / "site")
    assert {"fable6c/train.py", "fable6c/presets/micro.toml", "fable6c/corpus/synth.py", "fable6c/_lib_kernels.abi3.so"} <= names
    assert {"fable6c/_lib_wasm3.abi3.so", "fable6c/wasm3-LICENSE"} <= names

    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    where = python("-c", "import fable6c; print(fable6c.__file__)", cwd=tmp_path, env=environment)
    assert where.stdout.startswith(str(tmp_path / "site"))
    arguments = [str(make_golden.MODEL), "-p", "The fox", "-n", "20"]
    story = python("-m", "fable6c.generate", *arguments, cwd=tmp_path, env=environment)
    assert story.returncode == 0 and story.stdout.startswith("told by wasm3\nThe fox")
    reference = python("-m", "fable6c.generate", *arguments, "--runtime", "reference", cwd=tmp_path, env=environment)
    assert reference.stdout == story.stdout.replace("told by wasm3", "told by the NumPy reference")
    assert python("-m", "fable6c.train", "--help", cwd=tmp_path, env=environment).returncode == 0


@pytest.mark.slow
def test_an_installation_without_the_engine_tells_a_story_and_says_how_to_get_one(checkout, tmp_path):
    """The trainer works, and the reference tells the story."""
    package = tmp_path / "site" / "fable6c"
    shutil.copytree(ROOT / "fable6c", package, ignore=shutil.ignore_patterns("fable6c.wasm", "__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = python("-m", "fable6c.generate", str(make_golden.MODEL), "-p", "The fox", "-n", "5", cwd=tmp_path, env=environment)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "told by the NumPy reference: the engine is not built (no fable6c.wasm); run `make wasm` in the checkout\nThe fox"
    )


@pytest.mark.slow
def test_an_installation_where_the_interpreter_cannot_be_fetched(checkout, tmp_path):
    """Without the internet: a package that trains, and that tells stories by the reference."""
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy, symlinks=True, ignore=shutil.ignore_patterns("build", "dist"))
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    done = python("setup.py", "-q", "build", "--build-lib", str(tmp_path / "site"), cwd=copy, env=environment)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "fable6c is built without the wasm3 interpreter" in done.stdout
    built = {path.name for path in (tmp_path / "site" / "fable6c").iterdir()}
    assert (tmp_path / "site" / "fable6c" / "fable6c.wasm").read_bytes() == (ROOT / "asengine" / "prebuilt" / "fable6c.wasm").read_bytes()
    assert "_lib_kernels.abi3.so" in built and not {name for name in built if name.startswith("_lib_wasm3")}


# The interpreter's source


def fetch(folder):
    return python(str(ROOT / "asengine" / "host" / "fetch_wasm3.py"), str(folder / "wasm3"))


def test_a_changed_archive_of_wasm3_is_refused(tmp_path):
    (tmp_path / "pywasm3-0.5.0.tar.gz").write_bytes(b"not it")
    done = fetch(tmp_path)
    assert done.returncode == 1 and "has SHA-256" in done.stdout and not (tmp_path / "wasm3").exists()


def test_without_a_network_the_way_out_is_named(tmp_path):
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    done = python(str(ROOT / "asengine" / "host" / "fetch_wasm3.py"), str(tmp_path / "wasm3"), env=environment)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("wasm3 could not be downloaded (see above); connect to the internet once, or put")


def test_the_archive_is_unpacked_without_a_network(tmp_path):
    if not WASM3_ARCHIVE.exists():
        pytest.skip("build/pywasm3-0.5.0.tar.gz is not there: make native downloads it")
    shutil.copy(WASM3_ARCHIVE, tmp_path)
    done = python(str(ROOT / "asengine" / "host" / "fetch_wasm3.py"), str(tmp_path / "wasm3"), env={**os.environ, "PIP_NO_INDEX": "1"})
    assert done.returncode == 0, done.stdout
    names = sorted(path.name for path in (tmp_path / "wasm3").iterdir())
    assert {"wasm3.h", "m3_core.c", "LICENSE"} <= set(names) and "m3module.c" not in names
