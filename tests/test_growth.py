"""`train --grow`: a run that begins as a larger model which computes what the smaller one did."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from fable6c import export, train
from fable6c.corpus import synth
from fable6c.data.bpe import count_pieces, train_merges
from fable6c.data.prepare import prepare
from fable6c.data.text import describe_files, read_documents
from fable6c.errors import UsageError, UserError
from fable6c.evaluation import verdict
from fable6c.model.tokenizer import Tokenizer
from fable6c.training import checkpoint, run
from fable6c.training.growth import grow
from fable6c.training.network import Network
from fable6c.training.start import read_start
from made_runs import quicken
from tiny_models import STEP_TOKENS, TINY_CONFIG

ROOT = pathlib.Path(__file__).parent.parent
LARGER = TINY_CONFIG.replace("dim = 16", "dim = 20").replace("layers = 2", "layers = 3").replace("hidden = 24", "hidden = 40")
WINDOW = 16  # tokens


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with a text, configurations, and a run of 30 steps with its model."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "text.txt").write_text(synth.text(3, 300_000), encoding="utf-8")
    (folder / "small.toml").write_text(TINY_CONFIG)
    (folder / "larger.toml").write_text(LARGER)
    (folder / "words.toml").write_text(LARGER.replace("vocab = 300", "vocab = 320"))
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        train.main(command(folder, "small", folder / "run", steps=30))
    export.export(str(folder / "run"), str(folder / "model.f6c"))
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    quicken(monkeypatch)


def command(inputs, config, out, *more, steps=10):
    paths = ["--corpus", str(inputs / "text.txt"), "--config", str(inputs / f"{config}.toml"), "--out", str(out), "--threads", "1"]
    return [*paths, "--tokens", str(steps * STEP_TOKENS), *more]


def networks(start, windows, tokenizer=None, **larger):
    """The start's network and the grown one, for batches of short windows. Each row of so narrow a table gets a weight of the highest level."""
    if start.dimensions.dim < 100:
        table = start.views()[0]
        table[np.arange(len(table)), np.abs(table).argmax(axis=1)] *= 4
    context = {"context": WINDOW}
    small = Network(dataclasses.replace(start.dimensions, **context), windows, 1.0)
    small.parameters[:] = start.parameters
    small.quantize_weights()
    large = Network(dataclasses.replace(start.dimensions, **context, **larger), windows, 1.0)
    large.initialize(2)
    grow(large, start, tokenizer or start.tokenizer)
    return small, large


def text_windows(start, count):
    tokens = start.tokenizer.encode(synth.text(9, 40_000))[: count * WINDOW]
    return tokens.astype(np.int32).reshape(count, WINDOW)


# ---- the moment of growth


def test_the_released_micro_grows_to_the_shape_of_small_and_says_the_same():
    """Rounding moves an activation by 1e-7, and now and then one of them to the other side of a level of int8: hence not all."""
    start = read_start(str(ROOT / "release" / "micro.f6c"))
    windows = text_windows(start, 80)
    small, large = networks(start, 80, dim=192, layers=6, hidden=512)
    nearly = ~(np.abs(small.weights["embedding"]["weight"]) == 4).any(axis=1)  # rows without the highest level
    assert nearly.sum() == 2
    windows[nearly[windows]] = start.tokenizer.encode(".")[0]
    before, after = small.logits(windows), large.logits(windows)
    assert (np.abs(after - before).max(axis=2) < 1e-3).mean() > 0.95
    assert (after.argmax(axis=2) == before.argmax(axis=2)).mean() > 0.999


@pytest.mark.parametrize(
    "larger, tolerance",
    [
        ({"layers": 3}, 0),
        ({"layers": 5}, 0),
        ({"taps": 5}, 0),
        ({"hidden": 25}, 1e-4),
        ({"hidden": 61}, 1e-4),
        ({"dim": 17}, 0.2),
        ({"dim": 32}, 0.2),
    ],
)
def test_each_dimension_grows_alone(inputs, larger, tolerance):
    start = read_start(str(inputs / "run"))
    windows = text_windows(start, 20)
    small, large = networks(start, 20, **larger)
    before, after = small.logits(windows), large.logits(windows)
    assert np.abs(after - before).max() <= tolerance
    assert np.median(np.abs(after - before)) <= min(tolerance, 1e-4)


def test_a_larger_vocabulary_leaves_the_old_tokens_their_logits(inputs):
    start = read_start(str(inputs / "run"))
    pieces = count_pieces([synth.text(3, 300_000)], False)
    tokenizer = Tokenizer(train_merges(pieces, 320, False, start.tokenizer.merges))
    assert np.array_equal(tokenizer.merges[:43], start.tokenizer.merges)
    windows = text_windows(start, 20)
    small, large = networks(start, 20, tokenizer, vocab=320)
    before, after = (
        np.concatenate([logits.copy() for _, logits in network.parts_of_logits(windows, windows)]) for network in (small, large)
    )  # and before copying, whose odds are set against the sum of all tokens
    assert np.array_equal(after[:, :299], before[:, :299])
    assert np.array_equal(after[:, 319], before[:, 299])  # the end mark
    # A new token stands in the table as the last of its parts and in the head as the first.
    for token, (left, right) in enumerate(tokenizer.merges[43:].tolist(), 299):
        assert np.array_equal(large.latent["embedding"][token], large.latent["embedding"][right])
        assert np.array_equal(large.latent["head"][token], large.latent["head"][left])


def test_merges_that_are_given_are_those_that_come_first(inputs):
    pieces = count_pieces([synth.text(3, 300_000)], False)
    merges = train_merges(pieces, 320, False)
    assert np.array_equal(train_merges(pieces, 320, False, merges[:30]), merges)
    assert np.array_equal(train_merges(pieces, 300, False, merges[::-1][:0]), merges[:43])


