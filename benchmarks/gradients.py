"""Do the fast gradients cost quality? The same training run as it is by default and with all gradients in f32. METHOD.md explains."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Optional

import common
from common import Record

sys.path.insert(0, common.ROOT)
from fable6c.cli import ArgumentParser, run
from fable6c.errors import UserError
from fable6c.training.config import presets

EXACT_CONFIG = "[train]\nfast_gradients = false\n"
QUICK_TOKENS = 20_000
TEXTS = {"held_out": "held-out part of the corpus", "valid500": "valid500"}


def stage(command: list, isa: str) -> None:
    """A stage of fable6c with its progress on stderr."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=common.ROOT, env={**os.environ, "FABLE6C_ISA": isa}, stdout=sys.stderr)
    if done.returncode != 0:
        raise UserError(f"{' '.join(command)}: status {done.returncode}")


def learn(isa: str, config: str, preset: str, seed: int, corpus: str, tokens: int) -> dict:
    """Train a preset with the keys of `config` laid over it, export and score it."""
    folder = os.path.join(common.BUILD, "gradients")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    toml = os.path.join(folder, "config.toml")
    with open(toml, "w", encoding="ascii") as file:
        file.write(config)
    folder = os.path.join(folder, "run")
    source = ["--corpus", os.path.join(corpus, "train.txt.zst")] if corpus else []
    threads = str(min(2, len(os.sched_getaffinity(0))))
    options = ["--preset", preset, "--config", toml, "--tokens", str(tokens), "--seed", str(seed), "--threads", threads, "--out", folder]
    stage(["fable6c.train", *options, *source], isa)
    with open(os.path.join(folder, "log.jsonl"), encoding="ascii") as file:
        last = [json.loads(line) for line in file][-1]
    result = {"isa": isa, "seed": seed, "tokens": last["tokens"], "seconds": last["elapsed"], "held_out": last["bits_per_char"]}
    if corpus:
        model = os.path.join(folder, "model.f6c")
        stage(["fable6c.export", folder, "-o", model], isa)
        command = ["fable6c.evaluate", model, "--text", os.path.join(corpus, "valid500.txt"), "--chars", str(common.CHARACTERS), "--json"]
        done = subprocess.run([sys.executable, "-m", *command], cwd=common.ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise UserError(f"fable6c.evaluate: status {done.returncode}")
        result["valid500"] = json.loads(done.stdout)["bits_per_char"]
    return result


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "benchmarks/run.sh gradients",
        "Train a preset with the fast gradients and with all gradients in f32, and compare what it learned. FABLE6C_ISA names the instruction set of the fast ones.",
        "FABLE6C_ISA=avx2 benchmarks/run.sh gradients --preset micro --seeds 1 2",
    )
    parser.add_argument("--preset", default="small", help=f"one of {', '.join(presets())} (default small)")
    parser.add_argument("--tokens", type=int, default=10_000_000, help="tokens of each run (default 10000000)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], metavar="S", help="seeds, each with both gradients (default 1)")
    parser.add_argument("--corpus", default=common.CORPUS, metavar="DIR", help="folder with train.txt.zst and valid500.txt")
    parser.add_argument("--json", default="", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--quick", action="store_true", help="see in seconds that everything works; the figures mean nothing")
    options = parser.parse_args(argv)
    corpus, tokens = ("", QUICK_TOKENS) if options.quick else (os.path.abspath(options.corpus), options.tokens)
    if corpus and not os.path.exists(os.path.join(corpus, "train.txt.zst")):
        raise UserError(f"{corpus} has no train.txt.zst; name the folder with --corpus")
    try:
        isas = common.available_isas()
    except common.Failure as error:
        raise UserError(str(error)) from None
    isa = os.environ.get("FABLE6C_ISA") or isas[-1]
    if isa not in isas:
        raise UserError(f"FABLE6C_ISA={isa}: this CPU has {', '.join(isas)}")
    exact_isa = "avx512" if "avx512" in isas else isas[-1]  # whose products that are not int8 are f32, as in all but avx512bf16
    record = Record("gradients" if isa == isas[-1] and options.preset == "small" else f"gradients-{options.preset}-{isa}", options.quick)
    pairs = []
    for seed in options.seeds:
        pairs.append([
            learn(isa, "", options.preset, seed, corpus, tokens),
            learn(exact_isa, EXACT_CONFIG, options.preset, seed, corpus, tokens),
        ])  # fmt: skip
    record.figures["runs"] = pairs
    rows, bars = [], {}
    for key in TEXTS:
        if key not in pairs[0][0]:
            continue
        percents = [100 * (fast[key] / exact[key] - 1) for fast, exact in pairs]
        record.figures.setdefault("percent", {})[key] = percents
        for (fast, exact), percent in zip(pairs, percents):
            rows.append([TEXTS[key], str(fast["seed"]), f"{fast[key]:.4f}", f"{exact[key]:.4f}", f"{percent:+.2f} %"])
        if len(pairs) > 1:
            rows.append([TEXTS[key], "mean", "", "", f"{sum(percents) / len(percents):+.2f} %"])
        bars[TEXTS[key]] = {
            "fable6c as by default": common.summary([fast[key] for fast, _ in pairs]),
            "all gradients f32": common.summary([exact[key] for _, exact in pairs]),
        }
    fast, exact = pairs[0]
    record.table(
        f"The preset {options.preset}, {fast['tokens']:,} tokens of {'TinyStories' if corpus else 'made-up stories'}, bits per character",
        [
            "scored on",
            "seed",
            *(f"{name} ({r['isa']}, {r['seconds']:.0f} s)" for name, r in (("as by default", fast), ("all gradients f32", exact))),
            "cost",
        ],
        rows,
        "The same batches in the same order for both of a seed.",
    )
    record.write(bars, "bits per character", options.json)


if __name__ == "__main__":
    run(main)
