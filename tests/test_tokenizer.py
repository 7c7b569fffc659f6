"""docs/tokenizer.md against fable6c/tokenizer.py: a slow, obvious version of each rule stands here as the oracle."""

import collections
import os
import random
import re
import time

import numpy as np
import pytest

from fable6c import progress
from fable6c.data.bpe import count_pieces, train_tokenizer
from fable6c.data.text import read_documents
from fable6c.errors import UsageError, UserError
from fable6c.model import tokenizer
from fable6c.model.tokenizer import Tokenizer, TokenizerError
from fable6c.tokenizer import main

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TINYSTORIES = os.path.join(REPO, "..", "shared", "corpus", "tinystories", "train.txt.zst")

STORY = (
    "Once upon a time there was a cat. The cat's name was Tom, and Tom didn't like the rain.\n\n"
    '"Come in," said the hen, "it\'s 12 o\'clock!" So the cat came in; the hen and the cat sat by the fire.\n'
    "L'été, 猫は雨が嫌い。 猫と鶏 🙂🙂 the end…\n"
) * 3


# ---- the oracles


def naive_class(byte):
    if byte == 0x20:
        return "S"
    if 0x09 <= byte <= 0x0D:
        return "W"
    if 0x30 <= byte <= 0x39:
        return "N"
    if 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A or byte >= 0x80:
        return "L"
    return "P"


def naive_pieces(data):
    """The rule of the pieces, byte by byte."""
    classes = [naive_class(byte) for byte in data] + ["end"]
    pieces, start = [], 0
    while start < len(data):
        here = start + 1 if classes[start] == "S" and classes[start + 1] in "LNP" else start
        end = here + 1
        if classes[here] in ("L", "P", "W"):
            while classes[end] == classes[here]:
                end += 1
        if classes[here] == "L":
            while end < len(data) and data[end] == 0x27 and classes[end + 1] == "L":
                end += 1
                while classes[end] == "L":
                    end += 1
        pieces.append(data[start:end])
        start = end
    return pieces


