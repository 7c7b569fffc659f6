"""`fable6c.bootstrap`: several models of a recipe, and which differences are real."""

import json

import numpy as np
import pytest

from fable6c import bootstrap, train
from fable6c.corpus import synth
from fable6c.data.prepare import prepare
from fable6c.errors import UsageError, UserError
from fable6c.evaluation import statistics
from fable6c.evaluation.paired import mixture, mixture_weights
from fable6c.model.file import read_model
from fable6c.model.tokenizer import Tokenizer
from made_runs import quicken
from tiny_models import STEP_TOKENS, TINY_CONFIG


def test_resampled_documents_are_drawn_with_replacement(tmp_path):
    documents = [f"Story {i} of some few words." for i in range(200)]
    dataset = prepare(lambda: documents, str(tmp_path / "data"), 280, "test", 1, False)
    end = dataset.tokenizer.end_of_text

    def texts(of):
        assert of.train[-1] == end
        parts = np.split(of.train, np.flatnonzero(of.train == end) + 1)[:-1]
        return [dataset.tokenizer.decode(part[:-1].tolist()).decode() for part in parts]

    drawn, again, other = (texts(dataset.resampled(seed)) for seed in (1, 1, 2))
    assert drawn == again != other
    assert len(drawn) == len(texts(dataset)) and set(drawn) <= set(documents)
    assert 0.5 < len(set(drawn)) / len(drawn) < 0.75  # 1 - 1/e of them
    assert dataset.resampled(1).valid is dataset.valid


def test_an_interval_over_models_and_documents_is_as_wide_as_what_varies():
    random, characters = np.random.default_rng(1), np.full((6, 50), 100.0)
    alike = np.full((6, 50), 80.0)
    assert statistics.recipe(alike, characters) == {"value": 0.8, "low": 0.8, "high": 0.8, "p": pytest.approx(0.001, abs=1e-4), "count": 6}
    by_model = alike + random.normal(0, 5, (6, 1))
    by_document = alike + random.normal(0, 5, (1, 50))
    wide, narrow = statistics.recipe(by_model, characters), statistics.recipe(by_document, characters)
    assert wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"]) > 0


def test_gain():
    random = np.random.default_rng(2)
    base = random.uniform(50, 150, 100)
    better = statistics.gain((base - 2 + random.normal(0, 1, 100)).tolist(), base.tolist())
    assert (
        statistics.significant(better)
        and better["low"] < better["value"] < better["high"]
        and better["value"] == pytest.approx(0.02, abs=0.005)
    )
    worse = statistics.gain((base + 2).tolist(), base.tolist())
    assert worse["p"] < 0.05 and not statistics.significant(worse)
    chance = statistics.gain((base + random.normal(0, 9, 100)).tolist(), base.tolist())
    assert not statistics.significant(chance) and statistics.gain(base.tolist(), base.tolist())["p"] == 1
    assert not statistics.significant(statistics.gain([1.0], [2.0]))
    assert "100 documents)" in statistics.said(better) and "in 1 document" in statistics.said(statistics.gain([1.0], [2.0]))


def test_the_weights_of_a_mixture_are_the_cheapest():
    random = np.random.default_rng(3)
    bits = random.uniform(1, 9, (400, 3)) + [0, 0.5, 30]

    def cost(weights):
        return -np.log2(np.exp2(-bits) @ weights).sum()

    found = mixture_weights(bits)
    assert found.sum() == pytest.approx(1) and found[0] > found[1] > found[2] < 1e-6
    for other in ([1, 0, 0], [0.5, 0.5, 0], found + [0.02, -0.02, 0], found + [-0.02, 0.02, 0]):
        assert cost(found) < cost(np.array(other))


class Guesser:
    """A predictor that gives each of four bytes a constant probability."""

    kind, sha256, model = "network", "", None

    def __init__(self, chances, merges=0):
        self.bits = -np.log2(np.array(chances))
        self.tokenizer = Tokenizer(np.array([(97, 98)] * merges, np.uint16).reshape(-1, 2))

    def alone(self, texts, progress=False):
        return [self.bits[text - ord("a")] for text in texts]


