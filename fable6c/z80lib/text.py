"""Text in and out: what the network sees of a line that a person typed, and the files that it learns from.

A line becomes a list of row numbers, one for each trigram, word and pair of words: its hash modulo the number of rows. All hashes are
h = 31 h + c modulo 65,536, which a Z80 does by doubling five times. z80/assembly/line.asm is the same in its language.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional

from fable6c.errors import UserError
from fable6c.files import open_file

LINE = 80  # characters that a person can type
ANSWER = 40  # characters of a reply
MAX_BYTES = 64 << 20  # of a training text, which is held in memory with all that is made of it
ROWS_OF_A_LINE = 95  # more rows are left out: 95 rows and the context's, as signed bytes, cannot overflow (model.py)

# Where a hash starts, so that a word is not a pair of the same letters.
WORD, PAIR, SAID = 0x1234, 0x5A5A, 0x7B1D
AT, LAST, TWO, ALL = 0x2000, 0x4100, 0x6300, 0x0500  # of the reply so far


def hashed(seed: int, characters: str) -> int:
    for character in characters:
        seed = (31 * seed + ord(character)) & 0xFFFF
    return seed


def normalize(line: str) -> str:
    """Lower case; apostrophes vanish; all but letters and digits is space; single spaces. "Don't you?" -> "dont you" """
    return " ".join(re.sub(r"[^a-z0-9]+", " ", line.lower().replace("'", "")).split())


def hashes(line: str) -> list[int]:
    """The hashes of a normalized line in the order in which the machine meets them, reading it once."""
    found, last_word, word, pair = [], 0, WORD, PAIR
    text = f" {line} " if line else " "
    for place in range(1, len(text)):
        character = ord(text[place])
        if place >= 2:
            found.append((31 * hashed(0, text[place - 2 : place]) + character) & 0xFFFF)
        if character != 32:
            word, pair = (31 * word + character) & 0xFFFF, (31 * pair + character) & 0xFFFF
        else:
            found += [word, pair]
            last_word, word, pair = word, WORD, (word + PAIR) & 0xFFFF
    return found + [(last_word + PAIR) & 0xFFFF]  # the last word and the end


class Memory(NamedTuple):
    """What was said before: the hashes of the last reply and of the one before it (0: there was none)."""

    last: int = 0
    older: int = 0

    def hashes(self) -> list[int]:
        """A row that comes several times weighs more: one row is little among the thirty of a line."""
        return [(self.last + SAID) & 0xFFFF] * 3 + [(self.older + 2 * SAID) & 0xFFFF] * 2

    def after(self, reply: str) -> "Memory":
        return Memory(hashed(ALL, reply), self.last)


def rows(line: str, count: int, memory: Optional[Memory] = None) -> list[int]:
    """The rows of a table of `count` that a line selects. A row may come twice."""
    found = (memory.hashes() if memory else []) + hashes(normalize(line))
    return [value % count for value in found[:ROWS_OF_A_LINE]]


# ---- training texts


@dataclasses.dataclass(frozen=True)
class Example:
    """`line` is what a person types, `answer` what comes back; `secret` what the program thinks of; `place` where it stood."""

    line: str
    answer: str
    secret: str = ""
    starts: bool = False  # the first line of a conversation
    place: str = ""


def read_examples(path: str, answers: Sequence[str] = (), secrets: bool = False) -> list[Example]:
    """The lines `line|ANSWER` (or `secret|line|ANSWER`) of a text. Raises UserError with the first wrong line's place."""
    try:
        with open_file(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a text with lines like: are you a robot|YES") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"{path}: has more than {MAX_BYTES >> 20} MiB, more than a table of 80 KB can learn; give a shorter text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: byte {content[error.start]:#04x} is not UTF-8; save the text as UTF-8") from None
    return parse_examples(text.splitlines(), path, answers, secrets)


def parse_examples(lines: Iterable[str], path: str, answers: Sequence[str] = (), secrets: bool = False) -> list[Example]:
    found: list[Example] = []
    starts = True
    pattern = "secret|line|ANSWER" if secrets else "line|ANSWER"
    for number, text in enumerate(lines, 1):
        place, text = f"{path}, line {number}", text.strip()
        if not text or text.startswith("#"):
            starts = starts or not text
            continue
        fields = [field.strip() for field in text.split("|")]
        if len(fields) != (3 if secrets else 2):
            raise UserError(f"{place}: {text!r} has {len(fields) - 1} separators '|'; write {pattern}")
        secret, (line, answer) = (fields[0] if secrets else ""), fields[-2:]
        if secrets and not secret:
            raise UserError(f"{place}: {text!r} names no secret; write {pattern}")
        odd = re.search(r"[^ -~]", text)
        if odd:
            raise UserError(
                f"{place}: {odd.group()!r} (U+{ord(odd.group()):04X}) is no character of the machine, which has ASCII only; replace it"
            )
        if not normalize(line):
            raise UserError(f"{place}: {line!r} has no letter or digit to learn from; write {pattern}")
        if line.startswith("/") or normalize(line) == "quit":
            raise UserError(f"{place}: {line!r} is a command of the program, so no model ever sees it; remove the line")
        if len(line) > LINE:
            raise UserError(f"{place}: the line has {len(line)} characters, the machine reads {LINE}; shorten it")
        if not 1 <= len(answer) <= ANSWER:
            raise UserError(f"{place}: the answer has {len(answer)} characters; the machine gives 1 to {ANSWER}")
        if answers and answer not in answers:
            raise UserError(f"{place}: the answer {answer!r} is not one of {', '.join(answers)}; correct it or --answers")
        found.append(Example(line, answer, secret, starts, place))
        starts = False
    if not found:
        raise UserError(f"{path}: holds no example; write lines like: are you a robot|YES")
    return found


def memories(examples: Sequence[Example]) -> list[Memory]:
    """What was said before each example of conversations."""
    found: list[Memory] = []
    memory = Memory()
    for example in examples:
        if example.starts:
            memory = Memory()
        found.append(memory)
        memory = memory.after(example.answer)
    return found
