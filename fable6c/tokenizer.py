"""The tokenizer: byte-level BPE. docs/tokenizer.md is the contract that this module and the engine share.

    tokenizer = Tokenizer.train(documents, vocab_size=4096)
    ids = tokenizer.encode("Once upon a time")       # uint16
    tokenizer.decode(ids)                            # b"Once upon a time"

`python -m fable6c.tokenizer train|show` does the same on the command line.
"""

import collections
import concurrent.futures
import os
import re
import struct
import time
import zlib
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from fable6c._lib import ffi, lib
from fable6c.errors import ArgumentParser, UsageError, UserError, run
from fable6c.files import atomic_write
from fable6c.progress import Progress

END_OF_TEXT = "<|endoftext|>"
MIN_VOCAB, MAX_VOCAB = 257, 65536
MAX_TOKEN_BYTES = 64
LEAST_COUNT = 2  # a pair that is seen only once teaches nothing

# tokenizer.f6t: the magic, u32 number of merges, the merges as in a model file, u32 CRC-32 of all before.
MAGIC = b"\x89F6T\r\n\x1a\n"
PREFIX = struct.Struct("<8sI")
CRC = struct.Struct("<I")

# The rule of the pieces, for characters and for bytes. {L} letters: A-Z, a-z and all that is not ASCII.
PIECE = r" ?[{L}]+(?:'[{L}]+)*| ?[0-9]| ?[^ \t-\r0-9{L}]+|[\t-\r]+| "
PIECE_OF_TEXT = PIECE.replace("{L}", "A-Za-z\u0080-\U0010ffff")
PIECE_OF_BYTES = PIECE.replace("{L}", r"A-Za-z\x80-\xff").encode("ascii")
find_pieces = re.compile(PIECE_OF_TEXT).findall
find_pieces_of_bytes = re.compile(PIECE_OF_BYTES).findall
GROUP = 64  # documents that a thread encodes at a time
SLICE = 1 << 20  # characters of a long text to hand on at once, so that memory does not grow with the text

# The layout that _bpe.c expects.
GAP, BLOCK = 0xFFFF, 64


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
        self._encoding = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and np.array_equal(self.merges, other.merges)

    __hash__ = None

    # ---- text to tokens and back

    @property
    def encoding(self):
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
        if isinstance(text, str):
            try:
                text = text.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError as error:
                raise UserError(
                    f"the text has a lone surrogate U+{ord(text[error.start]):04X} at character {error.start}, which is not a "
                    "character; remove it"
                ) from None
        try:
            return self._encode_str(text.decode("utf-8"))
        except UnicodeDecodeError:
            ids: List[int] = []
            for piece in find_pieces_of_bytes(text):
                ids += self.encoding._encode_single_piece(piece)
            return np.array(ids, dtype=np.uint16)

    def encode_documents(self, documents: Sequence[str], threads: int = 2) -> List[np.ndarray]:
        """The tokens of each document, uint16. tiktoken lets go of Python's lock, so that threads work side by side."""
        # In groups, because handing a short story to a thread costs more than encoding it.
        groups = [documents[start : start + GROUP] for start in range(0, len(documents), GROUP)]
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return [ids for group in pool.map(self._encode_group, groups) for ids in group]

    def _encode_group(self, documents: Sequence[str]) -> List[np.ndarray]:
        return [self._encode_str(document) for document in documents]

    def _encode_str(self, text: str) -> np.ndarray:
        parts = [np.array(self.encoding.encode_ordinary(part), dtype=np.uint16) for part in _slices(text)]
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
            with open(path, "rb") as file:
                data = file.read()
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

    # ---- training

    @classmethod
    def train(cls, documents: Iterable[str], vocab_size: int, progress: bool = True) -> "Tokenizer":
        """Learn a vocabulary of `vocab_size` tokens from documents, which are gone through once and not kept.

        Deterministic: it depends on the text only, not on the order of the documents. Raises UserError as `train_merges` does.
        """
        return cls(train_merges(count_pieces(documents, progress), vocab_size, progress))


