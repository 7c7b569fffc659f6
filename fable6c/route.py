"""Several experts and a router in one model file: `python -m fable6c.route A.f6c B.f6c --text a=a.txt --text b=b.txt -o routed.f6c`."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.route")  # as a file, its folder would hide modules of Python's own

import os

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads; see fable6c/evaluate.py

from collections.abc import Sequence
from typing import Optional

from fable6c.cli import ArgumentParser, harmless, print_next, run
from fable6c.errors import UsageError
from fable6c.evaluation.routing import Scores, Text, route
from fable6c.model.architecture import MAX_EXPERTS

LONGEST_NAME = 40  # of an expert: the programs say it after each story


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.route",
        "Make one model of several experts for different kinds of text, with a router that picks one from a text's first tokens and again "
        "when the text changes. It is kept only if held-out documents say that it is better than each expert alone.",
        "python -m fable6c.route stories.f6c books.f6c --text stories=stories.txt --text books=books.txt -o routed.f6c",
    )
    parser.add_argument("expert", nargs="+", help="the experts (.f6c), begun --from one model with fixed_embedding = true")
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="for each expert, in the same order: what it is called, and the text that it was trained on; the router learns from that, and what "
        "its training held out decides",
    )
    parser.add_argument(
        "--against", nargs="+", action="extend", default=[], metavar="MODEL", help="further models (.f6c) that it must be better than"
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the model file to write")
    o = parser.parse_args(argv)
    if not 2 <= len(o.expert) <= MAX_EXPERTS:
        raise UsageError(f"{len(o.expert)} expert{'s' if len(o.expert) > 1 else ''}: a router needs 2 to {MAX_EXPERTS}")
    if len(o.text) != len(o.expert):
        raise UsageError(f"--text was given {len(o.text)} times for {len(o.expert)} experts: give one for each, in the same order")
    model, scores, words = route(o.expert, [_text(text) for text in o.text], o.against, o.output)
    _report(scores)
    print(f"{o.output}: {model.experts} experts, {os.path.getsize(o.output):,} bytes; {words}")
    print_next("generate", o.output, "-p", "Once upon a time")


def _text(given: str) -> Text:
    name, equals, path = given.partition("=")
    if not (name and equals and path):
        raise UsageError(f"--text {harmless(given)}: expected NAME=FILE, as in stories=stories.txt")
    if len(name) > LONGEST_NAME or not name.isprintable() or name != name.strip() or {'"', "\\"} & set(name):
        shown = harmless(name)
        raise UsageError(
            f"--text {shown[:LONGEST_NAME]}{'…' if len(shown) > LONGEST_NAME else ''}=…: a name has up to {LONGEST_NAME} characters, which can be "
            "printed, no blank at its ends, no quotation mark and no backslash"
        )
    return Text(name, path)


def _report(scores: Scores) -> None:
    """Bits per character of each kind of text and of all, and how often the router is right."""
    width = max(map(len, (*scores.bits, *scores.names)))
    print(f"{'bits per character':{width}}" + "".join(f"{name[:11]:>12}" for name in (*scores.names, "all")))
    for of in scores.bits:
        figures = [scores.per_character(of, kind) for kind in (*range(len(scores.names)), None)]
        print(f"{of:{width}}" + "".join(f"{figure:12.4f}" for figure in figures))
    right = ", ".join(f"{share:.1%} after {look} tokens" for look, share in scores.right.items())
    print(f"the router picks a document's own expert in {right}")


if __name__ == "__main__":
    run(main)
