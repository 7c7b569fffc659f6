"""Updates of strangers made one step, so that those who lie do no harm: clip to the median norm, let each pass a gate on private text, leave out those
without which the step is better there, take the trimmed mean of the rest, step, and go back if private text says that it got worse.

    outcome = combine(base, changes, gate, guard)
    base = outcome.parameters

`gate` and `guard` are losses of parameters on private texts that nobody who sends updates has seen; two different ones, because who passes a gate by luck
was chosen by it.
"""

import dataclasses
from collections.abc import Sequence
from typing import Callable

import numpy as np

from fable6c import __version__
from fable6c.errors import UserError
from fable6c.model.architecture import Dimensions
from fable6c.model.file import Model
from fable6c.model.limits import MAX_MAGNITUDE
from fable6c.sharing.trust import read_pieces
from fable6c.sharing.updates import Update, make_update, read_update
from fable6c.training.network import Network
from fable6c.training.run import load_run
from fable6c.training.start import Start

PROBE = 0.5  # of an update: at its full length each by itself overshoots, and what only their mean repairs would hide who lies
PASS, SPREAD = 0.25, 3.0  # an update passes within a quarter of the median gain below it, or within so many median deviations
MARGIN = 0.01  # of the step's gain: whose absence brings more than that is left out; less is chance
TRIM = 0.25  # of the survivors, at each end of each parameter

Loss = Callable[[np.ndarray], float]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """parameters: what to go on with, the base itself where `kept` is False; survivors: which updates were used; gains: what half of each brings on the gate's
    text (base's loss minus its own); before, after: the guard's losses."""

    parameters: np.ndarray
    kept: bool
    survivors: list[int]
    gains: list[float]
    before: float
    after: float


