"""The trainer on a database: it resumes to the bit, keeps to its mix, and says what is wrong in one line."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from fable6c import train
from fable6c.corpus import synth
from fable6c.corpus.clean import clean
from fable6c.corpus.database import build, tokenize
from fable6c.errors import UsageError, UserError
from fable6c.training import checkpoint, loop, run
from fable6c.training.run import Run
from tiny_models import STEP_TOKENS, TINY_CONFIG


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with a database of two sources and a configuration."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "tiny.toml").write_text(TINY_CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fable6c.corpus.report._plot", lambda report: None)
        for seed, name in ((1, "town"), (2, "woods")):
            (folder / f"{name}.txt").write_text(synth.text(seed, 60_000))
            clean([str(folder / f"{name}.txt")], str(folder / name), duplicates="off", progress=False)
    path = str(folder / "corpus.db")
    build(path, [str(folder / "town"), str(folder / "woods")], valid_share=0.1, progress=False)
    tokenize(path, 300, progress=False)
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(loop, "CHECKS", 2)
    monkeypatch.setattr(run, "SAMPLE_TOKENS", 8)
    monkeypatch.setattr(loop, "draw_loss", lambda folder: None)


def command(inputs, out, *more, steps=20):
    return ["--corpus", str(inputs / "corpus.db"), "--config", str(inputs / "tiny.toml"), "--out", str(out), "--threads", "1",
            "--tokens", str(steps * STEP_TOKENS), *more]  # fmt: skip


def bits(folder):
    description, arrays = checkpoint.load(str(folder))
    return description["step"], description["epoch"], hashlib.sha256(arrays["parameters"].tobytes()).hexdigest()


@pytest.mark.parametrize("more", [(), ("--mix", "town=0.7,woods=0.3"), ("--curriculum", "words")])
def test_it_goes_on_to_the_bit(more, inputs, tmp_path, monkeypatch):
    """Steps 1 to 60 in one go are 1 to 17, an end, and 18 to 60."""
    train.main(command(inputs, tmp_path / "whole", *more, steps=60))
    stop = Run.train_step

    def step_and_stop(self):
        loss = stop(self)
        if self.step == 17:
            signal_now()
        return loss

    def signal_now():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Run, "train_step", step_and_stop)
    with pytest.raises(SystemExit):
        train.main(command(inputs, tmp_path / "parts", *more, steps=60))
    assert bits(tmp_path / "parts")[0] == 17
    monkeypatch.setattr(Run, "train_step", stop)
    train.main(command(inputs, tmp_path / "parts", *more, steps=60))
    assert bits(tmp_path / "parts") == bits(tmp_path / "whole")


def test_a_run_of_many_epochs(inputs, tmp_path):
    """A small text is gone through several times, each window once in each."""
    train.main(command(inputs, tmp_path / "run", "--mix", "woods=1", steps=1000))
    assert bits(tmp_path / "run")[1] >= 3


def test_another_mix_or_curriculum_is_refused(inputs, tmp_path):
    train.main(command(inputs, tmp_path / "run"))
    for more in (("--mix", "town=1"), ("--curriculum", "words"), ("--seed", "2")):
        with pytest.raises(UserError, match="--out"):
            train.main(command(inputs, tmp_path / "run", *more))


@pytest.mark.parametrize(
    "more, says",
    [
        (("--mix", "forest=1"), "it has town, woods"),
        (("--mix", "town"), "SOURCE=WEIGHT"),
        (("--curriculum", "length"), "no such quality column"),
    ],
)
def test_mistakes_are_one_line(more, says, inputs, tmp_path):
    with pytest.raises(UsageError, match=says) as error:
        train.main(command(inputs, tmp_path / "run", *more))
    assert "\n" not in str(error.value)


def test_a_mix_needs_a_database_which_stands_alone(inputs, tmp_path):
    with pytest.raises(UsageError, match="need a database"):
        train.main(["--corpus", str(inputs / "town.txt"), "--mix", "town=1", "--out", str(tmp_path / "run")])
    with pytest.raises(UsageError, match="must stand alone"):
        train.main(["--corpus", str(inputs / "corpus.db"), str(inputs / "town.txt"), "--out", str(tmp_path / "run")])


def test_a_vocabulary_that_the_database_lacks(inputs, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "fable6c.train", "--corpus", str(inputs / "corpus.db"), "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "db tokenize" in done.stderr and done.stderr.count("\n") == 1


def test_the_tokens_served_are_the_text(inputs):
    from fable6c.corpus.dataset import open_dataset

    dataset = open_dataset(str(inputs / "corpus.db"), 300, 1)
    served = np.concatenate([dataset.batch(np.arange(i, i + 1), 32)[0].ravel() for i in range(len(dataset.train) // 32)])
    text = dataset.tokenizer.decode(served).decode("utf-8", "ignore")
    stories = [story.strip() for seed in (1, 2) for story in synth.text(seed, 60_000).split("<|endoftext|>") if story.strip()]
    assert sum(story in text for story in stories) >= 0.8 * len(stories)  # a tenth is held out
