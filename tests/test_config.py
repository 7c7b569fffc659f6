"""Presets, configuration files, and what is wrong with a configuration in one line."""

import pytest

from fable6c.errors import UserError
from fable6c.model.architecture import Dimensions, parameter_count
from fable6c.training.config import Config, Recipe, load_config, presets


@pytest.mark.parametrize(
    "preset,min_parameters,max_parameters", [("micro", 900_000, 1_048_576), ("small", 3.5e6, 4.5e6), ("base", 13e6, 17e6)]
)
def test_presets(preset, min_parameters, max_parameters):
    assert min_parameters <= parameter_count(load_config(preset).model) <= max_parameters


def test_the_presets_that_there_are():
    assert presets() == ["base", "micro", "small"]


def test_a_file_is_laid_over_the_preset(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[model]\ndim = 48\n[train]\nclip = 2\ndecay = 0.5\n")
    plain, mine = load_config("small"), load_config("small", str(path))
    assert (mine.model.dim, mine.train.clip, mine.train.decay) == (48, 2, 0.5)
    assert (mine.model.hidden, mine.train.batch) == (plain.model.hidden, plain.train.batch)
    assert plain.model.dim == 192 and plain.train.clip == 1 and plain.train.decay != 0.5


def test_as_dict_is_the_whole_configuration():
    config = load_config("micro")
    tables = config.as_dict()
    assert Config(Dimensions(**tables["model"]), Recipe(**tables["train"])) == config


@pytest.mark.parametrize(
    "text,message",
    [
        ("[model]\ndims = 16", "unknown key `dims`; did you mean `dim`?"),
        ("[train]\nmatrixrate = 1", "unknown key `matrixrate`; did you mean `matrix_rate`?"),
        ("[train]\nvocab = 300", "unknown key `vocab`"),
        ("[models]\ndim = 16", "unknown entry `models`"),
        ("dim = 16", "unknown entry `dim`"),
        ("model = 3", "unknown entry `model`"),
        ("[model]\ndim = 16.0", "dim = 16.0: expected a whole number"),
        ("[model]\ndim = true", "dim = True: expected a whole number"),
        ('[train]\nclip = "1"', "clip = '1': expected a number"),
        ("[train]\nclip = false", "clip = False: expected a number"),
        ("[train]\nfast_gradients = 1", "fast_gradients = 1: expected true or false"),
        ("[model]\ndim = 0", "dim = 0 is out of range"),
        ("[model]\ntaps = 33", "taps = 33 is out of range; give 1 to 32"),
        ("[model]\nvocab = 256", "vocab = 256 is out of range"),
        ("[train]\nbatch = 0", "batch = 0 is out of range; give 1 to 4096"),
        ("[train]\naccumulate = -1", "accumulate = -1 is out of range"),
        ("[train]\nwarmup = 1.5", "warmup = 1.5 is out of range; give 0 to 1"),
        ("[train]\nclip = nan", "clip = nan is out of range"),
        ("[train]\nmatrix_rate = inf", "matrix_rate = inf is out of range"),
        ("[train]\nbeta1 = 1", "beta1 = 1 is out of range"),
        ("[train]\nminutes = -2", "minutes = -2 is out of range"),
        ("[model\ndim = 16", "is not valid TOML"),
        ("Once upon a time", "is not valid TOML"),
    ],
)
def test_wrong_configurations(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config("micro", str(path))
    line = str(caught.value)
    assert message in line and str(path) in line and "\n" not in line


@pytest.mark.parametrize(
    "content,message",
    [
        (b"a = \x00", "is not valid TOML"),
        (None, "cannot be read"),
        (b"\xff\xfea\x00", "is UTF-16"),
        (b"\xef\xbb\xbf[model]", "byte order mark"),
        (b'a = "\xe9"', "byte e9 at offset 5 is not UTF-8"),
    ],
)
def test_files_that_are_not_configurations(tmp_path, content, message):
    path = tmp_path / "wrong.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_config("micro", str(path))
    with pytest.raises(UserError, match="cannot be read .Is a directory"):
        load_config("micro", str(tmp_path))  # a folder


def test_unknown_preset():
    with pytest.raises(UserError, match="--preset large: there is no such preset; use one of base, micro, small"):
        load_config("large")


def test_a_missing_key(tmp_path, monkeypatch):
    (tmp_path / "half.toml").write_text("[model]\ndim = 16\n[train]\n")
    monkeypatch.setattr("fable6c.training.config.PRESETS_FOLDER", str(tmp_path))
    with pytest.raises(UserError, match="the key `layers` is missing"):
        load_config("half")