def clip_to_median(changes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The changes, those that are longer than the median length (of the shorter half's longest where they are even) scaled down to it. What is not finite is 0."""
    norms = [float(np.linalg.norm(change.astype(np.float64))) for change in changes]
    finite = [norm for norm in norms if np.isfinite(norm)]
    most = sorted(finite)[(len(finite) - 1) // 2] if finite else 0.0
    return [
        np.zeros_like(change) if not np.isfinite(norm) else change * np.float32(min(1.0, most / norm) if norm else 1.0)
        for change, norm in zip(changes, norms)
    ]


def trimmed_mean(changes: Sequence[np.ndarray], share: float = TRIM) -> np.ndarray:
    """For each parameter the mean of the values without the `share` largest and smallest (rounded down), f32 (P,)."""
    cut = int(share * len(changes))
    if not cut:
        return np.asarray(np.mean(changes, axis=0, dtype=np.float64), np.float32)
    ordered = np.sort(np.stack(changes), axis=0)
    return np.asarray(ordered[cut : len(changes) - cut].mean(axis=0, dtype=np.float64), np.float32)


def passing(gains: Sequence[float]) -> list[int]:
    """Which updates pass: those whose gain is not far below the median of all, which is an honest one's while most are honest."""
    if not gains or not np.isfinite(middle := float(np.median(gains))):
        return []
    spread = float(np.median(np.abs(np.asarray(gains) - middle)))
    lowest = middle - max(SPREAD * spread, PASS * abs(middle))
    return [i for i, gain in enumerate(gains) if gain >= lowest]


def helping(base: np.ndarray, changes: Sequence[np.ndarray], passed: Sequence[int], gate: Loss, before: float) -> list[int]:
    """Those of `passed` with which the step is better than without: one after the other goes the update whose absence makes the gate's loss of the step
    smallest, as long as that brings more than MARGIN of the step's gain and most of `changes` stay. Who just passes alone does harm here."""
    used = list(passed)

    def loss(chosen: Sequence[int]) -> float:
        return gate(base + trimmed_mean([changes[i] for i in chosen]))

    now = loss(used) if used else before
    while 2 * len(used) > len(changes) + 2:
        without = [loss([other for other in used if other != one]) for one in used]
        best = int(np.argmin(without))
        if not now - without[best] > MARGIN * abs(before - now):
            break
        now = without[best]
        del used[best]
    return used


def combine(
    base: np.ndarray, changes: Sequence[np.ndarray], gate: Loss, guard: Loss, step: Callable[[np.ndarray], np.ndarray] = lambda mean: mean
) -> Outcome:
    """One outer step from updates that nobody trusts. base, each of changes: f32 (P,). `step` makes the step of the mean (a rate, momentum)."""
    clipped = clip_to_median(changes)
    before_gate, before = gate(base), guard(base)
    gains = [before_gate - gate(base + np.float32(PROBE) * change) for change in clipped]
    gains = [gain if np.isfinite(gain) else -np.inf for gain in gains]
    survivors = helping(base, clipped, passing(gains), gate, before_gate)
    if not survivors:
        return Outcome(base, False, [], gains, before, before)
    parameters = base + step(trimmed_mean([clipped[i] for i in survivors]))
    after = guard(parameters)
    kept = bool(np.isfinite(after) and after <= before)
    return Outcome(parameters if kept else base, kept, survivors, gains, before, after)


# ---- with this trainer's networks


class Losses:
    """Losses of parameters on texts: mean nats of a token in windows of the model's context, each read from a fresh state."""

    def __init__(self, dimensions: Dimensions, batch: int = 8):
        self.network = Network(dimensions, batch, 1.0)

    def of(self, tokens: np.ndarray) -> Loss:
        """The loss on tokens (n,), of which those that do not fill a batch at the end are left out. UserError for too few."""
        B, T = self.network.batch, self.network.dimensions.context
        count = (len(tokens) - 1) // (B * T) * B * T
        if not count:
            raise UserError(f"the private text has {len(tokens):,} tokens in one of its halves, {B * T + 1:,} are needed; give more text")

        def measure(parameters: np.ndarray) -> float:
            if not np.isfinite(parameters).all() or np.abs(parameters).max() > MAX_MAGNITUDE:
                return float("inf")
            self.network.parameters[:] = parameters
            self.network.quantize_weights()
            nats = 0.0
            for at in range(0, count, B * T):
                inputs, targets = (tokens[at + k : at + k + B * T].astype(np.int32).reshape(B, T) for k in (0, 1))
                nats += float(self.network.losses(inputs, targets).sum(dtype=np.float64))
            return nats / count

        return measure


def make_update_of_run(folder: str, base: Start) -> Update:
    """The update that a run, begun with `train --from BASE`, sends. UserError for a run that began elsewhere."""
    saved = load_run(folder)
    if saved is None:
        raise UserError(f"{folder}: there is no checkpoint; give the folder of a run (--out of fable6c.train)")
    description, arrays = saved
    if description["command"].get("from") != base.sha256:
        raise UserError(f"{folder}: this run did not begin with {base.path}; give the --base that it was trained --from")
    change = np.asarray(arrays["parameters"]) - base.parameters
    if not np.isfinite(change).all():
        raise UserError(f"{folder}: its parameters are not all finite: the training has diverged, and there is nothing to send")
    return make_update(change, bytes.fromhex(base.sha256), max(1, description["optimizer_steps"]))


def combine_files(base: Start, paths: Sequence[str], text: str) -> tuple[Model, Outcome]:
    """A model of the base and the updates in files, by `combine`; every second document of the private text is the gate's, the others the guard's.

    UserError for an update of another base, and where nothing that was sent makes the guard's loss smaller."""
    changes = []
    for path in paths:
        update = read_update(path)
        if update.base.hex() != base.sha256 or update.parameters != len(base.parameters):
            raise UserError(f"{path}: is an update of another model ({update.base.hex()[:16]}…), not of {base.path} ({base.sha256[:16]}…)")
        changes.append(update.change())
    pieces = read_pieces(text)
    end = base.tokenizer.end_of_text
    halves = [np.concatenate([np.append(one, end) for one in base.tokenizer.encode_documents(pieces[half::2])]) for half in (0, 1)]
    losses = Losses(base.dimensions)
    outcome = combine(base.parameters, changes, losses.of(halves[0]), losses.of(halves[1]))
    losses.network.parameters[:] = outcome.parameters
    losses.network.quantize_weights()
    card = {"made_by": f"fable6c {__version__}", "parameters": len(base.parameters), "from": base.sha256, "updates": len(outcome.survivors)}
    return losses.network.model(base.tokenizer.merges, card), outcome
