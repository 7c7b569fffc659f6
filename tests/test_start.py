"""`train --from`: a run that begins with a model file's weights, or with those of a finished run."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from fable6c import export, train
from fable6c.corpus import synth
from fable6c.corpus.clean import clean
from fable6c.corpus.database import build, tokenize
from fable6c.errors import UserError
from fable6c.model.architecture import Dimensions
from fable6c.model.file import Matrix, read_model, write_model
from fable6c.model.tokenizer import Tokenizer
from fable6c.training import checkpoint, loop
from fable6c.training.network import Network
from fable6c.training.start import latents, read_start
from made_runs import make_run, quicken
from tiny_models import STEP_TOKENS, TINY_CONFIG, tiny_model

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    quicken(monkeypatch)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with two texts, a configuration, and a run of 30 steps on the first text with its model."""
    folder = tmp_path_factory.mktemp("inputs")
    for seed, name in ((3, "first"), (4, "second")):
        (folder / f"{name}.txt").write_text(synth.text(seed, 60_000), encoding="utf-8")
    (folder / "tiny.toml").write_text(TINY_CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "draw_loss", lambda folder: None)
        train.main(command(folder, folder / "run", "--corpus", str(folder / "first.txt"), steps=30))
    export.export(str(folder / "run"), str(folder / "model.f6c"))
    return folder


def command(inputs, out, *more, steps=10):
    paths = ["--config", str(inputs / "tiny.toml"), "--out", str(out), "--threads", "1"]
    return [*paths, "--tokens", str(steps * STEP_TOKENS), *more]


def going_on(inputs, out, start, *more, steps=10):
    return command(inputs, out, "--from", str(start), "--corpus", str(inputs / "second.txt"), *more, steps=steps)


def first_loss(folder):
    return json.loads((folder / "log.jsonl").read_text().splitlines()[0])["loss"]


# ---- latents


@pytest.mark.parametrize("edit", [lambda network: None, lambda network: np.multiply(network.parameters, 0.01, out=network.parameters)])
def test_a_model_without_a_step_is_the_same_model(edit, tmp_path):
    make_run(tmp_path / "run", edit=edit)
    export.export(str(tmp_path / "run"), str(tmp_path / "model.f6c"))
    model, start = read_model(tmp_path / "model.f6c"), read_start(str(tmp_path / "model.f6c"))
    network = Network(model.dimensions, 1, 1.0)
    network.parameters[:] = start.parameters
    network.quantize_weights()
    again = network.model(model.merges, model.card)
    for name, tensor in model.tensors.items():
        if isinstance(tensor, Matrix):
            assert np.array_equal(again.tensors[name].weight, tensor.weight), name
            used = tensor.weight.reshape(len(tensor.scale), -1).any(axis=1)
            assert np.allclose(again.tensors[name].scale[used], tensor.scale[used], rtol=1e-5, atol=0), name
        else:
            assert np.array_equal(again.tensors[name], tensor), name


@pytest.mark.parametrize("levels, share", [(1, 1.0), (4, 0.7)])
def test_latents_have_the_levels_and_scales_of_any_that_were_trained(levels, share):
    random = np.random.default_rng(levels)
    for sharpness in (0.3, 1, 3):  # from a few large weights to all alike
        trained = random.gamma(sharpness, size=(40, 64)) * random.choice([-1, 1], (40, 64))
        scale = share * np.abs(trained).mean(axis=1)
        weight = np.rint(np.clip(trained / scale[:, None], -levels, levels)).astype(np.int8)
        made = latents(Matrix(weight, scale.astype(np.float32)), levels, share)
        again = share * np.abs(made).mean(axis=1)
        assert np.array_equal(np.rint(np.clip(made / again[:, None], -levels, levels)), weight)
        assert np.allclose(again, scale, rtol=1e-5) or not (np.abs(weight) == levels).any()


def test_zeros_may_hold_what_a_short_row_lacks():
    """A row of a training: half of its sum of magnitudes is not in its levels."""
    weight = np.array([[1, 0, 0, -1, -2, 0, 0, 1, 2, 1, 2, 1, 2, -2, -1, 0]], np.int8)
    made = latents(Matrix(weight, np.array([0.0474], np.float32)), 4, 0.7)
    assert np.allclose(0.7 * np.abs(made).mean(), 0.0474, rtol=1e-5)
    assert np.array_equal(np.rint(made / np.float32(0.0474)), weight)


def test_levels_that_no_training_gives_are_refused(tmp_path):
    write_model(tmp_path / "random.f6c", tiny_model(dim=64))  # all nine levels of its embedding are equally frequent
    with pytest.raises(
        UserError, match=r"random\.f6c: no training gives the levels of its embedding; give a model that fable6c has trained"
    ):
        read_start(str(tmp_path / "random.f6c"))


# ---- runs


