"""One training run: everything that a step needs, and how to save it and go on from it.

A run lives in one folder (--out):
    data/              the tokenizer and the tokenized text (fable6c/data/prepare.py)
    checkpoint.f6k     the newest state, and checkpoint.previous.f6k the one before (checkpoint.py); they hold the command
                       too: the same command goes on, another one is refused
    log.jsonl          one line for each report: the truth that loss.png is drawn from
    loss.png           the curves (needs matplotlib)
    samples.txt        stories from fixed prompts while the model learns
"""

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Optional

import numpy as np

from fable6c.data.windows import Dataset
from fable6c.errors import UserError
from fable6c.model.architecture import Dimensions, tensor_specs
from fable6c.model.asking import HEADING_TOKEN, find_headers
from fable6c.model.reference import Reference, generate
from fable6c.model.sampling import Sampler
from fable6c.model.tokenizer import Tokenizer
from fable6c.training import checkpoint
from fable6c.training.config import Config, Recipe, build
from fable6c.training.network import Network
from fable6c.training.optimizer import Optimizer
from fable6c.training.teachers import Teacher, Teaching

SAMPLE_TOKENS = 80
UNTESTED = "untested"  # the verdict on a run that grows or prunes, before there is one
ORIGINS = ("from", "merged", "teachers")  # keys of a command, and of a model's card, that name other models by their SHA-256
# What a checkpoint's description holds, by name and type.
DESCRIPTION = {
    "command": (dict,), "step": (int,), "elapsed": (int, float), "finished": (bool,), "epoch": (int,), "window": (int,), "optimizer_steps": (int,),
    "tokenizer": (str,), "corpus": (str,), "source": (str,), "text_sha256": (str,), "bits_per_char": (int, float, type(None)),
}  # fmt: skip


