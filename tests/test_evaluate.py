"""`python -m fable6c.evaluate` and `python -m fable6c.inspect`: what they count and show, and how they refuse."""

import hashlib
import json
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import zstandard

from fable6c.data.text import normalize
from fable6c.evaluate import main
from fable6c.evaluation.bits import evaluate, surprise
from fable6c.inspect import main as inspect
from fable6c.model.architecture import parameter_count
from fable6c.model.file import write_model
from fable6c.model.reference import PIECE, Reference
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress
from tiny_models import tiny_model

TESTS = pathlib.Path(__file__).parent


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "model.f6c"
    write_model(path, tiny_model(dim=16, hidden=24))
    return str(path)


def bits_by_hand(model, document):
    """One token at a time, softmax in Python's floats."""
    reference = Reference(model)
    end_mark = model.dimensions.end_mark
    bits, state, last = 0.0, None, end_mark
    for token in Tokenizer(model.merges).encode(document).tolist():
        logits, state = reference.forward(np.array([[last]]), state)
        logits = logits[0, 0, :end_mark].tolist()
        bits -= math.log2(math.exp(logits[token]) / sum(math.exp(l) for l in logits))
        last = token
    return bits


def test_normalize():
    assert normalize("\n\na\n\n\nb\nc\n") == "a\nb\nc"


def test_bits_of_documents(model_path):
    model = tiny_model(dim=16, hidden=24)
    documents = ["A cat.\n\nIt sat.", "abc", "Two\nlines, é."]
    result = evaluate(model_path, documents, progress=False)
    assert result["chars"] == sum(len(normalize(document)) for document in documents)
    assert result["tokens"] == sum(len(Tokenizer(model.merges).encode(normalize(d))) for d in documents)
    by_hand = sum(bits_by_hand(model, normalize(document)) for document in documents)
    assert result["bits_per_char"] == pytest.approx(by_hand / result["chars"], rel=1e-6)
    assert evaluate(model_path, documents, 7, progress=False)["bits_per_char"] == pytest.approx(by_hand / 7, rel=1e-6)


def test_one_documents_state_runs_through_all_pieces(model_path):
    text = "The old dog ran to the pond. " * 40
    assert len(Tokenizer(tiny_model().merges).encode(text)) > 2 * PIECE
    result = evaluate(model_path, [text], progress=False)
    assert result["bits_per_char"] * result["chars"] == pytest.approx(bits_by_hand(tiny_model(dim=16, hidden=24), text), rel=1e-6)


def test_the_end_mark_costs_nothing():
    tokens = [5, 6, 7, 8]
    reference = Reference(tiny_model(dim=16, hidden=24))
    bits = surprise(reference, tokens, Progress("", enabled=False))
    likely = reference.head.scale.copy()
    likely[-1] *= 100  # the logit of the end mark, nothing else
    reference.head.scale = likely
    assert surprise(reference, tokens, Progress("", enabled=False)) == bits


def test_command(model_path, tmp_path, capsys):
    plain = tmp_path / "text.txt"
    plain.write_text("One cat.\n\nIt sat.\n<|endoftext|>\nTwo dogs.\n", encoding="utf-8")
    packed = tmp_path / "text.txt.zst"
    packed.write_bytes(zstandard.compress(plain.read_bytes()))
    results = []
    for path in (plain, packed):
        main([model_path, "--text", str(path), "--json"])
        results.append(json.loads(capsys.readouterr().out))
    for result in results:
        assert list(result) == ["bits_per_char", "chars", "tokens", "seconds", "model_sha256"]
        del result["seconds"]
    assert results[0] == results[1]
    assert results[0]["chars"] == len("One cat.\nIt sat.") + len("Two dogs.")
    assert results[0]["model_sha256"] == hashlib.sha256(pathlib.Path(model_path).read_bytes()).hexdigest()

    main([model_path, "--text", str(plain), "--chars", "100"])
    shown = capsys.readouterr().out
    assert "characters          100 " in shown and "runs of newlines counted as one" in shown


def run_module(*arguments):
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"}
    )


def test_bad_input_is_one_line(model_path, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("Some text.")
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9 au lait")
    empty = tmp_path / "empty.txt"
    empty.write_bytes(b"\n\n")
    web_page = TESTS / "attacks" / "WEB_PAGE-doctype.f6c"
    for status, *arguments in [
        (1, "fable6c.evaluate", model_path, "--text", tmp_path / "absent.txt"),
        (1, "fable6c.evaluate", model_path, "--text", latin),
        (1, "fable6c.evaluate", model_path, "--text", empty),
        (1, "fable6c.evaluate", web_page, "--text", text),
        (1, "fable6c.evaluate", tmp_path / "absent.f6c", "--text", text),
        (2, "fable6c.evaluate", model_path),
        (2, "fable6c.evaluate", model_path, "--text", text, "--chars", "0"),
        (2, "fable6c.evaluate", model_path, "--text", text, "--jsn"),
        (1, "fable6c.inspect", web_page),
        (1, "fable6c.inspect", web_page, "--verify"),
        (1, "fable6c.inspect", tmp_path),
        (2, "fable6c.inspect"),
    ]:
        result = run_module(*arguments)
        assert result.returncode == status, (arguments, result)
        assert result.stdout == "" and result.stderr.count("\n") == 1 and len(result.stderr) > 20, (arguments, result)


def test_help_begins_with_purpose_and_example(capsys):
    for command in (main, inspect):
        with pytest.raises(SystemExit) as caught:
            command(["--help"])
        assert caught.value.code == 0
        assert "example:\n  python -m fable6c." in capsys.readouterr().out


@pytest.mark.parametrize("copies", [False, True])
def test_inspect_shows_header_card_and_every_tensor(tmp_path, capsys, copies):
    model = tiny_model(dim=16, hidden=24, copies=copies)
    model.card = {"name": "tiny \x1b[31m é", "parameters": 123}
    path = str(tmp_path / "model.f6c")
    write_model(path, model)
    data = pathlib.Path(path).read_bytes()
    inspect([path])
    shown = capsys.readouterr().out
    assert hashlib.sha256(data).hexdigest() in shown
    assert "dim 16, layers 2, hidden 24, taps 3, vocab 300, context 16" in shown
    assert (f"format      version {1 + copies}" in shown) and (("\n  copying " in shown) == copies)
    assert f"{parameter_count(model.dimensions):,}" in shown
    assert r'name: "tiny \u001b[31m \u00e9"' in shown and "\x1b" not in shown
    for name, tensor in model.tensors.items():
        (line,) = [
            line
            for line in shown.splitlines()
            if line.split()[:1] == [name] and line.split()[1] in ("f32", "ternary", "ternary_rows", "nonary")
        ]
        if hasattr(tensor, "weight"):
            assert f"{(tensor.weight == 0).mean():.1%}" in line


def test_inspect_verify(model_path, capsys):
    inspect([model_path, "--verify"])
    sha256 = hashlib.sha256(pathlib.Path(model_path).read_bytes()).hexdigest()
    assert capsys.readouterr().out == f"{model_path}: OK, {os.path.getsize(model_path):,} bytes, sha256 {sha256}\n"
