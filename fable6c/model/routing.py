"""A model of several experts: which of them reads a token (docs/numerics.md, "Routing"), and the reference that runs them.

reference = open_reference(read_model("routed.f6c"))
logits, state = reference.forward(np.array([[511, 7, 300]]))
state.streams[0].expert                                           # the one that read the last token
"""

import dataclasses
from typing import Optional, Union

import numpy as np

from fable6c.model.file import Model
from fable6c.model.limits import ROUTER_FADING, ROUTER_MARGIN, ROUTER_PAIRS, ROUTER_SPREAD
from fable6c.model.reference import Reference, State


def rows_of(tokens: np.ndarray, vocab: int, previous: int = 0) -> np.ndarray:
    """The two rows of the router's table for each token: its own, and that of it and the token before. tokens (T,): int (T, 2)."""
    ids = np.asarray(tokens).astype(np.uint32)
    before = np.concatenate([[previous], ids[:-1]]).astype(np.uint32)
    hashed = before * np.uint32(0x85EBCA6B) + ids * np.uint32(0x9E3779B1)
    hashed = (hashed ^ hashed >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    pairs = (hashed ^ hashed >> np.uint32(16)) & np.uint32(ROUTER_PAIRS - 1)
    return np.stack([ids, vocab + pairs], axis=1).astype(np.intp)


@dataclasses.dataclass
class Route:
    """A stream's way through the experts: scores int64 (experts,), the last token, and the expert that read it."""

    scores: np.ndarray
    previous: int = 0
    expert: int = 0

    @classmethod
    def fresh(cls, experts: int) -> "Route":
        return cls(np.zeros(experts, np.int64))

    def follow(self, router: np.ndarray, tokens: np.ndarray) -> tuple["Route", np.ndarray]:
        """The route after the tokens (T,), and the expert that reads each: int (T,). This one stays as it is."""
        scores, expert, chosen = self.scores, self.expert, np.empty(len(tokens), np.intp)
        rows = rows_of(tokens, len(router) - ROUTER_PAIRS, self.previous)
        for place, gains in enumerate(router[rows].sum(axis=1, dtype=np.int64)):
            scores = scores + gains - (scores >> ROUTER_FADING)
            scores = np.maximum(scores, scores.max() - ROUTER_SPREAD)
            best = int(scores.argmax())
            if scores[best] - scores[expert] > ROUTER_MARGIN:
                expert = best
            chosen[place] = expert
        return Route(scores, int(tokens[-1]) if len(tokens) else self.previous, expert), chosen


@dataclasses.dataclass
class Stream:
    """One stream's route, and what the model remembers of it: whichever expert reads, it is one memory."""

    route: Route
    state: Optional[State] = None

    @property
    def expert(self) -> int:
        return self.route.expert


@dataclasses.dataclass
class Streams:
    """The state of a RoutedReference: a stream for each row of the batch."""

    streams: list[Stream]


class RoutedReference:
    """A model of several experts, ready to run: a Reference for each, and the router between them."""

    def __init__(self, model: Model):
        assert model.router is not None  # open_reference has seen to it
        self.model, self.router = model, model.router
        self.experts = [Reference(model.expert(number)) for number in range(model.experts)]

    def forward(self, tokens: np.ndarray, state: Optional[Streams] = None) -> tuple[np.ndarray, Streams]:
        """As Reference.forward: logits (B, T, V) of the tokens (B, T), each by the expert that reads it, and the new state."""
        streams = state.streams if state else [Stream(Route.fresh(len(self.experts))) for _ in tokens]
        logits = np.empty((*tokens.shape, self.model.dimensions.vocab), np.float32)
        after = []
        for row, stream in enumerate(streams):
            route, chosen = stream.route.follow(self.router, tokens[row])
            memory = stream.state
            starts = [0, *(np.flatnonzero(np.diff(chosen)) + 1).tolist(), len(chosen)]
            for start, end in zip(starts, starts[1:]):
                logits[row, start:end], memory = self.experts[chosen[start]].forward(tokens[row : row + 1, start:end], memory)
            after.append(Stream(route, memory))
        return logits, Streams(after)


AnyReference = Union[Reference, RoutedReference]


def open_reference(model: Model) -> AnyReference:
    """The reference that runs this model, of one expert or of several."""
    return Reference(model) if model.router is None else RoutedReference(model)
