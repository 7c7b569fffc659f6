"""What the commands say about each other: which there are, and which comes next."""

import os
import shlex
import shutil
import sys

# Every command of the package and what it is for, in the order in which a person meets them. `python -m fable6c` prints it.
COMMANDS = {
    "train": "train a model on text, and resume after an interruption",
    "export": "make one model file (.f6c) of a training run",
    "generate": "tell a story with a model file",
    "evaluate": "score a model file on text, in bits per character",
    "inspect": "show what is in a model file, or verify it",
    "tokenizer": "train a vocabulary from text, or show one",
    "scout": "train, score and run a predictor that counts, without backpropagation",
    "together": "score a network and a scout as one",
    "corpus": "get, make up, clean and store training text",
}


def python_command() -> str:
    """The interpreter that is running, as a person here would type it: `python` if that is the one, else its path."""
    running = os.path.abspath(sys.executable)
    for name in ("python", "python3"):
        found = shutil.which(name)
        if found and os.path.abspath(found) == running:
            return name
    below = os.path.relpath(running)
    return shlex.quote(running if below.startswith(os.pardir) else below)


def print_next(command: str, *arguments: str) -> None:
    """Print `next: python -m fable6c.export …`; nothing where make runs the commands: it knows what comes next, and does it."""
    if "MAKELEVEL" not in os.environ:
        print(f"next: {python_command()} -m fable6c.{command} {' '.join(map(shlex.quote, arguments))}")
