"""Pick the very stories out of public files that a model learned from: python -m fable6c.corpus keys, python -m fable6c.corpus select.

    python -m fable6c.corpus keys train.txt.zst -o stories.keys             # who has the text writes down which stories it has
    python -m fable6c.corpus select corpora/ --keys stories.keys -o train.txt    # who has the public files gets the text

A story's key is the start of the SHA-256 of its letters and digits, in lower case and without all that is not ASCII. So a story is
known again whatever a copy does to line ends, blanks, quotation marks or damaged characters. Of five million stories two share
a key of 48 bits by chance once in twenty such collections; that one of 20,000 chosen ones is mistaken, once in three thousand. A file of
keys holds no text, and nobody can read one out of it.

The file: a line with the number of stories and the SHA-256 of the text that they make, then the keys, in the order of the text.
"""

import hashlib
import re
import string
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional, Union

from fable6c.cli import ArgumentParser, print_next
from fable6c.corpus.encodings import Undecodable, decode
from fable6c.corpus.filters import Settings
from fable6c.corpus.readers import Raw, Unreadable, read, size_of
from fable6c.errors import UserError
from fable6c.files import atomic_file, atomic_write, open_file
from fable6c.model.tokenizer import END_OF_TEXT
from fable6c.progress import Progress

KEY_DIGITS = 12  # of the SHA-256, in hexadecimal
HEAD = "fable6c keys 1: {} stories, SHA-256 of the text {}"
MAX_KEYS_BYTES = 1 << 28  # of a file of keys: twenty million stories
_LOWER = bytes.maketrans(string.ascii_uppercase.encode(), string.ascii_lowercase.encode())
_NO_LETTER = bytes(set(range(256)) - set((string.ascii_letters + string.digits).encode()))


class Keys(NamedTuple):
    """Which stories make a text, in its order, and the SHA-256 of that text."""

    keys: list[str]
    sha256: str


def key_of(story: Union[bytes, str]) -> str:
    """The key of a story, as text or as its bytes in any encoding that has ASCII in it."""
    data = story.encode("utf-8") if isinstance(story, str) else story
    return hashlib.sha256(data.translate(_LOWER, _NO_LETTER)).hexdigest()[:KEY_DIGITS]


def document_of(story: Union[bytes, str]) -> bytes:
    """The story as it stands in the text: lines divided by one line end, an end mark behind. Undecodable for what is no text."""
    text = story if isinstance(story, str) else decode(story)[0]
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n")
    return "\n".join([*(line for line in lines if line.strip()), END_OF_TEXT, ""]).encode("utf-8")


def _stories(paths: Sequence[str]) -> Iterator[Union[bytes, str]]:
    with Progress("reading", size_of(paths), "bytes") as progress:
        for raw in read(paths, Settings(), progress.add):
            if isinstance(raw, Unreadable):
                print(f"{raw.origin}: {raw.reason}", file=sys.stderr)
            elif isinstance(raw, Raw):
                yield raw.content


def make_keys(paths: Sequence[str]) -> Keys:
    """The keys of all stories of a text, and the SHA-256 of that text as `select` would write it."""
    keys: list[str] = []
    sha256 = hashlib.sha256()
    for story in _stories(paths):
        try:
            document = document_of(story)
        except Undecodable as error:
            raise UserError(f"{paths[0]}: story {len(keys) + 1} is not text ({error}); give the text that was learned") from None
        keys.append(key_of(story))
        sha256.update(document)
    if not keys:
        raise UserError(f"{paths[0]}: holds no story; give the text that was learned")
    return Keys(keys, sha256.hexdigest())


def write_keys(path: str, keys: Keys) -> None:
    atomic_write(path, "\n".join([HEAD.format(len(keys.keys), keys.sha256), *keys.keys, ""]).encode("ascii"))


