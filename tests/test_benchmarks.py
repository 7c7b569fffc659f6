"""benchmarks/run.sh: its help, its answers to wrong command lines, and that quick runs measure and write what they promise."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from fable6c.corpus import synth
from fable6c.model.file import Model, read_model, write_model
from fable6c.training.config import load_config, presets
from programs import MODEL

ROOT = pathlib.Path(__file__).parent.parent
RUN = ROOT / "benchmarks" / "run.sh"
ABLATIONS = sorted((ROOT / "benchmarks" / "ablations").glob("*.toml"))
TORCH = ROOT / "build" / "peers" / "torch" / "bin" / "python"
WASM = ROOT / "asengine" / "build" / "fable6c.wasm"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmarks read /proc")


def benchmark(*arguments):
    return subprocess.run(["bash", str(RUN), *arguments], capture_output=True, text=True, env={**os.environ, "PYTHON": sys.executable})


def test_help():
    done = benchmark("--help")
    assert done.returncode == 0
    for word in (
        "train|engine|all|gradients|scout|scout-parts|ask|flashlm|floats|ablate|curve|wishes|cluster|mix|z80|exchange",
        "--quick",
        "--json FILE",
        "--profile",
        "--model FILE",
        "--llama2c WASM",
        "--corpus DIR",
    ):
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
        (["all", "--tokens", "5"], "unknown option --tokens"),
        (["flashlm", "--minutes", "0", "--quick"], "--minutes 0.0: expected a number above 0"),
        (["flashlm", "--hours", "2", "--quick"], "unrecognized arguments: --hours 2"),
        (["floats", "--tokens", "0", "--quick"], "--tokens 0: expected 1 to"),
        (["ablate", "nothing"], "nothing: there is no such experiment"),
        (["ablate", "baseline", "baseline"], "an experiment or a seed is named twice"),
        (["ablate", "baseline", "--preset", "huge"], "--preset huge: there is no such preset"),
        (["curve"], "required: RUN"),
        (["cluster", "--outer", "1"], "expected 2 arguments"),
        (["exchange", "models"], "invalid choice: 'models'"),
        (["train", "--corpus", "x"], "--corpus belongs to scout, scout-parts and ask"),
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
        if "small" not in name:  # two operations for each: three products of the body's 2,654,208 weights, one of the head's 1,920,000
            assert sum(row["products"][kind] for kind in ("int8", "int16", "float")) == pytest.approx(6 * 2.654208 + 2 * 1.92)
    assert sum(kernel["seconds"] for kernel in figures["profile"]["kernels"].values()) > 0.5 * figures["profile"]["seconds"]


@pytest.mark.parametrize(
    "best, rows, left_out", [("amx", 10, 0), ("avx512bf16", 10, 0), ("avx512", 7, 1), ("avx2", 3, 2), ("baseline", 3, 2)]
)
def test_peers_that_would_only_take_time_are_left_out_and_named(best, rows, left_out):
    ask = f"import json, train; print(json.dumps(train.peers({best!r})))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT / "benchmarks", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    configurations, lines = json.loads(done.stdout)
    assert (len(configurations), len(lines)) == (rows, left_out)
    assert any("bf16" in name for name, _ in configurations) == (best in ("avx512bf16", "amx"))
    assert any("avx2" in name for name, _ in configurations) == (best in ("avx512", "avx512bf16", "amx"))


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


# ---- what learns how much


@pytest.mark.parametrize("path", ABLATIONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("preset", presets())
def test_each_experiment_says_what_it_tests_and_changes_one_thing(path, preset):
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ") and first.endswith((".", "?", ")"))
    before, after = load_config(preset), load_config(preset, str(path))
    assert after.model.context == before.model.context  # held-out text is scored in its windows
    # `long-square-deep` is `long-square` and one thing more.
    base = max((one for one in ABLATIONS if path.stem.startswith(one.stem + "-")), key=lambda one: len(one.stem), default=None)
    known = base.read_text(encoding="utf-8").splitlines() if base else []
    assert len([line for line in rest if line and line not in known]) <= 5  # [model] or [train], and keys that belong together
    assert path.stem == "baseline" or any(load_config(name, str(path)) != load_config(name) for name in presets())
    assert path.stem != "baseline" or after == before


def curve(folder, *runs):
    """run.sh curve on a short valid500.txt, with whether it went well and its points."""
    (folder / "valid500.txt").write_text("Once upon a time there was a fox.\n\nThe fox was happy.\n", encoding="utf-8")
    out = folder / "curve.json"
    done = benchmark("curve", "--quick", *map(str, runs), "--corpus", str(folder), "--json", str(out))
    return done, json.loads(out.read_text(encoding="utf-8"))["points"] if done.returncode == 0 else []


@pytest.mark.slow
def test_quick_ablation_goes_on_and_its_runs_make_a_curve(tmp_path):
    command = ["ablate", "--quick", "baseline", "taps-8", "--out", str(tmp_path / "runs"), "--json", str(tmp_path / "figures.json")]
    done = benchmark(*command)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    logs = {name: (folder / name / "log.jsonl").read_bytes() for name in ("baseline-seed1", "taps-8-seed1")}
    runs = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["runs"]
    assert runs["baseline"][0]["tokens"] == runs["taps-8"][0]["tokens"] >= 20_000
    assert runs["baseline"][0]["parameters"] < runs["taps-8"][0]["parameters"]
    assert 0 < runs["taps-8"][0]["bits_per_char"] != runs["baseline"][0]["bits_per_char"] < 8

    done = benchmark(*command, "--seeds", "1", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("this run is finished") == 2
    assert {name: (folder / name / "log.jsonl").read_bytes() for name in logs} == logs
    runs = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["runs"]
    assert [run["seed"] for run in runs["baseline"]] == [1, 2] and runs["baseline"][0]["bits_per_char"] != runs["baseline"][1][
        "bits_per_char"
    ]

    peer = tmp_path / "flashlm.json"
    peer.write_text('{"minutes": 20.0, "tokens": 5000000, "bits_per_char": 0.99}')
    done, points = curve(tmp_path, folder / "baseline-seed1", peer)
    assert done.returncode == 0, done.stderr
    mine = {point["series"]: point for point in points}
    assert 0 < mine["fable6c micro"]["minutes"] < 1 and mine["fable6c micro"]["tokens"] == runs["baseline"][0]["tokens"]
    assert 0 < mine["fable6c micro"]["bits_per_char"] and mine["FlashLM v4's recipe, here"]["bits_per_char"] == 0.99
    assert mine["FlashLM v4, as published"]["bits_per_char"] == 0.8798


def test_a_model_file_is_a_point_of_the_curve(tmp_path):
    done, points = curve(tmp_path, ROOT / "tests" / "golden" / "model.f6c")
    assert done.returncode == 0, done.stderr
    (mine,) = [point for point in points if point["series"] == "fable6c micro"]
    assert (
        mine["minutes"] == 2.0 and mine["tokens"] == 15_779_840 and 0 < mine["bits_per_char"] < 0.01
    )  # a short text's bits, divided by 405,081
    assert "| fable6c micro |" in done.stdout and "| FlashLM v4, as published |" in done.stdout


def test_what_is_no_point_of_the_curve(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "progress": 0.5, "elapsed": 9.0}\n')
    (tmp_path / "other.json").write_text("{}")
    for run, complaint in (
        (tmp_path, "the run is not finished"),
        (tmp_path / "other.json", "is not a record of"),
        (tmp_path / "none.json", "cannot be read"),
    ):
        done, _ = curve(tmp_path, run)
        assert done.returncode == 1 and complaint in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not TORCH.exists(), reason="no PyTorch in build/peers/torch: `benchmarks/run.sh flashlm` installs it")
def test_quick_run_of_the_peer(tmp_path):
    done = benchmark("flashlm", "--quick", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["tokens"] == figures["log"][-1]["tokens"] > 0 and figures["minutes"] >= 0.05 and figures["parameters"] == 4_364_736
    assert figures["tokens_per_second"] == pytest.approx(figures["tokens"] / figures["minutes"] / 60, rel=0.01)
    assert 1 < figures["bits_per_char"] < 4  # a guess at random costs 3.5


@pytest.mark.slow
@pytest.mark.skipif(not TORCH.exists(), reason="no PyTorch in build/peers/torch: `benchmarks/run.sh floats` installs it")
def test_quick_training_without_roundings(tmp_path):
    shutil.rmtree(ROOT / "build" / "benchmarks" / "floats" / "quick", ignore_errors=True)
    done = benchmark("floats", "--quick", "--threads", "1", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["tokens"] == figures["log"][-1]["tokens"] == 10_240
    rows = {(row["trained"], row["rounded"]): row for row in figures["rows"]}
    assert len(rows) == 10
    assert all(1 < row["bits_per_char"]["value"] < 8 for row in rows.values())
    assert rows["in f32", "none: f32"]["bytes"] > 10 * rows["with all four roundings", "all four"]["bytes"]


@pytest.mark.parametrize(
    "arguments, columns",
    [(["peers"], {"newest", "older", "nothing", "keepers"}), (["trust", "--peers", "4", "--data", "unequal"], {"to_honest", "honest_used", "bad_used", "taken_back"})],
    ids=["peers", "trust"],
)  # fmt: skip
def test_quick_exchange_benchmarks(tmp_path, arguments, columns):
    done = benchmark("exchange", *arguments, "--quick", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert len(rows) >= 3 and all(columns <= set(row) and all(-1 <= row[name] <= 100 for name in columns) for row in rows)
    assert len(done.stdout.splitlines()) == len(rows)


@pytest.mark.slow
def test_quick_gradients(tmp_path):
    done = benchmark("gradients", "--quick", "--preset", "micro", "--seeds", "1", "2", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert [[run["seed"] for run in pair] for pair in figures["runs"]] == [[1, 1], [2, 2]]
    for (fast, exact), percent in zip(figures["runs"], figures["percent"]["held_out"]):
        assert fast["held_out"] != exact["held_out"] and percent == pytest.approx(100 * (fast["held_out"] / exact["held_out"] - 1))


@pytest.mark.slow
def test_quick_scout_benchmark(tmp_path):
    done = benchmark("scout", "--quick", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in figures["rows"]}
    assert len(rows) + len(figures["skipped"]) == 4
    ours = rows["fable6c scout, normal, 1G"]
    assert 0.1 < ours["bits"] < 1 and ours["bits"] < ours["frozen"] and ours["cpu"] > 0 and ours["peak_mib"] <= 1024  # its --memory is 1G
    assert all(ours["bits"] < row["bits"] for row in rows.values() if row is not ours)


def test_the_exponent_of_growth(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    curve, bits = [], 0.0
    for million in range(1, 41):
        bits += 1e6 * 2 * (million - 0.5) ** -0.1
        curve.append({"characters": million * 1_000_000, "bits": bits})
    slope, low, high = __import__("scout").exponent(curve)
    assert abs(slope + 0.1) < 1e-6 and high - low < 1e-6


def test_where_the_network_overtakes_the_scout(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    tables = []

    class Record:
        def table(self, title, columns, rows, note):
            tables.append(rows)

    crossing = __import__("scout").crossing
    rows = [{"name": "ours", "bits": bits, "frozen": 1.0, "cpu": 9.0} for bits in (2.0, 0.8, 0.7)] + [
        {"name": "zpaq", "bits": 1.1, "cpu": 1}
    ]
    early, later, latest = crossing(rows, Record())
    assert early["small_cpu"] is None and 120 < later["small_cpu"] < latest["small_cpu"] < 7200
    assert tables[0][0][-1] == "fewer than any point of the curve" and tables[0][1][-1] == f"{later['small_cpu']:.0f}"


def test_an_extrapolation_takes_the_largest_memory(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    scout, tables = __import__("scout"), []

    class Record:
        def table(self, title, columns, rows, note):
            tables.append(rows)

    def run(memory, factor):
        curve, bits = [], 0.0
        for million in range(1, 41):
            bits += 1e6 * factor * (million - 0.5) ** -0.1
            curve.append({"characters": million * 1_000_000, "bits": bits, "cpu_seconds": 3600.0})
        return {"text": "stories", "tier": "fast", "memory": memory, "curve": curve}

    scout.extrapolate([run(2 << 30, 2), run(1 << 30, 9)], Record())
    ((text, tier, billions, bits, hours),) = tables[0]
    # 256 times the text at the power -0.1 is 0.574 times the bits of the last tenth, which are 2 * 38^-0.1 or so.
    assert (text, tier, billions, hours) == ("stories", "fast", "10.2", "256.0")
    assert bits.startswith(("0.79", "0.80"))


def test_the_changes_that_leave_out_a_part_of_the_scout_still_change_its_source(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    parts = __import__("scout_parts").PARTS
    for name, edits in parts.items():
        for file, edit in edits:
            text = (ROOT / "fable6c" / file).read_text(encoding="utf-8")
            assert edit(text) != text, name


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "build" / "scout").exists(), reason="build/scout is not built")
def test_quick_benchmark_of_questions(tmp_path):
    done = benchmark("ask", "--quick", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["rows"]
    assert len(rows) == 5
    (read, chance) = (
        sum(seed["exact"]["all"][0] for seed in rows[name])
        for name in ("the scout, having read questions", "chance: any words of the right sentence")
    )
    assert read > 2 * chance


@pytest.mark.skipif(not shutil.which("node"), reason="Node is not here")
def test_wishes_of_a_model_that_takes_them_and_of_one_that_does_not(tmp_path):
    pytest.importorskip("vaderSentiment", reason="vaderSentiment is not installed: pip install vaderSentiment")
    stories = [story for story, _ in zip(synth.stories(5), range(60))]
    (tmp_path / "train.txt").write_text("\n<|endoftext|>\n".join(stories))
    golden = read_model(MODEL)
    write_model(tmp_path / "asks.f6c", Model(golden.dimensions, {**golden.card, "asks": "Words"}, golden.merges, golden.tensors))
    common = [
        "--text",
        str(tmp_path / "train.txt"),
        "--survey",
        str(tmp_path / "train.txt"),
        "--wishes",
        "4",
        "--out",
        str(tmp_path / "told"),
    ]
    for model, note in ((MODEL, ", as openings"), (str(tmp_path / "asks.f6c"), "")):
        done = benchmark("wishes", model, *common)
        assert done.stdout.startswith(f"{model}: 4 wishes{note}\n") and re.search(r"all of a wish +[0-9.]+ % of 4\n", done.stdout)
        told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
        assert len(told) == 4 and all(
            answer["opening"].startswith("\x01") == (not note) and set(answer["came"]) == set(answer["wish"]) for answer in told
        )
    done = benchmark("wishes", MODEL, *common, "--first-uses", "2")
    assert len(re.findall(r"(?:with its header|without) +[0-9]+\.[0-9]{2}\n", done.stdout)) == 2


def test_cluster(tmp_path):
    done = benchmark("cluster", "--quick", "--workers", "2", "--local-steps", "10", "--fresh", "1", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    synchronous, rounds = (json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines())
    assert "synchronous" in synchronous["name"] and "10 steps" in rounds["name"] and rounds["rounds"] == 4
    assert 9 < synchronous["bytes"] / rounds["bytes"] / 16 < 11  # a sixteenth, each tenth step


def test_the_clusters_scaling_is_a_model_without_measurement():
    done = benchmark("cluster", "--scaling", "--local-steps", "30")
    assert done.returncode == 0 and done.stdout.count("\n| ") == 6 and "\n| 1000 | " in done.stdout


@pytest.mark.slow
def test_mix(tmp_path):
    """All experiments with few tokens: each makes its rows, and what is finished is not trained again."""
    command = [
        "mix",
        "--quick",
        "soup",
        "ensemble",
        "align",
        "bags",
        "distil",
        "--groups",
        "1",
        "--threads",
        "1",
        "--out",
        str(tmp_path / "runs"),
    ]
    done = benchmark(*command, "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    rows = {name: [row["what"] for row in figures[name]["1"]] for name in ("soup", "ensemble", "align", "bags", "distil")}
    assert len(rows["soup"]) >= 7 and rows["ensemble"][-1] == "ensemble of 4" and rows["align"][-1] == "average, lined up, repaired"
    assert len(rows["bags"]) == 4 and rows["distil"][-1].startswith("of the ensemble's gain it keeps")
    logs = {path: path.read_bytes() for path in (tmp_path / "runs").glob("*/log.jsonl") if "repaired" not in str(path)}
    assert benchmark(*command).returncode == 0 and logs == {path: path.read_bytes() for path in logs}
