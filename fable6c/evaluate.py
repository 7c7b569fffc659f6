"""Score a model on a text: `python -m fable6c.evaluate model.f6c --text valid.txt`."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.evaluate")  # as a file, its folder would hide modules of Python's own

import os

if __name__ == "__main__":
    # Before NumPy loads: products of this size gain little from OpenBLAS's threads, and lose tenfold where another process
    # needs the second core, because its threads wait for each other by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import json
from collections.abc import Sequence
from typing import Optional

from fable6c.cli import ArgumentParser, run
from fable6c.data.text import read_documents
from fable6c.errors import UsageError
from fable6c.evaluation.bits import evaluate
from fable6c.model.tokenizer import END_OF_TEXT


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.evaluate",
        f"Score a model on a text in bits per character. Runs of newlines count as one newline; {END_OF_TEXT} "
        "ends a document, wherever it stands, and is not scored itself.",
        "python -m fable6c.evaluate model.f6c --text valid.txt",
    )
    parser.add_argument("model", help="the model file (.f6c)")
    parser.add_argument("--text", required=True, metavar="FILE", help="UTF-8 text, or such a text packed as .zst")
    parser.add_argument(
        "--chars", type=int, metavar="N", help="divide by N characters (default: those of the text, its newlines normalized)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
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


if __name__ == "__main__":
    run(main)
