"""Small models for the tests: random ones of any shape, and the configuration of runs that take seconds."""

import numpy as np

from fable6c.model.architecture import Dimensions, tensor_specs
from fable6c.model.file import Matrix, Model, router_rows

TINY_CONFIG = """
[model]
dim = 16
layers = 2
hidden = 24
taps = 3
vocab = 300
context = 32
[train]
batch = 2
accumulate = 2
"""
TINY = Dimensions(16, 2, 24, 3, 300, 32, True)
STEP_TOKENS = 128  # of TINY_CONFIG: 2 windows of 32 tokens, twice


def tiny_model(dim=7, layers=2, hidden=6, taps=3, vocab=300, context=16, copies=False, seed=1, experts=1) -> Model:
    """A random model with every value that the file allows, not trained: two zeros in five ternary weights, all nine levels in the embedding, scales that keep activations near 1, forget biases -1 to 5."""
    dimensions = Dimensions(dim, layers, hidden, taps, vocab, context, copies)
    random = np.random.default_rng(seed)
    tensors = {}
    for spec in tensor_specs(dimensions, experts):
        if spec.kind == "f32":
            tensors[spec.name] = random.normal(0, 0.5, spec.shape).astype(np.float32)
            if "norm" in spec.name:
                tensors[spec.name] += np.float32(1)
            if "forget_bias" in spec.name:
                tensors[spec.name] = np.linspace(-1, 5, spec.rows, dtype=np.float32)
        else:
            levels = range(-4, 5) if spec.kind == "nonary" else [-1, -1, -1, 0, 0, 0, 0, 1, 1, 1]
            weight = random.choice(levels, size=spec.shape).astype(np.int8)
            scale = random.uniform(0.8, 1.2, spec.scales) * spec.cols**-0.5
            tensors[spec.name] = Matrix(weight, scale.astype(np.float32))
    # Pairs of bytes, each once: the shortest tokens that are all different.
    merges = np.array([(97 + j % 26, 97 + j // 26) for j in range(vocab - 257)], np.uint16).reshape(-1, 2)
    # Of several experts each reads a few tokens at a time.
    router = random.integers(-128, 128, (router_rows(dimensions), experts)).astype(np.int8) if experts > 1 else None
    return Model(dimensions, {"name": "tiny"}, merges, tensors, router)
