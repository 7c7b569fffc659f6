"""What a run says while it goes on: lines of progress, log.jsonl, samples.txt."""

import json
import os
import re
import time
from typing import Optional

import numpy as np

from fable6c.errors import UserError
from fable6c.files import atomic_write, open_file
from fable6c.progress import say_once
from fable6c.training.run import Run

REPORT_SECONDS = 5.0  # between two lines of progress


class Reporter:
    """Prints progress and appends it to log.jsonl, which loss.png is drawn from."""

    def __init__(self, run: Run):
        self.run = run
        self.path = os.path.join(run.folder, "log.jsonl")
        _drop_later_entries(self.path, run.step)
        _drop_later_samples(os.path.join(run.folder, "samples.txt"), run.step)
        self.losses: list[float] = []  # of the steps since the last report
        self.begun = run.step, run.elapsed  # what a run did before, or a text that it gave up, says nothing about what is left
        self.step = run.step  # at the last report
        self.seconds = 0.0  # that the steps since then took: checks and saves are not slow steps
        self.reported = time.monotonic()

    def note(self, loss: float, seconds: float) -> None:
        """Take in one step."""
        self.losses.append(loss)
        self.seconds += seconds

    def due(self) -> bool:
        return time.monotonic() - self.reported >= REPORT_SECONDS

    def report(self, bits_per_char: Optional[float] = None) -> None:
        """A line for the steps since the last one, with the held-out text's figure where it was scored."""
        r, progress = self.run, self.run.progress()
        entry = {"step": r.step, "progress": round(progress, 5), "tokens": r.step * r.tokens_per_step, "elapsed": round(r.elapsed, 2)}
        if self.losses:
            rate = (r.step - self.step) * r.tokens_per_step / max(self.seconds, 1e-9)
            entry.update(loss=round(float(np.mean(self.losses)), 4), tokens_per_second=round(rate))
        if bits_per_char is not None:
            entry["bits_per_char"] = round(bits_per_char, 4)
        append(self.path, json.dumps(entry) + "\n")
        step, elapsed = self.begun
        left = (r.elapsed - elapsed) * ((r.steps_budget or 0) - r.step) / (r.step - step) if r.step > step else 0.0
        loss = f"loss {entry['loss']:.3f}  {entry['tokens_per_second']:,} tokens/s  " if self.losses else ""
        self.losses, self.step, self.seconds, self.reported = [], r.step, 0.0, time.monotonic()  # before the prints, which may fail
        held_out = f"held-out {bits_per_char:.4f} bits/char  " if bits_per_char is not None else ""
        print(f"step {r.step:,}  {progress:.1%}  {loss}{held_out}{_clock(r.elapsed)} gone, {_clock(left)} to go", flush=True)


def append(path: str, text: str) -> None:
    """Add text to a file of the run. A line on stderr if that cannot be done: only a checkpoint that cannot be written ends a run."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        say_once(f"{path}: cannot be written ({error.strerror}); the run goes on without it")


def _drop_later_entries(path: str, step: int) -> None:
    """Leave the entries of a log up to `step`: a run that was killed does the steps after its last save a second time."""

    def valid(line: bytes) -> bool:
        try:
            return line.endswith(b"\n") and json.loads(line)["step"] <= step
        except (ValueError, KeyError, TypeError):
            return False  # cut off by the kill, or by a full disk

    lines = _read_own(path).splitlines(keepends=True)
    kept = [line for line in lines if valid(line)]
    if kept != lines:
        atomic_write(path, b"".join(kept))


def _drop_later_samples(path: str, step: int) -> None:
    """The same for samples.txt."""
    text = _read_own(path)
    later = next((mark for mark in re.finditer(rb"^--- step ([0-9]+)$", text, re.MULTILINE) if int(mark[1]) > step), None)
    if later:
        atomic_write(path, text[: later.start()])


def _read_own(path: str) -> bytes:
    """A file that the run itself wrote; nothing if there is none."""
    try:
        with open_file(path) as file:
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); move it away or choose another folder with --out") from None


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
