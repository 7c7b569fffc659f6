"""fable6c/training/rounds.py: training in rounds, with workers in this process. What is lost, late or wrong costs a round at most."""

import numpy as np
import pytest

from fable6c import kernels
from fable6c.data.prepare import prepare
from fable6c.data.windows import Shard
from fable6c.errors import UserError
from fable6c.training import codec, rounds
from fable6c.training.config import load_config
from fable6c.training.run import Run
from tiny_models import TINY_CONFIG

f32 = np.float32


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(configuration, dataset) of a text of a few thousand tokens."""
    folder = tmp_path_factory.mktemp("rounds")
    (folder / "tiny.toml").write_text(TINY_CONFIG)
    config = load_config("micro", str(folder / "tiny.toml"))
    words = "the fox and the hen went to the old barn because it was cold and they had no other friend".split()
    random = np.random.default_rng(1)
    documents = [" ".join(random.choice(words, 30)) + "." for _ in range(150)]
    kernels.set_threads(1)
    return config, prepare(lambda: iter(documents), str(folder / "data"), config.model.vocab, "words", 1, progress=False)


class Troubled(rounds.Here):
    """Workers to which things happen. A call is answered when it is asked for, at a time of the test's own clock.

    trouble   {(name, method, how many-th call of it): what}: "dies", "hangs" (until `free`), or a function that changes the answer
    """

    def __init__(self, workers, trouble=None):
        super().__init__(workers)
        self.trouble, self.calls, self.hanging, self.time, self.said = trouble or {}, {}, [], 0.0, []

    def call(self, name, method, *arguments):
        number = self.calls[name, method] = self.calls.get((name, method), 0) + 1
        what = self.trouble.get((name, method, number))
        if what == "dies":
            del self.all[name]
            self.results.append((name, rounds.Lost()))
            return
        super().call(name, method, *arguments)
        if what == "hangs":
            self.hanging.append(self.results.pop())
        elif what:
            self.results.append((name, what(self.results.pop()[1])))

    def next(self, seconds):
        if not self.results:
            self.time += seconds or 0.1
        return super().next(seconds)


def make(made, workers, tokens=12_800, local_steps=5, trouble=None, deadline=10.0):
    config, dataset = made
    command = {"tokens": tokens, "minutes": None, "seed": 1}
    run = Run(config, dataset, "", command)
    run.network.initialize(1)
    engine = Troubled({f"w{number}": rounds.Worker(config, dataset, command) for number in range(workers)}, trouble)
    return rounds.Coordinator(run, engine, local_steps, deadline, engine.said.append, lambda: engine.time), engine


def go(coordinator):
    losses = []
    while coordinator.run.progress() < 1.0:
        losses.append(coordinator.one_round())
        assert len(losses) < 100
    return losses


# ---- the text is shared out


@pytest.mark.parametrize("windows", [7, 12, 101])
def test_each_window_comes_once_in_an_epoch_however_many_workers_there_are_when(windows):
    class Row:
        tokenizer = valid_chars = None
        description = {}

        def starts(self, context, seed, epoch):
            return 1000 * epoch + np.arange(windows)

        def shard(self, worker, workers):
            return Shard(self, worker, workers)

    spent, seen = 0, []
    for workers, each in ((1, 3), (4, 5), (3, 1), (5, 2), (2, 40), (13, 2), (1, 9)):
        for worker in range(workers):
            shard = Row().shard(worker, workers)
            epoch, at = shard.place(spent, windows)
            for _ in range(each):
                while at == len(shard.starts(0, 0, epoch)):
                    epoch, at = epoch + 1, 0
                seen.append(shard.starts(0, 0, epoch)[at])
                at += 1
        spent += workers * each
        assert sorted(seen) == [1000 * (number // windows) + number % windows for number in range(spent)]


def test_workers_of_a_round_read_other_windows_and_go_on_where_the_last_round_ended(made):
    coordinator, engine = make(made, 3)
    read = []
    for worker in engine.all.values():
        whole = worker.dataset

        class Watched(type(whole)):
            def batch(self, starts, context):
                read.extend(np.asarray(starts).tolist())
                return super().batch(starts, context)

        worker.dataset = Watched(**vars(whole))
    coordinator.one_round()
    coordinator.one_round()
    first = made[1].starts(32, 1, 0)
    assert sorted(read) == sorted(first[: len(read)].tolist()) and len(read) == 2 * 3 * 5 * 4 and coordinator.windows == len(read)


# ---- the outer step


def test_the_outer_step_is_nesterovs():
    random = np.random.default_rng(2)
    n = 5000
    shared = rounds.Shared(*random.normal(size=(2, n)).astype(f32))
    parameters, momentum = shared.parameters.astype(np.float64), shared.momentum.astype(np.float64)
    updates, mean = [], np.zeros(n)
    for _ in range(3):
        update, _ = codec.encode(random.normal(size=n).astype(f32))
        updates.append(update)
        one = np.zeros(n, f32)
        codec.add(one, update, 1.0)
        mean += one / 3.0
    shared.step(updates, 0.7, 0.6)
    momentum = 0.6 * momentum + mean
    np.testing.assert_allclose(shared.momentum, momentum, atol=1e-6)
    np.testing.assert_allclose(shared.parameters, parameters + 0.7 * (mean + 0.6 * momentum), atol=2e-6)


def test_an_update_that_is_none_changes_nothing():
    shared = rounds.Shared(*np.ones((2, 100), f32))
    before = shared.digest()
    good, _ = codec.encode(np.ones(100, f32))
    with pytest.raises(UserError, match="an update is refused: it has another size"):
        shared.step([good, good[:-1]], 0.7, 0.6)
    assert shared.digest() == before
    other = rounds.Shared(*np.zeros((2, 100), f32))
    other.load(shared.to_bytes())
    assert other.digest() == before


# ---- rounds


def test_a_run_learns_and_all_workers_have_the_same_parameters(made):
    coordinator, engine = make(made, 2)
    before = coordinator.run.bits_per_char()
    losses = go(coordinator)
    assert coordinator.round == 10 and coordinator.run.step == 100 and coordinator.run.progress() == 1.0
    assert coordinator.run.bits_per_char() < before - 0.5 and losses[-1] < losses[0]
    assert coordinator.current == {"w0", "w1"} and not engine.said
    digests = {worker.shared.digest() for worker in engine.all.values()} | {coordinator.shared.digest()}
    assert len(digests) == 1
    size = len(codec.encode(coordinator.shared.parameters)[0])
    assert coordinator.bytes_up == 10 * 2 * size


def test_a_run_has_the_same_bits_again_and_one_worker_takes_what_is_left(made):
    digests = set()
    for _ in range(2):
        coordinator, _ = make(made, 3, tokens=128 * 32)
        go(coordinator)
        digests.add(coordinator.shared.digest())
        assert coordinator.run.step == 33  # 15, 15 and one step each: the budget of 32 is spent
    assert len(digests) == 1


def test_chance_differs_between_workers_and_steps(made, monkeypatch):
    numbers = []
    monkeypatch.setattr(rounds.Run, "accumulate_gradients", lambda run: numbers.append(run.step) or 0.0)
    coordinator, _ = make(made, 3)
    coordinator.one_round()
    coordinator.one_round()
    assert sorted(numbers) == list(range(30))


@pytest.mark.parametrize("method", ["work", "finish"])
def test_a_worker_that_dies_costs_its_part_of_the_round(made, method):
    coordinator, engine = make(made, 3, trouble={("w1", method, 2): "dies"})
    go(coordinator)
    assert engine.said == [f"w1: is gone; its part of round {2 if method == 'work' else 3} is lost"]
    assert coordinator.current == {"w0", "w2"} and coordinator.run.progress() == 1.0


def test_a_new_worker_gets_what_all_share(made):
    coordinator, engine = make(made, 1)
    coordinator.one_round()
    engine.all["w9"] = rounds.Worker(*made, coordinator.run.command)
    coordinator.one_round()
    assert coordinator.current == {"w0", "w9"}
    assert engine.all["w9"].shared.digest() == coordinator.shared.digest()


def test_a_new_worker_of_a_run_gathers_moments_first_and_begins_where_the_others_do(made):
    coordinator, _ = make(made, 1)
    coordinator.one_round()
    new = rounds.Worker(*made, coordinator.run.command)
    new.work(rounds.Task(1, 0, 1, 5, coordinator.run.step, 100, coordinator.windows), coordinator.shared.to_bytes())
    old = rounds.Worker(*made, coordinator.run.command)
    old.work(rounds.Task(0, 0, 1, 5, 0, 100, coordinator.windows), coordinator.shared.to_bytes())
    assert (new.run.optimizer.steps, old.run.optimizer.steps) == (10, 5)  # at most as many as its part has
    assert (new.run.epoch, new.run.window) == (old.run.epoch, old.run.window)  # the windows of these steps are read again
    moved = [np.linalg.norm(worker.run.network.parameters - worker.shared.parameters) for worker in (new, old)]
    assert 0 < moved[0] < 2 * moved[1]


def test_a_round_waits_for_the_quorum_and_then_until_the_deadline(made):
    coordinator, engine = make(made, 3, trouble={("w2", "work", 1): "hangs"}, deadline=50.0)
    coordinator.one_round()
    assert engine.said == ["w2: has not answered in time; round 1 goes on without it"]
    assert 50 <= engine.time < 60 and coordinator.used == 2
    coordinator.one_round()
    assert coordinator.used == 2 and engine.calls["w2", "work"] == 1  # nothing is asked of who still works
    engine.results += engine.hanging  # its answer is of a round that is over
    coordinator.one_round()
    coordinator.one_round()
    assert coordinator.used == 3 and coordinator.current == {"w0", "w1", "w2"} and len(engine.said) == 1


def test_without_a_quorum_a_round_does_not_end(made):
    coordinator, engine = make(made, 3, trouble={("w1", "work", 1): "hangs", ("w2", "work", 1): "hangs"}, deadline=5.0)
    original = engine.next

    def next(seconds):
        if engine.time > 1000 and engine.hanging:
            engine.results.append(engine.hanging.pop(0))
        return original(seconds)

    engine.next = next
    coordinator.one_round()
    assert engine.time > 1000 and coordinator.used >= 2


def test_a_hash_that_differs_reloads_the_worker(made):
    coordinator, engine = make(made, 2, trouble={("w1", "finish", 2): lambda digest: "0" * 64})
    for _ in range(2):
        coordinator.one_round()
    assert engine.said == ["w1: has other parameters than the rest after round 2; it gets them anew"] and coordinator.current == {"w0"}
    engine.all["w1"].shared.parameters[3] += 1
    coordinator.one_round()
    assert coordinator.current == {"w0", "w1"} and len(engine.said) == 1


def test_when_all_are_gone_the_round_is_done_again_by_others(made):
    coordinator, engine = make(made, 1, trouble={("w0", "work", 2): "dies"})
    assert coordinator.one_round() is not None
    digest = coordinator.shared.digest()
    assert coordinator.one_round() is None and coordinator.one_round() is None and coordinator.shared.digest() == digest
    engine.all["w5"] = rounds.Worker(*made, coordinator.run.command)
    assert coordinator.one_round() is not None and coordinator.round == 2


def test_a_worker_keeps_what_its_update_lacked_only_if_it_was_used(made):
    worker = rounds.Worker(*made, {"tokens": 12_800, "minutes": None, "seed": 1})
    worker.run.network.initialize(1)
    shared = rounds.Shared(worker.run.network.parameters.copy(), np.zeros_like(worker.run.network.parameters))
    answer = worker.work(rounds.Task(0, 0, 2, 3, 0, 100, 0), shared.to_bytes())
    rest = worker.rest
    assert rest.any() and not worker.error.any() and answer.loss > 0
    other = codec.encode(np.zeros_like(rest))[0]
    worker.finish([other], False)
    assert not worker.error.any()
    assert np.array_equal(worker.run.network.parameters, worker.shared.parameters)
    worker.finish([answer.update, other], True)
    assert worker.error is rest
    # Its next round begins where it was itself, as far as the others have not moved what they share.
    assert np.array_equal(worker.run.network.parameters, worker.shared.parameters + rest)


def test_a_run_that_diverges_says_so(made, monkeypatch):
    coordinator, engine = make(made, 2)
    coordinator.one_round()
    engine.all["w1"].run.network.gradients[:] = np.nan
    with pytest.raises(UserError, match="round 1: the gradient is not finite; lower the rates"):
        coordinator.one_round()
