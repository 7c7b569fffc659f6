"""`train --teachers`: learning from the predictions of other models."""

import dataclasses
import json

import numpy as np
import pytest

from fable6c import evaluate, kernels, train
from fable6c.corpus import synth
from fable6c.errors import UsageError, UserError
from fable6c.export import export
from fable6c.mixing import reading
from fable6c.model.file import read_model, write_model
from fable6c.model.reference import Reference
from fable6c.model.tokenizer import Tokenizer
from fable6c.training import loop, run
from fable6c.training.memory import memory_estimate
from fable6c.training.network import HEAD_ROWS, Network
from fable6c.training.teachers import Teacher, Teaching, network_dimensions, read_teachers
from made_runs import quicken
from tiny_models import STEP_TOKENS, TINY, TINY_CONFIG, tiny_model


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    kernels.set_threads(1)
    quicken(monkeypatch)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with two texts, a configuration and a trained teacher."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "text.txt").write_text(synth.text(3, 60_000), encoding="utf-8")
    (folder / "valid.txt").write_text(synth.text(4, 20_000), encoding="utf-8")
    (folder / "tiny.toml").write_text(TINY_CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "draw_loss", lambda folder: None)
        learn(folder, "teacher", 150)
    export(str(folder / "teacher"), str(folder / "teacher.f6c"))
    return folder


def learn(folder, name, steps, *more):
    paths = ["--config", str(folder / "tiny.toml"), "--corpus", str(folder / "text.txt"), "--out", str(folder / name), "--threads", "1"]
    train.main([*paths, "--tokens", str(steps * STEP_TOKENS), *more])


def taught_network(teachers, fast=False, batch=3):
    network = Network(TINY, batch, 0.1, fast, 0.0, 0.7)
    network.initialize(3)
    return network, Teaching(teachers, network)


def make_batch(seed=5, batch=3):
    text = np.random.default_rng(seed).integers(0, 60, (batch, TINY.context + 1)).astype(np.int32)
    return text[:, :-1].copy(), text[:, 1:].copy()


def chances(model, tokens):
    """What the reference predicts after each token, (B·T, V) float64."""
    logits = np.concatenate([Reference(model).forward(row[None])[0][0] for row in tokens]).astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_soft_targets_are_what_the_models_predict():
    models = [tiny_model(16, 2, 24, 3, 300, 32, True, seed=1), tiny_model(9, 1, 5, 2, 300, 32, False, seed=2)]
    network, teaching = taught_network([Teacher("", "", weight, model) for weight, model in zip((0.25, 0.75), models)])
    tokens, targets = make_batch()
    teaching.read(tokens, targets)
    expected = sum(weight * chances(model, tokens) for weight, model in zip((0.25, 0.75), models))
    for part, start in enumerate(range(0, tokens.size, HEAD_ROWS)):
        teaching.part(part)
        count = min(HEAD_ROWS, tokens.size - start)
        assert np.allclose(network.arrays["soft"][:count], expected[start : start + count], atol=2e-5)


