"""`fable6c.merge`: weights averaged, added up and lined up; it writes only what a paired test on held-out documents finds better."""

import itertools
import json

import numpy as np
import pytest

from fable6c import export, merge, train
from fable6c.corpus import synth
from fable6c.errors import UserError
from fable6c.evaluation.bits import evaluate
from fable6c.model.architecture import Dimensions, tensor_specs
from fable6c.model.file import read_model, write_model
from fable6c.training import merging
from fable6c.training.network import Network
from fable6c.training.start import read_start
from made_runs import make_run, quicken
from tiny_models import STEP_TOKENS, TINY_CONFIG, tiny_model

DIMENSIONS = Dimensions(6, 2, 5, 2, 300, 8, True)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with texts, an ancestor of a few steps, and branches a and b of it."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "text.txt").write_text(synth.text(3, 60_000), encoding="utf-8")
    (folder / "valid.txt").write_text(synth.text(4, 20_000), encoding="utf-8")
    (folder / "tiny.toml").write_text(TINY_CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        learn(folder, "ancestor", 40)
        for name, seed in (("a", 1), ("b", 2)):
            learn(folder, name, 20, "--from", str(folder / "ancestor"), "--seed", str(seed))
    return folder


def learn(folder, name, steps, *more):
    paths = ["--config", str(folder / "tiny.toml"), "--corpus", str(folder / "text.txt"), "--out", str(folder / name), "--threads", "1"]
    train.main([*paths, "--tokens", str(steps * STEP_TOKENS), *more])


def spoiled(folder, source, name):
    """A copy of a run whose weights are half noise: the model that any other is better than."""
    start = read_start(str(folder / source))
    noise = np.random.default_rng(1).normal(0, np.abs(start.parameters).mean(), start.parameters.shape)
    merging.write_run(str(folder / name), [start], (start.parameters + noise).astype(np.float32), "noise")
    return str(folder / name)


def merged(folder, *more, out="merged.f6c"):
    merge.main([*more, "--text", str(folder / "valid.txt"), "-o", str(folder / out)])


# ---- weights


def test_average_and_task_sum():
    ancestor, a, b = (np.array(x, np.float32) for x in ([1, 1, 1], [2, 1, 0], [2, 3, 2]))
    assert merging.average([a, b]).tolist() == [2, 2, 1]
    assert merging.task_sum(ancestor, [a, b], 1.0).tolist() == [2, 2, 1]
    assert merging.task_sum(ancestor, [a, b], 2.0).tolist() == [3, 3, 1]


def test_greedy_soup_takes_what_helps():
    made = [np.full(3, value, np.float32) for value in (5.0, 1.0, -1.5, 9.0)]

    def cost(parameters):
        return abs(float(parameters[0]))

    assert merging.greedy_soup(made, [cost(one) for one in made], cost) == [1, 2]


def test_ties_keeps_large_changes_of_the_sign_that_weighs_more():
    size = sum(spec.size for spec in tensor_specs(DIMENSIONS))
    ancestor = np.zeros(size, np.float32)
    a, b, c = (np.zeros(size, np.float32) for _ in range(3))
    a[:10], b[:10], c[:10] = 4, 2, -1  # two agree
    a[10], a[11:40] = 5, 0.001  # small ones are dropped: of the 1,800 numbers of the embedding, 30 % are kept
    got = merging.ties(DIMENSIONS, ancestor, [a, b, c], 1.0)
    assert got[:11].tolist() == [3] * 10 + [5]


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_assign_finds_the_best_assignment(n):
    for seed in range(10):
        likeness = np.random.default_rng(seed).normal(size=(n, n))
        best = max(sum(likeness[i, order[i]] for i in range(n)) for order in itertools.permutations(range(n)))
        assert likeness[np.arange(n), merging.assign(likeness)].sum() == pytest.approx(best)


def test_lining_up_undoes_a_permutation_and_changes_nothing_that_is_computed():
    network = Network(DIMENSIONS, 1, 1.0)
    network.initialize(1)
    network.parameters += np.random.default_rng(2).normal(0, 0.2, network.parameters.shape).astype(np.float32)
    random, order = np.random.default_rng(3), {}
    for kinds in merging._kinds(DIMENSIONS).values():
        for kind in filter(None, kinds):
            size = {"x": DIMENSIONS.dim, "m": DIMENSIONS.dim, "h": DIMENSIONS.hidden, "c": DIMENSIONS.copy_dim}[kind[0]]
            order.setdefault(kind, random.permutation(size))
    shuffled = Network(DIMENSIONS, 1, 1.0)
    for name, tensor in network.latent.items():
        shuffled.latent[name][:] = merging._permuted(tensor, merging._kinds(DIMENSIONS)[name], order)
    tokens = random.integers(0, DIMENSIONS.vocab, (1, DIMENSIONS.context)).astype(np.int32)
    for one in (network, shuffled):
        one.quantize_weights()
    assert np.allclose(shuffled.logits(tokens), network.logits(tokens), atol=1e-4)
    assert not np.array_equal(shuffled.parameters, network.parameters)
    assert np.array_equal(merging.align(DIMENSIONS, shuffled.parameters, network.parameters), network.parameters)


# ---- the command


def test_a_merge_that_is_better_is_written(inputs, capsys):
    bad = spoiled(inputs, "ancestor", "bad")
    merged(inputs, bad, str(inputs / "ancestor"), str(inputs / "a"), str(inputs / "b"), "--how", "greedy")
    assert "fewer bits (95 % interval" in capsys.readouterr().out
    card = read_model(inputs / "merged.f6c").card
    assert card["merged"].startswith("greedy of ")
    text = (inputs / "valid.txt").read_text(encoding="utf-8").split("<|endoftext|>")
    export.export(str(inputs / "a"), str(inputs / "a.f6c"))
    assert evaluate(str(inputs / "merged.f6c"), text)["bits_per_char"] < evaluate(str(inputs / "a.f6c"), text)["bits_per_char"]


def test_a_merge_that_is_no_better_writes_nothing(inputs):
    bad = spoiled(inputs, "a", "worse")
    for how, words in (("uniform", "nothing is written: merged \\(uniform, 2 of 2\\)"), ("greedy", "is no better than alone")):
        with pytest.raises(UserError, match=words) as error:
            merged(inputs, str(inputs / "a"), bad, "--how", how, out="none.f6c")
        assert "\n" not in str(error.value)
    assert not list(inputs.glob("none*")) and not list(inputs.glob(".merge-*"))


@pytest.mark.parametrize("how", ["task", "ties"])
def test_what_was_learned_since_an_ancestor(how, inputs, monkeypatch):
    monkeypatch.setattr(merge.statistics, "significant", lambda found: True)
    merged(inputs, str(inputs / "a"), str(inputs / "b"), "--how", how, "--ancestor", str(inputs / "ancestor"), out=f"{how}.f6c")
    assert read_model(inputs / f"{how}.f6c").card["from"] == read_start(str(inputs / "ancestor")).sha256


def test_repair_and_a_run_as_the_result(inputs, monkeypatch):
    quicken(monkeypatch)
    monkeypatch.setattr(merge.statistics, "significant", lambda found: True)
    more = ["--repair", str(4 * STEP_TOKENS), "--corpus", str(inputs / "text.txt"), "--threads", "1"]
    merged(inputs, str(inputs / "a"), str(inputs / "b"), "--how", "uniform", *more, out="repaired")
    start = read_start(str(inputs / "repaired"))
    assert start.description["step"] == 4 and not list(inputs.glob(".merge-*"))
    learn(inputs, "further", 2, "--from", str(inputs / "repaired"))
    assert json.loads((inputs / "further" / "log.jsonl").read_text().splitlines()[-1])["step"] == 2


def test_lined_up_networks_without_an_ancestor(inputs, monkeypatch):
    quicken(monkeypatch)
    learn(inputs, "other", 20, "--seed", "9")
    both = str(inputs / "a"), str(inputs / "other")
    with pytest.raises(UserError, match="share no ancestor"):
        merged(inputs, *both)
    monkeypatch.setattr(merge.statistics, "significant", lambda found: True)
    merged(inputs, *both, "--how", "align", out="lined.f6c")
    assert read_model(inputs / "lined.f6c").card["merged"].startswith("align of ")


def test_wrong_input_is_one_line(inputs, tmp_path):
    make_run(tmp_path / "other-shape")
    write_model(tmp_path / "strange.f6c", tiny_model(16, 2, 24, 3, 300, 32, True))
    a, b = str(inputs / "a"), str(inputs / "b")
    (tmp_path / "few.txt").write_text("One.<|endoftext|>\nTwo.", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for words, *command in [
        ("give two or more to merge", a),
        ("need --ancestor", a, b, "--how", "ties"),
        ("give both or none", a, b, "--repair", "100"),
        ("is the same model as", a, a),
        ("its model has dim = 17", a, str(tmp_path / "other-shape")),
        ("has another tokenizer|no training gives the levels", a, str(tmp_path / "strange.f6c")),
        ("there is no checkpoint", a, str(tmp_path / "empty")),
        ("cannot read the model", a, str(tmp_path / "absent.f6c")),
        ("there is no such file", a, b, "--text", str(tmp_path / "absent.txt")),
        ("at least 20", a, b, "--text", str(tmp_path / "few.txt")),
    ]:
        text = [] if "--text" in command else ["--text", str(inputs / "valid.txt")]
        with pytest.raises(UserError, match=words) as error:
            merge.main([*command, *text, "-o", str(tmp_path / "none.f6c")])
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="is there already"):
        merge.main([a, b, "--text", str(inputs / "valid.txt"), "-o", str(tmp_path / "empty")])
    assert not (tmp_path / "none.f6c").exists() and not list(tmp_path.glob(".merge-*"))
