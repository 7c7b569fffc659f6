"""Bits per character of texts: as one stream, by stories, and by the protocol of FlashLM's script.

    stream    the whole text once, from one beginning; what came before helps
    stories   each document alone from an empty context, every token counted
    flashlm   the same, but a story's first token is free, and a story is cut after 257 tokens of GPT-2 while all its characters count:
              how FlashLM v4's 0.8798 and TinyStories-1M's 0.6182 were counted. For valid500 only, whose cuts are kept as numbers.

Newlines are normalized as in `fable6c.evaluate`; valid500 is divided by its 405,081 characters with blank lines. The interval is
over documents; a text without end marks is divided into parts of about 2,000 characters for it, and has no stories.
"""

import hashlib
import importlib.resources
import json
import re
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from fable6c.data.text import normalize, read_documents
from fable6c.errors import UsageError, UserError
from fable6c.evaluation.predictors import Predictor
from fable6c.evaluation.statistics import ratio
from fable6c.evaluation.tasks import Asked
from fable6c.files import file_sha256

NAME, TITLE = "prediction", "Predicting text"
PROTOCOLS = ("stream", "stories", "flashlm")
PART_CHARACTERS = 2000
QUICK_DOCUMENTS = 60
MAX_CHARACTERS = 50_000_000  # of a text: its bits are held, token by token


def run(asked: Asked) -> dict:
    if not asked.texts:
        return {"skipped": "no text was given (--text FILE)"}
    return {"texts": [score(asked.predictor, path, asked.protocols, asked.quick, asked.progress) for path in asked.texts]}


def score(predictor: Predictor, path: str, protocols: Sequence[str] = (), quick: bool = False, progress: bool = False) -> dict:
    """The figures of one text by the protocols (all that it allows if none is named). UsageError for one that it does not allow."""
    stories = stories_of(path)
    known = [name for name in PROTOCOLS if name == "stream" or stories.divided and (name == "stories" or stories.cuts is not None)]
    for name in protocols:
        if name not in known:
            reason = "its stories' cuts by GPT-2's tokens are known for valid500 only" if name == "flashlm" else "it has no end marks"
            raise UsageError(f"{path}: cannot be scored by the protocol {name} ({reason}); leave --protocol {name} out")
    texts, chars, cuts = stories.texts, stories.chars, stories.cuts
    if quick:
        texts, chars, cuts = texts[:QUICK_DOCUMENTS], chars[:QUICK_DOCUMENTS], cuts and cuts[:QUICK_DOCUMENTS]
    tokens = [predictor.tokenizer.encode(text) for text in texts]
    figures: dict[str, Any] = {
        "text": re.split(r"[/\\]", path)[-1],
        "sha256": stories.sha256,
        "documents": len(texts) if stories.divided else 1,
        "chars": sum(chars),
        "tokens": sum(map(len, tokens)),
    }
    wanted = [name for name in known if name in protocols or not protocols]
    if "stream" in wanted:
        figures["stream"] = ratio(_stream(predictor, texts, "\n" if stories.divided else "", progress), chars)
    if wanted != ["stream"]:
        bits = predictor.alone(tokens, progress)
        if "stories" in wanted:
            figures["stories"] = ratio([float(row.sum()) for row in bits], chars)
        if "flashlm" in wanted:
            assert cuts is not None
            counted = [_counted(predictor, ids, row, cut) for ids, row, cut in zip(tokens, bits, cuts)]
            figures["flashlm"] = ratio(counted, chars)
    return figures


class Stories:
    """A text in documents (texts), with what each is divided by (chars) and, for valid500, where GPT-2's 257 tokens end (cuts, 0: not before
    the story does). divided: whether the documents are stories, not parts of one."""

    def __init__(self, texts: list[str], chars: list[int], cuts: Optional[list[int]], divided: bool, sha256: str):
        self.texts, self.chars, self.cuts, self.divided, self.sha256 = texts, chars, cuts, divided, sha256


def stories_of(path: str) -> Stories:
    documents, characters = [], 0
    for document in read_documents([path]):
        documents.append(document)
        characters += len(document)
        if characters > MAX_CHARACTERS:
            raise UserError(f"{path}: more than {MAX_CHARACTERS:,} characters, which the suite does not score; give a part of it")
    sha256 = file_sha256(path)
    known = json.loads(importlib.resources.files("fable6c.evaluation").joinpath("valid500.json").read_text(encoding="ascii"))
    if len(documents) == 1 and hashlib.sha256(documents[0].encode("utf-8")).hexdigest() == known["text_sha256"]:
        starts = known["starts"]
        originals = [documents[0][a:b].strip("\n") for a, b in zip(starts, [*starts[1:], len(documents[0])])]
        return Stories([normalize(text) for text in originals], [len(text) for text in originals], known["cuts"], True, sha256)
    texts = [normalize(document) for document in documents]
    if len(texts) == 1:
        parts = parts_of(texts[0])
        return Stories(parts, [len(part) for part in parts], None, False, sha256)
    return Stories(texts, [len(text) for text in texts], None, True, sha256)


def parts_of(text: str) -> list[str]:
    """The text in parts of whole lines with at least PART_CHARACTERS; joined they are the text."""
    parts, part = [], ""
    for line in text.splitlines(keepends=True):
        part += line
        if len(part) >= PART_CHARACTERS:
            parts.append(part)
            part = ""
    return [*parts, part] if part else parts


def _stream(predictor: Predictor, texts: Sequence[str], between: str, progress: bool) -> list[float]:
    """The bits of each document in one stream; a token counts for the document in which it begins, a separator for the one before."""
    tokens = predictor.tokenizer.encode(between.join(texts))
    bits = predictor.stream(tokens, progress)
    sizes = [len(predictor.tokenizer.token_bytes[token]) for token in tokens.tolist()]
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if sizes else np.zeros(0)
    ends = np.cumsum([len((text + between).encode("utf-8")) for text in texts])
    return np.bincount(np.searchsorted(ends, begins, side="right"), weights=bits, minlength=len(texts)).tolist()


def _counted(predictor: Predictor, tokens: np.ndarray, bits: np.ndarray, cut: int) -> float:
    """The bits of a story's tokens but the first, up to the one that begins at the cut (characters, 0: none)."""
    if not cut:
        return float(bits[1:].sum())
    text = predictor.tokenizer.decode(tokens.tolist()).decode("utf-8")
    end = len(text[:cut].encode("utf-8"))
    sizes = [len(predictor.tokenizer.token_bytes[token]) for token in tokens.tolist()]
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return float(bits[1:][begins[1:] < end].sum())
