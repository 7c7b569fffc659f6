"""fable6c/data/ and fable6c/files.py: reading, preparing, windows, and saves that fail."""

import collections
import errno
import os
import pickle
import random
import stat

import numpy as np
import pytest
import zstandard

from fable6c import files
from fable6c.data import prepare as preparing
from fable6c.data import text as reading
from fable6c.data.bpe import train_tokenizer
from fable6c.data.prepare import prepare
from fable6c.data.text import describe_files, read_documents, read_pieces, window_bytes
from fable6c.data.windows import batch, window_starts
from fable6c.errors import UserError
from fable6c.files import atomic_file, atomic_write, make_folder

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TINYSTORIES = os.path.join(REPO, "..", "shared", "corpus", "tinystories", "train.txt.zst")
MARK = "<|endoftext|>"


@pytest.fixture
def write(tmp_path):
    """Writes a text file and returns its path."""

    def write_file(content, name="text.txt"):
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return str(path)

    return write_file


def stories(count):
    rng = random.Random(count)
    words = "the a cat hen fox ran sat saw big red to and house tree said é 猫".split()
    return [" ".join(rng.choice(words) for _ in range(rng.randrange(10, 60))) + f". {i}" for i in range(count)]


# ---- reading


@pytest.mark.parametrize(
    "content, documents",
    [
        ("one", ["one"]),
        ("one\n", ["one"]),
        (f"one\n{MARK}\ntwo", ["one", "two"]),
        (f"one\n{MARK}\ntwo\n{MARK}\n", ["one", "two"]),
        (f"one\n{MARK}\ntwo\n{MARK}", ["one", "two"]),
        (f"{MARK}\n{MARK}\n \n{MARK}\none\n\n{MARK}", ["one"]),
        (f"one\r\nline\r\n{MARK}\r\ntwo\r\n", ["one\nline", "two"]),
        (f"one\rline\r{MARK}\rtwo\r\rthree\r", ["one\nline", "two\n\nthree"]),
        (f"one \n{MARK} \t\n two\n\t{MARK}", ["one ", " two"]),
        (f"one {MARK} more\n{MARK}x\n x{MARK}\n", ["one", "more", "x\n x"]),
        (f"one{MARK}{MARK}two{MARK[:-1]} <|end<three", ["one", f"two{MARK[:-1]} <|end<three"]),
        ("\ufeffone\n", ["one"]),
        (f"\ufeff{MARK}\none", ["one"]),
        ("\n\n  a paragraph\n\nanother \n\n", ["  a paragraph\n\nanother "]),
        ("é猫🙂\u2028\x0b\x0c", ["é猫🙂\u2028\x0b\x0c"]),
    ],
)
def test_documents_of_a_text(write, monkeypatch, content, documents):
    path = write(content)
    packed = write(zstandard.compress(content.encode()), "text.zst")
    for block in (1, 2, 3, 5, 1 << 20):
        monkeypatch.setattr(reading, "BLOCK_BYTES", block)
        monkeypatch.setattr(reading, "PACKED_BYTES", block)
        assert list(read_documents([path])) == documents
        assert list(read_documents([packed])) == documents


def test_several_files_are_read_in_order(write):
    paths = [write(f"one\n{MARK}\ntwo", "b.txt"), write("three", "a.txt")]
    assert list(read_documents(paths)) == ["one", "two", "three"]


