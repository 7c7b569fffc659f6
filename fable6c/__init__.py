"""Fable-6 Nano: train a ternary language model on two CPU threads, run it anywhere."""

import os
import signal
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, Optional

__version__ = "0.1.0"

_CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class _CorpusFinder:
    """In a checkout `fable6c.corpus` is the folder corpus/ beside this one, and nothing else there is a part of the package. An installed
    package has it inside."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        return PathFinder.find_spec(name, [_CHECKOUT]) if name == "fable6c.corpus" else None


if os.path.exists(os.path.join(_CHECKOUT, "corpus", "sources.toml")):
    sys.meta_path.insert(0, _CorpusFinder)

# `python -m fable6c.train`: until the command runs, Ctrl-C ends the process without a traceback. cli.run takes over.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
