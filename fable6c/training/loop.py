"""The loop of a training run: steps, reports, checks on held-out text, samples, saves."""

import math
import os
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Callable, Optional

from fable6c.cli import harmless
from fable6c.training.expectation import expectation
from fable6c.training.plot import draw_loss
from fable6c.training.report import Reporter, append
from fable6c.training.run import Run
from fable6c.training.signals import StopSignal

MAX_WAIT, WAIT_SECONDS = 10.0, 1.0  # a lap counts at most for so many times its processor time, and a second
PROMPTS = ["Once upon a time", "One day, a little", '"Where are you going?"']
CHECKS = 10  # times in a run that the held-out text is scored and a sample is told
CHECK_TOKENS = 32768  # of held-out text in these; the last check takes all of it
# A text that is read too often: checks from so many times the text on, each after so many times the steps of the one before; exhausted
# it is where the score is so many times the best one, and the best one's steps lie so many times back. Then it begins again, if this share
# of those steps fits in what is left.
FIRST_TIMES, GROWTH, WORSE, BACK, FITTING = 2.0, 1.25, 1.02, 1.5, 0.5
TRIAL_STEPS, TRIAL_SECONDS, TRIAL_SHARE = 5, 5.0, 0.02  # what a plan rests on: so many steps, and seconds or share of the minutes
MOST_STEPS = 2**50  # of a plan; a checkpoint holds such numbers


def train(
    run: Run,
    save_minutes: float,
    advance: Optional[Callable[[], Optional[float]]] = None,
    first_weights: Optional[Callable[[], None]] = None,
) -> int:
    """Run to the end of the budget. Returns 0, or the signal that stopped it; either way the state is saved.

    A budget in minutes says how long a person would wait, not how often to read the text. So where the held-out text becomes worse and worse,
    the run begins again, with as many steps as it had taken to the best check, or as fit in what is left. `first_weights` gives the network
    again what it began with; without it, the budget is kept.

    `advance` does what is done between two looks at the signals, by default a step of this process, and returns its mean loss: a cluster's
    round, which others work at, or None where there was none."""
    reporter = Reporter(run)
    saved = time.monotonic()
    clock = Clock() if advance is None else Clock(busy=False)
    advance = advance or run.train_step
    with StopSignal() as stop:
        if run.steps_budget is None:
            plan_steps(run)
            run.save()  # the plan: a run that is killed and goes on has the same
        if run.seconds_budget is not None and not run.shortened:
            with stop.heard():
                print(expectation(run), flush=True)
        again = first_weights if run.seconds_budget is not None and not run.shortened else None
        if again and run.step and run.step == _early_check(run, run.step):  # a run that was stopped there may have left that out
            if _exhausted(run, run.bits_per_char(CHECK_TOKENS)):
                reporter, again = _begin_again(run, again, stop), None
        check, early = _next_check(run), _early_check(run, run.step + 1) if again else math.inf
        while run.progress() < 1.0 and not stop.number:
            run.elapsed += clock.lap()
            loss = advance()
            seconds = clock.lap()
            run.elapsed += seconds
            if loss is None:
                continue
            reporter.note(loss, seconds)
            if run.progress() >= 1.0 or stop.number:
                break
            if run.step >= min(check, early):
                score = run.bits_per_char(CHECK_TOKENS)
                with stop.heard():
                    reporter.report(score)
                    if run.step >= check:
                        _tell(run, PROMPTS[:1])
                draw_loss(run.folder)
                if again and run.step == early and _exhausted(run, score):
                    reporter, again = _begin_again(run, again, stop), None
                check, early = _next_check(run), _early_check(run, run.step + 1) if again else math.inf
            elif reporter.due():
                with stop.heard():
                    reporter.report()
            if time.monotonic() - saved >= 60.0 * save_minutes:
                run.save()
                saved = time.monotonic()
        run.save()
        if stop.number:
            if reporter.losses:
                with stop.heard():
                    reporter.report()
                draw_loss(run.folder)
            return stop.number
        score = run.bits_per_char()
        with stop.heard():
            reporter.report(score)
            # Earlier checks scored the same text only where it is short, and long ones are not read too often.
            if run.best and not run.shortened and score > WORSE * run.best[1] and len(run.dataset.valid) <= CHECK_TOKENS:
                steps = run.best[0]
                print(
                    f"held-out text was best at step {steps:,} ({run.best[1]:.4f} bits/char): the text was read too often; "
                    f"--tokens {steps * run.tokens_per_step} gives a better model (docs/training.md#overfitting)",
                    flush=True,
                )
        with stop.heard():
            _tell(run, PROMPTS)
        draw_loss(run.folder)
        run.finished = True
        run.save()
    return 0


