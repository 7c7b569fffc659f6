"""What training in rounds costs: workers in one process against one synchronous run of the same tokens. METHOD.md explains; run.sh calls it."""

import dataclasses
import functools
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Optional

import numpy as np

import common

sys.path.insert(0, common.ROOT)
from cluster_scaling import table  # which imports the package too
from fable6c import kernels
from fable6c.cli import ArgumentParser, run
from fable6c.data.prepare import FolderDataset
from fable6c.model.architecture import parameter_count
from fable6c.training import rounds
from fable6c.training.config import Config, load_config
from fable6c.training.run import Run
from fable6c.training.source import text_dataset

DEFAULT_OUTER = [rounds.OUTER_RATE, rounds.OUTER_MOMENTUM]
QUICK_TOKENS = 20_000
SMALL_STEP_SECONDS = 0.09  # of `small` on two threads: 4,096 tokens at 45,000 a second (docs/numbers.md)
CONFIG = os.path.join(common.ROOT, "benchmarks", "cluster.toml")


def scaled(config: Config, factor: float, accumulate: int = 1) -> Config:
    """The configuration with its rates times a factor, and batches of so many times the windows."""
    train, names = config.train, ("matrix_rate", "table_rate", "vector_rate")
    changes = {name: getattr(train, name) * factor for name in names}
    return dataclasses.replace(config, train=dataclasses.replace(train, **changes, accumulate=train.accumulate * accumulate))


def command(tokens: int, seed: int) -> dict:
    return {"tokens": tokens, "minutes": None, "seed": seed}


def synchronous(config: Config, dataset: FolderDataset, workers: int, tokens: int, factor: float, seed: int) -> dict:
    """Gradients of all workers in each step: one run with batches `workers` times as large."""
    one = Run(scaled(config, factor, workers), dataset, "", command(tokens, seed))
    one.network.initialize(seed)
    while one.progress() < 1.0:
        one.train_step()
    return {"bits_per_char": one.bits_per_char(), "bytes": one.step * one.network.parameters.nbytes, "steps": one.step}


def send_everything() -> None:
    """Let updates be f32: what the two bits cost."""
    rounds.codec.encode = lambda delta: (delta.tobytes(), np.zeros_like(delta))

    def add(total, update, weight):
        total += weight * np.frombuffer(update, np.float32)

    rounds.codec.add = add


