"""Signals that stop or pause a run."""

import contextlib
import os
import signal
import sys
import threading
import time
from typing import Any, Iterator

from fable6c.cli import unheard

STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
PAUSE_SIGNAL: Any = getattr(signal, "SIGTSTP", None)  # Ctrl-Z


class StopSignal:
    """Turns Ctrl-C, SIGTERM and a closed terminal (SIGHUP) into a flag, so that a run stops between two steps with its state saved, and
    measures for how long Ctrl-Z stopped it."""

    def __init__(self) -> None:
        self.number = 0
        self.paused = 0.0  # seconds
        self.before: dict = {}

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            # What is ignored stays ignored: nohup, or a shell's background job.
            numbers = [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self.before = {number: signal.signal(number, self._note) for number in numbers}
            if PAUSE_SIGNAL is not None and signal.getsignal(PAUSE_SIGNAL) != signal.SIG_IGN:
                self.before[PAUSE_SIGNAL] = signal.signal(PAUSE_SIGNAL, self._pause)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: object) -> None:
        self.number = number
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, b"\nstopping after this step\n")  # not print: a handler may interrupt a print

    def _pause(self, *_: object) -> None:
        since = time.monotonic()
        # By the default action, which does nothing where no shell could wake the process again (an orphaned process group).
        signal.signal(PAUSE_SIGNAL, signal.SIG_DFL)
        os.kill(os.getpid(), PAUSE_SIGNAL)
        signal.signal(PAUSE_SIGNAL, self._pause)
        self.paused += time.monotonic() - since

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Around what prints: where nobody can read it any more (a closed terminal, a broken pipe, a full disk), the run stops too."""
        try:
            yield
        except OSError as error:
            name, usual = ("SIGPIPE", 13) if isinstance(error, BrokenPipeError) else ("SIGHUP", 1)
            self.number = self.number or int(getattr(signal, name, usual))
            with contextlib.suppress(OSError):
                os.write(2, f"\nthe output cannot be written ({error.strerror or error})\n".encode("utf-8", "replace"))
            unheard(sys.stdout)
