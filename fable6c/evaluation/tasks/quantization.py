"""What each rounding costs: one checkpoint's network with and without it, in NumPy.

A run's checkpoint holds the f32 numbers that the discrete weights are made from. Each part of the network is run with those, or with
what the model file has: the body's ternary weights, the head's, the embedding's nine levels, activations in int8; none of them, each alone,
all but one, all. The network was
trained with all of them at once: that without one of them it is not better says that training has adapted to it, no more.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from fable6c.data.text import normalize
from fable6c.errors import UserError
from fable6c.evaluation.batch import document_bits
from fable6c.evaluation.statistics import ratio
from fable6c.evaluation.tasks import Asked
from fable6c.evaluation.tasks.prediction import stories_of
from fable6c.model.architecture import Dimensions, tensor_specs
from fable6c.model.file import Model
from fable6c.model.numerics import quantize
from fable6c.model.reference import Linear, Reference
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress
from fable6c.training.network import Network
from fable6c.training.run import load_run

NAME, TITLE = "quantization", "What rounding costs"
CHARACTERS, QUICK_CHARACTERS = 40_000, 8_000
PARTS = ("activations", "body", "head", "embedding")
NAMES = {
    "activations": "int8 activations",
    "body": "ternary body",
    "head": "ternary head",
    "embedding": "nine-level embedding",
}


def run(asked: Asked) -> dict:
    if not asked.checkpoint:
        return {"skipped": "no checkpoint was given (--checkpoint DIR, the folder of a run)"}
    if not asked.texts:
        return {"skipped": "no text was given (--text FILE)"}
    network, tokenizer = load(asked.checkpoint)
    chosen = texts_to_score(asked.texts[0], asked.quick)
    model = network.model(tokenizer.merges, {})
    rows = []
    but_one = [tuple(other for other in PARTS if other != part) for part in PARTS]
    choices = [(), *((part,) for part in PARTS), *but_one, PARTS]
    with Progress("roundings", len(choices), "networks", asked.progress) as shown:
        for rounded in choices:
            reference = variant(model, network, rounded)
            bits_per_char = ratio(bits_of(reference, tokenizer, chosen), [len(normalize(text)) for text in chosen])
            rows.append({"rounded": _name(rounded), "bits_per_char": bits_per_char, "bytes": raw_bytes(network.dimensions, rounded)})
            shown.add(1)
    return {"rows": rows, "chars": sum(map(len, chosen)), "parameters": len(network.parameters), "instructions": "not measured"}


def texts_to_score(path: str, quick: bool) -> list[str]:
    """The first documents of a text, with about CHARACTERS characters in all."""
    chosen, characters = [], 0
    for text in stories_of(path).texts:
        chosen.append(text)
        characters += len(text)
        if characters >= (QUICK_CHARACTERS if quick else CHARACTERS):
            break
    return chosen


def bits_of(reference: Any, tokenizer: Tokenizer, texts: Sequence[str]) -> list[float]:
    """The bits of each text, read alone."""
    return [float(document_bits(reference, tokenizer.encode(text), Progress("", enabled=False)).sum()) for text in texts]


def _name(rounded: tuple[str, ...]) -> str:
    if len(rounded) < 2:
        return NAMES[rounded[0]] if rounded else "none: f32"
    missing = [part for part in PARTS if part not in rounded]
    return f"all but {NAMES[missing[0]]}" if missing else "all four"


def load(folder: str) -> tuple[Network, Tokenizer]:
    """The network of a run's newest checkpoint. UserError where there is none."""
    saved = load_run(folder)
    if saved is None:
        raise UserError(f"{folder}: there is no checkpoint; give the folder of a run (--out of fable6c.train)")
    description, arrays = saved
    network = Network(Dimensions(**description["command"]["model"]), 1, 1.0)
    network.parameters[:] = arrays["parameters"]
    network.quantize_weights()
    return network, Tokenizer.from_bytes(bytes.fromhex(description["tokenizer"]))


@dataclasses.dataclass
class Product:
    """In the place of a `reference.Linear`: any weight (n, m), and whether its input is rounded to int8."""

    weight: np.ndarray
    rounds: bool

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if self.rounds:
            q, s = quantize(x)
            x = q * s
        return (x.reshape(-1, x.shape[-1]) @ self.weight).reshape(x.shape[:-1] + (self.weight.shape[1],))


@dataclasses.dataclass
class Rows:
    """In the place of the embedding's matrix."""

    weight: np.ndarray
    scale: np.ndarray


def variant(model: Model, network: Network, rounded: tuple[str, ...]) -> Any:
    """The reference with only the parts in `rounded` as the model file has them; with all four it is the reference itself."""
    reference: Any = Reference(model)

    def product(name: str, part: str, linear: Linear) -> Product:
        weight = linear.weight * linear.scale if part in rounded else network.latent[name].T.copy()
        return Product(weight, "activations" in rounded)

    for layer, block in enumerate(reference.blocks):
        for name in ("mix_in", "mix_out", "glu_in", "glu_out"):
            setattr(block, name, product(f"blocks.{layer}.{name}", "body", getattr(block, name)))
    reference.head = product("head", "head", reference.head)
    if reference.copying:
        reference.copying["copy_in"] = product("copy_in", "body", reference.copying["copy_in"])
    if "embedding" not in rounded:
        reference.embedding = Rows(network.latent["embedding"].copy(), np.ones(model.dimensions.vocab, np.float32))
    return reference


def raw_bytes(dimensions: Dimensions, rounded: tuple[str, ...]) -> int:
    """Of the weights, before the file's compression: four bytes for a number that is not rounded."""
    total = 0
    for spec in tensor_specs(dimensions):
        part: Optional[str] = {"embedding": "embedding", "head": "head"}.get(spec.name, "body")
        total += spec.file_bytes if part in rounded else 4 * spec.size
    return total