def naive_encode(token_bytes, data):
    """The rule of the tokens: token_bytes without the end mark."""
    id_of = {token: id for id, token in enumerate(token_bytes)}
    ids = []
    for piece in naive_pieces(data):
        parts = [piece] if piece in id_of else [bytes([byte]) for byte in piece]
        while True:
            joins = [(id_of[a + b], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in id_of]
            if not joins:
                break
            i = min(joins)[1]
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        ids += [id_of[part] for part in parts]
    return ids


def naive_train(documents, vocab_size, longest=64):
    """The merges, as many as the text gives. Counts everything anew for each one."""
    words = collections.Counter(piece for document in documents for piece in naive_pieces(document.encode()))
    words = [(list(piece), count) for piece, count in words.items()]
    tokens = [bytes([byte]) for byte in range(256)]
    merges = []
    while len(tokens) < vocab_size - 1:
        counts = collections.Counter()
        for word, count in words:
            for pair in zip(word, word[1:]):
                counts[pair] += count
        pairs = [pair for pair in counts if len(tokens[pair[0]] + tokens[pair[1]]) <= longest]
        left, right = min(pairs, key=lambda pair: (-counts[pair], pair), default=(0, 0))
        if counts[left, right] < 2:
            break
        assert tokens[left] + tokens[right] not in tokens  # docs/tokenizer.md says why
        tokens.append(tokens[left] + tokens[right])
        merges.append((left, right))
        for word, _ in words:
            i = 0
            while i + 1 < len(word):
                if word[i] == left and word[i + 1] == right:
                    word[i : i + 2] = [len(tokens) - 1]
                i += 1
    return merges


# ---- material


def random_bytes(rng):
    """A short text of the kinds that the rules tell apart, often not UTF-8."""
    kinds = [
        lambda: rng.choice(["the", "cat", "Once", "a", "aaa", "don't", "o'c'lock", "猫", "は雨", "é", "naïve", "Ω"]).encode(),
        lambda: rng.choice(["🙂", "👩‍👧", "…", "—", "“", "\u00a0", "\u0080", "\U0010ffff"]).encode(),
        lambda: rng.choice([b" ", b" ", b"  ", b"\n", b"\r\n", b"\t", b"\n\n", b"\x0b\x0c"]),
        lambda: rng.choice([b"'", b"''", b"'s", b".", b"!?", b'"', b"<|endoftext|>", b"\x00", b"\x7f", b"-"]),
        lambda: str(rng.randrange(2000)).encode(),
        lambda: bytes(rng.randrange(256) for _ in range(rng.randrange(4))),
        lambda: rng.choice([b"\xff", b"\xc3", b"\xf0\x9f", b"\xed\xa0\x80", b"\xc0\x80"]),
    ]
    return b"".join(rng.choice(kinds)() for _ in range(rng.randrange(12)))


def random_tokenizer(rng, alphabet, merges):
    """Valid merges that no training would give: tokens that the joining of pairs cannot reach occur too."""
    tokens = [bytes([byte]) for byte in range(256)]
    chosen = []
    while len(chosen) < merges:
        left, right = (rng.choice(list(alphabet) + list(range(256, len(tokens)))) for _ in range(2))
        token = tokens[left] + tokens[right]
        if len(token) <= 64 and token not in tokens:
            tokens.append(token)
            chosen.append((left, right))
    return Tokenizer(np.array(chosen, dtype=np.uint16))


@pytest.fixture(scope="module")
def trained():
    return train_tokenizer([STORY], 360, progress=False)


# ---- pieces


@pytest.mark.parametrize(
    "text, pieces",
    [
        ("I don't know.", ["I", " don't", " know", "."]),
        ("'hello'", ["'", "hello", "'"]),
        ("a''b", ["a", "''", "b"]),
        ("a' b", ["a", "'", " b"]),
        ("rock'n'roll", ["rock'n'roll"]),
        ("say \"'tis", ["say", " \"'", "tis"]),
        ("in 1984!", ["in", " 1", "9", "8", "4", "!"]),
        ("  a", [" ", " a"]),
        ("a \n\nb", ["a", " ", "\n\n", "b"]),
        ("猫's 🙂!", ["猫's", " 🙂", "!"]),
        ("", []),
    ],
)
def test_pieces_of_the_document(text, pieces):
    assert tokenizer.find_pieces(text) == pieces
    assert naive_pieces(text.encode()) == [piece.encode() for piece in pieces]


def test_pieces_by_regex_and_by_rule_agree():
    rng = random.Random(1)
    as_text = 0
    for _ in range(20_000):
        data = random_bytes(rng)
        expected = naive_pieces(data)
        assert b"".join(expected) == data
        assert tokenizer.find_pieces_of_bytes(data) == expected
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            continue
        as_text += 1
        assert [piece.encode() for piece in tokenizer.find_pieces(text)] == expected
    assert as_text > 5000


def test_pieces_for_every_pair_and_triple_of_classes():
    for a in b" \n5x'.\x80\x00":
        for b in b" \n5x'.\x80\x00":
            for c in b" \n5x'.\x80\x00":
                data = bytes([a, b, c])
                assert tokenizer.find_pieces_of_bytes(data) == naive_pieces(data)


# ---- encoding


def test_encode_agrees_with_the_naive_encoder(trained):
    rng = random.Random(2)
    invalid = 0
    for i in range(10_000):
        data = random_bytes(rng)
        expected = naive_encode(trained.token_bytes[:-1], data)
        ids = trained.encode(data)
        assert ids.dtype == np.uint16 and ids.tolist() == expected, data
        assert trained.decode(ids) == data
        try:
            assert trained.encode(data.decode("utf-8")).tolist() == expected
        except UnicodeDecodeError:
            invalid += 1
    assert 1000 < invalid < 9000


def test_encode_agrees_for_vocabularies_that_training_does_not_make():
    rng = random.Random(3)
    unreachable = 0
    for _ in range(40):
        alphabet = b" abc\xe7\x8c\xab"
        made = random_tokenizer(rng, alphabet, 60)
        for _ in range(50):
            data = bytes(rng.choice(alphabet) for _ in range(rng.randrange(30)))
            assert made.encode(data).tolist() == naive_encode(made.token_bytes[:-1], data), data
        for id, token in enumerate(made.token_bytes[:-1]):
            if len(naive_pieces(token)) == 1:
                assert made.encode(token).tolist() == [id]  # rule 1: the whole piece is a token
                # Inside a longer piece, joining pairs does not always get to this token.
                unreachable += len(naive_encode(made.token_bytes[:-1], b"zzz" + token)) > 4
    assert unreachable > 100  # so that rule 1 was put to the test


def test_encode_a_long_piece(trained):
    """A piece of 3,000 bytes: tiktoken has another way of joining for long pieces."""
    rng = random.Random(4)
    data = bytes(rng.choice(b"thecatn") for _ in range(3000))
    assert trained.encode(data).tolist() == naive_encode(trained.token_bytes[:-1], data)


def test_end_mark_in_a_text_is_ordinary_text(trained):
    ids = trained.encode("a<|endoftext|>b")
    assert trained.end_of_text == 359
    assert trained.end_of_text not in ids
    assert trained.decode(ids) == b"a<|endoftext|>b"
    assert trained.decode([97, trained.end_of_text, 98]) == b"ab"


def test_decode_refuses_ids_that_are_no_tokens(trained):
    assert trained.decode([]) == b""
    for wrong in (-1, 360):
        with pytest.raises(ValueError, match="expected 0 to 359"):
            trained.decode([97, wrong])


def test_encode_command_line_bytes_and_lone_surrogates(trained):
    assert trained.encode(os.fsdecode(b"cat \xff\xfe")).tolist() == trained.encode(b"cat \xff\xfe").tolist()
    with pytest.raises(UserError, match="U\\+D800 at character 2"):
        trained.encode("ab\ud800")


def test_encode_documents_agrees_with_encode(trained):
    rng = random.Random(5)
    documents = [random_bytes(rng).decode("utf-8", "replace") for _ in range(500)] + [""]
    expected = [trained.encode(document).tolist() for document in documents]
    for threads in (1, 2, 3):
        assert [ids.tolist() for ids in trained.encode_documents(documents, threads)] == expected
    assert trained.encode_documents([]) == []


def test_slices_do_not_change_tokens_or_counts(trained, monkeypatch):
    expected = trained.encode(STORY).tolist()
    counts = count_pieces([STORY], progress=False)
    monkeypatch.setattr(tokenizer, "SHORT", 16)
    for size in (1, 2, 7, 50):
        monkeypatch.setattr(tokenizer, "SLICE", size)
        assert len(list(tokenizer.slices(STORY))) > 10
        assert trained.encode(STORY).tolist() == expected
        assert count_pieces([STORY], progress=False) == counts


# ---- pieces that are too long


def pieces_by_rule(data, most):
    """docs/tokenizer.md, "Long pieces", by the naive pieces of what is left."""
    pieces = []
    while data:
        piece = naive_pieces(data)[0]
        if len(piece) > most:
            back = next((n for n in range(3) if data[most - n] & 0xC0 != 0x80), 3)
            piece = piece[: most - back]
            piece = piece[:-1] if re.search(rb"[A-Za-z\x80-\xff]'$", piece) else piece
        pieces.append(piece)
        data = data[len(piece) :]
    return pieces


def test_long_pieces_are_cut_in_text_and_in_bytes(trained, monkeypatch):
    rng = random.Random(8)
    cut = 0
    for most in (4, 5, 8, 13):
        monkeypatch.setattr(tokenizer, "MAX_PIECE_BYTES", most)
        monkeypatch.setattr(tokenizer, "SHORT", most // 4)
        for number in range(250):
            monkeypatch.setattr(tokenizer, "SLICE", rng.choice([1, 5, 30]))
            data = random_bytes(rng) if number % 3 else "".join(rng.choice("aa'é猫🙂 \n.7") for _ in range(60)).encode()
            expected = pieces_by_rule(data, most)
            cut += expected != naive_pieces(data)
            assert tokenizer.find_pieces_of_bytes(data) == expected
            ids = [id for piece in expected for id in trained.encoding._encode_single_piece(piece)]
            assert trained.encode(data).tolist() == ids
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                continue
            parts = list(tokenizer.slices(text))
            assert "".join(parts) == text
            assert [piece.encode() for part in parts for piece in tokenizer.find_pieces(part)] == expected
            assert count_pieces([text], progress=False) == collections.Counter(expected)
    assert cut > 300


def test_a_line_without_spaces_reaches_the_encoder_in_bounded_parts(trained):
    """tiktoken is deaf to Ctrl-C within a call and, before 0.13, takes the square of a piece's length."""
    for letters in ("ACGT", "猫犬鳥"):
        text = "".join(random.Random(9).choices(letters, k=300_000))
        parts = list(tokenizer.slices(text))
        assert "".join(parts) == text and max(len(part.encode()) for part in parts) <= 65536 < len(text.encode())
        assert trained.decode(trained.encode(text)) == text.encode()
        assert len(count_pieces([text], progress=False)) == len(parts)
    lines = "\n".join("猫" * 40 for _ in range(50_000))  # no spaces, but no long piece: not one part for each
    assert len(list(tokenizer.slices(lines))) <= 1 + len(lines) // tokenizer.SLICE


# ---- training


def check_training(documents, vocab_size):
    """Train as far as the text gives, at most to vocab_size, and compare with the naive trainer."""
    expected = naive_train(documents, vocab_size)
    made = train_tokenizer(documents, 257 + len(expected), progress=False)
    assert made.merges.tolist() == [list(pair) for pair in expected]
    return made


@pytest.mark.parametrize("alphabet", ["a", "ab", "aab ", "abc 'é\n", "the cat sat. "])
def test_training_agrees_with_the_naive_trainer(alphabet):
    rng = random.Random(alphabet)
    for _ in range(20):
        documents = ["".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 100))) for _ in range(rng.randrange(1, 9))]
        check_training(documents, 257 + rng.randrange(60))


