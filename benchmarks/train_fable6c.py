"""One configuration of our trainer as a worker of train.py: python benchmarks/train_fable6c.py '{"shape": "v4", …}'

shape      "v4": the published model's sizes, a few random batches again and again; "small": the preset on text
threads, batch (windows), accumulate (batches in a step), context (tokens in a window)
text       bytes of text that "small" reads; it is made up by fable6c.corpus.synth
profile    time each kernel
FABLE6C_ISA in the environment chooses the instruction set.
"""

import collections
import dataclasses
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np

import common

sys.path.insert(0, common.ROOT)
from fable6c import kernels
from fable6c.corpus import synth
from fable6c.data.prepare import prepare
from fable6c.data.windows import batch, window_starts
from fable6c.model.architecture import Dimensions
from fable6c.training.config import Recipe, load_config
from fable6c.training.network import Network
from fable6c.training.optimizer import Optimizer

V4 = Dimensions(dim=192, layers=6, hidden=512, taps=8, vocab=10000, context=256)


class Watch:
    """Stands in for kernels.bind, through which Network and Optimizer make every call: counts the products, and the time if asked."""

    def __init__(self, timed: bool):
        self.original, self.timed = kernels.bind, timed
        self.operations = collections.Counter()  # of the calls that were bound, by kind
        self.kinds = {}  # of the kernels that multiply
        self.clear()
        kernels.bind = self.bind

    def clear(self) -> None:
        self.seconds, self.calls, self.work = collections.Counter(), collections.Counter(), collections.Counter()

    def stop(self) -> None:
        """From here on calls are bound as ever."""
        if not self.timed:
            kernels.bind = self.original

    def bind(self, function, *values):
        call = self.original(function, *values)
        name, kind, operations = products(function, call.sizes, values)
        self.operations[kind] += operations
        if operations:
            self.kinds[name] = kind
        if not self.timed:
            return call

        def timed():
            start = time.perf_counter()
            result = call()
            self.seconds[name] += time.perf_counter() - start
            self.calls[name] += 1
            self.work[name] += operations
            return result

        return timed


def products(function: str, sizes: dict, values: Sequence) -> tuple[str, str, int]:
    """A call's name in the table, the kind of its products (int8, int16, float, optimizer) and how many operations they are.

    The sparse gradient of the output layer is not counted: what it multiplies depends on the softmax. Nor are the three products of
    copying, which in `small` are under one hundredth of all.
    """
    N, C, O, H = (sizes.get(letter) for letter in "NCOH")
    if function == "muon_update":
        return function, "optimizer", sum(map(newton_schulz_operations, values[3].reshape(-1, 3)[:, 1:].tolist()))
    if function.startswith("glu_block"):
        return f"{function} {C}→{2 * H}, {H}→{C}", "int8", 2 * N * 3 * C * H
    if function.startswith("layer_"):
        return f"{function} {C}→{O}", "int8", 2 * N * O * C
    if function.startswith("linear_forward"):
        return f"{function} {sizes['P']}→{O}", "int8", 2 * N * O * sizes["P"]
    if function.startswith("linear_backward"):
        bits = kernels.gradient_bits() if function.endswith("_int8") else 0
        return f"{function} {C}→{O}", f"int{bits}" if bits else "float", 2 * N * O * C
    return function, "", 0


def newton_schulz_operations(shape: Sequence[int]) -> int:
    """Of Muon's update of a matrix; a product that is symmetric is computed by half."""
    S, L = min(shape), max(shape)
    if L < 2 * S:  # five times A = XᵀX, A² and X·P
        return 5 * (S * S * L + S**3 + 2 * S * S * L)
    return S * S * L + 17 * S**3 + 2 * S * S * L  # A = XᵀX; A² five times; Q·P, A·P and (A·P)·P four times; X·Q


def random_batches(options: dict):
    """The v4-small shape, and a few random batches that come again and again."""
    B, T = options["batch"], options["context"]
    random = np.random.default_rng(1)
    data = [random.integers(0, V4.vocab, (B, T + 1)).astype(np.int32) for _ in range(options["accumulate"])]
    pairs = [(np.ascontiguousarray(d[:, :-1]), np.ascontiguousarray(d[:, 1:])) for d in data]
    return dataclasses.replace(V4, context=T), Recipe(), itertools.cycle(pairs)


def text_batches(options: dict, folder: str):
    """The preset `small` and text for it, through the data stage as in fable6c.train."""
    config, T, size = load_config("small"), options["context"], options["text"]
    dataset = prepare(lambda: synth.documents(1, size), folder, config.model.vocab, f"synth {size}", options["threads"], progress=False)

    def batches():
        for epoch in itertools.count():
            starts = window_starts(dataset.train, T, 1, epoch)
            for first in range(0, len(starts) - options["batch"] + 1, options["batch"]):
                yield batch(dataset.train, starts[first : first + options["batch"]], T)

    return dataclasses.replace(config.model, context=T), config.train, batches()


def main() -> None:
    options = json.loads(sys.argv[1])
    kernels.set_threads(options["threads"])
    with tempfile.TemporaryDirectory() as folder:
        dimensions, recipe, batches = random_batches(options) if options["shape"] == "v4" else text_batches(options, folder)
        tokens = options["batch"] * options["context"] * options["accumulate"]
        watch = Watch(options["profile"])
        network = Network(dimensions, options["batch"], 1.0 / tokens, recipe.fast_gradients)
        network.initialize(1)
        optimizer = Optimizer(network, recipe)

        def step() -> float:
            loss = sum(network.accumulate(*next(batches)) for _ in range(options["accumulate"])) / options["accumulate"]
            optimizer.step(0.3)  # where the rates are at their peak; the cost is the same anywhere
            return loss

        first_loss = step()  # also touches all memory, and binds the optimizer's calls
        watch.stop()
        # Products of whole numbers, products of real numbers, and Muon's: millions of operations for each token, a multiply-add being two.
        counted, per_batch = watch.operations, options["batch"] * options["context"] * 1e6
        counts = {
            "int8": counted["int8"] / per_batch,
            "int16": counted["int16"] / per_batch,
            "float": counted["float"] / per_batch,
            "optimizer": counted["optimizer"] / tokens / 1e6,
        }
        ready = {
            "isa": kernels.ISA, "parameters": len(network.parameters), "tokens_per_step": tokens, "first_loss": first_loss,
            "products": counts,
        }  # fmt: skip

        def repetition(seconds: float) -> dict:
            watch.clear()
            steps, start = 0, time.perf_counter()
            while True:
                loss = step()
                steps += 1
                taken = time.perf_counter() - start
                if taken >= seconds:
                    break
            result = {"tokens_per_second": steps * tokens / taken, "loss": loss, "peak_mib": common.peak_memory_mib()}
            if watch.timed:
                result.update(seconds=taken, steps=steps)
                result["kernels"] = {
                    name: {"seconds": s, "calls": watch.calls[name], "operations": watch.work[name], "kind": watch.kinds.get(name)}
                    for name, s in watch.seconds.items()
                }
            return result

        common.serve(ready, repetition)


if __name__ == "__main__":
    main()
