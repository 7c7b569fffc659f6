"""Read text: documents out of plain and compressed files. Every stage that takes text takes it from here.

The rule of all stages: `<|endoftext|>` ends a document, wherever it stands. Blanks and line ends next to a mark belong to it. Line ends
are LF, CRLF or CR, and mean the same.
"""

import codecs
import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import zstandard

from fable6c.data.formats import json_kind, json_texts, refusal
from fable6c.errors import UserError
from fable6c.files import open_file
from fable6c.model.tokenizer import END_OF_TEXT
from fable6c.progress import say_once

BLOCK_BYTES = 1 << 20  # of text to read at a time
PACKED_BYTES = 1 << 14  # of a .zst to read at a time
STEP_BYTES = 1 << 9  # of a .zst to unpack at a time: 4 bytes of it can become 128 KiB, so these become 16 MiB at most
WINDOW_LOG = 27  # the largest zstd window read, as `zstd --long=27`
START_BYTES = 512  # of a file, which say what it is
DOCUMENT_CHARACTERS = 1 << 25  # a longer document is read in parts, so that memory does not grow with it
BLANKS = " \t"


def read_documents(paths: Sequence[str]) -> Iterator[str]:
    """The documents of text files, in order. Files whose name ends in .zst are unpacked while they are read; of .json (an array) and
    .jsonl files the field `text` or `story` of each object is a text.

    A document ends at `<|endoftext|>` or at the end of the file; a file without marks is one document. Blanks and line ends around a
    mark belong to it and a byte order mark belongs to the file: they are left out. CRLF and CR become LF. Documents of
    white space only are skipped; everything else is kept as it is. A document of more than DOCUMENT_CHARACTERS comes in parts.
    Raises UserError, naming the path, for anything that is not UTF-8 text, and for a file without text.
    """
    for path in paths:
        _check_readable(path)
    for path in paths:
        found = False
        marks = MarkCount()
        for document in _split(path, _texts(path), marks):
            found = True
            yield document
        if not found:
            raise UserError(_without_text(path))
        warn_of_marks(path, marks)


def read_pieces(paths: Sequence[str]) -> Iterator[str]:
    """The text of the files in pieces of about BLOCK_BYTES that end where a line ends (or, in a longer line, where a word ends), a line end
    for each end mark: for readers that need no documents and little memory, however long the documents are. Raises
    UserError as `read_documents` does."""
    for path in paths:
        _check_readable(path)
    for path in paths:
        found = False
        marks = MarkCount()
        for piece in _whole_lines(_texts(path)):
            first, *others = piece.split(END_OF_TEXT)
            marks.text(first)
            for other in others:
                marks.mark()
                marks.text(other)
            if others:
                *between, last = others
                piece = "\n".join([first.rstrip(BLANKS), *(text.strip(BLANKS) for text in between), last.lstrip(BLANKS)])
            if piece and not piece.isspace():
                found = True
                yield piece
        if not found:
            raise UserError(_without_text(path))
        warn_of_marks(path, marks)


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


# ---- end marks


class MarkCount:
    """Counts end marks, and those that are not alone on a line, in a text that is told piece by piece."""

    def __init__(self) -> None:
        self.all = self.inline = 0
        self._line_is_blank = True  # since the last line end
        self._waiting = False  # for what follows the last mark, before which its line is blank

    def text(self, text: str) -> None:
        """What comes before, between and after the marks."""
        start = text.lstrip(BLANKS)[:1]
        if not start:
            return
        if self._waiting:
            self.inline += start not in "\r\n"
            self._waiting = False
        self._line_is_blank = text.rstrip(BLANKS)[-1] in "\r\n"

    def mark(self) -> None:
        self.all += 1
        self.inline += self._waiting + (not self._line_is_blank)
        self._waiting, self._line_is_blank = self._line_is_blank, False


def warn_of_marks(name: str, marks: MarkCount) -> None:
    """One line on stderr where marks were not alone on a line: somebody may have meant them as text."""
    if marks.inline:
        say_once(
            f"{name}: {marks.inline:,} of {marks.all:,} end marks {END_OF_TEXT} are not alone on a line; each ends a document all the same"
        )


def _split(path: str, texts: Iterable[str], marks: MarkCount) -> Iterator[str]:
    """Documents out of a text that comes in pieces."""
    parts: list[str] = []
    size = 0
    after_mark = False  # the document that is being read
    for text in _whole_marks(texts):
        first, *others = text.split(END_OF_TEXT)
        marks.text(first)
        parts.append(first)
        size += len(first)
        for other in others:
            yield from _document(parts, after_mark, True)
            marks.mark()
            marks.text(other)
            parts, size, after_mark = [other], len(other), True
        while size > DOCUMENT_CHARACTERS:
            say_once(
                f"{path}: a document of more than {DOCUMENT_CHARACTERS:,} characters is read in parts; end marks {END_OF_TEXT} would divide it"
            )
            document = "".join(parts)
            cut = _place_to_cut(document, DOCUMENT_CHARACTERS)
            yield from _document([document[:cut]], after_mark, False)
            parts, size, after_mark = [document[cut:]], len(document) - cut, False
    yield from _document(parts, after_mark, False)


def _document(parts: Sequence[str], after_mark: bool, before_mark: bool) -> list[str]:
    """The document that the parts make, as a list of one, or of none if there is only white space."""
    document = "".join(parts)
    if after_mark:
        document = document.lstrip(BLANKS)
    if before_mark:
        document = document.rstrip(BLANKS)
    document = document.strip("\n")
    return [document] if document and not document.isspace() else []


