"""Figures about a text, computed in C (fable6c/_text.c): what the filters decide by and what the database keeps as quality.

words = Words("Once upon a time there was a fox.")
figures(words).words        # 8.0
words.grams(5)              # uint64 (4,): one hash for each run of five words
"""

from collections.abc import Iterable
from typing import NamedTuple, Union

import numpy as np

from fable6c import native

# The eight words of Gopher's stop word rule (Rae et al. 2021, arXiv:2112.11446, A1.1).
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")

# Function words that hardly another language writes the same way; in English prose a third to a half of all words are of these.
ENGLISH = frozenset(
    """a about after again all an and are as asked at away back be because been before but by came can come could day did do down
    for from get go good had has have he her him his i if in into is it just know like little long look made man me more my never
    no not now of off old on one or other our out over said saw see she so some that the their them then there they this time to
    told two up us very was way we well went were what when where which who will with would you your""".split()
)


class Figures(NamedTuple):
    """Counts of a text. A word is a run without white space; "bytes" are of UTF-8; a line is one that is not blank."""

    words: float
    word_bytes: float  # of all words
    letter_words: float  # words with at least one letter (every character that is not ASCII counts as one)
    common_words: float  # words that are in the language's list
    stop_words: float  # words that are among STOP_WORDS
    symbols: float  # "#", "..." and "…"
    braces: float  # "{" and "}"
    sentences: float  # ends of sentences: . ! ? before anything but a letter, a digit or itself
    lines: float
    bullets: float  # lines that begin with a bullet: * - •
    ellipses: float  # lines that end in an ellipsis
    repeated_lines: float  # lines that were there before
    repeated_line_bytes: float
    paragraphs: float
    repeated_paragraphs: float
    repeated_paragraph_bytes: float
    letters: float  # bytes of letters
    top_2: float  # bytes of the most frequent run of two words, all its occurrences together
    top_3: float
    top_4: float
    repeated_5: float  # bytes of the runs of five words that were there before
    repeated_6: float
    repeated_7: float
    repeated_8: float
    repeated_9: float
    repeated_10: float


class Words:
    """The words of a text: their hashes (upper and lower case and punctuation do not count) and sizes in bytes."""

    def __init__(self, text: Union[str, bytes]):
        self.data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        room = len(self.data) // 2 + 1
        self.hashes = np.empty(room, dtype=np.uint64)
        self.sizes = np.empty(room, dtype=np.uint32)
        count = native.load("text").call("text_words", self.hashes, self.sizes, self.data)
        self.hashes, self.sizes = self.hashes[:count], self.sizes[:count]

    def __len__(self) -> int:
        return len(self.hashes)

    def grams(self, width: int) -> np.ndarray:
        """One hash for each run of `width` words, uint64; of a text that is shorter, the one of all its words."""
        width = min(width, len(self.hashes))
        grams = np.empty(len(self.hashes), dtype=np.uint64)
        return grams[: native.load("text").call("text_grams", grams, self.hashes, width)] if width else grams


class HashSet:
    """A set of 64-bit hashes that C looks into: 16 to 32 bytes for each."""

    def __init__(self, hashes: np.ndarray):
        hashes = np.ascontiguousarray(hashes, dtype=np.uint64)
        self.places = np.zeros(_places(len(hashes)), dtype=np.uint64)
        native.load("text").call("text_set_add", self.places, hashes)

    def count(self, hashes: np.ndarray) -> int:
        """How many of the hashes are in the set."""
        return native.load("text").call("text_set_count", self.places, hashes)


def word_set(words: Iterable[str]) -> HashSet:
    return HashSet(Words(" ".join(words)).hashes)


class Measure:
    """Computes Figures; holds the scratch memory, which grows to what the longest text needs and is used again."""

    def __init__(self, common: frozenset[str] = ENGLISH):
        self.common = word_set(common)
        self.stop = Words(" ".join(STOP_WORDS)).hashes.copy()
        self.out = np.empty(len(Figures._fields))
        self._make_scratch(1 << 12)

    def __call__(self, words: Words) -> Figures:
        places = _places(max(len(words), words.data.count(b"\n") + 1))
        if places > self.places:
            self._make_scratch(places)
        native.load("text").call("text_figures", self.out, words.data, words.hashes, words.sizes, self.c, places)
        return Figures._make(self.out.tolist())

    def _make_scratch(self, places: int) -> None:
        self.places = places
        scratch = {"gram": np.empty(places, np.uint64), "set": np.empty(places, np.uint64), "times": np.empty(places, np.uint32)}
        self.c = native.load("text").struct("text_measure", common=self.common.places, stop=self.stop, **scratch)


def figures(words: Words) -> Figures:
    """The figures of one text; for many, keep a Measure."""
    return Measure()(words)


def _places(count: int) -> int:
    return 1 << max(6, (2 * count).bit_length())
