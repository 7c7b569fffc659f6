"""The model in NumPy: docs/numerics.md line by line, the yardstick whose bits the engine must give.

Vectorized over batch, time and channels only where that leaves the order of operations of every number unchanged.

    reference = Reference(read_model("model.f6c"))
    logits, state = reference.forward(np.array([[511, 7, 300]]))      # (1, 3, V)
    logits, state = reference.forward(np.array([[12]]), state)        # the next token of the same stream
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Optional, Union

import numpy as np

from fable6c.model.architecture import TENSORS
from fable6c.model.asking import HEADING_TOKEN, TEXT_TOKEN, Leaning
from fable6c.model.file import Matrix, Model
from fable6c.model.numerics import exp, f32, log, quantize, rmsnorm, sigmoid, total
from fable6c.model.sampling import Sampler, words_said
from fable6c.model.tokenizer import Tokenizer

LARGEST_EXPONENT = 40  # in the odds of copying
PIECE = 256  # tokens of a long text to feed at once: its arrays fit a CPU's caches


@dataclasses.dataclass
class Linear:
    """A ternary layer ready for use: weight (n, m) as float32, scale (1,) or (m,)."""

    weight: np.ndarray
    scale: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        q, s = quantize(x)
        # A float32 product is exact here, whatever order BLAS adds in: all partial sums are whole numbers below 2^24.
        y = q.reshape(-1, q.shape[-1]) @ self.weight
        y += f32(0)  # the integer 0 has no sign; some order of adding could leave -0
        y = y.reshape(x.shape[:-1] + y.shape[-1:])
        y *= s * self.scale
        return y


def linear(matrix: Matrix) -> Linear:
    return Linear(matrix.weight.T.astype(np.float32), matrix.scale)


def convolve(v: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Causal depthwise convolution. v (B, K-1+T, D) with the K-1 earlier values in front, taps (D, K): (B, T, D)."""
    K = taps.shape[1]
    T = v.shape[1] - (K - 1)
    c = taps[:, 0] * v[:, :T]
    for k in range(1, K):
        c += taps[:, k] * v[:, k : k + T]
    return c


def recur(c: np.ndarray, f: np.ndarray, h: np.ndarray) -> np.ndarray:
    """h[t] = c[t] + f[t]·(h[t-1] - c[t]). c, f (B, T, D), h (B, D) the memory before: all memories (B, T, D)."""
    memories = np.empty_like(c)
    for t in range(c.shape[1]):
        h = h - c[:, t]
        h *= f[:, t]
        h += c[:, t]
        memories[:, t] = h
    return memories


@dataclasses.dataclass
class Block:
    norm_mix: np.ndarray
    mix_in: Linear
    taps: np.ndarray
    forget_bias: np.ndarray
    mix_out: Linear
    norm_glu: np.ndarray
    glu_in: Linear
    glu_out: Linear


def mix_copies(
    logits: np.ndarray,
    query: np.ndarray,
    key: np.ndarray,
    following: np.ndarray,
    sentinel: np.ndarray,
    bias: np.ndarray,
    context: int,
    kept: int = 0,
) -> None:
    """Mix into the logits (T, V) of a stream's last T tokens what followed each earlier place. query (T, C); key (P+T, C), P of them from
    before; following (P+T-1) the tokens after all of these places but the last; sentinel (C,); bias (1,). The first `kept` places stay
    however long the text becomes."""
    T, C = query.shape
    before = len(key) - T
    own, score = bias[0] + query[:, 0] * sentinel[0], query[:, :1] * key[:, 0]
    for k in range(1, C):
        own += query[:, k] * sentinel[k]
        score += query[:, k : k + 1] * key[:, k]
    power = exp(np.minimum(score - own[:, None], f32(LARGEST_EXPONENT)))
    odds = np.zeros_like(logits)
    for t, here in enumerate(range(before, before + T)):
        first = max(kept, here - (context - 1 - kept))
        for places in (slice(0, min(kept, here)), slice(first, here)):
            np.add.at(odds[t], following[places], power[t, places])  # one after the other
    top = logits.max(axis=1, keepdims=True)
    e = exp(logits - top)
    copied = odds > 0
    mixture = odds * total(e)[:, None] + e
    logits[copied] = (top + log(mixture))[copied]


OPEN = -1  # a stream's header has begun


def _kept(tokens: np.ndarray, before: int, kept: int, context: int) -> int:
    """How many places a stream's header keeps after these tokens, `before` of which came earlier: those before its last mark, if they are
    less than half of the context. A header begins with a stream's second token (model/asking.py)."""
    start = max(0, 2 - before)
    if start > 0 and before + len(tokens) >= 2 and tokens[1 - before] == HEADING_TOKEN:
        kept = OPEN
    if kept != OPEN:
        return kept
    ends = np.flatnonzero(tokens[start:] == TEXT_TOKEN)
    places = before + start + int(ends[0]) if len(ends) else before + len(tokens)
    return 0 if places >= context // 2 else places if len(ends) else OPEN


@dataclasses.dataclass
class State:
    """What the model remembers of a batch of B streams: v (L, B, K-1, D), the last inputs of the convolutions, and h (L, B, D); where it
    copies, also the keys (B, P, C) of P < context places and the tokens (B, P-1) that followed all of these but the last; how many tokens a
    stream has had, and for each (B,) how many of the places its header keeps: OPEN while it is being read, 0 without one."""

    v: np.ndarray
    h: np.ndarray
    keys: np.ndarray
    following: np.ndarray
    length: int
    kept: np.ndarray


