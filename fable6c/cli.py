"""What all commands share: their list, the parser of arguments, and the one way in which they report mistakes.

`run` turns a UserError into its line on stderr and an exit status: 2 for a wrong command line or configuration, 1 for everything
else. Other exceptions are bugs and keep their traceback.
"""

import argparse
import os
import re
import shlex
import shutil
import sys
from typing import Any, Callable, NoReturn, Optional, Sequence, TextIO

from fable6c.errors import UsageError, UserError

# Every command of the package and what it is for, in the order in which a person meets them. `python -m fable6c` prints it.
COMMANDS = {
    "train": "train a model on text, and resume after an interruption",
    "export": "make one model file (.f6c) of a training run",
    "generate": "tell a story with a model file",
    "evaluate": "score a model file on text, in bits per character",
    "inspect": "show what is in a model file, or verify it",
    "tokenizer": "train a vocabulary from text, or show one",
    "scout": "train, score and run a predictor that counts, without backpropagation",
    "ensemble": "score a network and a scout, alone and together",
    "corpus": "get, make up, clean and store training text",
}


class ArgumentParser(argparse.ArgumentParser):
    """An argparse parser whose help starts with an example, that accepts no abbreviations and reports mistakes in one line.

    `example` is the command to copy; `purpose` one sentence.
    """

    def __init__(self, prog: str, purpose: str, example: str):
        super().__init__(
            prog=prog,
            description=f"{purpose}\n\nexample:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def subcommands(self, metavar: Optional[str] = None) -> Any:
        """What subparsers are added to, by `add_parser(name, help=…, purpose=…, example=…)`; one of them must be named."""
        return self.add_subparsers(  # type: ignore[call-overload]
            dest="command",
            required=True,
            metavar=metavar,
            # Python 3.14 hands on a `color`, which this parser does not take.
            parser_class=lambda prog, purpose, example, **_: ArgumentParser(prog, purpose, example),
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}; see --help")


def unheard(stream: TextIO) -> None:
    """Nobody reads what is printed there any more (`… | head`, a closed terminal): point it elsewhere, so that nothing printed later fails."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def run(main: Callable[[Optional[Sequence[str]]], None]) -> NoReturn:
    """Run a stage's `main(argv)` as the process: exit 0, the UserError's status, or 130 after Ctrl-C."""
    if sys.stdout.errors == "strict":  # a file's name that the terminal's encoding does not have must not end a command
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        main(None)
        sys.stdout.flush()
    except UserError as error:
        print(str(error), file=sys.stderr)
        sys.exit(error.status)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        unheard(sys.stdout)
        sys.exit(141)
    sys.exit(0)


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


# ---- values of options


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from {low} to {high}")
        return value

    return parse


def real(low: float, high: float, or_zero: bool = False) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not (low <= value <= high or or_zero and value == 0):
            raise argparse.ArgumentTypeError(f"{text!r}: give {'0, or ' if or_zero else ''}a number from {low:g} to {high:g}")
        return value

    return parse


def memory_size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([MG])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: give a size like 256M or 1G")
    return int(found.group(1)) << (20 if found.group(2) == "M" else 30)
