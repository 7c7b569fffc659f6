"""docs/numerics.md in float64, for the tests of the reference and of the network in training: its formulas, whatever the order of additions."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def forward(dimensions, tokens, tensor, quantize):
    """The logits (B, T, V) before copies are mixed in, and the odds (B, T, T) of a copy at t of what followed place i, of tokens (B, T)
    from a fresh state; None for the odds where the model does not copy. All may be complex.

    tensor(name)   a vector, or a matrix (m, n) times its scales
    quantize(x)    what a ternary layer multiplies in place of x; called in the order of the layers
    """

    def linear(x, name):
        return quantize(x) @ tensor(name).T

    def norm(x, gain):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * tensor(gain)

    D, K, T = dimensions.dim, dimensions.taps, tokens.shape[1]
    x = norm(tensor("embedding")[tokens], "norm_in")
    for layer in range(dimensions.layers):
        block = f"blocks.{layer}."
        u = linear(norm(x, block + "norm_mix"), block + "mix_in")
        v = np.concatenate([np.zeros((len(x), K - 1, D)), u[..., :D]], 1)
        c = sum(tensor(block + "taps")[:, k] * v[:, k : k + T] for k in range(K))
        f = sigmoid(u[..., D : 2 * D] + tensor(block + "forget_bias"))
        h, memories = 0.0, []
        for t in range(T):
            h = f[:, t] * h + (1 - f[:, t]) * c[:, t]
            memories.append(h)
        x = x + linear(np.stack(memories, 1) * sigmoid(u[..., 2 * D :]), block + "mix_out")
        a, b = np.split(linear(norm(x, block + "norm_glu"), block + "glu_in"), 2, -1)
        x = x + linear(a * sigmoid(a) * b, block + "glu_out")
    logits = linear(norm(x, "norm_out"), "head")
    if not dimensions.copies:
        return logits, None
    query, key = np.split(linear(norm(x, "norm_copy"), "copy_in"), 2, -1)
    score = query @ key.swapaxes(1, 2) - (query @ tensor("copy_sentinel"))[..., None] - tensor("copy_bias")
    reach = [[reached(stream, t, dimensions.context) for t in range(T)] for stream in tokens]
    return logits, np.exp(np.where(score.real > 40, 40, score)) * np.array(reach)


def reached(tokens, t, context):
    """Whether a copy at t can come from each place, (T,): from the last context - 1 before t, of which a header keeps its own."""
    place = np.arange(len(tokens))
    ends = np.flatnonzero(tokens == 2)
    ends = ends[ends > 1]
    kept = ends[0] if len(tokens) > 1 and tokens[1] == 1 and len(ends) and ends[0] < context // 2 else 0
    return (place < t) & ((place < kept) | (place >= t - (context - 1 - kept)))
