"""Learn a vocabulary from text: docs/tokenizer.md, "Training".

tokenizer = train_tokenizer(documents, vocab_size=4096)
"""

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import Callable, Optional

import numpy as np

from fable6c import native
from fable6c.data.text import grouped
from fable6c.errors import UsageError, UserError
from fable6c.model.asking import HEADING, TEXT
from fable6c.model.tokenizer import (
    MAX_TOKEN_BYTES,
    MAX_VOCAB,
    MIN_VOCAB,
    Tokenizer,
    find_pieces,
    slices,
)
from fable6c.progress import Progress

COUNT_CHARACTERS = 1 << 20  # of documents to look at at a time
MIN_COUNT = 2  # a pair that is seen only once teaches nothing
# The layout that _bpe.c expects.
GAP, BLOCK = 0xFFFF, 64


class TextTooSmall(UserError):
    """The text gives fewer tokens than were asked for; `enough` is how many."""

    def __init__(self, vocab_size: int, enough: int):
        super().__init__(
            f"the text is too small for a vocabulary of {vocab_size} tokens: it gives {enough} (after that no pair is seen "
            f"twice); use --vocab {enough} or less (in training: `vocab` in a --config), or give more text"
        )
        self.enough = enough


def train_tokenizer(documents: Iterable[str], vocab_size: int, progress: bool = True) -> Tokenizer:
    """Learn a vocabulary of `vocab_size` tokens from documents, which are gone through once and not kept.

    Deterministic: it depends on the text only, not on the order of the documents. Raises UserError as `train_merges` does.
    """
    return Tokenizer(train_merges(count_pieces(documents, progress), vocab_size, progress))


def count_pieces(documents: Iterable[str], progress: bool = True, each: Callable[..., Iterator] = map) -> dict[bytes, int]:
    """How often each distinct piece is in the documents. `each` applies a function to groups of them, in their order, as `map` does; other
    machines may do the work (training/cluster.py)."""
    counts: collections.Counter[str] = collections.Counter()
    with Progress("reading", unit="characters", enabled=progress) as shown:
        for size, found in each(_count, grouped(documents, COUNT_CHARACTERS)):
            counts.update(found)
            shown.add(size)
    # No token but their own has a header's marks, so that headers are found in tokens, and a story's do not depend on what is before it.
    return {piece.encode("utf-8"): count for piece, count in counts.items() if HEADING not in piece and TEXT not in piece}


def _count(documents: Sequence[str]) -> tuple[int, dict[str, int]]:
    """The characters of some documents, and how often each piece is in them."""
    counts: collections.Counter[str] = collections.Counter()
    for document in documents:
        for part in slices(document):
            counts.update(find_pieces(part))
    return sum(map(len, documents)), counts


def train_merges(pieces: dict[bytes, int], vocab_size: int, progress: bool = True, first: Optional[np.ndarray] = None) -> np.ndarray:
    """The merges (vocab_size - 257, 2) uint16 that docs/tokenizer.md, "Training", gives for counted pieces.

    first   merges to begin with, whether or not the text would give them; the others follow from what they leave
    The loop over merges is here, the work on the text in _bpe.c; the arrays are explained there. Raises UserError for a
    vocabulary out of range or a text that is too small for it.
    """
    if not MIN_VOCAB <= vocab_size <= MAX_VOCAB:
        raise UsageError(f"a vocabulary of {vocab_size} tokens was asked for; choose {MIN_VOCAB} to {MAX_VOCAB}")
    ordered = sorted(pieces)  # no result depends on the order; the same text gives the same memory layout and so the same time
    text = np.frombuffer(b" " + b"".join(piece + b" " for piece in ordered), dtype=np.uint8)
    lengths = np.array([len(piece) for piece in ordered], dtype=np.int64)
    N = -(-len(text) // BLOCK) * BLOCK
    symbols = np.full(N, GAP, dtype=np.uint16)
    symbols[: len(text)] = text
    symbols[np.concatenate([[0], np.cumsum(lengths + 1)])] = GAP
    piece_of = np.zeros(N, dtype=np.uint32)
    piece_of[1 : len(text)] = np.repeat(np.arange(len(ordered), dtype=np.uint32), lengths + 1)
    piece_count = np.array([pieces[piece] for piece in ordered], dtype=np.int64)

    max_pairs = min(2**16 + 2 * N, vocab_size**2)
    pair = np.empty(max_pairs, dtype=np.uint32)
    pair_count = np.empty(max_pairs, dtype=np.int64)
    index = np.zeros(1 << (2 * max_pairs).bit_length(), dtype=np.uint32)
    token_length = np.ones(vocab_size, dtype=np.uint8)

    library = native.load("bpe")
    text_in_c = library.struct(
        "bpe_text", symbols=symbols, piece_of=piece_of, piece_count=piece_count, pair=pair, pair_count=pair_count, index=index
    )
    merges: list[tuple[int, int]] = []
    pairs = library.call("bpe_count_pairs", text_in_c)
    with Progress("making tokens", vocab_size - MIN_VOCAB, "merges", progress) as shown:
        while MIN_VOCAB + len(merges) < vocab_size:
            if first is not None and len(merges) < len(first):
                left, right = map(int, first[len(merges)])
            else:
                best = library.call("bpe_best_pair", text_in_c, token_length, pairs, MAX_TOKEN_BYTES, MIN_COUNT)
                if best == pairs:
                    raise TextTooSmall(vocab_size, MIN_VOCAB + len(merges))
                left, right = int(pair[best]) >> 16, int(pair[best]) & 0xFFFF
            merged = 256 + len(merges)
            token_length[merged] = token_length[left] + token_length[right]
            merges.append((left, right))
            pairs = library.call("bpe_merge", text_in_c, pairs, left, right, merged)
            shown.add(1)
    return np.array(merges, dtype=np.uint16).reshape(-1, 2)