class Reference:
    """A model ready to run. `model` is kept; the weights are widened to float32 (four bytes each)."""

    def __init__(self, model: Model):
        self.model = model
        tensors: dict[str, Any] = {name: linear(t) if isinstance(t, Matrix) else t for name, t in model.tensors.items()}
        names = [field.name for field in dataclasses.fields(Block)]
        self.blocks = [Block(*(tensors[f"blocks.{layer}.{name}"] for name in names)) for layer in range(model.dimensions.layers)]
        embedding = model.tensors["embedding"]
        assert isinstance(embedding, Matrix)
        self.embedding = embedding
        self.norm_in: np.ndarray = tensors["norm_in"]
        self.norm_out: np.ndarray = tensors["norm_out"]
        self.head: Linear = tensors["head"]
        self.copying = {row.name: tensors[row.name] for row in TENSORS["copying"] if model.dimensions.copies}

    def fresh_state(self, batch: int) -> State:
        d = self.model.dimensions
        v = np.zeros((d.layers, batch, d.taps - 1, d.dim), np.float32)
        h = np.zeros((d.layers, batch, d.dim), np.float32)
        keys, following = np.zeros((batch, 0, d.copy_dim), np.float32), np.zeros((batch, 0), np.intp)
        return State(v, h, keys, following, 0, np.zeros(batch, np.intp))

    def forward(self, tokens: np.ndarray, state: Optional[State] = None) -> tuple[np.ndarray, State]:
        """Feed tokens (B, T) to streams in `state` (fresh if None): logits (B, T, V) and the new state; the old one is unchanged.

        T tokens at once give the same bits as T calls with one; memory is a few times B·T·(V + 6D + 4H) floats, and for copying
        T·(context + T), so feed a long text in pieces.
        """
        before = state or self.fresh_state(len(tokens))
        x, state = self._hidden(tokens, before)
        logits = self.head(rmsnorm(x, self.norm_out))
        if self.copying:
            C, context = self.model.dimensions.copy_dim, self.model.dimensions.context
            z = self.copying["copy_in"](rmsnorm(x, self.copying["norm_copy"]))
            sentinel, bias = self.copying["copy_sentinel"], self.copying["copy_bias"]
            keys = np.concatenate([before.keys, z[..., C:]], axis=1)
            following = np.concatenate([before.following, tokens[:, 0 if before.length else 1 :]], axis=1)
            dropped = max(0, keys.shape[1] - (context - 1))
            state.keys, state.following = keys[:, dropped:].copy(), following[:, dropped:].copy()
            state.length = before.length + tokens.shape[1]
            for b in range(len(tokens)):
                state.kept[b] = _kept(tokens[b], before.length, before.kept[b], context)
                kept = max(0, state.kept[b])
                mix_copies(logits[b], z[b, :, :C], keys[b], following[b], sentinel, bias, context, kept)
                state.keys[b, :kept], state.following[b, :kept] = keys[b, :kept], following[b, :kept]
        return logits, state

    def _hidden(self, tokens: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """The residual stream (B, T, D) before the last norm, and the new state without its tokens and keys."""
        D = self.model.dimensions.dim
        T = tokens.shape[1]
        new = self.fresh_state(len(tokens))
        x = rmsnorm(self.embedding.weight[tokens] * self.embedding.scale[tokens][..., None], self.norm_in)
        for layer, block in enumerate(self.blocks):
            u = block.mix_in(rmsnorm(x, block.norm_mix))
            v = np.concatenate([state.v[layer], u[..., :D]], axis=1)
            c = convolve(v, block.taps)
            f = sigmoid(u[..., D : 2 * D] + block.forget_bias)
            h = recur(c, f, state.h[layer])
            o = h * sigmoid(u[..., 2 * D :])
            x = x + block.mix_out(o)
            new.v[layer], new.h[layer] = v[:, T:], h[:, -1]

            u = block.glu_in(rmsnorm(x, block.norm_glu))
            H = u.shape[-1] // 2
            a, b = u[..., :H], u[..., H:]
            m = (a * sigmoid(a)) * b
            x = x + block.glu_out(m)
        return x, new


def generate(reference: Any, prompt: Union[Sequence[int], np.ndarray], n: int, sampler: Sampler) -> Iterator[tuple[int, bytes]]:
    """Tell a story with a Reference or a RoutedReference: feed the end mark and the prompt's tokens, then yield up to n new tokens, each with its bytes.

    Ends before n where the model makes the end mark (which is not yielded). The bytes of one token may end within a UTF-8
    character: join them, or use an incremental decoder.
    """
    end_mark = reference.model.dimensions.end_mark
    texts = Tokenizer(reference.model.merges).token_bytes
    leaning = Leaning(texts)
    history: list[int] = []
    fed: list[int] = [end_mark, *prompt]
    state = None
    for _ in range(n):
        for start in range(0, len(fed), PIECE):
            logits, state = reference.forward(np.array([fed[start : start + PIECE]]), state)
        history += fed
        for token in fed:
            leaning.read(token)
        token = leaning.choose(logits[0, -1], sampler, words_said(history, texts))
        if token == end_mark:
            return
        yield token, texts[token]
        fed = [token]
