"""Filters: why a document is not kept. Each is a named rule with its source; docs/data.md has the table.

Sources: Gopher is Rae et al. 2021 (arXiv:2112.11446), appendix A.1.1; C4 is Raffel et al. 2020 (arXiv:1910.10683), section 2.2.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Callable, NamedTuple

from fable6c.corpus.measure import Figures
from fable6c.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Settings:
    """All thresholds and switches of the cleanser: the keys of its TOML file. A share is of 0 to 1."""

    off: Sequence[str] = ()  # names of repairs and rules that are not applied
    on: Sequence[str] = ()  # names of rules that are applied although they are off by default
    # reading
    text_field: str = "text"  # of JSONL and Parquet
    document_bytes: int = 4_000_000  # a longer document is read in parts of this size
    chunk_characters: int = 16_384  # a longer document is written in chunks of at most this, cut at paragraphs
    # rules
    words_least: int = 20  # Gopher: 50; a story for small children can be shorter
    words_most: int = 0  # Gopher: 100,000; 0: no limit, because whole books are wanted here
    word_length_least: float = 3.0
    word_length_most: float = 10.0
    symbols_most: float = 0.1  # for each word
    bullets_most: float = 0.9  # share of the lines
    ellipses_most: float = 0.3  # share of the lines
    letter_words_least: float = 0.8  # share of the words
    stop_words_least: int = 2
    common_words_least: float = 0.2  # share of the words
    letters_least: float = 0.6  # share of the bytes of words
    repeated_lines_most: float = 0.3
    repeated_line_bytes_most: float = 0.2
    repeated_paragraphs_most: float = 0.3
    repeated_paragraph_bytes_most: float = 0.2
    top_grams_most: Sequence[float] = (0.20, 0.18, 0.16)  # of 2, 3, 4 words: share of the bytes of words
    repeated_grams_most: Sequence[float] = (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)  # of 5 to 10 words
    repeated_grams_words: int = 10_000  # longer texts are not judged by repeated runs: a book may say a thing twice
    sentences_least: int = 3
    # duplicates
    shingle_words: int = 5
    similar_least: float = 0.8  # Jaccard similarity of the shingles from which two documents are near-duplicates
    bands: int = 20
    rows: int = 6
    # validation text
    overlap_words: int = 10
    overlap_most: float = 0.05  # share of a document's runs of `overlap_words` words that the validation text may have once, too,
    overlap_runs_most: int = 10  # and their number: ten runs of ten words are nineteen words in a row


class Rule(NamedTuple):
    """drops(figures, text, settings) is true for a document that is not kept."""

    name: str
    source: str
    says: str  # what is dropped, for the report
    drops: Callable[[Figures, str, Settings], bool]
    default: bool = True


_END_OF_LINE = re.compile(r"[.!?\"'”’»]\s*$")


def _terminal_share(text: str) -> float:
    """Share of the lines that end as a sentence does."""
    lines = [line for line in text.split("\n") if line.strip()]
    return sum(bool(_END_OF_LINE.search(line)) for line in lines) / max(1, len(lines))


def _repeated_grams(f: Figures, s: Settings) -> bool:
    if f.words > s.repeated_grams_words:
        return False
    repeated = (f.repeated_5, f.repeated_6, f.repeated_7, f.repeated_8, f.repeated_9, f.repeated_10)
    return any(amount > most * f.word_bytes for amount, most in zip(repeated, s.repeated_grams_most))


def _top_grams(f: Figures, s: Settings) -> bool:
    return any(amount > most * f.word_bytes for amount, most in zip((f.top_2, f.top_3, f.top_4), s.top_grams_most))


# In the order in which they are asked; a document is counted under the first that drops it.
RULES: list[Rule] = [
    Rule("too_short", "Gopher", "fewer words than words_least", lambda f, t, s: f.words < s.words_least),
    Rule("too_long", "Gopher", "more words than words_most (0: never)", lambda f, t, s: 0 < s.words_most < f.words),
    Rule("letters", "common practice", "letters are less than letters_least of what is not white space",
         lambda f, t, s: f.letters < s.letters_least * f.word_bytes),
    Rule("language", "share of function words", "words of the English list are less than common_words_least of all",
         lambda f, t, s: f.common_words < s.common_words_least * f.words),
    Rule("word_length", "Gopher", "the mean word is shorter or longer than word_length_least, word_length_most",
         lambda f, t, s: not s.word_length_least * f.words <= f.word_bytes <= s.word_length_most * f.words),
    Rule("symbols", "Gopher", "more # and ellipses for each word than symbols_most", lambda f, t, s: f.symbols > s.symbols_most * f.words),
    Rule("bullets", "Gopher", "more lines than bullets_most begin with a bullet", lambda f, t, s: f.bullets > s.bullets_most * f.lines),
    Rule("ellipses", "Gopher", "more lines than ellipses_most end in an ellipsis", lambda f, t, s: f.ellipses > s.ellipses_most * f.lines),
    Rule("letter_words", "Gopher", "fewer words than letter_words_least have a letter",
         lambda f, t, s: f.letter_words < s.letter_words_least * f.words),
    Rule("stop_words", "Gopher", "fewer than stop_words_least of: the be to of and that have with",
         lambda f, t, s: f.stop_words < s.stop_words_least),
    Rule("repeated_lines", "Gopher", "lines that were there before: repeated_lines_most or, in bytes, repeated_line_bytes_most",
         lambda f, t, s: f.repeated_lines > s.repeated_lines_most * f.lines
         or f.repeated_line_bytes > s.repeated_line_bytes_most * f.word_bytes),
    Rule("repeated_paragraphs", "Gopher", "the same for paragraphs",
         lambda f, t, s: f.repeated_paragraphs > s.repeated_paragraphs_most * f.paragraphs
         or f.repeated_paragraph_bytes > s.repeated_paragraph_bytes_most * f.word_bytes),
    Rule("top_grams", "Gopher", "the most frequent run of 2, 3 or 4 words takes more than top_grams_most",
         lambda f, t, s: _top_grams(f, s)),
    Rule("repeated_grams", "Gopher", "runs of 5 to 10 words that were there before take more than repeated_grams_most",
         lambda f, t, s: _repeated_grams(f, s)),
    Rule("sentences", "C4", "fewer sentences than sentences_least", lambda f, t, s: f.sentences < s.sentences_least),
    Rule("lorem_ipsum", "C4", "has the filler text “lorem ipsum”", lambda f, t, s: "orem ipsum" in t),
    Rule("braces", "C4", "has a curly brace, so it is code", lambda f, t, s: f.braces > 0, default=False),
    Rule("line_ends", "C4", "fewer than half of the lines end as a sentence does", lambda f, t, s: _terminal_share(t) < 0.5, default=False),
]  # fmt: skip


def chosen(settings: Settings, repairs: Sequence[str]) -> list[Rule]:
    """The rules that apply. UsageError for a name in `on` or `off` that is neither a rule nor a repair."""
    import difflib

    known = [rule.name for rule in RULES] + list(repairs)
    for name in (*settings.off, *settings.on):
        if name not in known:
            raise UsageError(f"there is no rule or repair `{name}`; did you mean `{difflib.get_close_matches(name, known, 1, 0)[0]}`?")
    return [rule for rule in RULES if (rule.default or rule.name in settings.on) and rule.name not in settings.off]


def drop_reason(rules: Sequence[Rule], figures: Figures, text: str, settings: Settings) -> str:
    """The name of the first rule that drops the document, or ""."""
    for rule in rules:
        if rule.drops(figures, text, settings):
            return rule.name
    return ""
