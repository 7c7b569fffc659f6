"""Text to tokens on disk: hold some documents out, learn a vocabulary, tokenize.

    data = prepare(lambda: read_documents(paths), "run/data", 4096, source=describe_files(paths))
    starts = data.starts(context=256, seed=1, epoch=0)
    inputs, targets = data.batch(starts[:16], context=256)       # int32 (16, 256) each

The folder then holds
    tokenizer.f6t   the tokenizer
    train.bin       tokens, u16 little-endian, each document followed by the end mark
    valid.bin       the same for the held-out part
    data.json       what they were made from, and counts; written last, so where it is, all is complete
"""

import collections
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import (
    Any,
    Callable,
    Optional,
)

import numpy as np

from fable6c.data.bpe import count_pieces, train_merges
from fable6c.data.text import grouped
from fable6c.data.windows import Headers, Shard, batch, window_starts
from fable6c.errors import UserError
from fable6c.files import atomic_file, atomic_write, make_folder, open_file, read_json
from fable6c.model.asking import FIELDS, split_header
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress

FORMAT = 1  # of the folder; another number means: prepare again
TOKEN = np.dtype("<u2")
SCAN = 1 << 24  # tokens to look at at a time
ENCODE_CHARACTERS = 1 << 22  # of documents to encode at a time
HELD_OUT_SHARE = 0.02
MAX_HELD_OUT = 400_000  # characters: enough for a steady measure, little enough to score often
MIN_CHARACTERS = 1000  # of text: with less there is nothing to hold out and nothing to learn
RESAMPLING = 1  # beside a seed: other draws than those of an epoch's windows need
TEXTS = ("source", "sha256")  # in data.json
COUNTS = ("vocab_size", "documents", "characters", "bytes", "train_tokens", "valid_tokens", "valid_documents", "valid_characters")


@dataclasses.dataclass
class FolderDataset:
    """The Dataset (data/windows.py) of a prepared folder: tokens (memory-mapped uint16), the tokenizer, the held-out part's characters, and
    data.json; where documents have headers, their places."""

    train: np.ndarray
    valid: np.ndarray
    tokenizer: Tokenizer
    valid_chars: int
    description: dict[str, Any]
    headers: Optional[Headers] = None

    def starts(self, context: int, seed: int, epoch: int) -> np.ndarray:
        """`window_starts` of the text to train on."""
        return window_starts(self.train, context, seed, epoch)

    def batch(self, starts: np.ndarray, context: int) -> tuple[np.ndarray, np.ndarray]:
        """`batch` of the text to train on."""
        return batch(self.train, starts, context, self.headers)

    def shard(self, worker: int, workers: int) -> Shard:
        return Shard(self, worker, workers)

    def resampled(self, seed: int) -> "FolderDataset":
        """As many documents to train on, drawn with replacement by the seed: a bootstrap sample (Efron 1979). Held-out text stays what it is."""
        ends = np.flatnonzero(self.train == self.tokenizer.end_of_text) + 1
        starts = np.concatenate([[0], ends[:-1]])
        # Raw numbers, because NumPy promises these forever (NEP 19).
        drawn = np.random.PCG64(np.random.SeedSequence([seed, RESAMPLING])).random_raw(len(ends)) % np.uint64(len(ends))
        tokens = np.concatenate([self.train[starts[i] : ends[i]] for i in drawn.astype(np.intp).tolist()])
        headers = Headers(tokens, self.tokenizer.end_of_text) if self.headers else None
        return dataclasses.replace(self, train=tokens, headers=headers)


