"""A scout reads: train one on text, score it, let it write."""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, Optional

import numpy as np

from fable6c import native
from fable6c.data.bpe import TextTooSmall, train_tokenizer
from fable6c.data.text import grouped, normalize
from fable6c.errors import UserError
from fable6c.mixing.kinds import MAX_TOKENS, TIERS
from fable6c.mixing.scout import Scout
from fable6c.mixing.tree import grow_tree
from fable6c.model.tokenizer import Tokenizer, slices
from fable6c.progress import Progress

NEWLINE = 10  # the token that is the byte; it stands between documents
VOCAB = 4096  # of a tokenizer learned here, its end mark included
SAMPLE_CHARACTERS = 4_000_000  # the text's beginning, from which tokenizer and tree are learned
CHUNK_CHARACTERS = 1 << 20  # of text to encode at a time
CHUNK_TOKENS = 1 << 16  # to score between two signs of progress
MIN_TOKENS = 1000


def train(
    documents: Iterable[str],
    tier: str = "normal",
    memory: int = 1 << 30,
    threads: int = 2,
    tokenizer: Optional[Tokenizer] = None,
    progress: bool = True,
    note: Optional[Callable[[dict], None]] = None,
) -> tuple[Scout, dict]:
    """Read the documents, or pieces of them that end with a line, once and return the scout with figures of the reading:
    characters, tokens, bits.

    `note` is called with the figures so far, about once in CHUNK_CHARACTERS. The bits are honest: each token's are counted before
    it is learned. UserError for text that is too short.
    """
    lines = (line for document in documents for line in normalize(document).split("\n") if line)
    sample, characters = [], 0
    for line in lines:
        sample.append(line)
        characters += len(line) + 1
        if characters >= SAMPLE_CHARACTERS:
            break
    if tokenizer is None:
        try:
            tokenizer = train_tokenizer(sample, VOCAB, progress)
        except TextTooSmall as error:
            raise UserError(
                f"the text is too small for a vocabulary of {VOCAB} tokens, which a scout has: it gives {error.enough}; give more text, or --tokenizer"
            ) from None
    if tokenizer.vocab_size - 1 > MAX_TOKENS:
        raise UserError(f"the tokenizer has {tokenizer.vocab_size} tokens; a scout takes at most {MAX_TOKENS + 1}")
    start = _stream(tokenizer, sample)
    if len(start) < MIN_TOKENS:
        raise UserError(f"the text is too short: {len(start)} tokens; a scout needs at least {MIN_TOKENS}")
    scout = Scout(tokenizer, tier, memory, grow_tree(tokenizer, start, native.load("scout").lib.scout_vector(TIERS.index(tier))), threads)
    del start
    figures = {"characters": 0, "tokens": 0, "bits": 0.0}
    with Progress("reading", unit="characters", enabled=progress) as shown:
        for chunk in filter(None, grouped(itertools.chain(_drain(sample), lines), CHUNK_CHARACTERS)):
            length = sum(map(len, chunk)) + len(chunk)
            tokens = _stream(tokenizer, chunk)
            figures["bits"] += float(scout.probabilities_of(tokens)[0].sum())
            figures["tokens"] += len(tokens)
            figures["characters"] += length
            shown.add(length)
            if note:
                note(figures)
    return scout, figures


def evaluate(scout: Scout, documents: Iterable[str], chars: Optional[int] = None, learn: bool = True, progress: bool = True) -> dict:
    """Score a scout on documents, which it reads as one stream; `chars` is the number to divide by (those of the text if None).

    A newline stands between documents and is scored like any other token. With learn=False the scout is frozen.
    """
    started = time.process_time()
    bits, count = 0.0, 0
    characters = -1  # there is no newline before the first document

    def joined() -> Iterator[str]:
        nonlocal characters
        for document in documents:
            text = normalize(document)
            yield text if characters < 0 else "\n" + text
            characters += 1 + len(text)

    with Progress("scoring", None, "tokens", progress) as shown:
        for piece in _token_chunks(scout.tokenizer, joined()):
            bits += float(scout.probabilities_of(piece, learn)[0].sum())
            count += len(piece)
            shown.add(len(piece))
    chars = chars or characters
    return {
        "bits_per_char": bits / chars,
        "chars": chars,
        "tokens": count,
        "cpu_seconds": round(time.process_time() - started, 2),
    }


def generate(scout: Scout, prompt: Sequence[int], n: int, sampler: Any) -> Iterator[bytes]:
    """The bytes of n tokens after the prompt, chosen by a `reference.Sampler`. What is made is not learned."""
    scout.probabilities_of([NEWLINE, *prompt], learn=False)
    for _ in range(n):
        token = sampler.choose(scout.logits())
        scout.update(token, learn=False)
        yield scout.tokenizer.token_bytes[token]


def _drain(lines: list[str]) -> Iterator[str]:
    """The lines, forgotten one by one."""
    lines.reverse()
    while lines:
        yield lines.pop()


def _token_chunks(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[np.ndarray]:
    """The tokens of one text that comes in pieces, in chunks of CHUNK_TOKENS. The text is not kept."""
    text, tokens = "", np.zeros(0, np.uint16)
    for following in itertools.chain(texts, [None]):
        *whole, rest = slices(text + following) if following is not None else (text, "")
        # What the text ends with may be the beginning of a longer piece.
        text = rest
        for part in whole:
            tokens = np.concatenate([tokens, tokenizer.encode(part)])
            full = len(tokens) - len(tokens) % CHUNK_TOKENS
            yield from (tokens[start : start + CHUNK_TOKENS] for start in range(0, full, CHUNK_TOKENS))
            tokens = tokens[full:]
    if len(tokens):
        yield tokens


def _stream(tokenizer: Tokenizer, lines: Sequence[str]) -> np.ndarray:
    """The tokens of the lines, each by itself, uint16, a newline after each line."""
    newline = np.array([NEWLINE], np.uint16)
    return np.concatenate([part for ids in tokenizer.encode_documents(lines, 1) for part in (ids, newline)])