def test_zst_of_several_frames(write):
    frames = zstandard.compress(b"one\n<|endof") + zstandard.compress(b"text|>\ntwo") + zstandard.compress(b"")
    assert list(read_documents([write(frames, "t.zst")])) == ["one", "two"]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "holds no text (0 bytes"),
        (b" \n\r\n\t", "holds no text (5 bytes"),
        (b"<|endoftext|>\n<|endoftext|>\n", "holds no text (28 bytes"),
        (b"line\ncaf\xe9\n", "byte e9 at offset 8 is not UTF-8"),
        (b"\xef\xbb\xbfcaf\xe9", "byte e9 at offset 6 is not UTF-8"),
        (b"good\n" * 300_000 + b"\xc3", "byte c3 at offset 1500000 is not UTF-8 (unexpected end of data)"),
        (b"\xed\xa0\x80", "byte ed at offset 0 is not UTF-8"),
        (b"\x7fELF\x02\x01\0\0", "byte 00 at offset 6, so it is binary"),
        (b"good\n" * 300_000 + b"x\0", "byte 00 at offset 1500001, so it is binary"),
        ("Once".encode("utf-16"), "is UTF-16 (it starts with ff fe)"),
    ],
)
def test_files_that_are_not_text(write, content, message):
    for path in (write(content), write(zstandard.compress(content), "text.zst")):
        with pytest.raises(UserError) as caught:
            list(read_documents([path]))
        assert str(caught.value).startswith(path + ": ")
        assert "\n" not in str(caught.value)
        if path.endswith(".txt") or not message.startswith("holds"):
            assert message in str(caught.value)


def test_paths_that_are_not_files(tmp_path, write):
    good = write("good")
    for path, message in [
        (str(tmp_path / "none.txt"), "there is no such file"),
        (str(tmp_path), "is a folder"),
        (os.devnull, "is a pipe or a device"),
    ]:
        for reader in (read_documents, describe_files):
            with pytest.raises(UserError, match=f"{path}: {message}"):
                list(reader([good, path]))
    # All paths are looked at before the first document is given out.
    with pytest.raises(UserError, match="there is no such file"):
        next(read_documents([good, "none.txt"]))


def test_a_file_that_cannot_be_read(write, monkeypatch):
    path = write("good")

    def refuse(*arguments, **named):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UserError, match="cannot be read .Permission denied"):
        list(read_documents([path]))


def test_damaged_zst(write):
    whole = zstandard.ZstdCompressor(write_checksum=True).compress("\n".join(stories(8)).encode())
    for size in range(1, len(whole)):
        with pytest.raises(UserError, match="text.zst: the .zst file ends early; copy or download it again"):
            list(read_documents([write(whole[:size], "text.zst")]))
    flipped = 0  # the frame's checksum finds each one
    for i in range(len(whole)):
        try:
            list(read_documents([write(whole[:i] + bytes([whole[i] ^ 0x55]) + whole[i + 1 :], "text.zst")]))
        except UserError as error:
            assert "text.zst: " in str(error)
            flipped += 1
    assert flipped == len(whole)
    for content in (b"plain text", whole + b"more"):
        with pytest.raises(UserError, match="text.zst: cannot be unpacked"):
            list(read_documents([write(content, "text.zst")]))


# ---- preparing


def decoded(tokens, tokenizer):
    """The documents of a .bin file."""
    ends = np.flatnonzero(tokens == tokenizer.end_of_text)
    assert ends[-1] == len(tokens) - 1
    return [tokenizer.decode(part[part != tokenizer.end_of_text]).decode() for part in np.split(tokens, ends[:-1] + 1)]


def test_prepare_keeps_every_document(tmp_path):
    documents = stories(1000) + [f"with a {MARK} in it", "twice " * 9, "twice " * 9]
    made = prepare(lambda: documents, str(tmp_path / "new" / "folder"), 300, "test", progress=False)
    assert made.tokenizer == train_tokenizer(documents, 300, progress=False)
    train, valid = decoded(made.train, made.tokenizer), decoded(made.valid, made.tokenizer)
    assert collections.Counter(train + valid) == collections.Counter(documents)
    assert not set(train) & set(valid)
    total = sum(map(len, documents))
    assert 0.01 * total <= made.valid_chars == sum(map(len, valid)) <= 0.02 * total
    assert made.description["documents"] == 1003
    assert made.description["characters"] == total
    assert made.description["bytes"] == sum(len(document.encode()) for document in documents)
    assert made.description["train_tokens"] == len(made.train)
    assert made.description["valid_tokens"] == len(made.valid)
    assert made.train.dtype == np.uint16
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == ["data.json", "tokenizer.f6t", "train.bin", "valid.bin"]


