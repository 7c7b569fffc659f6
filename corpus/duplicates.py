"""Documents that come twice, exactly or nearly, found after one pass over them with little memory.

While the documents pass by, `add` writes to files in a folder: a hash of the text, MinHash signatures cut into bands (Broder 1997;
Leskovec, Rajaraman & Ullman, "Mining of Massive Datasets", chapter 3), and a sketch of the shingles. `resolve` sorts one
band at a time, or a part of one: documents with an equal band are candidates, and the sketches decide. Memory is about 10 bytes
for a document and at most 200 MB; the files take 21 × 12 bytes for a document and 4 for each of up to 1,024 shingles.

datasketch's own MinHashLSH keeps all bands in dictionaries, about 4 KB for a document: too much for two million stories.
"""

import array
import hashlib
import os
from collections.abc import Iterator
from typing import NamedTuple

import datasketch
import numpy as np

from fable6c.corpus.filters import Settings
from fable6c.corpus.measure import Words

MAX_SORTED = 1 << 22  # entries of a band to sort at a time: about 200 MB
SKETCH = 1024  # smallest shingle hashes that are kept: all of a document of up to about 6 KB
MAX_IN_BUCKET = 64  # documents that one is compared with in a bucket
ENTRY = np.dtype([("key", "<u8"), ("document", "<u4")])
FLUSH = 4096  # documents
BATCH = 2048  # shingles for datasketch at a time: its working memory is a kilobyte for each


class Duplicate(NamedTuple):
    """`document` is not kept because it is like the earlier `original`, which is; `similarity` is 1 for the same text. `exact`: it is a copy
    of an earlier document, kept or not."""

    document: int
    original: int
    similarity: float
    exact: bool


class Marks(NamedTuple):
    """What a document is known by: `keys` (1 + bands) uint64, of its text and of the bands; `sketch` uint32, its smallest shingle hashes."""

    keys: np.ndarray
    sketch: np.ndarray


class Marker:
    """Makes the marks of documents. near=False: of equal texts only."""

    def __init__(self, settings: Settings, near: bool = True):
        self.settings, self.near = settings, near
        # hashfunc=int: the shingles are hashes already.
        self.minhash = datasketch.MinHash(settings.bands * settings.rows, hashfunc=int)

    def __call__(self, words: Words) -> Marks:
        keys = np.empty(1 + (self.settings.bands if self.near else 0), dtype=np.uint64)
        keys[0] = _hash_bytes(words.data)
        if not self.near:
            return Marks(keys, np.zeros(0, np.uint32))
        # The upper half of the hash: the lower half of a product with an odd number is the worse one.
        shingles = np.unique((words.grams(self.settings.shingle_words) >> np.uint64(32)).astype(np.uint32))
        signature = self.minhash.copy()
        for start in range(0, len(shingles), BATCH):
            signature.update_batch(shingles[start : start + BATCH].tolist())
        keys[1:] = _band_keys(signature.hashvalues.reshape(self.settings.bands, self.settings.rows))
        return Marks(keys, shingles[:SKETCH])


