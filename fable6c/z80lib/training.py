"""Learning: the machine's own integers forward, straight-through gradients backward, Adam.

The weights that learn are real numbers; the network only ever sees them rounded to -1, 0, 1, and its activations are rounded and clamped as in
model.py, in float32, which holds these small integers exactly. The gradient goes through each rounding as if it were not there and
through each clamp where it does not clamp. Nothing is left to quantize at the end.
"""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from fable6c.errors import UserError
from fable6c.progress import Progress
from fable6c.z80lib.model import CHARACTERS, CONTEXTS, MAX_SECRETS, TOP, WIDTH, Model, clamp, context
from fable6c.z80lib.text import Example, memories, rows

BOUND = 1.5  # real weights stay within it, so that none is out of reach of a change of mind


@dataclasses.dataclass
class Settings:
    rows: int = 2048
    context: int = 64
    epochs: int = 20
    batch: int = 256
    rate: float = 0.02
    smooth: float = 0.1  # the share of each target that goes to all characters alike
    forget: float = 0.0  # the share of a line's rows that is left out at random while learning
    certain: float = 0.25  # the share of characters without a choice (no other answer goes on differently) that each step learns
    seed: int = 1


def ternary(weights: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(weights), -1, 1)


@dataclasses.dataclass
class Selected:
    """Rows of a table that are summed for each of N groups; group n's begin at start[n]."""

    row: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, groups: Sequence[np.ndarray]) -> "Selected":
        sizes = [len(each) for each in groups]
        return cls(np.concatenate(groups), np.concatenate([[0], np.cumsum(sizes[:-1])]).astype(np.intp))

    def groups(self) -> np.ndarray:
        """The group of each row."""
        return np.repeat(np.arange(len(self.start)), np.diff(np.append(self.start, len(self.row))))

    def sum_of(self, table: np.ndarray) -> np.ndarray:
        """(N, width) from (rows, width)."""
        return np.add.reduceat(table[self.row], self.start)

    def gradient(self, dsum: np.ndarray, rows: int) -> np.ndarray:
        """(rows, width) from (N, width)."""
        order = np.argsort(self.row, kind="stable")
        row = self.row[order]
        first = np.flatnonzero(np.diff(row, prepend=-1))
        found = np.zeros((rows, dsum.shape[1]), np.float32)
        found[row[first]] = np.add.reduceat(dsum[self.groups()[order]], first)
        return found


@dataclasses.dataclass
class Batch:
    """What a step reads: N examples, M characters that it learns (ends included)."""

    table: Selected  # N groups
    secret: np.ndarray  # (N,)
    example: np.ndarray  # (M,) whose character it is
    context: Selected  # M groups
    target: np.ndarray  # (M,)


