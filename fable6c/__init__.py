"""Fable-6 Nano: train a ternary language model on two CPU threads, run it anywhere."""

import os

__version__ = "0.1.0"

# In a checkout `fable6c.corpus` is the folder corpus/ beside this one; an installed package has it inside.
_checkout = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if os.path.exists(os.path.join(_checkout, "corpus", "sources.toml")):
    __path__.append(_checkout)