@dataclasses.dataclass
class HeldOut:
    """Which documents are held out, by the names that `_name` gives: copies of one document never lie on both sides."""

    whole: set[int]  # names of the documents that are held out
    cut: Optional[int]  # name of the document whose end is held out
    cut_characters: int  # about how much of it

    def split(self, document: str) -> tuple[str, str]:
        """(part to train on, part held out); either may be empty."""
        name = _name(document)
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
    fields           of their headers (model/asking.py)
    """

    def __init__(self) -> None:
        self.names: list[int] = []
        self.lengths: list[int] = []
        self.sha256 = hashlib.sha256()
        self.bytes = 0
        self.fields: set[str] = set()

    def watch(self, documents: Iterable[str]) -> Iterator[str]:
        for document in documents:
            data = document.encode("utf-8")
            self.names.append(_name(document))
            self.lengths.append(len(document))
            self.sha256.update(data + b"\0")
            self.bytes += len(data)
            self.fields.update(split_header(document)[0])
            yield document


def prepare(
    documents: Callable[[], Iterable[str]],
    directory: str,
    vocab_size: int,
    source: str,
    threads: int = 2,
    progress: bool = True,
    tokenizer: Optional[Tokenizer] = None,
    each: Callable[..., Iterator] = map,
) -> FolderDataset:
    """Make the folder's files from the documents, or take them as they are if they were made from the same text.

    documents   starts a new pass over the documents at each call
    source      a line that says what the text is and changes when it may have changed (`describe_files`). If it is the line
                of the last time, the text is not read; if it is another one, the SHA-256 of the text decides
    tokenizer   to use instead of one that is learned from the text; if it has fewer tokens, the others are learned
    each        applies a function to groups of documents, in their order, as `map` does; whoever does the work, the files are the same
    Raises UserError for bad text, too little text, or a folder that cannot be written.
    """
    given = hashlib.sha256(tokenizer.to_bytes()).hexdigest() if tokenizer else None
    dataset = _open(directory)
    if dataset and (dataset.tokenizer.vocab_size != vocab_size or dataset.description.get("given_tokenizer") != given):
        dataset = None
    if dataset and dataset.description["source"] == source:
        return dataset
    make_folder(directory)
    survey = Survey()
    pieces = count_pieces(survey.watch(documents()), progress, each)
    characters, sha256 = sum(survey.lengths), survey.sha256.hexdigest()
    if characters < MIN_CHARACTERS:
        raise UserError(f"the text has {characters} characters in all, at least {MIN_CHARACTERS} are needed; give more text")
    if dataset and dataset.description["sha256"] == sha256:
        description = {**dataset.description, "source": source}
    else:
        dataset = None  # Windows replaces no file that is mapped
        if not tokenizer or tokenizer.vocab_size < vocab_size:
            tokenizer = Tokenizer(train_merges(pieces, vocab_size, progress, tokenizer.merges if tokenizer else None))
        atomic_write(os.path.join(directory, "data.json"), b"{}\n")  # from here on the folder is not complete
        tokenizer.save(os.path.join(directory, "tokenizer.f6t"))
        description = {
            "format": FORMAT,
            "source": source,
            "sha256": sha256,
            "vocab_size": vocab_size,
            "documents": len(survey.names),
            "characters": characters,
            "bytes": survey.bytes,
            "given_tokenizer": given,
            "asks": " ".join(name for name in FIELDS if name in survey.fields),
            **_encode(documents(), directory, tokenizer, survey, threads, progress, each),
        }
    atomic_write(os.path.join(directory, "data.json"), json.dumps(description, indent=1).encode("ascii") + b"\n")
    dataset = _open(directory)
    if dataset is None:
        raise UserError(f"{directory}: what was just written there is not what comes back; choose another disk")
    return dataset


def _open(directory: str) -> Optional[FolderDataset]:
    """The dataset in the folder, or None if that has to be prepared (again): nothing is there, another format, or files that are not whole, are
    damaged or are no files."""
    try:
        stored = read_json(os.path.join(directory, "data.json"))
        tokenizer = Tokenizer.load(os.path.join(directory, "tokenizer.f6t"))
        if (
            stored["format"] != FORMAT
            or not all(type(stored[name]) is str for name in TEXTS)
            or not all(type(stored[name]) is int and stored[name] > 0 for name in COUNTS)
            or tokenizer.vocab_size != stored["vocab_size"]
        ):
            return None
        train, valid = (
            _open_tokens(os.path.join(directory, name + ".bin"), stored[name + "_tokens"], tokenizer) for name in ("train", "valid")
        )
        headers = Headers(train, tokenizer.end_of_text) if stored.get("asks") else None
        return FolderDataset(train, valid, tokenizer, stored["valid_characters"], stored, headers)
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None


def _open_tokens(path: str, count: int, tokenizer: Tokenizer) -> np.ndarray:
    """The tokens of a file, mapped. ValueError if they are not `count` ids of the vocabulary: the kernels use them as indices without another
    check."""
    with open_file(path) as file:
        tokens = np.memmap(file, dtype=TOKEN, mode="r")
        if os.fstat(file.fileno()).st_size != count * TOKEN.itemsize:
            raise ValueError(f"{path}: has not {count} tokens")
    if max(int(tokens[start : start + SCAN].max()) for start in range(0, count, SCAN)) >= tokenizer.vocab_size:
        raise ValueError(f"{path}: has tokens beyond the vocabulary")
    return tokens


def _name(document: str) -> int:
    """A 64-bit name for a document's content: a header does not make it another one."""
    return int.from_bytes(hashlib.blake2b(split_header(document)[1].encode("utf-8"), digest_size=8).digest(), "little")


