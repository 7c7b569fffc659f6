"""Files of many kinds to documents, one at a time, so that memory does not grow with the input.

    for raw in read(["stories.txt.zst", "books/"], Settings()):
        raw.content     # bytes not decoded yet (text, Markdown, HTML: each has its `kind`), or str (JSONL, Parquet)

By the name: .gz and .zst are unpacked, .zip and folders are gone through in the order of names; then .jsonl/.ndjson, .json (an array),
.parquet, .md/.markdown, .htm/.html; what is a table or another archive is named, and anything else is plain text. In all of
them <|endoftext|> ends a document.
"""

import codecs
import contextlib
import gzip
import io
import itertools
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import (
    Any,
    BinaryIO,
    Callable,
    NamedTuple,
    Optional,
    Union,
)

import zstandard

from fable6c.corpus.encodings import SAMPLE, detect, mark_of
from fable6c.corpus.filters import Settings
from fable6c.data.formats import JSON_ARRAY, TEXT_FIELDS, array_values, foreign_format, json_kind, parse, text_of
from fable6c.data.text import START_BYTES, MarkCount, warn_of_marks, zstd_blocks
from fable6c.errors import UserError
from fable6c.files import open_file
from fable6c.model.tokenizer import END_OF_TEXT

MARK = END_OF_TEXT.encode("ascii")
BLOCK = 1 << 18  # bytes to read at a time
PAGE_BYTES = 16 << 20  # an HTML, Markdown or JSON document is read whole up to this
PAGE_TAGS, PAGE_DEPTH = 200_000, 512  # of an HTML page: a tag takes a kilobyte, and work grows with tags times depth
ZIP_DEPTH, ZIP_ENTRIES = 3, 100_000  # archives in archives; entries of one
PARQUET_ROWS = 64  # rows to hold at a time
_NOTE = re.compile(r"(source\.json|.*\.part\.tag)(\.fable6c-[0-9]+\.tmp)?$").match  # what `get` notes down
_DAMAGED = (zstandard.ZstdError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, zipfile.BadZipFile)  # what unpackers raise


class Raw(NamedTuple):
    """A document as it was found. `place`: its byte offset (text), line (JSONL) or row (Parquet) in `origin`; `part` counts the
    pieces of a document that was too long to read at once; `likely` is the encoding of the file that it is in."""

    content: Union[bytes, str]
    origin: str
    place: int
    part: int = 0
    kind: str = "text"  # "text", "html" or "markdown"
    likely: Optional[str] = None


class Unreadable(NamedTuple):
    """A file, or the rest of one, that could not be read; what came before it was."""

    origin: str
    reason: str


def read(paths: Sequence[str], settings: Settings, consumed: Callable[[int], None] = lambda size: None) -> Iterator[Union[Raw, Unreadable]]:
    """All documents of the files and folders, in order. `consumed` is told of bytes read from disk. UserError for a missing path."""
    check_inputs(paths)
    for path in _files(paths):
        origin = printable(path)
        if path not in paths and path.endswith(".part"):
            yield Unreadable(origin, "is a download that is not whole")
            continue
        try:
            if os.path.basename(path).lower().endswith(".parquet"):
                yield from _parquet(path, origin, settings)
                consumed(os.path.getsize(path))
            else:
                with open_file(path) as file:
                    yield from _open(_Counting(file, consumed), path, origin, settings)
        except OSError as error:
            yield Unreadable(origin, f"{error.strerror or error}")
        except UserError as error:  # a pipe or a device in a folder
            yield Unreadable(origin, str(error).partition(": ")[2])


