"""Teachers: trained models whose predictions a network learns from, besides the text (`train --teachers`).

The target of a token is then `taught` · Σ weight · a teacher's prediction + (1 − taught) · the text's next token (Hinton et al. 2015, "Distilling
the knowledge in a neural network"), computed in C for each batch: nothing is stored.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Callable, Union

import numpy as np

from fable6c.errors import UsageError, UserError
from fable6c.files import file_sha256, starts_with
from fable6c.mixing.reading import NEWLINE
from fable6c.mixing.scout import MAGIC as SCOUT_MAGIC
from fable6c.mixing.scout import Scout
from fable6c.model.architecture import Dimensions
from fable6c.model.file import Model, read_model
from fable6c.model.tokenizer import Tokenizer
from fable6c.training.network import HEAD_ROWS, Network


@dataclasses.dataclass
class Teacher:
    """A model file or a scout that is to teach. weight: its share among all teachers."""

    path: str
    sha256: str
    weight: float
    model: Union[Model, Scout]

    @property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer(self.model.merges) if isinstance(self.model, Model) else self.model.tokenizer

    def check(self, path: str, tokenizer: Tokenizer, vocab: int) -> None:
        """UserError for another tokenizer than that of the model at `path`, or for another size than the run's vocabulary."""
        if self.tokenizer.to_bytes() != tokenizer.to_bytes():
            raise UserError(f"{self.path}: has another tokenizer than {path}; a network and its teachers need the same one")
        if self.tokenizer.vocab_size != vocab:
            raise UserError(
                f"{self.path}: its tokenizer has {self.tokenizer.vocab_size} tokens, this command's vocab is {vocab}; set `vocab` (--config) to that"
            )


def read_teachers(names: Sequence[str], threads: int) -> list[Teacher]:
    """The teachers of "A.f6c", or "A.f6c=0.7" with a weight; the weights are divided by their sum.

    UsageError for a weight that is none, UserError for a file that is no model and no scout.
    """
    teachers: list[Teacher] = []
    for name in names:
        path, _, weight = name.rpartition("=") if re.search(r"=[\d.]+$", name) else (name, "", "1")
        try:
            share = float(weight)
        except ValueError:
            share = 0.0
        if share <= 0:
            raise UsageError(f"--teachers {name}: expected MODEL or MODEL=WEIGHT, with a weight above 0")
        sha256 = file_sha256(path)
        model: Union[Model, Scout] = Scout.load(path, threads) if starts_with(path, SCOUT_MAGIC) else read_model(path)
        if isinstance(model, Model) and model.router is not None:
            raise UserError(f"{path}: has {model.experts} experts; a teacher has one: give the model files that it was made of")
        teachers.append(Teacher(path, sha256, share, model))
    total = sum(teacher.weight for teacher in teachers)
    for teacher in teachers:
        teacher.weight /= total
    return teachers


def network_dimensions(teachers: Sequence[Teacher], context: int) -> list[Dimensions]:
    """Those of the networks among the teachers, which read windows of `context` tokens."""
    return [dataclasses.replace(teacher.model.dimensions, context=context) for teacher in teachers if isinstance(teacher.model, Model)]


class Teaching:
    """The teachers of one network, bound to its arrays: `teaching.read(tokens, targets)` before each batch, then `teaching.part(n)`."""

    def __init__(self, teachers: Sequence[Teacher], student: Network):
        self._soft = student.arrays["soft"]
        self._networks: list[Network] = []
        self._calls: list[list[Callable]] = []
        self._scouts: list[tuple[Scout, float, dict]] = []
        for teacher in teachers:
            if isinstance(teacher.model, Model):
                (dimensions,) = network_dimensions([teacher], student.dimensions.context)
                network = Network(dimensions, student.batch, 1.0)
                network.take(teacher.model)
                self._networks.append(network)
                self._calls.append(network.bind_teaching(self._soft, teacher.weight))
            else:
                teacher.model.probabilities_of([NEWLINE], learn=False)
                self._scouts.append((teacher.model, teacher.weight, teacher.model.text_memory()))
        self._end_mark = student.dimensions.end_mark

    def read(self, tokens: np.ndarray, targets: np.ndarray) -> None:
        """Let the teachers read a batch (B, T)."""
        self._tokens, self._targets = tokens, targets
        for network in self._networks:
            network.forward(tokens)

    def part(self, number: int) -> None:
        """Put into the student's soft targets what the teachers predict after each of the batch's tokens of this part."""
        self._soft.fill(0)
        for calls in self._calls:
            calls[number]()
        for scout in self._scouts:
            self._ask(*scout, number)

    def _ask(self, scout: Scout, weight: float, start: dict, number: int) -> None:
        """A scout knows no end of a document: what the text says of it counts as its prediction. It reads a window as a text of its own, with a newline
        in the place of an end mark."""
        context = self._tokens.shape[1]
        for row, place in enumerate(range(number * HEAD_ROWS, min((number + 1) * HEAD_ROWS, self._tokens.size))):
            window, t = divmod(place, context)
            if t == 0:
                scout.restore_text_memory(start)
            token = int(self._tokens[window, t])
            scout.update(NEWLINE if token == self._end_mark else token, learn=False)
            if self._targets[window, t] == self._end_mark:
                self._soft[row, self._end_mark] += weight
            elif self._targets[window, t] >= 0:
                self._soft[row, : self._end_mark] += weight * scout.distribution()
