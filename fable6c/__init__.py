"""Fable-6 Nano: train a ternary language model on two CPU threads, run it anywhere."""

__version__ = "0.1.0"