def test_training_on_a_story_agrees_with_the_naive_trainer():
    assert check_training([STORY], 500).vocab_size == 373


def test_training_makes_no_token_longer_than_64_bytes():
    documents = ["a" * 1000 + " " + "xy" * 100] * 2
    made = check_training(documents, 400)
    assert max(map(len, made.token_bytes)) == 64


def test_training_does_not_depend_on_the_order_of_documents():
    documents = STORY.split("\n")
    made = train_tokenizer(documents, 350, progress=False)
    assert train_tokenizer(documents[::-1], 350, progress=False) == made
    assert train_tokenizer(documents + ["zqzq zqzq"] * 99, 350, progress=False) != made


def test_training_without_merges_is_bytes():
    made = train_tokenizer(["abc"], 257, progress=False)
    assert made.encode("é").tolist() == [0xC3, 0xA9]
    assert made.end_of_text == 256


@pytest.mark.parametrize("documents", [[], [""], ["abc"], ["ab ab"]])
def test_training_refuses_a_text_that_is_too_small(documents):
    with pytest.raises(UserError, match=r"too small for a vocabulary of 300 tokens: it gives (257|258) .*--vocab (257|258)"):
        train_tokenizer(documents, 300, progress=False)


@pytest.mark.parametrize("vocab_size", [-1, 0, 256, 65537])
def test_training_refuses_a_vocabulary_out_of_range(vocab_size):
    with pytest.raises(UsageError, match="choose 257 to 65536"):
        train_tokenizer([STORY], vocab_size, progress=False)


