"""Progress of a long stage: a tqdm bar on a terminal, a plain line every few seconds anywhere else (a log, a notebook's file)."""

import contextlib
import functools
import sys
import time
from typing import Any, Optional

import tqdm

SECONDS_BETWEEN_LINES = 5


class Progress:
    """Counts work in `unit`s up to `total` (None = not known) and shows them on stderr; `enabled=False` shows nothing.

    with Progress("encoding", total=len(text), unit="chars") as progress:
        ...
        progress.add(1000)
    """

    def __init__(self, label: str, total: Optional[int] = None, unit: str = "", enabled: bool = True):
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self.started = time.monotonic()
        self.next_line = self.started + SECONDS_BETWEEN_LINES if enabled else float("inf")
        self.bar = None
        if enabled and sys.stderr.isatty():
            # Past cli.Terminal, because a bar goes back to the start of its line.
            self.bar = tqdm.tqdm(desc=label, total=total, unit=unit, unit_scale=True, leave=False, file=sys.__stderr__)

    def add(self, amount: int) -> None:
        self.done += amount
        if self.bar is not None:
            self.bar.update(amount)
        elif time.monotonic() >= self.next_line:
            self._print_line()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def _print_line(self) -> None:
        now = time.monotonic()
        done = f"{self.done:,} {self.unit}"
        if self.total:
            done = f"{self.done:,} of {self.total:,} {self.unit} ({self.done / self.total:.0%})"
        print(f"{self.label}: {done}, {now - self.started:.0f} s", file=sys.stderr, flush=True)
        self.next_line = now + SECONDS_BETWEEN_LINES


@functools.lru_cache(maxsize=1000)
def say_once(line: str) -> None:
    """A line on stderr that is said once, however often its cause comes up (a text is read several times). It must not end the work either."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
