"""A stranger's model, from publish to fetch, and then mixed with one's own by the commands for micromodels: kept only where their paired test says so."""

import os

import numpy as np
import pytest

from fable6c import ensemble, evaluate, exchange, export, kernels, merge, train
from fable6c.corpus import synth
from fable6c.errors import UserError
from fable6c.model.file import read_model, write_model
from fable6c.sharing import keys
from fable6c.sharing import manifest as manifests
from fable6c.training import loop, merging
from fable6c.training.start import read_start
from made_runs import quicken
from tiny_models import STEP_TOKENS, TINY_CONFIG

pytest.importorskip("cryptography", reason="cryptography is not installed: make .venv/exchange")


class Room:
    """A folder with texts, a base that everybody has, and publishers whose folder of the exchange is `shared/`."""

    def __init__(self, folder):
        self.folder = folder
        for name, seed, characters in (("mine", 3, 40_000), ("theirs", 5, 40_000), ("held-out", 4, 30_000), ("short", 6, 18_000)):
            self.path(name + ".txt").write_text(synth.text(seed, characters), encoding="utf-8")
        self.path("tiny.toml").write_text(TINY_CONFIG)
        self.held_out, self.short = str(self.path("held-out.txt")), str(self.path("short.txt"))

    def path(self, name):
        return self.folder / name

    def learn(self, name, text, steps, *more):
        """A run, and the model file of it; returns the paths of both."""
        run, model = str(self.path(name)), str(self.path(name + ".f6c"))
        words = ["--config", str(self.path("tiny.toml")), "--corpus", str(self.path(text + ".txt")), "--out", run, "--threads", "1"]
        train.main([*words, "--tokens", str(steps * STEP_TOKENS), *more])
        export.export(run, model)
        return run, model

    def publish(self, model, name):
        """Publish a model under a key of its own; returns KEY/NAME."""
        key = str(self.path(name + ".key"))
        public = manifests.public_key(keys.make_key(key))
        exchange.main(["publish", model, "--key", key, "--name", name, "--licence", "MIT", "--folder", str(self.path("shared"))])
        return f"{public}/{name}"

    def fetch(self, pointer, command="fetch", *more):
        """The path of the file that came."""
        words = [command, pointer, "--from", str(self.path("shared")), "--folder", str(self.path("fetched")), *more]
        exchange.main(words)
        key, name = pointer.split("/")
        return str(self.path("fetched") / key / f"{name}-1.f6c")


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Ada published a base; I follow her and go on from what came; so did Ben, on his text, and Eve, whose weights are half noise. Both published theirs."""
    kernels.set_threads(1)
    room = Room(tmp_path_factory.mktemp("room"))
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        ada = room.learn("ada", "theirs", 60)[1]
        room.base = room.fetch(room.publish(ada, "base"), "follow", "--rounds", "1")
        assert read_start(room.base).sha256 == read_start(ada).sha256
        room.mine = room.learn("own", "mine", 40, "--from", room.base, "--seed", "1")
        ben = room.learn("ben", "theirs", 40, "--from", room.base, "--seed", "2")
        room.ben = room.fetch(room.publish(ben[1], "ben"))
        start = read_start(ben[1])
        noise = np.random.default_rng(1).normal(0, np.abs(start.parameters).mean(), start.parameters.shape)
        write_model(str(room.path("eve.f6c")), merging.as_model(start, (start.parameters + noise).astype(np.float32)))
        room.eve = room.fetch(room.publish(str(room.path("eve.f6c")), "eve"))
    return room


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    quicken(monkeypatch)


def test_check_takes_the_good_one_and_refuses_the_bad(room, capsys):
    exchange.main(["check", room.ben, "--text", room.short, "--have", room.base])
    assert f"{room.ben}: accepted: better than {room.base}" in capsys.readouterr().out
    with pytest.raises(UserError, match="refused: it is worse than"):
        exchange.main(["check", room.eve, "--text", room.short])


def test_a_fetched_model_is_merged_where_that_helps(room, capsys):
    """Ben's went on from the file that mine went on from, which its card says: the two have an ancestor."""
    out = str(room.path("merged.f6c"))
    merge.main([room.mine[1], room.ben, "--text", room.held_out, "-o", out])
    assert "fewer bits (95 % interval" in capsys.readouterr().out
    assert read_model(out).card["merged"].startswith("greedy of ")
    evaluate.main([out, "--text", room.held_out, "--against", room.mine[1]])
    assert f"{out} is better than {room.mine[1]}" in capsys.readouterr().out


def test_a_bad_one_is_not_merged(room):
    out = str(room.path("none.f6c"))
    for how in ("greedy", "uniform"):
        with pytest.raises(UserError, match="nothing is written|is no better than alone|share no ancestor"):
            merge.main([room.mine[1], room.eve, "--text", room.held_out, "--how", how, "-o", out])
    assert not os.path.exists(out)


def test_a_fetched_model_teaches_and_the_pupil_is_tested(room, monkeypatch, capsys):
    monkeypatch.setattr(loop, "draw_loss", lambda folder: None)
    words = ["--teachers", room.ben, "--from", room.base]
    taught = room.learn("taught", "mine", 20, *words)[1]
    capsys.readouterr()
    evaluate.main([taught, "--text", room.short, "--against", room.base])
    assert f"{taught} is better than {room.base}" in capsys.readouterr().out
    with pytest.raises(UserError, match="is not better than"):
        evaluate.main([room.eve, "--text", room.short, "--against", taught])


def test_an_ensemble_of_ones_own_and_a_fetched_model(room, capsys):
    ensemble.main([room.mine[1], room.ben, "--text", room.short])
    assert "ensemble" in capsys.readouterr().out
