"""How well a model predicts a text: bits per character, counted by the reference (docs/numerics.md) in NumPy.

The figure is the cross-entropy of all tokens in bits, divided by the text's characters. What is counted:

- Runs of newlines are one newline, and newlines at both ends of a document are dropped, before the text is cut into tokens.
- A text with lines `<|endoftext|>` is documents, each scored alone from a fresh state; any other text is one document, whose
  state runs through all of it. A document begins after the end mark.
- The end mark itself counts neither way: no probability is lost to it (its logit is left out of the softmax) and none is
  earned by predicting it at a document's end.
"""

import hashlib
import time
from typing import Iterable, Iterator, Optional, Sequence, Tuple, Union

import numpy as np

from fable6c.data.text import normalize
from fable6c.files import open_file
from fable6c.model.file import read_model
from fable6c.model.reference import PIECE, Reference
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress


def predictions(reference: Reference, tokens: Union[Sequence[int], np.ndarray], progress: Progress) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """What the model thinks before each token of one document, in pieces: logits (T, V - 1) float64, the largest of each row 0
    and the end mark's left out, and the T tokens that came."""
    end_mark = reference.model.dimensions.end_mark
    inputs = np.concatenate([[end_mark], tokens[:-1]]).astype(np.intp)
    state = None
    for start in range(0, len(tokens), PIECE):
        logits, state = reference.forward(inputs[None, start : start + PIECE], state)
        logits = logits[0, :, :end_mark].astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        yield logits, np.asarray(tokens[start : start + PIECE], np.intp)
        progress.add(len(logits))


def surprise(reference: Reference, tokens: Union[Sequence[int], np.ndarray], progress: Progress) -> float:
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
    documents = [normalize(document) for document in documents]
    tokens = Tokenizer(model.merges).encode_documents(documents)
    total = sum(map(len, tokens))
    chars = chars or sum(map(len, documents))
    reference = Reference(model)
    with Progress("scoring", total, "tokens", progress) as shown:
        bits = sum(surprise(reference, document, shown) for document in tokens)
    with open_file(path) as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    return {
        "bits_per_char": float(bits / chars),
        "chars": chars,
        "tokens": total,
        "seconds": round(time.monotonic() - started, 2),
        "model_sha256": sha256,
    }
