"""Several machines for one run, by Ray: the Engine (rounds.py) that asks their workers.

Ray carries the calls and notices who is gone. What is learned does not depend on it: rounds.py has that, and is tested without. Updates and
parameters travel as bytes that are checked before they are used (codec.py).
"""

import collections
import time
from typing import Any, Callable, Optional

import numpy as np

from fable6c import __version__, kernels, machines
from fable6c.data.prepare import FolderDataset
from fable6c.errors import UserError
from fable6c.model.architecture import Dimensions
from fable6c.model.tokenizer import Tokenizer
from fable6c.training.config import Config, Recipe
from fable6c.training.rounds import Lost, Worker

STARTS = 3  # of workers that may fail on a machine, before none is tried there any more


def _pack(dataset: FolderDataset) -> dict[str, Any]:
    """A dataset as what Ray sends: arrays, which it does not pickle but shares on each machine, and plain values."""
    return {
        "train": np.asarray(dataset.train), "valid": np.asarray(dataset.valid), "tokenizer": dataset.tokenizer.to_bytes(),
        "valid_chars": dataset.valid_chars, "description": dataset.description, "headers": dataset.headers,
    }  # fmt: skip


class RemoteWorker:
    """What Ray runs on a machine: a Worker, and a mistake of its told as a value, so that it is one line on the other side too."""

    def __init__(self, version: str, config: dict, dataset: dict, command: dict, threads: int):
        if version != __version__:
            raise RuntimeError(f"this machine has fable6c {__version__}, the run's has {version}")
        kernels.set_threads(threads)
        tokenizer = Tokenizer.from_bytes(dataset["tokenizer"])
        made = FolderDataset(**{**dataset, "tokenizer": tokenizer})
        self.worker = Worker(Config(Dimensions(**config["model"]), Recipe(**config["train"])), made, command)

    def ready(self) -> None:
        """Returns once the worker is made; what went wrong there is raised where this is asked for."""

    def call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self.worker, method)(*arguments)
        except UserError as error:
            return error


class RayEngine:
    """Workers on all machines of a cluster that have processors to give: `each` of them on a machine. A machine that joins gets its workers
    before the next round; a worker that is gone is replaced while its machine is there."""

    def __init__(self, config: Config, dataset: FolderDataset, command: dict, threads: int, each: int, say: Callable[[str], None] = print):
        self.ray, self.each, self.say = machines.ray_module(), each, say
        data = self.ray.put(_pack(dataset))
        actor = self.ray.remote(num_cpus=0, max_restarts=0)(RemoteWorker)
        self._make = lambda node: actor.options(
            scheduling_strategy=self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote(__version__, config.as_dict(), data, command, threads)
        self.actors: dict[str, Any] = {}
        self.nodes: dict[str, str] = {}  # of the actors, by name
        self.starting: dict[Any, str] = {}
        self.pending: dict[Any, str] = {}
        self.present: set[str] = set()  # of the actors, those that have started
        self.made = 0
        self.failed: collections.Counter[str] = collections.Counter()  # starts of workers, by machine

    def workers(self) -> list[str]:
        alive = {node["NodeID"]: node for node in self.ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0}
        for identity, node in alive.items():
            if self.failed[identity] >= STARTS:
                continue
            for _ in range(self.each - list(self.nodes.values()).count(identity)):
                self.made += 1
                name = f"{node['NodeManagerAddress']}/{self.made}"
                self.actors[name], self.nodes[name] = self._make(identity), identity
                self.starting[self.actors[name].ready.remote()] = name
        for reference in self._done(self.starting, 0.0):
            name = self.starting.pop(reference)
            try:
                self.ray.get(reference)
                self.present.add(name)
                self.say(f"{name}: joins")
            except self.ray.exceptions.RayError as error:
                self.failed[self.nodes[name]] += 1
                self._forget(name)
                self.say(f"{name}: does not start: {machines.last_line(error)}")
        return sorted(self.present)

    def call(self, name: str, method: str, *arguments: Any) -> None:
        self.pending[self.actors[name].call.remote(method, *arguments)] = name

    def next(self, seconds: float) -> Optional[tuple[str, Any]]:
        if not self.pending:
            time.sleep(min(seconds, 0.2))
            return None
        for reference in self._done(self.pending, seconds):
            name = self.pending.pop(reference)
            try:
                result = self.ray.get(reference)
            except self.ray.exceptions.RayError as error:
                if isinstance(error, self.ray.exceptions.RayTaskError):  # it raised something, and did not die
                    self.say(f"{name}: {machines.last_line(error)}")
                if name in self.present:
                    self._forget(name)
                    self.pending = {other: of for other, of in self.pending.items() if of != name}
                return name, Lost()
            if isinstance(result, UserError):
                raise result
            return name, result
        return None

    def _done(self, references: dict[Any, str], seconds: float) -> list[Any]:
        return self.ray.wait(list(references), num_returns=1, timeout=seconds)[0] if references else []

    def _forget(self, name: str) -> None:
        self.present.discard(name)
        del self.nodes[name]
        self.ray.kill(self.actors.pop(name))  # a hung one must not go on
