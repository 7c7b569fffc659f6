"""Random models for the Z80, for the tests of the model and of its program."""

import numpy as np

from fable6c.z80lib import model as models


def any_model(characters="ABC", rows=256, context=16, secrets=(), memory=False, seed=1):
    draw = np.random.default_rng(seed)
    shapes = ((rows, 48), (context, 48), (max(len(secrets), 1), 48), (48, 48), (48, 1 + len(characters)))
    weights = [draw.integers(-1, 2, shape).astype(np.int8) for shape in shapes]
    if not secrets:
        weights[2][:] = 1
    return models.Model(characters, *weights, secrets=tuple(secrets), memory=memory)
