"""What training for the rounding buys: the same network trained without any, and rounded afterwards. METHOD.md explains; run.sh calls it."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

import common

sys.path.insert(0, common.ROOT)
from fable6c.cli import ArgumentParser, run
from fable6c.data.prepare import prepare
from fable6c.data.text import describe_files, normalize, read_documents
from fable6c.errors import UsageError, UserError
from fable6c.evaluation.statistics import ratio
from fable6c.evaluation.tasks import quantization
from fable6c.files import atomic_write
from fable6c.model.architecture import tensor_specs
from fable6c.model.file import Matrix, Model
from fable6c.training.config import load_config
from fable6c.training.network import NONARY_LEVELS, Network
from fable6c.training.optimizer import rate_factor
from fable6c.training.run import Run

PRESET = "micro"
QUICK_TOKENS = 10_000
CALIBRATION_WINDOWS, WINDOWS_AT_ONCE = 64, 8
SHARES = np.linspace(0.3, 2.4, 32)  # of the mean magnitude: the distance of the levels by which a weight is rounded
DAMPING = 0.01  # GPTQ's, of the mean of the moments' diagonal
PYTHON = os.path.join(common.ROOT, "build", "peers", "torch", "bin", "python")  # run.sh makes this environment


# ---- the two networks


def train_rounded(texts: Sequence[str], tokens: int, threads: int, folder: str) -> None:
    """Our trainer's run; one that is finished stays as it is."""
    command = ["fable6c.train", "--preset", PRESET, "--tokens", str(tokens), "--threads", str(threads), "--out", folder, "--corpus", *texts]
    done = subprocess.run([sys.executable, "-m", *command], cwd=common.ROOT, stdout=sys.stderr)
    if done.returncode != 0:
        raise UserError(f"fable6c.train ended with status {done.returncode}")


def task_of(training: Run, threads: int, rounded: bool = False) -> dict[str, Any]:
    """What floats_torch.py needs to train a run's network: its first parameters, its windows and its rates."""
    recipe, steps = training.config.train, training.steps_budget
    assert steps is not None and recipe.dropout == recipe.joined == 0  # which floats_torch.py does not have
    training.network.initialize(training.seed)
    settings = {
        "tensors": [[spec.name, spec.shape, spec.kind, spec.row.group] for spec in tensor_specs(training.config.model)],
        "layers": training.config.model.layers, "context": training.config.model.context,
        "recipe": dataclasses.asdict(recipe), "rounded": rounded, "threads": threads,
    }  # fmt: skip
    return {
        "parameters": training.network.parameters,
        "tokens": np.asarray(training.dataset.train),
        "starts": np.stack([np.concatenate([training.next_starts() for _ in range(recipe.accumulate)]) for _ in range(steps)]),
        "factors": np.array([rate_factor(step / steps, recipe.warmup, recipe.cooldown, recipe.cooldown_power) for step in range(steps)]),
        "settings": json.dumps(settings),
    }