def test_the_largest_vocabulary(tmp_path):
    """65,536 tokens: all pairs of bytes but 257."""
    made = Tokenizer(np.array([(left, right) for left in range(256) for right in range(256)][:65279], dtype=np.uint16))
    assert (made.vocab_size, made.end_of_text) == (65536, 65535)
    made.save(str(tmp_path / "tokenizer.f6t"))
    assert Tokenizer.load(str(tmp_path / "tokenizer.f6t")) == made
    assert made.encode(b"abc").tolist() == [256 + 97 * 256 + 98, 99]
    with pytest.raises(UserError, match="at most 65279 merges"):
        Tokenizer.from_bytes(made.to_bytes() + bytes(4))


# ---- files


def test_bytes_round_trip(trained):
    data = trained.to_bytes()
    assert len(data) == 4 * (360 - 257)
    assert data[:4] == int(trained.merges[0, 0]).to_bytes(2, "little") + int(trained.merges[0, 1]).to_bytes(2, "little")
    assert Tokenizer.from_bytes(data) == trained
    assert Tokenizer.from_bytes(b"").vocab_size == 257


@pytest.mark.parametrize(
    "merges, token, reason",
    [
        ([(256, 97)], 256, "token 256, which does not come before it"),
        ([(97, 98), (97, 300)], 257, "token 300"),
        ([(97, 98), (256, 99), (98, 99), (97, 258)], 259, "the same bytes as token 257"),
        ([(97, 97), (256, 256), (257, 257), (258, 258), (259, 259), (260, 260), (261, 97)], 262, "65 bytes"),
        ([(65535, 65535)], 256, "token 65535"),
    ],
)
def test_from_bytes_names_the_bad_token(merges, token, reason):
    with pytest.raises(TokenizerError, match=f"damaged at token {token} .*{reason}") as caught:
        Tokenizer.from_bytes(np.array(merges, dtype="<u2").tobytes())
    assert caught.value.token == token