def in_rounds(
    config: Config,
    dataset: FolderDataset,
    workers: int,
    local_steps: int,
    tokens: int,
    factor: float,
    outer: Sequence[float],
    fresh: int,
    seed: int,
) -> dict:
    """Workers that take turns. `fresh`: so often, evenly over the run, one of them is replaced by a new one, and each fifth time all of them."""
    config = scaled(config, factor)
    whole = Run(config, dataset, "", command(tokens, seed))
    whole.network.initialize(seed)
    engine = rounds.Here({str(number): rounds.Worker(config, dataset, whole.command) for number in range(workers)})
    coordinator = rounds.Coordinator(whole, engine, local_steps)
    for part in (coordinator, *engine.all.values()):
        part.outer_rate, part.outer_momentum = outer
    replaced = 0
    while whole.progress() < 1.0:
        if whole.progress() * (fresh + 1) >= replaced + 1:
            names = sorted(engine.all)
            for gone in names if replaced % 5 == 4 else [names[replaced % workers]]:
                engine.all[f"{gone}+"] = new = rounds.Worker(config, dataset, whole.command)
                new.outer_rate, new.outer_momentum = outer
                del engine.all[gone]
            replaced += 1
        coordinator.one_round()
        if workers > 1:
            assert len(coordinator.current) == workers, "hashes differ"
    return {"bits_per_char": whole.bits_per_char(), "bytes": coordinator.bytes_up / workers, "rounds": coordinator.round}


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "benchmarks/run.sh cluster",
        "Train in rounds by several workers, which take turns in this process, and synchronously with the same tokens; compare held-out bits per "
        "character and the bytes that a worker sends.",
        "benchmarks/run.sh cluster --workers 2 4 --local-steps 30 100 --seeds 1 2 3",
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[2], metavar="N", help="workers (default 2)")
    parser.add_argument("--local-steps", type=int, nargs="+", default=[30], metavar="N", help="steps of a round; 0: synchronous only")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], metavar="S")
    parser.add_argument("--rates", type=float, nargs="+", default=[1.0], metavar="X", help="factors of the rates of the runs in rounds")
    parser.add_argument(
        "--synchronous-rates", type=float, nargs="*", default=[1.0], metavar="X", help="factors of the synchronous ones' rates"
    )
    parser.add_argument(
        "--outer", type=float, nargs=2, action="append", metavar=("RATE", "MOMENTUM"), help="of the outer step; may be given again"
    )
    parser.add_argument(
        "--fresh",
        type=int,
        default=0,
        metavar="N",
        help="so many times in a run a worker is replaced by a new one, each fifth time all, as if the head died",
    )
    parser.add_argument("--f32", action="store_true", help="updates in f32: what the two bits cost")
    parser.add_argument("--tokens", type=int, default=5_000_000, help="of each run, all workers together (default 5000000)")
    parser.add_argument("--corpus", nargs="+", default=[os.path.join(common.CORPUS, "train.txt.zst")], metavar="PATH")
    parser.add_argument("--config", default=CONFIG, metavar="FILE", help="laid over micro (default benchmarks/cluster.toml)")
    parser.add_argument(
        "--out", default=os.path.join("runs", "cluster-benchmark"), metavar="DIR", help="folder for the text and the figures"
    )
    parser.add_argument(
        "--scaling", action="store_true", help="print what a model of networks and stragglers says about 2 to 1,000 workers, and end"
    )
    parser.add_argument("--quick", action="store_true", help="see in seconds that everything works; the figures mean nothing")
    options = parser.parse_args(argv)
    if options.scaling:
        for steps in options.local_steps:
            print("\n".join(table(parameter_count(load_config("small").model), steps, SMALL_STEP_SECONDS)) + "\n")
        return
    if options.quick:
        options.tokens, options.corpus = QUICK_TOKENS, [common.made_up_text("quick.txt", 1)]
    kernels.set_threads(1)
    if options.f32:
        send_everything()
    config = load_config("micro", options.config)
    os.makedirs(options.out, exist_ok=True)
    dataset = text_dataset(config, options.corpus, options.out, 1, None)
    lines = []

    def measure(name: str, work) -> None:
        results = []
        for seed in options.seeds:
            began = time.process_time()
            results.append({"seed": seed, **work(seed), "cpu_seconds": round(time.process_time() - began, 1)})
            with open(os.path.join(options.out, "figures.jsonl"), "a", encoding="ascii") as file:
                file.write(json.dumps({"name": name, "tokens": options.tokens, **results[-1]}) + "\n")
        bits = [one["bits_per_char"] for one in results]
        lines.append((name, statistics.mean(bits), min(bits), max(bits), results[0]["bytes"]))
        print(f"{name}: {lines[-1][1]:.4f} ({min(bits):.4f} to {max(bits):.4f}), {results[0]['bytes']:,.0f} bytes sent", flush=True)

    for workers in options.workers:
        for factor in options.synchronous_rates:
            one = functools.partial(synchronous, config, dataset, workers, options.tokens, factor)
            measure(f"{workers} workers, synchronous, rates x {factor:g}", one)
        settings = itertools.product(filter(None, options.local_steps), options.rates, options.outer or [DEFAULT_OUTER])
        for steps, factor, outer in settings:
            one = functools.partial(in_rounds, config, dataset, workers, steps, options.tokens, factor, outer, options.fresh)
            measure(
                f"{workers} workers, {steps} steps, outer {outer[0]:g} {outer[1]:g}, rates x {factor:g}, fresh {options.fresh}{', f32' * options.f32}",
                one,
            )


if __name__ == "__main__":
    run(main)
