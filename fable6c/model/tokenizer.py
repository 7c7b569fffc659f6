"""The tokenizer: byte-level BPE. docs/tokenizer.md is the contract that this module and the engine share.

    tokenizer = Tokenizer.load("tokenizer.f6t")
    ids = tokenizer.encode("Once upon a time")       # uint16
    tokenizer.decode(ids)                            # b"Once upon a time"

Vocabularies are learned by fable6c/data/bpe.py.
"""

import concurrent.futures
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Union

import numpy as np

from fable6c.errors import UserError
from fable6c.files import atomic_write, open_file
from fable6c.model.architecture import DIMENSION_RANGES
from fable6c.model.limits import MAX_TEXT_BYTES

END_OF_TEXT = "<|endoftext|>"
MIN_VOCAB, MAX_VOCAB = DIMENSION_RANGES["vocab"]
MAX_TOKEN_BYTES = 64
# tokenizer.f6t: the magic, u32 number of merges, the merges as in a model file, u32 CRC-32 of all before.
MAGIC = b"\x89F6T\r\n\x1a\n"
PREFIX = struct.Struct("<8sI")
CRC = struct.Struct("<I")
MAX_FILE_BYTES = PREFIX.size + 4 * (MAX_VOCAB - MIN_VOCAB) + CRC.size
# The rule of the pieces, for characters and for bytes. {L} letters: A-Z, a-z and all that is not ASCII.
PIECE = r" ?[{L}]+(?:'[{L}]+)*| ?[0-9]| ?[^ \t-\r0-9{L}]+|[\t-\r]+| "
PIECE_OF_TEXT = PIECE.replace("{L}", "A-Za-z\u0080-\U0010ffff")
PIECE_OF_BYTES = PIECE.replace("{L}", r"A-Za-z\x80-\xff").encode("ascii")
find_pieces = re.compile(PIECE_OF_TEXT).findall  # of a part that `slices` gave
_match_piece = re.compile(PIECE_OF_TEXT).match
_match_piece_of_bytes = re.compile(PIECE_OF_BYTES).match
_cut_after_apostrophe = re.compile(rb"[A-Za-z\x80-\xff]'").match
MAX_PIECE_BYTES = MAX_TEXT_BYTES  # a longer piece is cut: the engine reads no more at once
GROUP = 64  # documents that a thread encodes at a time
SLICE = 1 << 20  # characters of a long text to hand on at once, so that memory does not grow with the text and Ctrl-C is heard
SHORT = MAX_PIECE_BYTES // 4  # characters that are never more than MAX_PIECE_BYTES


class TokenizerError(UserError):
    """Merges that break a rule of docs/tokenizer.md; `token` is the id of the first token that does."""

    def __init__(self, token: int, reason: str):
        super().__init__(f"the tokenizer is damaged at token {token} ({reason}); the file is damaged or not made by fable6c")
        self.token = token


