"""Wishes: the header that a story may have, from which a model learns to tell what was asked for. docs/asking.md is the contract.

    \\x01Words: dragon dragon, spoon spoon, brave brave
    Name: Mia
    \\x02Once upon a time, …

The bytes are those of ASCII for it, start of heading and start of text, and no story has them. The fields come in any order, each at
most once, and any of them may be missing. A word stands twice, because copying finds a place by what stands before it: the second time
that is the word itself.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

import numpy as np

from fable6c.model.numerics import f32
from fable6c.model.sampling import Sampler, closes

HEADING, TEXT = "\x01", "\x02"
HEADING_TOKEN, TEXT_TOKEN = 1, 2  # a byte's token has its number, and no merge has these bytes (fable6c/data/bpe.py)
FIELDS = ("Words", "Name", "Mood", "Talk", "Length", "Begins")
VALUES = {"Mood": ("happy", "sad"), "Talk": ("yes", "no"), "Length": ("short", "middle", "long")}
CARD_KEY = "asks"  # of a model's card: the fields that it takes, as in "Words Name Mood"
MAX_WORDS = 3
MAX_WISHES, MAX_WISH_TOKENS = 4, 23  # to lean towards: three words and a name, each of so many tokens
# How much likelier the likeliest token may be, in nats, than one that is missing and comes instead: at first, and more with each token that
# one is waited for. For words it is half of that in the first half of a story, then twice that, as for the end.
LEAST_GAP, GAP_GROWTH = 2.0, 0.0625
HAPPY, SAD = b" happy", b" sad"  # the tokens that say a mood
MOOD_HURRY = 2  # so many times as fast grows what is allowed for them: until they come, a story that has ended goes on
NEVER = -1e30  # the logit of a token that is not to be drawn
MANY, LATE = 400, 150
# Words before which a story does not end, and from which it leans to its end, by the first letter of its Length.
LEANED_LENGTHS = {b"s": (0, 70), b"m": (120, LATE), b"l": (190, MANY)}
ENDINGS = (b"s", b"es", b"d", b"ed", b"ing", b"ly")  # that a word may get
QUOTE = ord('"')  # its token
QUOTES = (b'"', "\u201c".encode())
MAX_SPEECH = 64  # tokens that have one of these
_WORD = re.compile(r"[A-Za-z](?:[A-Za-z'-]{0,18}[A-Za-z])")  # that one can ask for
_HEADER = re.compile(f"{HEADING}([^{HEADING}{TEXT}]*){TEXT}")


def write_header(fields: Mapping[str, str]) -> str:
    """The header of a story with these fields, in their order; "" without fields."""
    if not fields:
        return ""
    lines = (f"{name}: {_twice(value) if name == 'Words' else value}\n" for name, value in fields.items())
    return HEADING + "".join(lines) + TEXT


def _twice(words: str) -> str:
    return ", ".join(f"{word} {word}" for word in words.split(", "))


def _once(words: str) -> str:
    return ", ".join(word.partition(" ")[0] for word in words.split(", "))


def split_header(document: str) -> tuple[dict[str, str], str]:
    """The fields of a document's header, none if it has none, and its story."""
    found = _HEADER.match(document)
    if not found:
        return {}, document
    lines = (line.partition(": ") for line in found[1].split("\n"))
    return {name: _once(value) if name == "Words" else value for name, _, value in lines if name in FIELDS}, document[found.end() :]


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


def _is_part(byte: int) -> bool:
    return chr(byte).isascii() and chr(byte).isalpha() or byte in b"'-"


def words_missing(asked: Iterable[str], story: str) -> list[str]:
    """The asked words of which a story has no form."""
    told = set(re.split(r"[\s\u2014\u2013]+", story))
    told.update(part for word in list(told) for part in word.split("-"))
    return [word for word in asked if not any(is_form(word, other) for other in told)]


