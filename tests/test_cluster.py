"""fable6c/cluster.py and fable6c/training/cluster.py without Ray: the token, the mistakes of a person, and the engine on a Ray that is made up.
tests/test_cluster_ray.py has the real one."""

import importlib.util
import os
import stat
import subprocess
import sys
import types

import numpy as np
import pytest

from fable6c import __version__, machines
from fable6c import cluster as command
from fable6c.data.prepare import prepare
from fable6c.errors import UsageError, UserError
from fable6c.export import export
from fable6c.training import cluster, loop
from fable6c.training.config import load_config
from fable6c.training.rounds import Coordinator, Lost
from fable6c.training.run import Run, load_run
from tiny_models import TINY_CONFIG


@pytest.fixture
def ray(monkeypatch):
    """A Ray that is made up: two machines, whose workers are objects in this process. What a call gives is known when it is asked for."""
    made = types.SimpleNamespace(gone=set(), calls=[])
    made.machines = [{"NodeID": name, "NodeManagerAddress": f"10.0.0.{name}", "Alive": True, "Resources": {"CPU": 1.0}} for name in "12"]

    class RayError(Exception):
        pass

    class RayTaskError(RayError):
        pass

    class Actor:
        def __init__(self, kind, node, arguments):
            self.node, self.it = node, None
            for name in ("ready", "call"):
                setattr(self, name, types.SimpleNamespace(remote=lambda *given, name=name: self.ask(name, given)))
            try:
                self.it = kind(*arguments)
            except RuntimeError as error:
                self.it = RayError(f"Traceback\nRuntimeError: {error}\nmore")

        def ask(self, name, given):
            made.calls.append((self, name, given))
            if isinstance(self.it, RayError):
                return (object(), self.it)
            if self in made.gone or self.node in made.gone:
                return (object(), RayError("the actor died"))
            try:
                return (object(), getattr(self.it, name)(*given))
            except Exception as error:
                return (object(), RayTaskError(f"Traceback\n  more\n{type(error).__name__}: {error}"))

    def get(reference):
        if isinstance(reference[1], RayError):
            raise reference[1]
        return reference[1]

    def remote(**_):
        return lambda kind: types.SimpleNamespace(
            options=lambda scheduling_strategy: types.SimpleNamespace(remote=lambda *given: Actor(kind, scheduling_strategy, given))
        )

    strategies = types.SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: node)
    made.module = types.SimpleNamespace(
        put=lambda value: value, remote=remote, get=get, wait=lambda all, num_returns, timeout: (all[:1], all[1:]), kill=made.gone.add,
        nodes=lambda: made.machines, exceptions=types.SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError), util=types.SimpleNamespace(scheduling_strategies=strategies),
    )  # fmt: skip
    monkeypatch.setattr(machines, "ray_module", lambda: made.module)
    monkeypatch.setattr(machines, "require_ray", lambda: None)
    return made


@pytest.fixture
def run(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY_CONFIG)
    config = load_config("micro", str(tmp_path / "tiny.toml"))
    words = "the fox and the hen went to the old barn because it was cold and they had no other friend".split()
    random = np.random.default_rng(1)
    documents = [" ".join(random.choice(words, 30)) + "." for _ in range(100)]
    data = prepare(lambda: iter(documents), str(tmp_path / "data"), config.model.vocab, "words", 1, progress=False)
    data.description["corpus"] = "words"
    order = {"preset": "micro", **config.as_dict(), "minutes": None, "tokens": 128 * 40, "seed": 1, "cluster": {"local_steps": 5}}
    one = Run(config, data, str(tmp_path), order)
    one.network.initialize(1)
    return one


def engine_of(run, said, each=1):
    return cluster.RayEngine(run.config, run.dataset, run.command, 1, each, said.append)


# ---- the engine


