"""How well a network predicts many short texts, each alone: the trainer's kernels on windows of similar length.

The figures are those of evaluation/bits.py, which reads one document after the other in NumPy, to about six digits. The end mark
counts neither way here too.

    bits = sentence_bits(model, [tokens, …])       # a row for each sentence: -log2 of each of its tokens
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from fable6c import kernels
from fable6c.evaluation.bits import predictions
from fable6c.limits import processors
from fable6c.model.file import Model
from fable6c.model.routing import AnyReference, open_reference
from fable6c.progress import Progress
from fable6c.training.network import Network

WINDOWS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # tokens: a text is read in the shortest one that holds it
BATCH_TOKENS = 2048
MAX_EXPONENT = 700.0  # of e in double precision


def sentence_bits(model: Model, texts: Sequence[np.ndarray], progress: bool = False) -> list[np.ndarray]:
    """-log2 of the probability of each token of each text (T,) of tokens, read alone from a fresh state after the end mark: float64 (T,).

    A text that is longer than the windows, or than the model's context where it copies, is read by the reference; of a model of several
    experts all are.
    """
    context = model.dimensions.context
    windows = [size for size in WINDOWS if size <= context] or [context]
    if model.router is not None:
        windows = []
    bits = [np.zeros(0)] * len(texts)
    places = np.searchsorted(windows, [len(text) for text in texts])
    kernels.set_threads(processors())
    with Progress("scoring", len(texts), "texts", progress) as shown:
        for place, size in enumerate(windows):
            chosen = np.flatnonzero(places == place)
            if len(chosen):
                _read_windows(model, texts, chosen, size, bits, shown)
        long = np.flatnonzero(places == len(windows))
        reference = open_reference(model) if len(long) else None
        for i in long.tolist():
            assert reference is not None
            bits[i] = document_bits(reference, texts[i], Progress("", enabled=False))
            shown.add(1)
    return bits


def document_bits(reference: AnyReference, tokens: np.ndarray, progress: Progress) -> np.ndarray:
    """The same for one document of any length, in NumPy; `progress` counts its tokens."""
    parts = [np.zeros(0)]
    for logits, targets in predictions(reference, tokens, progress):
        hits = logits[np.arange(len(targets)), targets]
        parts.append((np.log(np.exp(logits, out=logits).sum(axis=1)) - hits) / np.log(2))
    return np.concatenate(parts)


def _read_windows(
    model: Model, texts: Sequence[np.ndarray], chosen: np.ndarray, size: int, bits: list[np.ndarray], shown: Progress
) -> None:
    """The texts with the numbers `chosen` in windows of `size` tokens; what follows a text in its window changes nothing in it."""
    end_mark = model.dimensions.end_mark
    batch = min(len(chosen), max(1, BATCH_TOKENS // size))
    network = Network(dataclasses.replace(model.dimensions, context=size), batch, 1.0)
    network.take(model)
    tokens, targets = np.zeros((2, batch, size), np.int32)
    for start in range(0, len(chosen), batch):
        group = chosen[start : start + batch].tolist()
        for row, i in enumerate(group):
            length = len(texts[i])
            targets[row, :length], tokens[row, :1], tokens[row, 1:length] = texts[i], end_mark, texts[i][:-1]
        cost = _costs(network, tokens, targets).reshape(batch, size)
        for row, i in enumerate(group):
            bits[i] = cost[row, : len(texts[i])].copy()
        shown.add(len(group))


def _costs(network: Network, tokens: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The bits of all targets of a batch, (N,) float64: docs/numerics.md, "Copying", without the end mark."""
    end_mark = network.dimensions.end_mark
    cost = np.empty(tokens.size)
    flat = targets.reshape(-1)
    for rows, logits in network.parts_of_logits(tokens, targets):
        top = logits[:, :end_mark].max(axis=1, keepdims=True)
        # Two of a row in double precision, where even the unlikeliest is above 0.
        hit = np.exp(np.subtract(logits[np.arange(len(logits)), flat[rows]], top[:, 0], dtype=np.float64))
        end = np.exp(np.minimum(np.subtract(logits[:, end_mark], top[:, 0], dtype=np.float64), MAX_EXPONENT))
        logits -= top
        others = np.exp(logits[:, :end_mark]).sum(axis=1).astype(np.float64)
        if network.dimensions.copies:
            odds = network.arrays["odds"][rows].astype(np.float64)
            hit, others = hit + odds[:, 0] * (others + end), others + odds[:, 1] * (others + end)
        cost[rows] = np.log2(others) - np.log2(hit)
    return cost
