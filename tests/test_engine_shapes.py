"""The engine's ternary products at awkward shapes, token by token and four tokens at a time, against the reference, bit by bit.

Columns are taken in groups of five or six (six from 400 rows on), groups in eights, eights in segments of 32 groups."""

import numpy as np
import pytest
import xxhash

from engine_module import EngineModule
from fable6c.model.file import encode_model
from fable6c.model.reference import Reference
from tiny_models import tiny_model

SHAPES = [
    # dim, hidden, taps, vocab
    (1, 1, 1, 257),
    (2, 5, 2, 258),
    (5, 6, 3, 300),
    (6, 39, 4, 399),  # fewer than 400 rows everywhere: groups of five
    (7, 201, 4, 400),  # 402 rows and 400: groups of six
    (16, 40, 1, 401),
    (133, 41, 2, 300),  # 399 rows in mix_in
    (134, 160, 2, 300),  # 402
    (159, 161, 5, 257),
    (160, 320, 4, 500),  # exactly one segment of fives
    (161, 321, 4, 500),
    (191, 199, 4, 500),
    (192, 640, 4, 500),  # exactly one segment of sixes
    (193, 641, 4, 300),
    (384, 650, 6, 500),
]


def digest(engine):
    low = engine.hash_low() & 0xFFFFFFFF
    return f"{engine.hash_high() & 0xFFFFFFFF:08x}{low:08x}"


def digests(logits):
    return [xxhash.xxh64(row.astype("<f4").tobytes()).hexdigest() for row in logits[0]]


@pytest.mark.parametrize("context", [None, 1, 2, 7, 40], ids="context {}".format)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shape(shape, context):
    """`context`: how far back the model copies, None: not at all."""
    dim, hidden, taps, vocab = shape
    model = tiny_model(dim, 2, hidden, taps, vocab, context or 16, copies=context is not None, seed=sum(shape))
    reference = Reference(model)
    engine = EngineModule()
    engine.load(encode_model(model))

    tokens = np.random.default_rng(dim).integers(0, vocab, (1, 12))
    for token, expected in zip(tokens[0].tolist(), digests(reference.forward(tokens)[0])):
        assert engine.run(token) == 0
        assert digest(engine) == expected

    for text in (b"", b"a", b"a\xff", b"a\xff ", b"Once", b"Once u", b"Once upon a time"):
        engine.reset()
        engine.write(engine.text_buffer(), text)
        count = engine.feed(len(text))
        ids = np.frombuffer(engine.read(engine.queue(), 2 * count), "<u2").astype(np.int64)
        while engine.pending():
            engine.step()
        assert digest(engine) == digests(reference.forward(ids[None])[0])[-1], text


@pytest.mark.parametrize("dim", [192, 130, 320])
def test_the_largest_sums(dim):
    """All of q is 127 or -127 and no weight is 0: a table's sums and a row's sums take the largest values there are."""
    model = tiny_model(dim=dim, layers=1, hidden=210, vocab=500)
    random = np.random.default_rng(dim)
    for name, tensor in model.tensors.items():
        if name in ("norm_in", "blocks.0.norm_mix"):
            tensor[:] = 1
        elif hasattr(tensor, "weight"):
            tensor.weight[:] = random.choice([-1, 1], tensor.weight.shape) * (4 if name == "embedding" else 1)
    rows = model.tensors["blocks.0.mix_in"].weight
    rows[: dim // 2] = 1  # against tokens of all 4 and all -4: every group's sum is the largest
    model.tensors["embedding"].weight[97] = 4
    model.tensors["embedding"].weight[98] = -4
    engine = EngineModule()
    engine.load(encode_model(model))
    tokens = [model.dimensions.vocab - 1, 97, 98, 98, 97, 97, 98]
    expected = digests(Reference(model).forward(np.array([tokens]))[0])
    for token, digest_of_token in zip(tokens, expected):
        engine.run(token)
        assert digest(engine) == digest_of_token
    engine.reset()
    engine.write(engine.text_buffer(), b"a b b a a b")
    count = engine.feed(11)
    ids = np.frombuffer(engine.read(engine.queue(), 2 * count), "<u2").astype(np.int64)
    while engine.pending():
        engine.step()
    assert digest(engine) == digests(Reference(model).forward(ids[None])[0])[-1]