def test_each_machine_has_its_workers_also_one_that_comes_later(ray, run):
    said = []
    engine = engine_of(run, said, each=2)
    while len(engine.workers()) < 4:
        pass
    assert engine.workers() == ["10.0.0.1/1", "10.0.0.1/2", "10.0.0.2/3", "10.0.0.2/4"]
    ray.machines.append({**ray.machines[0], "NodeID": "3", "NodeManagerAddress": "10.0.0.3"})
    ray.machines.append({**ray.machines[0], "NodeID": "4", "Resources": {}})  # gives no processors
    for _ in range(5):
        engine.workers()
    assert engine.workers()[4:] == ["10.0.0.3/5", "10.0.0.3/6"] and "10.0.0.3/6: joins" in said


def test_a_run_with_a_worker_and_a_machine_lost_ends_and_exports(ray, run, tmp_path):
    said = []
    engine = engine_of(run, said)
    coordinator = Coordinator(run, engine, 5, 30.0, said.append)
    while coordinator.round < 1 or len(coordinator.current) < 2:
        coordinator.one_round(0.0)
    ray.gone.add(engine.actors["10.0.0.1/1"])
    coordinator.one_round(0.0)
    assert "10.0.0.1/1: is gone; its part of round" in said[-1] and coordinator.used == 1
    ray.machines[1]["Alive"] = False
    ray.gone.add("2")
    coordinator.one_round(0.0)
    assert len(engine.workers()) == 1  # the first machine has a new one
    assert loop.train(run, 0.0, lambda: coordinator.one_round(0.0)) == 0
    description, arrays = load_run(str(tmp_path))
    assert description["finished"] and description["step"] == run.step >= 40 and description["round"] == coordinator.round
    assert arrays["outer_momentum"].tobytes() == coordinator.shared.momentum.tobytes()
    card = export(str(tmp_path), str(tmp_path / "model.f6c"))
    assert card["tokens_trained"] == run.step * 128


def test_a_run_goes_on_from_its_checkpoint_with_other_workers(ray, run, tmp_path):
    def coordinator():
        one = Run(run.config, run.dataset, str(tmp_path), run.command)
        one.network.initialize(1)
        return Coordinator(one, engine_of(run, []), 5, 30.0, lambda line: None)

    first = coordinator()
    while first.round < 3:
        first.one_round(0.0)
    first.run.save()
    ray.machines.pop()
    second = coordinator()
    second.restore(str(tmp_path), *load_run(str(tmp_path)))
    assert (second.round, second.windows, second.run.step) == (3, first.windows, first.run.step)
    assert second.shared.digest() == first.shared.digest()
    while second.run.progress() < 1.0:
        second.one_round(0.0)
    assert second.round > 4 and second.run.bits_per_char() < first.run.bits_per_char()


@pytest.mark.parametrize("spoil", [{"round": None}, {"windows": -1}, {"windows": 2**60}])
def test_a_checkpoint_without_its_round_is_refused(ray, run, tmp_path, spoil):
    Coordinator(run, engine_of(run, []), 5)
    run.more = {"round": 1, "windows": 1, **spoil}
    run.save()
    with pytest.raises(UserError, match="is not a checkpoint that fable6c wrote .it names no round"):
        Coordinator(run, engine_of(run, []), 5).restore(str(tmp_path), *load_run(str(tmp_path)))


@pytest.mark.parametrize("spoil", [np.zeros(3, np.float32), None, "nan"])
def test_a_checkpoint_without_its_momentum_is_refused(ray, run, tmp_path, spoil):
    Coordinator(run, engine_of(run, []), 5)
    run.more = {"round": 1, "windows": 1}
    run.more_arrays["outer_momentum"][:] = np.nan
    if spoil is None:
        del run.more_arrays["outer_momentum"]
    elif isinstance(spoil, np.ndarray):
        run.more_arrays["outer_momentum"] = spoil
    run.save()
    with pytest.raises(UserError, match="its outer_momentum is missing or not finite"):
        Coordinator(run, engine_of(run, []), 5).restore(str(tmp_path), *load_run(str(tmp_path)))


def test_a_workers_mistake_is_one_line_here(ray, run):
    engine = engine_of(run, [])
    while not engine.workers():
        pass
    engine.call(engine.workers()[0], "finish", [b"no update"], True)
    with pytest.raises(UserError, match="an update is refused: it has another size"):
        engine.next(1.0)


