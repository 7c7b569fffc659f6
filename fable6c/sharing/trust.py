"""Whether a stranger's model is worth having: its figure on a text that its maker has not seen, with an interval, measured in a process that is bounded.

    verdict = check("fetched.f6c", read_pieces("mine.txt"), "own.f6c")

What this cannot see: what a model does on text that is not like this one (docs/exchange.md, "What this cannot see").
"""

import dataclasses
import json
import lzma
import math
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Optional

from fable6c.data.text import normalize, read_documents
from fable6c.errors import UserError
from fable6c.evaluation.statistics import ratio

PIECE_CHARACTERS = 1500  # a longer document is cut at a line, so that an interval has something to draw from
MAX_CHARACTERS = 80_000  # of the text that are used: some 20,000 tokens
MIN_PIECES = 20
REMEMBERED_RUN = 50  # tokens, as in Carlini et al. 2023
MAX_REMEMBERED = 0.02  # of the pieces; one alone may be a formula
MAX_DEAD = 0.5
MAX_ANSWER = 1 << 20


@dataclasses.dataclass(frozen=True)
class Verdict:
    """score, compared: {"value", "low", "high", "count"} of evaluation/statistics.py: bits per character, and the difference to `against` (below 0: better);
    remembered: the share of pieces with a remembered run; longest: of these runs, in tokens; dead: see judge.py. reasons: why it is refused, none if not."""

    score: dict
    compared: dict
    against: str
    remembered: float
    longest: int
    dead: float
    reasons: list[str]


def read_pieces(path: str) -> list[str]:
    """The documents of a private text in pieces, as many as are used. UserError for one that is too short to say anything."""
    pieces: list[str] = []
    total = 0
    for document in map(normalize, read_documents([path])):
        for piece in cut(document):
            if total < MAX_CHARACTERS:
                pieces.append(piece)
                total += len(piece)
        if total >= MAX_CHARACTERS:
            break
    if len(pieces) < MIN_PIECES:
        raise UserError(
            f"{path}: has {len(pieces)} documents or pieces of {PIECE_CHARACTERS:,} characters; {MIN_PIECES} are needed to tell models apart"
        )
    return pieces


def cut(document: str) -> Iterable[str]:
    """A document in pieces of whole lines, of about PIECE_CHARACTERS; a longer line is cut at a blank."""
    while len(document) > PIECE_CHARACTERS:
        at = max(document.rfind("\n", 1, PIECE_CHARACTERS), 0) or max(document.rfind(" ", 1, PIECE_CHARACTERS), 0) or PIECE_CHARACTERS
        yield document[:at]
        document = document[at:].lstrip("\n")
    if document.strip():
        yield document


def check(path: str, pieces: Sequence[str], have: Optional[str] = None, memory: int = 1 << 30, seconds: int = 600) -> Verdict:
    """Measure a model on the pieces and say what speaks against it. `have`: the model that it must be better than; without one, xz must be worse.

    UserError where it cannot be measured: its reader rejects it, or it takes more than `memory` bytes or `seconds` of processor time."""
    found = ask(path, pieces, memory, seconds)
    characters = [len(piece) for piece in pieces]
    score = ratio(found["bits"], characters)
    if have is not None:
        before, against = ask(have, pieces, memory, seconds)["bits"], have
    else:
        before, against = packed_bits(pieces), "xz"
    compared = ratio([new - old for new, old in zip(found["bits"], before)], characters)
    by_heart = sum(run >= REMEMBERED_RUN for run in found["remembered"])
    reasons = []
    if compared["low"] > 0:
        reasons.append(f"it is worse than {against} on this text")
    elif compared["high"] >= 0:
        reasons.append(f"nothing shows that it is better than {against} on this text")
    if by_heart > max(1, MAX_REMEMBERED * len(pieces)):
        reasons.append(
            f"it knows passages of this text by heart ({by_heart / len(pieces):.1%} of the pieces), so its figure says nothing; give a text that it cannot have seen"
        )
    if found["dead"] > MAX_DEAD:
        reasons.append(f"{found['dead']:.0%} of a matrix is dead (zero in every weight)")
    return Verdict(score, compared, against, by_heart / len(pieces), max(found["remembered"]), found["dead"], reasons)


def packed_bits(pieces: Sequence[str]) -> list[float]:
    """What each piece costs where xz packs all of them: its bits, shared out by characters."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    bits = 8 * len(lzma.compress("\n".join(pieces).encode("utf-8", "replace"), lzma.FORMAT_RAW, filters=filters))
    total = sum(map(len, pieces))
    return [bits * len(piece) / total for piece in pieces]


def ask(path: str, pieces: Sequence[str], memory: int, seconds: int) -> dict:
    """What judge.py finds, in a process of its own. UserError where it finds nothing."""
    request = json.dumps({"model": path, "documents": list(pieces), "memory": memory, "seconds": seconds})
    command = [sys.executable, "-m", "fable6c.sharing.judge"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        answer, _ = child.communicate(
            request.encode(), timeout=10 * seconds + 60
        )  # on a busy machine the clock runs faster than the processor
    except subprocess.TimeoutExpired:
        raise UserError(f"{path}: was not measured within ten times the {seconds} s of --seconds; nothing is said about it") from None
    finally:
        child.kill()
        child.wait()
    if child.returncode:
        raise UserError(
            f"{path}: reading it took more than {memory >> 20} MiB or {seconds} s (--memory, --seconds), or ended its process (status {child.returncode}): refused"
        )
    try:
        found: dict[str, Any] = json.loads(answer[:MAX_ANSWER])
        if "refused" in found:
            raise UserError(str(found["refused"]) if path in str(found["refused"]) else f"{path}: {found['refused']}")
        lists = [found[name] for name in ("bits", "remembered", "tokens")]
        good = all(len(one) == len(pieces) and all(math.isfinite(number) and number >= 0 for number in one) for one in lists)
        if not good or not 0 <= found["dead"] <= 1:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: the process that measured it answered nothing that makes sense: refused") from None
    return found