class Leaning:
    """Leans a story towards what its header asks for, which models forget: docs/numerics.md, "Leaning".

    texts   the bytes of each token of the vocabulary, the end mark last
    """

    def __init__(self, texts: Sequence[bytes]):
        self._texts = texts
        self._read = 0  # tokens of the text
        self._in_header = False
        self._leans = False  # a header has been read, and its story has not ended
        self._field: Optional[bytes] = (
            None  # the first letter of the line's field, empty once nothing more is wanted of it; None where a line begins
        )
        self._colon = False  # the line's colon has been read
        self._word: list[int] = []  # of the header, not yet whole
        self._missing: list[list[int]] = []  # the tokens of each word that has not come
        self._talk: Optional[bool] = None
        self._mood = b""  # HAPPY or SAD, as the story is to end
        self._felt = b""  # which of both the story has said last
        self._mood_due = False  # the story would have ended, and did not fit its mood
        self._closed = False  # the last token may end a sentence
        self._low, self._high = 0, MANY  # words between which the story may end
        self._words = 0  # of the story
        self._came = False  # with the last token a word came that was missing
        self._since = 0  # tokens since something came that was missing, or the story became long enough
        self._tail: list[int] = []
        self._forced: list[int] = []  # tokens that finish a word
        self._inner = [token for token, text in enumerate(texts) if text[:1].isalpha() and text not in ENDINGS]
        self._lines = [token for token, text in enumerate(texts) if re.match(rb"[\nA-Z]", text)]
        self._speech = [token for token, text in enumerate(texts) if any(quote in text for quote in QUOTES)][:MAX_SPEECH]

    def read(self, token: int) -> None:
        """Take notice of the next token of the text, fed or made. The first is the end mark before it."""
        self._read += 1
        if self._read == 2:
            self._in_header = token == HEADING_TOKEN
        elif self._in_header:
            self._read_header(token)
        elif self._leans:
            self._read_story(token)

    def _read_header(self, token: int) -> None:
        text = self._texts[token]
        if token == TEXT_TOKEN or not text:
            self._close_word()
            if self._mood not in self._texts:  # no token for it: it is left to the model
                self._mood = b""
            self._in_header, self._leans = False, bool(text)
        elif text[:1] == b"\n":
            self._close_word()
            self._field = None
        elif self._field is None:
            self._field, self._colon = text[:1], False
        elif self._field in (b"W", b"N"):
            part = _is_part(text[0])
            if not part:
                self._close_word()
            if text[:1] == b" " or (part and self._word):
                self._word.append(token)
        elif not self._colon:
            self._colon = text[:1] == b":"
        elif text != b" ":
            value = text[1:2] if text[:1] == b" " else text[:1]
            if self._field == b"T":
                self._talk = {b"y": True, b"n": False}.get(value)
            elif self._field == b"M":
                self._mood = {b"h": HAPPY, b"s": SAD}.get(value, b"")
            elif self._field == b"L":
                self._low, self._high = LEANED_LENGTHS.get(value, (0, MANY))
            self._field = b""

    def _close_word(self) -> None:
        word, self._word = self._word, []
        if 0 < len(word) <= MAX_WISH_TOKENS and len(self._missing) < MAX_WISHES and word not in self._missing:
            self._missing.append(word)

    def _read_story(self, token: int) -> None:
        self._leans = bool(self._texts[token])
        self._since += 1
        self._tail = [*self._tail[1 - MAX_WISH_TOKENS :], token]
        left = [word for word in self._missing if self._tail[-len(word) :] != word]
        self._came = len(left) < len(self._missing)
        if self._came:
            self._missing, self._since = left, 0
        if self._talk and token in self._speech:
            self._talk, self._since = None, 0
        text = self._texts[token]
        self._felt = HAPPY if text in (HAPPY, b" happily") else SAD if text == SAD else self._felt
        self._closed = closes(text)
        if text[:1] == b" ":
            self._words += 1
            if self._words == self._high:
                self._since = 0

    def choose(self, logits: np.ndarray, sampler: Sampler, said: Sequence[int] = ()) -> int:
        """The next token, from logits (V,): one of what is missing, or the sampler's. `said` as Sampler.choose takes it."""
        if not self._leans:
            return sampler.choose(logits, said)
        if self._forced:
            return self._forced.pop(0)
        wanted = [*self._missing, *([[QUOTE]] if self._talk else [])]
        fits = (
            self._felt == SAD if self._mood == SAD else not self._mood or self._felt != SAD
        )  # nine stories of ten end happily by themselves
        may_end = not wanted and self._words >= self._low
        end_is_near = logits.max() - logits[-1] <= f32(LEAST_GAP)
        if may_end and not fits and not self._mood_due and (self._words >= self._high or end_is_near):
            self._mood_due, self._since = True, 0
        weights = [2.0 if self._words < min(self._high, LATE) // 2 else 0.5] * len(self._missing) + [
            1.0
        ]  # while there is time, more is asked of a word's place
        if not wanted and (self._words >= self._high or self._mood_due):
            if not fits:
                wanted, weights = [[self._texts.index(self._mood)]], [0.75]
            elif self._closed or not self._mood_due:
                wanted, weights = [[len(self._texts) - 1]], [0.5]
        if wanted:
            gaps = [f32(weight) * (logits.max() - logits[tokens[0]]) for weight, tokens in zip(weights, wanted)]
            nearest = int(np.argmin(gaps))
            if gaps[nearest] <= f32(LEAST_GAP) + f32(GAP_GROWTH) * f32(MOOD_HURRY * self._since if self._mood_due else self._since):
                token, *self._forced = wanted[nearest]
                return token
        logits = logits.copy()
        if not may_end or not fits:
            if end_is_near:  # where a story would end and may not, a new line or a capital would begin another story
                logits[self._lines] = NEVER
            logits[-1] = NEVER
        if self._talk is False:
            logits[self._speech] = NEVER
        if self._came:
            logits[self._inner] = NEVER
        return sampler.choose(logits, said)
