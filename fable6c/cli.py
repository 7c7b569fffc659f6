"""What all commands share: their list, the parser of arguments, and the one way in which they report mistakes.

`run` turns a UserError into its line on stderr and an exit status: 2 for a wrong command line or configuration, 1 for everything
else. Other exceptions are bugs and keep their traceback.
"""

import argparse
import contextlib
import errno
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from typing import Any, Callable, NoReturn, Optional, TextIO

from fable6c.errors import UsageError, UserError

# Every command of the package and what it is for, in the order in which a person meets them. `python -m fable6c` prints it.
COMMANDS = {
    "train": "train a model on text, and resume after an interruption",
    "export": "make one model file (.f6c) of a training run",
    "generate": "tell a story with a model file",
    "evaluate": "score a model file on text, or find out what it can and cannot do (suite)",
    "inspect": "show what is in a model file, or verify it",
    "card": "measure a model's bias and write its model card",
    "tokenizer": "train a vocabulary from text, or show one",
    "scout": "train, score and run a predictor that counts, without backpropagation",
    "ensemble": "score a network, a scout, and both as an ensemble, or several models",
    "bootstrap": "train several models of a recipe, and say which differences are real",
    "merge": "make one network of several by their weights",
    "route": "make one model of several experts, with a router that picks one",
    "z80": "train, build and play a chat and 20 Questions for a Z80 with 64 KB",
    "exchange": "publish, fetch and check models of strangers",
    "cluster": "train on several machines that trust each other",
    "corpus": "get, make up, clean and store training text",
}


OUTPUT_ERRORS = (errno.ENOSPC, errno.EBADF, errno.EIO, errno.EDQUOT, errno.EFBIG)  # of a stream: full, closed, gone
NO_MEMORY = (
    "there is not enough memory for this; close other programs, raise the limit (ulimit -v, the container's), or give less at a time"
)


def as_typed(text: str) -> str:
    """The text with each `python -m fable6c.NAME` as the person here types it: `fable6c NAME` where the console script runs,
    `python -m fable6c NAME` where the package does."""
    package = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
    if os.path.abspath(sys.argv[0]) == package:
        start = "python -m fable6c"
    elif os.path.splitext(os.path.basename(sys.argv[0]))[0] == "fable6c":
        start = "fable6c"
    else:
        return text
    return re.sub(r"python -m fable6c((?:\.\w+)*)", lambda found: start + found.group(1).replace(".", " "), text)


class ArgumentParser(argparse.ArgumentParser):
    """An argparse parser whose help starts with an example, that accepts no abbreviations and reports mistakes in one line.

    `example` is the command to copy; `purpose` one sentence.
    """

    def __init__(self, prog: str, purpose: str, example: str):
        super().__init__(
            prog=as_typed(prog),
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

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)  # argparse's own says nothing where that fails

    def format_help(self) -> str:
        return as_typed(super().format_help())

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}; see --help")


def unheard(stream: TextIO) -> None:
    """Nobody reads what is printed there any more (`… | head`, a closed terminal): point it elsewhere, so that nothing printed later fails."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_streams() -> None:
    """Give the process the streams that it was started without (`>&-`). What is written to the missing output, or read from the missing
    input, fails as on a bad descriptor; the missing stderr is silent."""
    for descriptor, (name, mode) in enumerate((("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, mode)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False))


def run(main: Callable[[Optional[Sequence[str]]], None]) -> NoReturn:
    """Run a stage's `main(argv)` as the process: exit 0, the UserError's status, 130 after Ctrl-C, or 1 where the output cannot be written."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # fable6c/__init__.py
        signal.signal(signal.SIGINT, signal.default_int_handler)
    open_streams()
    if sys.stdout.errors == "strict":  # a file's name that the terminal's encoding does not have must not end a command
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    for name in ("stdout", "stderr"):
        if getattr(sys, name).isatty():
            setattr(sys, name, Terminal(getattr(sys, name)))
    status = 0
    try:
        try:
            main(None)
        except SystemExit as end:  # --help
            status = end.code if isinstance(end.code, int) else 0
        sys.stdout.flush()
    except UserError as error:
        status = error.status
        _complain(str(error))
    except KeyboardInterrupt:
        status = 130
        _complain("\nstopped")
    except BrokenPipeError:
        status = 141
    except MemoryError:
        status = 1
        _complain(NO_MEMORY)
    except OSError as error:
        if error.errno != errno.ENOMEM and (error.filename is not None or error.errno not in OUTPUT_ERRORS):
            raise
        status = 1
        _complain(NO_MEMORY if error.errno == errno.ENOMEM else f"the output cannot be written, or the input not read ({error.strerror})")
    _forget_output()
    sys.exit(status)


# Characters that drive a terminal or turn its text around: controls but newline and tab, DEL, C1, and Unicode's bidirectional overrides.
_DRIVING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Text for a terminal: each character that would drive it is shown as U+FFFD."""
    return _DRIVING.sub("\ufffd", text)


class Terminal:
    """A stream that is a terminal. What is printed there may be a stranger's (a document, a name in an archive, a path): it is shown, and does
    not drive the terminal."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(harmless(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _complain(line: str) -> None:
    """Print a line on stderr; silence where that cannot be."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _forget_output() -> None:
    """What could not be written must not be tried again when Python ends: it would be a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                unheard(stream)


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


# ---- options and their values


def add_texts(parser: ArgumentParser) -> None:
    """The argument `text` of commands that learn from text files."""
    parser.add_argument(
        "text",
        nargs="+",
        metavar="TEXT",
        help="plain UTF-8 text, .jsonl or .json, or such a file packed as .zst; <|endoftext|> ends a document",
    )


def join_values(argv: Sequence[str], option: str) -> list[str]:
    """The command line with a value that begins with - joined to its option, so that argparse does not take it for another one: -p -Hello."""
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] == option and argument.startswith("-") and argument != "-":
            joined[-1] += argument
        else:
            joined.append(argument)
    return joined


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number in digits, as every host of the engine reads it: no sign, no blanks, no underscores."""

    def parse(text: str) -> int:
        value = int(text) if re.fullmatch("[0-9]+", text) else low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from {low} to {high}")
        return value

    return parse


def real(low: float, high: float, or_zero: bool = False) -> Callable[[str], float]:
    """A number such as 0.8, of at most seven digits, as every host of the engine reads it: no sign, no exponent."""

    def parse(text: str) -> float:
        digits = text.replace(".", "", 1).lstrip("0")
        value = float(text) if re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", text) and len(digits) <= 7 else -1.0
        if not (low <= value <= high or or_zero and value == 0):
            raise argparse.ArgumentTypeError(f"{text!r}: give {'0, or ' if or_zero else ''}a number from {low:g} to {high:g}")
        return value

    return parse


def memory_size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([MG])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: give a size like 256M or 1G")
    return int(found.group(1)) << (20 if found.group(2) == "M" else 30)