def printable(name: str) -> str:
    """A file's name as text: bytes of it that are not UTF-8 are written out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def check_inputs(paths: Sequence[str]) -> None:
    """UserError for a path that is not there."""
    for path in paths:
        if not os.path.exists(path):
            raise UserError(f"{path}: there is no such file or folder; give a text, an archive, or a folder of them")


def size_of(paths: Sequence[str]) -> int:
    """Bytes on disk of all files that `read` reads."""
    size = 0
    for path in _files(paths):
        with contextlib.suppress(OSError):  # a link to nowhere: reading it says so
            size += os.path.getsize(path)
    return size


def _files(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            yield from (os.path.join(folder, name) for name in sorted(names) if not name.startswith(".") and not _NOTE(name))


class _Counting(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: Any, consumed: Callable[[int], None]):
        self.file, self.consumed = file, consumed

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self.file.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer: Any) -> int:
        count = self.file.readinto(buffer)
        self.consumed(count)
        return count


def _open(file: Any, name: str, origin: str, settings: Settings, depth: int = 0) -> Iterator[Union[Raw, Unreadable]]:
    """The documents of an open file, unpacked by the endings of its name. `depth`: how many archives it is in."""
    stem, ending = os.path.splitext(name.lower())
    if ending == ".zip":
        if depth < ZIP_DEPTH:
            yield from _zip(file, origin, settings, depth)
        else:
            yield Unreadable(origin, f"is an archive in an archive, {depth + 1} deep; at most {ZIP_DEPTH} are opened")
        return
    if ending == ".gz":
        blocks = _blocks(gzip.GzipFile(fileobj=file))
    elif ending == ".zst":
        blocks = zstd_blocks(file)
    else:
        blocks, stem = _blocks(file), name.lower()
    kind = os.path.splitext(stem)[1]
    try:
        start, blocks = _look(blocks)
        foreign = foreign_format(stem, start)
        if foreign and kind != ".parquet":
            yield Unreadable(origin, f"is {foreign}, which is not read; unpack it, or save its texts as .jsonl or plain text")
            return
        blocks = _as_utf8(blocks)
        if json_kind(stem):
            yield from _json(blocks, origin, settings, json_kind(stem) == JSON_ARRAY)
        elif kind in (".htm", ".html", ".xhtml", ".md", ".markdown"):
            yield _page(blocks, origin, "html" if "htm" in kind else "markdown")
        elif kind == ".parquet":
            yield Unreadable(origin, "a Parquet file in an archive cannot be read; unpack it first")
        else:
            yield from _text(blocks, origin, settings)
    except (*_DAMAGED, _Refused) as error:
        yield Unreadable(origin, f"{error}" or "it ends early")


def _look(blocks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first START_BYTES, if there are so many, and all blocks; damage is raised when they are read."""
    taken: list[bytes] = []
    damage: list[Exception] = []
    blocks = iter(blocks)
    while sum(map(len, taken)) < START_BYTES:
        try:
            taken.append(next(blocks))
        except StopIteration:
            break
        except _DAMAGED as error:
            damage.append(error)
            break

    def rest() -> Iterator[bytes]:
        yield from taken
        if damage:
            raise damage[0]
        yield from blocks

    return b"".join(taken)[:START_BYTES], rest()


class _Refused(ValueError):
    """The file is whole, but not what its name says."""


def _blocks(file: Any) -> Iterator[bytes]:
    """A file's bytes, BLOCK or a little more at a time; before damage is raised comes what was unpacked before it."""
    read = getattr(file, "read1", file.read)  # read would throw that away
    pieces: list[bytes] = []
    size, damage, more = 0, None, True
    while more:
        try:
            pieces.append(read(BLOCK))
        except _DAMAGED as error:
            pieces.append(b"")
            damage = error
        size += len(pieces[-1])
        more = pieces[-1] != b""
        if size >= BLOCK or not more:
            yield b"".join(pieces)
            pieces, size = [], 0
    if damage:
        raise damage


