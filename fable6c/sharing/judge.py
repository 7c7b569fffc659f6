"""What a stranger's model does on a private text, looked at in a process of its own: `python -m fable6c.sharing.judge`, which only trust.py starts.

It bounds its own memory and processor time before it opens the model, reads one request from standard input, and answers with one line of JSON.
"""

import json
import math
import os
import sys

if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy loads: each thread would take memory of its own

from collections.abc import Sequence
from typing import Any

import numpy as np

from fable6c.errors import UserError
from fable6c.evaluation.bits import predictions
from fable6c.model.file import Matrix, Model, decode_model, read_bytes
from fable6c.model.routing import open_reference
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress

SEEN_BEFORE = 8  # tokens: a run that begins with so many that stand earlier in the document is copied, not remembered


def limit(memory: int, seconds: int) -> None:
    """Bound this process: bytes of address space, seconds of processor time; and no files, no cores, no other processes' descriptors."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock remains
        return
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))


def look(model: Model, documents: Sequence[str]) -> dict:
    """{"bits", "remembered", "tokens"}: for each document the bits that it costs, its longest remembered run, its tokens; and {"dead"}, see `dead`."""
    tokenizer, reference, silent = Tokenizer(model.merges), open_reference(model), Progress("", enabled=False)
    found: dict[str, Any] = {"bits": [], "remembered": [], "tokens": [], "dead": dead(model)}
    for tokens in tokenizer.encode_documents(list(documents)):
        nats, right = 0.0, []
        for logits, targets in predictions(reference, tokens, silent):
            hits = logits[np.arange(len(targets)), targets]
            right.append(logits.argmax(axis=1) == targets)
            nats += float((np.log(np.exp(logits, out=logits).sum(axis=1)) - hits).sum())
        found["bits"].append(nats / math.log(2))
        found["tokens"].append(len(tokens))
        found["remembered"].append(longest_remembered(np.asarray(tokens), np.concatenate(right)) if right else 0)
    return found


def longest_remembered(tokens: np.ndarray, right: np.ndarray) -> int:
    """The longest run of tokens that the model would tell by itself, each the likeliest after those before it (Carlini et al. 2021, by prompting), and
    that it cannot have copied from earlier in the document. tokens (T,), right bool (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], right.astype(np.int8), [0]])))
    longest = 0
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist()):
        if end - start > longest and not _stands_before(tokens, start):
            longest = end - start
    return longest


def _stands_before(tokens: np.ndarray, start: int) -> bool:
    first = tokens[start : start + SEEN_BEFORE]
    if start < len(first) or len(first) < SEEN_BEFORE:
        return False
    windows = np.lib.stride_tricks.sliding_window_view(tokens[: start + SEEN_BEFORE - 1], SEEN_BEFORE)
    return bool((windows == first).all(axis=1).any())


def dead(model: Model) -> float:
    """The largest share of rows or columns of one of its ternary matrices that are zero in every weight: what nothing passes through."""
    worst = 0.0
    for tensor in model.tensors.values():
        if isinstance(tensor, Matrix):
            used = (tensor.weight != 0) & (tensor.scale[:, None] != 0 if len(tensor.scale) > 1 else bool(tensor.scale[0]))
            worst = max(worst, 1 - float(used.any(axis=1).mean()), 1 - float(used.any(axis=0).mean()))
    return worst


def main() -> int:
    request = json.loads(sys.stdin.read())
    limit(request["memory"], request["seconds"])
    try:
        answer = look(decode_model(read_bytes(request["model"], request["memory"]), request["memory"]), request["documents"])
    except UserError as error:
        answer = {"refused": str(error)}
    except MemoryError:
        answer = {"refused": "it needs more memory than --memory allows"}
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