def test_prepare_gives_the_same_bytes_whatever_the_threads_and_groups(tmp_path, monkeypatch):
    documents = stories(300)
    folders = [tmp_path / str(i) for i in range(3)]
    prepare(lambda: documents, str(folders[0]), 300, "test", threads=1, progress=False)
    prepare(lambda: documents, str(folders[1]), 300, "test", threads=3, progress=False)
    monkeypatch.setattr(preparing, "ENCODE_CHARACTERS", 500)
    prepare(lambda: documents, str(folders[2]), 300, "test", progress=False)
    for name in ("tokenizer.f6t", "train.bin", "valid.bin", "data.json"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1


def test_a_single_document_is_cut_at_a_paragraph(tmp_path):
    paragraphs = stories(200)
    made = prepare(lambda: ["\n\n".join(paragraphs)], str(tmp_path), 300, "test", progress=False)
    (head,), (tail,) = decoded(made.train, made.tokenizer), decoded(made.valid, made.tokenizer)
    assert head + "\n\n" + tail == "\n\n".join(paragraphs)
    assert tail.split("\n\n") == paragraphs[-len(tail.split("\n\n")) :]
    assert 0.01 < len(tail) / len(head) < 0.0205


def test_a_long_corpus_holds_out_a_bounded_part(monkeypatch):
    monkeypatch.setattr(preparing, "MAX_HELD_OUT", 500)
    held_out = preparing.choose_held_out(range(1000), [100] * 1000)
    assert len(held_out.whole) == 5 and held_out.cut is None
    held_out = preparing.choose_held_out(range(10), [10_000] * 10)
    assert not held_out.whole and held_out.cut == 0 and held_out.cut_characters == 500


def test_copies_of_one_document_are_on_one_side_or_cut_alike():
    held_out = preparing.choose_held_out([1, 2] * 10 + [3] * 500, [10] * 520)
    assert held_out.whole == {1} and held_out.cut is None
    held_out = preparing.choose_held_out([1] * 50, [100] * 50)
    assert not held_out.whole and held_out.cut == 1 and held_out.cut_characters == 2


@pytest.mark.parametrize(
    "document, tail",
    [
        ("x" * 80 + "\n\nabc\n\ndefgh", "abc\n\ndefgh"),
        ("x" * 80 + "\nabcdefghijk", "abcdefghijk"),
        ("x" * 80 + " abcdefghijk", "abcdefghijk"),
        ("x" * 80 + "y" * 12, "y" * 12),
        ("x" * 80 + "yyyy zzzzzzz", "zzzzzzz"),
        ("x" * 80 + "yyyyyyyy zzz", "yyyyyyyy zzz"),
    ],
)
def test_where_a_document_is_cut(document, tail):
    head, found = preparing._cut_end(document, 12)
    assert found == tail
    assert document.startswith(head) and document.endswith(found) and not document[len(head) : -len(found)].strip()


def test_prepare_does_not_repeat_what_is_done(tmp_path, write):
    path = write(f"\n{MARK}\n".join(stories(200)))
    folder = tmp_path / "data"
    passes = []

    def documents():
        passes.append(1)
        return read_documents([path])

    def made(vocab_size=300):
        passes.clear()
        result = prepare(documents, str(folder), vocab_size, describe_files([path]), progress=False)
        return os.stat(folder / "train.bin").st_mtime_ns, result

    first, result = made()
    assert len(passes) == 2
    again, reused = made()
    assert again == first and not passes
    assert np.array_equal(reused.train, result.train) and reused.tokenizer == result.tokenizer
    assert reused.valid_chars == result.valid_chars

    os.utime(path, ns=(1, 1))  # another time, the same text: it is read once and nothing is made
    assert made()[0] == first and len(passes) == 1
    assert made()[0] == first and not passes

    other_vocabulary = made(310)[0]
    assert other_vocabulary != first and len(passes) == 2

    with open(path, "a") as file:
        file.write("\nOne more line.")
    changed, result = made(310)
    assert changed != other_vocabulary and len(passes) == 2
    assert "One more line." in result.tokenizer.decode(np.concatenate([result.train, result.valid])).decode()


@pytest.mark.parametrize("name", ["tokenizer.f6t", "train.bin", "valid.bin", "data.json"])
def test_prepare_makes_missing_and_damaged_files_again(tmp_path, name):
    documents = stories(200)
    expected = prepare(lambda: documents, str(tmp_path), 300, "test", progress=False)
    content = (tmp_path / name).read_bytes()
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(content[:-2])):
        damage(tmp_path / name)
        made = prepare(lambda: documents, str(tmp_path), 300, "test", progress=False)
        assert (tmp_path / name).read_bytes() == content
        assert made.description == expected.description


