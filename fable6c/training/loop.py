"""The loop of a training run: steps, reports, checks on held-out text, samples, saves."""

import os
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
TRIAL_STEPS, TRIAL_SECONDS, TRIAL_SHARE = 2, 5.0, 0.02  # what a plan rests on: so many steps, seconds, or share of the minutes


def train(run: Run, save_minutes: float, advance: Optional[Callable[[], Optional[float]]] = None) -> int:
    """Run to the end of the budget. Returns 0, or the signal that stopped it; either way the state is saved.

    `advance` does what is done between two looks at the signals, by default a step of this process, and returns its mean loss: a cluster's
    round, which others work at, or None where there was none."""
    reporter = Reporter(run)
    saved = time.monotonic()
    clock = Clock() if advance is None else Clock(busy=False)
    advance = advance or run.train_step
    with StopSignal() as stop:
        if run.steps_budget is None:
            plan_steps(run)
        if run.seconds_budget is not None:
            with stop.heard():
                print(expectation(run), flush=True)
        next_check = _next_check(run)
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
            if run.progress() >= next_check:
                with stop.heard():
                    reporter.report(run.bits_per_char(CHECK_TOKENS))
                    _tell(run, PROMPTS[:1])
                draw_loss(run.folder)
                next_check = _next_check(run)
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
        with stop.heard():
            reporter.report(run.bits_per_char())
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
    steps, ends = 0, time.monotonic() + min(TRIAL_SECONDS, TRIAL_SHARE * run.seconds_budget)
    while steps < TRIAL_STEPS or time.monotonic() < ends:
        run.train_step()
        steps += 1
    trial = clock.lap()
    tokens = run.config.train.batch * run.config.model.context
    run.bits_per_char(tokens)
    check = clock.lap()
    run.sample(PROMPTS[0], seed=1)
    sample = clock.lap()
    run.restore(description, kept)
    checked = (CHECKS - 1) * min(CHECK_TOKENS, len(run.dataset.valid)) + len(run.dataset.valid)
    others = check * checked / tokens + sample * (CHECKS - 1 + len(PROMPTS))
    spent += run.elapsed + trial + check + sample
    left = run.seconds_budget - spent - others * (1.0 - run.elapsed / run.seconds_budget)
    run.steps_budget = run.step + max(1, round(left * steps / trial))


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


def _next_check(run: Run) -> float:
    """The progress at which the held-out text is scored next."""
    return (int(run.progress() * CHECKS) + 1) / CHECKS


def _tell(run: Run, prompts: Sequence[str]) -> None:
    """Print samples and append them to samples.txt."""
    stories = [run.sample(prompt, seed=1).strip() for prompt in prompts]
    append(os.path.join(run.folder, "samples.txt"), "".join(f"--- step {run.step}\n{story}\n\n" for story in stories))
    encoding = sys.stdout.encoding or "utf-8"
    for story in stories:
        shown = harmless(story).encode(encoding, "replace").decode(encoding)  # a terminal that is not UTF-8 must not end the run
        print("  | " + shown.replace("\n", "\n  | "), flush=True)
