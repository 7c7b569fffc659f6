"""Score a model on a text, or find out what it can and cannot do.

python -m fable6c.evaluate model.f6c --text valid.txt
python -m fable6c.evaluate suite model.f6c --text valid.txt
"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.evaluate")  # as a file, its folder would hide modules of Python's own

import os

if __name__ == "__main__":
    # Before NumPy loads: products of this size gain little from OpenBLAS's threads, and lose tenfold where another process
    # needs the second core, because its threads wait for each other by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Optional

from fable6c.cli import ArgumentParser, run, whole
from fable6c.data.text import read_documents
from fable6c.errors import UsageError, UserError
from fable6c.evaluation.bits import evaluate
from fable6c.model.tokenizer import END_OF_TEXT


def main(argv: Optional[Sequence[str]] = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] == "suite":
        suite_main(argv[1:])
        return
    parser = ArgumentParser(
        "python -m fable6c.evaluate",
        f"Score a model on a text in bits per character. Runs of newlines count as one newline; {END_OF_TEXT} "
        "ends a document, wherever it stands, and is not scored itself. `suite` before the model runs a suite of tasks: "
        "python -m fable6c.evaluate suite --help.",
        "python -m fable6c.evaluate model.f6c --text valid.txt",
    )
    parser.add_argument("model", help="the model file (.f6c)")
    parser.add_argument("--text", required=True, metavar="FILE", help="UTF-8 text, or such a text packed as .zst")
    parser.add_argument(
        "--chars", type=int, metavar="N", help="divide by N characters (default: those of the text, its newlines normalized)"
    )
    parser.add_argument(
        "--against",
        metavar="MODEL",
        help="test whether the model is better than this one, document by document, with an interval; exit status 1 if it is not (p < 0.05)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if options.against:
        against(options)
        return
    if options.chars is not None and options.chars < 1:
        raise UsageError(f"--chars {options.chars}: give a number above 0")
    result = evaluate(options.model, read_documents([options.text]), options.chars)
    if options.json:
        print(json.dumps(result))
        return
    print(f"bits per character  {result['bits_per_char']:.4f}")
    print(f"characters          {result['chars']:,} (runs of newlines counted as one; end marks not scored)")
    print(f"tokens              {result['tokens']:,}")
    print(f"seconds             {result['seconds']}")
    print(f"model sha256        {result['model_sha256']}")


def against(options: argparse.Namespace) -> None:
    """The paired test of two models or scouts, of any tokenizers. UserError where the first is not better."""
    from fable6c.evaluation import paired, statistics
    from fable6c.evaluation.predictors import open_predictor

    documents = paired.held_out(options.text)
    found = statistics.gain(*(paired.costs(open_predictor(path), documents) for path in (options.model, options.against)))
    if options.json:
        print(json.dumps(found))
    if not statistics.significant(found):
        raise UserError(f"{options.model}: is not better than {options.against}: {statistics.said(found)}")
    if not options.json:
        print(f"{options.model} is better than {options.against}: {statistics.said(found)}")


def suite_main(argv: Sequence[str]) -> None:
    from fable6c.evaluation import page
    from fable6c.evaluation.predictors import open_predictor
    from fable6c.evaluation.suite import TASKS, chosen_tasks, settings_of, suite
    from fable6c.evaluation.tasks import Asked
    from fable6c.evaluation.tasks.prediction import PROTOCOLS

    parser = ArgumentParser(
        "python -m fable6c.evaluate suite",
        "Find out what a model can and cannot do: a report with intervals, and a page with plots. Each task's figures are saved as soon as "
        "they are there; the same command resumes. A task that lacks a file says so and is left out.",
        "python -m fable6c.evaluate suite model.f6c --text valid.txt --quick",
    )
    parser.add_argument("model", help="the model file (.f6c) or a scout")
    parser.add_argument(
        "--text", nargs="+", default=[], metavar="FILE", help="texts to predict; the stories of the first are the real ones to compare with"
    )
    parser.add_argument("--corpus", nargs="+", default=[], metavar="FILE", help="the training text: how much of it is told again")
    parser.add_argument("--books", nargs="+", default=[], metavar="FILE", help="held-out books for the cloze test")
    parser.add_argument("--zorro", metavar="FILE", help="the pairs of Zorro, plain or .zst")
    parser.add_argument("--blimp", metavar="FILE", help="the pairs of BLiMP, plain or .zst")
    parser.add_argument("--checkpoint", metavar="DIR", help="the folder of a training run: what each rounding costs")
    parser.add_argument("--ensemble", action="store_true", help="the network and a scout that learns from --corpus, as an ensemble")
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, nargs="+", default=[], help="how texts are scored (default: all that a text allows)"
    )
    parser.add_argument("--pairs", type=whole(1, 10**6), default=2000, metavar="N", help="pairs of each paradigm at most (default: 2000)")
    parser.add_argument("--stories", type=whole(2, 100), default=100, metavar="N", help="stories to tell (default: 100)")
    parser.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help=f"only these: {', '.join(TASKS)}")
    parser.add_argument("--quick", action="store_true", help="a part of the items: minutes instead of an hour")
    parser.add_argument("--out", default="runs/suite", metavar="DIR", help="where report.json and index.html go (default: runs/suite)")
    o = parser.parse_args(argv)
    names = chosen_tasks(o.tasks)
    predictor = open_predictor(o.model, o.ensemble, o.corpus)
    asked = Asked(predictor, o.model, o.text, o.corpus, o.books, o.zorro, o.blimp, o.checkpoint, o.protocol, o.pairs, o.stories, o.quick)
    settings_of(asked)  # a file that cannot be read is said before the work
    report = suite(asked, names, o.out)
    for name in names:
        figures = report["tasks"][name]
        if "skipped" in figures:
            print(f"{name:14}not measured: {figures['skipped']}")
        else:
            print(f"{name:14}{page.headline(name, figures)}  ({figures['cpu_seconds']} CPU s)")
    print(f"{o.out}: report.json, index.html")


if __name__ == "__main__":
    run(main)