def test_prepare_goes_on_after_a_failure_at_every_write(tmp_path, monkeypatch):
    """Each write is made to fail once. What is on disk afterwards is used only if it is whole and of this text."""
    old, new = stories(150), stories(200)
    expected = prepare(lambda: new, str(tmp_path / "expected"), 300, "new", progress=False)
    real_replace = os.replace
    for failing in range(1, 6):
        folder = tmp_path / f"failing{failing}"
        prepare(lambda: old, str(folder), 300, "old", progress=False)
        calls = []

        def replace(source, target):
            calls.append(target)
            if len(calls) == failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            real_replace(source, target)

        monkeypatch.setattr(os, "replace", replace)
        with pytest.raises(UserError, match="No space left on device"):
            prepare(lambda: new, str(folder), 300, "new", progress=False)
        monkeypatch.setattr(os, "replace", real_replace)
        assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]
        made = prepare(lambda: new, str(folder), 300, "new", progress=False)
        assert made.description == expected.description
        assert np.array_equal(made.train, expected.train) and made.tokenizer == expected.tokenizer


def test_prepare_refuses_too_little_text_and_text_that_changes(tmp_path):
    with pytest.raises(UserError, match="has 28 characters in all, at least 1000 are needed"):
        prepare(lambda: ["too short", "much too short", "short"], str(tmp_path), 300, "test", progress=False)
    with pytest.raises(UserError, match="too small for a vocabulary of 4096 tokens: it gives .*--vocab"):
        prepare(lambda: stories(100), str(tmp_path), 4096, "test", progress=False)
    with pytest.raises(UserError, match="cannot be divided"):
        prepare(lambda: ["a"] * 1000, str(tmp_path), 257, "test", progress=False)
    passes = iter([stories(100), stories(100)[:-1]])
    with pytest.raises(UserError, match="changed while it was read"):
        prepare(lambda: next(passes), str(tmp_path), 300, "test", progress=False)
    assert not os.path.exists(tmp_path / "train.bin")


def test_prepare_refuses_a_folder_that_cannot_be_made(write):
    path = write("a file")
    with pytest.raises(UserError, match="this folder cannot be made"):
        prepare(lambda: stories(100), os.path.join(path, "data"), 300, "test", progress=False)


@pytest.mark.skipif(not os.path.exists(TINYSTORIES), reason="the real corpus ../shared/corpus/tinystories is not here")
def test_prepare_tinystories(tmp_path):
    made = prepare(lambda: read_documents([TINYSTORIES]), str(tmp_path), 4096, describe_files([TINYSTORIES]), progress=False)
    assert made.description["documents"] == 20_424
    assert 0.019 < made.valid_chars / made.description["characters"] < 0.0201
    total = len(made.train) + len(made.valid) - 20_424
    assert 3.95 < made.description["bytes"] / total < 4.05
    firsts = [made.tokenizer.decode(part[:20]).decode() for part in (made.train, made.valid)]
    assert any(next(read_documents([TINYSTORIES])).startswith(first) for first in firsts)


