"""The router of a model of several experts: learned as a multinomial logistic regression on hashed tokens and pairs of tokens."""

from collections.abc import Sequence

import numpy as np

from fable6c.model.limits import ROUTER_FADING, ROUTER_PAIRS, ROUTER_UNIT
from fable6c.model.routing import rows_of
from fable6c.progress import Progress

LENGTHS = (8, 16, 32, 64, 128)  # tokens after which the router should know; each part of a text that it learns from has one of them
BATCH, EPOCHS, RATE = 64, 6, 0.02  # parts of texts to a step, passes over the documents, and the first rate of Adam, which falls to 0
LEAST_STEPS = 400  # also of few documents
RIDGE = 1e-4  # of the squares of the weights
LARGEST = 127  # of the table's numbers


def learn_router(texts: Sequence[Sequence[np.ndarray]], vocab: int, end_mark: int, seed: int = 1) -> np.ndarray:
    """The table that tells the experts' texts apart: int8 (vocab + ROUTER_PAIRS, experts).

    texts: for each expert documents of its kind, tokens without the end mark. Each kind counts the same, however many documents it has. Half
    of the parts are a document's beginning, the others begin anywhere in it.
    """
    random = np.random.default_rng(seed)
    rows = [[rows_of(np.concatenate([[end_mark], document]), vocab) for document in documents] for documents in texts]
    weight = np.zeros((vocab + ROUTER_PAIRS, len(texts)), np.float32)
    first, second = np.zeros_like(weight), np.zeros_like(weight)
    steps = max(LEAST_STEPS, EPOCHS * sum(map(len, rows)) // BATCH)
    with Progress("learning the router", steps, "steps") as shown:
        for step in range(1, steps + 1):
            kinds = random.integers(0, len(rows), BATCH)
            parts = [_part(rows[kind][random.integers(len(rows[kind]))], random) for kind in kinds]
            gradient = _gradient(weight, parts, kinds) + RIDGE * weight
            first += 0.1 * (gradient - first)
            second += 0.01 * (gradient * gradient - second)
            size = RATE * (1 - step / steps) / (1 - 0.9**step)
            weight -= size * first / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
            shown.add(1)
    weight -= weight.mean(axis=1, keepdims=True)  # what all have in common decides nothing
    return np.clip(np.rint(ROUTER_UNIT * weight), -LARGEST, LARGEST).astype(np.int8)


def _part(rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The rows of some of a document's tokens, (n, 2) of its (T, 2)."""
    length = int(random.choice(LENGTHS))
    start = 0 if random.random() < 0.5 else int(random.integers(max(1, len(rows) - length)))
    return rows[start : start + length]


def _gradient(weight: np.ndarray, parts: Sequence[np.ndarray], kinds: np.ndarray) -> np.ndarray:
    """Of the mean cross-entropy of the parts' kinds, by the scores after each: f32, as the weight (rows, experts)."""
    count, experts = weight.shape
    lengths = [len(part) for part in parts]
    rows, owner = np.concatenate(parts).reshape(-1), np.repeat(np.arange(len(parts)), np.multiply(lengths, 2))
    ages = np.concatenate([np.arange(length - 1, -1, -1) for length in lengths])
    faded = np.repeat((1 - 2.0**-ROUTER_FADING) ** ages, 2)
    odds = np.stack([np.bincount(owner, weight[rows, expert] * faded, len(parts)) for expert in range(experts)], axis=1)
    odds -= odds.max(axis=1, keepdims=True)
    chances = np.exp(odds)
    chances /= chances.sum(axis=1, keepdims=True)
    chances[np.arange(len(parts)), kinds] -= 1
    pulls = chances[owner] * (faded / len(parts))[:, None]
    return np.stack([np.bincount(rows, pulls[:, expert], count) for expert in range(experts)], axis=1).astype(np.float32)
