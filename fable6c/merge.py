"""Merge networks by their weights: python -m fable6c.merge runs/a runs/b --text valid.txt -o merged.f6c. docs/micromodels.md explains."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.merge")  # as a file, its folder would hide modules of Python's own

import argparse
import dataclasses
import os
import tempfile
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from fable6c import kernels
from fable6c.cli import ArgumentParser, print_next, run, whole
from fable6c.errors import UsageError, UserError
from fable6c.evaluation import statistics
from fable6c.evaluation.batch import sentence_bits
from fable6c.evaluation.paired import held_out
from fable6c.export import export
from fable6c.files import existing_file, make_folder
from fable6c.training import loop, merging
from fable6c.training.config import Config, Recipe
from fable6c.training.run import Run
from fable6c.training.source import text_dataset
from fable6c.training.start import Start, read_start

WAYS = ("greedy", "uniform", "task", "ties", "align")
# A tenth of the rates of the presets, down to zero: what docs/training.md, section 12, recommends for going on gently.
REPAIR: dict[str, Any] = {"matrix_rate": 0.002, "table_rate": 0.001, "vector_rate": 0.001, "cooldown": 1.0}
SAVE_MINUTES = 60.0


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.merge",
        "Merge networks of one shape into one by their weights. The result is written only if it predicts held-out documents better than the best "
        "of them: half of the documents choose, the other half decide by a paired test (p < 0.05).",
        "python -m fable6c.merge runs/a runs/b runs/c --text valid.txt -o merged.f6c",
    )
    parser.add_argument("models", nargs="+", metavar="MODEL|RUN", help="two or more: folders of finished runs, or model files")
    parser.add_argument("--text", required=True, metavar="FILE", help="held-out documents, each ended by <|endoftext|>")
    parser.add_argument("-o", "--output", required=True, metavar="FILE|DIR", help="a name in .f6c: a model file; else: the folder of a run")
    parser.add_argument(
        "--how",
        choices=WAYS,
        default="greedy",
        help="greedy: average those that help; uniform: average all; task, ties: what each learned since --ancestor; align: line up the "
        "channels of networks without an ancestor, then average (default: greedy)",
    )
    parser.add_argument("--ancestor", metavar="MODEL|RUN", help="what all of them began --from, for task and ties")
    parser.add_argument(
        "--repair", type=whole(1, 10**12), metavar="TOKENS", help="train the result on so many tokens, gently, before the test"
    )
    parser.add_argument("--corpus", nargs="+", default=[], metavar="PATH", help="text for --repair, as for fable6c.train")
    parser.add_argument("--threads", type=whole(1, 256), default=2, metavar="N", help="threads of --repair (default: 2)")
    options = parser.parse_args(argv)
    if len(options.models) < 2:
        raise UsageError(f"{options.models[0]}: is one model; give two or more to merge")
    if (options.how in ("task", "ties")) != bool(options.ancestor):
        raise UsageError("--how task and --how ties need --ancestor, the others do not take it")
    if bool(options.repair) != bool(options.corpus):
        raise UsageError("--repair and --corpus: give both or none")
    is_file = options.output.endswith(".f6c")
    if is_file:
        existing_file(options.output, (*options.models, *options.corpus, options.text, options.ancestor))
    elif os.path.exists(options.output):
        raise UserError(f"{options.output}: is there already; choose another name, or one in .f6c for a model file")
    starts = [read_start(path) for path in options.models]
    ancestor = read_start(options.ancestor) if options.ancestor else None
    merging.check_alike([*starts, *([ancestor] if ancestor else [])])
    if options.how != "align":
        merging.check_ancestor([*starts, *([ancestor] if ancestor else [])])
    documents = starts[0].tokenizer.encode_documents(held_out(options.text))
    choosing, deciding = documents[0::2], documents[1::2]

    used, best, parameters = merge(options.how, starts, ancestor, choosing)
    # Beside where the result goes: what is made there on the way is removed again, whatever happens.
    make_folder(os.path.dirname(options.output) or ".")
    with tempfile.TemporaryDirectory(prefix=".merge-", dir=os.path.dirname(options.output) or ".") as work:
        folder = os.path.join(work, "merged")
        merging.write_run(folder, used, parameters, options.how)
        if options.repair:
            folder = _repair(folder, work, options)
            parameters = read_start(folder).parameters
        found = statistics.gain(costs(best, parameters, deciding), costs(best, best.parameters, deciding))
        if not statistics.significant(found):
            raise UserError(
                f"nothing is written: merged ({options.how}, {len(used)} of {len(starts)}), it has {statistics.said(found)} than {best.path}, which is no gain to rely on"
            )
        if is_file:
            export(folder, options.output)
        else:
            os.rename(folder, options.output)
    print(f"{options.output}: {options.how} of {', '.join(start.path for start in used)}: {statistics.said(found)} than {best.path}")
    if is_file:
        print_next("generate", options.output, "-p", "Once upon a time")
    else:
        print_next("export", options.output, "-o", "merged.f6c")


def costs(start: Start, parameters: np.ndarray, texts: Sequence[np.ndarray]) -> np.ndarray:
    """The bits of each text (T,) of tokens, read alone, by the start's model with these parameters: float64 (texts,)."""
    return np.array([bits.sum() for bits in sentence_bits(merging.as_model(start, parameters), texts)])