def _as_utf8(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same blocks; UTF-16 and UTF-32 with a byte order mark as UTF-8, so that lines and marks can be found in them."""
    decoder = None
    first = True
    for block in blocks:
        if not block:
            continue
        if first:
            first, marked = False, mark_of(block)
            if marked == "utf-8-sig":
                block = block[len(codecs.BOM_UTF8) :]
            elif marked:
                decoder = codecs.getincrementaldecoder(marked)("strict")
        try:
            yield decoder.decode(block).encode("utf-8") if decoder else block
        except UnicodeError as error:
            raise _Refused(f"has the byte order mark of {marked} and then: {error}") from None
    if decoder and decoder.getstate()[0]:
        raise _Refused(f"is {marked} and ends within a character")


def _text(blocks: Iterable[bytes], origin: str, settings: Settings) -> Iterator[Raw]:
    """Documents between marks; one that is too long in parts, cut at a paragraph, a line, a space, or anywhere."""
    likely: Optional[str] = None
    begun = False
    marks = MarkCount()
    buffer, offset, part = b"", 0, 0  # what is not handed on yet, its place in the file, and how many parts of it were
    damage: Optional[Exception] = None
    blocks = iter(blocks)
    while True:
        try:
            block = next(blocks)
        except StopIteration:
            break
        except (*_DAMAGED, _Refused) as error:
            damage = error  # after what came before it
            break
        if not begun:
            likely, begun = _likely(block), True
        looked = max(0, len(buffer) - len(MARK))  # only the end of what was looked at before can hold the beginning of a mark
        buffer += block
        *whole, rest = buffer.split(MARK) if MARK in buffer[looked:] else [buffer]
        for content in whole:
            marks.text(content.decode("latin-1"))
            marks.mark()
            for piece in _pieces(content, settings.document_bytes):
                if not piece.isspace():
                    yield Raw(piece, origin, offset, part, likely=likely)
                offset, part = offset + len(piece), part + 1
            offset, part = offset + len(MARK), 0
        buffer = rest
        while len(buffer) > settings.document_bytes:
            cut = _cut(buffer, settings.document_bytes)
            if not buffer[:cut].isspace():
                yield Raw(buffer[:cut], origin, offset, part, likely=likely)
            marks.text(buffer[:cut].decode("latin-1"))
            buffer, offset, part = buffer[cut:], offset + cut, part + 1
    marks.text(buffer.decode("latin-1"))
    warn_of_marks(origin, marks)
    for piece in _pieces(buffer, settings.document_bytes):
        if not piece.isspace():
            yield Raw(piece, origin, offset, part, likely=likely)
        offset, part = offset + len(piece), part + 1
    if damage:
        raise damage


def _pieces(content: bytes, most: int) -> Iterator[bytes]:
    while len(content) > most:
        cut = _cut(content, most)
        yield content[:cut]
        content = content[cut:]
    if content:
        yield content


def _likely(start: bytes) -> Optional[str]:
    """The encoding of a file that is not UTF-8, from its first block."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # a character that the block cuts in two is no error
        return None
    except UnicodeDecodeError:
        return detect(start[:SAMPLE])


def _cut(text: bytes, most: int) -> int:
    for separator in (b"\n\n", b"\n", b" "):
        cut = text.rfind(separator, most // 2, most)
        if cut > 0:
            return cut + len(separator)
    cut = most
    while cut > max(1, most - 4) and text[cut] & 0xC0 == 0x80:  # not within a character of UTF-8
        cut -= 1
    return cut


def _json(blocks: Iterable[bytes], origin: str, settings: Settings, is_array: bool) -> Iterator[Union[Raw, Unreadable]]:
    """A document for each line of JSON lines, or each entry of an array: an object whose `text_field` (if that is "text", also `story`) is
    the text."""
    fields = TEXT_FIELDS if settings.text_field == TEXT_FIELDS[0] else (settings.text_field,)
    values = _array(blocks) if is_array else _values(_lines(blocks))
    for number, value in values:
        where = f"{origin}:{number}"
        if isinstance(value, _Refused):
            yield Unreadable(where, str(value))
            continue
        text = text_of(value, fields)
        if text is None:
            there = isinstance(value, dict) and any(field in value for field in fields)
            yield Unreadable(where, f"the field `{settings.text_field}` is not a text" if there else f"no field `{settings.text_field}`")
            continue
        yield from _parts(text, origin, number, settings)


def _values(lines: Iterable[bytes]) -> Iterator[tuple[int, object]]:
    """The value of each line, by its number; a _Refused for a line that has none."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                value: object = parse(line, "the line")
            except ValueError as error:
                value = _Refused(str(error).replace("the line is ", "", 1))
            yield number, value


def _array(blocks: Iterable[bytes]) -> Iterator[tuple[int, object]]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        yield from enumerate(array_values(decoder.decode(block) for block in itertools.chain(blocks, [b""])), 1)
    except UnicodeDecodeError as error:
        raise _Refused(f"is not UTF-8 ({error.reason})") from None
    except _Refused:
        raise
    except ValueError as error:
        raise _Refused(str(error)) from None


def _parts(text: str, origin: str, place: int, settings: Settings) -> Iterator[Raw]:
    """A text that is already decoded, in parts if it is too long."""
    if len(text) <= settings.document_bytes // 4 and END_OF_TEXT not in text:
        yield Raw(text, origin, place)
        return
    for raw in _text([text.encode("utf-8", "surrogatepass")], origin, settings):
        yield raw._replace(place=place)


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    unfinished: list[bytes] = []
    size = 0
    for block in blocks:
        *lines, rest = block.split(b"\n")
        for line in lines:
            yield b"".join(unfinished) + line
            unfinished, size = [], 0
        unfinished.append(rest)
        size += len(rest)
        if size > PAGE_BYTES:
            raise _Refused(f"a line is longer than {PAGE_BYTES >> 20} MiB, so this is not JSON lines")
    yield b"".join(unfinished)


def _page(blocks: Iterable[bytes], origin: str, kind: str) -> Raw:
    content: list[bytes] = []
    size = 0
    for block in blocks:
        content.append(block)
        size += len(block)
        if size > PAGE_BYTES:
            raise _Refused(f"is longer than {PAGE_BYTES >> 20} MiB, too long for one page")
    return Raw(b"".join(content), origin, 0, kind=kind)


def _zip(file: BinaryIO, origin: str, settings: Settings, depth: int) -> Iterator[Union[Raw, Unreadable]]:
    try:
        with zipfile.ZipFile(io.BufferedReader(file) if isinstance(file, io.RawIOBase) else file) as archive:
            entries = sorted(archive.infolist(), key=lambda entry: entry.filename)  # two may have one name
            if len(entries) > ZIP_ENTRIES:
                yield Unreadable(origin, f"has {len(entries):,} entries; the first {ZIP_ENTRIES:,} in the order of names are read")
            for entry in entries[:ZIP_ENTRIES]:
                if entry.is_dir():
                    continue
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
                    yield Unreadable(f"{origin}/{entry.filename}", "is packed by another method than deflate or LZMA; unpack it first")
                    continue
                try:
                    with archive.open(entry) as member:
                        yield from _open(member, entry.filename, f"{origin}/{entry.filename}", settings, depth + 1)
                except (*_DAMAGED, OSError, NotImplementedError, RuntimeError) as error:  # damaged, unknown method, password
                    yield Unreadable(f"{origin}/{entry.filename}", str(error))
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        yield Unreadable(origin, f"not a whole zip archive: {error}")


def _parquet(path: str, origin: str, settings: Settings) -> Iterator[Union[Raw, Unreadable]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(f"{path}: Parquet needs pyarrow; pip install 'fable6c[corpus]'") from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        if settings.text_field not in file.schema_arrow.names:
            yield Unreadable(origin, f"no column `{settings.text_field}`, it has {', '.join(file.schema_arrow.names)}")
            return
        row = 0
        for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=[settings.text_field], use_threads=False):
            for value in batch.column(0):
                try:
                    text = value.as_py()
                except UnicodeDecodeError as error:
                    yield Unreadable(f"{origin}:{row}", f"is not UTF-8 ({error})")
                    text = None
                if text is not None and not isinstance(text, (str, bytes)):
                    yield Unreadable(origin, f"the column `{settings.text_field}` holds {type(text).__name__}, not text")
                    return
                text = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
                if isinstance(text, str) and text and not text.isspace():
                    yield from _parts(text, origin, row, settings)
                row += 1
    except (pyarrow.ArrowException, OSError) as error:
        yield Unreadable(origin, f"{error}".split("\n")[0])


# ---- pages to text

_BLOCKS = (
    "address,article,aside,blockquote,caption,center,dd,details,div,dl,dt,figcaption,figure,footer,form,h1,h2,h3,h4,h5,h6,header,hr,legend,li,"
    "main,ol,option,p,pre,section,summary,table,tr,ul"
)
_NOT_TEXT = ["script", "style", "noscript", "template", "nav", "head", "svg", "iframe", "button", "select", "textarea"]
_NEW_LINE, _NEW_PARAGRAPH = "\x1e", "\x1f"  # stand for the ends until white space is collapsed


_TAG = re.compile(r"</?([A-Za-z][^\s/>]*)")
_ATTRIBUTES = re.compile(r"[^>=]*")  # up to a value or the tag's end
_VALUE = re.compile(r"""=\s*(["']?)""")
# What is in them is no markup, and no text either.
_RAW = {name: re.compile(f"</{name}[\\s/>]", re.IGNORECASE) for name in "script style textarea title iframe noframes svg".split()}
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
# They end where one of their kind begins: a list whose items are never closed is not deep.
_KINDS = [frozenset(kind.split()) for kind in ("p", "li", "dd dt", "td th tr tbody thead tfoot", "option optgroup", "rt rp")]
_ENDED_BY = {name: kind | {"p"} for kind in _KINDS for name in kind}


class PageTooComplex(ValueError):
    """A page whose reading would take memory or time out of proportion."""


def _bare(html: str) -> str:
    """The page without attributes, comments, scripts and the like, which cost a parser more than they weigh. PageTooComplex where the
    rest is not a page for people either. The rules are those of the HTML standard's tokenizer (13.2.5), as far as text needs them."""
    out: list[str] = []
    open_tags: list[str] = []
    at = count = 0
    while True:
        begin = html.find("<", at)
        out.append(html[at : begin if begin >= 0 else len(html)])
        if begin < 0:
            return "".join(out)
        tag = _TAG.match(html, begin)
        if tag is None:
            if html.startswith(("<!", "<?", "</"), begin):
                comment = html.startswith("<!--", begin)
                end = html.find("-->" if comment else ">", begin + 2)
                at = len(html) if end < 0 else end + (3 if comment else 1)
            else:
                out.append("&lt;")
                at = begin + 1
            continue
        at = tag.end()
        while True:
            at = _ATTRIBUTES.match(html, at).end()  # type: ignore[union-attr]  # it always matches
            if at == len(html) or html[at] == ">":
                break
            value: Any = _VALUE.match(html, at)  # it always matches
            at = value.end()
            if value[1]:
                at = html.find(value[1], at) + 1 or len(html)
        if at == len(html):
            return "".join(out)  # cut off within a tag
        at += 1
        name = tag[1].lower()
        if html[begin + 1] == "/":
            if name in open_tags:
                while open_tags.pop() != name:
                    pass
        elif name in _RAW:
            closing = _RAW[name].search(html, at)
            at = len(html) if closing is None else closing.start()
            if closing is not None:
                at = html.find(">", at) + 1 or len(html)
            continue
        elif name not in _VOID:
            while open_tags and open_tags[-1] in _ENDED_BY.get(name, ()):
                open_tags.pop()
            open_tags.append(name)
        count += 1
        if count > PAGE_TAGS or len(open_tags) > PAGE_DEPTH:
            what = f"more than {PAGE_TAGS:,} tags" if count > PAGE_TAGS else f"tags in tags more than {PAGE_DEPTH} deep"
            raise PageTooComplex(f"has {what}, too many for a page of text")
        out.append(f"{html[begin : tag.end()]}>")


def html_text(html: str) -> str:
    """What a reader sees of a page: paragraphs with blank lines between them (selectolax, an HTML5 parser)."""
    from selectolax.lexbor import LexborHTMLParser

    html = _bare(html)

    tree = LexborHTMLParser(html.replace(_NEW_LINE, " ").replace(_NEW_PARAGRAPH, " "))
    tree.strip_tags(_NOT_TEXT)
    for node in tree.css("br"):
        node.replace_with(_NEW_LINE)
    for node in tree.css("td,th"):
        node.insert_after(" ")
    for node in tree.css(_BLOCKS):
        node.insert_before(_NEW_PARAGRAPH)
        node.insert_after(_NEW_PARAGRAPH)
    body = tree.body
    text = body.text(separator="") if body else ""
    paragraphs = []
    for paragraph in text.split(_NEW_PARAGRAPH):
        lines = [" ".join(line.split()) for line in paragraph.split(_NEW_LINE)]
        paragraphs.append("\n".join(line for line in lines if line))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def markdown_text(markdown: str) -> str:
    """The text of CommonMark without its signs (markdown-it-py); headings are paragraphs."""
    from markdown_it import MarkdownIt

    return html_text(MarkdownIt("commonmark").render(markdown))


def page_text(text: str, kind: str) -> tuple[str, bool]:
    """(text, whether it was converted) for each kind of `Raw`. PageTooComplex for a page that is none for people."""
    if kind == "text":
        return text, False
    try:
        return (html_text if kind == "html" else markdown_text)(text), True
    except ImportError as error:
        raise UserError(f"{kind} pages need {error.name}; pip install 'fable6c[corpus]'") from None
