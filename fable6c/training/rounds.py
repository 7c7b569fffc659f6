"""Training in rounds by several workers (DiLoCo, arXiv 2311.08105): each takes local steps of its own, then all take one step together.

A round of a worker: `work` begins at the parameters that all have and what its own updates lacked, takes the local steps on its share of the text, and
returns how far that is from what all have (the pseudo-gradient) in two bits a number; `finish` takes the updates of all and makes of them, as everywhere else, the next
parameters that all have. Their hash says whether that is so; a worker that has another one, or is new, is sent them whole.

`Coordinator` runs the rounds. It asks workers through an Engine and knows nothing of what lies in between: fable6c/training/cluster.py has
the one for several machines, and `Here` is the one for this process, which tests and benchmarks use.
"""

import dataclasses
import hashlib
import os
import time
from collections.abc import Sequence
from typing import Any, Callable, Optional, Protocol

import numpy as np

from fable6c.data.windows import Dataset
from fable6c.errors import UserError
from fable6c.training import checkpoint, codec
from fable6c.training.config import Config
from fable6c.training.run import Run

OUTER_RATE, OUTER_MOMENTUM = 1.0, 0.0  # in runs of 15 to 50 rounds every momentum lost (docs/cluster.md)
GATHERING = 30  # steps that a new worker of a run takes for its optimizer's moments alone, and then takes back
QUORUM = 0.5  # share of the workers without whose answers a round does not end while any may still come
PATIENCE, LEAST_SECONDS = (
    2.0,
    30.0,
)  # the others have so many times the seconds that the quorum took, and at least these: a machine that is gone is noticed otherwise


@dataclasses.dataclass
class Shared:
    """What all workers have alike between two rounds.

    parameters   f32 (N)
    momentum     f32 (N), of the outer step
    """

    parameters: np.ndarray
    momentum: np.ndarray

    def step(self, updates: Sequence[bytes], rate: float, momentum: float) -> None:
        """The outer step, Nesterov's: each operation on its own in f32 and the updates in the order given, so all machines get the same
        bits. UserError, and nothing has changed, for an update that is none."""
        mean = np.zeros_like(self.parameters)
        for update in updates:
            codec.add(mean, update, 1.0 / len(updates))
        self.momentum *= np.float32(momentum)
        self.momentum += mean
        mean += np.float32(momentum) * self.momentum
        mean *= np.float32(rate)
        self.parameters += mean

    def digest(self) -> str:
        return hashlib.sha256(self.parameters.tobytes() + self.momentum.tobytes()).hexdigest()

    def to_bytes(self) -> bytes:
        return np.concatenate([self.parameters, self.momentum]).astype("<f4").tobytes()

    def load(self, data: bytes) -> None:
        """Take over another one's `to_bytes`. ValueError for another size."""
        self.parameters[:], self.momentum[:] = np.frombuffer(data, "<f4").reshape(2, -1)


