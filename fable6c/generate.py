"""Tell a story with a model file: `python -m fable6c.generate model.f6c -p "Once upon a time"`.

The same options give the same text as the native program, the WASI command and every other host of the engine.
"""

import argparse
import codecs
import os
import sys
from typing import Callable, Iterator, Optional, Sequence

from fable6c.errors import ArgumentParser, run


def main(argv: Optional[Sequence[str]] = None) -> None:
    options = _parser().parse_args(argv)
    prompt = sys.stdin.buffer.read() if options.p == "-" else os.fsencode(options.p)
    pieces = (_engine_pieces if options.runtime == "wasm3" else _reference_pieces)(options, prompt)
    for piece in pieces:
        # Bytes, because a prompt need not be UTF-8 and a terminal's encoding must not change the story.
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "python -m fable6c.generate",
        "Tell a story with a model that `python -m fable6c.export` made.",
        'python -m fable6c.generate model.f6c -p "Once upon a time" -s 7',
    )

    def add(name: str, metavar: str, kind: Callable, default: object, text: str) -> None:
        parser.add_argument(name, metavar=metavar, type=kind, default=default, help=f"{text} (default: {default or 'nothing'})")

    parser.add_argument("model", metavar="MODEL", help="a .f6c file")
    add("-p", "TEXT", str, "", "begin with TEXT; - reads it from standard input")
    add("-n", "N", whole(1, 1000000), 1000, "tokens to make at most, 1 to 1000000; a story ends earlier where the model ends it")
    add("-t", "T", real(0.01, 100, or_zero=True), 0.8, "temperature, 0 or 0.01 to 100; 0 always takes the likeliest token")
    add("-k", "K", whole(0, 65536), 40, "choose among the K likeliest tokens, 0 to 65536; 0 is all of them")
    add("--top-p", "P", real(1e-6, 1), 1.0, "choose among the likeliest tokens that together have this share, up to 1")
    add("--penalty", "R", real(1, 10), 1.0, "make the last 64 tokens less likely, 1 to 10")
    add("-s", "SEED", whole(0, 2**32 - 1), 1, "0 to 4294967295; the same seed tells the same story on every machine")
    parser.add_argument(
        "--runtime",
        choices=("wasm3", "reference"),
        default="wasm3",
        help="the WebAssembly engine, or the slow NumPy reference (default: wasm3)",
    )
    return parser


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


def _engine_pieces(options: argparse.Namespace, prompt: bytes) -> Iterator[bytes]:
    from fable6c.engine import Engine

    engine = Engine(options.model)
    engine.sampling(options.t, options.k, options.top_p, options.penalty)
    engine.seed(options.s)
    yield prompt
    for piece in engine.generate(prompt, options.n):
        yield piece.encode("utf-8")
    yield b"\n"


def _reference_pieces(options: argparse.Namespace, prompt: bytes) -> Iterator[bytes]:
    from fable6c.model_file import read_model
    from fable6c.reference import Reference, Sampler, generate
    from fable6c.tokenizer import Tokenizer

    model = read_model(options.model)
    sampler = Sampler(options.t, options.k, options.top_p, options.penalty, options.s)
    ids = Tokenizer(model.merges).encode(prompt)
    yield prompt
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for _, token in generate(Reference(model), ids, options.n, sampler):
        yield decoder.decode(token).encode("utf-8")
    yield decoder.decode(b"", final=True).encode("utf-8") + b"\n"


if __name__ == "__main__":
    run(main)