def merge(
    how: str, starts: Sequence[Start], ancestor: Optional[Start], texts: Sequence[np.ndarray]
) -> tuple[list[Start], Start, np.ndarray]:
    """What was merged, the best of all alone, and the merged parameters; `texts` (T,) of tokens choose what there is to choose.

    UserError where nothing helps the best one.
    """

    def cost(parameters: np.ndarray) -> float:
        value = float(costs(starts[0], parameters, texts).sum())
        print(f"  {value / tokens:.4f} bits per token", flush=True)
        return value

    tokens = sum(map(len, texts))
    every = [start.parameters for start in starts]
    print(f"{len(texts)} documents choose:", flush=True)
    alone = [cost(parameters) for parameters in every]
    best = starts[int(np.argmin(alone))]
    if how == "greedy":
        chosen = merging.greedy_soup(every, alone, cost)
        if len(chosen) == 1:
            raise UserError(f"nothing is written: {best.path} averaged with any of the others is no better than alone")
        return [starts[i] for i in chosen], best, merging.average([every[i] for i in chosen])
    if ancestor:
        origin, d = ancestor.parameters, ancestor.dimensions
        made = [
            merging.task_sum(origin, every, scale) if how == "task" else merging.ties(d, origin, every, scale) for scale in merging.SCALES
        ]
        return list(starts), best, made[int(np.argmin([cost(parameters) for parameters in made]))]
    if how == "align":
        every = [
            parameters if start is best else merging.align(best.dimensions, parameters, best.parameters)
            for start, parameters in zip(starts, every)
        ]
    return list(starts), best, merging.average(every)


def _repair(folder: str, work: str, options: argparse.Namespace) -> str:
    """The folder of a run that goes on gently from that in `folder`, in steps as large as its own."""
    start, repaired = read_start(folder), os.path.join(work, "repaired")
    command = start.description["command"]
    steps = {name: command["train"][name] for name in ("batch", "accumulate") if name in command["train"]}
    config = Config(start.dimensions, dataclasses.replace(Recipe(), **steps, **REPAIR))
    threads = kernels.set_threads(options.threads)
    dataset = text_dataset(config, options.corpus, repaired, threads, None, start.tokenizer)
    training = Run(config, dataset, repaired, {**command, **config.as_dict(), "minutes": None, "tokens": options.repair})
    training.network.parameters[:] = start.parameters
    training.network.quantize_weights()
    stopped = loop.train(training, SAVE_MINUTES)
    if stopped:
        raise SystemExit(128 + stopped)
    return repaired


if __name__ == "__main__":
    run(main)
