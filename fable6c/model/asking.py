"""Wishes: the header that a story may have, from which a model learns to tell what was asked for. docs/asking.md is the contract.

    \\x01Words: dragon, spoon, brave
    Name: Mia
    \\x02Once upon a time, …

The bytes are those of ASCII for it, start of heading and start of text, and no story has them. The fields come in any order, each at
most once, and any of them may be missing.
"""

import re
from collections.abc import Iterable, Mapping

import numpy as np

HEADING, TEXT = "\x01", "\x02"
HEADING_TOKEN, TEXT_TOKEN = 1, 2  # a byte's token has its number, and no merge has these bytes (fable6c/data/bpe.py)
FIELDS = ("Words", "Name", "Mood", "Talk", "Length", "Begins")
VALUES = {"Mood": ("happy", "sad"), "Talk": ("yes", "no"), "Length": ("short", "middle", "long")}
CARD_KEY = "asks"  # of a model's card: the fields that it takes, as in "Words Name Mood"
MAX_WORDS = 3
_WORD = re.compile(r"[A-Za-z](?:[A-Za-z'-]{0,18}[A-Za-z])")  # that one can ask for
_HEADER = re.compile(f"{HEADING}([^{HEADING}{TEXT}]*){TEXT}")


def write_header(fields: Mapping[str, str]) -> str:
    """The header of a story with these fields, in their order; "" without fields."""
    if not fields:
        return ""
    return HEADING + "".join(f"{name}: {value}\n" for name, value in fields.items()) + TEXT


def split_header(document: str) -> tuple[dict[str, str], str]:
    """The fields of a document's header, none if it has none, and its story."""
    found = _HEADER.match(document)
    if not found:
        return {}, document
    lines = (line.partition(": ") for line in found[1].split("\n"))
    return {name: value for name, _, value in lines if name in FIELDS}, document[found.end() :]


def find_headers(tokens: np.ndarray, before: tuple[int, ...]) -> np.ndarray:
    """Where headers lie in tokens (T,): int64 (headers, 2), the places of both marks, that of an unfinished last one T - 1. A header follows
    one of the ids `before`, an end mark or what stands for it, or begins the tokens; marks elsewhere are text."""
    starts, ends = np.flatnonzero(tokens == HEADING_TOKEN), np.flatnonzero(tokens == TEXT_TOKEN)
    starts = starts[(starts == 0) | np.isin(tokens[starts - 1], before)]
    ends = np.append(ends, len(tokens) - 1)
    return np.stack([starts, ends[np.searchsorted(ends, starts)]], axis=1)


def is_word(text: str) -> bool:
    """Whether one can ask for this word: 2 to 20 letters of English, ' and - between them."""
    return _WORD.fullmatch(text) is not None


def is_form(asked: str, told: str) -> bool:
    """Whether a told word is the asked one or a form of it by its regular endings: `asengine/web/wish.js` has the same rule."""
    base, word = re.sub(r"([^s]{2})s$", r"\1", _plain(asked)), _plain(told)
    if not base or word in (base, _plain(asked)):
        return bool(base)
    stem, last = base[:-1], base[-1]
    if last == "e":
        return word.startswith(stem) and bool(re.fullmatch("es|ed|er|est|ing|ely|y", word[len(stem) :]))
    if last == "y":
        return word.startswith(stem) and bool(re.fullmatch("ys|yed|ying|ies|ied|ier|iest|ily", word[len(stem) :]))
    rest = word[len(base) :]
    return word.startswith(base) and bool(
        re.fullmatch("s|es|ed|er|est|ing|ly|y", rest) or (rest[:1] == last and re.fullmatch("ed|er|est|ing|y", rest[1:]))
    )


def _plain(word: str) -> str:
    word = re.sub("[\u2000-\u206f]", "", word.lower().replace("\u2019", "'"))  # quotation marks and dashes
    return re.sub(r"'s$", "", re.sub(r"^[^a-z0-9\u0080-\uffff]+|[^a-z0-9\u0080-\uffff]+$", "", word))


def words_missing(asked: Iterable[str], story: str) -> list[str]:
    """The asked words of which a story has no form."""
    told = set(re.split(r"[\s\u2014\u2013-]+", story))
    return [word for word in asked if not any(is_form(word, other) for other in told)]
