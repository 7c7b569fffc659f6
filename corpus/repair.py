"""Repairs: what is changed in a text before it is judged. Each is a named function, text in, text out, and can be switched off."""

import re
import unicodedata
from typing import Callable

from fable6c.errors import UserError

# A character of UTF-8 that was read as Windows-1252, ISO 8859-1, Windows-1251 or Mac Roman: a lead byte and a continuation byte as
# those show them. Only what looks like it goes to ftfy, which decides: its own test of every text would take most of the time.
_CONTINUATION = (
    "\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030"
    "\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)
_SUSPECT = re.compile(f"[\u00c2-\u00f4][{_CONTINUATION}]|\u0432\u0402|\u201a\u00c4|\u221a[\u00a0-\u00ff]")

# The right quotation mark is E2 80 9D, and Windows-1252 has no 9D: programs that drop what they do not know leave the
# first two bytes. With the third put back ftfy sees what it was.
_LOST_QUOTE = re.compile(f"\u00e2\u20ac(?![{_CONTINUATION}])")

# Control characters but tab and line feed; soft hyphen; zero width and direction marks; the byte order mark; noncharacters.
# ZWNJ and ZWJ (U+200C, U+200D) stay: scripts and emoji need them.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffc\ufffe\uffff]"
)
_CONTROL_ASCII = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_PARAGRAPH_BREAK = re.compile("[\u2028\u2029\x0b\x0c]")
_SPACE_BEFORE_END = re.compile(r"(?<![ \t])[ \t]+$", re.MULTILINE)  # from the first blank only: else a long run is tried from each
_BLANK_LINES = re.compile(r"\n{4,}")

_GUTENBERG_START = re.compile(
    r"^[ \t]*\*{3}[ \t]*START OF (?:THE|THIS) PROJECT GUTENBERG.*?\*{3}.*$"
    r"|^\*END[* ]*THE SMALL PRINT!? FOR PUBLIC DOMAIN E.?TEXTS.*$",
    re.MULTILINE | re.IGNORECASE,
)
_GUTENBERG_END = re.compile(
    r"^[ \t]*\*{3}[ \t]*END OF (?:THE|THIS) PROJECT GUTENBERG.*$"
    r"|^[ \t]*(?:\*+[ \t]*)?End of (?:the |this )?Project Gutenberg(?:'s|’s| E(?:text|book)| of)?\b.*$",
    re.MULTILINE | re.IGNORECASE,
)
_GUTENBERG_CREDIT = re.compile(
    r"\A\s*(?:(?:E-?text |This e-?book was )?(?:produced|prepared|transcribed|scanned)\b[^\n]*\n(?:[^\n]+\n)*\s*)+", re.IGNORECASE
)
_GUTENBERG_NEAR = 40_000  # characters from the beginning and from the end in which its licence can stand


def line_ends(text: str) -> str:
    """CR LF and CR become LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def mojibake(text: str) -> str:
    """UTF-8 that was once read as another encoding is made right again, line by line (ftfy.fix_encoding)."""
    if text.isascii() or not _SUSPECT.search(text):
        return text
    try:
        import ftfy  # here: few texts need it
    except ImportError:
        raise UserError("mending mojibake needs ftfy; pip install 'fable6c[corpus]', or switch it off: off = [\"mojibake\"]") from None

    text = _LOST_QUOTE.sub("\u00e2\u20ac\u009d", text)
    return "\n".join(ftfy.fix_encoding(line) if _SUSPECT.search(line) else line for line in text.split("\n"))


def nfc(text: str) -> str:
    """Unicode normalization form C (UAX #15): an accent and its letter become one character. Nothing else changes."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return unicodedata.normalize("NFC", text)


def control_characters(text: str) -> str:
    """Control and invisible characters go; page, line and paragraph separators become line feeds."""
    if not (_CONTROL_ASCII if text.isascii() else _CONTROL).search(text):
        return text
    return _CONTROL.sub("", _PARAGRAPH_BREAK.sub("\n", text))


def gutenberg(text: str) -> str:
    """Project Gutenberg's header, licence and producer's credits go (its trademark licence asks for that, too)."""
    if "utenberg" not in text and "UTENBERG" not in text:
        return text
    starts = list(_GUTENBERG_START.finditer(text, 0, _GUTENBERG_NEAR))
    ends = _GUTENBERG_END.search(text, max(starts[-1].end() if starts else 0, len(text) - _GUTENBERG_NEAR))
    if not starts and not ends:
        return text
    between = zip(starts, starts[1:])
    if any(_GUTENBERG_END.search(text, one.end(), other.start()) for one, other in between) or (
        ends and _GUTENBERG_START.search(text, ends.end())
    ):
        return text  # several books one after the other: what lies between them is not a header
    body = text[starts[-1].end() if starts else 0 : ends.start() if ends else len(text)]
    return _GUTENBERG_CREDIT.sub("", body.lstrip(), count=1) if starts else body


def white_space(text: str) -> str:
    """No blanks at the ends of lines, at most two blank lines together, none around the text."""
    if " \n" in text or "\t\n" in text:
        text = _SPACE_BEFORE_END.sub("", text)
    if "\n\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n\n", text)
    return text.strip()


# In the order in which they are applied: mojibake first, because its characters look like control characters.
REPAIRS: dict[str, Callable[[str], str]] = {
    repair.__name__: repair for repair in (line_ends, mojibake, control_characters, nfc, gutenberg, white_space)
}
