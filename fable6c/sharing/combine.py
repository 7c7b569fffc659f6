"""Updates of strangers made one step, so that those who lie do no harm: clip to the median norm, let each pass a gate on private text, take the trimmed mean
of the survivors, step, and go back if private text says that it got worse.

    outcome = combine(base, changes, gate, guard)
    base = outcome.parameters

`gate` and `guard` are losses of parameters on private texts that nobody who sends updates has seen; two different ones, because who passes a gate by luck
was chosen by it.
"""

import dataclasses
from collections.abc import Sequence
from typing import Callable

import numpy as np

PASS = 0.5  # of the median gain: what an update must bring on the private text by itself
TRIM = 0.2  # of the survivors, at each end of each parameter

Loss = Callable[[np.ndarray], float]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """parameters: what to go on with, the base itself where `kept` is False; survivors: which updates passed; gains: what each brings on the gate's text
    (base's loss minus its own); before, after: the guard's losses."""

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
        return np.mean(changes, axis=0, dtype=np.float64).astype(np.float32)
    ordered = np.sort(np.stack(changes), axis=0)
    return ordered[cut : len(changes) - cut].mean(axis=0, dtype=np.float64).astype(np.float32)


def combine(
    base: np.ndarray, changes: Sequence[np.ndarray], gate: Loss, guard: Loss, step: Callable[[np.ndarray], np.ndarray] = lambda mean: mean
) -> Outcome:
    """One outer step from updates that nobody trusts. base, each of changes: f32 (P,). `step` makes the step of the mean (a rate, momentum)."""
    clipped = clip_to_median(changes)
    before_gate, before = gate(base), guard(base)
    gains = [before_gate - gate(base + change) for change in clipped]
    gains = [gain if np.isfinite(gain) else -np.inf for gain in gains]
    wanted = max(0.0, PASS * float(np.median(gains))) if gains else 0.0
    survivors = [i for i, gain in enumerate(gains) if gain > 0 and gain >= wanted]
    if not survivors:
        return Outcome(base, False, [], gains, before, before)
    parameters = base + step(trimmed_mean([clipped[i] for i in survivors]))
    after = guard(parameters)
    kept = bool(np.isfinite(after) and after <= before)
    return Outcome(parameters if kept else base, kept, survivors, gains, before, after)