@dataclasses.dataclass(frozen=True)
class Task:
    """A worker's part of a round: `local_steps` as number `worker` of `workers`.

    steps          that all workers have taken before this round
    steps_budget   that all will have taken in the end
    windows        that were shared out before this round
    """

    round: int
    worker: int
    workers: int
    local_steps: int
    steps: int
    steps_budget: int
    windows: int


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a worker has to say after its part: the update, and the mean loss of its steps in nats a token."""

    round: int
    update: bytes
    loss: float


class Worker:
    """One worker: a run of its own on its share of the text. Its optimizer's moments and what its updates lacked never leave it."""

    def __init__(self, config: Config, dataset: Dataset, command: dict):
        self.dataset = dataset
        self.run = Run(config, dataset, "", command)
        self.epoch_windows = len(self.run.starts)
        parameters = self.run.network.parameters
        self.shared = Shared(np.zeros_like(parameters), np.zeros_like(parameters))
        self.error = np.zeros_like(parameters)  # what the updates so far lacked
        self.rest = self.error  # the same with the newest one
        self.outer_rate, self.outer_momentum = OUTER_RATE, OUTER_MOMENTUM

    def work(self, task: Task, shared: Optional[bytes] = None) -> Answer:
        """Take the steps of a task, from `shared` if it is given. UserError where the training diverges."""
        run = self.run
        if shared is not None:
            self.shared.load(shared)
            self._begin()
        share = self.dataset.shard(task.worker, task.workers)
        run.dataset = share
        run.epoch, run.window = share.place(task.windows, self.epoch_windows)
        run.starts = share.starts(run.config.model.context, run.seed, run.epoch)
        place, loss = (run.epoch, run.window, run.starts), 0.0
        try:
            if task.steps and not run.optimizer.steps:  # new in a run that has begun: its first steps would be wild without moments
                for number in range(min(GATHERING, task.local_steps)):
                    self._step(task, number)
                self._begin()
                run.epoch, run.window, run.starts = place
            for number in range(task.local_steps):
                loss += self._step(task, number)
            update, self.rest = codec.encode(run.network.parameters - self.shared.parameters)
        except FloatingPointError as error:
            raise UserError(f"round {task.round}: {error}; lower the rates (--config) and start again in another folder") from None
        return Answer(task.round, update, loss / task.local_steps)

    def _step(self, task: Task, number: int) -> float:
        """One local step, which is `number` of the task's. Returns its loss."""
        self.run.step = task.steps + task.worker * task.local_steps + number  # of which chance depends: no two workers have the same
        loss = self.run.accumulate_gradients()
        self.run.optimizer.step(min(1.0, (task.steps + number * task.workers) / task.steps_budget))
        return loss

    def finish(self, updates: Sequence[bytes], mine: bool) -> str:
        """The outer step with the updates of a round. `mine`: whether this worker's is among them. Returns the hash of what is shared."""
        self.shared.step(updates, self.outer_rate, self.outer_momentum)
        if mine:
            self.error = self.rest
        self._begin()
        return self.shared.digest()

    def _begin(self) -> None:
        """Go on from what all share and from what they do not have yet of this worker's own way."""
        np.add(self.shared.parameters, self.error, out=self.run.network.parameters)
        self.run.network.quantize_weights()


class Lost:
    """Instead of an answer: the worker is gone."""


class Engine(Protocol):
    """What lies between the coordinator and its workers, who are known by name."""

    def workers(self) -> Sequence[str]:
        """Who is there now."""
        ...

    def call(self, name: str, method: str, *arguments: Any) -> None:
        """Let a worker begin with a method of Worker. It takes its calls one after the other."""
        ...

    def next(self, seconds: float) -> Optional[tuple[str, Any]]:
        """The next result of a call, or Lost, with the worker's name; None if none comes within so many seconds."""
        ...


