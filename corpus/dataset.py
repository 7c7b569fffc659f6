"""Batches for the trainer out of the database.

    dataset = open_dataset("corpus.db", vocab=4096, seed=1, mix={"tinystories": 0.7, "children": 0.3})
    keys = dataset.starts(context=256, seed=1, epoch=0)     # one for each window, in the order of this epoch
    inputs, targets = dataset.batch(keys[:16], context=256)  # int32 (16, 256) each

A source is an endless stream of tokens: in each epoch all its chunks, each once, in an order drawn from (seed, source, epoch). The
stream is cut into windows of `context` tokens that lie end to end (each has the next one's first token as its last target), so
nothing is dropped between two epochs, and the windows of an epoch are shuffled among themselves, so that a batch is not one
book. Every window has a number and is found from the number alone: a run goes on at any of them, and any number of workers can share
them out, with the same bits.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from typing import Optional

import numpy as np

from fable6c.corpus.clean import QUALITY
from fable6c.corpus.database import MAX_CHUNK_BYTES, TOKEN, VOCAB_SHIFT, Database
from fable6c.data.prepare import MAX_HELD_OUT
from fable6c.data.windows import MIN_WINDOWS, Shard
from fable6c.errors import UsageError, UserError
from fable6c.model.tokenizer import Tokenizer

CURRICULUM_STEPS = 10  # parts of the first epoch, from the lowest values of the column to the highest; shuffled within
GOLDEN = 0x9E3779B97F4A7C15  # of 2^64: multiples of it fill the circle as evenly as can be (Knuth, TAOCP 3, 6.4)
SLOTS = 1 << 20  # to look at at a time
STREAM_SHIFT = 48  # a key is the stream's number above the window's


class Stream:
    """The endless stream of one source's tokens.

    chunks, counts   of the chunks: ids and numbers of tokens, int64
    values           the curriculum's column for each chunk, or None
    """

    def __init__(self, name: str, chunks: np.ndarray, counts: np.ndarray, values: Optional[np.ndarray], seed: int):
        self.name, self.chunks, self.counts, self.values = name, chunks, counts, values
        self.seed = [seed, zlib.crc32(name.encode("utf-8"))]
        self.tokens = int(counts.sum())
        self._orders: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._shuffles: dict[tuple[int, int], np.ndarray] = {}

    def order(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """(chunk ids in this epoch's order, where each ends in the epoch)."""
        if epoch not in self._orders:
            drawn = _draw([*self.seed, epoch, 0], len(self.chunks))
            if self.values is not None and epoch == 0:
                rank = np.empty(len(drawn), dtype=np.int64)
                rank[np.argsort(self.values, kind="stable")] = np.arange(len(drawn))
                order = np.lexsort((drawn, rank * CURRICULUM_STEPS // max(1, len(rank))))
            else:
                order = np.argsort(drawn, kind="stable")
            _keep_two(self._orders)
            self._orders[epoch] = self.chunks[order], np.cumsum(self.counts[order])
        return self._orders[epoch]

    def first_window(self, epoch: int, context: int) -> int:
        """The number of the first window that begins in this epoch."""
        return -(-epoch * self.tokens // context)

    def shuffled(self, numbers: np.ndarray, context: int) -> np.ndarray:
        """The windows that come at these places of the shuffled order."""
        windows = np.empty_like(numbers)
        epochs = numbers * context // self.tokens
        for epoch in np.unique(epochs).tolist():
            first, end = self.first_window(epoch, context), self.first_window(epoch + 1, context)
            if (epoch, context) not in self._shuffles:
                drawn = _draw([*self.seed, epoch, 1], end - first)
                if self.values is not None and epoch == 0:
                    order = np.lexsort((drawn, np.arange(len(drawn)) * CURRICULUM_STEPS // len(drawn)))
                else:
                    order = np.argsort(drawn, kind="stable")
                _keep_two(self._shuffles)
                self._shuffles[epoch, context] = order
            here = epochs == epoch
            windows[here] = first + self._shuffles[epoch, context][numbers[here] - first]
        return windows

    def pieces(self, window: int, context: int) -> Iterator[tuple[int, int, int]]:
        """(chunk, first token, tokens) of the parts that make a window of context + 1 tokens."""
        wanted = context + 1
        epoch, offset = divmod(window * context, self.tokens)
        while wanted:
            chunks, ends = self.order(epoch)
            place = int(np.searchsorted(ends, offset, "right"))
            while wanted and place < len(chunks):
                start = offset - (int(ends[place - 1]) if place else 0)
                count = min(wanted, int(ends[place]) - offset)
                yield int(chunks[place]), start, count
                wanted, offset, place = wanted - count, offset + count, place + 1
            epoch, offset = epoch + 1, 0


def _draw(seed: list[int], count: int) -> np.ndarray:
    """Raw PCG64 output, which NumPy promises never to change (NEP 19)."""
    return np.random.PCG64(np.random.SeedSequence(seed)).random_raw(count)


def _keep_two(cache: dict) -> None:
    """At the seam of two epochs both are needed, older ones are not."""
    if len(cache) >= 2:
        del cache[next(iter(cache))]


class DatabaseDataset:
    """The Dataset (fable6c/data/windows.py) of a database.

    train          its length is the number of tokens to train on
    valid          tokens of held-out documents, uint16, at most about 400,000 characters
    valid_chars    characters of these
    tokenizer      of the database's tokens
    description    for the trainer's first lines and for resume: a checkpoint belongs to this text, mix and curriculum
    """

    def __init__(
        self, database: Database, vocab: int, seed: int, streams: Sequence[Stream], weights: Sequence[float], description: dict[str, object]
    ):
        self.database, self.vocab, self.seed, self.streams = database, vocab, seed, list(streams)
        self.edges = np.cumsum(np.array(weights) / sum(weights))[:-1]
        tokenizer = database.tokenizer(vocab)
        assert tokenizer is not None, "open_dataset has looked"
        self.tokenizer: Tokenizer = tokenizer
        self.valid, self.valid_chars = _held_out(database, vocab)
        self.train = range(sum(stream.tokens for stream in self.streams))
        self.description = description
        self._before: dict[int, np.ndarray] = {0: np.zeros(len(self.streams), dtype=np.int64)}

    def windows(self, context: int) -> int:
        """How many windows the trainer takes for an epoch: as many as all sources together have tokens for."""
        return len(self.train) // context

    def starts(self, context: int, seed: int, epoch: int) -> np.ndarray:
        """A key for each window of an epoch, in their order, int64. With a mix, an epoch is as many windows as the whole text has."""
        if seed != self.seed:
            raise ValueError(f"seed: expected {self.seed}, with which the dataset was opened, got {seed}")
        for stream in self.streams:
            if stream.tokens < (MIN_WINDOWS + 1) * context:
                raise UserError(
                    f"{self.database.path}: the source {stream.name} has {stream.tokens} tokens to train on, at least {(MIN_WINDOWS + 1) * context} "
                    f"are needed for windows of {context}; give more text or a smaller context"
                )
        windows = self.windows(context)
        before = self._slots_before(epoch * windows)
        sources = self._sources(epoch * windows, windows)
        keys = np.empty(windows, dtype=np.int64)
        for number, stream in enumerate(self.streams):
            here = sources == number
            numbers = before[number] + np.arange(np.count_nonzero(here))
            keys[here] = stream.shuffled(numbers, context) | number << STREAM_SHIFT
        return keys

    def batch(self, keys: np.ndarray, context: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets, int32 (B, T) each, of the windows with these keys."""
        out = np.empty((len(keys), context + 1), dtype=np.int32)
        for row, key in enumerate(np.asarray(keys).tolist()):
            stream, at = self.streams[key >> STREAM_SHIFT], 0
            for chunk, start, count in stream.pieces(key & (1 << STREAM_SHIFT) - 1, context):
                tokens = self._tokens(chunk)[start : start + count]
                if len(tokens) != count:
                    raise self.database.foreign(f"chunk {chunk} with too few tokens")
                out[row, at : at + count] = tokens
                at += count
        return np.ascontiguousarray(out[:, :-1]), np.ascontiguousarray(out[:, 1:])

    def shard(self, worker: int, workers: int) -> Shard:
        return Shard(self, worker, workers)

    def _tokens(self, chunk: int) -> np.ndarray:
        try:
            ids = self.database.value("SELECT ids FROM tokens WHERE id = ?", (self.vocab << VOCAB_SHIFT | chunk,))
        except sqlite3.Error as error:
            raise UserError(f"{self.database.path}: cannot be read ({error}); `python -m fable6c.corpus db verify` says where") from None
        if ids is None:
            raise UserError(
                f"{self.database.path}: the tokens of chunk {chunk} are gone; `python -m fable6c.corpus db verify` says what else"
            )
        return _read_tokens(self.database, self.vocab, ids)

    def _sources(self, first: int, count: int) -> np.ndarray:
        """Which stream fills each of the slots first … first + count - 1: evenly spread, in proportion to the weights."""
        slots = np.arange(first, first + count, dtype=np.uint64) * np.uint64(GOLDEN)
        return np.searchsorted(self.edges, slots / 2.0**64, "right")

    def _slots_before(self, slot: int) -> np.ndarray:
        """How many of the slots before this one each stream has filled."""
        known = max(place for place in self._before if place <= slot)
        counts = self._before[known].copy()
        for first in range(known, slot, SLOTS):
            counts += np.bincount(self._sources(first, min(SLOTS, slot - first)), minlength=len(counts))
        self._before[slot] = counts
        return counts


def open_dataset(path: str, vocab: int, seed: int, mix: Optional[dict[str, float]] = None, curriculum: str = "") -> DatabaseDataset:
    """Open a database for training. mix: weights by source (others are left out); curriculum: a quality column, `-` before it for
    falling values. UserError or UsageError for a mistake in either, or for a database without tokens of this vocabulary."""
    database = Database(path)
    try:
        complete = database.value("SELECT complete FROM tokenizer WHERE vocab = ?", (vocab,)) == 1
        # Chunks are numbered as they come and tokenized in that order; documents may have been added since.
        last = database.value("SELECT MAX(id) FROM chunk")
        if not complete or (
            last is not None and database.value("SELECT 1 FROM tokens WHERE id = ?", (vocab << VOCAB_SHIFT | last,)) is None
        ):
            raise UserError(
                f"{path}: has no tokens (or not all) of a vocabulary of {vocab}; run: python -m fable6c.corpus db tokenize {path} --vocab {vocab}"
            )
        column = curriculum.lstrip("-")
        if curriculum and column not in QUALITY:
            raise UsageError(
                f"--curriculum {curriculum}: there is no such quality column; use one of {', '.join(QUALITY)}, with - before it for falling values"
            )
        names = dict(database.rows((int, str), "SELECT id, name FROM source"))
        rows = np.fromiter(
            database.rows(
                (int, int, int, int, (int, float)),
                f"SELECT chunk.id, tokens.count, document.source, tokens.checksum, {'document.' + column if column else '0'} FROM tokens "
                "JOIN chunk ON chunk.id = tokens.chunk JOIN document ON document.id = chunk.document "
                "WHERE tokens.vocab = ? AND split = 'train' ORDER BY tokens.id", (vocab,),
            ), dtype=[("chunk", "<i8"), ("count", "<i8"), ("source", "<i8"), ("checksum", "<i8"), ("value", "<f8")],
        )  # fmt: skip
        if not len(rows):
            raise UserError(f"{path}: has no document to train on; add a cleaned folder with `python -m fable6c.corpus db build`")
        if rows["count"].min() < 0 or rows["count"].max() > MAX_CHUNK_BYTES or not np.isin(rows["source"], list(names)).all():
            raise database.foreign("a chunk's count or a document's source")
        digest = zlib.crc32(rows.tobytes(), zlib.crc32(repr((vocab, sorted((mix or {}).items()), curriculum)).encode()))
        values = (-rows["value"] if curriculum.startswith("-") else rows["value"]) if curriculum else None
        if mix:
            present = {names[number] for number in np.unique(rows["source"]).tolist()}
            for name in mix:
                if name not in present:
                    raise UsageError(f"--mix {name}: {path} has no such source; it has {', '.join(sorted(present))}")
        streams = []
        for name in sorted(mix) if mix else [""]:
            here = np.isin(rows["source"], [number for number, known in names.items() if known == name]) if mix else slice(None)
            streams.append(Stream(name, rows["chunk"][here], rows["count"][here], None if values is None else values[here], seed))
        weights = [mix[stream.name] if mix else 1.0 for stream in streams]
        characters, documents = next(database.rows((int, int), "SELECT SUM(characters), COUNT(*) FROM document"))
        weights_said = ", ".join(f"{name}={weight:g}" for name, weight in sorted((mix or {}).items()))
        chosen = "".join(f", {name} {value}" for name, value in (("mix", weights_said), ("curriculum", curriculum)) if value)
        description = {
            "sha256": f"database {digest:08x}", "corpus": os.fsencode(os.path.basename(path)).decode("utf-8", "replace") + chosen, "source": os.path.abspath(path) + chosen,
            "characters": characters, "documents": documents, "vocab_size": vocab,
        }  # fmt: skip
        return DatabaseDataset(database, vocab, seed, streams, weights, description)
    except sqlite3.Error as error:
        raise UserError(f"{path}: cannot be read ({error}); `python -m fable6c.corpus db verify` says where") from None


def _read_tokens(database: Database, vocab: int, ids: object) -> np.ndarray:
    """A row's tokens, uint16. UserError where they are none: the kernels use them as indices without another check."""
    if not isinstance(ids, bytes) or len(ids) % TOKEN.itemsize or np.frombuffer(ids, TOKEN).max(initial=0) >= vocab:
        raise UserError(f"{database.path}: tokens are damaged; `python -m fable6c.corpus db verify` says which, build it anew")
    return np.frombuffer(ids, TOKEN)


def _held_out(database: Database, vocab: int) -> tuple[np.ndarray, int]:
    """Tokens and characters of held-out documents: in the order of their names, which is as good as drawn by lot."""
    parts, characters = [], 0
    for ids, size in database.rows(
        (bytes, int),
        "SELECT ids, chunk.characters FROM document JOIN chunk ON chunk.document = document.id JOIN tokens ON tokens.id = (? | chunk.id) "
        "WHERE split = 'valid' ORDER BY document.name, document.id, chunk.number", (vocab << VOCAB_SHIFT,),
    ):  # fmt: skip
        parts.append(_read_tokens(database, vocab, ids))
        characters += size
        if characters >= MAX_HELD_OUT:
            break
    if not parts:
        raise UserError(f"{database.path}: no document is held out; build it anew with a larger --valid")
    return np.concatenate(parts).astype(np.uint16), characters


def parse_mix(text: str) -> dict[str, float]:
    """`tinystories=0.7,children=0.3` as a dictionary. UsageError where it is not that."""
    mix: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, equals, weight = part.rpartition("=")
        try:
            value = float(weight)
        except ValueError:
            value = -1.0
        if not equals or not name or not 0 < value < 1e9 or name in mix:
            raise UsageError(
                f"--mix {text}: `{part}` is not SOURCE=WEIGHT with a weight above 0, each source once, as in tinystories=0.7,children=0.3"
            )
        mix[name] = value
    if text and not mix:
        raise UsageError(f"--mix {text}: names no source; give SOURCE=WEIGHT, as in tinystories=0.7,children=0.3")
    return mix
