"""A cloze test in the manner of the Children's Book Test (Hill et al. 2016), made from held-out books that the person gives.

An item is some sentences of a book and the next one with a word left out; ten words of the same type that stand there or in the sentences
before are put into the gap, and the text with the right one must be the likeliest. Chance is 0.1. Types are told by rules, not by a parser:

    names          a capitalised word within a sentence
    nouns          a word after the, a, an, his, her, my, your, our or their, before a mark or one of a list of small words
    verbs          a word in -ed, or of a list of irregular past tenses, after a pronoun or a name
    prepositions   of a list

Nothing of the books is in the project or in the report: only how many were right.
"""

import random
import re
from collections.abc import Sequence

from fable6c.data.text import normalize, read_documents
from fable6c.evaluation.predictors import Predictor
from fable6c.evaluation.statistics import share
from fable6c.evaluation.tasks import Asked

NAME, TITLE = "cloze", "Cloze test of held-out books"
SENTENCES, MAX_CHARACTERS, MAX_SENTENCE = 8, 500, 200  # before the gap, and a sentence: some 200 tokens
CANDIDATE_SENTENCES = 40  # before the gap: the nine other words are from there
CHOICES = 10
ITEMS_OF_A_TYPE, QUICK_ITEMS = 100, 25
MAX_TEXT = 5_000_000
SEED = 29

PREPOSITIONS = set("in on at by for with from into under over to of up down behind near through about after before around between".split())
PAST = set(
    "was were had said went came saw took got made ran fell found gave knew thought told put sat stood heard felt left kept held began let "
    "brought caught flew ate drew grew threw sang rode wrote spoke broke woke slept lay led met lost won sent built bought read cut shut".split()
)
DETERMINERS = "the a an his her my your our their".split()
AFTER_NOUNS = set("and or but that who which was were is are had has of in on at by for with from to as when".split())
SUBJECTS = "he she it they we i you".split()


def run(asked: Asked) -> dict:
    if not asked.books:
        return {"skipped": "no held-out books were given (--books FILE)"}
    return score(asked.predictor, asked.books, QUICK_ITEMS if asked.quick else ITEMS_OF_A_TYPE, asked.progress)


def score(predictor: Predictor, paths: Sequence[str], of_a_type: int = ITEMS_OF_A_TYPE, progress: bool = False) -> dict:
    chosen = items(paths, of_a_type)
    if not chosen:
        return {"skipped": "the books gave no item: they are too short"}
    texts = [predictor.tokenizer.encode(before + word + after) for _, before, words, after in chosen for word in words]
    bits = [float(row.sum()) for row in predictor.alone(texts, progress)]
    right = [bits[i * CHOICES] < min(bits[i * CHOICES + 1 : (i + 1) * CHOICES]) for i in range(len(chosen))]
    types = {
        kind: share([r for r, item in zip(right, chosen) if item[0] == kind], [i for i, item in enumerate(chosen) if item[0] == kind])
        for kind in dict.fromkeys(item[0] for item in chosen)
    }
    return {"accuracy": share(right, range(len(right))), "chance": 1 / CHOICES, "types": types}


def items(paths: Sequence[str], of_a_type: int) -> list[tuple[str, str, list[str], str]]:
    """(type, text before the gap, ten words with the right one first, text after it), up to `of_a_type` of each type."""
    draw = random.Random(SEED)
    found: dict[str, list[tuple[str, str, list[str], str]]] = {"names": [], "nouns": [], "verbs": [], "prepositions": []}
    for sentences in _passages(paths):
        typed = [types_of(sentence) for sentence in sentences]
        for at in range(SENTENCES, len(sentences)):
            before = sentences[at - SENTENCES : at]
            while sum(map(len, before)) > MAX_CHARACTERS:
                before.pop(0)
            context, gap = " ".join(before) + " ", sentences[at]
            for kind, spans in typed[at].items():
                start, end = draw.choice(spans) if spans else (0, 0)
                earlier = range(max(0, at - CANDIDATE_SENTENCES), at + 1)
                others = list(dict.fromkeys(sentences[i][a:b] for i in earlier for a, b in typed[i][kind]))
                if end and gap[start:end] in others:
                    others.remove(gap[start:end])
                if end and kind == "prepositions":
                    others = sorted(PREPOSITIONS - {gap[start:end]})
                if end and len(others) >= CHOICES - 1:
                    found[kind].append((kind, context + gap[:start], [gap[start:end], *draw.sample(others, CHOICES - 1)], gap[end:]))
    return [item for rows in found.values() for item in draw.sample(rows, min(of_a_type, len(rows)))]


def types_of(text: str) -> dict[str, list[tuple[int, int]]]:
    """Where the words of each type stand in a text."""
    spans: dict[str, list[tuple[int, int]]] = {"names": [], "nouns": [], "verbs": [], "prepositions": []}
    words = list(re.finditer(r"[A-Za-z]+(?:'[a-z]+)?", text))
    for i, match in enumerate(words):
        word, before = match.group(), words[i - 1].group().lower() if i else ""
        between = text[words[i - 1].end() : match.start()] if i else "."
        after = words[i + 1].group().lower() if i + 1 < len(words) else ""
        mark = text[match.end() : match.end() + 1] in ".,;:!?"
        kind = ""
        if word[:1].isupper():
            kind = "names" if between == " " and word != "I" and not word.isupper() else ""
        elif word in PREPOSITIONS:
            kind = "prepositions"
        elif (
            (before in SUBJECTS or i and words[i - 1].group()[:1].isupper())
            and between == " "
            and (word in PAST or re.search("..ed$", word))
        ):
            kind = "verbs"
        elif before in DETERMINERS and between == " " and (mark or after in AFTER_NOUNS):
            kind = "nouns"
        if kind:
            spans[kind].append(match.span())
    return spans


def _passages(paths: Sequence[str]) -> list[list[str]]:
    """The sentences of each document, in order."""
    passages, characters = [], 0
    for document in read_documents(paths):
        text = normalize(document)[: MAX_TEXT - characters].replace("\n", " ")
        characters += len(text)
        passages.append([s for s in re.split(r"(?<=[.!?])[\"']? +(?=[\"'A-Z])", text) if 10 <= len(s) <= MAX_SENTENCE])
        if characters >= MAX_TEXT:
            break
    return passages
