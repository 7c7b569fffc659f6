"""What a file is that is given as text: JSON with texts in it, or something that is no text and is named."""

import codecs
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Optional, Union

from fable6c.errors import UserError

# (where, bytes, what it is): the signatures of files that are no text. tar's stands in the header of its first file.
SIGNATURES = (
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ\0", "an xz file"),
    (0, b"\x5d\0\0", "an lzma file"),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "a zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"ARROW1", "an Arrow file"),
    (0, b"SQLite format 3\0", "a SQLite database"),
    (0, b"%PDF-", "a PDF"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
)
READ_BY_CLEAN = ("a gzip file", "a zip archive", "a Parquet file")
TABLES = {".csv": "CSV", ".tsv": "TSV", ".tab": "TSV"}
JSON_ARRAY, JSON_LINES = "array", "lines"
JSON_KINDS = {".json": JSON_ARRAY, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}
TEXT_FIELDS = ("text", "story")  # TinyStories' data00.json has the second
JSON_CHARACTERS = 1 << 24  # of one entry
_BLANKS = re.compile(r"[ \t\r\n]*")
_SURROGATE = re.compile("[\ud800-\udfff]").search


def ending(name: str) -> str:
    """The ending that says what is inside: .json of stories.json.zst."""
    stem, last = os.path.splitext(name.lower())
    return os.path.splitext(stem)[1] if last in (".zst", ".gz") else last


def json_kind(name: str) -> Optional[str]:
    return JSON_KINDS.get(ending(name))


def foreign_format(name: str, start: bytes) -> Optional[str]:
    """What a file is, by its first 512 (unpacked) bytes or its name, if it is not text; else None."""
    for offset, signature, what in SIGNATURES:
        if start[offset : offset + len(signature)] == signature:
            return what
    return TABLES.get(ending(name))


def refusal(name: str, start: bytes) -> Optional[str]:
    """Why a file cannot be read as text, and what to do; None if it may be one."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return f"is UTF-16 (it starts with {start[:2].hex(' ')}); save it as UTF-8"
    what = foreign_format(name, start)
    if what in TABLES.values():
        return f'is {what}, a table; save its texts as .jsonl (a line {{"text": …}} for each), or as plain text with a line <|endoftext|> after each'
    if what == "a zstd file":
        return "is a zstd file; give it a name that ends in .zst" if not name.endswith(".zst") else "is packed twice; unpack it once"
    if what:
        other = ", or clean it: python -m fable6c.corpus clean" if what in READ_BY_CLEAN else ""
        return f"is {what}, not text; unpack it, or save its text as UTF-8{other}"
    return None


def json_texts(path: str, pieces: Iterable[str], kind: str) -> Iterator[str]:
    """The texts of a JSON file that comes in pieces. UserError, with the entry's number, for one without a text."""
    values = array_values(pieces) if kind == JSON_ARRAY else line_values(pieces)
    for number in itertools.count(1):
        try:
            value = next(values)
        except StopIteration:
            return
        except ValueError as error:
            raise UserError(
                f"{path}: {error}; give JSON lines or an array of objects with a field `text` or `story`, or plain text"
            ) from None
        text = text_of(value)
        if text is None:
            raise UserError(f"{path}: entry {number} has no text in a field `text` or `story`; add it, or give plain text")
        if _SURROGATE(text):
            raise UserError(f"{path}: entry {number} has a lone surrogate, which is not a character; remove it")
        yield text


def text_of(value: object, fields: Sequence[str] = TEXT_FIELDS) -> Optional[str]:
    """The text of an entry: the entry itself, or the first of these fields that it has."""
    if isinstance(value, dict):
        value = next((value[field] for field in fields if field in value), None)
    return value if isinstance(value, str) else None


def line_values(pieces: Iterable[str]) -> Iterator[object]:
    """The values of JSON lines. ValueError, with the line, for what is none."""
    number, rest = 0, ""
    for piece in itertools.chain(pieces, ["\n"]):
        *lines, rest = (rest + piece).split("\n")
        for line in lines:
            number += 1
            if line and not line.isspace():
                yield parse(line, f"line {number}")
        if len(rest) > JSON_CHARACTERS:
            raise ValueError(f"line {number + 1} is longer than {JSON_CHARACTERS:,} characters, so this is not JSON lines")


def parse(line: Union[str, bytes], where: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON ({error})") from None


def array_values(pieces: Iterable[str]) -> Iterator[object]:
    """The values of a JSON array, one at a time, so that memory does not grow with the array. ValueError for what is none."""
    decode = json.JSONDecoder().raw_decode
    text, at, needed, number = "", 0, 0, 0
    expected = "["
    for piece in itertools.chain(pieces, [None]):
        text, at = text[at:] + (piece or ""), 0
        if piece is not None and len(text) < needed:
            continue
        while True:
            at = _BLANKS.match(text, at).end()  # type: ignore[union-attr]  # it always matches
            if at == len(text):
                break
            here = text[at]
            if expected == "[" and here != "[":
                raise ValueError(f"is JSON by its name, but starts with {here!r}, not with an array")
            if expected == "end" or (expected == "," and here not in ",]"):
                raise ValueError(f"is not JSON: {here!r} after entry {number}")
            if expected in "[," or (expected == "first" and here == "]"):
                expected = {"[": "first", ",": "value", "]": "end"}[here]
                at += 1
                continue
            try:
                value, end = decode(text, at)
            except (ValueError, RecursionError) as error:
                if piece is None or len(text) - at > JSON_CHARACTERS:
                    raise ValueError(f"is not a whole JSON array: entry {number + 1} is damaged, cut off or too long ({error})") from None
                needed = 2 * (len(text) - at)  # more of it is needed; doubled, so that a long entry is not tried again and again
                break
            if end == len(text) and piece is not None and not isinstance(value, (dict, list, str)):
                break  # a number may go on
            at, expected, needed, number = end, ",", 0, number + 1
            yield value
    if expected != "end":
        raise ValueError(f"is not a whole JSON array: it ends after entry {number}" if number else "is not JSON: it ends early")
