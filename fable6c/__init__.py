"""Fable-6 Nano: train a ternary language model on two CPU threads, run it anywhere."""

import os
import signal
import sys

__version__ = "0.1.0"

# In a checkout `fable6c.corpus` is the folder corpus/ beside this one; an installed package has it inside.
_checkout = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if os.path.exists(os.path.join(_checkout, "corpus", "sources.toml")):
    __path__.append(_checkout)

# `python -m fable6c.train`: until the command runs, Ctrl-C ends the process without a traceback. cli.run takes over.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
