"""Errors that a person can mend, and the one way in which every command reports them.

A stage raises `UserError` with one line that says what was found and what to do. `run` turns it into that line on stderr and an
exit status: 2 for a wrong command line or configuration, 1 for everything else. Other exceptions are bugs and keep their traceback.
"""

import argparse
import os
import sys
from typing import Callable, NoReturn, Optional, Sequence, TextIO


class UserError(Exception):
    """A mistake in the input. The text is one complete line for the person; `status` is the process's exit status."""

    status = 1


class UsageError(UserError):
    """A wrong flag, value or configuration key."""

    status = 2


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

    def subcommands(self, metavar: Optional[str] = None):
        """What subparsers are added to, by `add_parser(name, help=…, purpose=…, example=…)`; one of them must be named."""
        return self.add_subparsers(
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
        sys.stdout.reconfigure(errors="backslashreplace")
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