@pytest.mark.parametrize("size", [1, 2, 3, 5, 4 * (65536 - 257) + 4])
def test_from_bytes_refuses_a_wrong_size(size):
    with pytest.raises(UserError, match=f"has {size} bytes"):
        Tokenizer.from_bytes(bytes(size))


def test_save_and_load(trained, tmp_path):
    path = str(tmp_path / "tokenizer.f6t")
    trained.save(path)
    assert Tokenizer.load(path) == trained
    assert os.listdir(tmp_path) == ["tokenizer.f6t"]


def test_load_refuses_each_truncation_and_each_flipped_byte(tmp_path):
    path = tmp_path / "tokenizer.f6t"
    train_tokenizer(["abab abab"], 258, progress=False).save(str(path))
    data = path.read_bytes()
    damaged = [data[:size] for size in range(len(data))] + [data + b"\0"]
    damaged += [data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :] for i in range(len(data))]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(UserError, match="tokenizer.f6t: "):
            Tokenizer.load(str(path))


def test_load_refuses_a_wrong_count_and_bad_merges_with_a_right_checksum(tmp_path):
    path = tmp_path / "tokenizer.f6t"
    for merges, count, message in [(b"ab" * 2, 2, "contradicts"), (b"\xff" * 4, 1, "damaged at token 256")]:
        content = tokenizer.PREFIX.pack(tokenizer.MAGIC, count) + merges
        path.write_bytes(content + tokenizer.CRC.pack(tokenizer.zlib.crc32(content)))
        with pytest.raises(UserError, match=message):
            Tokenizer.load(str(path))


def test_load_says_what_a_missing_or_foreign_file_is(tmp_path):
    with pytest.raises(UserError, match="cannot be read .No such file"):
        Tokenizer.load(str(tmp_path / "none.f6t"))
    (tmp_path / "page.f6t").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(UserError, match="<!DOCTYP.*not a tokenizer"):
        Tokenizer.load(str(tmp_path / "page.f6t"))


# ---- command line and progress


def test_train_and_show_commands(tmp_path, capsys):
    text, output = tmp_path / "story.txt", str(tmp_path / "tokenizer.f6t")
    text.write_text(STORY, encoding="utf-8")
    main(["train", str(text), "--vocab", "360", "-o", output])
    assert "360 tokens" in capsys.readouterr().out
    assert Tokenizer.load(output) == train_tokenizer(list(read_documents([str(text)])), 360, progress=False)

    main(["show", output])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 361
    assert lines[1 + 97].split() == ["97", "1", "'a'"]
    assert lines[-1].startswith("  359      0  <|endoftext|>")

    main(["show", output, "--text", "the é\udcff"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("'the': ")
    assert "255 '\\xff'" in lines[2]
    assert lines[-1].startswith("7 bytes, ")


@pytest.mark.parametrize(
    "argv, message",
    [
        ([], "train|show"),
        (["train", "x.txt"], "--output"),
        (["train", "x.txt", "-o", "y", "--vocab", "many"], "invalid int value"),
        (["show", "x.f6t", "--txet", "a"], "unrecognized"),
    ],
)
def test_wrong_command_lines(argv, message):
    with pytest.raises(UsageError) as caught:
        main(argv)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_progress_prints_plain_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with progress.Progress("reading", total=2000, unit="characters") as shown:
        shown.add(1500)
    assert capsys.readouterr().err == "reading: 1,500 of 2,000 characters (75%), 0 s\n"
    with progress.Progress("reading", enabled=False) as shown:
        shown.add(1)
    assert capsys.readouterr().err == ""


# ---- real text


@pytest.mark.skipif(not os.path.exists(TINYSTORIES), reason="the real corpus ../shared/corpus/tinystories is not here")
def test_tinystories():
    made = train_tokenizer(read_documents([TINYSTORIES]), 4096, progress=False)
    sample = "\n".join(document for document, _ in zip(read_documents([TINYSTORIES]), range(200)))
    ids = made.encode(sample)
    assert made.decode(ids) == sample.encode()
    assert ids.tolist() == naive_encode(made.token_bytes[:-1], sample.encode())
    assert 3.9 < len(sample.encode()) / len(ids) < 4.1


@pytest.mark.clock
@pytest.mark.skipif(not os.path.exists(TINYSTORIES), reason="the real corpus ../shared/corpus/tinystories is not here")
def test_tinystories_within_a_minute():
    started = time.monotonic()
    train_tokenizer(read_documents([TINYSTORIES]), 4096, progress=False)
    assert time.monotonic() - started < 60
