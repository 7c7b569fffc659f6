"""Where a run begins that goes on from another: `train --from MODEL|RUN`, and `--grow` (growth.py)."""

import dataclasses
import hashlib
import os
from typing import Any

import numpy as np

from fable6c.errors import UserError
from fable6c.model.architecture import Dimensions, tensor_specs
from fable6c.model.asking import CARD_KEY
from fable6c.model.file import Matrix, Model, ModelFileError, decode_model, read_bytes
from fable6c.model.tokenizer import MIN_VOCAB, Tokenizer
from fable6c.training.config import Recipe
from fable6c.training.network import NONARY_LEVELS, NONARY_SHARE
from fable6c.training.run import ORIGINS, load_run

MAX_SHIFT = 0.45  # of a level: half of one would be the next


@dataclasses.dataclass
class Start:
    """A trained model to go on from.

    sha256       of the model file, or of a run's parameters
    parameters   f32, flat, as Network has them
    description  as the run's checkpoint has it; of a model file, what its card says of it
    """

    path: str
    sha256: str
    dimensions: Dimensions
    tokenizer: Tokenizer
    parameters: np.ndarray
    description: dict

    def views(self) -> list[np.ndarray]:
        """The parameters of each tensor, in the order of the model file."""
        sizes = [spec.size for spec in tensor_specs(self.dimensions)]
        parts = np.split(self.parameters, np.cumsum(sizes)[:-1])
        return [part.reshape(spec.shape) for part, spec in zip(parts, tensor_specs(self.dimensions))]

    def first_tokens(self, vocab: int) -> Tokenizer:
        """The tokenizer without the merges that a smaller vocabulary has no place for."""
        return Tokenizer(self.tokenizer.merges[: vocab - MIN_VOCAB])

    def check(self, dimensions: Dimensions) -> None:
        """UserError for a run of another shape."""
        for field in dataclasses.fields(Dimensions):
            own, asked = getattr(self.dimensions, field.name), getattr(dimensions, field.name)
            if own != asked:
                raise UserError(
                    f"{self.path}: its model has {field.name} = {own}, this command's has {asked}; give the --preset, and the [model] keys of --config, "
                    "that it was trained with"
                )

    def check_pruning(self, dimensions: Dimensions) -> None:
        """UserError for a run whose shape this model cannot be pruned to."""
        if self.dimensions == dimensions:
            raise UserError(
                f"{self.path}: its model has the shape of this command's already; give a smaller dim, hidden or vocab in a --config"
            )
        for field in dataclasses.fields(Dimensions):
            own, asked = getattr(self.dimensions, field.name), getattr(dimensions, field.name)
            if asked > own or asked < own and field.name not in ("dim", "hidden", "vocab"):
                raise UserError(
                    f"{self.path}: its model has {field.name} = {own}, this command's has {asked}, and pruning makes only dim, hidden and vocab smaller; "
                    "give the other [model] keys as they are, by --preset and --config"
                )

    def check_growth(self, dimensions: Dimensions) -> None:
        """UserError for a run whose shape this model cannot grow into."""
        if self.dimensions == dimensions:
            raise UserError(f"{self.path}: its model has the shape of this command's already; go on with it by --from")
        for field in dataclasses.fields(Dimensions):
            own, asked = getattr(self.dimensions, field.name), getattr(dimensions, field.name)
            if asked < own or field.name == "copies" and asked != own:
                raise UserError(
                    f"{self.path}: its model has {field.name} = {own}, this command's has {asked}, and growing makes nothing smaller and adds no copying; "
                    "give another --preset, or [model] keys in a --config"
                )


