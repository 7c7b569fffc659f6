"""The configuration of a run: dataclasses ← preset (TOML) ← --config (TOML). An unknown key is an error that names its neighbour."""

import dataclasses
import difflib
import os
from typing import Any, TypeVar

from fable6c.errors import UsageError
from fable6c.files import read_toml
from fable6c.model.architecture import DIMENSION_RANGES, Dimensions

T = TypeVar("T")
PRESETS_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "presets")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is trained. Rates are the peaks of the schedule; shares are of the whole run."""

    batch: int = 4  # windows of `context` tokens that pass through the network together
    accumulate: int = 4  # such batches to an optimizer step
    matrix_rate: float = 0.02  # Muon, the ternary matrices
    matrix_momentum: float = 0.95
    table_rate: float = 0.01  # AdamW, the embedding and the head
    vector_rate: float = 0.004  # AdamW, gains, taps, biases
    beta1: float = 0.9
    beta2: float = 0.95
    decay: float = 0.0  # decoupled weight decay of matrices, embedding and head
    dropout: float = 0.0  # share of the inputs of mix_out and glu_out set to zero
    joined: float = 0.0  # share of the documents that a newline, not an end mark, divides from the next one
    fixed_embedding: bool = False  # embedding and norm_in stay as the run begins with them: for experts that share these
    resample: bool = False  # read as many documents, drawn with replacement by the seed
    taught: float = 0.5  # with teachers, the share of what a token is learned from that is their prediction, not the text
    fast_gradients: bool = True  # in int8, and of the logits a sample (network.py)
    clip: float = 1.0  # largest norm of the gradient of a step
    warmup: float = 0.01  # share of the run in which the learning rates rise from a tenth
    cooldown: float = 0.6  # share of the run, its last part, in which they decay to zero
    cooldown_power: float = 1.0  # power of that decay: 1 is linear, 2 spends more of the run at low rates
    minutes: float = 2.0  # the budget where neither --minutes nor --tokens is given


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole configuration: the model's dimensions and the training recipe."""

    model: Dimensions
    train: Recipe

    def as_dict(self) -> dict:
        return dataclasses.asdict(self)


RANGES = {
    **DIMENSION_RANGES,
    "batch": (1, 4096), "accumulate": (1, 4096), "matrix_rate": (0, 10), "matrix_momentum": (0, 0.9999), "table_rate": (0, 10),
    "vector_rate": (0, 10), "beta1": (0, 0.9999), "beta2": (0, 0.99999), "decay": (0, 10), "dropout": (0, 0.9), "joined": (0, 1), "taught": (0.01, 1), "clip": (1e-6, 1e6), "warmup": (0, 1),
    "cooldown": (0, 1), "cooldown_power": (0.1, 10), "minutes": (0.001, 1e6),
}  # fmt: skip


def presets() -> list[str]:
    """The names of the presets that come with the package."""
    return sorted(name[:-5] for name in os.listdir(PRESETS_FOLDER) if name.endswith(".toml"))


def load_config(preset: str, config_path: str = "") -> Config:
    """The preset's configuration with the tables [model] and [train] of the file at `config_path` laid over it.

    UsageError for an unknown preset, a file that is not TOML, an unknown key, a value of the wrong type or out of range.
    """
    if preset not in presets():
        raise UsageError(f"--preset {preset}: there is no such preset; use one of {', '.join(presets())}")
    tables = _read(os.path.join(PRESETS_FOLDER, preset + ".toml"))
    if config_path:
        for name, table in _read(config_path).items():
            tables.setdefault(name, {}).update(table)
    return Config(build(Dimensions, tables["model"], config_path), build(Recipe, tables["train"], config_path))


def _read(path: str) -> dict:
    tables = read_toml(path)
    for name, table in tables.items():
        if name not in ("model", "train") or not isinstance(table, dict):
            raise UsageError(f"{path}: unknown entry `{name}`; a configuration has the tables [model] and [train]")
    return tables


def build(kind: type[T], table: dict, path: str) -> T:
    """A dataclass of configuration from a table. UsageError, after `path`, for what does not belong in it."""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    where = f"{path}: " if path else ""
    for key, value in table.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1, 0)
            raise UsageError(f"{where}unknown key `{key}`; did you mean `{near[0]}`?")
        wanted: Any = fields[key].type
        types: dict[type, tuple[Any, str]] = {
            bool: (bool, "true or false"),
            int: (int, "a whole number"),
            float: ((int, float), "a number"),
        }
        kinds, said = types[wanted]
        if not isinstance(value, kinds) or isinstance(value, bool) != (wanted is bool):
            raise UsageError(f"{where}{key} = {value!r}: expected {said}")
        low, high = RANGES.get(key, (False, True))
        if not low <= value <= high:
            raise UsageError(f"{where}{key} = {value} is out of range; give {low} to {high}")
    missing = [name for name, field in fields.items() if field.default is dataclasses.MISSING and name not in table]
    if missing:
        raise UsageError(f"{where}the key `{missing[0]}` is missing")
    return kind(**table)