# ---- windows


@pytest.mark.parametrize("count, context", [(5 * 8, 8), (1000, 8), (1001, 7), (1000, 1), (4099, 256)])
def test_windows_of_an_epoch_cover_the_tokens_once(count, context):
    tokens = np.arange(count, dtype=np.uint16)
    sizes = set()
    for epoch in range(20):
        starts = window_starts(tokens, context, seed=3, epoch=epoch)
        assert starts.dtype == np.int64
        ordered = np.sort(starts)
        assert (np.diff(ordered) == context).all()
        assert 0 <= ordered[0] < context and ordered[-1] + context + 1 <= count
        sizes.add(len(starts))
    assert sizes == {(count - context) // context}


def test_windows_differ_between_epochs_and_seeds_and_come_again():
    tokens = np.zeros(20_000, dtype=np.uint16)
    draws = {(seed, epoch): window_starts(tokens, 64, seed, epoch) for seed in (1, 2) for epoch in (0, 1)}
    assert len({tuple(starts) for starts in draws.values()}) == 4
    for (seed, epoch), starts in draws.items():
        assert np.array_equal(window_starts(tokens, 64, seed, epoch), starts)
        assert not np.array_equal(np.sort(starts), starts)
    assert len({window_starts(tokens, 64, 1, epoch).min() for epoch in range(50)}) > 20


def test_windows_are_the_same_on_every_machine():
    """Pinned: a change would make resumed runs see other text."""
    assert window_starts(np.zeros(100, dtype=np.uint16), 10, seed=42, epoch=3).tolist() == [72, 52, 42, 2, 22, 62, 32, 12, 82]


def test_batch_is_inputs_and_their_next_tokens():
    tokens = (np.arange(500) * 7 % 300).astype(np.uint16)
    inputs, targets = batch(tokens, np.array([0, 100, 483]), 16)
    assert inputs.shape == targets.shape == (3, 16)
    assert inputs.dtype == targets.dtype == np.int32
    assert inputs.flags.c_contiguous and targets.flags.c_contiguous
    for row, start in enumerate([0, 100, 483]):
        assert inputs[row].tolist() == tokens[start : start + 16].tolist()
        assert targets[row].tolist() == tokens[start + 1 : start + 17].tolist()


def test_windows_refuse_too_few_tokens():
    with pytest.raises(UserError, match="has 1279 tokens to train on, at least 1280 are needed for windows of 256"):
        window_starts(np.zeros(1279, dtype=np.uint16), 256, 1, 0)
    assert len(window_starts(np.zeros(1280, dtype=np.uint16), 256, 1, 0)) == 4


# ---- files


def test_atomic_write_replaces_the_content(tmp_path):
    path = str(tmp_path / "file")
    for content in (b"old", b"", b"new and longer"):
        atomic_write(path, content)
        with open(path, "rb") as file:
            assert file.read() == content
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
def test_a_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch, step):
    path = str(tmp_path / "file")
    atomic_write(path, b"old")

    def fail(*arguments, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open" if step == "open" else f"os.{step}", fail)
        with pytest.raises(UserError, match=f"{path}: cannot be written .No space left on device.; free some space"):
            atomic_write(path, b"new")
    with open(path, "rb") as file:
        assert file.read() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk(tmp_path, monkeypatch):
    path = str(tmp_path / "file")
    atomic_write(path, b"old")
    try:
        os.mknod(tmp_path / "full", 0o600 | stat.S_IFCHR, os.makedev(1, 7))  # /dev/full of our own: it is removed afterwards
        open(tmp_path / "full", "wb").close()
    except (AttributeError, OSError) as error:
        pytest.skip(f"no device can be made here ({error}): it needs Linux, root and a file system that allows devices")
    monkeypatch.setattr(files, "_create_beside", lambda target: open(tmp_path / "full", "wb"))
    with pytest.raises(UserError, match="No space left on device"):
        atomic_write(path, b"new")
    with open(path, "rb") as file:
        assert file.read() == b"old"


def test_a_block_that_raises_keeps_the_old_file(tmp_path):
    path = str(tmp_path / "file")
    atomic_write(path, b"old")
    with pytest.raises(KeyboardInterrupt):
        with atomic_file(path) as file:
            file.write(b"half of the n")
            raise KeyboardInterrupt
    with open(path, "rb") as file:
        assert file.read() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_order_of_an_atomic_write(tmp_path, monkeypatch):
    """Content on disk, then the name, then the folder: any other order can lose the old file and the new one."""
    steps = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor):
        steps.append("fsync folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "fsync file")
        real_fsync(descriptor)

    def replace(source, target):
        steps.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    atomic_write(str(tmp_path / "file"), b"new")
    assert steps == ["fsync file", "rename", "fsync folder"]


def test_files_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match="none.file: cannot be written .No such file or directory"):
        atomic_write(str(tmp_path / "none" / "file"), b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="this folder cannot be made"):
        make_folder(str(tmp_path / "file" / "folder"))
    make_folder(str(tmp_path / "a" / "b"))
    assert os.path.isdir(tmp_path / "a" / "b")


