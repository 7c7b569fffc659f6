"""benchmarks/run.sh: its help, its answers to wrong command lines, and that quick runs measure and write what they promise."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
RUN = ROOT / "benchmarks" / "run.sh"
WASM = ROOT / "asengine" / "build" / "fable6c.wasm"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmarks read /proc")


def benchmark(*arguments):
    return subprocess.run(["bash", str(RUN), *arguments], capture_output=True, text=True, env={**os.environ, "PYTHON": sys.executable})


def test_help():
    done = benchmark("--help")
    assert done.returncode == 0
    for word in ("train|engine|all|learn|scout", "--quick", "--json FILE", "--profile", "--model FILE", "--llama2c WASM", "--corpus DIR", "--tokens N"):
        assert word in done.stdout


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ([], "say what to measure"),
        (["memory"], "there is no benchmark 'memory'"),
        (["train", "--fast"], "unknown option --fast"),
        (["train", "extra"], "unknown option extra"),
        (["engine", "--json"], "--json needs a value"),
        (["engine", "--profile"], "--profile belongs to train"),
        (["train", "--model", "x.f6c"], "--model belongs to engine"),
        (["all", "--tokens", "5"], "--tokens belongs to learn"),
        (["train", "--corpus", "x"], "--corpus belongs to learn and scout"),
    ],
    ids=" ".join,
)
def test_wrong_command_lines(arguments, complaint):
    done = benchmark(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_missing_model_is_one_line():
    done = benchmark("engine", "--quick", "--model", "nothing.f6c")
    assert done.returncode == 1
    assert done.stderr.startswith("engine: ") and "nothing.f6c: there is no such file" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_quick_training_benchmark(tmp_path):
    done = benchmark("train", "--quick", "--profile", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    rows = {name: row for name, row in figures["rows"].items() if name.startswith("fable6c")}
    assert len(rows) >= 2 and figures["machine"]["cpu"] and figures["machine"]["commit"]
    for name, row in rows.items():
        assert row["tokens_per_second"]["min"] > 0 and row["last_loss"] < row["first_loss"] and 10 < row["peak_mib"] < 4096
        if "small" not in name:  # three products of each of its 4,574,208 weights that are multiplied, two operations each
            assert row["products"]["int8"] + row["products"]["float"] == pytest.approx(6 * 4.574208)
    assert sum(kernel["seconds"] for kernel in figures["profile"]["kernels"].values()) > 0.5 * figures["profile"]["seconds"]


@pytest.mark.slow
@pytest.mark.skipif(not WASM.exists(), reason="the engine is not built")
def test_quick_engine_benchmark(tmp_path):
    done = benchmark("engine", "--quick", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    (model,) = figures["models"].values()
    assert model["runtimes"] and figures["stories"]["model.f6c"].startswith("Once upon a time")
    for runtime in model["runtimes"].values():
        assert runtime["story"]["min"] > 0 and runtime["prompt"]["min"] > 0 and runtime["memory_kib"]["max"] < 65536


@pytest.mark.slow
def test_quick_scout_benchmark(tmp_path):
    done = benchmark("scout", "--quick", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in figures["rows"]}
    assert len(rows) + len(figures["skipped"]) == 4
    ours = rows["fable6c scout, normal"]
    assert 0.1 < ours["bits"] < 1 and ours["bits"] < ours["frozen"] and ours["cpu"] > 0 and ours["peak_mib"] <= 256
    assert all(ours["bits"] < row["bits"] for row in rows.values() if row is not ours)
