"""Export a run as one model file: python -m fable6c.export DIR -o model.f6c"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.export")  # as a file, its folder would hide modules of Python's own

import dataclasses
import hashlib
import math
import os
import sys
from collections.abc import Sequence
from typing import Optional

import numpy as np

from fable6c import __version__, kernels
from fable6c.cli import ArgumentParser, print_next, run
from fable6c.errors import UserError
from fable6c.files import atomic_write, existing_file
from fable6c.model.architecture import Dimensions
from fable6c.model.asking import CARD_KEY
from fable6c.model.file import Model, decode_model, encode_model
from fable6c.model.limits import MAX_MAGNITUDE
from fable6c.model.reference import Reference
from fable6c.model.tokenizer import Tokenizer
from fable6c.training.config import Recipe
from fable6c.training.network import Network
from fable6c.training.run import ORIGINS, UNTESTED, load_run

COMPARED_TOKENS = 64
COMPARED_VOCAB = 50  # so few different tokens that a model that copies has something to copy
TOLERANCE, AGREEMENT = 1e-3, 0.999


def export(folder: str, path: str) -> dict:
    """Write the newest checkpoint of the run in `folder` as a model file. Before that, the file's bytes are read back, and the logits
    and losses that the reference computes from them compared with the trainer's own forward pass. Returns the model card.

    UserError if there is no checkpoint, the parameters do not fit the format, the comparison fails, or the file cannot be
    written; a file that was there before is then untouched.
    """
    existing_file(path)
    saved = load_run(folder)
    if saved is None:
        raise UserError(f"{folder}: there is no checkpoint; give the folder of a run (--out of fable6c.train)")
    description, arrays = saved
    if description.get("verdict") == UNTESTED:
        raise UserError(f"{folder}: the paired test of this run has not been made yet; the same train command goes on to it")
    if description.get("verdict"):
        raise UserError(f"{folder}: a paired test refused this model: {description['verdict']}")
    command = description["command"]
    dimensions, recipe = Dimensions(**command["model"]), {**dataclasses.asdict(Recipe()), **command["train"]}
    network = Network(dimensions, 1, 1.0)
    network.parameters[:] = arrays["parameters"]
    largest = np.abs(network.parameters).max()
    if not largest <= MAX_MAGNITUDE:
        raise UserError(
            f"{folder}: a parameter has the magnitude {largest:.3g}, a model file holds at most {MAX_MAGNITUDE:g}: the training has diverged; "
            "train again with lower rates (--config)"
        )
    network.quantize_weights()
    tokenizer = Tokenizer.from_bytes(bytes.fromhex(description["tokenizer"]))
    card = {
        "name": os.fsencode(os.path.splitext(os.path.basename(path))[0]).decode("utf-8", "replace"),
        "made_by": f"fable6c {__version__}",
        "preset": command["preset"],
        "parameters": len(network.parameters),
        "corpus": description["corpus"],
        "text_sha256": description["text_sha256"],
        "tokens_trained": description["step"] * recipe["batch"] * recipe["accumulate"] * dimensions.context,
        "seed": command["seed"],
    }
    if command["minutes"] is not None:  # with a budget of tokens the file is the same however long the run took
        card["minutes"] = round(description["elapsed"] / 60, 1)
    if description["bits_per_char"] is not None and math.isfinite(description["bits_per_char"]):  # JSON knows no other numbers
        card["bits_per_char"] = round(description["bits_per_char"], 4)
    card.update((name, command[name]) for name in ORIGINS if command.get(name))
    if description.get("asks"):
        card[CARD_KEY] = description["asks"]
    data = encode_model(network.model(tokenizer.merges, card))
    _compare(decode_model(data), network)
    atomic_write(path, data)
    return card


def _compare(model: Model, network: Network) -> None:
    """The logits of the model that was read back against the trainer's, on random tokens, and the losses that follow from them: those know
    whether the trainer's own odds of copying are right."""
    d = network.dimensions
    tokens = np.random.default_rng(0).integers(0, min(d.vocab, COMPARED_VOCAB), (1, d.context)).astype(np.int32)
    targets = np.roll(tokens, -1, axis=1)
    wanted, losses = network.logits(tokens)[0, :COMPARED_TOKENS], network.losses(tokens, targets)[0, :COMPARED_TOKENS]
    found, _ = Reference(model).forward(tokens[:, :COMPARED_TOKENS])
    exact = found[0].astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    expected = np.log(np.exp(exact).sum(axis=1)) - exact[np.arange(len(exact)), targets[0, : len(exact)]]
    difference = float(max(np.abs(found[0] - wanted).max(), np.abs(losses - expected).max()))
    agreement = float((found[0].argmax(1) == wanted.argmax(1)).mean())
    if not difference <= TOLERANCE or agreement < AGREEMENT:
        raise UserError(
            f"nothing is written: the model's logits or losses differ from the trainer's by {difference:.2g} (allowed {TOLERANCE:g}) and agree in {agreement:.1%} of "
            "the choices; this is a bug, please report it with the CPU's name"
        )


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.export", "Export a training run as one model file.", "python -m fable6c.export runs/small -o small.f6c"
    )
    parser.add_argument("run", metavar="DIR", help="the folder of a run (--out of fable6c.train)")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the model file to write")
    options = parser.parse_args(argv)
    card = export(options.run, options.output)
    with open(options.output, "rb") as file:
        data = file.read()
    print(f"{options.output}: {len(data):,} bytes, {card['parameters']:,} parameters, sha256 {hashlib.sha256(data).hexdigest()}")
    print(f"read back and compared with the trainer ({kernels.ISA}): the logits agree", file=sys.stderr)
    print_next("generate", options.output, "-p", "Once upon a time")


if __name__ == "__main__":
    run(main)