def test_pieces_are_the_documents_in_whole_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 50)
    path, empty = tmp_path / "text.txt", tmp_path / "empty.txt"
    path.write_text("".join(f"Line {n} of é.\n\nAnother.\n<|endoftext|>\n" for n in range(30)), encoding="utf-8")
    pieces = list(read_pieces([str(path)]))
    assert len(pieces) > 10 and all(piece.endswith("\n") for piece in pieces)
    lines = [line for piece in pieces for line in piece.split("\n") if line]
    assert lines == [line for document in read_documents([str(path)]) for line in document.split("\n") if line]
    empty.write_text("\n<|endoftext|>\n")
    with pytest.raises(UserError, match="empty.txt: holds no text"):
        list(read_pieces([str(empty)]))


def test_the_window_of_a_packed_text_is_known(tmp_path):
    plain, packed, broken = (tmp_path / name for name in ("a.txt", "b.txt.zst", "c.txt.zst"))
    plain.write_text("text")
    packer = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=20)).compressobj()
    packed.write_bytes(packer.compress(b"text" * 1000) + packer.flush())
    broken.write_bytes(b"not packed")
    assert window_bytes([str(plain), str(broken)]) == 0
    assert window_bytes([str(plain), str(packed)]) == 1 << 20


def test_other_machines_may_do_the_work_and_the_files_are_the_same(tmp_path, monkeypatch):
    """Groups of documents are worked at from the last to the first, each function and result pickled on its way, as a cluster would."""
    monkeypatch.setattr("fable6c.data.prepare.ENCODE_CHARACTERS", 500)
    monkeypatch.setattr("fable6c.data.bpe.COUNT_CHARACTERS", 700)
    calls = []

    def each(function, items):
        items = list(items)
        calls.append(len(items))
        sent = pickle.dumps(function)
        results = {number: pickle.dumps(pickle.loads(sent)(items[number])) for number in reversed(range(len(items)))}
        return (pickle.loads(results[number]) for number in range(len(items)))

    documents = [f"Story {n}: the {n % 7} foxes and {n % 5} hens went to the barn." for n in range(200)]
    prepare(lambda: iter(documents), str(tmp_path / "one"), 280, "text", progress=False)
    prepare(lambda: iter(documents), str(tmp_path / "many"), 280, "text", progress=False, each=each)
    assert len(calls) == 2 and min(calls) > 5
    for name in ("train.bin", "valid.bin", "tokenizer.f6t", "data.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()
