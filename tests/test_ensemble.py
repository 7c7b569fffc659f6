"""Network and scout as an ensemble: the gate learns whom to believe, looks only back, and bad input is one line."""

import contextlib
import dataclasses
import io
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import zstandard

from fable6c import evaluate, export, train
from fable6c.corpus import synth
from fable6c.data.bpe import train_tokenizer
from fable6c.data.prepare import prepare
from fable6c.data.text import read_documents
from fable6c.evaluation.ensemble import (
    KINDS,
    SIGNS,
    Reading,
    contributions,
    divide,
    kinds_of,
    lead,
    learn_gate,
    memories_of,
    mix,
    one_stream,
    read,
    score,
)
from fable6c.evaluation.predictors import open_predictor
from fable6c.mixing import reading as scouts
from fable6c.mixing.reading import CHUNK_TOKENS
from fable6c.mixing.scout import Scout
from fable6c.model.file import read_model, write_model
from fable6c.model.reference import Reference
from fable6c.model.tokenizer import Tokenizer

TESTS = pathlib.Path(__file__).parent
MEMORY = 160 << 20
CONFIG = """
[model]
dim = 32
layers = 2
hidden = 48
taps = 3
vocab = 320
context = 64
[train]
batch = 4
accumulate = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """corpus.txt, a model that was trained on it for a few seconds, and text.txt, which neither has seen."""
    folder = tmp_path_factory.mktemp("ensemble")
    (folder / "corpus.txt").write_text(synth.text(3, 150_000), encoding="utf-8")
    (folder / "text.txt").write_text(synth.text(4, 12_000), encoding="utf-8")
    (folder / "tiny.toml").write_text(CONFIG)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        files = ["--corpus", str(folder / "corpus.txt"), "--config", str(folder / "tiny.toml"), "--out", str(folder / "run")]
        train.main([*files, "--threads", "1", "--tokens", "100000"])
        export.export(str(folder / "run"), str(folder / "model.f6c"))
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return read_model(str(folder / "model.f6c"))


@pytest.fixture(scope="module")
def saved(folder, model):
    documents, _ = divide("model.f6c", model, [str(folder / "corpus.txt")])
    learned, _ = scouts.train(documents, "fast", MEMORY, 1, Tokenizer(model.merges), progress=False)
    learned.save(str(folder / "small.scout"))
    return str(folder / "small.scout")


def made_up(count, seed):
    """Two predictors; the scout is mostly the better one where it has seen the context, and seldom elsewhere."""
    draw = np.random.default_rng(seed)
    signs = np.zeros((count, len(SIGNS)))
    signs[:, 0] = 1
    signs[:, 3] = draw.integers(0, 2, count) * 3
    good, bad = draw.exponential(1, count), draw.exponential(4, count)
    better = draw.random(count) < np.where(signs[:, 3] > 0, 0.9, 0.2)
    bits = np.stack([np.where(better, bad, good), np.where(better, good, bad)], 1)
    return Reading(np.zeros(count, np.uint16), bits, signs, np.zeros(count, int))


# ---- the suite's predictor


@pytest.mark.slow
def test_the_suites_ensemble_is_the_frozen_one(folder):
    path, corpus = str(folder / "model.f6c"), [str(folder / "corpus.txt")]
    expected = score(path, corpus, str(folder / "text.txt"), learn=False, progress=False)
    predictor = open_predictor(path, True, corpus, progress=False)
    bits = predictor.stream(predictor.tokenizer.encode(one_stream(read_documents([str(folder / "text.txt")]))))
    assert bits.sum() / expected["chars"] == pytest.approx(expected["ensemble"], rel=0.01)
    (story,) = predictor.tell(["Once upon a time"], 20, [1])
    assert len(story.text) > 20 and story == predictor.tell(["Once upon a time"], 20, [1])[0]


# ---- the gate


def test_the_gate_learns_whom_to_believe():
    gate = learn_gate(made_up(3000, 1))
    other = made_up(3000, 2)
    bits = mix(other, gate)
    assert bits.mean() < 0.8 * other.bits.mean(0).min()
    assert gate[3] > 0.5 and gate[0] < -0.5
    assert not gate[[1, 2, 4, 5, 6]].any()  # signs that were always 0
    assert np.array_equal(learn_gate(made_up(3000, 1)), gate)


def test_the_gate_is_where_nothing_can_be_gained():
    reading = made_up(2000, 3)
    gate = learn_gate(reading)
    least = mix(reading, gate).sum()
    for i in (0, 3):
        for step in (-0.05, 0.05):
            moved = gate.copy()
            moved[i] += step
            assert mix(reading, moved).sum() > least


def test_a_mixture_is_between_the_two():
    reading = made_up(500, 4)
    bits = mix(reading, learn_gate(reading))
    assert (bits >= reading.bits.min(1) - 1e-9).all() and (bits <= reading.bits.max(1) + 1e-9).all()


def test_the_lead_looks_only_back():
    bits = made_up(100, 5).bits
    before = lead(bits)
    bits[60] = [40, 0]
    after = lead(bits)
    assert before[0] == 0 and np.array_equal(before[:61], after[:61]) and (before[61:] > after[61:]).all()


# ---- reading


@pytest.mark.long
def test_bits_are_those_of_each_alone(folder, model, saved):
    text = one_stream(read_documents([str(folder / "text.txt")]))
    for learn in (True, False):
        reading = read(Reference(model), Scout.load(saved, 1), text, learn, progress=False)
        network = evaluate.evaluate(str(folder / "model.f6c"), [text], progress=False)
        scout = scouts.evaluate(Scout.load(saved, 1), [text], learn=learn, progress=False)
        assert reading.bits[:, 0].sum() == pytest.approx(network["bits_per_char"] * len(text), rel=1e-9)
        assert reading.bits[:, 1].sum() == pytest.approx(scout["bits_per_char"] * len(text), rel=1e-9)
        assert len(reading.tokens) == network["tokens"] == scout["tokens"]
        assert np.isfinite(reading.signs).all() and 0 <= reading.known.min() and reading.known.max() <= 4
        assert (reading.signs[:, 2] <= reading.signs[:, 1] + 1e-9).all()  # entropy is at least the best token's surprise


def test_signs_do_not_know_what_comes(folder, model, saved):
    text = one_stream(read_documents([str(folder / "text.txt")]))[:3000]
    tokenizer = Tokenizer(model.merges)
    one, two = (read(Reference(model), Scout.load(saved, 1), text + end, progress=False) for end in (" was here.", "? Zebra!"))
    same = int(np.argmax(one.tokens[: len(two.tokens)] != two.tokens[: len(one.tokens)]))
    assert same > 500 and tokenizer.token_bytes[one.tokens[same]] != tokenizer.token_bytes[two.tokens[same]]
    assert np.array_equal(one.signs[: same + 1], two.signs[: same + 1])
    assert not np.array_equal(one.signs[same + 1], two.signs[same + 1])


def test_chunks_change_nothing(folder, model, saved, monkeypatch):
    text = one_stream(read_documents([str(folder / "text.txt")]))
    whole = read(Reference(model), Scout.load(saved, 1), text, progress=False)
    assert len(whole.tokens) < CHUNK_TOKENS
    monkeypatch.setattr("fable6c.evaluation.ensemble.CHUNK_TOKENS", 1000)
    parts = read(Reference(model), Scout.load(saved, 2), text, progress=False)
    assert np.array_equal(whole.bits, parts.bits) and np.array_equal(whole.signs, parts.signs)


def test_what_was_held_out_is_what_training_held_out(folder, model):
    corpus = [str(folder / "corpus.txt")]
    documents, held_out = divide("model.f6c", model, corpus)
    dataset = prepare(lambda: read_documents(corpus), str(folder / "run" / "data"), 320, "unchanged", progress=False)
    bare = Tokenizer(model.merges).token_bytes
    assert [token for token in bare if token] and dataset.tokenizer.token_bytes == bare

    def text_of(tokens):
        return b"".join(b"\0" if token == dataset.tokenizer.end_of_text else bare[token] for token in tokens.tolist()).decode()

    assert [document for document in text_of(dataset.train).split("\0") if document] == list(documents)
    assert one_stream(document for document in text_of(dataset.valid).split("\0") if document) == held_out


# ---- kinds of tokens


def test_memories():
    signs = np.zeros((6, len(SIGNS)))
    signs[3:, 5] = np.log2(1 + np.array([7, 14, 15]))
    reading = Reading(np.zeros(6, np.uint16), np.zeros((6, 2)), signs, np.array([0, 3, 4, 4, 0, 4]))
    assert memories_of(reading).tolist() == [0, 1, 2, 3, 3, 4]


def test_kinds():
    tokenizer = train_tokenizer(["A cat saw Tom. The cat ran."] * 50, 270, progress=False)
    text = 'Ann saw Tom. I said, "Go."\nHe ran.'
    tokens = tokenizer.encode(text)
    kinds = [KINDS[kind] for kind in kinds_of(tokens, tokenizer)]
    at, first = 0, {}
    for token, kind in zip(tokens.tolist(), kinds):
        first[at] = kind
        at += len(tokenizer.token_bytes[token])
    assert first[0] == first[text.index("He")] == KINDS[0]
    assert first[text.index("Go")] == KINDS[1]
    assert first[text.index(" Tom")] == "name"
    assert first[text.index(" saw")] == "frequent word"
    assert first[text.index(".")] == "punctuation, line end"
    assert "name" not in [kind for place, kind in first.items() if place != text.index(" Tom")]


def test_a_word_said_before(monkeypatch):
    monkeypatch.setattr("fable6c.evaluation.ensemble.FREQUENT", 0)
    tokenizer = train_tokenizer(["A cat saw Tom. The cat ran."] * 50, 270, progress=False)
    tokens = tokenizer.encode("A cat ran. A cat saw." + " ran, ran," * 3)
    cat = tokenizer.token_bytes.index(b" cat")
    kinds = kinds_of(tokens, tokenizer)
    assert [KINDS[kind] for kind in kinds[tokens == cat]] == ["other word, new", "other word, said before"]
    monkeypatch.setattr("fable6c.evaluation.ensemble.BEFORE", 2)
    assert [KINDS[kind] for kind in kinds_of(tokens, tokenizer)[tokens == cat]] == ["other word, new"] * 2


def test_contributions_add_up():
    reading = made_up(400, 6)
    bits = mix(reading, learn_gate(reading))
    rows = contributions(reading, bits, (reading.signs[:, 3] > 0).astype(int), ["new", "known", "absent"])
    assert [row["kind"] for row in rows] == ["new", "known"]
    assert sum(row["tokens"] for row in rows) == 400
    assert sum(row["tokens"] * row["ensemble"] for row in rows) == pytest.approx(bits.sum())
    assert rows[0]["network"] < rows[0]["scout"] and rows[1]["network"] > rows[1]["scout"]


# ---- the command


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "fable6c.ensemble", *map(str, arguments)], capture_output=True, text=True)


@pytest.mark.long
def test_the_command(folder):
    files = [folder / "model.f6c", "--corpus", folder / "corpus.txt", "--text", folder / "text.txt"]
    given = [*files, "--tier", "fast", "--memory", "160M"]
    first, again = (command(*given, "--json", "--threads", threads) for threads in "12")
    frozen = command(*given, "--json", "--frozen", "--chars", "9999")
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert json.loads(again.stdout) == result
    for part in (result, result["held_out"]):
        assert part["ensemble"] < min(part["network"], part["scout"])
    assert list(result["gate"]) == list(SIGNS)
    assert sum(row["tokens"] for row in result["kinds"]) == sum(row["tokens"] for row in result["memories"]) == result["tokens"]
    assert json.loads(frozen.stdout)["chars"] == 9999
    pruned = json.loads(command(*given, "--chars", "9999", "--prune", "2M", "--json").stdout)
    assert pruned["network"] == json.loads(frozen.stdout)["network"] and pruned["scout"] > 0.999 * json.loads(frozen.stdout)["scout"]
    shown = command(*given)
    assert f"ensemble            {result['ensemble']:.4f}" in shown.stdout and "below the better one" in shown.stdout


def test_bad_input_is_one_line(folder, model, tmp_path):
    good, corpus, text = folder / "model.f6c", folder / "corpus.txt", folder / "text.txt"
    nameless, latin = tmp_path / "nameless.f6c", tmp_path / "latin.txt"
    write_model(nameless, dataclasses.replace(model, card={}))
    latin.write_bytes(b"caf\xe9 au lait")
    long = tmp_path / "long.txt.zst"
    long.write_bytes(zstandard.compress((b"a cat \n" * 200_000 + b"<|endoftext|>\n") * 30))
    for status, words, *arguments in [
        (1, "was not trained on this corpus", good, "--corpus", text, "--text", text),
        (1, "was not trained on this corpus", nameless, "--corpus", corpus, "--text", text),
        (1, "cannot read the model", tmp_path / "absent.f6c", "--corpus", corpus, "--text", text),
        (1, "there is no such file", good, "--corpus", tmp_path / "absent.txt", "--text", text),
        (1, "give a part of it", good, "--corpus", corpus, "--text", long),
        (1, "is not UTF-8", good, "--corpus", corpus, "--text", latin),
        (1, "too little for the tier normal", good, "--corpus", corpus, "--text", text, "--memory", "64M"),
        (1, "web page", TESTS / "attacks" / "WEB_PAGE-doctype.f6c", "--corpus", corpus, "--text", text),
        (2, "give one network and its --corpus", good, "--text", text),
        (2, "whole number from 1", good, "--corpus", corpus, "--text", text, "--chars", "0"),
    ]:
        done = command(*arguments)
        assert done.returncode == status, (arguments, done)
        assert done.stdout == "" and done.stderr.count("\n") == 1 and words in done.stderr, (arguments, done.stderr)