def _place_to_cut(text: str, most: int) -> int:
    """After a paragraph, after a line, before a space, or anywhere."""
    for separator, after in (("\n\n", 2), ("\n", 1), (" ", 0)):
        cut = text.rfind(separator, most // 2, most)
        if cut >= 0:
            return cut + after
    return most


def _whole_marks(texts: Iterable[str]) -> Iterator[str]:
    """The same text, cut so that no mark is in two pieces."""
    held = ""
    for text in texts:
        text = held + text
        begins = text.rfind("<", max(0, len(text) - len(END_OF_TEXT) + 1))
        held = text[begins:] if begins >= 0 and END_OF_TEXT.startswith(text[begins:]) else ""
        yield text[: len(text) - len(held)]
    yield held


def _whole_lines(texts: Iterable[str]) -> Iterator[str]:
    """The same text cut after line ends; in a line that is longer than a block, before a space or, without one, between marks."""
    unfinished: list[str] = []
    size = 0
    for text in _whole_marks(texts):
        lines, newline, rest = text.rpartition("\n")
        if newline:
            yield "".join(unfinished) + lines + newline
            unfinished, size = [], 0
        unfinished.append(rest)
        size += len(rest)
        if size > BLOCK_BYTES:
            line = "".join(unfinished)
            cut = line.rfind(" ", 1)
            cut = len(line) if cut < 0 else cut
            yield line[:cut]
            unfinished, size = [line[cut:]], len(line) - cut
    yield "".join(unfinished)


# ---- files to characters


def _texts(path: str) -> Iterator[str]:
    """The text of a file in pieces, with LF for every line end; of JSON its documents, an end mark after each."""
    characters = _characters(path, _start_whole(_blocks(path)))
    kind = json_kind(path)
    if kind:
        for text in json_texts(path, characters, kind):
            yield from _line_feeds([text])
            yield f"\n{END_OF_TEXT}\n"
    else:
        yield from _line_feeds(characters)


def _blocks(path: str) -> Iterator[bytes]:
    """The unpacked bytes of a file, in blocks."""
    try:
        with open_file(path) as file:
            yield from unpack(path, file) if path.endswith(".zst") else iter(lambda: file.read(BLOCK_BYTES), b"")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions and its disk") from error


def unpack(path: str, file: BinaryIO) -> Iterator[bytes]:
    """The content of a .zst: one frame or several. UserError for a damaged one."""
    try:
        yield from zstd_blocks(file)
    except zstandard.ZstdError as error:
        raise UserError(
            f"{path}: cannot be unpacked ({error}); copy or download it again (zstd with windows up to --long={WINDOW_LOG} is read)"
        ) from None
    except EOFError:
        raise UserError(f"{path}: the .zst file ends early; copy or download it again") from None


def zstd_blocks(file: BinaryIO) -> Iterator[bytes]:
    """The content of zstd frames in blocks of at most BLOCK_BYTES, whatever the frames promise; memory for one step is needed besides.

    ZstdError for damage; EOFError where the last frame ends early, which zstandard's own reader does not notice.
    """
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG)
    frame = None  # the frame that is being unpacked; None between frames
    for packed in iter(lambda: file.read(PACKED_BYTES), b""):
        made: list[bytes] = []
        size = 0
        for start in range(0, len(packed), STEP_BYTES):
            step = packed[start : start + STEP_BYTES]
            while step:
                frame = frame or unpacker.decompressobj()
                made.append(frame.decompress(step))
                size += len(made[-1])
                step = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
            if size >= BLOCK_BYTES or start + STEP_BYTES >= len(packed):
                block = b"".join(made)
                yield from (block[begin : begin + BLOCK_BYTES] for begin in range(0, size, BLOCK_BYTES))
                made, size = [], 0
    if frame is not None:
        raise EOFError("the .zst file ends early")


def _start_whole(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, the first START_BYTES of them in one block."""
    start = b""
    blocks = iter(blocks)
    for block in blocks:
        start += block
        if len(start) >= START_BYTES:
            break
    yield start
    yield from blocks


def _characters(path: str, blocks: Iterable[bytes]) -> Iterator[str]:
    """Bytes to text; what is not UTF-8 text is reported with its place in the (unpacked) file."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, unfinished, first = 0, 0, True  # unfinished: bytes of a character that the next block ends
    try:
        for block in blocks:
            if first:
                first = False
                reason = refusal(path, block)
                if reason:
                    raise UserError(f"{path}: {reason}")
                if block.startswith(codecs.BOM_UTF8):
                    offset, block = len(codecs.BOM_UTF8), block[len(codecs.BOM_UTF8) :]
            if b"\0" in block:
                raise UserError(
                    f"{path}: has a byte 00 at offset {offset + block.index(0)}, so it is binary, not text; give UTF-8 text, plain or .zst"
                )
            yield decoder.decode(block)
            offset += len(block)
            unfinished = len(decoder.getstate()[0])
        yield decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte {error.object[error.start]:02x} at offset {offset - unfinished + error.start} is not UTF-8 ({error.reason}); "
            "give UTF-8 text (iconv converts, e.g. from ISO-8859-1)"
        ) from None


def _line_feeds(texts: Iterable[str]) -> Iterator[str]:
    """CRLF and CR as LF."""
    held = ""
    for text in texts:
        text = held + text
        held = "\r" if text.endswith("\r") else ""  # its LF may come in the next piece
        text = text[: len(text) - len(held)]
        yield text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    yield held.replace("\r", "\n")


def normalize(document: str) -> str:
    """The document as it is scored: "a\\n\\nb\\n" gives "a\\nb"."""
    return re.sub(r"\n+", "\n", document).strip("\n")


def grouped(documents: Iterable[str], characters: int) -> Iterator[list[str]]:
    """Documents in groups of about so many characters. The last one may be empty."""
    group: list[str] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document)
        if size >= characters:
            yield group
            group, size = [], 0
    yield group
