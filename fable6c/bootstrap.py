"""Train several micromodels of a recipe, and say how far its figure is chance: python -m fable6c.bootstrap. docs/micromodels.md explains."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.bootstrap")  # as a file, its folder would hide modules of Python's own

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Optional

import numpy as np

from fable6c.cli import ArgumentParser, run, whole
from fable6c.errors import UsageError, UserError
from fable6c.evaluation import statistics
from fable6c.evaluation.batch import sentence_bits
from fable6c.evaluation.paired import held_out
from fable6c.export import export
from fable6c.files import atomic_write, locked, make_folder
from fable6c.limits import processors
from fable6c.model.file import read_model
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress
from fable6c.training.config import Config, load_config, presets
from fable6c.training.source import text_dataset


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.bootstrap",
        "Train several models of a recipe, each on documents drawn with replacement, with a seed of its own, as many at once as there are processors. "
        "Then say how many bits per character the recipe needs, with an interval, and which recipes really differ. The same command resumes.",
        "python -m fable6c.bootstrap --corpus stories.txt --text valid.txt --models 4 --tokens 1000000 --out runs/bootstrap",
    )
    parser.add_argument("--corpus", nargs="+", required=True, metavar="PATH", help="text to train on, as for fable6c.train; no database")
    parser.add_argument("--text", required=True, metavar="FILE", help="held-out documents, each ended by <|endoftext|>")
    parser.add_argument("--preset", default="micro", help=f"one of {', '.join(presets())} (default: micro)")
    parser.add_argument(
        "--config", nargs="+", default=[""], metavar="FILE", help="recipes to lay over the preset; the others are compared with the first"
    )
    parser.add_argument("--models", type=whole(2, 1000), default=4, metavar="K", help="models of each recipe (default: 4)")
    parser.add_argument("--tokens", type=whole(1, 10**12), required=True, metavar="N", help="budget of each model")
    parser.add_argument("--seed", type=whole(0, 2**31), default=1, help="of the first model; the others count on from it (default: 1)")
    parser.add_argument("--whole", action="store_true", help="each model reads all of the text: only the seeds differ")
    parser.add_argument("--out", default="runs/bootstrap", metavar="DIR", help="folder for runs and models (default: runs/bootstrap)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    names = [os.path.splitext(os.path.basename(path))[0] or options.preset for path in options.config]
    if len(set(names)) < len(names):
        raise UsageError(f"--config: two recipes have the name {max(names, key=names.count)}; rename one of the files")
    configs = {name: load_config(options.preset, path) for name, path in zip(names, options.config)}
    documents = held_out(options.text)
    make_folder(options.out)
    with locked(options.out, "bootstrap"):
        models = grow(configs, options.corpus, options.out, options.preset, options.models, options.tokens, options.seed, not options.whole)
        report = compare(models, documents)
    if options.json:
        print(json.dumps(report))
        return
    for name, found in report.items():
        print(
            f"{name}: {found['value']:.4f} bits per character (95 % interval {found['low']:.4f} to {found['high']:.4f}, {found['count']} models)"
        )
        change = found.get("change")
        if change:
            verdict = "a real difference" if change["p"] < statistics.ALPHA else "no difference to rely on"
            percent = (100 * change[key] for key in ("value", "low", "high"))
            print(
                "  {:+.2f} % against {} ({:+.2f} to {:+.2f} %, p = {:.3f}): {}".format(
                    *[next(percent), names[0], *percent, change["p"], verdict]
                )
            )
    print(f"models: {', '.join(path for paths in models.values() for path in paths)}")


def grow(
    configs: dict[str, Config], corpus: Sequence[str], out: str, preset: str, count: int, tokens: int, seed: int, resample: bool
) -> dict[str, list[str]]:
    """Train what is not trained yet; the paths of the models of each recipe."""
    waiting: list[tuple[str, list[str]]] = []
    models: dict[str, list[str]] = {}
    for name, config in configs.items():
        # The text is tokenized once for a vocabulary, not once for a run.
        text = os.path.join(out, f"text-{config.model.vocab}")
        text_dataset(config, corpus, text, processors(), None)
        recipe = os.path.join(out, name + ".toml")
        tables = config.as_dict()
        tables["train"]["resample"] = resample
        atomic_write(recipe, _toml(tables).encode("utf-8"))
        models[name] = []
        for number in range(seed, seed + count):
            folder = os.path.join(out, f"{name}-{number}")
            if not os.path.isdir(os.path.join(folder, "data")):
                make_folder(folder)
                shutil.copytree(os.path.join(text, "data"), os.path.join(folder, "data.new"), dirs_exist_ok=True)
                os.rename(os.path.join(folder, "data.new"), os.path.join(folder, "data"))
            command = ["--preset", preset, "--config", recipe, "--corpus", *corpus, "--tokens", str(tokens), "--seed", str(number)]
            waiting.append((folder, [*command, "--threads", "1", "--out", folder]))
            models[name].append(folder + ".f6c")
    _train(waiting)
    for folder, _ in waiting:
        export(folder, folder + ".f6c")
    return models


def _train(waiting: list[tuple[str, list[str]]]) -> None:
    """Run the commands of fable6c.train, each in a process, as many at once as there are processors. What was interrupted goes on at the next call."""
    waiting, running = list(reversed(waiting)), dict[str, subprocess.Popen[bytes]]()
    try:
        with Progress("training", len(waiting), "models") as shown:
            while waiting or running:
                while waiting and len(running) < processors():
                    folder, command = waiting.pop()
                    with open(os.path.join(folder, "out.log"), "ab") as log:
                        process = subprocess.Popen(
                            [sys.executable, "-m", "fable6c.train", *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL
                        )
                    running[folder] = process
                done = next((folder for folder, process in running.items() if process.poll() is not None), None)
                if done is None:
                    time.sleep(0.2)
                    shown.add(0)
                    continue
                folder, process = done, running.pop(done)
                if process.returncode:
                    with open(os.path.join(folder, "out.log"), encoding="utf-8", errors="replace") as log:
                        lines = log.read().splitlines() or [f"status {process.returncode}"]
                    raise UserError(f"{folder}: the training failed: {lines[-1]}")
                shown.add(1)
    finally:
        for process in running.values():
            process.terminate()  # it saves
        for process in running.values():
            process.wait()


def compare(models: dict[str, list[str]], documents: Sequence[str]) -> dict:
    """{recipe: what `statistics.recipe` finds; "change" against the first one, but for that}. Models of one number are a pair: they read the same documents."""
    characters = np.array([len(document) for document in documents], np.float64)
    report: dict = {}
    first = None
    for name, paths in models.items():
        rows = []
        for path in paths:
            model = read_model(path)
            rows.append([bits.sum() for bits in sentence_bits(model, Tokenizer(model.merges).encode_documents(list(documents)))])
        bits = np.array(rows)
        report[name] = statistics.recipe(bits, np.broadcast_to(characters, bits.shape))
        del report[name]["p"]
        if first is None:
            first = bits
        else:
            report[name]["change"] = statistics.recipe(bits - first, first)
    return report


def _toml(tables: dict) -> str:
    """Tables of numbers and of true or false as TOML."""
    return "".join(
        f"[{name}]\n" + "".join(f"{key} = {str(value).lower()}\n" for key, value in table.items()) for name, table in tables.items()
    )


if __name__ == "__main__":
    run(main)
