"""How long a round takes with 8 to 1,000 workers: a model of the network and of stragglers, no measurement. METHOD.md has its assumptions."""

import math

import numpy as np

from fable6c.training.rounds import LEAST_SECONDS, PATIENCE, QUORUM

HEAD_LINKS = 1.0  # the head's link is as fast as a worker's
SPREAD, SLOW_SHARE, SLOW_FACTOR = 0.1, 0.01, 5.0  # of a worker's time for a round: lognormal, and one in a hundred five times as long
ROUNDS = 200


def compute_seconds(workers: int, usual: float, seed: int) -> tuple[float, float]:
    """How long the workers' part of a round takes, and the share of the workers that are in time: means over many rounds."""
    random = np.random.default_rng(seed)
    times = (
        usual * random.lognormal(0, SPREAD, (ROUNDS, workers)) * np.where(random.random((ROUNDS, workers)) < SLOW_SHARE, SLOW_FACTOR, 1.0)
    )
    quorum = np.sort(times, axis=1)[:, math.ceil(QUORUM * workers) - 1]
    end = np.minimum(quorum + np.maximum(LEAST_SECONDS, PATIENCE * quorum), times.max(axis=1))
    return float(end.mean()), float((times <= end[:, None]).mean())


def network_seconds(workers: int, update_bytes: int, megabits: float, relayed: bool) -> float:
    """How long updates take to the head and back. `relayed`: each worker gets all updates, as now; else one of the same size, their mean."""
    received = workers * update_bytes
    sent = workers * update_bytes * (workers if relayed else 1)
    return 8e-6 * (received + sent) / (HEAD_LINKS * megabits)


def table(parameters: int, local_steps: int, step_seconds: float) -> list[str]:
    """Lines of a table: for each number of workers and each link, seconds of a round and the share of it in which the workers learn."""
    update, usual = parameters // 4, local_steps * step_seconds
    lines = [f"{parameters:,} parameters, {local_steps} steps of {step_seconds:g} s: {usual:g} s of work, {update:,} bytes an update", ""]
    lines += [
        "| workers | in time | 10 Mbit/s | 100 Mbit/s | 1 Gbit/s | 10 Gbit/s | 100 Mbit/s, one mean |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for workers in (2, 8, 32, 128, 1000):
        compute, in_time = compute_seconds(workers, usual, seed=1)
        cells = []
        for megabits, relayed in ((10, True), (100, True), (1000, True), (10_000, True), (100, False)):
            seconds = compute + network_seconds(workers, update, megabits, relayed)
            cells.append(f"{seconds:,.0f} s, {usual * in_time / seconds:.0%}")
        lines.append(f"| {workers} | {in_time:.1%} | {' | '.join(cells)} |")
    return lines
