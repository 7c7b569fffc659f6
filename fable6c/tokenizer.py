"""Train a tokenizer on text, or show what one does: `python -m fable6c.tokenizer train|show`."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.tokenizer")  # as a file, its folder would hide modules of Python's own

import os
import time
from collections.abc import Sequence
from typing import Optional

from fable6c.cli import ArgumentParser, add_texts, run
from fable6c.data.bpe import train_tokenizer
from fable6c.data.text import read_documents
from fable6c.files import existing_file
from fable6c.model.tokenizer import (
    END_OF_TEXT,
    MAX_VOCAB,
    MIN_VOCAB,
    Tokenizer,
    find_pieces_of_bytes,
)


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.tokenizer",
        "Train a tokenizer on text, or show what one does.",
        "python -m fable6c.tokenizer train stories.txt --vocab 4096 -o tokenizer.f6t",
    )
    commands = parser.subcommands("train|show")
    train = commands.add_parser(
        "train",
        help="learn a vocabulary from text",
        purpose="Learn a vocabulary from text.",
        example="python -m fable6c.tokenizer train stories.txt more.txt.zst --vocab 4096 -o tokenizer.f6t",
    )
    add_texts(train)
    train.add_argument("--vocab", type=int, default=4096, metavar="V", help=f"tokens, {MIN_VOCAB} to {MAX_VOCAB} (default 4096)")
    train.add_argument("-o", "--output", required=True, metavar="FILE", help="where to write the tokenizer, e.g. tokenizer.f6t")
    show = commands.add_parser(
        "show",
        help="print the tokens, or how a text splits",
        purpose="Print a table of the tokens, or how a text splits into pieces and tokens.",
        example='python -m fable6c.tokenizer show tokenizer.f6t --text "Once upon a time"',
    )
    show.add_argument("tokenizer", metavar="FILE", help="a tokenizer.f6t")
    show.add_argument("--text", help="show the pieces and tokens of this text instead")
    arguments = parser.parse_args(argv)
    if arguments.command == "train":
        _train_command(arguments.text, arguments.vocab, arguments.output)
    elif arguments.text is None:
        _show_tokens(Tokenizer.load(arguments.tokenizer))
    else:
        _show_text(Tokenizer.load(arguments.tokenizer), arguments.text)


def _train_command(paths: Sequence[str], vocab_size: int, output: str) -> None:
    existing_file(output, paths)  # before the work
    started = time.monotonic()
    tokenizer = train_tokenizer(read_documents(paths), vocab_size)
    tokenizer.save(output)
    longest = max(tokenizer.token_bytes, key=len)
    print(f"{output}: {vocab_size} tokens, the longest {_readable(longest)}, {time.monotonic() - started:.1f} s")


def _show_tokens(tokenizer: Tokenizer) -> None:
    print("   id  bytes  token")
    for id, token in enumerate(tokenizer.token_bytes[:-1]):
        print(f"{id:5}  {len(token):5}  {_readable(token)}")
    print(f"{tokenizer.end_of_text:5}      0  {END_OF_TEXT}, the end-of-text mark")


def _show_text(tokenizer: Tokenizer, text: str) -> None:
    data = os.fsencode(text)
    ids = tokenizer.encode(data)
    print("piece: id token …")
    for piece in find_pieces_of_bytes(data):
        tokens = "  ".join(f"{id} {_readable(tokenizer.token_bytes[id])}" for id in tokenizer.encode(piece))
        print(f"{_readable(piece)}: {tokens}")
    print(f"{len(data)} bytes, {len(ids)} tokens, {len(data) / max(1, len(ids)):.2f} bytes per token")


def _readable(token: bytes) -> str:
    """Quoted ASCII whatever the bytes and the terminal: ' the', '\\xc3\\xa9'."""
    return repr(token)[1:]


if __name__ == "__main__":
    run(main)