class Coordinator:
    """Runs rounds until the budget is spent. `run` is the whole run as its checkpoint has it; no step is taken with it.

    local_steps   of each worker in a round
    deadline      seconds that the others have once the quorum has answered; None: PATIENCE times what the quorum took, at least LEAST_SECONDS
    """

    def __init__(
        self,
        run: Run,
        engine: Engine,
        local_steps: int,
        deadline: Optional[float] = None,
        say: Callable[[str], None] = print,
        now: Callable[[], float] = time.monotonic,
    ):
        assert run.steps_budget is not None, "a cluster's budget is in tokens"
        self.run, self.engine, self.local_steps, self.deadline, self.say, self.now = run, engine, local_steps, deadline, say, now
        self.budget = run.steps_budget
        self.shared = Shared(run.network.parameters, np.zeros_like(run.network.parameters))
        self.round = 0  # the next
        self.windows = 0  # that were shared out
        run.more_arrays["outer_momentum"] = self.shared.momentum
        self.outer_rate, self.outer_momentum = OUTER_RATE, OUTER_MOMENTUM
        self.current: set[str] = set()  # workers that have what all share
        self.behind: dict[str, int] = {}  # workers that have not yet answered calls of an earlier round: how many
        self.bytes_up = self.bytes_down = 0  # updates and whole states, from and to all workers
        self.used = 0  # updates of the last round

    def restore(self, folder: str, description: dict, arrays: dict[str, np.ndarray]) -> None:
        """Go on from a checkpoint of a cluster's run. UserError for one that is not whole."""
        momentum = arrays.get("outer_momentum")
        numbers = [description.get(name) for name in ("round", "windows")]
        if not all(isinstance(number, int) and 0 <= number < 2**53 for number in numbers):
            raise checkpoint.foreign(os.path.join(folder, checkpoint.NAME), "it names no round")
        if (
            momentum is None
            or momentum.shape != self.shared.momentum.shape
            or momentum.dtype != np.float32
            or not np.isfinite(momentum).all()
        ):
            raise checkpoint.foreign(os.path.join(folder, checkpoint.NAME), "its outer_momentum is missing or not finite")
        self.run.restore(description, arrays)
        self.shared.momentum[:] = momentum
        self.round, self.windows = description["round"], description["windows"]

    def one_round(self, wait: float = 1.0) -> Optional[float]:
        """One round. Returns the mean loss of its steps, or None if nobody answered: then nothing has changed, and the next call tries again."""
        run = self.run
        names = [name for name in self.engine.workers() if name not in self.behind]
        if not names:
            self._gather({}, wait)
            return None
        steps = min(self.local_steps, -(-(self.budget - run.step) // len(names)))
        whole = None
        for number, name in enumerate(names):
            task = Task(self.round, number, len(names), steps, run.step, self.budget, self.windows)
            if name in self.current:
                self.engine.call(name, "work", task)
            else:
                whole = whole or self.shared.to_bytes()
                self.bytes_down += len(whole)
                self.engine.call(name, "work", task, whole)
        self.windows += len(names) * steps * run.config.train.batch * run.config.train.accumulate
        answers = self._gather(dict.fromkeys(names, 1))
        used = [name for name in names if name in answers]
        updates = [answers[name].update for name in used]
        self.bytes_up += sum(map(len, updates))
        self.used = len(used)
        if not updates:
            return None
        self.shared.step(updates, self.outer_rate, self.outer_momentum)
        run.network.quantize_weights()
        run.step += len(used) * steps
        self.round += 1
        run.more = {"round": self.round, "windows": self.windows}
        present = [name for name in used if name not in self.behind]
        for name in present:
            self.bytes_down += sum(map(len, updates))
            self.engine.call(name, "finish", updates, True)
        digest = self.shared.digest()
        found = self._gather(dict.fromkeys(present, 1))
        self.current = {name for name in present if found.get(name) == digest}
        for name in present:
            if name in found and name not in self.current:
                self.say(f"{name}: has other parameters than the rest after round {self.round}; it gets them anew")
        return float(np.mean([answers[name].loss for name in used]))

    def _gather(self, pending: dict[str, int], wait: float = 0.0) -> dict[str, Any]:
        """The results of the calls, by worker, until all are there, or the quorum and then the deadline is. Without calls: what comes within
        `wait` seconds. Who has not answered by then is behind: it takes part again when it has."""
        results: dict[str, Any] = {}
        began, quorum = self.now(), max(1, -(-len(pending) * QUORUM // 1))
        listening = not pending
        end = began + wait if listening else None
        while pending or listening:
            if end is None and len(results) >= quorum:
                end = self.now() + (self.deadline or max(LEAST_SECONDS, PATIENCE * (self.now() - began)))
            left = 1.0 if end is None else end - self.now()
            came = self.engine.next(max(0.0, left))
            if came is None:
                if end is not None and self.now() >= end:
                    break
                continue
            name, result = came
            if isinstance(result, Lost):
                self.say(f"{name}: is gone; its part of round {self.round + 1} is lost")
                self.current.discard(name)
                self.behind.pop(name, None)
                pending.pop(name, None)
            elif name in self.behind:
                self.behind[name] -= 1
                if not self.behind[name]:
                    del self.behind[name]
            elif name in pending:
                results[name] = result
                del pending[name]
        for name, calls in pending.items():
            self.say(f"{name}: has not answered in time; round {self.round + 1} goes on without it")
            self.behind[name] = calls
            self.current.discard(name)
        return results


class Here:
    """The engine of this process: workers that take turns."""

    def __init__(self, workers: dict[str, Worker]):
        self.all = workers
        self.results: list[tuple[str, Any]] = []

    def workers(self) -> list[str]:
        return sorted(self.all)

    def call(self, name: str, method: str, *arguments: Any) -> None:
        self.results.append((name, getattr(self.all[name], method)(*arguments)))

    def next(self, seconds: float) -> Optional[tuple[str, Any]]:
        return self.results.pop(0) if self.results else None
