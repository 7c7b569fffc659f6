"""The scout: it predicts tokens by counting and mixing, learns from one reading of the text, and needs no backpropagation.

docs/scout.md explains it.

    scout = Scout.load("stories.scout")
    bits, confidence = scout.probabilities_of(tokens)   # of each token, given all before it
    scout.distribution()                                # float64 (V,): of every token to be the next one
    scout.update(token)                                 # read it

The text is one stream: documents follow each other after a newline, and runs of newlines count as one. Tokens are those of a
tokenizer of docs/tokenizer.md without its end mark, so that a scout and a model file can speak about the same next token.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Callable, Union

import numpy as np
import zstandard

from fable6c import headers, native
from fable6c.data.text import unpack
from fable6c.errors import UserError
from fable6c.files import atomic_file, open_file
from fable6c.limits import free_memory
from fable6c.mixing.kinds import FINALS, MAX_TOKENS, TIERS
from fable6c.mixing.memory import aligned
from fable6c.mixing.tree import is_tree
from fable6c.model.tokenizer import Tokenizer, TokenizerError

ARRAYS = [field for field in headers.declarations("scout").structs["scout"].fields if field.sizes]  # in the order of the C enum
TREE = ("code", "length", "flags", "vectors")
SAVED = (*TREE, *"tables maps mixers finals sse vector_weights asked averages ring streams position".split())
TREE_TYPES = {field.name: headers.NUMBERS[field.kind] for name in TREE for field in ARRAYS if field.name == name}
FORMAT = 2  # of the file's content
LINE = 16  # slots of a line of a table
DENSE, LIST, MATCH = range(3)  # forms whose tables fill the memory
MERGES = [m for m in range(1, 721) if 720 % m == 0]  # how many lines pruning can merge
MAGIC = b"\x89F6S\r\n\x1a\n"
PREFIX = struct.Struct("<8sI")
CRC = struct.Struct("<I")
MAX_HEADER = 1 << 16
MAX_MEMORY = 1 << 40
CHUNK_BYTES = 1 << 22


class Scout:
    """A scout in memory. Its arrays are described in _scout.c; their sizes follow from tokenizer, tier and memory."""

    def __init__(self, tokenizer: Tokenizer, tier: str, memory: int, arrays: dict[str, np.ndarray], threads: int = 2):
        """`arrays`: code (V,) uint32, length (V,) uint8, flags (V,) uint8 and vectors (V,E) float32, from `grow_tree`."""
        free = free_memory()
        if free is not None and memory > free:
            raise UserError(
                f"the scout takes {memory >> 20} MiB of memory, {free >> 20} MiB are free; close other programs, or train with a smaller --memory"
            )
        self.tokenizer, self.tier, self.memory = tokenizer, tier, memory
        self.vocab_size = tokenizer.vocab_size - 1
        library = native.load("scout")
        self._c, self._c_kinds = library.ffi.new("scout *"), library.ffi.new("scout_kind[]", 64)
        self._elements = np.zeros(len(ARRAYS), np.uint64)
        sizes = library.ffi.from_buffer("uint64_t[]", self._elements)
        needed = library.lib.scout_plan(self._c, self._c_kinds, sizes, TIERS.index(tier), self.vocab_size, memory)
        if needed:
            raise UserError(f"{memory >> 20} MiB of memory are too little for the tier {tier}; it needs {(needed >> 20) + 1}")
        self._c.threads = threads
        self.arrays = {}
        for field, size in zip(ARRAYS, self._elements.tolist()):
            self.arrays[field.name] = aligned(size, headers.NUMBERS[field.kind])
            setattr(self._c, field.name, library.pointer(field.name, self.arrays[field.name]))
        for name in TREE:
            self.arrays[name][: arrays[name].size] = arrays[name].reshape(-1)
        library.lib.scout_begin(self._c)

    # ---- reading

    def probabilities_of(self, tokens: Union[Sequence[int], np.ndarray], learn: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Read tokens, and say how surprising each was, given all that was read before.

        tokens      (N,) integers from 0 to V - 1
        learn       False: frozen; only the memory of the text so far moves on
        Returns bits (N,) float64, -log2 of each token's probability, and confidence (N, 4) int32, which depends only on what
        stands before the token: the longest context that was seen before (0 none, 1 three tokens, 2 four, …), how often, how
        many different tokens followed it, and the length of the repetition that is going on (0 none, 60 the most).
        ValueError for a token out of range.
        """
        tokens = np.asarray(tokens)
        if tokens.ndim != 1 or (len(tokens) and (tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= self.vocab_size)):
            raise ValueError(f"tokens: expected one row of integers from 0 to {self.vocab_size - 1}")
        tokens = np.ascontiguousarray(tokens, np.uint16)
        probability, confidence = np.empty(len(tokens)), np.empty((len(tokens), 4), np.int32)
        self._c.threads = native.max_threads("scout", self._c.threads)
        native.load("scout").call("scout_read", self._c, tokens, probability, confidence, learn)
        return -np.log2(probability), confidence

    def update(self, token: int, learn: bool = True) -> float:
        """Read one token; returns its bits."""
        return float(self.probabilities_of([token], learn)[0][0])

    def distribution(self) -> np.ndarray:
        """The probability of each token to be the next one: (V,) float64, its sum is 1. Nothing changes."""
        probability = np.empty(self.vocab_size)
        self._c.threads = native.max_threads("scout", self._c.threads)
        native.load("scout").call("scout_distribution", self._c, probability)
        return probability

    def logits(self) -> np.ndarray:
        """The natural logarithms of the distribution: (V,) float32."""
        logits = np.empty(self.vocab_size, np.float32)
        native.load("scout").call("scout_logits", logits, self.distribution())
        return logits

    def text_memory(self) -> dict[str, np.ndarray]:
        """A copy of all that moves on while a frozen scout reads: what it remembers of the text itself, about 30 MB of a 1 GB scout."""
        return {name: array.copy() for name, array in self._moving().items()}

    def restore_text_memory(self, memory: dict[str, np.ndarray]) -> None:
        """Back to where `text_memory` was asked: what a frozen scout has read since then is forgotten without a trace."""
        for name, array in self._moving().items():
            array[:] = memory[name]

    def _moving(self) -> dict[str, np.ndarray]:
        moving = {name: self.arrays[name] for name in ("position", "streams", "averages", "ring")}
        for k, c in enumerate(self._kinds()):
            if c.form not in (DENSE, LIST):
                moving[f"table {k}"] = self.arrays["tables"][c.table : c.table + c.slots]
        return moving

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
            raise UserError(f"--prune {size} bytes is too little: {fixed:,} are weights and maps; give more, or take a smaller tier")
        for name, row in rows.items():
            weights = self.arrays[name].reshape(-1, row)
            if name == "mixers":
                weights[:, -1] = 0  # how often they spoke
            scale = np.abs(weights).max(1, keepdims=True) / 127 + np.float32(1e-30)
            weights[:] = np.rint(weights / scale) * scale
        logit = np.rint(self.arrays["stretch"][self.arrays["maps"] >> 20] * 15)
        self.arrays["maps"][:] = (1 / (1 + np.exp(-logit / 15)) * ((1 << 22) - 1)).astype(np.uint32) << 10
        slots = self._slots(merged)
        tables = aligned(sum(slots), np.uint32)
        place = 0
        for c, size_left in zip(self._kinds(), slots):
            old, new = self.arrays["tables"][c.table : c.table + c.slots], tables[place : place + size_left]
            if c.form in (DENSE, LIST):
                new[:] = _merge_lines(old, merged, c.form)
            elif c.form != MATCH:  # a match's places are not kept: it begins anew
                new[:] = old
            c.table, c.slots = place, size_left
            place += size_left
        self.arrays["tables"] = tables
        self._c.tables = native.load("scout").pointer("tables", tables)
        return fixed + tables.nbytes

    def _slots(self, merged: int) -> list[int]:
        return [c.slots // merged if c.form in (DENSE, LIST, MATCH) else c.slots for c in self._kinds()]

    def _kinds(self) -> list[Any]:
        return list(self._c_kinds[0 : self._c.K])

    # ---- files

    def save(self, path: str) -> None:
        """Write the scout, with all that it learned and the text before its eyes; docs/scout.md, "The file"."""
        header = {"tier": self.tier, "memory": self.memory, "merges": len(self.tokenizer.merges), "format": FORMAT}
        packer = zstandard.ZstdCompressor(level=1, write_checksum=True).compressobj()
        with atomic_file(path) as file:
            text = json.dumps(header).encode("ascii")
            head = PREFIX.pack(MAGIC, len(text)) + text
            file.write(head + CRC.pack(zlib.crc32(head)))
            file.write(packer.compress(self.tokenizer.to_bytes()))
            for name in SAVED:
                content = self.arrays[name].reshape(-1).view(np.uint8)
                for start in range(0, len(content), CHUNK_BYTES):
                    file.write(packer.compress(content[start : start + CHUNK_BYTES].data))
            file.write(packer.flush())

    @classmethod
    def load(cls, path: str, threads: int = 2) -> "Scout":
        """Read what `save` wrote. UserError, naming the path, for a file that is missing, foreign or damaged."""
        try:
            with open_file(path) as file:
                return cls._load(path, file, threads)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); make it with `python -m fable6c.scout train`") from None
        except TokenizerError as error:
            raise UserError(f"{path}: {error}") from None

    @classmethod
    def _load(cls, path: str, file: Any, threads: int) -> "Scout":
        damaged = UserError(f"{path}: is damaged (its content contradicts itself); copy it again or train again")
        head = file.read(PREFIX.size)
        if not head.startswith(MAGIC):
            raise UserError(f"{path}: starts with {head[:8]!r}, so it is not a scout; give a file made by `python -m fable6c.scout train`")
        if len(head) < PREFIX.size or PREFIX.unpack(head)[1] > MAX_HEADER:
            raise damaged
        text = file.read(PREFIX.unpack(head)[1])
        if file.read(CRC.size) != CRC.pack(zlib.crc32(head + text)):
            raise UserError(f"{path}: is damaged (its checksum does not match); copy it again or train again")
        try:
            header = json.loads(text)
            form = header.get("format", 1)
            tier, merges, memory = (header[key] for key in ("tier", "merges", "memory"))
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            raise damaged from None
        if type(tier) is not str or type(merges) is not int or type(memory) is not int:
            raise damaged
        if form != FORMAT:
            raise UserError(f"{path}: is of format {form!r}, this build reads {FORMAT}; train again")
        if tier not in TIERS:
            raise UserError(f"{path}: is of the tier {tier!r}, which this build does not have; train again")
        if merges not in range(MAX_TOKENS - 255) or memory not in range(MAX_MEMORY):
            raise damaged
        fill, end = _filler(unpack(path, file), damaged)
        tokenizer = Tokenizer.from_bytes(fill(np.empty(4 * merges, np.uint8)).tobytes())
        V = tokenizer.vocab_size - 1
        E = native.load("scout").lib.scout_vector(TIERS.index(tier))
        tree = {name: fill(np.empty(MAX_TOKENS * (E if name == "vectors" else 1), dtype)) for name, dtype in TREE_TYPES.items()}
        if not is_tree(tree["code"][:V], tree["length"][:V]):
            raise damaged
        scout = cls(tokenizer, tier, memory, tree, threads)
        for name in SAVED[len(tree) :]:
            fill(scout.arrays[name])
        end()
        library = native.load("scout")
        # A checksum protects from accidents only: nothing in a file may lead C out of its arrays.
        if not library.lib.scout_is_sound(scout._c, library.ffi.from_buffer("uint64_t[]", scout._elements)):
            raise damaged
        return scout


def _filler(chunks: Iterator[bytes], damaged: UserError) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[], None]]:
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


def _merge_lines(table: np.ndarray, merged: int, form: int) -> np.ndarray:
    """Every `merged` neighbouring lines become one that keeps the highest counts."""
    out = []
    for lines in np.array_split(table.reshape(-1, merged * LINE), 64):
        counts = lines & 255 if form == LIST else (lines >> 22) + (lines >> 12 & 1023)
        best = np.argsort(-counts.astype(np.int64), axis=1, kind="stable")[:, :LINE]
        out.append(np.take_along_axis(lines, best, 1).ravel())
    return np.concatenate(out)