def choose_held_out(names: Sequence[int], lengths: Sequence[int]) -> HeldOut:
    """Hold out about 2 % of the characters, at most 400,000: documents in the order of their names, which is as good as drawn by
    lot, as long as they fit. If that gives less than half of it (a single document, or few long ones), the end of the next one."""
    copies = collections.Counter(names)
    length_of = dict(zip(names, lengths))
    room = min(int(sum(lengths) * HELD_OUT_SHARE), MAX_HELD_OUT)
    least = room / 2
    whole = set()
    for name in sorted(copies):
        if length_of[name] * copies[name] > room:
            break  # always reached: the documents together are far longer than the room
        whole.add(name)
        room -= length_of[name] * copies[name]
    return HeldOut(whole, cut=name if room > least else None, cut_characters=max(1, room // copies[name]))


def _cut_end(document: str, characters: int) -> tuple[str, str]:
    """The document in two, the second part half to all of `characters` long: cut at a paragraph, a line, a space, or anywhere."""
    latest = len(document) - characters // 2
    for separator in ("\n\n", "\n", " ", ""):
        cut = document.find(separator, len(document) - characters, latest)
        if cut >= 0:
            break
    return document[:cut], document[cut:].lstrip("\r\n ")


def _encode(
    documents: Iterable[str],
    directory: str,
    tokenizer: Tokenizer,
    survey: Survey,
    threads: int,
    progress: bool,
    each: Callable[..., Iterator],
) -> dict[str, int]:
    """Write train.bin and valid.bin; returns their counts for data.json."""
    held_out = choose_held_out(survey.names, survey.lengths)
    characters = sum(survey.lengths)
    counts = {"train_tokens": 0, "valid_tokens": 0, "valid_documents": 0, "valid_characters": 0}
    read = 0
    with (
        atomic_file(os.path.join(directory, "train.bin")) as train,
        atomic_file(os.path.join(directory, "valid.bin")) as valid,
        Progress("encoding", characters, "characters", progress) as shown,
    ):
        work = functools.partial(_encode_group, held_out, tokenizer.to_bytes(), threads)
        for train_ids, valid_ids, size, valid_documents, valid_characters in each(work, grouped(documents, ENCODE_CHARACTERS)):
            counts["train_tokens"] += train.write(train_ids) // TOKEN.itemsize
            counts["valid_tokens"] += valid.write(valid_ids) // TOKEN.itemsize
            counts["valid_documents"] += valid_documents
            counts["valid_characters"] += valid_characters
            read += size
            shown.add(size)
        if read != characters:
            raise UserError(f"the text changed while it was read ({characters} characters, then {read}); start again when it is complete")
        if 0 in counts.values():
            raise UserError(
                "the text cannot be divided into a part to train on and a part to hold out (it ends in white space, or its documents are "
                "copies of each other); give more text"
            )
    return counts


def _encode_group(held_out: HeldOut, tokenizer_bytes: bytes, threads: int, documents: Sequence[str]) -> tuple[bytes, bytes, int, int, int]:
    """Some documents' tokens to train on and those held out, each document's followed by an end mark; all their characters; the number of
    documents held out, and their characters."""
    tokenizer = _tokenizer(tokenizer_bytes)
    parts = [held_out.split(document) for document in documents]
    train, valid = [part for part, _ in parts if part], [part for _, part in parts if part]
    end = np.array([tokenizer.end_of_text], dtype=TOKEN)
    train_ids, valid_ids = (
        b"".join(part.astype(TOKEN).tobytes() for ids in tokenizer.encode_documents(some, threads) for part in (ids, end))
        for some in (train, valid)
    )
    return train_ids, valid_ids, sum(map(len, documents)), len(valid), sum(map(len, valid))


@functools.lru_cache(maxsize=1)
def _tokenizer(data: bytes) -> Tokenizer:
    """The tokenizer of these bytes; the newest is kept, because making one takes longer than a group of documents."""
    return Tokenizer.from_bytes(data)
