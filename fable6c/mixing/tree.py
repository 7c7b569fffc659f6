"""The tree of tokens, a walk down which predicts one: grown from a sample of the text before it is read."""

import numpy as np

from fable6c import native
from fable6c.model.tokenizer import MAX_TOKEN_BYTES, Tokenizer


def is_tree(code: np.ndarray, length: np.ndarray) -> bool:
    """Whether code (V,) uint32 and length (V,) uint8 are the leaves of one full binary tree."""
    return bool(native.load("scout").call("scout_is_tree", code, length, np.empty(len(code), np.uint16)))


def grow_tree(tokenizer: Tokenizer, sample: np.ndarray, directions: int = 32) -> dict[str, np.ndarray]:
    """The tree and the tokens' vectors from a sample of text (N,) uint16: code (V,) uint32, length (V,) uint8, flags (V,) uint8,
    vectors (V, directions) float32. _scout_setup.c explains them."""
    library = native.load("scout")
    V, E = tokenizer.vocab_size - 1, directions
    size = np.array([len(token) for token in tokenizer.token_bytes[:V]], np.uint8)
    padded = b"".join(token.ljust(MAX_TOKEN_BYTES, b"\0") for token in tokenizer.token_bytes[:V])
    tree: dict[str, np.ndarray] = {
        "code": np.empty(V, np.uint32),
        "length": np.empty(V, np.uint8),
        "flags": np.empty(V, np.uint8),
        "vectors": np.empty((V, E), np.float32),
    }
    work = np.empty(library.call("scout_plant_work", V, E))
    shapes = np.frombuffer(padded, np.uint8).reshape(V, MAX_TOKEN_BYTES)
    library.call("scout_plant", *tree.values(), work, np.ascontiguousarray(sample, np.uint16), shapes, size)
    return tree
