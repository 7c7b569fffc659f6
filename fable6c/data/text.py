"""Read text: documents out of plain and compressed files. Every stage that takes text takes it from here."""

import codecs
import contextlib
import os
import re
from typing import BinaryIO, Iterable, Iterator, List, Sequence

import zstandard

from fable6c.errors import UserError
from fable6c.files import open_file
from fable6c.model.tokenizer import END_OF_TEXT

BLOCK_BYTES = 1 << 20  # of text to read at a time
PACKED_BYTES = 1 << 14  # of a .zst to unpack at a time: small, because 4 bytes of it can become 128 KiB
WINDOW_LOG = 27  # the largest zstd window read, as `zstd --long=27`
MARK_LINE = re.compile(rf"^{re.escape(END_OF_TEXT)}\r?(?:\n|\Z)", re.MULTILINE)


def read_documents(paths: Sequence[str]) -> Iterator[str]:
    """The documents of text files, in order. Files whose name ends in .zst are unpacked while they are read.

    A document ends at a line that is exactly `<|endoftext|>`, or at the end of the file; a file without such lines is one document.
    Line ends around a document belong to the mark and a byte order mark belongs to the file: both are left out. Documents of
    white space only are skipped; everything else is kept byte for byte. Raises UserError, naming the path, for anything
    that is not UTF-8 text, and for a file without text.
    """
    for path in paths:
        _check_readable(path)
    for path in paths:
        found = False
        for document in _split(_decode(path, _whole_lines(_blocks(path)))):
            found = True
            yield document
        if not found:
            raise UserError(_without_text(path))


def read_pieces(paths: Sequence[str]) -> Iterator[str]:
    """The text of the files in pieces of about BLOCK_BYTES that end where a line ends, end marks left out: for readers that need no
    documents and little memory, however long the documents are. Raises UserError as `read_documents` does."""
    for path in paths:
        _check_readable(path)
    for path in paths:
        found = False
        for text in _decode(path, _whole_lines(_blocks(path))):
            text = MARK_LINE.sub("\n", text)
            if text and not text.isspace():
                found = True
                yield text
        if not found:
            raise UserError(_without_text(path))


def window_bytes(paths: Sequence[str]) -> int:
    """The most memory that unpacking one of the files takes: the window of a .zst, up to 128 MiB; 0 for plain files."""
    most = 0
    for path in paths:
        if path.endswith(".zst") and os.path.isfile(path):
            with open_file(path) as file, contextlib.suppress(zstandard.ZstdError):  # reading it will say what is wrong
                most = max(most, zstandard.get_frame_parameters(file.read(18)).window_size)
    return min(most, 1 << WINDOW_LOG)


def _without_text(path: str) -> str:
    size = os.path.getsize(path)
    return f"{path}: holds no text ({size} bytes, nothing but white space and end marks); give a file with text"


def describe_files(paths: Sequence[str]) -> str:
    """One line that changes when a file is changed, moved or replaced: the `source` of `prepare` for text files."""
    for path in paths:
        _check_readable(path)
    states = [(os.path.abspath(path), os.stat(path)) for path in paths]
    return "; ".join(f"{path} ({state.st_size} bytes, modified {state.st_mtime_ns})" for path, state in states)


def _check_readable(path: str) -> None:
    if not os.path.exists(path):
        raise UserError(f"{path}: there is no such file; give the path of a text")
    if os.path.isdir(path):
        raise UserError(f"{path}: is a folder; give the text files in it one by one")
    if not os.path.isfile(path):
        raise UserError(f"{path}: is a pipe or a device, which can be read only once; save the text as a file first")


def _blocks(path: str) -> Iterator[bytes]:
    """The unpacked bytes of a file, in blocks."""
    try:
        with open_file(path) as file:
            yield from unpack(path, file) if path.endswith(".zst") else iter(lambda: file.read(BLOCK_BYTES), b"")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions and its disk") from error


def unpack(path: str, file: BinaryIO) -> Iterator[bytes]:
    """The content of a .zst: one frame or several."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG)
    frame = None  # the frame that is being unpacked; None between frames
    try:
        for packed in iter(lambda: file.read(PACKED_BYTES), b""):
            while packed:
                frame = frame or unpacker.decompressobj()
                yield frame.decompress(packed)
                packed = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    except zstandard.ZstdError as error:
        raise UserError(
            f"{path}: cannot be unpacked ({error}); copy or download it again (zstd with windows up to --long={WINDOW_LOG} is read)"
        ) from None
    if frame is not None:
        raise UserError(f"{path}: the .zst file ends early; copy or download it again")


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes cut after line ends only, so that neither a mark nor a character is cut in two."""
    unfinished: List[bytes] = []
    for block in blocks:
        lines, newline, rest = block.rpartition(b"\n")
        if newline:
            yield b"".join(unfinished) + lines + newline
            unfinished = [rest]
        else:
            unfinished.append(rest)
    yield b"".join(unfinished)


def _decode(path: str, blocks: Iterable[bytes]) -> Iterator[str]:
    """Bytes to text; what is not UTF-8 text is reported with its place in the (unpacked) file."""
    offset = 0
    for block in blocks:
        start = offset
        offset += len(block)
        if start == 0 and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise UserError(f"{path}: is UTF-16 (it starts with {block[:2].hex(' ')}); save it as UTF-8")
        if start == 0 and block.startswith(codecs.BOM_UTF8):
            start = len(codecs.BOM_UTF8)
            block = block[start:]
        if b"\0" in block:
            raise UserError(
                f"{path}: has a byte 00 at offset {start + block.index(0)}, so it is binary, not text; give UTF-8 text, plain or .zst"
            )
        try:
            yield block.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}: byte {block[error.start]:02x} at offset {start + error.start} is not UTF-8 ({error.reason}); "
                "give UTF-8 text (iconv converts, e.g. from ISO-8859-1)"
            ) from None


def _split(texts: Iterable[str]) -> Iterator[str]:
    """Documents out of texts that are cut after line ends."""
    parts: List[str] = []
    for text in texts:
        head, *rest = MARK_LINE.split(text)
        parts.append(head)
        for following in rest:
            yield from _document(parts)
            parts = [following]
    yield from _document(parts)


def _document(parts: Sequence[str]) -> List[str]:
    """The document that the parts make, as a list of one, or of none if there is only white space."""
    document = "".join(parts).strip("\r\n")
    return [document] if document and not document.isspace() else []


def normalize(document: str) -> str:
    """The document as it is scored: "a\\n\\nb\\n" gives "a\\nb"."""
    return re.sub(r"\n+", "\n", document).strip("\n")
