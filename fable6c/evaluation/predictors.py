"""What the suite asks of a model, and the three kinds of model that answer: a network, a scout, and both as an ensemble.

predictor = open_predictor("small.f6c")
bits = predictor.alone([predictor.tokenizer.encode("A cat sat.")])    # -log2 of each token's probability
stories = predictor.tell(["Once upon a time"], 250, [1])
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, Optional, Protocol

import numpy as np

from fable6c.errors import UsageError
from fable6c.evaluation.batch import document_bits, sentence_bits
from fable6c.evaluation.ensemble import Reading, divide, gate_of, lead, learn_gate, mix, read, read_tokens
from fable6c.files import file_sha256, starts_with
from fable6c.mixing.reading import NEWLINE, train
from fable6c.mixing.scout import MAGIC as SCOUT_MAGIC
from fable6c.mixing.scout import Scout
from fable6c.model.file import Model, read_model
from fable6c.model.reference import Reference
from fable6c.model.routing import open_reference
from fable6c.model.sampling import TEMPERATURE, TOP_K, Sampler, words_said
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress

CHUNK_TOKENS = 1 << 16


@dataclasses.dataclass
class Story:
    """What a model told after an opening; `ended` says whether it ended the story itself."""

    text: str
    ended: bool


class Predictor(Protocol):
    """kind: "network", "scout" or "ensemble"; sha256: of the file or files; model: the network, where there is one."""

    kind: str
    sha256: str
    tokenizer: Tokenizer
    model: Optional[Model]

    def alone(self, texts: Sequence[np.ndarray], progress: bool = False) -> list[np.ndarray]:
        """-log2 of the probability of each token of each text (T,), read alone: float64 (T,)."""

    def stream(self, tokens: np.ndarray, progress: bool = False) -> np.ndarray:
        """The same for one long text: float64 (T,)."""

    def tell(self, openings: Sequence[str], most: int, seeds: Sequence[int], progress: bool = False) -> list[Story]:
        """A story of up to `most` tokens after each opening, drawn as the commands and the page draw by default. With a scout, alone or in an ensemble,
        the penalty is off: its command has none."""


class Network:
    """A model file. Short texts are read by the trainer's kernels, long ones by the NumPy reference; stories are those of every host of the
    engine, told side by side."""

    kind = "network"

    def __init__(self, model: Model, sha256: str):
        self.model: Optional[Model] = model
        self.sha256, self.tokenizer = sha256, Tokenizer(model.merges)
        self._loaded, self._reference = model, open_reference(model)

    def alone(self, texts: Sequence[np.ndarray], progress: bool = False) -> list[np.ndarray]:
        return sentence_bits(self._loaded, texts, progress)

    def stream(self, tokens: np.ndarray, progress: bool = False) -> np.ndarray:
        with Progress("reading", len(tokens), "tokens", progress) as shown:
            return document_bits(self._reference, tokens, shown)

    def tell(self, openings: Sequence[str], most: int, seeds: Sequence[int], progress: bool = False) -> list[Story]:
        end_mark, texts = self._loaded.dimensions.end_mark, self.tokenizer.token_bytes
        history = [[end_mark, *self.tokenizer.encode(opening).tolist()] for opening in openings]
        begun = [len(tokens) for tokens in history]
        samplers = [Sampler.by_default(seed) for seed in seeds]
        open_rows, step = list(range(len(openings))), 0
        state: Any = None
        with Progress("telling", len(openings), "stories", progress) as shown:
            while open_rows:
                # All streams are equally long: one that is still in its opening reads on, the others make a token.
                fed = np.array([[tokens[step]] for tokens in history])
                logits, state = self._reference.forward(fed, state)
                step += 1
                for row in list(open_rows):
                    tokens = history[row]
                    if step == len(tokens):
                        token = samplers[row].choose(logits[row, -1], words_said(tokens, texts))
                        tokens.append(token)
                        if token == end_mark or len(tokens) - begun[row] == most:
                            open_rows.remove(row)
                            shown.add(1)
                for tokens in history:  # a finished story is fed on, so that the batch keeps its shape; nobody looks
                    if step == len(tokens):
                        tokens.append(end_mark)
        return [_story(self.tokenizer, tokens[start : start + most], end_mark) for tokens, start in zip(history, begun)]


class FrozenScout:
    """A scout that does not learn from what it is asked. Each text stands after a newline, and what was asked before is forgotten."""

    kind = "scout"
    model: Optional[Model] = None

    def __init__(self, scout: Scout, sha256: str):
        self.sha256, self.tokenizer, self._scout = sha256, scout.tokenizer, scout
        scout.probabilities_of([NEWLINE], learn=False)
        self._start = scout.text_memory()

    def alone(self, texts: Sequence[np.ndarray], progress: bool = False) -> list[np.ndarray]:
        out = []
        with Progress("scoring", len(texts), "texts", progress) as shown:
            for tokens in texts:
                self._scout.restore_text_memory(self._start)
                out.append(self._scout.probabilities_of(tokens, learn=False)[0])
                shown.add(1)
        return out

    def stream(self, tokens: np.ndarray, progress: bool = False) -> np.ndarray:
        self._scout.restore_text_memory(self._start)
        parts = [np.zeros(0)]
        with Progress("reading", len(tokens), "tokens", progress) as shown:
            for start in range(0, len(tokens), CHUNK_TOKENS):
                parts.append(self._scout.probabilities_of(tokens[start : start + CHUNK_TOKENS], learn=False)[0])
                shown.add(len(parts[-1]))
        return np.concatenate(parts)

    def tell(self, openings: Sequence[str], most: int, seeds: Sequence[int], progress: bool = False) -> list[Story]:
        stories = []
        with Progress("telling", len(openings), "stories", progress) as shown:
            for opening, seed in zip(openings, seeds):
                self._scout.restore_text_memory(self._start)
                history, sampler = self.tokenizer.encode(opening).tolist(), Sampler(TEMPERATURE, TOP_K, seed=seed)
                start = len(history)
                self._scout.probabilities_of(history, learn=False)
                for _ in range(most):
                    history.append(sampler.choose(_logarithms(self._scout.distribution())))
                    self._scout.update(history[-1], learn=False)
                stories.append(_story(self.tokenizer, history[start:], None))
                shown.add(1)
        return stories


class Ensemble:
    """A network and a scout as an ensemble (evaluation/ensemble.py): the gate learned from what was held out of the network's corpus."""

    kind = "ensemble"

    def __init__(self, model: Model, sha256: str, scout: Scout, gate: np.ndarray):
        self.model: Optional[Model] = model
        self.sha256, self.tokenizer = sha256, scout.tokenizer
        self._end_mark, self._reference, self._scout, self._gate = model.dimensions.end_mark, Reference(model), scout, gate
        scout.probabilities_of([NEWLINE], learn=False)
        self._start = scout.text_memory()

    def _read(self, tokens: np.ndarray, progress: bool) -> Reading:
        self._scout.restore_text_memory(self._start)
        return read_tokens(self._reference, self._scout, tokens, False, progress)

    def alone(self, texts: Sequence[np.ndarray], progress: bool = False) -> list[np.ndarray]:
        out = []
        with Progress("scoring", len(texts), "texts", progress) as shown:
            for tokens in texts:
                out.append(mix(self._read(tokens, False), self._gate))
                shown.add(1)
        return out

    def stream(self, tokens: np.ndarray, progress: bool = False) -> np.ndarray:
        return mix(self._read(tokens, progress), self._gate)

    def tell(self, openings: Sequence[str], most: int, seeds: Sequence[int], progress: bool = False) -> list[Story]:
        with Progress("telling", len(openings), "stories", progress) as shown:
            stories = []
            for opening, seed in zip(openings, seeds):
                stories.append(self._tell(opening, most, Sampler(TEMPERATURE, TOP_K, seed=seed)))
                shown.add(1)
            return stories

    def _tell(self, opening: str, most: int, sampler: Sampler) -> Story:
        tokens = self.tokenizer.encode(opening)
        bits = self._read(tokens, False).bits
        logits, state = self._reference.forward(np.array([[self._end_mark, *tokens.tolist()]]))
        history, start = tokens.tolist(), len(tokens)
        for _ in range(most):
            own = logits[0, -1].astype(np.float64)
            chances = np.exp(own - own.max())
            chances /= chances.sum()
            if sampler.random.uniform() < chances[self._end_mark]:  # the scout knows no end mark: the network alone ends the story
                return _story(self.tokenizer, [*history[start:], self._end_mark], self._end_mark)
            body = chances[: self._end_mark] / (1 - chances[self._end_mark])
            g = self._belief(body, bits)
            chosen = sampler.choose(_logarithms((1 - g) * body + g * self._scout.distribution()))
            cost = float(self._scout.update(chosen, learn=False))
            bits = np.concatenate([bits, [[-np.log2(max(body[chosen], 1e-300)), cost]]])
            history.append(chosen)
            logits, state = self._reference.forward(np.array([[chosen]]), state)
        return _story(self.tokenizer, history[start:], None)

    def _belief(self, body: np.ndarray, bits: np.ndarray) -> float:
        """How far the gate believes the scout about the next token, of which the network thinks `body`."""
        memory = self._scout.text_memory()
        _, confidence = self._scout.probabilities_of([NEWLINE], learn=False)  # what it remembers does not depend on the token that is asked
        self._scout.restore_text_memory(memory)
        known = body[body > 0]
        signs = np.ones((1, len(self._gate)))
        signs[0, 1], signs[0, 2] = -(known * np.log2(known)).sum(), -np.log2(body.max())
        signs[0, 3:6] = np.log2(1 + confidence[0, 1:])
        signs[0, 6] = lead(np.concatenate([bits[-400:], np.zeros((1, 2))]))[-1]
        reading = Reading(np.zeros(1, np.uint16), np.zeros((1, 2)), signs, confidence[:, 0])
        return float(gate_of(reading, self._gate)[0])


