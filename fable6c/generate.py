"""Tell a story with a model file: `python -m fable6c.generate model.f6c -p "Once upon a time"`.

The same options give the same text as the native program, the WASI command and every other host of the engine.
"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.generate")  # as a file, its folder would hide modules of Python's own

import argparse
import codecs
import os
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Callable, Optional

from fable6c.cli import ArgumentParser, harmless, join_values, real, run, whole
from fable6c.engine import Engine, EngineMissing
from fable6c.errors import UserError
from fable6c.model import asking
from fable6c.model.file import decode_card, expert_names

BYTE_ORDER_MARK = codecs.BOM_UTF8
MAX_PROMPT_BYTES = 1 << 20  # of standard input, which may never end


def main(argv: Optional[Sequence[str]] = None) -> None:
    options = _parser().parse_args(join_values(sys.argv[1:] if argv is None else argv, "-p"))
    prompt = read_prompt(sys.stdin.buffer) if options.p == "-" else os.fsencode(options.p)
    to_terminal = sys.stdout.isatty()
    for piece in _pieces(options, prompt, _wish(options)):
        # Bytes, because a prompt need not be UTF-8 and a terminal's encoding must not change the story.
        sys.stdout.buffer.write(harmless(piece.decode("utf-8", "replace")).encode("utf-8") if to_terminal else piece)
        sys.stdout.buffer.flush()


def _wish(options: argparse.Namespace) -> dict[str, str]:
    """The fields that the options ask for. Says on stderr what it leaves out."""
    fields = {}
    if options.words is not None:
        words: list[str] = []
        for word in options.words.replace(",", " ").split(" "):
            if word and not asking.is_word(word):
                print(f"ignored: {harmless(word)} (a word has 2 to 20 letters, a to z)", file=sys.stderr)
            elif word and len(words) == asking.MAX_WORDS:
                print(f"ignored: {word} (a wish has at most {asking.MAX_WORDS} words)", file=sys.stderr)
            elif word:
                words.append(word.lower())
        if words:
            fields["Words"] = ", ".join(words)
    if options.name is not None:
        if asking.is_word(options.name):
            fields["Name"] = options.name[0].upper() + options.name[1:]
        else:
            print(f"ignored: {harmless(options.name)} (a name is one word of 2 to 20 letters, a to z)", file=sys.stderr)
    fields.update((name, value) for name in asking.VALUES for value in [getattr(options, name.lower())] if value is not None)
    return fields


def _header(options: argparse.Namespace, card: dict, wish: dict[str, str]) -> bytes:
    """The header of a wish for the model with this card. UserError for one that the model does not take."""
    taken = str(card.get(asking.CARD_KEY, "")).split()
    for name in asking.FIELDS:
        if getattr(options, name.lower(), None) is not None and name not in taken:
            raise UserError(
                f"{options.model}: this model takes no --{name.lower()} (it was trained on text without headers); begin the story with -p instead"
            )
    return asking.write_header(wish).encode()


def read_prompt(file: BinaryIO) -> bytes:
    """The text of standard input. UserError for more than MAX_PROMPT_BYTES; no more is read than that takes."""
    text = plain_lines(file.read(len(BYTE_ORDER_MARK) + 2 * MAX_PROMPT_BYTES + 1))  # CR LF is one byte of the text
    if len(text) > MAX_PROMPT_BYTES:
        raise UserError(f"-p -: the text has more than {MAX_PROMPT_BYTES} bytes; shorten it")
    return text


def plain_lines(text: bytes) -> bytes:
    """Text from a file or a terminal as the model knows text: without a byte order mark, its lines ended by LF."""
    return text.removeprefix(BYTE_ORDER_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n")


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
    parser.add_argument("--words", metavar="W,W,W", help="ask for a story with these words, at most three; a model must have learned it")
    parser.add_argument("--name", help="what its hero is called")
    for name, values in asking.VALUES.items():
        said = {"Mood": "how it ends", "Talk": "whether somebody speaks", "Length": "how long it is"}[name]
        parser.add_argument(f"--{name.lower()}", choices=values, help=f"{said}: {' or '.join(values)}")
    add("-n", "N", whole(1, 1000000), 1000, "tokens to make at most, 1 to 1000000; a story ends earlier where the model ends it")
    add("-t", "T", real(0.01, 100, or_zero=True), 0.8, "temperature, 0 or 0.01 to 100; 0 always takes the likeliest token")
    add("-k", "K", whole(0, 65536), 40, "choose among the K likeliest tokens, 0 to 65536; 0 is all of them")
    add("--top-p", "P", real(1e-6, 1), 1.0, "choose among the likeliest tokens that together have this share, up to 1")
    add("--penalty", "R", real(0, 10), 2.5, "make a word less likely in the sentence that has said it, 0 to 10")
    add("-s", "SEED", whole(0, 2**32 - 1), 1, "0 to 4294967295; the same seed tells the same story on every machine")
    parser.add_argument(
        "--runtime",
        choices=("wasm3", "reference"),
        help="the WebAssembly engine, or the NumPy reference, which tells the same story (default: wasm3 where it is built)",
    )
    return parser


def _pieces(options: argparse.Namespace, prompt: bytes, wish: dict[str, str]) -> Iterator[bytes]:
    """The story in pieces. Says on stderr which runtime tells it."""
    why = ""
    if options.runtime != "reference":
        try:
            return _engine_pieces(Engine(), options, prompt, wish)
        except EngineMissing as error:
            if options.runtime == "wasm3":
                raise
            why = f": {error}"
    return _reference_pieces(options, prompt, wish, why)


def _engine_pieces(engine: Engine, options: argparse.Namespace, prompt: bytes, wish: dict[str, str]) -> Iterator[bytes]:
    engine.load(options.model)
    card = decode_card(memoryview(engine.card.encode()))
    header = _header(options, card, wish)
    print("told by wasm3", file=sys.stderr)
    engine.sampling(options.t, options.k, options.top_p, options.penalty)
    engine.seed(options.s)
    yield prompt
    told = []
    for piece in engine.generate(header + prompt, options.n):
        told.append(engine.expert)
        yield piece.encode("utf-8")
    yield b"\n"
    _name_experts(card, told)


def _name_experts(card: dict, told: Sequence[int]) -> None:
    """Says on stderr who told the story, in the order in which they did, where the model has several experts."""
    names = expert_names(card)
    if names and told:
        said = [harmless(names[expert]) if expert < len(names) else str(expert) for expert in dict.fromkeys(told)]
        print("experts: " + ", ".join(said), file=sys.stderr)


def _reference_pieces(options: argparse.Namespace, prompt: bytes, wish: dict[str, str], why: str) -> Iterator[bytes]:
    import numpy as np

    from fable6c.model.file import read_model
    from fable6c.model.reference import generate
    from fable6c.model.routing import Route, open_reference
    from fable6c.model.sampling import Sampler
    from fable6c.model.tokenizer import Tokenizer

    model = read_model(options.model)
    header = _header(options, model.card, wish)
    print(f"told by the NumPy reference{why}", file=sys.stderr)
    sampler = Sampler(options.t, options.k, options.top_p, options.penalty, options.s)
    ids = Tokenizer(model.merges).encode(header + prompt)
    yield prompt
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    tokens = [model.dimensions.end_mark, *ids]
    for token, text in generate(open_reference(model), ids, options.n, sampler):
        tokens.append(token)
        yield decoder.decode(text).encode("utf-8")
    yield decoder.decode(b"", final=True).encode("utf-8") + b"\n"
    if model.router is not None:
        _, chosen = Route.fresh(model.experts).follow(model.router, np.array(tokens))
        _name_experts(model.card, chosen[1 + len(ids) :].tolist())


if __name__ == "__main__":
    run(main)
