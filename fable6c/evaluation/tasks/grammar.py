"""Grammar by minimal pairs: Zorro (Huebner et al. 2021) and BLiMP (Warstadt et al. 2020), where their files are.

A pair is right if the good sentence, alone, has the higher sum of log-probabilities. The figure is the mean over paradigms; its interval
is over paradigms. Chance is 0.5. Zorro's sentences are written as a model of cased text knows them: no space before ? . ! , n't 's,
the first letter large.
"""

import re
from collections.abc import Sequence

from fable6c.data.text import zstd_blocks
from fable6c.errors import UserError
from fable6c.evaluation.predictors import Predictor
from fable6c.evaluation.statistics import ratio
from fable6c.evaluation.tasks import Asked
from fable6c.files import open_file

NAME, TITLE = "grammar", "Grammar"
QUICK_PAIRS = 40
MAX_BYTES = 1 << 26
COLUMNS = {"zorro": ["paradigm", "bad", "good"], "blimp": ["paradigm", "field", "term", "bad", "good"]}


def run(asked: Asked) -> dict:
    files = {"zorro": asked.zorro, "blimp": asked.blimp}
    given = {name: path for name, path in files.items() if path}
    if not given:
        return {"skipped": "no test was given (--zorro FILE, --blimp FILE)"}
    pairs = min(asked.pairs, QUICK_PAIRS) if asked.quick else asked.pairs
    return {name: score(asked.predictor, read_pairs(path, name), pairs, asked.progress) for name, path in given.items()}


def read_pairs(path: str, test: str) -> dict[str, list[tuple[str, str]]]:
    """The pairs (bad, good) of each paradigm. UserError for a file that is not this test."""
    columns = COLUMNS[test]
    try:
        with open_file(path) as file:
            if path.endswith(".zst"):
                blocks, size = [], 0
                for block in zstd_blocks(file):
                    blocks.append(block)
                    size += len(block)
                    if size > MAX_BYTES:
                        break
                data = b"".join(blocks)
            else:
                data = file.read(MAX_BYTES + 1)
        lines = data.decode("utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except Exception as error:  # not zstd, ends early, not UTF-8
        raise UserError(f"{path}: cannot be read as a table of text ({' '.join(str(error).split())}); copy it again") from None
    if len(data) > MAX_BYTES or not lines or lines[0].split("\t") != columns:
        raise UserError(f"{path}: is not the test {test} (its first line must be {', '.join(columns)}, divided by tabs)")
    pairs: dict[str, list[tuple[str, str]]] = {}
    for number, line in enumerate(lines[1:], 2):
        fields = line.split("\t")
        if len(fields) != len(columns):
            raise UserError(f"{path}: line {number} has {len(fields)} columns instead of {len(columns)}; copy it again")
        bad, good = fields[-2:]
        pairs.setdefault(fields[0], []).append((cased(bad), cased(good)) if test == "zorro" else (bad, good))
    return pairs


def cased(sentence: str) -> str:
    """A sentence of Zorro as a book would have it: "does n't she see the dog ?" gives "Doesn't she see the dog?"."""
    sentence = re.sub(r" (n't\b|'s\b|[?.!,])", r"\1", sentence)
    return sentence[:1].upper() + sentence[1:]


def score(predictor: Predictor, pairs: dict[str, list[tuple[str, str]]], most: int, progress: bool = False) -> dict:
    """{"accuracy": the mean over paradigms with its interval, "pairs", "paradigms": {name: share}}; the first `most` pairs of each."""
    chosen = {name: rows[:most] for name, rows in pairs.items()}
    sentences = [sentence for rows in chosen.values() for pair in rows for sentence in pair]
    bits = [float(row.sum()) for row in predictor.alone([predictor.tokenizer.encode(text) for text in sentences], progress)]
    shares, at = {}, 0
    for name, rows in chosen.items():
        shares[name] = _right(bits[at : at + 2 * len(rows)])
        at += 2 * len(rows)
    return {
        "accuracy": ratio(list(shares.values()), [1.0] * len(shares)),
        "chance": 0.5,
        "pairs": len(sentences) // 2,
        "pairs_of_a_paradigm": most,
        "paradigms": shares,
    }


def _right(bits: Sequence[float]) -> float:
    """The share of pairs (bad, good, bad, good, …) whose good sentence is cheaper; of two that cost the same, half a point."""
    points = [1.0 if good < bad else 0.5 if good == bad else 0.0 for bad, good in zip(bits[::2], bits[1::2])]
    return sum(points) / len(points)
