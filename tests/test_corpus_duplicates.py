"""Exact and near-duplicates, against similarities computed the slow way. All texts are our own."""

import random

import numpy as np
import pytest

from fable6c.corpus import synth
from fable6c.corpus.filters import Settings
from fable6c.corpus.measure import Words

pytest.importorskip("datasketch", reason="pip install 'fable6c[corpus]'")
from fable6c.corpus import duplicates as module
from fable6c.corpus.clean import clean, read_records
from fable6c.corpus.duplicates import Duplicates, Marker


def shingles(text, width=5):
    """Runs of words, the slow way."""
    words = ["".join(c for c in word.lower() if c.isalnum()) or word for word in text.split()]
    return {tuple(words[i : i + width]) for i in range(len(words) - width + 1)}


def jaccard(a, b):
    a, b = shingles(a), shingles(b)
    return len(a & b) / len(a | b)


def find(texts, folder, **options):
    folder.mkdir()
    finder, marker = Duplicates(str(folder), Settings(), **options), Marker(Settings(), **options)
    for text in texts:
        finder.add(marker(Words(text)))
    return finder.resolve()


def changed(text, draw, words):
    """The text with some words replaced."""
    parts = text.split(" ")
    for at in draw.sample(range(len(parts)), words):
        parts[at] = draw.choice(["purple", "slowly", "seven", "kettle", "never"]) + str(draw.randrange(100))
    return " ".join(parts)


@pytest.fixture(scope="module")
def planted():
    """1,000 stories; 400 changed copies of similarity at least 0.8, and 300 of 0.4 to 0.7, in one shuffled list, copies after originals."""
    draw = random.Random(5)
    made = synth.stories(11)
    originals = [next(made) for _ in range(1000)]
    near, far = [], []
    for i, text in enumerate(originals):
        if len(near) < 400:
            copy = changed(text, draw, draw.randint(1, 4))
            if jaccard(text, copy) >= 0.8:
                near.append((i, copy))
        elif len(far) < 300:
            copy = changed(text, draw, draw.randint(8, 16))
            if 0.4 <= jaccard(text, copy) <= 0.7:
                far.append((i, copy))
    assert len(near) >= 350 and len(far) >= 100
    return originals, near, far


def test_planted_near_duplicates(planted, tmp_path):
    """At least 95 % of the planted ones of Jaccard similarity 0.8 and more are found; at most 1 % of what is dropped is not similar."""
    originals, near, far = planted
    texts = originals + [text for _, text in near] + [text for _, text in far]
    found = {duplicate.document: duplicate for duplicate in find(texts, tmp_path / "bands")}
    hits = [place for place, (i, _) in enumerate(near, len(originals)) if place in found and found[place].original == i]
    false = [duplicate for duplicate in found.values() if jaccard(texts[duplicate.document], texts[duplicate.original]) < 0.8]
    print(f"{len(hits)} of {len(near)} planted near-duplicates found, {len(false)} false of {len(found)}")
    assert len(hits) >= 0.95 * len(near)
    assert len(false) <= 0.01 * len(found)
    assert not any(place in found for place in range(len(originals) + len(near), len(texts)))


def test_long_documents_are_judged_by_their_sketch(tmp_path):
    """Documents of more shingles than a sketch holds: similarity is estimated, within a few hundredths."""
    draw = random.Random(3)
    made = synth.stories(4)
    books = [" ".join(next(made).replace("\n", " ") for _ in range(40)) for _ in range(12)]
    copies = [changed(book, draw, 60) for book in books[:6]] + [changed(book, draw, 900) for book in books[6:]]
    found = find(books + copies, tmp_path / "bands")
    assert [duplicate.original for duplicate in found] == [0, 1, 2, 3, 4, 5]
    for duplicate in found:
        assert abs(duplicate.similarity - jaccard(books[duplicate.original], copies[duplicate.document - 12])) < 0.05


