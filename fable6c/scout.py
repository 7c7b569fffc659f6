"""The scout: it predicts tokens by counting and mixing, learns from one reading of the text, and needs no backpropagation.

    python -m fable6c.scout train stories.txt -o stories.scout
    python -m fable6c.scout evaluate stories.scout --text valid.txt
    python -m fable6c.scout generate stories.scout -p "Once upon a time"

docs/scout.md explains it. As a library:

    scout = Scout.load("stories.scout")
    bits, confidence = scout.probabilities_of(tokens)   # of each token, given all before it
    scout.distribution()                                # float64 (V,): of every token to be the next one
    scout.update(token)                                 # read it

The text is one stream: documents follow each other after a newline, and runs of newlines count as one. Tokens are those of a
tokenizer of docs/tokenizer.md without its end mark, so that a scout and a model file can speak about the same next token.
"""

import os

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads; see fable6c/evaluate.py

import argparse
import codecs
import itertools
import json
import mmap
import re
import struct
import sys
import time
import zlib
from typing import (
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np
import zstandard

from fable6c import headers, native
from fable6c.cli import ArgumentParser, run
from fable6c.data.bpe import train_tokenizer
from fable6c.data.text import read_documents, read_pieces, unpack, window_bytes
from fable6c.errors import UsageError, UserError
from fable6c.evaluation.bits import normalise
from fable6c.files import atomic_file
from fable6c.generate import real, whole
from fable6c.model.tokenizer import END_OF_TEXT, Tokenizer, TokenizerError
from fable6c.progress import Progress

_SIZES = headers.constants("scout")
DEPTHS, STATES, SETS, FINALS, SSE, BLOCK, PAST, STREAM_COUNT, LINKS = (
    _SIZES[name] for name in "DEPTHS STATES SETS FINALS SSE BLOCK PAST STREAMS LINKS".split()
)
MOST_TOKENS = 4096  # a table's slot has 12 bits for a token
NEWLINE = 10  # the token that is the byte; it stands between documents
VOCAB = 4096  # of a tokenizer learned here, its end mark included
SAMPLE_CHARACTERS = 4_000_000  # the text's beginning, from which tokenizer and tree are learned
CHUNK_CHARACTERS = 1 << 20  # of text to encode at a time
CHUNK_TOKENS = 1 << 16  # to score between two signs of progress
LEAST_TOKENS = 1000

# The order of the enum in _scout.c.
STREAMS = (
    "token class4 class6 class8 sentence_first sentence_place rare rare_before name content content_before word word_before quote"
).split()
STREAM_LIMITS = {
    "sentence_first": MOST_TOKENS - 1,
    "content": MOST_TOKENS - 1,
    "class4": 15,
    "class6": 63,
    "class8": 255,
    "sentence_place": 30,
    "quote": 1,
}
FORMS = ["dense", "list", "match", "window", "recent"]
SAVED = ("code length flags vectors tables maps mixers finals sse vector_weights asked averages ring streams position").split()
RATES = {
    "rate": 0.02,  # of the mixers, at the beginning …
    "rate_end": 0.001,  # … and in the long run
    "rate_tokens": 200_000,  # tokens after which the difference has halved
    "final_rate": 0.0003,
    "sse_rate": 0.01,
    "vector_rate": 0.05,
    "vector_rate_end": 0.002,
    "vector_times": 1000,
    "map_limit": 1000,
}
LEVELS = np.array([0, 1, 2, 3, 4, 5, 7, 9, 12, 16, 22, 30, 45, 70, 110, 180, 320, 640, 1300, 2600])  # counts that are told apart
RING = 1 << 22  # tokens in which a match is looked for
RESERVED = 128 << 20  # bytes for Python, the libraries and the text at hand
MERGES = [m for m in range(1, 721) if 720 % m == 0]  # how many lines pruning can merge
WIDTHS = {"dense": 4, "list": 16}  # slots of a line
UNIT = 720 * 16  # slots of a table are a multiple
MAGIC = b"\x89F6S\r\n\x1a\n"
PREFIX = struct.Struct("<8sI")
CRC = struct.Struct("<I")
MOST_HEADER = 1 << 16
MOST_MEMORY = 1 << 40
CHUNK_BYTES = 1 << 22


class Kind(NamedTuple):
    """A kind of context: a form of _scout.c, the parts of the context as (stream, tokens back), `reach` for the forms without
    parts, and its share of the memory for tables."""

    form: str
    parts: Tuple[Tuple[str, int], ...] = ()
    reach: int = 0
    share: int = 0


def kind(text: str) -> Kind:
    """A line of KINDS: "list 4 token.1 token.2", "window 300", "match 1 7"."""
    form, *words = text.split()
    if form in ("window", "recent"):
        return Kind(form, reach=int(words[0]))
    share, *words = words
    if form == "match":
        return Kind(form, reach=int(words[0]), share=int(share))
    parts = [word.split(".") for word in words]
    return Kind(form, tuple((stream, int(lag)) for stream, lag in parts), share=int(share))


# What the scout looks at, the best of it first. A tier reads on to its line. The lists of the last 3, 4, … tokens and the match
# also choose the mixers' weights.
KINDS = """
dense 1
dense 3 token.1
dense 6 token.1 token.2
list 4 token.1 token.2 token.3
list 4 token.1 token.2 token.3 token.4
list 4 token.1 token.2 token.3 token.4 token.5
list 4 token.1 token.2 token.3 token.4 token.5 token.6
match 1 7
window 300
fast
dense 3 token.2
dense 6 class6.1 class6.2 class6.3
list 4 token.2 token.3
list 4 token.1 token.3
dense 6 rare.1 token.1
dense 3 class8.1 class6.2
normal
list 4 token.2 token.3 token.4
list 4 token.1 token.2 token.4
dense 4 token.1 class6.2
list 4 token.1 class6.2 class6.3 class4.4
list 4 token.1 token.2 class6.3 class6.4
list 4 class6.1 class6.2 class6.3 class6.4
list 4 name.1 token.1 token.2
list 3 sentence_first.1 token.1
dense 3 sentence_place.1 sentence_first.1
list 4 word.1 word_before.1
list 4 content.1 content_before.1 token.1
dense 4 content.1 class6.1
window 60
dense 4 rare.1 class6.1
list 4 rare.1 rare_before.1 token.1
recent 500
dense 3 token.3
dense 4 class8.1 class8.2
list 4 token.1 token.2 token.3 class6.4
list 4 token.1 token.3 token.4
list 4 class8.1 class8.2 class8.3
list 4 class8.1 class8.2 class8.3 class8.4
dense 4 class4.1 class4.2 class4.3 class4.4
list 4 sentence_first.1 token.1 token.2
dense 3 sentence_first.1 class6.1
window 30
window 1000
dense 3 name.1 class6.1
list 4 content.1 token.1 token.2
dense 3 token.4
match 1 4
dense 3 token.1 sentence_place.1
list 4 token.1 name.1 sentence_first.1
deep
"""
VECTORS = {"fast": 16, "normal": 32, "deep": 128}  # numbers of a token's vector


def read_tiers() -> Dict[str, List[Kind]]:
    tiers, kinds = {}, []
    for line in KINDS.split("\n"):
        if line in VECTORS:
            tiers[line] = list(kinds)
        elif line:
            kinds.append(kind(line))
    return tiers


TIERS = read_tiers()


class Scout:
    """A scout in memory. Its arrays are described in _scout.c; their sizes follow from tokenizer, tier and memory."""

    def __init__(self, tokenizer: Tokenizer, tier: str, memory: int, arrays: Dict[str, np.ndarray], threads: int = 2):
        """`arrays`: code (V,) uint32, length (V,) uint8, flags (V,) uint8 and vectors (V,E) float32, from `grow_tree`."""
        self.tokenizer, self.tier, self.memory = tokenizer, tier, memory
        self.kinds = TIERS[tier]
        self.vocab_size = len(arrays["code"])
        V, K, E = self.vocab_size, len(self.kinds), arrays["vectors"].shape[1]
        nodes, F, I = V - 1, 8 * E + 8, -(-(2 * K + 2) // 8) * 8
        ladder = [k for k, it in enumerate(self.kinds) if it.form == "list" and it.parts[2:] and _is_ladder(it)]
        match = next((k for k, it in enumerate(self.kinds) if it.form == "match"), -1)
        sets = [nodes, 64, 64, 256, 64, 320, 256, 64, 64, 256]
        self.arrays = a = {name: _padded(arrays[name], MOST_TOKENS) for name in ("code", "length", "flags", "vectors")}
        a["path"] = _paths(arrays["code"], arrays["length"])
        a.update(_curves())
        a["maps"] = _aligned(DEPTHS * K * STATES, np.uint32)
        a["mixers"] = _aligned((sets[0] + DEPTHS * sum(sets[1:])) * I, np.float32)
        a["finals"] = _aligned(DEPTHS * 64 * FINALS, np.float32)
        a["sse"] = _aligned(nodes * SSE, np.float32)
        a["vector_weights"] = _aligned(nodes * F, np.float32)
        a["asked"] = _aligned(nodes, np.float32)
        a["averages"] = _aligned(4 * E, np.float32)
        a["ring"] = _aligned(RING, np.uint16)
        a["streams"] = _aligned(STREAM_COUNT * (PAST + BLOCK), np.uint32)
        a["position"] = _aligned(1 + 2 * K, np.int64)
        a["states"] = _aligned(BLOCK * DEPTHS * K, np.uint16)
        a["chance"] = _aligned(BLOCK * DEPTHS, np.float32)
        a["chosen"] = _aligned(BLOCK * SETS, np.uint32)
        a["features"] = _aligned(BLOCK * F, np.float32)
        a["hits"] = _aligned(BLOCK * K, np.uint8)
        a["counts"] = _aligned(BLOCK * K, np.uint16)
        slots = self._divide(memory - RESERVED - sum(array.nbytes for array in a.values()))
        a["tables"] = _aligned(sum(slots), np.uint32)
        self._first_opinions(K, I)

        library = native.load("scout")
        c_kinds = library.ffi.new("scout_kind[]", K)
        place = 0
        for c, it, size in zip(c_kinds, self.kinds, slots):
            c.form, c.parts, c.reach, c.slots, c.table = FORMS.index(it.form), len(it.parts), it.reach, size, place
            for i, (stream, lag) in enumerate(it.parts):
                c.stream[i], c.lag[i] = STREAMS.index(stream), lag
            place += size
        self._c = library.struct(
            "scout", V=V, K=K, I=I, E=E, F=F, nodes=nodes, threads=threads, ladder_steps=len(ladder), ladder=ladder, match_kind=match,
            set_size=sets, ring_slots=RING, kinds=c_kinds, **RATES, **a,
        )  # fmt: skip
        self._c_kinds = c_kinds

    def _divide(self, room: int) -> List[int]:
        """The slots (u32) of each kind's table in `room` bytes; UserError if they are too few for anything useful."""
        fixed = {"window": 2 * (self.vocab_size - 1), "recent": LINKS + MOST_TOKENS}
        sizes = [-(-fixed.get(it.form, 0) // 16) * 16 for it in self.kinds]
        shares = sum(it.share for it in self.kinds)
        unit = (room // 4 - sum(sizes)) // (shares * UNIT) * UNIT
        unit = min(unit, (2**32 - 1) // max(it.share for it in self.kinds) // UNIT * UNIT)  # C counts a table's slots in 32 bits
        if unit <= 0:
            least = self.memory - room + 4 * (sum(sizes) + shares * UNIT)
            raise UserError(f"{self.memory >> 20} MiB of memory are too little for the tier {self.tier}; it needs {-(-least >> 20)}")
        return [size or it.share * unit for size, it in zip(sizes, self.kinds)]

    def _first_opinions(self, K: int, I: int) -> None:
        """What is believed before anything was learned: counts mean what they say, and all opinions weigh the same."""
        zeros, ones = LEVELS[:, None], LEVELS[None, :]
        believed = ((ones + 0.4) / (zeros + ones + 0.8)).ravel()
        guessed = np.full(STATES, 0.5)
        guessed[1:] = np.where(np.arange(1, STATES) % 2 == 0, 0.8, 0.2)  # state 1 + 2 class + guess
        p = np.stack([guessed if it.form == "match" else believed for it in self.kinds])
        maps = (p * ((1 << 22) - 1)).astype(np.uint32) << 10 | 4
        self.arrays["maps"].reshape(DEPTHS, K, STATES)[:] = maps
        mixers = self.arrays["mixers"].reshape(-1, I)
        mixers[:, :K] = 0.9 / np.sqrt(K)
        mixers[:, K + 1] = 0.2
        self.arrays["finals"].reshape(-1, FINALS)[:, :SETS] = 1 / SETS
        self.arrays["sse"].reshape(-1, SSE)[:] = 1 / (1 + np.exp(-0.75 * (np.arange(SSE) - 16)))

    # ---- reading

    def probabilities_of(self, tokens: Sequence[int], learn: bool = True) -> Tuple[np.ndarray, np.ndarray]:
        """Read tokens, and say how surprising each was, given all that was read before.

        tokens      (N,) integers from 0 to V - 1
        learn       False: frozen; only the memory of the text so far moves on
        Returns bits (N,) float64, -log2 of each token's probability, and confidence (N, 4) int32, which depends only on what
        stands before the token: the longest context that was seen before (0 none, 1 three tokens, 2 four, …), how often, how
        many different tokens followed it, and the length of the repetition that is going on (0 none, 60 the most).
        ValueError for a token out of range.
        """
        tokens = np.asarray(tokens)
        if tokens.ndim != 1 or (
            len(tokens) and (tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= self.vocab_size)
        ):
            raise ValueError(f"tokens: expected one row of integers from 0 to {self.vocab_size - 1}")
        tokens = np.ascontiguousarray(tokens, np.uint16)
        probability, confidence = np.empty(len(tokens)), np.empty((len(tokens), 4), np.int32)
        native.load("scout").call("scout_read", self._c, tokens, probability, confidence, learn)
        return -np.log2(probability), confidence

    def update(self, token: int, learn: bool = True) -> float:
        """Read one token; returns its bits."""
        return float(self.probabilities_of([token], learn)[0][0])

    def distribution(self) -> np.ndarray:
        """The probability of each token to be the next one: (V,) float64, its sum is 1. Nothing changes."""
        probability = np.empty(self.vocab_size)
        native.load("scout").call("scout_distribution", self._c, probability)
        return probability

    @property
    def tokens_read(self) -> int:
        return int(self.arrays["position"][0])

    # ---- pruning

    def prune(self, size: int) -> int:
        """Shrink to about `size` bytes of content, as a frozen scout would be shipped; returns the bytes.

        Neighbouring lines of a table are merged into one, which keeps the highest counts; weights and vectors keep 8 bits with
        one scale for a row, maps 256 levels of the logit. A pruned scout can only be read with learn=False. UserError where `size` is
        too little.
        """
        rows = {"mixers": self._c.I, "vector_weights": self._c.F, "vectors": self._c.E, "finals": FINALS}
        fixed = sum(self.arrays[name].nbytes // 4 + 4 * (self.arrays[name].size // row) for name, row in rows.items())
        fixed += self.arrays["maps"].size + self.arrays["sse"].size + 7 * self.vocab_size  # the tree and the merges
        merged = next((m for m in MERGES if fixed + 4 * sum(self._slots(m)) <= size), None)
        if merged is None:
            raise UserError(
                f"--prune {size} bytes is too little: {fixed:,} are weights and maps; give more, or take a smaller tier"
            )
        for name, row in rows.items():
            weights = self.arrays[name].reshape(-1, row)
            scale = np.abs(weights).max(1, keepdims=True) / 127 + np.float32(1e-30)
            weights[:] = np.rint(weights / scale) * scale
        logit = np.rint(self.arrays["stretch"][self.arrays["maps"] >> 20] * 15)
        self.arrays["maps"][:] = (1 / (1 + np.exp(-logit / 15)) * ((1 << 22) - 1)).astype(np.uint32) << 10
        slots = self._slots(merged)
        tables = _aligned(sum(slots), np.uint32)
        place = 0
        for c, it, size_left in zip(self._c_kinds, self.kinds, slots):
            old, new = self.arrays["tables"][c.table : c.table + c.slots], tables[place : place + size_left]
            if it.form in WIDTHS:
                new[:] = _merge_lines(old, merged, WIDTHS[it.form])
            elif it.form != "match":  # a match's places are not kept: it begins anew
                new[:] = old
            c.table, c.slots = place, size_left
            place += size_left
        self.arrays["tables"] = tables
        self._c.tables = native.load("scout").pointer("tables", tables)
        return fixed + tables.nbytes

    def _slots(self, merged: int) -> List[int]:
        return [c.slots // merged if it.share else c.slots for c, it in zip(self._c_kinds, self.kinds)]

    # ---- files

    def save(self, path: str) -> None:
        """Write the scout, with all that it learned and the text before its eyes; docs/scout.md, "The file"."""
        header = {"tier": self.tier, "memory": self.memory, "merges": len(self.tokenizer.merges)}
        packer = zstandard.ZstdCompressor(level=1, write_checksum=True).compressobj()
        with atomic_file(path) as file:
            text = json.dumps(header).encode("ascii")
            head = PREFIX.pack(MAGIC, len(text)) + text
            file.write(head + CRC.pack(zlib.crc32(head)))
            file.write(packer.compress(self.tokenizer.to_bytes()))
            for name in SAVED:
                content = self.arrays[name].reshape(-1).view(np.uint8)
                for start in range(0, len(content), CHUNK_BYTES):
                    file.write(packer.compress(content[start : start + CHUNK_BYTES]))
            file.write(packer.flush())

    @classmethod
    def load(cls, path: str, threads: int = 2) -> "Scout":
        """Read what `save` wrote. UserError, naming the path, for a file that is missing, foreign or damaged."""
        try:
            with open(path, "rb") as file:
                return cls._load(path, file, threads)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); make it with `python -m fable6c.scout train`") from None
        except TokenizerError as error:
            raise UserError(f"{path}: {error}") from None

    @classmethod
    def _load(cls, path: str, file, threads: int) -> "Scout":
        damaged = UserError(f"{path}: is damaged (its content contradicts itself); copy it again or train again")
        head = file.read(PREFIX.size)
        if not head.startswith(MAGIC):
            raise UserError(
                f"{path}: starts with {head[:8]!r}, so it is not a scout; give a file made by `python -m fable6c.scout train`"
            )
        if len(head) < PREFIX.size or PREFIX.unpack(head)[1] > MOST_HEADER:
            raise damaged
        text = file.read(PREFIX.unpack(head)[1])
        if file.read(CRC.size) != CRC.pack(zlib.crc32(head + text)):
            raise UserError(f"{path}: is damaged (its checksum does not match); copy it again or train again")
        try:
            header = json.loads(text)
            tier, merges, memory = (header[key] for key in ("tier", "merges", "memory"))
        except (ValueError, RecursionError, KeyError, TypeError):
            raise damaged from None
        if type(tier) is not str or type(merges) is not int or type(memory) is not int:
            raise damaged
        if tier not in TIERS:
            raise UserError(f"{path}: is of the tier {tier!r}, which this build does not have; train again")
        if merges not in range(MOST_TOKENS - 255) or memory not in range(MOST_MEMORY):
            raise damaged
        fill, end = _filler(unpack(path, file), damaged)
        tokenizer = Tokenizer.from_bytes(fill(np.empty(4 * merges, np.uint8)).tobytes())
        V = tokenizer.vocab_size - 1
        tree = {name: fill(array)[:V] for name, array in _empty_tree(VECTORS[tier]).items()}
        if not _is_tree(tree["code"], tree["length"]):
            raise damaged
        scout = cls(tokenizer, tier, memory, tree, threads)
        for name in SAVED[len(tree) :]:
            fill(scout.arrays[name])
        end()
        if not scout._is_sound():
            raise damaged
        return scout

    def _is_sound(self) -> bool:
        """Whether nothing in a file leads C out of its arrays (a checksum protects from accidents only)."""
        a, V = self.arrays, self.vocab_size
        streams = a["streams"].reshape(STREAM_COUNT, -1)
        limits = {name: V - 1 if name == "token" else STREAM_LIMITS.get(name) for name in STREAMS}
        fits = all(limits[name] is None or streams[i].max() <= limits[name] for i, name in enumerate(STREAMS))
        floats = all(
            np.isfinite(a[name]).all() for name in ("vectors", "mixers", "finals", "sse", "vector_weights", "asked", "averages")
        )
        matches = a["position"][1:].reshape(-1, 2)
        places = 0 <= a["position"].min() and a["position"].max() < 1 << 40 and matches[:, 1].max() <= 60
        return bool(fits and floats and places and a["ring"].max() < V)


def _filler(chunks: Iterator[bytes], damaged: UserError) -> Tuple[Callable[[np.ndarray], np.ndarray], Callable[[], None]]:
    """Two functions: one fills one array after the other from the chunks, the other expects their end. Both raise `damaged`."""
    chunks, rest = filter(None, chunks), b""

    def end() -> None:
        if rest or next(chunks, None):
            raise damaged

    def fill(array: np.ndarray) -> np.ndarray:
        nonlocal rest
        content, start = array.reshape(-1).view(np.uint8), 0
        while start < len(content):
            rest = rest or next(chunks, b"")
            if not rest:
                raise damaged
            part = rest[: len(content) - start]
            content[start : start + len(part)] = np.frombuffer(part, np.uint8)
            start, rest = start + len(part), rest[len(part) :]
        return array

    return fill, end


def _merge_lines(table: np.ndarray, merged: int, width: int) -> np.ndarray:
    """Every `merged` neighbouring lines of `width` slots become one that keeps the highest counts."""
    out = []
    for lines in np.array_split(table.reshape(-1, merged * width), 64):
        counts = lines & 255 if width == WIDTHS["list"] else (lines >> 20) + (lines >> 8 & 4095)
        best = np.argsort(-counts.astype(np.int64), axis=1, kind="stable")[:, :width]
        out.append(np.take_along_axis(lines, best, 1).ravel())
    return np.concatenate(out)


def _is_ladder(it: Kind) -> bool:
    return it.parts == tuple(("token", lag + 1) for lag in range(len(it.parts)))


def _aligned(size: int, dtype: type) -> np.ndarray:
    """Zeros that begin at a page of memory; the system hands the pages out when they are first used."""
    size *= np.dtype(dtype).itemsize
    try:
        return np.frombuffer(mmap.mmap(-1, size), dtype)
    except OSError as error:
        raise UserError(f"{size >> 20} MiB of memory cannot be had ({error.strerror}); give a smaller --memory") from None


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    """The array with zero rows after it: whatever 12-bit token stands in a table, its row can be read."""
    out = _aligned(rows * int(np.prod(array.shape[1:], dtype=int)), array.dtype).reshape((rows, *array.shape[1:]))
    out[: len(array)] = array
    return out


def _empty_tree(E: int) -> Dict[str, np.ndarray]:
    return {
        "code": np.empty(MOST_TOKENS, np.uint32),
        "length": np.empty(MOST_TOKENS, np.uint8),
        "flags": np.empty(MOST_TOKENS, np.uint8),
        "vectors": np.empty((MOST_TOKENS, E), np.float32),
    }


def _curves() -> Dict[str, np.ndarray]:
    """stretch (4096,): the logit of (i + 0.5) / 4096; squash (4097,): its inverse from -12 to 12; levels (4096,): the place of a
    count in LEVELS; steps (1024,): how far the n-th answer moves an average."""
    p = (np.arange(4096) + 0.5) / 4096
    return {
        "stretch": np.log(p / (1 - p)).astype(np.float32),
        "squash": (1 / (1 + np.exp(-np.linspace(-12, 12, 4097)))).astype(np.float32),
        "levels": (np.searchsorted(LEVELS, np.arange(4096), side="right") - 1).astype(np.uint8),
        "steps": (1 / (np.arange(1024) + 1.5)).astype(np.float32),
    }


def _paths(code: np.ndarray, length: np.ndarray) -> np.ndarray:
    """path (MOST_TOKENS, DEPTHS) uint16: the inner nodes from the root to each token, numbered level by level."""
    path = np.zeros((MOST_TOKENS, DEPTHS), np.uint16)
    first = 0
    for depth in range(DEPTHS):
        deeper = length > depth
        prefix = code[deeper] >> np.uint32(32 - depth) if depth else np.zeros(deeper.sum(), np.uint32)
        nodes, place = np.unique(prefix, return_inverse=True)
        path[: len(code)][deeper, depth] = first + place
        first += len(nodes)
    return path


def _is_tree(code: np.ndarray, length: np.ndarray) -> bool:
    """Whether the codes are the leaves of one full binary tree: in their order, each begins where the one before ends, at a multiple of
    its width."""
    if length.min() < 1 or length.max() > DEPTHS:
        return False
    order = np.argsort(code, kind="stable")
    starts, widths = code[order].astype(np.uint64), np.uint64(1) << (np.uint64(32) - length[order].astype(np.uint64))
    joined = (starts[:-1] + widths[:-1] == starts[1:]).all() and not (starts & (widths - np.uint64(1))).any()
    return bool(starts[0] == 0 and joined and starts[-1] + widths[-1] == 1 << 32)


# ---- before the reading: the tree


def token_flags(tokenizer: Tokenizer, counts: np.ndarray) -> np.ndarray:
    """What each token looks like: (V,) uint8, the bits of the enum in _scout.c. `counts` (V,): how often each is in a sample."""
    flags = np.zeros(len(counts), np.uint8)
    total = counts.sum()
    for id, token in enumerate(tokenizer.token_bytes[: len(counts)]):
        bare = token.strip(b" ")
        letter = bare[:1].isalpha() or bare[:1] >= b"\x80"
        flags[id] = (
            (1 if token[:1] == b" " else 0)
            | (2 if re.search(rb"[.!?]", token) else 0)
            | (4 if b"\n" in token else 0)
            | (8 if bare[:1].isupper() else 0)
            | (16 if b'"' in token else 0)
            | (32 if letter and counts[id] < total / 5000 else 0)
            | (64 if letter and counts[id] < total / 500 else 0)
            | (128 if letter and token[:1] != b" " else 0)
        )
    return flags


def grow_tree(tokenizer: Tokenizer, sample: np.ndarray, neighbours: int = 1000, directions: int = 32) -> Dict[str, np.ndarray]:
    """The tree and the tokens' vectors from a sample of text (N,) uint16.

    Tokens are alike that have the same neighbours: positive pointwise mutual information with the `neighbours` most frequent
    tokens to the right and to the left, reduced to its `directions` strongest directions. The tree is cut from the top
    along the line of the greatest difference, into halves of about the same frequency, so that common tokens get short codes.
    """
    V = tokenizer.vocab_size - 1
    counts = np.bincount(sample, minlength=V)[:V]
    M = min(neighbours, V)
    top = np.argsort(-counts, kind="stable")[:M]
    rank = np.full(V, M, np.uint32)
    rank[top] = np.arange(M)
    x = np.zeros((V, 2 * M), np.float32)
    weight = np.sqrt(np.sqrt(np.minimum(counts, 10_000) + 1.0))
    for side, (of, neighbour) in enumerate([(sample[:-1], sample[1:]), (sample[1:], sample[:-1])]):
        known = rank[neighbour] < M
        pairs, seen = np.unique(of[known].astype(np.uint32) * np.uint32(M) + rank[neighbour[known]], return_counts=True)
        row, column = pairs // M, pairs % M
        information = np.log(seen * float(counts.sum()) / ((counts[row] + 1.0) * counts[top][column]))
        x[row, side * M + column] = np.maximum(information, 0) * seen / (seen + 2.0) * weight[row]
    E = directions
    start = (np.arange(2 * M * E, dtype=np.uint32) * np.uint32(0x9E3779B9) >> np.uint32(16)).astype(np.float64) / 32768 - 1
    vectors, scratch = np.empty((V, E)), np.empty(4 * E)
    library = native.load("scout")
    library.call("scout_directions", vectors, start.reshape(2 * M, E), scratch, x, 5)
    vectors /= weight[:, None]
    share = counts + max(1.0, counts.sum() / 2**15)
    code, length, key, ids = np.empty(V, np.uint32), np.empty(V, np.uint8), np.empty(V), np.empty(2 * V, np.uint32)
    library.call("scout_grow_tree", code, length, vectors, share, key, ids, scratch)
    mean = (vectors * share[:, None]).sum(0) / share.sum()
    spread = np.sqrt((np.square(vectors - mean) * share[:, None]).sum(0) / share.sum())
    vectors = np.clip((vectors - mean) / (spread + 1e-9) / 2, -2, 2).astype(np.float32)
    return {"code": code, "length": length, "flags": token_flags(tokenizer, counts), "vectors": vectors}


# ---- learning


def train(
    documents: Iterable[str],
    tier: str = "normal",
    memory: int = 1 << 30,
    threads: int = 2,
    tokenizer: Optional[Tokenizer] = None,
    progress: bool = True,
    note: Optional[Callable[[dict], None]] = None,
) -> Tuple[Scout, dict]:
    """Read the documents, or pieces of them that end with a line, once and return the scout with figures of the reading:
    characters, tokens, bits.

    `note` is called with the figures so far, about once in CHUNK_CHARACTERS. The bits are honest: each token's are counted before
    it is learned. UserError for text that is too short.
    """
    documents = (normalise(document) for document in documents)
    sample, characters = [], 0
    for document in documents:
        sample.append(document)
        characters += len(document)
        if characters >= SAMPLE_CHARACTERS:
            break
    if tokenizer is None:
        tokenizer = train_tokenizer(sample, VOCAB, progress)
    if tokenizer.vocab_size - 1 > MOST_TOKENS:
        raise UserError(f"the tokenizer has {tokenizer.vocab_size} tokens; a scout takes at most {MOST_TOKENS + 1}")
    start = _stream(tokenizer, sample)
    if len(start) < LEAST_TOKENS:
        raise UserError(f"the text is too short: {len(start)} tokens; a scout needs at least {LEAST_TOKENS}")
    scout = Scout(tokenizer, tier, memory, grow_tree(tokenizer, start, directions=VECTORS[tier]), threads)
    del start
    figures = {"characters": 0, "tokens": 0, "bits": 0.0}
    with Progress("reading", unit="characters", enabled=progress) as shown:
        for chunk in _chunks(itertools.chain(_drain(sample), documents)):
            length = sum(map(len, chunk)) + len(chunk)
            tokens = _stream(tokenizer, chunk)
            figures["bits"] += float(scout.probabilities_of(tokens)[0].sum())
            figures["tokens"] += len(tokens)
            figures["characters"] += length
            shown.add(length)
            if note:
                note(figures)
    return scout, figures


def _drain(documents: List[str]) -> Iterator[str]:
    """The documents, forgotten one by one."""
    documents.reverse()
    while documents:
        yield documents.pop()


def _chunks(documents: Iterable[str]) -> Iterator[List[str]]:
    """Documents in lists of about CHUNK_CHARACTERS."""
    chunk, characters = [], 0
    for document in documents:
        chunk.append(document)
        characters += len(document)
        if characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _stream(tokenizer: Tokenizer, documents: Sequence[str]) -> np.ndarray:
    """The tokens of the documents, uint16, a newline after each document."""
    newline = np.array([NEWLINE], np.uint16)
    return np.concatenate([part for ids in tokenizer.encode_documents(documents, 1) for part in (ids, newline)])


def evaluate(
    scout: Scout, documents: Iterable[str], chars: Optional[int] = None, learn: bool = True, progress: bool = True
) -> dict:
    """Score a scout on documents, which it reads as one stream; `chars` is the number to divide by (those of the text if None).

    A newline stands between documents and is scored like any other token. With learn=False the scout is frozen.
    """
    started = time.process_time()
    text = "\n".join(normalise(document) for document in documents)
    tokens = scout.tokenizer.encode(text)
    bits = 0.0
    with Progress("scoring", len(tokens), "tokens", progress) as shown:
        for start in range(0, len(tokens), CHUNK_TOKENS):
            piece = tokens[start : start + CHUNK_TOKENS]
            bits += float(scout.probabilities_of(piece, learn)[0].sum())
            shown.add(len(piece))
    chars = chars or len(text)
    return {
        "bits_per_char": bits / chars,
        "chars": chars,
        "tokens": len(tokens),
        "cpu_seconds": round(time.process_time() - started, 2),
    }


def generate(scout: Scout, prompt: Sequence[int], n: int, sampler) -> Iterator[bytes]:
    """The bytes of n tokens after the prompt, chosen by a `reference.Sampler`. What is made is not learned."""
    history = list(prompt)
    scout.probabilities_of([NEWLINE, *history], learn=False)
    for _ in range(n):
        with np.errstate(divide="ignore"):
            token = sampler.choose(np.log(scout.distribution()).astype(np.float32), history)
        scout.update(token, learn=False)
        history.append(token)
        yield scout.tokenizer.token_bytes[token]


# ---- the command line


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.scout",
        "Learn text by counting and mixing, in one reading; score it on other text; let it write.",
        "python -m fable6c.scout train stories.txt -o stories.scout",
    )
    commands = parser.subcommands("train|evaluate|generate")
    learn = commands.add_parser(
        "train",
        help="read text once and write a scout",
        purpose="Read text once and write what was learned.",
        example="python -m fable6c.scout train stories.txt more.txt.zst -o stories.scout --tier fast",
    )
    learn.add_argument("text", nargs="+", metavar="TEXT", help="plain UTF-8 text or .zst; a line <|endoftext|> ends a document")
    learn.add_argument("-o", "--output", required=True, metavar="FILE", help="where to write the scout, e.g. stories.scout")
    learn.add_argument("--tier", choices=list(TIERS), default="normal", help="how much to look at (default: normal)")
    learn.add_argument(
        "--memory", type=memory_size, default=1 << 30, metavar="SIZE", help="the most that the process may take (default: 1G)"
    )
    learn.add_argument(
        "--tokenizer", metavar="FILE", help="take the tokenizer of this .f6c or .f6t (default: learn one from the beginning)"
    )
    score = commands.add_parser(
        "evaluate",
        help="score a scout on a text",
        purpose=f"Score a scout on a text in bits per character. Runs of newlines, and lines {END_OF_TEXT}, count as one newline.",
        example="python -m fable6c.scout evaluate stories.scout --text valid.txt",
    )
    score.add_argument("--text", required=True, metavar="FILE", help="UTF-8 text, or such a text packed as .zst")
    score.add_argument("--chars", type=int, metavar="N", help="divide by N characters (default: those of the text)")
    score.add_argument("--frozen", action="store_true", help="do not learn from the text while reading it")
    score.add_argument(
        "--prune", type=memory_size, metavar="SIZE", help="score what remains in SIZE, e.g. 4M: fewer counts, 8-bit weights, frozen"
    )
    score.add_argument("--json", action="store_true", help="print one JSON object")
    write = commands.add_parser(
        "generate",
        help="let a scout write",
        purpose="Let a scout continue a text.",
        example='python -m fable6c.scout generate stories.scout -p "Once upon a time" -n 200',
    )
    write.add_argument("-p", metavar="TEXT", default="", help="begin with TEXT (default: nothing)")
    write.add_argument("-n", metavar="N", type=whole(1, 1_000_000), default=200, help="tokens to make (default: 200)")
    write.add_argument(
        "-t",
        metavar="T",
        type=real(0.01, 100, or_zero=True),
        default=0.8,
        help="temperature; 0 always takes the likeliest (default: 0.8)",
    )
    write.add_argument(
        "-s", metavar="SEED", type=whole(0, 2**32 - 1), default=1, help="the same seed tells the same story (default: 1)"
    )
    for command in (score, write):
        command.add_argument("scout", metavar="SCOUT", help="a file made by train")
    for command in (learn, score, write):
        command.add_argument(
            "--threads", type=whole(1, 64), default=2, metavar="N", help="threads; no bit depends on them (default: 2)"
        )
    options = parser.parse_args(argv)
    {"train": _train, "evaluate": _evaluate, "generate": _generate}[options.command](options)


def memory_size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([MG])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: give a size like 256M or 1G")
    return int(found.group(1)) << (20 if found.group(2) == "M" else 30)


def _train(options: argparse.Namespace) -> None:
    started, cpu = time.monotonic(), time.process_time()
    tokenizer = None
    if options.tokenizer:
        from fable6c.model.file import read_model

        is_model = options.tokenizer.endswith(".f6c")
        tokenizer = Tokenizer(read_model(options.tokenizer).merges) if is_model else Tokenizer.load(options.tokenizer)
    memory = options.memory - window_bytes(options.text)
    scout, figures = train(read_pieces(options.text), options.tier, memory, options.threads, tokenizer)
    learned = time.process_time() - cpu
    scout.save(options.output)
    print(
        f"{options.output}: {os.path.getsize(options.output):,} bytes after one reading of {figures['characters']:,} characters "
        f"({figures['tokens']:,} tokens) at {figures['bits'] / figures['characters']:.4f} bits per character; "
        f"{learned:.1f} CPU seconds of learning, {time.monotonic() - started:.1f} s in all"
    )


def _evaluate(options: argparse.Namespace) -> None:
    if options.chars is not None and options.chars < 1:
        raise UsageError(f"--chars {options.chars}: give a number above 0")
    scout = Scout.load(options.scout, options.threads)
    size = {"pruned_bytes": scout.prune(options.prune)} if options.prune is not None else {}
    frozen = options.frozen or options.prune is not None
    result = {**evaluate(scout, read_documents([options.text]), options.chars, not frozen), **size}
    if options.json:
        print(json.dumps(result))
        return
    print(f"bits per character  {result['bits_per_char']:.4f}{' (frozen)' if frozen else ''}")
    print(f"characters          {result['chars']:,} (runs of newlines counted as one)")
    print(f"tokens              {result['tokens']:,}")
    print(f"CPU seconds         {result['cpu_seconds']}")
    if size:
        print(f"bytes after pruning {result['pruned_bytes']:,}")


def _generate(options: argparse.Namespace) -> None:
    from fable6c.model.sampling import Sampler

    scout = Scout.load(options.scout, options.threads)
    prompt = os.fsencode(options.p)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    sys.stdout.buffer.write(prompt)
    for token in generate(scout, scout.tokenizer.encode(prompt).tolist(), options.n, Sampler(options.t, seed=options.s)):
        sys.stdout.buffer.write(decoder.decode(token).encode("utf-8"))
        sys.stdout.buffer.flush()
    sys.stdout.buffer.write(decoder.decode(b"", final=True).encode("utf-8") + b"\n")


if __name__ == "__main__":
    run(main)
