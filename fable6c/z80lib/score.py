"""Held-out accuracy as in docs/z80.md: what is kept out of training, and what the nearest neighbours of a line would answer."""

import collections
import heapq
import random
from collections.abc import Sequence

from fable6c.z80lib.text import Example, normalize

SUBJECTS = ("it", "you", "this", "that", "they", "there", "a", "an", "the")


def template(line: str) -> str:
    """The way of asking: a line's first word, and its second if that is a subject. "Is the thing sharp?" -> "is thing" """
    words = normalize(line).replace("the thing", "thing").split()
    return " ".join(words[:1] + [word for word in words[1:2] if word in (*SUBJECTS, "thing")])


def split(examples: Sequence[Example], share: float = 0.05, seed: int = 1234, by: str = "query") -> tuple[list[Example], list[Example]]:
    """(training, held out). by: "query", no line of the one is in the other; or "template", no way of asking is."""
    groups: dict[str, set] = collections.defaultdict(set)
    lines = {example.line for example in examples}
    for line in lines:
        groups[line if by == "query" else template(line)].add(line)
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    held: set = set()
    for name in names:
        # A template with a fifth of all lines would be the whole test.
        if len(held) + len(groups[name]) <= 1.2 * share * len(lines) or not held and by == "query":
            held |= groups[name]
        if len(held) >= share * len(lines):
            break
    return [each for each in examples if each.line not in held], [each for each in examples if each.line in held]


def trigrams(line: str) -> frozenset:
    text = f"  {normalize(line)} "
    return frozenset(text[place : place + 3] for place in range(len(text) - 2))


def nearest_neighbours(train: Sequence[Example], test: Sequence[Example], neighbours: int = 5) -> float:
    """The accuracy of the commonest answer among the lines with the most trigrams in common (Jaccard), each distinct example once."""
    known = sorted({(example.line, example.answer) for example in train})
    sets = [trigrams(line) for line, _ in known]
    having: dict[str, list[int]] = collections.defaultdict(list)
    for number, each in enumerate(sets):
        for trigram in each:
            having[trigram].append(number)
    right = 0
    for example in test:
        wanted = trigrams(example.line)
        shared = collections.Counter(number for trigram in sorted(wanted) for number in having.get(trigram, ()))
        likeness = ((-count / (len(wanted) + len(sets[number]) - count), number) for number, count in shared.items())
        nearest = heapq.nsmallest(neighbours, likeness)
        votes = collections.Counter(known[number][1] for _, number in nearest)
        right += bool(votes) and votes.most_common(1)[0][0] == example.answer
    return right / len(test)