def test_a_machine_with_another_version_is_named_and_takes_no_part(ray, run, monkeypatch):
    class Old(cluster.RemoteWorker):
        def __init__(self, version, *arguments):
            super().__init__("0.0.0", *arguments)

    monkeypatch.setattr(cluster, "RemoteWorker", Old)
    said = []
    engine = engine_of(run, said)
    for _ in range(20):
        assert engine.workers() == []
    why = f"does not start: RuntimeError: this machine has fable6c {__version__}, the run's has 0.0.0"
    assert len(said) == 2 * cluster.STARTS and all(line.endswith(why) for line in said)


def test_a_worker_that_fails_is_lost_and_says_why(ray, run):
    said = []
    engine = engine_of(run, said)
    while not engine.workers():
        pass
    name = engine.workers()[0]
    engine.call(name, "finish", "no list", True, "one too many")
    lost = engine.next(1.0)
    assert lost[0] == name and isinstance(lost[1], Lost) and said[-1].startswith(f"{name}: TypeError: ") and name not in engine.workers()


def test_a_lost_workers_other_calls_are_not_waited_for(ray, run):
    engine = engine_of(run, [])
    while len(engine.workers()) < 2:
        pass
    name = engine.workers()[0]
    ray.gone.add(engine.actors[name])
    engine.call(name, "finish", [], True)
    engine.call(name, "finish", [], True)
    lost = engine.next(1.0)
    assert lost[0] == name and isinstance(lost[1], Lost) and engine.next(0.0) is None


# ---- the token


def test_a_token_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    path = machines.make_token(str(tmp_path / "machine"))
    text = open(path).read()
    assert len(text) == 64 and machines.make_token(str(tmp_path / "machine")) == path and open(path).read() == text
    if os.name == "posix":
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "short", "a" * 300, "x" * 40 + "\n" + "y" * 10, "ä" * 40])
def test_what_is_no_token_is_refused(tmp_path, text):
    (tmp_path / "token").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="is not a token; copy this file"):
        machines.check_token(str(tmp_path))