def test_what_is_new_learns(inputs):
    """Silent is not dead: after a step all of the new weights have had gradients."""
    start = read_start(str(inputs / "run"))
    _, large = networks(start, 20, dim=20, layers=3, hidden=40)
    windows = text_windows(start, 20)
    large.accumulate(windows, np.roll(windows, -1, axis=1))
    assert np.any(large.gradient["blocks.1.mix_out"]) and np.any(large.gradient["blocks.1.glu_out"])
    assert np.all(np.any(large.gradient["blocks.0.mix_out"][16:, :16], axis=1))
    assert np.all(np.any(large.gradient["blocks.0.taps"][16:], axis=1))
    assert np.any(large.gradient["blocks.0.glu_in"].reshape(2, 40, 20)[1, 24:, :16])
    assert np.any(large.gradient["embedding"][:, 16:])


# ---- runs


def test_a_run_that_grew_is_kept_if_it_is_better(inputs, tmp_path, capsys):
    argv = command(inputs, "words", tmp_path / "grown", "--grow", str(inputs / "run"), steps=60)
    train.main(argv)
    said = capsys.readouterr().out
    assert "kept: -" in said and "6 held-out documents" in said
    train.main(argv)  # the same command says that it is finished, and does not judge again
    assert "this run is finished" in capsys.readouterr().out
    card = export.export(str(tmp_path / "grown"), str(tmp_path / "grown.f6c"))
    assert card["from"] == read_start(str(inputs / "run")).sha256
    tokenizer = read_start(str(tmp_path / "grown.f6c")).tokenizer
    assert tokenizer.vocab_size == 320 and np.array_equal(tokenizer.merges[:43], read_start(str(inputs / "run")).tokenizer.merges)
    first = json.loads((tmp_path / "grown" / "log.jsonl").read_text().splitlines()[0])
    assert first["loss"] < np.log(320) - 0.5  # it does not begin from nothing


def test_a_run_that_grew_is_refused_if_it_is_not(inputs, tmp_path, capsys):
    (inputs / "wild.toml").write_text(LARGER + "matrix_rate = 2.0\ntable_rate = 2.0\n")
    argv = command(inputs, "wild", tmp_path / "grown", "--grow", str(inputs / "model.f6c"), steps=3)
    for _ in range(2):  # and again by the same command
        with pytest.raises(
            UserError,
            match=r"grown: a paired test refused this model: \+.* bits against .*f6c on 6 held-out documents \(.*\), and all of that must be below \+0%; train longer, or choose another shape",
        ):
            train.main(argv)
    (tmp_path / "old.f6c").write_bytes(b"as it was")
    with pytest.raises(UserError, match="grown: a paired test refused this model: "):
        export.export(str(tmp_path / "grown"), str(tmp_path / "old.f6c"))
    assert (tmp_path / "old.f6c").read_bytes() == b"as it was"


def test_documents_are_the_same_in_the_tokens_of_another_tokenizer(inputs, tmp_path):
    train.main(command(inputs, "words", tmp_path / "other", steps=1))
    other = read_start(str(tmp_path / "other"))
    paths = [str(inputs / "text.txt")]
    data = prepare(lambda: read_documents(paths), str(inputs / "run" / "data"), 300, describe_files(paths), progress=False)
    again = verdict.recoded(data, other.tokenizer)
    ends = np.flatnonzero(again == other.tokenizer.end_of_text)
    assert len(ends) == np.count_nonzero(data.valid == data.tokenizer.end_of_text) > 1
    assert other.tokenizer.decode(again) == data.tokenizer.decode(data.valid)
    assert verdict.recoded(data, data.tokenizer) is data.valid


# ---- bad input


def test_every_mistake_is_one_line(inputs, tmp_path):
    run_folder, model = inputs / "run", ROOT / "release" / "micro.f6c"
    (inputs / "silent.toml").write_text(LARGER.replace("[train]", "copies = false\n[train]"))
    for config, start, message in (
        ("small", run_folder, r"run: its model has the shape of this command's already; go on with it by --from"),
        ("larger", model, r"micro\.f6c: its model has dim = 128, this command's has 20, and growing makes nothing smaller"),
        (
            "silent",
            run_folder,
            r"run: its model has copies = True, this command's has False, and growing makes nothing smaller and adds no copying",
        ),
        ("larger", tmp_path / "none", "none: cannot read the model"),
    ):
        with pytest.raises(UserError, match=message) as error:
            train.main(command(inputs, config, tmp_path / "out", "--grow", str(start)))
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="--from, --grow and --prune: give one of them"):
        train.main(command(inputs, "larger", tmp_path / "out", "--grow", str(run_folder), "--from", str(run_folder)))
    assert not (tmp_path / "out").exists()


def test_a_killed_run_goes_on(inputs, tmp_path):
    """The growth is not done a second time."""
    argv = command(inputs, "larger", tmp_path / "whole", "--grow", str(inputs / "run"), steps=40)
    train.main(argv)
    whole = checkpoint.load(str(tmp_path / "whole"))[1]["parameters"]
    saved = []
    with pytest.MonkeyPatch.context() as patch:
        step = run.Run.train_step

        def stopping(self):
            if self.step == 5 and not saved:
                self.save()
                saved.append(True)
                raise KeyboardInterrupt
            return step(self)

        patch.setattr(run.Run, "train_step", stopping)
        argv = command(inputs, "larger", tmp_path / "killed", "--grow", str(inputs / "run"), steps=40)
        with pytest.raises(KeyboardInterrupt):
            train.main(argv)
    train.main(argv)
    assert saved and np.array_equal(checkpoint.load(str(tmp_path / "killed"))[1]["parameters"], whole)