def _token_bytes(merges: np.ndarray) -> List[bytes]:
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


def _slices(text: str) -> Iterator[str]:
    """The text in parts of about SLICE characters, cut before a space: a space only ever begins a piece."""
    start = 0
    while start < len(text):
        cut = text.find(" ", start + SLICE)
        end = len(text) if cut < 0 else cut
        yield text[start:end]
        start = end


def count_pieces(documents: Iterable[str], progress: bool = True) -> Dict[bytes, int]:
    """How often each distinct piece is in the documents."""
    counts: "collections.Counter[str]" = collections.Counter()
    with Progress("reading", unit="characters", enabled=progress) as shown:
        for document in documents:
            for part in _slices(document):
                counts.update(find_pieces(part))
            shown.add(len(document))
    return {piece.encode("utf-8"): count for piece, count in counts.items()}


def train_merges(pieces: Dict[bytes, int], vocab_size: int, progress: bool = True) -> np.ndarray:
    """The merges (vocab_size - 257, 2) uint16 that docs/tokenizer.md, "Training", gives for counted pieces.

    The loop over merges is here, the work on the text in _bpe.c; the arrays are explained there. Raises UserError for a
    vocabulary out of range or a text that is too small for it.
    """
    if not MIN_VOCAB <= vocab_size <= MAX_VOCAB:
        raise UsageError(f"a vocabulary of {vocab_size} tokens was asked for; choose {MIN_VOCAB} to {MAX_VOCAB}")
    ordered = sorted(pieces)  # no result depends on the order; the same text gives the same memory layout and so the same time
    text = np.frombuffer(b" " + b"".join(piece + b" " for piece in ordered), dtype=np.uint8)
    lengths = np.array([len(piece) for piece in ordered], dtype=np.int64)
    N = -(-len(text) // BLOCK) * BLOCK
    symbols = np.full(N, GAP, dtype=np.uint16)
    symbols[: len(text)] = text
    symbols[np.concatenate([[0], np.cumsum(lengths + 1)])] = GAP
    piece_of = np.zeros(N, dtype=np.uint32)
    piece_of[1 : len(text)] = np.repeat(np.arange(len(ordered), dtype=np.uint32), lengths + 1)
    piece_count = np.array([pieces[piece] for piece in ordered], dtype=np.int64)

    most_pairs = min(2**16 + 2 * N, vocab_size**2)
    pair = np.empty(most_pairs, dtype=np.uint32)
    pair_count = np.empty(most_pairs, dtype=np.int64)
    index = np.zeros(1 << (2 * most_pairs).bit_length(), dtype=np.uint32)
    token_length = np.ones(vocab_size, dtype=np.uint8)

    c_pair, c_pair_count, c_index = _pointer("uint32_t", pair), _pointer("int64_t", pair_count), _pointer("uint32_t", index)
    c_symbols, c_piece_of = _pointer("uint16_t", symbols), _pointer("uint32_t", piece_of)
    c_piece_count, c_token_length = _pointer("int64_t", piece_count), _pointer("uint8_t", token_length)

    merges: List[Tuple[int, int]] = []
    pairs = lib.bpe_count_pairs(c_pair, c_pair_count, c_index, c_symbols, c_piece_of, c_piece_count, N, len(index))
    with Progress("making tokens", vocab_size - MIN_VOCAB, "merges", progress) as shown:
        while MIN_VOCAB + len(merges) < vocab_size:
            best = lib.bpe_best_pair(c_pair, c_pair_count, c_token_length, pairs, MAX_TOKEN_BYTES, LEAST_COUNT)
            if best == pairs:
                enough = MIN_VOCAB + len(merges)
                raise UserError(
                    f"the text is too small for a vocabulary of {vocab_size} tokens: it gives {enough} (after that no pair is seen "
                    f"twice); use --vocab {enough} or less (in training: `vocab` in a --config), or give more text"
                )
            left, right = int(pair[best]) >> 16, int(pair[best]) & 0xFFFF
            merged = 256 + len(merges)
            token_length[merged] = token_length[left] + token_length[right]
            merges.append((left, right))
            pairs = lib.bpe_merge(
                c_symbols, c_pair, c_pair_count, c_index, c_piece_of, c_piece_count, N, pairs, len(index), left, right, merged
            )
            shown.add(1)
    return np.array(merges, dtype=np.uint16).reshape(-1, 2)


def _pointer(kind: str, array: np.ndarray):
    """A C pointer to a NumPy array's data; the array has to outlive it."""
    return ffi.cast(f"{kind} *", ffi.from_buffer(array))


# ---- the command line


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.tokenizer",
        "Train a tokenizer on text, or show what one does.",
        "python -m fable6c.tokenizer train stories.txt --vocab 4096 -o tokenizer.f6t",
    )
    commands = parser.subcommands("train|show")
    train = commands.add_parser(
        "train",
        help="learn a vocabulary from text",
        purpose="Learn a vocabulary from text.",
        example="python -m fable6c.tokenizer train stories.txt more.txt.zst --vocab 4096 -o tokenizer.f6t",
    )
    train.add_argument("text", nargs="+", metavar="TEXT", help="plain UTF-8 text or .zst; a line <|endoftext|> ends a document")
    train.add_argument("--vocab", type=int, default=4096, metavar="V", help=f"tokens, {MIN_VOCAB} to {MAX_VOCAB} (default 4096)")
    train.add_argument("-o", "--output", required=True, metavar="FILE", help="where to write the tokenizer, e.g. tokenizer.f6t")
    show = commands.add_parser(
        "show",
        help="print the tokens, or how a text splits",
        purpose="Print a table of the tokens, or how a text splits into pieces and tokens.",
        example='python -m fable6c.tokenizer show tokenizer.f6t --text "Once upon a time"',
    )
    show.add_argument("tokenizer", metavar="FILE", help="a tokenizer.f6t")
    show.add_argument("--text", help="show the pieces and tokens of this text instead")
    arguments = parser.parse_args(argv)
    if arguments.command == "train":
        _train_command(arguments.text, arguments.vocab, arguments.output)
    elif arguments.text is None:
        _show_tokens(Tokenizer.load(arguments.tokenizer))
    else:
        _show_text(Tokenizer.load(arguments.tokenizer), arguments.text)