class Run:
    """One training run: everything that a step needs, and how to save it and go on from it.

    command   what fixes the run: preset, model, train (the configuration), minutes or tokens (the other is None), seed; and `from`, the
              SHA-256 of the model that it begins with, if it begins with one; `teachers`, the same of those
    teachers   whose predictions it learns from as well
    """

    def __init__(self, config: Config, dataset: Dataset, folder: str, command: dict, teachers: Sequence[Teacher] = ()):
        self.config, self.dataset, self.folder, self.command = config, dataset, folder, command
        self.seed, minutes, tokens = command["seed"], command["minutes"], command["tokens"]
        recipe, context = config.train, config.model.context
        self.tokens_per_step = recipe.batch * recipe.accumulate * context
        self.seconds_budget = None if minutes is None else 60.0 * minutes
        # Of a budget in minutes not known before `plan_steps` has measured what they buy here (loop.py).
        self.steps_budget = None if tokens is None else max(1, -(-tokens // self.tokens_per_step))
        taught = recipe.taught if teachers else 0.0
        self.network = Network(config.model, recipe.batch, 1.0 / self.tokens_per_step, recipe.fast_gradients, recipe.dropout, taught)
        if teachers:
            self.network.teaching = Teaching(teachers, self.network)
        self.optimizer = Optimizer(self.network, recipe)
        self.step, self.elapsed = 0, 0.0  # optimizer steps done, seconds that they, the checks and the saves took
        self.finished = False  # the budget is spent and all of the held-out text is scored
        self.last_bits_per_char: Optional[float] = None
        self.best: Optional[tuple[int, float]] = None  # step and score of the check that had the fewest bits per character so far
        self.shortened = False  # began again because the text was exhausted (loop.py)
        self.verdict: Optional[str] = None  # of a run that grows or prunes: UNTESTED, why it is refused, or "" if it is kept
        self.epoch, self.window = 0, 0  # the next window to read: its place in the epoch's order
        self.starts = dataset.starts(context, self.seed, 0)
        # What else a checkpoint of this run holds: a cluster's round and the momentum of its outer step.
        self.more: dict[str, int] = {}
        self.more_arrays: dict[str, np.ndarray] = {}
        self.characters = np.array([_characters(token) for token in dataset.tokenizer.token_bytes])

    def progress(self) -> float:
        """How much of the budget is spent, in [0, 1]."""
        return min(1.0, self.step / self.steps_budget) if self.steps_budget else 0.0

    def next_starts(self) -> np.ndarray:
        """The next `batch` windows, from one epoch to the next."""
        parts: list[np.ndarray] = []
        wanted = self.config.train.batch
        while wanted:
            if self.window == len(self.starts):
                self.epoch, self.window = self.epoch + 1, 0
                self.starts = self.dataset.starts(self.config.model.context, self.seed, self.epoch)
            part = self.starts[self.window : self.window + wanted]
            self.window += len(part)
            wanted -= len(part)
            parts.append(part)
        return np.concatenate(parts)

    def train_step(self) -> float:
        """One optimizer step; returns its mean loss in nats a token. What combines the gradients of several workers goes between the two."""
        loss = self.accumulate_gradients()
        self.apply_gradients()
        return loss

    def accumulate_gradients(self) -> float:
        """The gradients of the next step's batches, into `network.gradients`; returns the mean loss in nats a token."""
        loss, recipe, tokenizer = 0.0, self.config.train, self.dataset.tokenizer
        for part in range(recipe.accumulate):
            inputs, targets = self.dataset.batch(self.next_starts(), self.config.model.context)
            number = self.step * recipe.accumulate + part
            newline = tokenizer.encode("\n")[0]
            if recipe.joined:
                join(inputs, targets, tokenizer.end_of_text, newline, recipe.joined, [self.seed, number])
            leave_headers_out(inputs, targets, (tokenizer.end_of_text, newline))
            loss += self.network.accumulate(inputs, targets, number)
        return loss / recipe.accumulate

    def apply_gradients(self) -> None:
        """Let the optimizer use the gradients, and zero them. UserError if they are not finite."""
        try:
            self.optimizer.step(self.progress())
        except FloatingPointError as error:
            raise UserError(
                f"step {self.step + 1}: {error}; lower the rates (--config) and start again in another folder: the last checkpoint is untouched"
            ) from None
        self.step += 1

    def bits_per_char(self, max_tokens: Optional[int] = None) -> float:
        """Bits per character of the held-out text in windows of `context` tokens; end marks and headers are neither credited nor lost."""
        valid = self.dataset.valid[:max_tokens]
        nats, scored = scored_nats(self.network, self.dataset.tokenizer, valid)
        self.last_bits_per_char = float(nats[scored].sum()) / math.log(2) / int(self.characters[valid[scored]].sum())
        return self.last_bits_per_char

    def sample(self, prompt: str, seed: int) -> str:
        """A short story from the present weights, by the NumPy reference of the engine."""
        model = self.network.model(self.dataset.tokenizer.merges, {})
        tokens = self.dataset.tokenizer.encode(prompt)
        told = generate(Reference(model), tokens, SAMPLE_TOKENS, Sampler.by_default(seed))
        return prompt + b"".join(text for _, text in told).decode("utf-8", "replace")

    def state(self) -> tuple[dict, dict[str, np.ndarray]]:
        """What `restore` goes on from: a description, and the arrays themselves, no copies."""
        description = {
            "command": self.command, "step": self.step, "elapsed": self.elapsed, "finished": self.finished, "epoch": self.epoch,
            "window": self.window, "optimizer_steps": self.optimizer.steps, "tokenizer": self.dataset.tokenizer.to_bytes().hex(),
            "corpus": self.dataset.description["corpus"], "source": self.dataset.description["source"],
            "text_sha256": self.dataset.description["sha256"], "bits_per_char": self.last_bits_per_char,
            "asks": self.dataset.description.get("asks", ""), "verdict": self.verdict, "steps": self.steps_budget,
            "best": self.best, "shortened": self.shortened, **self.more,
        }  # fmt: skip
        return description, {
            "parameters": self.network.parameters, "first": self.optimizer.first, "second": self.optimizer.second, **self.more_arrays,
        }  # fmt: skip

    def save(self) -> None:
        """Write a checkpoint (atomically; the previous one is kept)."""
        checkpoint.save(self.folder, *self.state())

    def restore(self, description: dict, arrays: dict[str, np.ndarray]) -> None:
        """Go on from a `state`."""
        if description["tokenizer"] != self.dataset.tokenizer.to_bytes().hex():
            raise UserError(
                f"{self.folder}: the tokenizer in its data folder is not the one that its checkpoint was trained with (made by another "
                "version of fable6c?); choose another folder with --out"
            )
        self.network.parameters[:] = arrays["parameters"]
        self.optimizer.first[:], self.optimizer.second[:] = arrays["first"], arrays["second"]
        self.step, self.elapsed, self.optimizer.steps = description["step"], description["elapsed"], description["optimizer_steps"]
        self.epoch, self.window = description["epoch"], description["window"]
        self.finished, self.last_bits_per_char = description["finished"], description["bits_per_char"]
        self.verdict, self.steps_budget = description.get("verdict"), description.get("steps") or self.steps_budget
        best = description.get("best")  # as the next one not in older versions' checkpoints
        self.best, self.shortened = (best[0], best[1]) if best else None, description.get("shortened", False)
        self.starts = self.dataset.starts(self.config.model.context, self.seed, self.epoch)
        self.network.quantize_weights()

    def begin_again(self, steps: int) -> None:
        """Be a run of so many steps that has done none: the same bits as with a budget of as many tokens. The weights are the caller's to set;
        the time counts on."""
        self.optimizer.first[:], self.optimizer.second[:], self.optimizer.steps = 0.0, 0.0, 0
        self.step, self.epoch, self.window, self.steps_budget, self.shortened = 0, 0, 0, steps, True
        self.starts = self.dataset.starts(self.config.model.context, self.seed, 0)


def scored_nats(network: Network, tokenizer: Tokenizer, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nats (N,) that each token of held-out documents costs, in windows of `context` tokens, and whether it counts (N,): end marks and
    headers do not."""
    B, T, end_mark = network.batch, network.dimensions.context, tokenizer.end_of_text
    # An end mark before the text, so that each of its tokens is a target; end marks fill the last batch up.
    text = np.full(1 + -(-len(valid) // (B * T)) * B * T, end_mark, np.int32)
    text[1 : 1 + len(valid)] = valid
    scored = text != end_mark
    for first, last in find_headers(text, (end_mark,)):
        scored[first : last + 1] = False
    nats = [
        network.losses(text[start : start + B * T].reshape(B, T), text[start + 1 : start + 1 + B * T].reshape(B, T)).reshape(-1)
        for start in range(0, len(text) - 1, B * T)
    ]
    return np.concatenate(nats)[: len(valid)].astype(np.float64), scored[1 : 1 + len(valid)]


def join(inputs: np.ndarray, targets: np.ndarray, end_mark: int, newline: int, share: float, seed: Sequence[int]) -> None:
    """Put a newline in the place of a share of the end marks, drawn by lot, in windows (B, T) and their targets. So the model learns
    what texts are like in which documents follow each other without a mark, which it would take for the middle of one."""
    marks = np.flatnonzero(targets == end_mark)
    draws = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(len(marks))  # raw: NEP 19 promises these forever
    targets.reshape(-1)[marks[draws < share * 2.0**64]] = newline
    inputs[:, 1:] = np.where(targets[:, :-1] < 0, inputs[:, 1:], targets[:, :-1])


def leave_headers_out(inputs: np.ndarray, targets: np.ndarray, before: tuple[int, ...]) -> None:
    """Set the targets (B, T) that lie in headers to -1: to foretell a wish is not the model's job. `before`: see find_headers."""
    for row in np.flatnonzero((targets == HEADING_TOKEN).any(axis=1) | (inputs[:, 0] == HEADING_TOKEN)).tolist():
        for first, last in find_headers(np.append(inputs[row], targets[row, -1]), before):
            targets[row, max(0, first - 1) : last] = -1


def _characters(token: bytes) -> int:
    """Characters that begin in a token: bytes that are not UTF-8 continuation bytes."""
    return sum(byte & 0xC0 != 0x80 for byte in token)


def check_same_command(folder: str, before: dict, command: dict) -> None:
    """Refuse to go on with another command than the one in the folder's checkpoint. What one of them does not name has its default."""
    defaults = {
        f"{table}.{field.name}": field.default
        for table, kind in (("model", Dimensions), ("train", Recipe))
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING
    }
    old, new = ({**defaults, **_flat(one)} for one in (before, command))
    for name in {**_flat(command), **old}:
        if old.get(name) != new.get(name):
            raise UserError(
                f"{folder} holds a run with {name} = {old.get(name)}, this command has {new.get(name)}: go on with the same command, or "
                "choose another folder with --out"
            )


def _flat(tables: dict) -> dict:
    """{"a": {"b": 1}} to {"a.b": 1}."""
    flat = {}
    for name, value in tables.items():
        flat.update({f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value})
    return flat


def load_run(folder: str) -> Optional[tuple[dict, dict[str, np.ndarray]]]:
    """The newest checkpoint of a run (checkpoint.load), with everything in it as a Run writes it. UserError for one that is not."""
    saved = checkpoint.load(folder)
    if saved is None:
        return None
    description, arrays = saved

    def refuse(reason: str) -> UserError:
        return checkpoint.foreign(os.path.join(folder, checkpoint.NAME), reason)

    for name, kinds in DESCRIPTION.items():
        value = description.get(name, refuse)
        if not isinstance(value, kinds) or isinstance(value, bool) and bool not in kinds:
            raise refuse(f"its {name} is {'missing' if value is refuse else repr(value)[:40]}")
    steps = description.get("steps")  # runs of minutes that an older version began have none
    if steps is not None and not (type(steps) is int and 0 < steps < 2**53):
        raise refuse(f"its steps are {steps!r}")
    best = description.get("best")
    if best is not None and not (isinstance(best, list) and [type(value) for value in best] == [int, float] and 0 < best[0] < 2**53):
        raise refuse(f"its best check is {best!r}"[:100])
    if not isinstance(description.get("shortened", False), bool):
        raise refuse(f"its shortened is {description['shortened']!r}"[:100])
    for name in ("step", "epoch", "window", "optimizer_steps", "elapsed"):
        if not 0 <= description[name] < 2**53:
            raise refuse(f"its {name} is {description[name]}")
    command = description["command"]
    try:
        known = {field.name for field in dataclasses.fields(Recipe)}  # a run of another version may name more
        train = {name: value for name, value in command["train"].items() if name in known}
        dimensions, recipe = build(Dimensions, command["model"], "its model"), build(Recipe, train, "its train")
        bytes.fromhex(description["tokenizer"])
        if not isinstance(command["seed"], int) or not isinstance(command["preset"], str):
            raise ValueError("its seed or preset")
        if (command["minutes"] is None) == (command["tokens"] is None):
            raise ValueError("it has no budget or two")
    except (UserError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise refuse(f"its command or tokenizer is wrong: {error}") from None
    specs = tensor_specs(dimensions)
    numbers = sum(spec.size for spec in specs)
    wanted = {"parameters": numbers, "first": numbers, "second": sum(spec.size for spec in specs if spec.row.group != "matrix")}
    for name, size in wanted.items():
        if name not in arrays or arrays[name].shape != (size,) or arrays[name].dtype != np.float32:
            raise refuse(f"its {name} are {'of another size' if name in arrays else 'missing'}")
        if name != "parameters" and not np.isfinite(arrays[name]).all():
            raise refuse(f"its {name} are not all finite")
    if description["window"] * dimensions.context > 2**53 // recipe.batch:
        raise refuse(f"its window is {description['window']}")
    return description, arrays