def read_keys(path: str) -> Keys:
    """A file of `write_keys`. UserError, naming the line, for anything else."""
    try:
        with open_file(path) as file:
            data = file.read(MAX_KEYS_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    head, *lines = data.decode("latin-1").split("\n")
    found = re.fullmatch(re.escape(HEAD).replace(r"\{\}", "(.*)"), head.rstrip("\r"))
    if len(data) > MAX_KEYS_BYTES or not found or not re.fullmatch("[0-9]{1,9}", found[1]) or not re.fullmatch("[0-9a-f]{64}", found[2]):
        raise UserError(f"{path}: is not a file of keys; give one made by `python -m fable6c.corpus keys`")
    keys = [line.rstrip("\r") for line in lines if line.strip()]
    for number, key in enumerate(keys, 2):
        if not re.fullmatch(f"[0-9a-f]{{{KEY_DIGITS}}}", key):
            raise UserError(f"{path}: line {number} is {key[:20]!r}, not a key of {KEY_DIGITS} hexadecimal digits; get the file again")
    if len(keys) != int(found[1]):
        raise UserError(f"{path}: has {len(keys):,} keys, its first line says {int(found[1]):,}; get the file again")
    return Keys(keys, found[2])


def select(paths: Sequence[str], keys: Keys, output: str) -> int:
    """Write the stories with these keys to `output`, in their order; returns how many of them were nowhere. UserError, and no file, if all."""
    wanted = set(keys.keys)
    found: dict[str, bytes] = {}
    for story in _stories(paths):
        key = key_of(story)
        if key in wanted and key not in found:
            found[key] = document_of(story)
    if not found:
        raise UserError(f"none of the {len(keys.keys):,} stories is in these files; give the files that the keys are of")
    sha256, size = hashlib.sha256(), 0
    with atomic_file(output) as file:
        for key in keys.keys:
            document = found.get(key, b"")
            sha256.update(document)
            size += len(document)
            file.write(document)
    missing = sum(key not in found for key in keys.keys)
    if sha256.hexdigest() == keys.sha256:
        same = "byte for byte the text that the keys were made of"
    elif missing:
        same = "the others are missing"
    else:
        same = "but for characters that are neither letters nor digits the text that the keys were made of"
    print(f"{output}: {len(keys.keys) - missing:,} of {len(keys.keys):,} stories, {size:,} bytes; {same}")
    return missing


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.corpus",
        "Write down which stories a text has, and pick them out of public files.",
        "python -m fable6c.corpus select corpora/ --keys release/stories.keys -o train.txt",
    )
    commands = parser.subcommands()
    one = commands.add_parser(
        "keys", purpose="Write down which stories a text has, without the text.", help="write down which stories a text has",
        example="python -m fable6c.corpus keys train.txt.zst -o stories.keys",
    )  # fmt: skip
    one.add_argument("text", nargs="+", metavar="PATH", help="the text: files and folders, as `clean` reads them")
    one.add_argument("-o", "--output", required=True, metavar="FILE", help="the file of keys to write")
    two = commands.add_parser(
        "select", purpose="Pick the stories with these keys out of files, in the order of the keys.", help="pick stories out of files",
        example="python -m fable6c.corpus select corpora/ --keys release/stories.keys -o train.txt",
    )  # fmt: skip
    two.add_argument("text", nargs="+", metavar="PATH", help="files and folders, as `clean` reads them")
    two.add_argument("--keys", required=True, metavar="FILE", help="a file made by `python -m fable6c.corpus keys`")
    two.add_argument("-o", "--output", required=True, metavar="FILE", help="the text to write")
    options = parser.parse_args(argv)
    if options.command == "keys":
        keys = make_keys(options.text)
        write_keys(options.output, keys)
        print(f"{options.output}: {len(keys.keys):,} stories")
        return
    keys = read_keys(options.keys)
    missing = select(options.text, keys, options.output)
    if missing:
        raise UserError(
            f"{missing:,} of the {len(keys.keys):,} stories are not in these files; {options.output} holds the rest: give all the files that the keys are of"
        )
    print_next("train", "--corpus", options.output)
