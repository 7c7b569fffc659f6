"""python -m fable6c.corpus list|get|synth|instruct|questions|keys|select|clean|db: from sources to the training database, each stage on its own."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Optional

from fable6c.cli import ArgumentParser, run
from fable6c.errors import UsageError

STAGES = {
    "list": ("sources", "show the sources and what is known of them"),
    "get": ("sources", "download a source"),
    "synth": ("synth", "make up stories: the source that needs no network"),
    "instruct": ("instruct", "write before each story what one would have to ask for to get it"),
    "questions": ("questions", "write questions and their answers between the lines"),
    "keys": ("selection", "write down which stories a text has, without the text"),
    "select": ("selection", "pick those stories out of public files"),
    "clean": ("clean", "decode, repair, filter and deduplicate any pile of text"),
    "db": ("database", "build, tokenize, query, export and verify the training database"),
}


def main(argv: Optional[Sequence[str]] = None) -> None:
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in STAGES:
        module = import_module(f"fable6c.corpus.{STAGES[argv[0]][0]}")
        rest = argv if STAGES[argv[0]][0] in ("sources", "selection") else argv[1:]  # these have two stages each
        code = module.main(rest)
        if code:  # synth returns its exit code
            sys.exit(code)
        return
    stages = "\n".join(f"  {name:9} {says}" for name, (_, says) in STAGES.items())
    parser = ArgumentParser(
        "python -m fable6c.corpus",
        f"From sources to the training database.\n\n{stages}\n\n`python -m fable6c.corpus STAGE --help` explains a stage.",
        "python -m fable6c.corpus clean stories.txt -o clean && python -m fable6c.corpus db build clean -o corpus.db",
    )
    parser.add_argument("stage", choices=list(STAGES))
    if not argv or argv[0] not in ("-h", "--help"):
        given = f"`{argv[0]}`" if argv else "nothing"
        raise UsageError(f"{parser.prog}: expected one of {', '.join(STAGES)}, got {given}; see --help")
    parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
