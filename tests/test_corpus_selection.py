"""Stories picked out of public files by their keys: the same text again, whatever the files did to white space and quotation marks."""

import hashlib
import os
import pathlib
import random
import re
import subprocess
import sys

import pytest

from fable6c.corpus.__main__ import main
from fable6c.corpus.selection import HEAD, Keys, key_of, make_keys, read_keys, select, write_keys
from fable6c.corpus.synth import stories
from fable6c.errors import UserError
from fable6c.model.tokenizer import END_OF_TEXT

ROOT = pathlib.Path(__file__).resolve().parent.parent
RELEASED = ROOT / "release" / "stories.keys"
TINYSTORIES = ROOT / ".." / "shared" / "corpus" / "tinystories" / "train.txt.zst"


def some(count, seed=1):
    source = stories(seed)
    return [next(source) for _ in range(count)]


def public(documents, paragraph):
    """A file as it is published: paragraphs divided in its own way."""
    return "".join(each.replace("\n", paragraph) + f"\n{END_OF_TEXT}\n" for each in documents).encode("utf-8")


@pytest.fixture
def learned(tmp_path):
    """What a model learned: 40 stories in an order of their own; and their keys in a file."""
    documents = some(40)
    random.Random(3).shuffle(documents)
    path = tmp_path / "learned.txt"
    path.write_bytes(public(documents, "\n"))
    keys = make_keys([str(path)])
    write_keys(str(tmp_path / "stories.keys"), keys)
    return documents, path.read_bytes(), str(tmp_path / "stories.keys")


def test_the_keys_are_of_the_text(learned):
    documents, text, path = learned
    keys = read_keys(path)
    assert keys.sha256 == hashlib.sha256(text).hexdigest() and keys.keys == [key_of(each) for each in documents]
    assert len(set(keys.keys)) == 40
    assert re.fullmatch(r"(?:[0-9a-f]{12}\n){40}", pathlib.Path(path).read_text().partition("\n")[2]), "no text, only keys"


def test_a_key_by_hand():
    assert key_of("“Hi, Tom's 2 cats…”\n") == key_of(b"HI\r\n\r\ntoms 2CATS") == hashlib.sha256(b"hitoms2cats").hexdigest()[:12]
    assert key_of("Hi Tim") != key_of("Hi Tom")


def test_the_text_comes_out_of_public_files_byte_for_byte(learned, tmp_path, capsys):
    documents, text, keys = learned
    others, folder = some(60, seed=2), tmp_path / "corpora"
    folder.mkdir()
    mixed = documents + others
    random.Random(4).shuffle(mixed)
    (folder / "one.txt").write_bytes(public(mixed[:50], "\n\n"))
    (folder / "two.txt").write_bytes(public(mixed[50:], "\r\n \t\r\n"))
    main(["select", str(folder), "--keys", keys, "-o", str(tmp_path / "out.txt")])
    assert (tmp_path / "out.txt").read_bytes() == text
    shown = capsys.readouterr().out
    assert "40 of 40 stories" in shown and "byte for byte" in shown and "next: " in shown


def test_other_quotation_marks_are_said(learned, tmp_path, capsys):
    documents, _, keys = learned
    assert "." in documents[0]
    (tmp_path / "curly.txt").write_bytes(public([documents[0].replace(".", "…"), *documents[1:]], "\n\n"))
    assert select([str(tmp_path / "curly.txt")], read_keys(keys), str(tmp_path / "out.txt")) == 0
    assert "40 of 40 stories" in (shown := capsys.readouterr().out) and "neither letters nor digits" in shown


def test_missing_stories_are_counted_and_the_rest_is_kept(learned, tmp_path, capsys):
    documents, text, keys = learned
    (tmp_path / "part.txt").write_bytes(public(documents[:30], "\n\n"))
    with pytest.raises(UserError, match="^10 of the 40 stories are not in these files; .*out.txt holds the rest"):
        main(["select", str(tmp_path / "part.txt"), "--keys", keys, "-o", str(tmp_path / "out.txt")])
    assert (tmp_path / "out.txt").read_bytes() == b"".join(text.partition(documents[29].encode())[:2]) + f"\n{END_OF_TEXT}\n".encode()
    assert "30 of 40 stories" in capsys.readouterr().out
    (tmp_path / "none.txt").write_bytes(public(some(3, seed=9), "\n"))
    with pytest.raises(UserError, match="none of the 40 stories is in these files"):
        select([str(tmp_path / "none.txt")], read_keys(keys), str(tmp_path / "none.out"))
    assert not (tmp_path / "none.out").exists()


def test_a_story_that_is_twice_in_the_keys_comes_twice(tmp_path):
    one, two = some(2)
    (tmp_path / "text").write_bytes(public([one, two, one], "\n"))
    keys = make_keys([str(tmp_path / "text")])
    assert select([str(tmp_path / "text")], keys, str(tmp_path / "out")) == 0
    assert (tmp_path / "out").read_bytes() == (tmp_path / "text").read_bytes()


GOOD = f"{HEAD.format(1, 'a' * 64)}\n0123456789ab\n"


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "is not a file of keys"),
        ("Once upon a time\n", "is not a file of keys"),
        (GOOD.replace("1 stories", "one stories"), "is not a file of keys"),
        (GOOD.replace("a" * 64, "a" * 63), "is not a file of keys"),
        (GOOD.replace("ab\n", "a\n"), "line 2 is '0123456789a', not a key of 12"),
        (GOOD + "Once upon a time there was\n", "line 3 is 'Once upon a time the', not a key"),
        (GOOD + "0123456789ab\n", "has 2 keys, its first line says 1"),
        (GOOD.partition("\n")[0], "has 0 keys, its first line says 1"),
    ],
)
def test_what_is_no_file_of_keys_is_one_line(tmp_path, content, message):
    path = tmp_path / "stories.keys"
    path.write_text(content)
    with pytest.raises(UserError, match=message) as error:
        read_keys(str(path))
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_line_ends_of_windows_do_not_matter(tmp_path):
    (tmp_path / "keys").write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert read_keys(str(tmp_path / "keys")) == Keys(["0123456789ab"], "a" * 64)


@pytest.mark.parametrize("arguments", [["keys", "none.txt", "-o", "k"], ["select", "none.txt", "--keys", str(RELEASED), "-o", "o"]])
def test_a_text_that_is_not_there_is_one_line(tmp_path, arguments):
    done = subprocess.run(
        [sys.executable, "-m", "fable6c.corpus", *arguments],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.startswith("none.txt: ") and done.stderr.count("\n") == 1


def test_bytes_that_are_no_text_are_no_story_of_ours(learned, tmp_path):
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(UserError, match="story 1 is not text|holds no story"):
        make_keys([str(tmp_path / "binary")])


def test_the_releases_keys():
    keys = read_keys(str(RELEASED))
    assert len(keys.keys) == len(set(keys.keys)) == 20424
    assert keys.sha256 == "3138412c4623daa6c686d2d605c4fe1f4907e3e5a6162135aafeed68fb9df462"


@pytest.mark.long
@pytest.mark.skipif(not TINYSTORIES.exists(), reason="the real corpus ../shared/corpus/tinystories is not here")
def test_the_releases_keys_are_of_the_text_that_was_learned():
    assert make_keys([str(TINYSTORIES)]) == read_keys(str(RELEASED))