def test_the_memory_of_teachers_is_what_is_allocated():
    model = tiny_model(9, 1, 5, 2, 300, 40, True)
    _, teaching = taught_network([Teacher("", "", 1.0, model)])
    (network,) = teaching._networks
    arrays = [*network.arrays.values(), *(array for w in network.weights.values() for array in w.values())]
    allocated = (
        network.parameters.nbytes + network.gradients.nbytes + sum(-(-array.nbytes // kernels.LINE) * kernels.LINE for array in arrays)
    )
    parts = memory_estimate(TINY, 3, True, network_dimensions([Teacher("", "", 1.0, model)], TINY.context))
    assert parts["teachers"] == allocated
    assert parts["activations of a batch"] > memory_estimate(TINY, 3)["activations of a batch"]


def test_a_network_that_predicts_what_its_teacher_does_has_nothing_to_learn():
    """All gradients vanish with taught = 1 where teacher and student are the same: the way through the whole network, copying included."""
    model = tiny_model(16, 2, 24, 3, 300, 32, True)
    student = Network(TINY, 3, 0.1, False, 0.0, 1.0)
    student.initialize(3)
    twin = student.model(model.merges, {})
    tokens, targets = make_batch()
    largest = {}
    for name, teacher in (("itself", twin), ("another", model)):
        student.teaching = Teaching([Teacher("", "", 1.0, teacher)], student)
        student.gradients[:] = 0
        loss = student.accumulate(tokens, targets)
        largest[name] = np.abs(student.gradients).max()
        predicted = chances(twin, tokens)
        assert loss == pytest.approx(-(chances(teacher, tokens) * np.log(predicted)).sum(axis=1).mean(), rel=1e-4)
    assert largest["itself"] < 0.01 * largest["another"]


def test_fast_gradients_are_right_on_average():
    model = tiny_model(16, 2, 24, 3, 300, 32, True)
    tokens, targets = make_batch()
    means = []
    for fast, draws in ((False, 1), (True, 300)):
        network, network.teaching = taught_network([Teacher("", "", 1.0, model)], fast)
        for number in range(draws):
            network.accumulate(tokens, targets, number)
        means.append(network.gradient["head"] / draws)
    difference = np.linalg.norm(means[1] - means[0]) / np.linalg.norm(means[0])
    assert difference < 0.1


def test_a_scout_teaches_all_but_the_end(tmp_path):
    documents = synth.text(3, 30_000).split("<|endoftext|>")
    model = tiny_model(16, 2, 24, 3, 300, 32, True)
    scout, _ = reading.train(documents, "fast", 160 << 20, 1, Tokenizer(model.merges), False)
    network, teaching = taught_network([Teacher("", "", 1.0, scout)])
    tokens, targets = make_batch()
    targets[0, 5] = TINY.end_mark
    tokens[0, 6] = TINY.end_mark
    targets[0, 7] = -1
    for _ in range(2):  # nothing that it read before counts
        teaching.read(tokens, targets)
        teaching.part(0)
    soft = network.arrays["soft"]
    assert soft[5, TINY.end_mark] == 1 and not soft[7].any()
    assert np.allclose(np.delete(soft, 7, 0).sum(axis=1), 1, atol=1e-5)
    scout.probabilities_of([10], learn=False)
    teaching._scouts[0][0].restore_text_memory(teaching._scouts[0][2])
    scout.update(int(tokens[0, 0]), learn=False)
    assert np.allclose(soft[0, : TINY.end_mark], scout.distribution(), atol=1e-6)


def test_a_taught_run_resumes_with_the_same_bits_and_names_its_teachers(inputs):
    more = "--teachers", f"{inputs / 'teacher.f6c'}=3", str(inputs / "again.f6c")
    model = read_model(inputs / "teacher.f6c")
    write_model(inputs / "again.f6c", dataclasses.replace(model, card={"name": "again"}))
    learn(inputs, "whole", 6, *more)
    with pytest.MonkeyPatch.context() as patch:
        steps = []

        def stop(self):
            steps.append(1)
            if len(steps) == 4:
                raise KeyboardInterrupt
            self.save()
            return original(self)

        original = run.Run.train_step
        patch.setattr(run.Run, "train_step", stop)
        with pytest.raises(KeyboardInterrupt):
            learn(inputs, "halves", 6, *more)
    with pytest.raises(UserError, match="with teachers = "):
        learn(inputs, "halves", 6, "--teachers", str(inputs / "teacher.f6c"))
    learn(inputs, "halves", 6, *more)
    for name in ("whole", "halves"):
        export(str(inputs / name), str(inputs / f"{name}.f6c"))
    whole, halves = (read_model(inputs / f"{name}.f6c") for name in ("whole", "halves"))
    assert np.array_equal(whole.tensors["head"].weight, halves.tensors["head"].weight)
    assert whole.card["teachers"].count(" x 0.7500") == 1 and whole.card["teachers"].count(" x 0.2500") == 1


def test_what_is_taught_is_learned(inputs):
    """After as many steps a taught network predicts held-out text better than after one step; that the teacher did is what it learned."""
    learn(inputs, "taught", 60, "--teachers", str(inputs / "teacher.f6c"))
    learn(inputs, "begun", 1)
    for name in ("taught", "begun"):
        export(str(inputs / name), str(inputs / f"{name}.f6c"))
    evaluate.main([str(inputs / "taught.f6c"), "--text", str(inputs / "valid.txt"), "--against", str(inputs / "begun.f6c")])
    with pytest.raises(UserError, match="begun.f6c: is not better than .*taught.f6c: -"):
        evaluate.main([str(inputs / "begun.f6c"), "--text", str(inputs / "valid.txt"), "--against", str(inputs / "taught.f6c")])


def test_against_in_json(inputs, capsys):
    export(str(inputs / "teacher"), str(inputs / "same.f6c"))
    with pytest.raises(UserError, match="is not better than"):
        evaluate.main([str(inputs / "same.f6c"), "--text", str(inputs / "valid.txt"), "--against", str(inputs / "teacher.f6c"), "--json"])
    assert json.loads(capsys.readouterr().out)["value"] == 0


def test_wrong_teachers_are_one_line(inputs, tmp_path):
    write_model(tmp_path / "other.f6c", tiny_model(16, 2, 24, 3, 300, 32, True))
    write_model(tmp_path / "vocab.f6c", tiny_model(16, 2, 24, 3, 290, 32, True))
    teacher = str(inputs / "teacher.f6c")
    for words, *names in [
        ("cannot be read", str(tmp_path / "absent.f6c")),
        ("weight above 0", f"{teacher}=0"),
        ("weight above 0", f"{teacher}=1.2.3"),
        ("has another tokenizer than", teacher, str(tmp_path / "other.f6c")),
        ("its tokenizer has 290 tokens, this command's vocab is 300", str(tmp_path / "vocab.f6c")),
    ]:
        with pytest.raises(UserError, match=words) as error:
            learn(inputs, "never", 1, "--teachers", *names)
        assert "\n" not in str(error.value)
    assert not (inputs / "never").exists()
    with pytest.raises(UsageError):
        read_teachers([f"{teacher}=0"], 1)