def read_start(path: str) -> Start:
    """The model to go on from: a model file, or the folder of a finished run. UserError, one line, for anything else."""
    if os.path.isdir(path):
        saved = load_run(path)
        if saved is None:
            raise UserError(f"{path}: there is no checkpoint; give a model file, or the folder of a finished run (--out of fable6c.train)")
        description, arrays = saved
        if not description["finished"]:
            raise UserError(f"{path}: this run is not finished; the same command goes on with it, and then others can begin where it ends")
        parameters = np.array(arrays["parameters"])
        if not np.isfinite(parameters).all():
            raise UserError(f"{path}: its parameters are not all finite; give a run that has not diverged")
        tokenizer = Tokenizer.from_bytes(bytes.fromhex(description["tokenizer"]))
        dimensions = Dimensions(**description["command"]["model"])
        return Start(path, _sha256(parameters.tobytes()), dimensions, tokenizer, parameters, description)
    data = read_bytes(path)
    try:
        model = decode_model(data)
    except ModelFileError as error:
        raise ModelFileError(error.name, error.value, path) from None
    if model.router is not None:
        raise UserError(f"{path}: has {model.experts} experts; training goes on from one: give the model file that it was made of")
    arrays = {}
    for spec in tensor_specs(model.dimensions):
        tensor = model.tensors[spec.name]
        levels, share = (NONARY_LEVELS, NONARY_SHARE) if spec.kind == "nonary" else (1, 1.0)
        try:
            arrays[spec.name] = latents(tensor, levels, share) if isinstance(tensor, Matrix) else tensor
        except ValueError:
            raise UserError(f"{path}: no training gives the levels of its {spec.name}; give a model that fable6c has trained") from None
    parameters = np.concatenate([array.reshape(-1) for array in arrays.values()])
    return Start(path, _sha256(data), model.dimensions, Tokenizer(model.merges), parameters, _description(model))


def _description(model: Model) -> dict:
    """What a checkpoint of the run would say that this model came from, as far as the card says it: anybody may have written that."""
    card = model.card

    def said(name: str, kind: type, other: Any) -> Any:
        return card[name] if type(card.get(name)) is kind else other

    command = {
        "preset": said("preset", str, "micro"),
        "model": dataclasses.asdict(model.dimensions),
        "train": dataclasses.asdict(Recipe()),
        "minutes": None,
        "tokens": max(0, said("tokens_trained", int, 0)),
        "seed": said("seed", int, 0),
        **{name: card[name] for name in ORIGINS if type(card.get(name)) is str},
    }
    recipe = Recipe()
    return {
        "command": command, "step": command["tokens"] // (recipe.batch * recipe.accumulate * model.dimensions.context), "elapsed": 0.0,
        "finished": True, "epoch": 0, "window": 0, "optimizer_steps": 0, "tokenizer": Tokenizer(model.merges).to_bytes().hex(),
        "corpus": said("corpus", str, ""), "source": "", "text_sha256": said("text_sha256", str, ""), "bits_per_char": None, "asks": said(CARD_KEY, str, ""),
    }  # fmt: skip


def latents(matrix: Matrix, levels: int, share: float) -> np.ndarray:
    """Latent weights (m, n) that quantize to this matrix: to the same levels, and to its scales but for rounding.

    A scale is `share` of the mean magnitude of its latents (docs/numerics.md). Each latent is its level times the scale. What they lack of the
    sum of magnitudes goes to those of the highest level, which may be of any size above, or else evenly to all as far as
    their levels allow: first to those that are not 0, and what these have no room for to the zeros, with signs in turn. ValueError
    for levels that no latents have.
    """
    weight = matrix.weight.reshape(len(matrix.scale), -1)
    size = np.abs(weight).astype(np.float64)
    lacking = weight.shape[1] / share - size.sum(axis=1, keepdims=True)
    top = size == levels
    tops = top.sum(axis=1, keepdims=True)
    nonzero = np.maximum(1, np.count_nonzero(size, axis=1, keepdims=True))
    evenly = (size > 0) * np.clip(lacking / nonzero, -MAX_SHIFT, MAX_SHIFT)
    zeros = np.maximum(1, np.count_nonzero(size == 0, axis=1, keepdims=True))
    evenly += (size == 0) * np.clip((lacking - MAX_SHIFT * nonzero) / zeros, 0, MAX_SHIFT)
    made = size + np.where((lacking > 0) & (tops > 0), top * lacking / np.maximum(1, tops), evenly)
    again = np.rint(np.minimum(made / np.maximum(share * made.mean(axis=1, keepdims=True), 1e-30), levels))
    if not np.array_equal(again, size):
        raise ValueError("these levels have no latents")
    sign = np.where(weight == 0, 1 - 2 * (np.arange(weight.shape[1]) % 2), np.sign(weight))
    return (made * sign * matrix.scale[:, None]).astype(np.float32).reshape(matrix.weight.shape)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