def test_ray_gets_the_token_always_and_tells_nobody_of_its_use(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "disabled")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    machines.use_token(str(tmp_path / "token"))
    assert os.environ["RAY_AUTH_MODE"] == "token" and os.environ["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "token")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0" and "RAY_AUTH_TOKEN" not in os.environ


# ---- one address


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Ray needs Python 3.10")
def test_a_program_begins_anew_to_listen_where_its_machine_does(tmp_path, monkeypatch):
    """Once, and only where this machine belongs to a cluster and the library is there."""
    begun = []
    monkeypatch.setattr(os, "execve", lambda path, words, environment: begun.append((words, environment)))
    monkeypatch.setattr(machines, "listener", lambda: "/x/_listen.so")
    monkeypatch.setenv("LD_PRELOAD", "other.so")
    machines.listen_here(str(tmp_path))
    (tmp_path / machines.ADDRESS).write_text("10.0.0.1")
    machines.listen_here(str(tmp_path))
    ((words, environment),) = begun
    assert words == [sys.executable, *sys.orig_argv[1:]]
    assert environment["FABLE6C_LISTEN"] == "10.0.0.1" and environment["LD_PRELOAD"] == "/x/_listen.so:other.so"
    monkeypatch.setenv("FABLE6C_LISTEN", "10.0.0.1")
    machines.listen_here(str(tmp_path))
    monkeypatch.delenv("FABLE6C_LISTEN")
    monkeypatch.setattr(machines, "listener", lambda: "")
    machines.listen_here(str(tmp_path))
    assert len(begun) == 1 and machines.listening_at("10.0.0.1")["LD_PRELOAD"] == "other.so"


WHERE = """
import socket, sys
for family, any in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    with socket.socket(family) as one:
        one.bind((any, 0))
        print(one.getsockname()[0])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.bind(("0.0.0.0", 0))
    print(one.getsockname()[0])
with socket.socket() as one:
    one.bind(("127.0.0.2", 0))
    print(one.getsockname()[0])
"""


@pytest.mark.skipif(not machines.listener(), reason="fable6c was built without _listen.c: it is for Linux")
def test_what_would_listen_on_all_interfaces_listens_at_one():
    def where(address):
        return subprocess.run(
            [sys.executable, "-c", WHERE], env=machines.listening_at(address), stdout=subprocess.PIPE, text=True, check=True
        ).stdout.split()

    assert where("127.0.0.3") == ["127.0.0.3", "::ffff:127.0.0.3", "0.0.0.0", "127.0.0.2"]
    assert where("::1") == ["0.0.0.0", "::1", "0.0.0.0", "127.0.0.2"]


# ---- the command


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_cluster_is_not_asked_for_where_ray_asks_somebody_else(host):
    with pytest.raises(UsageError, match="Ray takes that for this machine's address"), machines.connected(f"{host}:6379"):
        pass


@pytest.mark.parametrize(
    "words, kind, line",
    [
        (["head", "--bind", "0.0.0.0"], UsageError, "--bind 0.0.0.0: that is no machine's own address"),
        (["head", "--bind", "::"], UsageError, "--bind ::: that is no machine's own address"),
        (["head", "--bind", "laptop"], UsageError, "--bind laptop: give this machine's address in numbers"),
        (["head", "--bind", "127.0.0.1"], UsageError, "--bind 127.0.0.1: Ray takes that for this machine's address in its network"),
        (["join", "localhost:6379", "--bind", "10.0.0.2"], UsageError, "localhost:6379: Ray takes that for"),
        (["join", "10.0.0.1", "--bind", "10.0.0.2"], UsageError, "10.0.0.1: give the first machine as HOST:PORT"),
        (["join", "10.0.0.1:99999", "--bind", "10.0.0.2"], UsageError, "10.0.0.1:99999: give the first machine as HOST:PORT"),
        (["join", "10.0.0.1:6379", "--bind", "10.0.0.2"], UserError, "the cluster's token cannot be read"),
        (["status", "10.0.0.1:6379"], UserError, "the cluster's token cannot be read"),
        (["up", "10.0.0.1:6379", "--tokens", "1000"], UserError, "the cluster's token cannot be read"),
        (["up", "10.0.0.1", "--tokens", "1000"], UsageError, "give the first machine as HOST:PORT"),
        (["stop"], UserError, "no `head` or `join` is running with this folder"),
        (["join"], UsageError, "the following arguments are required"),
        (["up", "10.0.0.1:6379", "--tokens", "0"], UsageError, "give a whole number from 1"),
    ],
)
def test_a_mistake_is_one_line(ray, tmp_path, words, kind, line):
    with pytest.raises(kind, match=".*") as raised:
        command.main([*words, "--folder", str(tmp_path / "machine")])
    assert line in str(raised.value) and "\n" not in str(raised.value)


def test_without_ray_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"several machines need Ray \(Python 3.10 or newer\); pip install 'fable6c\[cluster\]'"):
        command.main(["head", "--bind", "10.0.0.1", "--folder", str(tmp_path)])
    assert not os.listdir(tmp_path)  # no token of a cluster that is none


def test_a_database_is_refused_before_anything_starts(ray, tmp_path):
    machines.make_token(str(tmp_path))
    (tmp_path / "some.db").write_bytes(b"SQLite format 3\0" + bytes(84))
    with pytest.raises(UsageError, match="a cluster trains on text; write out its text first"):
        command.main(["up", "10.0.0.1:6379", "--tokens", "9", "--corpus", str(tmp_path / "some.db"), "--folder", str(tmp_path)])


def test_what_a_killed_head_left_behind_is_no_machine_that_runs(ray, tmp_path):
    (tmp_path / machines.PROCESS).write_text("1")
    with pytest.raises(UserError, match="no `head` or `join` is running"):
        command.main(["stop", "--folder", str(tmp_path)])