class Trainer:
    """Learns one model from examples; `step` is one batch."""

    def __init__(self, examples: Sequence[Example], settings: Settings, memory: bool = False):
        self.settings, self.memory = settings, memory
        self.random = np.random.default_rng(settings.seed)
        self.characters = "".join(sorted(set("".join(example.answer for example in examples))))
        if len(self.characters) > CHARACTERS:
            raise UserError(f"the answers have {len(self.characters)} different characters, the machine takes {CHARACTERS}; use fewer")
        self.secrets = tuple(sorted({example.secret for example in examples} - {""}))
        if len(self.secrets) > MAX_SECRETS:
            raise UserError(f"the text has {len(self.secrets)} secrets, the machine takes {MAX_SECRETS}; use fewer")
        self.examples = examples
        remembered = memories(examples) if memory else [None] * len(examples)
        self.rows = [np.array(rows(example.line, settings.rows, past)) for example, past in zip(examples, remembered)]
        self.secret = np.array([self.secrets.index(example.secret) if example.secret else 0 for example in examples])
        answers = sorted({example.answer for example in examples})
        follow: dict[str, set] = collections.defaultdict(set)
        for answer in answers:
            for place in range(len(answer) + 1):
                follow[answer[:place]].add(answer[place : place + 1])
        self.answers = {answer: self._spell(answer, follow) for answer in answers}

        def draw(*shape: int) -> np.ndarray:
            return np.asarray(self.random.normal(0, 0.6, shape), np.float32)

        self.weights: dict[str, np.ndarray] = {
            "table": draw(settings.rows, WIDTH),
            "context": draw(settings.context, WIDTH),
            "gates": draw(len(self.secrets), WIDTH) if self.secrets else np.ones((1, WIDTH), np.float32),
            "mix": draw(WIDTH, WIDTH),
            "output": draw(WIDTH, 1 + len(self.characters)),
            "heat": np.array([0.1], np.float32),
        }
        self.first = {name: np.zeros_like(weights) for name, weights in self.weights.items()}
        self.second = {name: np.zeros_like(weights) for name, weights in self.weights.items()}
        self.steps = 0
        self.steps_of_epoch = -(-len(examples) // settings.batch)

    def _spell(self, answer: str, follow: dict[str, set]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of an answer's characters and its end: the context rows, the targets, and which of them are a choice."""
        prefixes = [answer[:place] for place in range(len(answer) + 1)]
        contexts = [context(prefix, self.settings.context) for prefix in prefixes]
        targets = [self.characters.index(character) + 1 for character in answer] + [0]
        return np.array(contexts), np.array(targets), np.array([not prefix or len(follow[prefix]) > 1 for prefix in prefixes])

    def batch(self, chosen: Sequence[int]) -> Batch:
        settings = self.settings
        selected = [self.rows[each] for each in chosen]
        if settings.forget:
            # One row stays in any case: a group of none has no sum.
            kept = [self.random.random(len(each)) >= settings.forget for each in selected]
            selected = [each[keep] if keep.any() else each[:1] for each, keep in zip(selected, kept)]
        spelled = [self.answers[self.examples[each].answer] for each in chosen]
        contexts, targets, choices = (np.concatenate(each) for each in zip(*spelled))
        learned = choices | (self.random.random(len(choices)) < settings.certain)
        contexts = contexts[learned]
        return Batch(
            Selected.of(selected),
            self.secret[chosen],
            np.repeat(np.arange(len(chosen)), [len(each[1]) for each in spelled])[learned],
            Selected(contexts.ravel(), np.arange(len(contexts)) * CONTEXTS),
            targets[learned],
        )

    def gradients(self, batch: Batch) -> tuple[float, dict[str, np.ndarray]]:
        """The loss in nats for each character, and its gradient for each weight."""
        settings = self.settings
        w = {name: weights if name == "heat" else ternary(weights) for name, weights in self.weights.items()}
        summed = batch.table.sum_of(w["table"])
        gate = w["gates"][batch.secret]
        z = np.floor(((summed * gate)[batch.example] + 8 * batch.context.sum_of(w["context"])) / 2)
        x = clamp(z)
        v = x + np.floor(x @ w["mix"] / 8)
        h = clamp(v)
        logits = h @ w["output"]
        scaled = logits * w["heat"]
        scaled -= scaled.max(axis=1, keepdims=True)
        odds = np.exp(scaled)
        total = odds.sum(axis=1, keepdims=True)
        each = np.arange(len(batch.target))
        loss = float((np.log(total[:, 0]) - scaled[each, batch.target]).mean())
        dlogits = odds / total - np.float32(settings.smooth / logits.shape[1])
        dlogits[each, batch.target] -= np.float32(1 - settings.smooth)
        dlogits /= len(batch.secret)
        found = {"heat": np.array([(dlogits * logits).sum()], np.float32)}
        dlogits *= w["heat"]
        found["output"] = h.T @ dlogits
        dv = (dlogits @ w["output"].T) * ((v >= 0) & (v <= TOP))
        found["mix"] = x.T @ dv / 8
        dz = (dv + dv @ w["mix"].T / 8) * ((z >= 0) & (z <= TOP)) / 2
        found["context"] = batch.context.gradient(dz * 8, settings.context)
        # An example's characters stand together.
        dq = np.add.reduceat(dz, np.searchsorted(batch.example, np.arange(len(batch.secret))))
        found["table"] = batch.table.gradient(dq * gate, settings.rows)
        if self.secrets:
            found["gates"] = np.zeros_like(w["gates"])
            np.add.at(found["gates"], batch.secret, dq * summed)
        return loss, found

    def step(self, chosen: Sequence[int]) -> float:
        loss, gradients = self.gradients(self.batch(chosen))
        self.steps += 1
        total = self.settings.epochs * self.steps_of_epoch
        rate = self.settings.rate * min(1, self.steps / 50) * max(0, 1 - self.steps / (total + 1))
        for name, gradient in gradients.items():
            first, second = self.first[name], self.second[name]
            first += 0.1 * (gradient - first)
            second += 0.01 * (gradient * gradient - second)
            change = first / (1 - 0.9**self.steps) / (np.sqrt(second / (1 - 0.99**self.steps)) + 1e-8)
            if name == "heat":
                self.weights[name] -= np.float32(rate / 20) * change
                np.clip(self.weights[name], 0.01, 1, out=self.weights[name])
            else:
                self.weights[name] -= np.float32(rate) * change
                np.clip(self.weights[name], -BOUND, BOUND, out=self.weights[name])
        return loss

    def train(self, progress: bool = True) -> Model:
        with Progress("training", self.settings.epochs * self.steps_of_epoch, "steps", progress) as shown:
            for _ in range(self.settings.epochs):
                order = self.random.permutation(len(self.examples))
                for start in range(0, len(order), self.settings.batch):
                    self.step(order[start : start + self.settings.batch].tolist())
                    shown.add(1)
        return self.model()

    def model(self) -> Model:
        rounded = {name: ternary(weights).astype(np.int8) for name, weights in self.weights.items() if name != "heat"}
        return Model(self.characters, **rounded, heat=float(self.weights["heat"][0]), secrets=self.secrets, memory=self.memory)


def accuracy(model: Model, examples: Sequence[Example], at_once: int = 512) -> float:
    """The share of examples whose greedy reply is the answer in every character."""
    remembered: list = memories(examples) if model.memory else [None] * len(examples)
    right = 0
    for start in range(0, len(examples), at_once):
        part = examples[start : start + at_once]
        secrets = [model.secrets.index(example.secret) if example.secret else 0 for example in part]
        said = model.replies([example.line for example in part], secrets, remembered[start : start + at_once])
        right += sum(reply == example.answer for reply, example in zip(said, part))
    return right / len(examples)
