"""Text to tokens on disk: read documents, hold some out, tokenize, and hand out windows for training.

    data = prepare(lambda: read_documents(paths), "run/data", 4096, source=describe_files(paths))
    starts = window_starts(data.train, context=256, seed=1, epoch=0)
    inputs, targets = batch(data.train, starts[:16], context=256)       # int32 (16, 256) each

The folder then holds
    tokenizer.f6t   the tokenizer
    train.bin       tokens, u16 little-endian, each document followed by the end mark
    valid.bin       the same for the held-out part
    data.json       what they were made from, and counts; written last, so where it is, all is complete
"""

import codecs
import collections
import contextlib
import dataclasses
import hashlib
import json
import os
import re
from typing import BinaryIO, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

import numpy as np
import zstandard

from fable6c.errors import UserError
from fable6c.files import atomic_file, atomic_write, make_folder
from fable6c.progress import Progress
from fable6c.tokenizer import END_OF_TEXT, Tokenizer, count_pieces, train_merges

FORMAT = 1  # of the folder; another number means: prepare again
TOKEN = np.dtype("<u2")
BLOCK_BYTES = 1 << 20  # of text to read at a time
PACKED_BYTES = 1 << 14  # of a .zst to unpack at a time: small, because 4 bytes of it can become 128 KiB
WINDOW_LOG = 27  # the largest zstd window read, as `zstd --long=27`
MARK_LINE = re.compile(rf"^{re.escape(END_OF_TEXT)}\r?(?:\n|\Z)", re.MULTILINE)
ENCODE_CHARACTERS = 1 << 22  # of documents to encode at a time

HELD_OUT_SHARE = 0.02
HELD_OUT_MOST = 400_000  # characters: enough for a steady measure, little enough to score often
LEAST_CHARACTERS = 1000  # of text: with less there is nothing to hold out and nothing to learn
LEAST_WINDOWS = 4


# ---- reading


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
            with open(path, "rb") as file, contextlib.suppress(zstandard.ZstdError):  # reading it will say what is wrong
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
        with open(path, "rb") as file:
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


# ---- preparing


@dataclasses.dataclass
class Dataset:
    """A prepared folder: tokens (memory-mapped uint16), the tokenizer, the held-out part's characters, and data.json."""

    train: np.ndarray
    valid: np.ndarray
    tokenizer: Tokenizer
    valid_chars: int
    description: Dict[str, object]

    def starts(self, context: int, seed: int, epoch: int) -> np.ndarray:
        """`window_starts` of the text to train on."""
        return window_starts(self.train, context, seed, epoch)

    def batch(self, starts: np.ndarray, context: int) -> Tuple[np.ndarray, np.ndarray]:
        """`batch` of the text to train on."""
        return batch(self.train, starts, context)


@dataclasses.dataclass
class HeldOut:
    """Which documents are held out, by the names that `_name` gives: copies of one document never lie on both sides."""

    whole: Set[int]  # names of the documents that are held out
    cut: Optional[int]  # name of the document whose end is held out
    cut_characters: int  # about how much of it

    def split(self, document: str) -> Tuple[str, str]:
        """(part to train on, part held out); either may be empty."""
        name = _name(document.encode("utf-8"))
        if name in self.whole:
            return "", document
        if name == self.cut:
            return _cut_end(document, self.cut_characters)
        return document, ""


class Survey:
    """Notes what the text is while its documents pass by.

    names, lengths   of each document: 64-bit name, characters
    sha256           of the documents' UTF-8, each followed by a NUL byte
    bytes            of UTF-8
    """

    def __init__(self):
        self.names: List[int] = []
        self.lengths: List[int] = []
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def watch(self, documents: Iterable[str]) -> Iterator[str]:
        for document in documents:
            data = document.encode("utf-8")
            self.names.append(_name(data))
            self.lengths.append(len(document))
            self.sha256.update(data + b"\0")
            self.bytes += len(data)
            yield document