def plan_steps(run: Run) -> None:
    """Fix the steps of a run with a budget of minutes: as many as they buy at the speed of a few steps, a check and a sample, which are undone.

    From then on it is a run of tokens: the clock changes nothing, and as many tokens give the same bits on any machine."""
    assert run.seconds_budget is not None
    description, arrays = run.state()
    kept = {name: array.copy() for name, array in arrays.items()}
    clock = Clock()
    run.train_step()
    spent = clock.lap()  # more than other steps take: memory and threads are new
    laps: list[float] = []
    ends = time.monotonic() + min(TRIAL_SECONDS, TRIAL_SHARE * run.seconds_budget)
    while len(laps) < TRIAL_STEPS or time.monotonic() < ends:
        run.train_step()
        laps.append(clock.lap())
    tokens = run.config.train.batch * run.config.model.context
    run.bits_per_char(tokens)
    check = clock.lap()
    run.sample(PROMPTS[0], seed=1)
    sample = clock.lap()
    run.restore(description, kept)
    checked = (CHECKS - 1) * min(CHECK_TOKENS, len(run.dataset.valid)) + len(run.dataset.valid)
    others = check * checked / tokens + sample * (CHECKS - 1 + len(PROMPTS))
    spent += run.elapsed + sum(laps) + check + sample
    left = run.seconds_budget - spent - others * (1.0 - run.elapsed / run.seconds_budget)
    # The median: one stall of a busy machine says nothing about the other steps.
    run.steps_budget = run.step + min(MOST_STEPS, max(1, round(left / max(statistics.median(laps), 1e-9))))


class Clock:
    """Measures the time that a run takes, lap by lap. Time in which nothing ran (Ctrl-Z, a frozen container, a laptop that slept) is not
    counted: it is seen from the processor time, which a busy machine stretches a few times and a stopped process not at all. All time counts
    for a process that is not `busy`, but waits for others."""

    def __init__(self, busy: bool = True) -> None:
        self.busy = busy
        self._wall, self._processor = time.monotonic(), time.process_time()

    def lap(self) -> float:
        """Seconds since the last lap, as far as they count."""
        wall, processor = time.monotonic(), time.process_time()
        seconds = wall - self._wall
        if self.busy:
            seconds = min(seconds, MAX_WAIT * (processor - self._processor) + WAIT_SECONDS)
        self._wall, self._processor = wall, processor
        return seconds


def _next_check(run: Run) -> int:
    """The step after which the held-out text is scored next, and a sample told."""
    assert run.steps_budget
    number = run.step * CHECKS // run.steps_budget + 1
    return -(-number * run.steps_budget // CHECKS)


def _early_check(run: Run, least: int) -> int:
    """The first step, `least` or later, after which it is scored to see whether the text is exhausted. These steps depend on the text alone,
    so an interrupted run has the same."""
    step = FIRST_TIMES * len(run.dataset.train) / run.tokens_per_step
    while math.ceil(step) < least:
        step *= GROWTH
    return math.ceil(step)


def _exhausted(run: Run, score: float) -> bool:
    """Note a check's score, and say whether the run has read its text too often and could begin again within its budget."""
    if run.best is None or score <= run.best[1]:
        run.best = run.step, score
    assert run.steps_budget
    room = run.steps_budget - run.step
    return score > WORSE * run.best[1] and run.step >= BACK * run.best[0] and room >= FITTING * run.best[0]


def _begin_again(run: Run, first_weights: Callable[[], None], stop: StopSignal) -> Reporter:
    """Begin again, with as many steps as to the best check, or as fit in what is left."""
    assert run.best and run.last_bits_per_char and run.steps_budget
    steps = min(run.best[0], run.steps_budget - run.step)
    times = steps * run.tokens_per_step / len(run.dataset.train)
    with stop.heard():
        print(
            f"held-out text was best at step {steps:,} ({run.best[1]:.4f} bits/char) and is worse now ({run.last_bits_per_char:.4f}): the text is "
            f"too short to be read so often; beginning again with {steps:,} steps, {times:.1f} times the text (docs/training.md#overfitting)",
            flush=True,
        )
    run.begin_again(steps)
    first_weights()
    run.save()
    return Reporter(run)


def _tell(run: Run, prompts: Sequence[str]) -> None:
    """Print samples and append them to samples.txt."""
    stories = [run.sample(prompt, seed=1).strip() for prompt in prompts]
    append(os.path.join(run.folder, "samples.txt"), "".join(f"--- step {run.step}\n{story}\n\n" for story in stories))
    encoding = sys.stdout.encoding or "utf-8"
    for story in stories:
        shown = harmless(story).encode(encoding, "replace").decode(encoding)  # a terminal that is not UTF-8 must not end the run
        print("  | " + shown.replace("\n", "\n  | "), flush=True)