def test_it_begins_where_the_run_ended_with_its_tokenizer(inputs, tmp_path):
    """And is better at once than a run from nothing."""
    train.main(going_on(inputs, tmp_path / "nothing", inputs / "run", steps=1)[:-4] + ["--corpus", str(inputs / "second.txt")])
    for name in ("run", "model.f6c"):
        train.main(going_on(inputs, tmp_path / name, inputs / name, steps=1))
        assert (tmp_path / name / "data" / "tokenizer.f6t").read_bytes() == (inputs / "run" / "data" / "tokenizer.f6t").read_bytes()
        assert first_loss(tmp_path / name) < first_loss(tmp_path / "nothing") - 0.5
    # A model file has no latent weights, but its network computes the same.
    assert abs(first_loss(tmp_path / "run") - first_loss(tmp_path / "model.f6c")) < 0.01
    card = export.export(str(tmp_path / "model.f6c"), str(tmp_path / "more.f6c"))
    assert card["from"] == read_start(str(inputs / "model.f6c")).sha256


def test_a_run_begins_with_the_latent_weights_themselves(inputs):
    _, arrays = checkpoint.load(str(inputs / "run"))
    assert np.array_equal(read_start(str(inputs / "run")).parameters, arrays["parameters"])


def test_it_goes_on_with_the_same_command_only(inputs, tmp_path, capsys):
    out = tmp_path / "run"
    train.main(going_on(inputs, out, inputs / "model.f6c"))
    capsys.readouterr()
    train.main(going_on(inputs, out, inputs / "model.f6c"))
    assert "this run is finished" in capsys.readouterr().out
    for other in (inputs / "run", None):
        argv = going_on(inputs, out, other) if other else command(inputs, out, "--corpus", str(inputs / "second.txt"))
        with pytest.raises(UserError, match="holds a run with from = [0-9a-f]{64}, this command has"):
            train.main(argv)


def test_a_folder_tokenized_with_another_tokenizer_is_tokenized_anew(inputs, tmp_path):
    """A run that was killed before its first checkpoint may have left it."""
    out = tmp_path / "run"
    argv = command(inputs, out, "--corpus", str(inputs / "second.txt"), steps=1)
    train.main(argv)
    own = (out / "data" / "tokenizer.f6t").read_bytes()
    for path in out.glob("*.f6k"):
        path.unlink()
    train.main(going_on(inputs, out, inputs / "run", steps=1))
    assert (out / "data" / "tokenizer.f6t").read_bytes() == (inputs / "run" / "data" / "tokenizer.f6t").read_bytes() != own


# ---- bad input


def test_every_mistake_is_one_line(inputs, tmp_path):
    unfinished = tmp_path / "unfinished"
    make_run(unfinished)
    description, arrays = checkpoint.load(str(unfinished))
    checkpoint.save(str(unfinished), {**description, "finished": False}, {name: array.copy() for name, array in arrays.items()})
    (tmp_path / "empty").mkdir()
    (tmp_path / "page.f6c").write_text("<!DOCTYPE html>")
    for start, message in (
        (tmp_path / "none.f6c", r"none\.f6c: cannot read the model \(No such file or directory\); check the path"),
        (tmp_path / "page.f6c", r"page\.f6c: .*web page"),
        (tmp_path / "empty", "empty: there is no checkpoint; give a model file, or the folder of a finished run"),
        (unfinished, "unfinished: this run is not finished; the same command goes on with it"),
        (ROOT / "release" / "micro.f6c", r"micro\.f6c: its model has dim = 128, this command's has 16; give the --preset"),
    ):
        with pytest.raises(UserError, match=message) as error:
            train.main(going_on(inputs, tmp_path / "out", start))
        assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_run_that_diverged_is_refused(tmp_path):
    def diverge(network):
        network.parameters[5] = np.nan

    make_run(tmp_path / "run", edit=diverge)
    with pytest.raises(UserError, match="its parameters are not all finite; give a run that has not diverged"):
        read_start(str(tmp_path / "run"))


def test_a_database_of_another_tokenizer_is_refused(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr("fable6c.corpus.report._plot", lambda report: None)
    clean([str(inputs / "second.txt")], str(tmp_path / "clean"), duplicates="off", progress=False)
    for name, tokenizer in (("own.db", None), ("same.db", Tokenizer.load(str(inputs / "run" / "data" / "tokenizer.f6t")))):
        path = str(tmp_path / name)
        build(path, [str(tmp_path / "clean")], valid_share=0.1, progress=False)
        tokenize(path, 300, tokenizer, progress=False)
    argv = [*command(inputs, tmp_path / "out", "--from", str(inputs / "run"), steps=1), "--corpus"]
    with pytest.raises(
        UserError, match=r"own\.db: was tokenized with another tokenizer than .*run has; tokenize a copy of it with that one"
    ):
        train.main([*argv, str(tmp_path / "own.db")])
    train.main([*argv, str(tmp_path / "same.db")])


def test_each_dimension_is_compared(inputs):
    start = read_start(str(inputs / "run"))
    for field in dataclasses.fields(Dimensions):
        own = getattr(start.dimensions, field.name)
        other = dataclasses.replace(start.dimensions, **{field.name: not own if field.name == "copies" else own + 1})
        with pytest.raises(UserError, match=f"its model has {field.name} = {own}, this command's has"):
            start.check(other)