def prepare(
    documents: Callable[[], Iterable[str]],
    directory: str,
    vocab_size: int,
    source: str,
    threads: int = 2,
    progress: bool = True,
) -> Dataset:
    """Make the folder's files from the documents, or take them as they are if they were made from the same text.

    documents   starts a new pass over the documents at each call
    source      a line that says what the text is and changes when it may have changed (`describe_files`). If it is the line
                of the last time, the text is not read; if it is another one, the SHA-256 of the text decides
    Raises UserError for bad text, too little text, or a folder that cannot be written.
    """
    stored = _read_description(directory)
    if stored and stored["vocab_size"] == vocab_size and stored["source"] == source:
        return _open(directory, stored)
    make_folder(directory)
    survey = Survey()
    pieces = count_pieces(survey.watch(documents()), progress)
    characters, sha256 = sum(survey.lengths), survey.sha256.hexdigest()
    if characters < LEAST_CHARACTERS:
        raise UserError(f"the text has {characters} characters in all, at least {LEAST_CHARACTERS} are needed; give more text")
    if stored and stored["vocab_size"] == vocab_size and stored["sha256"] == sha256:
        stored["source"] = source
    else:
        tokenizer = Tokenizer(train_merges(pieces, vocab_size, progress))
        atomic_write(os.path.join(directory, "data.json"), b"{}\n")  # from here on the folder is not complete
        tokenizer.save(os.path.join(directory, "tokenizer.f6t"))
        stored = {
            "format": FORMAT,
            "source": source,
            "sha256": sha256,
            "vocab_size": vocab_size,
            "documents": len(survey.names),
            "characters": characters,
            "bytes": survey.bytes,
            **_encode(documents(), directory, tokenizer, survey, threads, progress),
        }
    atomic_write(os.path.join(directory, "data.json"), json.dumps(stored, indent=1).encode("ascii") + b"\n")
    return _open(directory, stored)


def _read_description(directory: str) -> Optional[Dict[str, object]]:
    """data.json, or None if the folder has to be prepared (again): nothing there, another format, or files that are not whole."""
    try:
        with open(os.path.join(directory, "data.json"), encoding="ascii") as file:
            stored = json.load(file)
        sizes = {name: os.path.getsize(os.path.join(directory, name + ".bin")) for name in ("train", "valid")}
        tokenizer = Tokenizer.load(os.path.join(directory, "tokenizer.f6t"))
        whole = (
            stored["format"] == FORMAT
            and sizes == {name: stored[name + "_tokens"] * TOKEN.itemsize for name in sizes}
            and tokenizer.vocab_size == stored["vocab_size"]
        )
        return stored if whole else None
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None


def _open(directory: str, stored: Dict[str, object]) -> Dataset:
    train, valid = (np.memmap(os.path.join(directory, name), dtype=TOKEN, mode="r") for name in ("train.bin", "valid.bin"))
    tokenizer = Tokenizer.load(os.path.join(directory, "tokenizer.f6t"))
    return Dataset(train, valid, tokenizer, stored["valid_characters"], stored)


def _name(document: bytes) -> int:
    """A 64-bit name for a document's content."""
    return int.from_bytes(hashlib.blake2b(document, digest_size=8).digest(), "little")


