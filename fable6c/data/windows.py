"""Windows of tokens: what the trainer takes from a dataset, step by step."""

import dataclasses
from collections.abc import Sized
from typing import Optional, Protocol

import numpy as np

from fable6c.errors import UserError
from fable6c.model.asking import find_headers
from fable6c.model.tokenizer import Tokenizer

MIN_WINDOWS = 4
SETTLING = 8  # tokens of a story, cut off from what came before, that are not learned: else the model would begin stories in the middle


class Dataset(Protocol):
    """What the trainer reads. A window is found from its key alone, so that a run goes on at any place of any epoch.

    train         its length is the number of tokens to train on
    valid         tokens of the held-out documents, uint16
    valid_chars   characters of these
    tokenizer     of both
    description   "corpus", "source", "sha256", "characters": what the text is; a checkpoint belongs to it
    """

    tokenizer: Tokenizer
    valid_chars: int
    description: dict[str, object]

    @property
    def train(self) -> Sized: ...

    @property
    def valid(self) -> np.ndarray: ...

    def starts(self, context: int, seed: int, epoch: int) -> np.ndarray:
        """A key for each window of an epoch, int64, in the order of this epoch."""
        ...

    def batch(self, starts: np.ndarray, context: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets, int32 (B, T) each, of the windows with these keys: targets are the inputs' next tokens."""
        ...

    def shard(self, worker: int, workers: int) -> "Shard":
        """The share of one worker of several: together they have each window of an epoch once, whatever their number."""
        ...


@dataclasses.dataclass
class Shard:
    """One worker's share of a dataset: every `workers`-th window of the endless row of epochs, from number `worker` on. ValueError for a
    worker that is not there."""

    dataset: Dataset
    worker: int
    workers: int

    def __post_init__(self) -> None:
        if not 0 <= self.worker < self.workers:
            raise ValueError(f"worker {self.worker}: expected 0 to {self.workers - 1}")
        self.tokenizer, self.valid_chars, self.description = self.dataset.tokenizer, self.dataset.valid_chars, self.dataset.description

    @property
    def train(self) -> Sized:
        return self.dataset.train

    @property
    def valid(self) -> np.ndarray:
        return self.dataset.valid

    def starts(self, context: int, seed: int, epoch: int) -> np.ndarray:
        starts = self.dataset.starts(context, seed, epoch)
        return starts[self._first(epoch, len(starts)) :: self.workers]

    def place(self, window: int, windows: int) -> tuple[int, int]:
        """Where this share goes on once `window` windows of the row are spent, an epoch having `windows`: (epoch, number in its `starts`).

        From a window on the shares have each later one once, whatever was shared out before, and among how many workers."""
        window += (self.worker - window) % self.workers
        epoch = window // windows
        return epoch, (window % windows - self._first(epoch, windows)) // self.workers

    def _first(self, epoch: int, windows: int) -> int:
        """The number of this share's first window in an epoch."""
        return (self.worker - epoch * windows) % self.workers

    def batch(self, starts: np.ndarray, context: int) -> tuple[np.ndarray, np.ndarray]:
        return self.dataset.batch(starts, context)

    def shard(self, worker: int, workers: int) -> "Shard":
        return Shard(self, worker, workers)


def window_starts(tokens: np.ndarray, context: int, seed: int, epoch: int) -> np.ndarray:
    """Where each window of context + 1 tokens begins, in the order of this epoch, int64 (windows,).

    The windows of an epoch lie end to end (each shares one token, its last target, with the next one's first input) and each comes
    once. Where the first begins, and their order, are drawn anew for each epoch; their number is the same in all epochs. The
    draw depends on (seed, epoch) only and uses raw PCG64 output, which NumPy promises never to change (NEP 19), so a
    training run can be resumed at any (epoch, index) on any machine. Raises UserError if there are too few tokens.
    """
    windows = (len(tokens) - context) // context
    if windows < MIN_WINDOWS:
        raise UserError(
            f"the text has {len(tokens)} tokens to train on, at least {(MIN_WINDOWS + 1) * context} are needed for windows of "
            f"{context}; give more text or a smaller context"
        )
    generator = np.random.PCG64(np.random.SeedSequence([seed, epoch]))
    phase = int(generator.random_raw()) % context
    order = np.argsort(generator.random_raw(windows), kind="stable")
    return phase + order * context


class Headers:
    """Where the headers of a text's documents lie (model/asking.py), so that a window that begins within a story gets its header in front.

    tokens   of all documents, each followed by the end mark
    """

    def __init__(self, tokens: np.ndarray, end_mark: int):
        places = find_headers(tokens, (end_mark,))
        ends = np.flatnonzero(tokens == end_mark)
        self.first, self.last = places[:, 0], places[:, 1]  # of a header, both marks included
        self.end = np.append(ends, len(tokens))[np.searchsorted(ends, self.first)]  # of its document: the end mark's place

    def places(self, start: int, context: int) -> tuple[np.ndarray, slice]:
        """The places (context + 1,) of the tokens of the window that begins at `start`, of the header before it and from there on; and which
        of its targets nothing in the window leads up to, the first ones after such a header. A header of more than half a window is
        not put in front."""
        nothing = slice(0)
        plain = np.arange(start, start + context + 1)
        number = int(np.searchsorted(self.first, start, "right")) - 1
        if number < 0 or start >= self.end[number]:
            return plain, nothing
        first, last = max(0, int(self.first[number]) - 1), int(self.last[number])  # with the end mark before it, as a story is told
        if start <= last:
            return plain - (start - first), nothing
        if last - first >= context // 2:
            return plain, nothing
        header = np.arange(first, last + 1)
        return np.concatenate([header, plain[: context + 1 - len(header)]]), slice(len(header) - 1, len(header) - 1 + SETTLING)


def batch(tokens: np.ndarray, starts: np.ndarray, context: int, headers: Optional[Headers] = None) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, int32 (B, T) each, of the windows that begin at starts (B,), with their headers: targets are the inputs' next
    tokens, or -1 where there is nothing to learn."""
    if headers is None:
        windows = tokens[np.asarray(starts)[:, None] + np.arange(context + 1)].astype(np.int32)
        return np.ascontiguousarray(windows[:, :-1]), np.ascontiguousarray(windows[:, 1:])
    placed = [headers.places(start, context) for start in np.asarray(starts).tolist()]
    windows = tokens[np.stack([places for places, _ in placed])].astype(np.int32)
    targets = windows[:, 1:].copy()
    for row, (_, left_out) in zip(targets, placed):
        row[left_out] = -1
    return np.ascontiguousarray(windows[:, :-1]), targets