def _train_command(paths: Sequence[str], vocab_size: int, output: str) -> None:
    from fable6c.data import read_documents  # here: data.py is built on this module

    started = time.monotonic()
    tokenizer = Tokenizer.train(read_documents(paths), vocab_size)
    tokenizer.save(output)
    longest = max(tokenizer.token_bytes, key=len)
    print(f"{output}: {vocab_size} tokens, the longest {_readable(longest)}, {time.monotonic() - started:.1f} s")


def _show_tokens(tokenizer: Tokenizer) -> None:
    print("   id  bytes  token")
    for id, token in enumerate(tokenizer.token_bytes[:-1]):
        print(f"{id:5}  {len(token):5}  {_readable(token)}")
    print(f"{tokenizer.end_of_text:5}      0  {END_OF_TEXT}, the end-of-text mark")


def _show_text(tokenizer: Tokenizer, text: str) -> None:
    data = os.fsencode(text)
    ids = tokenizer.encode(data)
    print("piece: id token …")
    for piece in find_pieces_of_bytes(data):
        tokens = "  ".join(f"{id} {_readable(tokenizer.token_bytes[id])}" for id in tokenizer.encode(piece))
        print(f"{_readable(piece)}: {tokens}")
    print(f"{len(data)} bytes, {len(ids)} tokens, {len(data) / max(1, len(ids)):.2f} bytes per token")


def _readable(token: bytes) -> str:
    """Quoted ASCII whatever the bytes and the terminal: ' the', '\\xc3\\xa9'."""
    return repr(token)[1:]


if __name__ == "__main__":
    run(main)
