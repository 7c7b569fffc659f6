"""How well a model predicts a text: bits per character, counted by the reference (docs/numerics.md) in NumPy.

    python -m fable6c.evaluate model.f6c --text valid.txt

The figure is the cross-entropy of all tokens in bits, divided by the text's characters. What is counted:

- Runs of newlines are one newline, and newlines at both ends of a document are dropped, before the text is cut into tokens.
- A text with lines `<|endoftext|>` is documents, each scored alone from a fresh state; any other text is one document, whose
  state runs through all of it. A document begins after the end mark.
- The end mark itself counts neither way: no probability is lost to it (its logit is left out of the softmax) and none is
  earned by predicting it at a document's end.
"""

import os

if __name__ == "__main__":
    # Before NumPy loads: products of this size gain little from OpenBLAS's threads, and lose tenfold where another process
    # needs the second core, because its threads wait for each other by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hashlib
import json
import re
import time
from typing import Iterable, Iterator, Optional, Sequence, Tuple

import numpy as np

from fable6c.data import read_documents
from fable6c.errors import ArgumentParser, UsageError, run
from fable6c.model_file import read_model
from fable6c.progress import Progress
from fable6c.reference import PIECE, Reference
from fable6c.tokenizer import END_OF_TEXT, Tokenizer


def normalise(document: str) -> str:
    """The document as it is scored: "a\\n\\nb\\n" gives "a\\nb"."""
    return re.sub(r"\n+", "\n", document).strip("\n")


def predictions(reference: Reference, tokens: Sequence[int], progress: Progress) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
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


def surprise(reference: Reference, tokens: Sequence[int], progress: Progress) -> float:
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
    documents = [normalise(document) for document in documents]
    tokens = Tokenizer(model.merges).encode_documents(documents)
    total = sum(map(len, tokens))
    chars = chars or sum(map(len, documents))
    reference = Reference(model)
    with Progress("scoring", total, "tokens", progress) as shown:
        bits = sum(surprise(reference, document, shown) for document in tokens)
    with open(path, "rb") as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    return {
        "bits_per_char": float(bits / chars),
        "chars": chars,
        "tokens": total,
        "seconds": round(time.monotonic() - started, 2),
        "model_sha256": sha256,
    }


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.evaluate",
        "Score a model on a text in bits per character. Runs of newlines count as one newline; documents may be separated by "
        f"lines {END_OF_TEXT}, which themselves are not scored.",
        "python -m fable6c.evaluate model.f6c --text valid.txt",
    )
    parser.add_argument("model", help="the model file (.f6c)")
    parser.add_argument("--text", required=True, metavar="FILE", help="UTF-8 text, or such a text packed as .zst")
    parser.add_argument(
        "--chars", type=int, metavar="N", help="divide by N characters (default: those of the text, its newlines normalised)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if options.chars is not None and options.chars < 1:
        raise UsageError(f"--chars {options.chars}: give a number above 0")
    result = evaluate(options.model, read_documents([options.text]), options.chars)
    if options.json:
        print(json.dumps(result))
        return
    print(f"bits per character  {result['bits_per_char']:.4f}")
    print(f"characters          {result['chars']:,} (runs of newlines counted as one; end marks not scored)")
    print(f"tokens              {result['tokens']:,}")
    print(f"seconds             {result['seconds']}")
    print(f"model sha256        {result['model_sha256']}")


if __name__ == "__main__":
    run(main)
