"""Do the fast gradients cost quality? The same training run as it is by default and with all gradients in f32. METHOD.md explains."""

import json
import os
import shutil
import subprocess
import sys

import common
from common import Failure, Record

EXACT_CONFIG = "[train]\nfast_gradients = false\n"


def run(command: list, isa: str) -> None:
    """A stage of fable6c with its progress on stderr."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=common.ROOT, env={**os.environ, "FABLE6C_ISA": isa}, stdout=sys.stderr)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: status {done.returncode}")


def train(isa: str, config: str, corpus: str, tokens: int) -> dict:
    """Train `small` with the keys of `config` laid over it, export and score it."""
    folder = os.path.join(common.BUILD, "gradients")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    toml = os.path.join(folder, "config.toml")
    with open(toml, "w", encoding="ascii") as file:
        file.write(config)
    folder = os.path.join(folder, "run")
    source = ["--corpus", os.path.join(corpus, "train.txt.zst")] if corpus else []
    run(
        [
            "fable6c.train",
            "--preset",
            "small",
            "--config",
            toml,
            "--tokens",
            str(tokens),
            "--threads",
            str(min(2, len(os.sched_getaffinity(0)))),
            "--out",
            folder,
            *source,
        ],
        isa,
    )
    with open(os.path.join(folder, "log.jsonl"), encoding="ascii") as file:
        last = [json.loads(line) for line in file][-1]
    result = {"isa": isa, "tokens": last["tokens"], "seconds": last["elapsed"], "held_out": last["bits_per_char"]}
    if corpus:
        model = os.path.join(folder, "model.f6c")
        run(["fable6c.export", folder, "-o", model], isa)
        command = ["fable6c.evaluate", model, "--text", os.path.join(corpus, "valid500.txt"), "--chars", str(common.CHARACTERS), "--json"]
        done = subprocess.run([sys.executable, "-m", *command], cwd=common.ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failure(f"fable6c.evaluate: status {done.returncode}")
        result["valid500"] = json.loads(done.stdout)["bits_per_char"]
    return result


def main() -> None:
    parser = common.corpus_parser()
    parser.add_argument("--tokens", type=int, default=10_000_000)
    options = parser.parse_args()
    corpus, tokens = ("", 20_000) if options.quick else (os.path.abspath(options.corpus), options.tokens)
    if corpus and not os.path.exists(os.path.join(corpus, "train.txt.zst")):
        raise Failure(f"{corpus} has no train.txt.zst; name the folder with --corpus")
    record = Record("gradients", options.quick)
    best = common.available_isas()[-1]
    fast = train(best, "", corpus, tokens)
    # The products of avx512bf16 that are not int8 are bf16; those of all other instruction sets are f32.
    exact = train("avx512" if best == "avx512bf16" else best, EXACT_CONFIG, corpus, tokens)
    record.figures["runs"] = [fast, exact]
    texts = {"held_out": "held-out part of the corpus", "valid500": "valid500"}
    rows, bars, record.figures["percent"] = [], {}, {}
    for key, title in texts.items():
        if key in fast:
            percent = record.figures["percent"][key] = 100 * (fast[key] / exact[key] - 1)
            rows.append([title, f"{fast[key]:.4f}", f"{exact[key]:.4f}", f"{percent:+.2f} %"])
            bars[title] = {"fable6c as by default": common.summary([fast[key]]), "all gradients f32": common.summary([exact[key]])}
    record.table(
        f"The preset small, {fast['tokens']:,} tokens of {'TinyStories' if corpus else 'made-up stories'}, bits per character",
        [
            "scored on",
            *(f"{name} ({r['isa']}, {r['seconds']:.0f} s)" for name, r in (("as by default", fast), ("all gradients f32", exact))),
            "cost",
        ],
        rows,
        "One seed, the same batches in the same order.",
    )
    record.write(bars, "bits per character", options.json)


if __name__ == "__main__":
    common.start("gradients", main)