class Tokenizer:
    """V tokens: 256 bytes, M = V - 257 merges, the end-of-text mark.

    merges        (M, 2) uint16: token 256 + j is the token merges[j, 0] followed by merges[j, 1]
    vocab_size    V
    end_of_text   V - 1
    token_bytes   list of V bytes objects; the end mark's is b""
    """

    def __init__(self, merges: np.ndarray):
        merges = np.ascontiguousarray(merges)
        if merges.ndim != 2 or merges.shape[1] != 2 or merges.dtype != np.uint16:
            raise ValueError(f"merges: expected (M, 2) uint16, got {merges.shape} {merges.dtype}")
        if len(merges) > MAX_VOCAB - MIN_VOCAB:
            raise ValueError(f"merges: expected at most {MAX_VOCAB - MIN_VOCAB}, got {len(merges)}")
        self.merges = merges
        self.vocab_size = MIN_VOCAB + len(merges)
        self.end_of_text = self.vocab_size - 1
        self.token_bytes = _token_bytes(merges) + [b""]
        self._encoding: Any = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and np.array_equal(self.merges, other.merges)

    __hash__ = None  # type: ignore[assignment]

    # ---- text to tokens and back

    @property
    def encoding(self) -> Any:
        """The fast encoder, built on first use: a tiktoken.Encoding with our pieces and tokens (no network, no plugin)."""
        if self._encoding is None:
            import tiktoken  # here, so that a reader of a model needs it only when it encodes

            self._encoding = tiktoken.Encoding(
                "fable6c",
                pat_str=PIECE_OF_TEXT,
                mergeable_ranks={token: id for id, token in enumerate(self.token_bytes[:-1])},
                special_tokens={END_OF_TEXT: self.end_of_text},
            )
        return self._encoding

    def encode(self, text: Union[str, bytes]) -> np.ndarray:
        """The tokens of a text, uint16. Bytes need not be UTF-8. The end mark never comes out.

        A str may hold bytes that were not UTF-8 as Python's command line gives them (surrogateescape, PEP 383). Other lone
        surrogates have no bytes: UserError.
        """
        text = encode_text(text)
        try:
            return self._encode_str(text.decode("utf-8"))
        except UnicodeDecodeError:
            ids: list[int] = []
            for piece in find_pieces_of_bytes(text):
                ids += self.encoding._encode_single_piece(piece)
            return np.array(ids, dtype=np.uint16)

    def encode_documents(self, documents: Sequence[str], threads: int = 2) -> list[np.ndarray]:
        """The tokens of each document, uint16. tiktoken lets go of Python's lock, so that threads work side by side."""
        # In groups, because handing a short story to a thread costs more than encoding it.
        groups = [documents[start : start + GROUP] for start in range(0, len(documents), GROUP)]
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return [ids for group in pool.map(self._encode_group, groups) for ids in group]

    def _encode_group(self, documents: Sequence[str]) -> list[np.ndarray]:
        return [self._encode_str(document) for document in documents]

    def _encode_str(self, text: str) -> np.ndarray:
        parts = [np.array(self.encoding.encode_ordinary(part), dtype=np.uint16) for part in slices(text)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint16)

    def decode(self, ids: Iterable[int]) -> bytes:
        """The bytes of tokens, perhaps not UTF-8 at either end. The end mark has none. ValueError for an id outside 0 … V - 1."""
        ids = [int(id) for id in ids]
        if ids and not 0 <= min(ids) <= max(ids) < self.vocab_size:
            raise ValueError(f"ids: expected 0 to {self.vocab_size - 1}, got {min(ids)} to {max(ids)}")
        return b"".join(self.token_bytes[id] for id in ids)

    # ---- files

    def to_bytes(self) -> bytes:
        """The merges as they stand in a model file: for each u16 left, u16 right."""
        return self.merges.astype("<u2").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Tokenizer":
        """The inverse of `to_bytes`. Raises TokenizerError for merges that break a rule."""
        if len(data) % 4 != 0 or len(data) > 4 * (MAX_VOCAB - MIN_VOCAB):
            raise UserError(
                f"the tokenizer has {len(data)} bytes, not four for each of at most {MAX_VOCAB - MIN_VOCAB} merges; the file is "
                "damaged or not made by fable6c"
            )
        return cls(np.frombuffer(data, dtype="<u2").astype(np.uint16).reshape(-1, 2))

    def save(self, path: str) -> None:
        content = PREFIX.pack(MAGIC, len(self.merges)) + self.to_bytes()
        atomic_write(path, content + CRC.pack(zlib.crc32(content)))

    @classmethod
    def load(cls, path: str) -> "Tokenizer":
        """Read what `save` wrote. Raises UserError, naming the path, for a file that is missing, foreign or damaged."""
        try:
            with open_file(path) as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); make it with `python -m fable6c.tokenizer train`") from None
        if not data.startswith(MAGIC):
            raise UserError(
                f"{path}: starts with {data[:8]!r}, so it is not a tokenizer; give a file made by `python -m fable6c.tokenizer train`"
            )
        content, crc = data[: -CRC.size], data[-CRC.size :]
        if len(data) < PREFIX.size + CRC.size or CRC.pack(zlib.crc32(content)) != crc:
            raise UserError(f"{path}: is damaged (its checksum does not match); copy it again or train the tokenizer again")
        if len(content) != PREFIX.size + 4 * PREFIX.unpack_from(content)[1]:
            raise UserError(f"{path}: its size contradicts its number of merges; train the tokenizer again")
        try:
            return cls.from_bytes(content[PREFIX.size :])
        except UserError as error:
            raise UserError(f"{path}: {error}") from None