def choose_held_out(names: Sequence[int], lengths: Sequence[int]) -> HeldOut:
    """Hold out about 2 % of the characters, at most 400,000: documents in the order of their names, which is as good as drawn by
    lot, as long as they fit. If that gives less than half of it (a single document, or few long ones), the end of the next one."""
    copies = collections.Counter(names)
    length_of = dict(zip(names, lengths))
    room = min(int(sum(lengths) * HELD_OUT_SHARE), HELD_OUT_MOST)
    least = room / 2
    whole = set()
    for name in sorted(copies):
        if length_of[name] * copies[name] > room:
            break  # always reached: the documents together are far longer than the room
        whole.add(name)
        room -= length_of[name] * copies[name]
    return HeldOut(whole, cut=name if room > least else None, cut_characters=max(1, room // copies[name]))


def _cut_end(document: str, characters: int) -> Tuple[str, str]:
    """The document in two, the second part half to all of `characters` long: cut at a paragraph, a line, a space, or anywhere."""
    latest = len(document) - characters // 2
    for separator in ("\n\n", "\n", " ", ""):
        cut = document.find(separator, len(document) - characters, latest)
        if cut >= 0:
            break
    return document[:cut], document[cut:].lstrip("\r\n ")


def _encode(
    documents: Iterable[str], directory: str, tokenizer: Tokenizer, survey: Survey, threads: int, progress: bool
) -> Dict[str, int]:
    """Write train.bin and valid.bin; returns their counts for data.json."""
    held_out = choose_held_out(survey.names, survey.lengths)
    characters = sum(survey.lengths)
    counts = {"train_tokens": 0, "valid_tokens": 0, "valid_documents": 0, "valid_characters": 0}
    read = 0
    with atomic_file(os.path.join(directory, "train.bin")) as train, atomic_file(
        os.path.join(directory, "valid.bin")
    ) as valid, Progress("encoding", characters, "characters", progress) as shown:
        for group in _groups(documents):
            parts = [held_out.split(document) for document in group]
            train_parts = [part for part, _ in parts if part]
            valid_parts = [part for _, part in parts if part]
            counts["train_tokens"] += _write(train, tokenizer, train_parts, threads)
            counts["valid_tokens"] += _write(valid, tokenizer, valid_parts, threads)
            counts["valid_documents"] += len(valid_parts)
            counts["valid_characters"] += sum(map(len, valid_parts))
            read += sum(map(len, group))
            shown.add(sum(map(len, group)))
        if read != characters:
            raise UserError(
                f"the text changed while it was read ({characters} characters, then {read}); start again when it is complete"
            )
        if 0 in counts.values():
            raise UserError(
                "the text cannot be divided into a part to train on and a part to hold out (it ends in white space, or its documents are "
                "copies of each other); give more text"
            )
    return counts


def _groups(documents: Iterable[str]) -> Iterator[List[str]]:
    """Documents in groups of about ENCODE_CHARACTERS characters."""
    group: List[str] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document)
        if size >= ENCODE_CHARACTERS:
            yield group
            group, size = [], 0
    yield group


def _write(file: BinaryIO, tokenizer: Tokenizer, documents: Sequence[str], threads: int) -> int:
    """Append the documents' tokens, an end mark after each. Returns the number of tokens."""
    end = np.array([tokenizer.end_of_text], dtype=TOKEN)
    tokens = [part for ids in tokenizer.encode_documents(documents, threads) for part in (ids, end)]
    return file.write(b"".join(part.astype(TOKEN).tobytes() for part in tokens)) // TOKEN.itemsize


# ---- windows


def window_starts(tokens: np.ndarray, context: int, seed: int, epoch: int) -> np.ndarray:
    """Where each window of context + 1 tokens begins, in the order of this epoch, int64 (windows,).

    The windows of an epoch lie end to end (each shares one token, its last target, with the next one's first input) and each comes
    once. Where the first begins, and their order, are drawn anew for each epoch; their number is the same in all epochs. The
    draw depends on (seed, epoch) only and uses raw PCG64 output, which NumPy promises never to change (NEP 19), so a
    training run can be resumed at any (epoch, index) on any machine. Raises UserError if there are too few tokens.
    """
    windows = (len(tokens) - context) // context
    if windows < LEAST_WINDOWS:
        raise UserError(
            f"the text has {len(tokens)} tokens to train on, at least {(LEAST_WINDOWS + 1) * context} are needed for windows of "
            f"{context}; give more text or a smaller context"
        )
    generator = np.random.PCG64(np.random.SeedSequence([seed, epoch]))
    phase = int(generator.random_raw()) % context
    order = np.argsort(generator.random_raw(windows), kind="stable")
    return phase + order * context


def batch(tokens: np.ndarray, starts: np.ndarray, context: int) -> Tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, int32 (B, T) each, of the windows that begin at starts (B,): targets are the inputs' next tokens."""
    windows = tokens[np.asarray(starts)[:, None] + np.arange(context + 1)].astype(np.int32)
    return np.ascontiguousarray(windows[:, :-1]), np.ascontiguousarray(windows[:, 1:])
