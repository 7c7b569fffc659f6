"""The engine's sampler against the reference's: the same tokens from the same logits, whatever the settings, ties included."""

import itertools

import numpy as np
import pytest

from engine_module import EngineModule
from fable6c.corpus import synth
from fable6c.data.bpe import train_tokenizer
from fable6c.model.file import encode_model
from fable6c.model.sampling import Sampler, words_said
from fable6c.model.tokenizer import Tokenizer
from tiny_models import tiny_model

END = -1


def model_of(kind):
    """Three kinds of logits: all different; many of them equal; all of them 0."""
    model = tiny_model(dim=40 if kind == "different" else 2, layers=1, hidden=4, taps=2, vocab=450, seed=3)
    model.tensors["norm_out"] *= np.float32(3)
    model.merges = train_tokenizer(itertools.islice(synth.stories(1), 300), 450, progress=False).merges
    head = model.tensors["head"]
    head.scale[:] = 0 if kind == "zero" else head.scale if kind == "different" else 1
    return model


class Teller:
    def __init__(self, model):
        self.engine = EngineModule()
        self.engine.load(encode_model(model))
        self.vocab = model.dimensions.vocab
        self.texts = Tokenizer(model.merges).token_bytes

    def logits(self):
        return np.frombuffer(self.engine.read(self.engine.logits(), 4 * self.vocab), "<f4")

    def begin(self, text):
        """Feeds a text from a fresh state; returns the tokens read."""
        engine = self.engine
        engine.reset()
        engine.write(engine.text_buffer(), text)
        count = engine.feed(len(text))
        history = np.frombuffer(engine.read(engine.queue(), 2 * count), "<u2").tolist()
        while engine.pending():
            engine.step()
        return history


@pytest.fixture(scope="module", params=["different", "equal", "zero"])
def teller(request):
    return Teller(model_of(request.param))


SETTINGS = list(
    itertools.product([0.0, 0.01, 0.7, 100.0], [0, 1, 2, 4, 40, 449, 450, 451, 4294967295], [1.0, 0.5, 0.25, 0.9, 1e-6], [0.0, 1.5, 10.0])
)


def test_every_setting(teller):
    history = teller.begin(b"There was one. Every day she said that a little friend came, asked with that little friend and said that")
    assert len(words_said(history, teller.texts)) == 7
    for number, (temperature, top_k, top_p, penalty) in enumerate(SETTINGS):
        assert teller.engine.sampling(temperature, top_k, top_p, penalty) == 0
        teller.engine.seed(number)
        reference = Sampler(temperature, top_k, top_p, penalty, number)
        for _ in range(3):
            expected = reference.choose(teller.logits(), words_said(history, teller.texts))
            size = teller.engine.step()
            if expected == teller.vocab - 1:
                assert size == END or teller.engine.step() == END
                history.append(expected)  # read in front of what follows
                assert teller.engine.step() == 0
            else:
                assert size >= 0 and teller.engine.token() == expected, (temperature, top_k, top_p, penalty)
                history.append(expected)


def test_the_logits_are_the_models_after_an_end(teller):
    """The penalty changes what is sampled, not what a host reads, even where no token follows."""
    engine = teller.engine
    engine.sampling(100.0, 0, 1.0, 10.0)
    ends = 0
    for seed in range(200):
        teller.begin(b"ab ab ab")
        before = teller.logits().copy()
        engine.seed(seed)
        for _ in range(20):
            size = engine.step()
            if size == END:
                ends += 1
                assert (teller.logits() == before).all()
                break
            before = teller.logits().copy()
    assert ends > 1


def test_feeding_before_the_end_is_told():
    """A story ends in half a character: U+FFFD comes out, then END would. A text fed in between begins with the mark all the same."""
    teller = Teller(model_of("different"))
    engine = teller.engine
    engine.sampling(100.0, 0, 1.0, 0.0)

    def tell_until_flushed(seed):
        """Takes steps up to the one that gives out what was held back, which is the one that reads no token. False at an END before."""
        engine.reset()
        engine.seed(seed)
        digest = None
        while True:
            size = engine.step()
            before, digest = digest, (engine.hash_low(), engine.hash_high())
            if digest == before or size == END:
                return size == 3

    seed = next(seed for seed in range(1000) if tell_until_flushed(seed))
    assert engine.read(engine.text_buffer(), 3) == "\ufffd".encode()
    assert engine.step() == END
    assert tell_until_flushed(seed)
    engine.write(engine.text_buffer(), b"a")
    assert engine.feed(1) == 2
    assert engine.read(engine.queue(), 2) == (teller.vocab - 1).to_bytes(2, "little")
    assert engine.step() == 0 and engine.pending() == 0
    assert engine.step() != END