def encode_text(text: Union[str, bytes, bytearray, memoryview]) -> bytes:
    """The bytes of a text, which may hold surrogates of a command line. UserError for another lone surrogate, TypeError for what is no text."""
    if isinstance(text, (bytes, bytearray, memoryview)):
        return bytes(text)
    if not isinstance(text, str):
        raise TypeError(f"text: expected str or bytes, got {type(text).__name__}")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise UserError(
            f"the text has a lone surrogate U+{ord(text[error.start]):04X} at character {error.start}, which is not a character; remove it"
        ) from None


def _token_bytes(merges: np.ndarray) -> list[bytes]:
    """The bytes of the tokens 0 … 255 + M. Raises TokenizerError for the first one that breaks a rule."""
    tokens = [bytes([byte]) for byte in range(256)]
    seen = set(tokens)
    for left, right in merges.tolist():
        if max(left, right) >= len(tokens):
            raise TokenizerError(len(tokens), f"it is made of token {max(left, right)}, which does not come before it")
        token = tokens[left] + tokens[right]
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenizerError(len(tokens), f"it is {len(token)} bytes long, more than {MAX_TOKEN_BYTES}")
        if token in seen:
            raise TokenizerError(len(tokens), f"it is the same bytes as token {tokens.index(token)}")
        tokens.append(token)
        seen.add(token)
    return tokens


def find_pieces_of_bytes(text: bytes) -> list[bytes]:
    """The pieces of a text, in order."""
    pieces, start = [], 0
    while start < len(text):
        end = piece_end(text, start)
        pieces.append(text[start:end])
        start = end
    return pieces


def piece_end(text: bytes, start: int) -> int:
    """Where the piece that begins at `start` ends. A longer one than MAX_PIECE_BYTES ends after so many; up to three before that where a
    character would be cut in two, and before an apostrophe within a word. The next piece is looked for from there."""
    # The window shows what follows a piece of the greatest length: an apostrophe and a letter.
    match = _match_piece_of_bytes(text, start, start + MAX_PIECE_BYTES + 2)
    assert match is not None, "some piece always fits"
    end = match.end()
    if end - start <= MAX_PIECE_BYTES:
        return end
    end = start + MAX_PIECE_BYTES
    while end > start + MAX_PIECE_BYTES - 3 and text[end] & 0xC0 == 0x80:
        end -= 1
    return end - 1 if _cut_after_apostrophe(text[end - 2 : end]) else end


def slices(text: str) -> Iterator[str]:
    """The text in parts of about SLICE characters, cut between pieces, a piece that is cut for its length a part of its own: what a part
    gives alone is what it gives in the text, and no part holds a longer piece than MAX_PIECE_BYTES."""
    start = 0
    while start < len(text):
        end, short = _short_pieces(text, start)
        if end > start:
            yield text[start:end]
        start = end
        if not short:
            for part in _long_pieces(text, start):
                yield part
                start += len(part)


def _short_pieces(text: str, start: int) -> tuple[int, bool]:
    """(end, True) of a part with so many spaces that no piece in it can be too long: a space only ever begins a piece. (end, False) where
    a stretch without spaces begins in which one could be."""
    end = start
    while end - start < SLICE:
        if len(text) - end <= SHORT:
            return len(text), True
        space = text.rfind(" ", end + 1, end + SHORT + 1)
        if space < 0:
            return end, False
        end = space
    return end, True


def _long_pieces(text: str, start: int) -> Iterator[str]:
    """The parts from `start` on, up to one of SLICE characters or a piece that was cut."""
    end = start
    while end < len(text) and end - start < SLICE:
        match = _match_piece(text, end, end + MAX_PIECE_BYTES + 2)
        assert match is not None, "some piece always fits"
        piece = match.group()
        if len(piece) > SHORT:
            data = piece.encode("utf-8")
            cut = piece_end(data, 0)
            if cut < len(data):
                if end > start:
                    yield text[start:end]
                yield data[:cut].decode("utf-8")
                return
        end = match.end()
    yield text[start:end]
