"""The list of commands, and each of them under one name: `python -m fable6c train …` is `python -m fable6c.train …`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, Optional

from fable6c.cli import COMMANDS, ArgumentParser, run
from fable6c.errors import UsageError


def main(argv: Optional[Sequence[str]] = None) -> None:
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in COMMANDS:
        module = "corpus.__main__" if argv[0] == "corpus" else argv[0]
        import_module(f"fable6c.{module}").main(argv[1:])
        return
    listing = "\n".join(f"  {name:10} {purpose}" for name, purpose in COMMANDS.items())
    parser = ArgumentParser(
        "python -m fable6c",
        f"Train a small storyteller and run it.\n\n{listing}\n\n`python -m fable6c COMMAND --help` explains a command.",
        'python -m fable6c generate release/small.f6c -p "Once upon a time"',
    )
    parser.add_argument("command", metavar="COMMAND", help="one of the above")
    if not argv:
        parser.print_help()
        return
    if argv[0] not in ("-h", "--help"):
        raise UsageError(f"{parser.prog}: there is no command {argv[0]!r}; they are {', '.join(COMMANDS)}")
    parser.parse_args(argv)


def script() -> NoReturn:
    """The console script `fable6c`."""
    run(main)


if __name__ == "__main__":
    run(main)
