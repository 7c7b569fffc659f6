"""How the next token is chosen: docs/numerics.md, "Sampling"."""

import re
from collections.abc import Sequence

import numpy as np

from fable6c.model.numerics import exp, f32

TEMPERATURE, TOP_K, PENALTY = 0.8, 40, 2.5  # by default in every host
SENTENCE_WINDOW = 64  # tokens back in which a word counts as said
SENTENCE_END = re.compile(rb"[.!?\x00-\x1f]")  # in a token: the sentence ends
WORD = re.compile(rb" (?:[A-Za-z]{4,}|[A-Z][A-Za-z]+)")  # the first letters of a word: four at least, or of a name two


class Random:
    """xoshiro128++ (Blackman and Vigna 2019) on u32 words, seeded by splitmix32."""

    def __init__(self, seed: int):
        self.words = []
        for _ in range(4):
            seed = (seed + 0x9E3779B9) & 0xFFFFFFFF
            z = seed
            z = (z ^ z >> 16) * 0x85EBCA6B & 0xFFFFFFFF
            z = (z ^ z >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
            self.words.append(z ^ z >> 16)

    def next(self) -> int:
        a, b, c, d = self.words
        result = (_rotate(a + d & 0xFFFFFFFF, 7) + a) & 0xFFFFFFFF
        t = b << 9 & 0xFFFFFFFF
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= t
        self.words = [a, b, c, _rotate(d, 11)]
        return result

    def uniform(self) -> np.float32:
        """A number in [0, 1), a multiple of 2^-24."""
        return f32(self.next() >> 8) * f32(2.0**-24)


def _rotate(x: int, k: int) -> int:
    return (x << k | x >> 32 - k) & 0xFFFFFFFF


def closes(text: bytes) -> bool:
    """Whether a sentence ends with a token of these bytes."""
    return not text or SENTENCE_END.search(text) is not None


def words_said(history: Sequence[int], texts: Sequence[bytes]) -> list[int]:
    """The tokens of the words that the last sentence of `history` has, the last one first. `texts` are the bytes of each token."""
    said: list[int] = []
    for token in history[: -SENTENCE_WINDOW - 1 : -1]:
        text = texts[token]
        if closes(text):
            break
        if WORD.fullmatch(text) and token not in said:
            said.append(token)
    return said


class Sampler:
    """Chooses tokens. temperature 0 = the likeliest; top_k 0 = all; top_p 1 = off; penalty 0 = off; seed u32."""

    def __init__(self, temperature: float = 0.0, top_k: int = 0, top_p: float = 1.0, penalty: float = 0.0, seed: int = 1):
        self.temperature, self.top_k = f32(temperature), top_k
        self.top_p, self.penalty = f32(top_p), f32(penalty)
        self.random = Random(seed)

    @classmethod
    def by_default(cls, seed: int) -> "Sampler":
        """As every host tells unless it is asked otherwise."""
        return cls(TEMPERATURE, TOP_K, penalty=PENALTY, seed=seed)

    def choose(self, logits: np.ndarray, said: Sequence[int] = ()) -> int:
        """The next token from logits (V,). `said`: the tokens that the penalty makes less likely, each once."""
        if said:
            logits = logits.copy()
            logits[said] -= self.penalty
        if self.temperature == 0:
            return int(np.argmax(logits))  # the first of several
        order = np.argsort(f32(0) - logits, kind="stable")
        if self.top_k:
            order = order[: self.top_k]
        kept = logits[order]
        e = exp((kept - kept[0]) * (f32(1) / self.temperature))
        sums = np.cumsum(e)  # float32, one after the other
        if self.top_p != 1:
            sums = sums[: np.argmax(sums >= self.top_p * sums[-1]) + 1]
        target = self.random.uniform() * sums[-1]
        return int(order[min(np.searchsorted(sums, target, side="right"), len(sums) - 1)])
