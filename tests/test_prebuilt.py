"""asengine/prebuilt: the modules that are kept are those that the sources give, byte for byte."""

import hashlib
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PREBUILT = ROOT / "asengine" / "prebuilt"
COMPILER = ROOT / "node_modules" / "assemblyscript" / "bin" / "asc.js"
STALE = "the engine's sources have changed: run `make prebuilt` and commit asengine/prebuilt"


def test_the_list_names_the_sources_as_they_are():
    sums = dict(reversed(line.split("  ")) for line in (PREBUILT / "SHA256SUMS").read_text().splitlines())
    sources = [*ROOT.glob("asengine/assembly/*.ts"), ROOT / "asengine" / "asconfig.json", *PREBUILT.glob("*.wasm")]
    assert {path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in sources} == sums, STALE


@pytest.mark.slow
@pytest.mark.parametrize("target, source, module", [("library", "index.ts", "fable6c.wasm"), ("wasi", "wasi.ts", "fable6c-wasi.wasm")])
def test_the_sources_give_these_bytes(tmp_path, target, source, module):
    if shutil.which("node") is None or not COMPILER.exists():
        pytest.skip("the compiler of AssemblyScript is not installed: make test brings it")
    copy = tmp_path / "asengine"
    shutil.copytree(ROOT / "asengine" / "assembly", copy / "assembly")
    shutil.copy(ROOT / "asengine" / "asconfig.json", copy)
    command = ["node", str(COMPILER), "--config", "asengine/asconfig.json", "--target", target, f"asengine/assembly/{source}"]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert (copy / "build" / module).read_bytes() == (PREBUILT / module).read_bytes(), STALE
