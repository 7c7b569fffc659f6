"""The tree of tokens, a walk down which predicts one: grown from a sample of the text before it is read."""

import re

import numpy as np

from fable6c import native
from fable6c.mixing.kinds import DEPTHS, MAX_TOKENS
from fable6c.model.tokenizer import Tokenizer


def is_tree(code: np.ndarray, length: np.ndarray) -> bool:
    """Whether the codes are the leaves of one full binary tree: in their order, each begins where the one before ends, at a multiple of
    its width."""
    if length.min() < 1 or length.max() > DEPTHS:
        return False
    order = np.argsort(code, kind="stable")
    starts, widths = code[order].astype(np.uint64), np.uint64(1) << (np.uint64(32) - length[order].astype(np.uint64))
    joined = (starts[:-1] + widths[:-1] == starts[1:]).all() and not (starts & (widths - np.uint64(1))).any()
    return bool(starts[0] == 0 and joined and starts[-1] + widths[-1] == 1 << 32)


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


def grow_tree(tokenizer: Tokenizer, sample: np.ndarray, neighbours: int = 1000, directions: int = 32) -> dict[str, np.ndarray]:
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


def paths(code: np.ndarray, length: np.ndarray) -> np.ndarray:
    """path (MAX_TOKENS, DEPTHS) uint16: the inner nodes from the root to each token, numbered level by level."""
    path = np.zeros((MAX_TOKENS, DEPTHS), np.uint16)
    first = 0
    for depth in range(DEPTHS):
        deeper = length > depth
        prefix = code[deeper] >> np.uint32(32 - depth) if depth else np.zeros(deeper.sum(), np.uint32)
        nodes, place = np.unique(prefix, return_inverse=True)
        path[: len(code)][deeper, depth] = first + place
        first += len(nodes)
    return path


def empty_tree(E: int) -> dict[str, np.ndarray]:
    return {
        "code": np.empty(MAX_TOKENS, np.uint32),
        "length": np.empty(MAX_TOKENS, np.uint8),
        "flags": np.empty(MAX_TOKENS, np.uint8),
        "vectors": np.empty((MAX_TOKENS, E), np.float32),
    }