def test_a_mixture_of_models_that_know_different_things():
    """Its weights come from the even documents, its figures from the odd ones."""
    guessers = Guesser([0.7, 0.1, 0.1, 0.1]), Guesser([0.1, 0.1, 0.1, 0.7])
    even, odd = "aaaddda", "ddda"
    found = mixture(guessers, [even, odd] * 30)
    assert found["best"] == 0 and found["weights"][0] > found["weights"][1] > 0.1
    assert found["alone"][0] > found["alone"][1] > found["ensemble"] or found["alone"][0] > found["ensemble"]
    assert statistics.significant(found["gain"])
    w = np.array(found["weights"])
    a, d = w @ [0.7, 0.1], w @ [0.1, 0.7]
    assert found["ensemble"] == pytest.approx(-(np.log2(a) + 3 * np.log2(d)) / 4)
    with pytest.raises(UserError, match="another tokenizer"):
        mixture([guessers[0], Guesser([0.25] * 4, merges=1)], [even, odd] * 30)


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "text.txt").write_text(synth.text(3, 60_000), encoding="utf-8")
    (tmp_path / "valid.txt").write_text(synth.text(4, 20_000), encoding="utf-8")
    (tmp_path / "tiny.toml").write_text(TINY_CONFIG)
    (tmp_path / "still.toml").write_text(TINY_CONFIG + "matrix_rate = 0\ntable_rate = 0\nvector_rate = 0\n")
    return tmp_path


def boot(folder, *more):
    files = ["--corpus", str(folder / "text.txt"), "--text", str(folder / "valid.txt"), "--out", str(folder / "out")]
    bootstrap.main([*files, "--tokens", str(12 * STEP_TOKENS), "--models", "2", *more])


def in_this_process(patch):
    """Trainings one after the other, without samples and plots: a process for each takes far longer than such a training."""
    quicken(patch)
    patch.setattr(bootstrap, "_train", lambda waiting: [train.main(command) for _, command in waiting])


def test_two_recipes(texts, capsys, monkeypatch):
    in_this_process(monkeypatch)
    configs = ["--config", str(texts / "tiny.toml"), str(texts / "still.toml")]
    boot(texts, *configs)
    said = capsys.readouterr().out
    assert "tiny: " in said and "still: " in said and "against tiny" in said and "a real difference" in said
    models = [read_model(texts / "out" / f"tiny-{seed}.f6c") for seed in (1, 2)]
    assert np.array_equal(models[0].merges, models[1].merges), "one tokenizer for all"
    assert not np.array_equal(models[0].tensors["head"].weight, models[1].tensors["head"].weight)
    # The same command trains nothing again.
    logs = {path: path.read_bytes() for path in (texts / "out").glob("*/log.jsonl")}
    boot(texts, *configs, "--json")
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(logs) == 4 and logs == {path: path.read_bytes() for path in logs}
    assert report["still"]["change"]["value"] > 0.05 and "change" not in report["tiny"]


@pytest.mark.slow
def test_a_process_for_each_model(texts):
    boot(texts, "--config", str(texts / "tiny.toml"))
    assert [read_model(texts / "out" / f"tiny-{seed}.f6c").card["seed"] for seed in (1, 2)] == [1, 2]
    with pytest.raises(UserError, match="out.tiny-[12]: the training failed: .* holds a run with .*resample"):
        boot(texts, "--config", str(texts / "tiny.toml"), "--whole")


def test_wrong_input_is_one_line(texts):
    (texts / "more").mkdir()
    (texts / "more" / "tiny.toml").write_text(TINY_CONFIG)
    (texts / "few.txt").write_text("One.<|endoftext|>\nTwo.", encoding="utf-8")
    for kind, words, more in [
        (UsageError, "two recipes have the name tiny", ["--config", str(texts / "tiny.toml"), str(texts / "more" / "tiny.toml")]),
        (UsageError, "there is no such preset", ["--preset", "mikro"]),
        (UserError, "at least 20", ["--text", str(texts / "few.txt")]),
        (UserError, "there is no such file", ["--corpus", str(texts / "absent.txt")]),
    ]:
        with pytest.raises(kind, match=words) as error:
            boot(texts, *more)
        assert "\n" not in str(error.value)
