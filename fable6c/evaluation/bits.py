"""How well a model predicts a text: bits per character, counted by the reference (docs/numerics.md) in NumPy.

The figure is the cross-entropy of all tokens in bits, divided by the text's characters. What is counted:

- Runs of newlines are one newline, and newlines at both ends of a document are dropped, before the text is cut into tokens.
- A text with end marks `<|endoftext|>` (data/text.py) is documents, each scored alone from a fresh state; any other text is one document, whose
  state runs through all of it. A document begins after the end mark.
- The end mark itself counts neither way: no probability is lost to it (its logit is left out of the softmax) and none is
  earned by predicting it at a document's end.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional, Union

import numpy as np

from fable6c.data.text import grouped, normalize
from fable6c.files import open_file
from fable6c.model.file import read_model
from fable6c.model.reference import PIECE
from fable6c.model.routing import AnyReference, open_reference
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress

GROUP_CHARACTERS = 1 << 25  # of documents to hold at a time


def predictions(
    reference: AnyReference, tokens: Union[Sequence[int], np.ndarray], progress: Progress
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What the model thinks before each token of one document, in pieces: logits (T, V - 1) float64, the largest of each row 0
    and the end mark's left out, and the T tokens that came."""
    before = end_mark = reference.model.dimensions.end_mark
    state: Any = None
    for start in range(0, len(tokens), PIECE):
        targets = np.asarray(tokens[start : start + PIECE], np.intp)
        inputs = np.concatenate([[before], targets[:-1]])
        before = targets[-1]
        logits, state = reference.forward(inputs[None], state)
        logits = logits[0, :, :end_mark].astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        yield logits, targets
        progress.add(len(logits))


def surprise(reference: AnyReference, tokens: Union[Sequence[int], np.ndarray], progress: Progress) -> float:
    """The bits that the tokens of one document cost, each given all before it."""
    nats = 0.0
    for logits, targets in predictions(reference, tokens, progress):
        hits = logits[np.arange(len(targets)), targets]
        nats += float((np.log(np.exp(logits, out=logits).sum(axis=1)) - hits).sum())
    return nats / np.log(2)


def evaluate(path: str, documents: Iterable[str], chars: Optional[int] = None, progress: bool = True) -> dict:
    """Score the model file at `path` on documents; `chars` is the number to divide by (the characters scored if None)."""
    started = time.monotonic()
    model = read_model(path)
    tokenizer, reference = Tokenizer(model.merges), open_reference(model)
    groups = grouped(map(normalize, documents), GROUP_CHARACTERS)
    group, following = next(groups), next(groups, None)
    tokens = tokenizer.encode_documents(group)
    # Of a long text the tokens are not known before it is read, and it is not kept.
    with Progress("scoring", None if following else sum(map(len, tokens)), "tokens", progress) as shown:
        bits, characters, total = 0.0, 0, 0
        while True:
            for document in tokens:
                bits += surprise(reference, document, shown)
            characters, total = characters + sum(map(len, group)), total + sum(map(len, tokens))
            if following is None:
                break
            group, following = following, next(groups, None)
            tokens = tokenizer.encode_documents(group)
    chars = chars or characters
    with open_file(path) as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    return {
        "bits_per_char": float(bits / chars),
        "chars": chars,
        "tokens": total,
        "seconds": round(time.monotonic() - started, 2),
        "model_sha256": sha256,
    }
