"""`train --prune`: a run that begins as a smaller model, which keeps what gives most."""

import dataclasses
import pathlib
import sys

import numpy as np
import pytest

from fable6c import export, train
from fable6c.corpus import synth
from fable6c.data.prepare import prepare
from fable6c.data.text import describe_files, read_documents
from fable6c.errors import UserError
from fable6c.training.network import Network
from fable6c.training.pruning import energy, prune
from fable6c.training.start import read_start
from made_runs import make_run, quicken
from tiny_models import STEP_TOKENS, TINY_CONFIG

ROOT = pathlib.Path(__file__).parent.parent
SMALLER = TINY_CONFIG.replace("dim = 16", "dim = 14").replace("hidden = 24", "hidden = 20").replace("vocab = 300", "vocab = 290")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    quicken(monkeypatch)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with a text, configurations, and a run of 30 steps."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "text.txt").write_text(synth.text(3, 300_000), encoding="utf-8")
    (folder / "tiny.toml").write_text(TINY_CONFIG)
    (folder / "smaller.toml").write_text(SMALLER)
    (folder / "narrow.toml").write_text(SMALLER.replace("dim = 14", "dim = 4").replace("hidden = 20", "hidden = 4"))
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        train.main(command(folder, "tiny", folder / "run", steps=30))
    return folder


def command(inputs, config, out, *more, steps=10):
    paths = ["--corpus", str(inputs / "text.txt"), "--config", str(inputs / f"{config}.toml"), "--out", str(out), "--threads", "1"]
    return [*paths, "--tokens", str(steps * STEP_TOKENS), *more]


def dataset(inputs, folder, start, vocab):
    paths = [str(inputs / "text.txt")]
    tokenizer = start.first_tokens(vocab)
    return prepare(lambda: read_documents(paths), str(folder), vocab, describe_files(paths), progress=False, tokenizer=tokenizer)


def test_what_gives_nothing_goes_first(inputs, tmp_path):
    """Channels of the recurrence without taps and a GLU's units that nobody reads: without them the logits are nearly the same."""

    def kill(network):
        network.latent["blocks.0.taps"][[2, 9]] = 0
        network.latent["blocks.1.taps"][[0, 1]] = 0
        for layer in (0, 1):
            network.latent[f"blocks.{layer}.glu_out"][:, [3, 20]] = 0

    make_run(tmp_path / "run", edit=kill)
    start = read_start(str(tmp_path / "run"))
    network = Network(start.dimensions, 1, 1.0)
    network.parameters[:] = start.parameters
    network.quantize_weights()
    windows = np.random.default_rng(1).integers(0, 299, (4, start.dimensions.context)).astype(np.int32)
    given = energy(network, windows)
    assert np.flatnonzero(given["0.mixer"] == 0).tolist() == [2, 9] and np.flatnonzero(given["1.mixer"] == 0).tolist() == [0, 1]
    assert np.flatnonzero(given["0.hidden"] == 0).tolist() == np.flatnonzero(given["1.hidden"] == 0).tolist() == [3, 20]
    assert {axis: len(shares) for axis, shares in given.items()} == {
        "residual": 17, "copy": 5, "0.mixer": 17, "1.mixer": 17, "0.hidden": 25, "1.hidden": 25,
    }  # fmt: skip

    data = dataset(inputs, tmp_path / "data", start, 300)
    smaller = Network(dataclasses.replace(start.dimensions, hidden=23), 1, 1.0)
    prune(smaller, start, data, 1)
    left = [unit for unit in range(25) if unit not in (3, 20)]
    old = network.latent["blocks.1.glu_in"].reshape(2, 25, 17)
    assert np.array_equal(smaller.latent["blocks.1.glu_in"].reshape(2, 23, 17), old[:, left])
    assert np.array_equal(smaller.latent["blocks.1.glu_out"], network.latent["blocks.1.glu_out"][:, left])
    assert np.array_equal(smaller.latent["blocks.0.mix_in"], network.latent["blocks.0.mix_in"])


def test_tokens_go_from_the_end_but_for_the_end_mark(inputs, tmp_path):
    start = read_start(str(inputs / "run"))
    data = dataset(inputs, tmp_path / "data", start, 290)
    smaller = Network(dataclasses.replace(start.dimensions, vocab=290), 1, 1.0)
    prune(smaller, start, data, 1)
    table = start.views()[0]
    assert np.array_equal(smaller.latent["embedding"], np.concatenate([table[:289], table[299:]]))
    assert np.array_equal(data.tokenizer.merges, start.tokenizer.merges[:33])


def test_a_pruned_run_is_kept_or_refused(inputs, tmp_path, capsys):
    argv = command(inputs, "smaller", tmp_path / "kept", "--prune", str(inputs / "run"), steps=150)
    train.main(argv)  # the source has had 30 steps only, so this is easy
    assert "kept: -" in capsys.readouterr().out
    pruned = read_start(str(tmp_path / "kept"))
    assert (pruned.dimensions.dim, pruned.dimensions.hidden, pruned.dimensions.vocab) == (14, 20, 290)
    with pytest.raises(UserError, match=r"refused: a paired test refused this model: \+.* and all of that must be below \+1%"):
        train.main(command(inputs, "narrow", tmp_path / "refused", "--prune", str(tmp_path / "kept"), steps=1))


def test_a_run_that_was_not_tested_is_not_exported(inputs, tmp_path, monkeypatch):
    argv, test = command(inputs, "smaller", tmp_path / "run", "--prune", str(inputs / "run"), steps=150), train.judge
    monkeypatch.setattr(train, "judge", lambda *_: sys.exit(9))  # as if killed there
    with pytest.raises(SystemExit):
        train.main(argv)
    with pytest.raises(UserError, match="the paired test of this run has not been made yet"):
        export.export(str(tmp_path / "run"), str(tmp_path / "run.f6c"))
    monkeypatch.setattr(train, "judge", test)
    train.main(argv)
    export.export(str(tmp_path / "run"), str(tmp_path / "run.f6c"))


def test_every_mistake_is_one_line(inputs, tmp_path):
    (inputs / "flat.toml").write_text(SMALLER.replace("layers = 2", "layers = 1"))
    (inputs / "wider.toml").write_text(TINY_CONFIG.replace("hidden = 24", "hidden = 25"))
    (inputs / "one.txt").write_text(synth.text(3, 100_000).replace("<|endoftext|>", ""), encoding="utf-8")
    start = str(inputs / "run")
    for config, message in (
        ("tiny", "run: its model has the shape of this command's already; give a smaller dim, hidden or vocab"),
        ("flat", r"run: its model has layers = 2, this command's has 1, and pruning makes only dim, hidden and vocab smaller"),
        ("wider", r"run: its model has hidden = 24, this command's has 25, and pruning makes only"),
    ):
        with pytest.raises(UserError, match=message) as error:
            train.main(command(inputs, config, tmp_path / "out", "--prune", start))
        assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="1 document is held out of the text, and the test whether the model is kept needs 5"):
        train.main([*command(inputs, "smaller", tmp_path / "out", "--prune", start)[2:], "--corpus", str(inputs / "one.txt")])
