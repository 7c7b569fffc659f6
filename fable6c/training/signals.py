"""Signals that stop a run."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from fable6c.cli import unheard

STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]  # Ctrl-Break: Windows


class StopSignal:
    """Turns Ctrl-C, SIGTERM and a closed terminal (SIGHUP) into a flag, so that a run stops between two steps with its state saved."""

    def __init__(self, said: bytes = b"\nstopping after this step\n") -> None:
        self.said = said  # at once
        self.number = 0
        self.before: dict = {}
        self.left = threading.Event()
        self.console: object = None  # on Windows: what it calls when the window is closed

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            # What is ignored stays ignored: nohup, or a shell's background job.
            numbers = [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self.before = {number: signal.signal(number, self._note) for number in numbers}
            if os.name == "nt":
                self._watch_console()
        return self

    def __exit__(self, *_: object) -> None:
        self.left.set()
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: object) -> None:
        self.number = number
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, self.said)  # not print: a handler may interrupt a print

    def _watch_console(self) -> None:
        import ctypes

        system: Any = ctypes  # its Windows part, which other systems do not have
        self.console = system.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(self._closed)  # kept, or it would be collected
        system.windll.kernel32.SetConsoleCtrlHandler(self.console, 1)

    def _closed(self, event: int) -> int:
        """Windows calls this on a thread of its own, and ends the process when it returns or after some seconds: time to save."""
        if event not in (2, 5, 6):  # CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT; the others are signals
            return 0
        self.number = self.number or int(signal.SIGTERM)
        self.left.wait(30)
        return 1

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
