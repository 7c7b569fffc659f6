"""Bytes to text without guessing in silence: UTF-8 if it is valid, a byte order mark's word, else what charset-normalizer finds.

`decode` gives the text and the name of the encoding, which the report counts; where nothing fits it raises Undecodable, and the
cleanser sets the bytes aside.
"""

import codecs
from typing import Optional

from fable6c.errors import UserError

SAMPLE = 1 << 16  # bytes that a detection looks at
MAX_NULS = 0.01  # share of NUL bytes in a text
MAX_CHAOS = 0.2  # charset-normalizer's measure of unlikely characters; its own limit
# Western European code pages agree in nearly all that prose uses, so their scores are near ties: the common one is taken then.
USUAL = "cp1252"
TIE = 0.03  # of chaos
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Undecodable(ValueError):
    """Bytes that no encoding explains; the text says why."""


def mark_of(start: bytes) -> Optional[str]:
    """The encoding that a byte order mark at the start of a file names."""
    return next((name for mark, name in BYTE_ORDER_MARKS if start.startswith(mark)), None)


def decode(data: bytes, likely: Optional[str] = None) -> tuple[str, str]:
    """(text, encoding). `likely`: the encoding found for the file that the bytes come from, tried after UTF-8."""
    marked = mark_of(data)
    try:
        if marked:
            return data.decode(marked), marked
        text = data.decode("utf-8")
        if data.count(0) <= MAX_NULS * len(data):
            return text, "utf-8"
        likely = None  # UTF-16 of ASCII letters is valid UTF-8, every second character a NUL
    except UnicodeDecodeError as error:
        if marked:
            raise Undecodable(f"has the byte order mark of {marked} and is not: {error.reason} at byte {error.start}") from None
    encoding = likely or detect(data[:SAMPLE])
    if encoding is None:
        raise Undecodable("it is binary: it has NUL bytes" if 0 in data else "no encoding explains its bytes")
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        if likely:
            return decode(data)  # the file is of mixed encodings: this part on its own
        raise Undecodable(f"begins like {encoding}, but byte {data[error.start]:02x} at {error.start} is not") from None


def detect(sample: bytes) -> Optional[str]:
    """The encoding of bytes that are not UTF-8, or None."""
    try:
        import charset_normalizer  # here: most text is UTF-8
    except ImportError:
        raise UserError("text that is not UTF-8 needs charset-normalizer; pip install 'fable6c[corpus]'") from None

    if mark_of(sample):
        return mark_of(sample)
    matches = charset_normalizer.from_bytes(sample, threshold=MAX_CHAOS)
    best = matches.best()
    if 0 in sample and best is not None and not best.encoding.startswith(("utf_16", "utf_32")):
        return None  # only there do texts have NUL bytes
    if best is None or best.encoding in ("ascii", "utf_8", "utf_7"):  # a sample may be cut within a character: not evidence
        return None
    for match in matches:
        if match.encoding == USUAL and match.chaos <= best.chaos + TIE and match.coherence >= best.coherence - 2 * TIE:
            return USUAL
    return best.encoding