def open_predictor(path: str, ensemble: bool = False, corpus: Sequence[str] = (), progress: bool = True) -> Predictor:
    """The predictor of a model file or a scout; with `ensemble` the network in `path` and a scout that learns from `corpus` first.

    UserError or UsageError, one line, for whatever is wrong with the files.
    """
    sha256 = file_sha256(path)
    if starts_with(path, SCOUT_MAGIC):
        if ensemble:
            raise UsageError(f"{path}: is a scout; --ensemble takes a network (.f6c) and trains its own scout from --corpus")
        return FrozenScout(Scout.load(path), sha256)
    model = read_model(path)
    if not ensemble:
        return Network(model, sha256)
    if model.router is not None:
        raise UsageError(f"{path}: has {model.experts} experts; --ensemble takes a network of one")
    if not corpus:
        raise UsageError("--ensemble needs --corpus, the text that the network was trained on")
    documents, held_out = divide(path, model, corpus)
    scout, _ = train(documents, tokenizer=Tokenizer(model.merges), progress=progress)
    gate = learn_gate(read(Reference(model), scout, held_out, False, progress))
    return Ensemble(model, sha256, scout, gate)


def _logarithms(chances: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(chances).astype(np.float32)


def _story(tokenizer: Tokenizer, tokens: Sequence[int], end_mark: Optional[int]) -> Story:
    ended = end_mark is not None and end_mark in tokens
    kept = itertools.takewhile(lambda token: token != end_mark, tokens)
    return Story(tokenizer.decode(kept).decode("utf-8", "replace"), ended)