def train_in_torch(task: dict[str, Any], folder: str) -> dict[str, Any]:
    """Run floats_torch.py: the last parameters, and its log. What it has made once it does not make again."""
    path, out, log = (os.path.join(folder, name) for name in ("task.npz", "f32.npy", "f32.json"))
    if not os.path.exists(log):
        np.savez(path, **task)
        result: dict[str, Any] = {"log": []}
        with subprocess.Popen(
            [PYTHON, os.path.join(common.ROOT, "benchmarks", "floats_torch.py"), path, out], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                entry = json.loads(line)
                if "loss" in entry:
                    result["log"].append(entry)
                    common.say(f"{entry['elapsed'] / 60:.1f} minutes  {entry['tokens']:,} tokens  loss {entry['loss']:.3f}")
                else:
                    result.update(entry)
        if process.returncode != 0:
            raise UserError(f"the PyTorch trainer ended with status {process.returncode}")
        atomic_write(log, json.dumps(result).encode("ascii"))
    with open(log, encoding="ascii") as file:
        return {**json.load(file), "parameters": np.load(out)}


# ---- rounding afterwards


def fitted(weight: np.ndarray, levels: int, by_rows: bool, moment: Optional[np.ndarray] = None) -> Matrix:
    """The matrix (O, C) in levels -levels … levels, with a scale for each row or one. Of 32 distances of the levels that is taken whose
    levels, by their best scale, have the least squared error: of the weights, or of the outputs for inputs with this `moment` (C, C), Σ x xᵀ."""
    axes = 1 if by_rows else (0, 1)
    mean = np.abs(weight).mean(axis=axes, keepdims=True)
    most, scale, chosen = np.zeros_like(mean), np.zeros_like(mean), np.zeros_like(weight)
    for share in SHARES:
        q = np.clip(np.rint(weight / np.maximum(share * mean, 1e-30)), -levels, levels)
        seen = q if moment is None else q @ moment
        along, square = (seen * weight).sum(axis=axes, keepdims=True), (seen * q).sum(axis=axes, keepdims=True)
        gain = along * np.abs(along) / np.maximum(square, 1e-30)  # by what the squared error is below that of zeros
        better = gain > most
        most, chosen = np.where(better, gain, most), np.where(better, q, chosen)
        scale = np.where(better, along / np.maximum(square, 1e-30), scale)
    return Matrix(chosen.astype(np.int8), scale.reshape(-1).astype(np.float32))


def compensated(weight: np.ndarray, by_rows: bool, moment: np.ndarray) -> Matrix:
    """The matrix (O, C) in ternary by GPTQ (Frantar et al. 2022, arXiv:2210.17323): column after column is rounded, and the columns that
    are left make good what the outputs lose by it. The scales are those of `fitted`."""
    scale = fitted(weight, 1, by_rows, moment).scale.astype(np.float64)[:, None]
    damped = moment + DAMPING * np.diag(moment).mean() * np.eye(len(moment))
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    left, q = weight.astype(np.float64), np.zeros(weight.shape)
    for c in range(weight.shape[1]):
        q[:, c] = np.clip(np.rint(left[:, c] / np.maximum(scale[:, 0], 1e-30)), -1, 1)
        error = (left[:, c] - scale[:, 0] * q[:, c]) / upper[c, c]
        left[:, c + 1 :] -= error[:, None] * upper[c, c + 1 :]
    return Matrix(q.astype(np.int8), scale.reshape(-1).astype(np.float32))


class Watched:
    """A product that adds up the moment of its inputs."""

    def __init__(self, product: Any):
        self.product = product
        self.moment = np.zeros((len(product.weight), len(product.weight)))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
        self.moment += flat.T @ flat
        return self.product(x)


def input_moments(model: Model, network: Network, windows: np.ndarray) -> dict[str, np.ndarray]:
    """Σ x xᵀ of the inputs of each product of the network that is not rounded, over windows (B, T) of tokens."""
    reference = quantization.variant(model, network, ())
    watched: dict[str, Watched] = {}
    for layer, block in enumerate(reference.blocks):
        for name in ("mix_in", "mix_out", "glu_in", "glu_out"):
            watched[f"blocks.{layer}.{name}"] = Watched(getattr(block, name))
            setattr(block, name, watched[f"blocks.{layer}.{name}"])
    watched["head"] = reference.head = Watched(reference.head)
    if reference.copying:
        watched["copy_in"] = reference.copying["copy_in"] = Watched(reference.copying["copy_in"])
    for start in range(0, len(windows), WINDOWS_AT_ONCE):
        reference.forward(windows[start : start + WINDOWS_AT_ONCE])
    return {name: product.moment for name, product in watched.items()}


def roundings(network: Network, merges: np.ndarray, windows: np.ndarray) -> dict[str, Model]:
    """The network rounded as our trainer rounds, and calibrated in three ways."""
    plain = network.model(merges, {})
    moments = input_moments(plain, network, windows)
    models = {"our quantizer": plain}
    embedding = fitted(network.latent["embedding"], NONARY_LEVELS, True)  # its rows are looked up: they have no inputs
    for name in ("least error of the weights", "least error of the outputs", "GPTQ"):
        tensors: dict[str, Any] = {**plain.tensors, "embedding": embedding}
        for tensor, spec in network.specs.items():
            weight, by_rows = network.latent[tensor], spec.kind != "ternary"
            if tensor in moments and name == "GPTQ":
                tensors[tensor] = compensated(weight, by_rows, moments[tensor])
            elif tensor in moments:
                tensors[tensor] = fitted(weight, 1, by_rows, moments[tensor] if "outputs" in name else None)
        models[name] = Model(plain.dimensions, {}, merges, tensors)
    return models


# ---- all of it


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "benchmarks/run.sh floats",
        "Train `micro` twice on the same windows, with our roundings and in PyTorch without any, round the second one afterwards, score all.",
        "benchmarks/run.sh floats --tokens 6000000",
    )
    parser.add_argument("--tokens", type=int, default=6_000_000, help="of each of the two trainings (default 6000000)")
    parser.add_argument("--threads", type=int, default=2, help="of both trainers (default 2)")
    parser.add_argument(
        "--corpus",
        default=common.CORPUS,
        metavar="DIR",
        help="folder with train.txt.zst and valid500.txt (default ../shared/corpus/tinystories)",
    )
    parser.add_argument("--json", default="", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--quick", action="store_true", help="see in seconds that everything works; the figures mean nothing")
    options = parser.parse_args(argv)
    for name, most in (("tokens", 10**10), ("threads", 256)):
        if not 0 < getattr(options, name) <= most:
            raise UsageError(f"--{name} {getattr(options, name)}: expected 1 to {most}")
    if not os.path.exists(PYTHON):
        raise UserError("PyTorch is not in build/peers/torch; `benchmarks/run.sh floats` without --quick installs it")
    tokens = QUICK_TOKENS if options.quick else options.tokens
    folder = os.path.join(common.BUILD, "floats", "quick" if options.quick else f"{tokens}-tokens")
    if options.quick:
        text, scored = common.made_up_text("quick.txt", 1), common.made_up_text("quick-scored.txt", 2)
    else:
        text, scored = (os.path.abspath(os.path.join(options.corpus, name)) for name in ("train.txt.zst", "valid500.txt"))
    chosen = quantization.texts_to_score(scored, options.quick)
    record = common.Record("capability-floats", options.quick)
    train_rounded([text], tokens, options.threads, os.path.join(folder, "run"))
    trained_rounded, tokenizer = quantization.load(os.path.join(folder, "run"))
    config = load_config(PRESET)
    dataset = prepare(lambda: read_documents([text]), os.path.join(folder, "run", "data"), config.model.vocab, describe_files([text]))
    command = {"seed": 1, "minutes": None, "tokens": tokens}
    task = task_of(Run(config, dataset, folder, command), options.threads)
    result = train_in_torch(task, folder)
    network = Network(config.model, 1, 1.0)
    network.parameters[:] = result.pop("parameters")
    network.quantize_weights()

    windows = np.asarray(dataset.train)[task["starts"].reshape(-1)[:CALIBRATION_WINDOWS, None] + np.arange(config.model.context)]
    models = roundings(network, tokenizer.merges, windows.astype(np.int64))
    plain = models["our quantizer"]
    rows: list[dict[str, Any]] = []
    chars, all_bits = [len(normalize(story)) for story in chosen], []

    def score(trained: str, rounded: str, model: Model, of: Network, parts: tuple[str, ...]) -> None:
        bits = quantization.bits_of(quantization.variant(model, of, parts), tokenizer, chosen)
        all_bits.append(bits)
        value, more = ratio(bits, chars), ratio([b - a for a, b in zip(all_bits[0], bits)], chars)
        size = quantization.raw_bytes(of.dimensions, parts)
        rows.append({"trained": trained, "rounded": rounded, "bits_per_char": value, "more": more, "bytes": size})
        common.say(f"{trained}, {rounded}: {value['value']:.4f}")

    score("with all four roundings", "all four", trained_rounded.model(tokenizer.merges, {}), trained_rounded, quantization.PARTS)
    score("in f32", "none: f32", plain, network, ())
    for part in quantization.PARTS:
        score("in f32", f"{quantization.NAMES[part]}, our quantizer", plain, network, (part,))
    for name, model in models.items():
        score("in f32", f"all four, {name}", model, network, quantization.PARTS)
    seen = result["log"][-1]["tokens"]
    record.figures.update(result, rows=rows, tokens=seen, characters=sum(map(len, chosen)), calibration_tokens=windows.size)
    record.table(
        f"{PRESET}, {seen:,} tokens, trained with the roundings and without any, PyTorch {result['torch']}",
        ["trained", "rounded", "bits per character", "more than the first", "bytes of weights"],
        [
            [
                row["trained"],
                row["rounded"],
                "{value:.3f} ({low:.3f}–{high:.3f})".format(**row["bits_per_char"]),
                "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**row["more"]),
                f"{row['bytes']:,}",
            ]
            for row in rows
        ],
        f"One seed, the same first parameters, windows, order and rates; each story alone; "
        f"{'made-up stories' if options.quick else 'trained on TinyStories, scored on stories of valid500'}.",
    )

    def draw(figure) -> None:
        panel = figure.subplots()
        panel.barh([f"{row['trained']}: {row['rounded']}" for row in rows], [row["bits_per_char"]["value"] for row in rows], height=0.7)
        panel.invert_yaxis()
        panel.set_xlabel("bits per character")

    record.write_with(draw, options.json)


if __name__ == "__main__":
    run(main)
