"""The router of a model of several experts: learned as a multinomial logistic regression on hashed tokens and pairs of tokens."""

from collections.abc import Sequence

import numpy as np

from fable6c.model.limits import ROUTER_FADING, ROUTER_MARGIN, ROUTER_ROWS
from fable6c.model.routing import rows_of
from fable6c.progress import Progress

LENGTHS = (8, 16, 32, 64, 128)  # tokens after which the router should know: it learns from each
STEPS, RATE = 150, 0.05  # of Adam, over all texts at once
RIDGE = 1e-4  # of the squares of the weights
LARGEST = 127  # of the table's numbers; ROUTER_MARGIN of them are a factor e in the odds


def learn_router(texts: Sequence[Sequence[np.ndarray]], end_mark: int) -> np.ndarray:
    """The table that tells the experts' texts apart: int8 (ROUTER_ROWS, experts).

    texts: for each expert the beginnings of documents of its kind, tokens without the end mark. Each kind counts the same, however many
    documents it has.
    """
    features, kinds = [], []
    for kind, documents in enumerate(texts):
        for document in documents:
            features.append(faded_counts(np.concatenate([[end_mark], document[: max(LENGTHS)]])))
            kinds += [kind] * len(features[-1])
    x, y = np.concatenate(features), np.array(kinds)
    targets = np.eye(len(texts), dtype=np.float32)[y]
    shares = (1 / np.bincount(y, minlength=len(texts)))[y, None].astype(np.float32) / len(texts)
    weight = np.zeros((ROUTER_ROWS, len(texts)), np.float32)
    first, second = np.zeros_like(weight), np.zeros_like(weight)
    with Progress("learning the router", STEPS, "steps") as shown:
        for step in range(1, STEPS + 1):
            odds = x @ weight
            odds -= odds.max(axis=1, keepdims=True)
            chances = np.exp(odds)
            chances /= chances.sum(axis=1, keepdims=True)
            gradient = x.T @ ((chances - targets) * shares) + RIDGE * weight
            first += 0.1 * (gradient - first)
            second += 0.01 * (gradient * gradient - second)
            weight -= RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
            shown.add(1)
    weight -= weight.mean(axis=1, keepdims=True)  # what all have in common decides nothing
    return np.clip(np.rint(ROUTER_MARGIN * weight), -LARGEST, LARGEST).astype(np.int8)


def faded_counts(tokens: np.ndarray) -> np.ndarray:
    """How much of each row of the table is in the scores after LENGTHS of the tokens (T,), as far as there are so many: f32 (n, ROUTER_ROWS)."""
    rows, keep = rows_of(tokens), 1 - 2.0**-ROUTER_FADING
    lengths = [length for length in LENGTHS if length <= len(tokens)] or [len(tokens)]
    counts = np.zeros((len(lengths), ROUTER_ROWS), np.float32)
    for place, length in enumerate(lengths):
        age = np.arange(length - 1, -1, -1)
        np.add.at(counts[place], rows[:length], (keep**age)[:, None].astype(np.float32))
    return counts