class Duplicates:
    """Collects documents in `folder` (which exists and is empty) and finds duplicates among them. near=False: equal texts only."""

    def __init__(self, folder: str, settings: Settings, near: bool = True):
        self.folder, self.settings = folder, settings
        self.count = 0
        self.names = ["exact"] + [f"band{i:02d}" for i in range(settings.bands if near else 0)]
        self.files = {name: open(os.path.join(folder, name), "wb") for name in self.names}
        self.sketches = open(os.path.join(folder, "sketches"), "wb")
        self.sketch_end = array.array("q", [0])  # where each document's sketch ends, in hashes
        self.waiting: list[np.ndarray] = []  # keys (1 + bands) of documents not written yet

    def add(self, marks: Marks) -> int:
        """Take in the next document; returns its number."""
        self.sketches.write(marks.sketch.tobytes())
        self.sketch_end.append(self.sketch_end[-1] + len(marks.sketch))
        self.waiting.append(marks.keys)
        self.count += 1
        if len(self.waiting) == FLUSH:
            self._flush()
        return self.count - 1

    def resolve(self) -> list[Duplicate]:
        """Which documents are not kept, in the order of their numbers. A document stays if all that it is like go themselves; a copy never
        stays."""
        self._flush()
        for file in (*self.files.values(), self.sketches):
            file.close()
        sketches = np.memmap(os.path.join(self.folder, "sketches"), "<u4", "r") if self.sketch_end[-1] else np.zeros(0, "<u4")
        ends = np.frombuffer(self.sketch_end, dtype=np.int64)

        def sketch(document: int) -> np.ndarray:
            return sketches[ends[document] : ends[document + 1]]

        found: dict[int, list[tuple[int, float, bool]]] = {}
        exact = np.zeros(self.count, dtype=bool)
        for bucket in self._buckets("exact"):
            for document in bucket[1:]:
                found[document] = [(bucket[0], 1.0, True)]
                exact[document] = True
        seen = set()  # pairs that were compared: similar documents share many bands
        for name in self.names[1:]:
            for bucket in self._buckets(name):
                different: list[int] = []
                for document in (document for document in bucket if not exact[document]):
                    for earlier in different[:MAX_IN_BUCKET]:
                        if (earlier, document) in seen:
                            continue
                        similarity = _jaccard(sketch(earlier), sketch(document))
                        if similarity >= self.settings.similar_least:
                            seen.add((earlier, document))
                            found.setdefault(document, []).append((earlier, similarity, False))
                    different.append(document)
        dropped: list[Duplicate] = []
        instead: dict[int, tuple[int, float]] = {}  # of a document that is gone, the one that it is like and how much
        gone = np.zeros(self.count, dtype=bool)
        for document in sorted(found):
            standing = [
                (similarity, -original, is_exact) for original, similarity, is_exact in found[document] if is_exact or not gone[original]
            ]
            if standing:
                similarity, original, is_exact = max(standing)
                target, most = instead.get(-original, (-original, 1.0))
                instead[document] = target, min(similarity, most)
                dropped.append(Duplicate(document, *instead[document], is_exact))
                gone[document] = True
        return dropped

    def _flush(self) -> None:
        if not self.waiting:
            return
        keys = np.stack(self.waiting)
        numbers = np.arange(self.count - len(keys), self.count, dtype=np.uint32)
        for column, name in enumerate(self.names):
            entries = np.empty(len(keys), dtype=ENTRY)
            entries["key"], entries["document"] = keys[:, column], numbers
            self.files[name].write(entries.tobytes())
        self.waiting = []

    def _buckets(self, name: str) -> Iterator[list[int]]:
        """The documents, ascending, that share a key of the band, for each key that two or more have."""
        # The first bits of the keys divide a band that is too large to sort at once.
        bits = max(0, (self.count // MAX_SORTED).bit_length())
        for part in range(1 << bits):
            entries = self._entries(name, part, bits)
            order = np.argsort(entries["key"], kind="stable")
            keys, documents = entries["key"][order], entries["document"][order]
            starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, int)
            ends = np.append(starts[1:], len(keys))
            for i in np.flatnonzero(ends - starts > 1):
                yield documents[starts[i] : ends[i]].tolist()

    def _entries(self, name: str, part: int, bits: int) -> np.ndarray:
        """Those of a band whose keys begin with these bits."""
        found = []
        with open(os.path.join(self.folder, name), "rb") as file:
            for _ in range(0, self.count, MAX_SORTED):
                block = np.fromfile(file, ENTRY, MAX_SORTED)
                found.append(block[block["key"] >> np.uint64(64 - bits) == part] if bits else block)
        return np.concatenate(found) if found else np.zeros(0, ENTRY)


def _hash_bytes(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def _band_keys(bands: np.ndarray) -> np.ndarray:
    """One 64-bit key for each row of minima."""
    keys = np.full(len(bands), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in bands.T:
        keys = (keys ^ column.astype(np.uint64)) * np.uint64(0xFF51AFD7ED558CCD)
        keys ^= keys >> np.uint64(32)
    return keys


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Similarity of two sets of shingles: exact if both sketches are whole, else from the smallest of their union (bottom-k)."""
    union = np.union1d(a, b)
    if len(a) == SKETCH or len(b) == SKETCH:
        union = union[:SKETCH]
    if not len(union):
        return 1.0
    both = np.intersect1d(a, b, assume_unique=True)
    return float(np.count_nonzero(both <= union[-1])) / len(union)
