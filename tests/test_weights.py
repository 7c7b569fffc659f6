"""`inspect --weights`: what is in a model's weights."""

import json
import pathlib

import numpy as np
import pytest

from fable6c import inspect
from fable6c.corpus import synth
from fable6c.errors import UsageError, UserError
from fable6c.evaluation import page, weights
from fable6c.model.architecture import tensor_specs
from fable6c.model.file import Matrix, write_model
from tiny_models import tiny_model

TEXT = synth.text(2, 6_000)


@pytest.fixture(scope="module")
def model():
    """A random model in which some channels can be seen to give nothing, and one gate to remember long."""
    model = tiny_model(dim=16, hidden=12, copies=True)
    model.tensors["blocks.0.taps"][:3] = 0
    model.tensors["blocks.1.glu_out"].weight[:, 5:7] = 0
    model.tensors["blocks.1.mix_in"].weight[16 + 4] = 0  # the gate of channel 4 is its bias alone
    model.tensors["blocks.1.forget_bias"][4] = np.log(99)
    model.tensors["copy_bias"][:] = 80  # never copies
    return model


@pytest.fixture(scope="module")
def report(model):
    return weights.analyse(model, TEXT, progress=False)


def row(report, name):
    return next(row for row in report["tensors"] if row["name"] == name)


def test_each_tensor_has_a_row(model, report):
    assert [row["name"] for row in report["tensors"]] == [spec.name for spec in tensor_specs(model.dimensions)]
    assert report["tokens"] == weights.WINDOWS * model.dimensions.context
    table = row(report, "embedding")
    assert table["zeros"] == (model.tensors["embedding"].weight == 0).mean()
    assert 2.9 < table["entropy"] < np.log2(9) and table["trits"] == 2 * 8 * 4 / 16  # two planes of ⌈16 / 5⌉ bytes
    gate = row(report, "blocks.1.mix_in")
    assert gate["dead_rows"] == 1 and gate["low"] == gate["high"] == pytest.approx(float(model.tensors["blocks.1.mix_in"].scale[0]))
    assert row(report, "blocks.1.glu_out")["dead_columns"] == 2
    assert json.dumps(report["tensors"])


def test_who_gives_nothing_is_dead(report):
    assert np.flatnonzero(report["energy"]["0.mixer"] == 0).tolist() == [0, 1, 2]
    assert weights.dead(np.array([0, 0.009, 0.011, 2, 2, 2, 0.98])) == 2  # of shares with the mean 1
    assert np.flatnonzero(report["energy"]["1.hidden"] == 0).tolist() == [5, 6]
    assert weights.dead(report["energy"]["0.hidden"]) == 0


def test_the_span_of_a_gate_is_that_of_its_forgetting(report):
    """With f = 0.99 at every token a memory has faded to 1/e after -1 / ln 0.99 tokens."""
    assert len(report["spans"]) == 2 and report["spans"][1] == sorted(report["spans"][1])
    assert min(abs(span - 99.5) for span in report["spans"][1]) < 0.01


def test_a_tensor_is_worth_what_its_loss_costs(report):
    """The head that is dropped leaves all tokens alike; a tensor that gives nothing can go."""
    alike = np.log2(300) * report["tokens"]
    characters = len(TEXT.encode()[: report["tokens"]])
    assert report["bits_per_char"] + row(report, "head")["dropped"] == pytest.approx(alike / characters, rel=0.05)
    assert row(report, "copy_sentinel")["dropped"] == row(report, "copy_in")["coarsened"] == 0
    assert row(report, "blocks.0.mix_out")["dropped"] != 0


def test_coarsened_has_fewer_levels_and_the_best_scale():
    levels = np.array([[-4, -3, -1, 0, 2, 4]], np.int8)
    coarse = weights._coarsened(Matrix(levels, np.array([0.5], np.float32)))
    assert coarse.weight.tolist() == [[-1, -1, 0, 0, 1, 1]]
    assert coarse.scale[0] == pytest.approx(0.5 * (4 + 3 + 2 + 4) / 4)
    three = np.array([[-1, 0, 1, 1], [0, 0, 0, 1]], np.int8)
    two = weights._coarsened(Matrix(three, np.array([1.0], np.float32)))
    assert set(two.weight.reshape(-1)) == {-1, 1} and np.array_equal(two.weight[three != 0], three[three != 0])
    assert two.scale[0] == pytest.approx(0.5)
    assert weights._coarsened(np.array([1, 3], np.float32)).tolist() == [2, 2]


def test_the_page_is_one_file(model, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the plots need matplotlib (pip install matplotlib)")
    write_model(tmp_path / "<b>.f6c", model)
    (tmp_path / "text.txt").write_text(TEXT)
    inspect.main([str(tmp_path / "<b>.f6c"), "--weights", str(tmp_path / "page.html"), "--text", str(tmp_path / "text.txt")])
    assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count('src="data:image/png;base64,') == len(weights.DRAWINGS) and "http" not in text
    assert "<title>&lt;b&gt;.f6c: its weights</title>" in text and "blocks.1.glu_out" in text


def test_a_page_without_matplotlib_has_its_figures(report, tmp_path, monkeypatch, capsys):
    def missing(draw):
        raise ModuleNotFoundError("no", name="matplotlib")

    monkeypatch.setattr(page, "png", missing)
    weights.write(report, "model.f6c", str(tmp_path / "page.html"))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img" not in text and text.count("<tr>") == len(report["tensors"]) + 1
    assert "matplotlib is missing" in capsys.readouterr().err


def test_every_mistake_is_one_line(model, tmp_path):
    path = str(tmp_path / "model.f6c")
    write_model(path, model)
    (tmp_path / "short.txt").write_text("No.")
    with pytest.raises(UserError, match="the text has 3 tokens, and the weights are measured on at least 16: give a longer one"):
        inspect.main([path, "--weights", str(tmp_path / "page.html"), "--text", str(tmp_path / "short.txt")])
    with pytest.raises(UsageError, match="--text is what --weights measures on; give both"):
        inspect.main([path, "--text", str(tmp_path / "short.txt")])
    with pytest.raises(UserError):
        inspect.main([path, "--weights", str(tmp_path)])
    assert {path.name for path in pathlib.Path(tmp_path).iterdir()} == {"model.f6c", "short.txt"}