def test_exact_duplicates(tmp_path):
    made = synth.stories(1)
    a, b, c = (next(made) for _ in range(3))
    for near in (False, True):
        found = find([a, b, a, c, b, a], tmp_path / str(near), near=near)
        assert [(d.document, d.original, d.exact) for d in found] == [(2, 0, True), (4, 1, True), (5, 0, True)]


def test_a_document_stays_if_what_it_is_like_goes(tmp_path):
    """c is like b and b like a, but c is not like a: only b goes."""
    words = next(synth.stories(8)).split()
    cut = next(n for n in range(5, 60) if jaccard(" ".join(words), " ".join(words[n:-n])) < 0.78)
    a, b, c = " ".join(words), " ".join(words[:-cut]), " ".join(words[cut:-cut])
    assert jaccard(a, b) >= 0.8 <= jaccard(b, c) and jaccard(a, c) < 0.8
    assert [duplicate.document for duplicate in find([a, b, c], tmp_path / "bands")] == [1]


def test_copies_of_a_document_that_goes_go_too(tmp_path):
    words = next(synth.stories(8)).split()
    x, o = " ".join(words), " ".join(words[:-3])
    assert jaccard(x, o) >= 0.9
    found = find([x, o, o, o], tmp_path / "bands")
    assert [(d.document, d.original, d.exact) for d in found] == [(1, 0, False), (2, 0, True), (3, 0, True)]
    assert len({d.similarity for d in found}) == 1 and found[0].similarity < 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_and_tiny_documents(count, tmp_path):
    assert find(["", "a", "a b c", "fox"][:count], tmp_path / "bands") == []


def test_more_documents_than_are_written_at_once(tmp_path, monkeypatch):
    """Neither blocks of documents nor parts of bands change what is found."""
    monkeypatch.setattr(module, "FLUSH", 3)
    monkeypatch.setattr(module, "MAX_SORTED", 2)
    made = synth.stories(1)
    texts = [next(made) for _ in range(10)]
    assert [duplicate.document for duplicate in find(texts + texts[:4], tmp_path / "bands")] == [10, 11, 12, 13]


def test_bottom_k_similarity_is_exact_for_small_sets():
    draw = np.random.default_rng(1)
    for size in (1, 5, 300):
        a = np.unique(draw.integers(0, 500, size).astype(np.uint32))
        b = np.unique(draw.integers(0, 500, size).astype(np.uint32))
        assert module._jaccard(a, b) == len(set(a.tolist()) & set(b.tolist())) / len(set(a.tolist()) | set(b.tolist()))


def test_the_cleanser_takes_them_out(tmp_path, monkeypatch):
    monkeypatch.setattr("fable6c.corpus.report._plot", lambda report: None)
    draw = random.Random(9)
    made = synth.stories(2)
    texts = [next(made) for _ in range(50)]
    copies = [texts[3], changed(texts[7], draw, 1), "\n\n".join(texts[10:20])]
    assert jaccard(texts[7], copies[1]) >= 0.8
    path = tmp_path / "a.txt"
    path.write_text("\n<|endoftext|>\n".join(texts + copies))
    report = clean([str(path)], str(tmp_path / "out"), Settings(chunk_characters=500), progress=False)
    documents = {}
    for record in read_records(str(tmp_path / "out" / "documents.jsonl.zst")):
        documents[record["document"]] = documents.get(record["document"], "") + record["text"]
    assert list(documents.values()) == texts + copies[2:]
    assert report["dropped"]["exact_duplicate"]["documents"] == 1 == report["dropped"]["near_duplicate"]["documents"]
    assert report["kept"]["documents"] == 51 and report["kept"]["bytes"] == sum(len(text.encode()) for text in documents.values())
    assert report["sources"]["a"]["bytes"] == report["kept"]["bytes"]
    assert "is like document 7" in report["dropped"]["near_duplicate"]["examples"][0]["origin"]
