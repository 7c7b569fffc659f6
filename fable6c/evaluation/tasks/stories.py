"""Stories: completions of fixed openings, judged by a rubric's proxies and beside real stories.

The rubric, and what stands for each line of it here:

    grammar        sentences that say a word twice (a word of four letters or more; told_twice), names joined to themselves ("Tim and Tim");
                   of sentences, where the program `link-parser` (Debian's link-grammar) is installed, the share that it accepts
    consistency    of stories, the share that says the hero's name again; of its pronouns in the told part, the share of the hero's kind
    plot, an end   of stories, the share that the model ended itself within the tokens that it had
    no loops       sentences that stood in the story before; stories in which six words stand three times
    variety        different words, pairs and triples of words among all that was told; self-BLEU (Zhu et al. 2018)
    memorisation   the longest run of words that stands in the training text, all of it searched, and how often runs are long

Real stories are measured the same way, cut to the same length, so that a proxy's figure has something to be compared with.
"""

import collections
import math
import random
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any, Optional

import numpy as np

from fable6c.data.text import normalize, read_documents
from fable6c.evaluation.predictors import Story
from fable6c.evaluation.statistics import share
from fable6c.evaluation.tasks import Asked
from fable6c.evaluation.tasks.knowledge import BOYS, GIRLS
from fable6c.evaluation.tasks.prediction import stories_of

NAME, TITLE = "stories", "Telling stories"
TOKENS = 250
QUICK_STORIES = 16
LONG_RUN = 10  # words of the training text in a row
SELF_BLEU_STORIES = 50
PARSED_SENTENCES = 300
PARSER_SECONDS = 900
EXAMPLES = 3

BEGINNINGS = (
    "Once upon a time, there was a little {kind} named {name}. {He} had a {thing}.",
    "One day, {name} went to the {place} with {his} {relative}.",
    "{name} was a {kind} who loved to {verb}. One morning, {he} woke up very early.",
    "{name} and {his} friend {friend} were in the {place}. They found a {thing}.",
    'One day, a {kind} named {name} saw a {thing}. "What is that?" {he} asked.',
)
THINGS = (
    "red ball/big box/small key/old hat/shiny stone/blue kite/little boat/yellow flower/toy train/soft bear/long rope/magic book/white shell/"
    "green bike/pretty ring/round drum/tiny car/sweet cake/warm blanket/brown puppy"
).split("/")
PLACES = "park forest beach garden kitchen zoo farm lake market yard".split()
VERBS = "dance/sing/run fast/climb trees/paint pictures/play with cars/help people/look at the stars/jump/bake cookies".split("/")
RELATIVES = "mom dad grandma grandpa brother sister".split()


def openings() -> list[tuple[str, str]]:
    """100 openings, each with its hero's name: the same in every run."""
    draw = random.Random(29)
    chosen: dict[str, str] = {}
    while len(chosen) < 100:
        number = len(chosen)
        girl = number % 2 == 0
        name, friend = draw.choice(GIRLS if girl else BOYS), draw.choice(BOYS if girl else GIRLS)
        words = {"kind": "girl", "he": "she", "He": "She", "his": "her"} if girl else {"kind": "boy", "he": "he", "He": "He", "his": "his"}
        text = BEGINNINGS[number // 2 % len(BEGINNINGS)].format(
            name=name, friend=friend, thing=draw.choice(THINGS), place=draw.choice(PLACES), verb=draw.choice(VERBS),
            relative=draw.choice(RELATIVES), **words,
        )  # fmt: skip
        chosen.setdefault(text, name)
    return list(chosen.items())


def run(asked: Asked) -> dict:
    count = min(asked.stories, QUICK_STORIES) if asked.quick else asked.stories
    chosen = openings()[:count]
    told = asked.predictor.tell([text for text, _ in chosen], TOKENS, list(range(1, count + 1)), asked.progress)
    figures: dict[str, Any] = {"openings": count, "most_tokens": TOKENS, "told": measure(chosen, told)}
    figures["told"].update(_heroes(chosen, told))
    stories = [story for path in asked.texts for story in _real(path)][:count]
    if stories:
        figures["real"] = measure([("", "")] * len(stories), [Story(text, True) for text in stories])
    else:
        figures["real"] = {"skipped": "no text with stories was given (--text FILE)"}
    if asked.corpus:
        search = Copies(opening + story.text for (opening, _), story in zip(chosen, told))
        figures["copied"] = search.look_in(read_documents(asked.corpus))
        if stories:
            figures["copied_real"] = Copies(stories).look_in(read_documents(asked.corpus))
    else:
        figures["copied"] = {"skipped": "no training text was given (--corpus FILE)"}
    figures["parser"] = parser_acceptance([opening + story.text for (opening, _), story in zip(chosen, told)], stories)
    figures["examples"] = [opening + story.text for (opening, _), story in list(zip(chosen, told))[:EXAMPLES]]
    figures["texts"] = [{"opening": opening, "told": story.text, "ended": story.ended} for (opening, _), story in zip(chosen, told)]
    return figures


def _real(path: str) -> list[str]:
    """The first 1,000 characters of each story of a text; none of a text that is not divided."""
    stories = stories_of(path)
    return [text[:1000].rpartition(" ")[0] if len(text) > 1000 else text for text in stories.texts] if stories.divided else []


def measure(chosen: Sequence[tuple[str, str]], told: Sequence[Story]) -> dict:
    """The proxies of stories after their openings."""
    texts = [opening + story.text for (opening, _), story in zip(chosen, told)]
    sentences = [(i, s) for i, text in enumerate(texts) for s in sentences_of(text)]
    stories = [i for i, _ in sentences]
    words = [words_of(text) for text in texts]
    grams = {n: [gram for row in words for gram in zip(*(row[k:] for k in range(n)))] for n in (1, 2, 3)}
    return {
        "stories": len(texts),
        "words": sum(map(len, words)),
        "ended": share([story.ended for story in told], range(len(told))),
        "told_twice": share([says_twice(s) for _, s in sentences], stories),
        "joined_to_themselves": sum(len(re.findall(r"\b([A-Z][a-z]+) and \1\b", text)) for text in texts),
        "sentences_again": share(_again(sentences), stories),
        "loops": share([_loops(row) for row in words], range(len(words))),
        "distinct": {str(n): len(set(rows)) / max(1, len(rows)) for n, rows in grams.items()},
        "self_bleu": self_bleu(words[:SELF_BLEU_STORIES]),
    }


def _heroes(chosen: Sequence[tuple[str, str]], told: Sequence[Story]) -> dict:
    """Whether the hero comes back, by name and by pronoun."""
    again, right = [], []
    groups = []
    for number, ((_, name), story) in enumerate(zip(chosen, told)):
        again.append(re.search(rf"\b{name}\b", story.text) is not None)
        own, other = (("she", "her"), ("he", "his", "him")) if name in GIRLS else (("he", "his", "him"), ("she", "her"))
        for word in words_of(story.text):
            if word in own or word in other:
                right.append(word in own)
                groups.append(number)
    figures = {"hero_again": share(again, range(len(again)))}
    return {**figures, "hero_pronouns": share(right, groups)} if right else figures


def measure_story(opening: str, hero: str, told: str, ended: bool) -> dict[str, float]:
    """The proxies of one story as numbers: told_twice, hero_pronouns (0.5 where there are none), ended, sentences_again, distinct (pairs)."""
    one = [(opening, hero)], [Story(told, ended)]
    figures, heroes = measure(*one), _heroes(*one)
    return {
        "told_twice": figures["told_twice"]["value"],
        "hero_pronouns": heroes["hero_pronouns"]["value"] if "hero_pronouns" in heroes else 0.5,
        "ended": float(ended),
        "sentences_again": figures["sentences_again"]["value"],
        "distinct": figures["distinct"]["2"],
    }


def sentences_of(text: str) -> list[str]:
    return [s.strip() for s in re.split(r"(?<=[.!?])[\"']?\s+|\n+", text) if re.search("[A-Za-z]", s)]


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())


def says_twice(sentence: str) -> bool:
    """Whether a word of four letters or more stands twice in it, names and speech included."""
    counts = collections.Counter(word for word in words_of(sentence) if len(word) >= 4)
    return max(counts.values(), default=0) > 1


def _again(sentences: Sequence[tuple[int, str]]) -> list[bool]:
    """Of each sentence of four words or more, whether its story has had it before."""
    seen: set[tuple[int, str]] = set()
    out = []
    for story, sentence in sentences:
        key = (story, " ".join(words_of(sentence)))
        out.append(key in seen and key[1].count(" ") >= 3)
        seen.add(key)
    return out


def _loops(words: Sequence[str]) -> bool:
    counts = collections.Counter(zip(*(words[k:] for k in range(6))))
    return max(counts.values(), default=0) >= 3


def self_bleu(texts: Sequence[Sequence[str]]) -> Optional[float]:
    """The mean BLEU-4 (Papineni et al. 2002, counts plus one from pairs on) of each text with all others as references: the higher, the more
    alike; None for fewer than two."""
    grams = [[collections.Counter(zip(*(words[k:] for k in range(n)))) for n in range(1, 5)] for words in texts]
    scores = []
    for i, own in enumerate(grams):
        logs = 0.0
        for n in range(4):
            most: collections.Counter = collections.Counter()
            for j, other in enumerate(grams):
                if j != i:
                    most |= other[n]
            total = sum(own[n].values())
            hit = sum(min(count, most[gram]) for gram, count in own[n].items())
            logs += math.log((hit + (n > 0)) / (total + (n > 0))) if hit + n and total else -math.inf
        scores.append(math.exp(logs / 4))
    return float(np.mean(scores)) if len(scores) > 1 else None


class Copies:
    """Finds in a large text the longest runs of words of some small ones, exactly (by 64-bit hashes), case and marks aside.

    Runs grow by a word at a time; only what matched so far, on either side, is looked at again.
    """

    def __init__(self, texts: Iterable[str]):
        self._words = [words_of(text) for text in texts]
        self._lengths = [np.zeros(len(words), np.int64) for words in self._words]  # of the longest run that begins at each word

    def look_in(self, documents: Iterable[str]) -> dict:
        """{"longest": words of the longest run, "passage": it, "in_runs": the share of words in runs of LONG_RUN or more, "mean": over texts
        of each one's longest run, "texts_with_long_runs"}"""
        chunk: list[int] = []
        numbers: dict[str, int] = {}
        own = [np.array([numbers.setdefault(word, len(numbers) + 1) for word in words], np.uint64) for words in self._words]
        for document in documents:
            chunk += [numbers.get(word, 0) for word in words_of(normalize(document))]
            chunk.append(0)  # a word that no text has: no run goes over it
            if len(chunk) > 4_000_000:
                self._grow(np.array(chunk, np.uint64), own)
                chunk = []
        self._grow(np.array(chunk, np.uint64), own)
        best = [int(lengths.max(initial=0)) for lengths in self._lengths]
        longest = int(np.argmax(best)) if best else 0
        covered = [_covered(lengths) for lengths in self._lengths]
        start = int(self._lengths[longest].argmax()) if best else 0
        return {
            "longest": max(best, default=0),
            "passage": " ".join(self._words[longest][start : start + best[longest]]) if best else "",
            "mean": float(np.mean(best)) if best else 0.0,
            "texts_with_long_runs": share([length >= LONG_RUN for length in best], range(len(best))),
            "in_runs": share([bool(hit) for row in covered for hit in row], [i for i, row in enumerate(covered) for _ in row]),
            "long_run": LONG_RUN,
        }

    def _grow(self, large: np.ndarray, own: Sequence[np.ndarray]) -> None:
        small = np.concatenate([part for words in own for part in (words, np.zeros(1, np.uint64))])
        size, at_small, at_large = 0, np.flatnonzero(small), np.flatnonzero(large)
        runs = np.zeros(len(small), np.int64)
        hash_small, hash_large = np.zeros(len(at_small), np.uint64), np.zeros(len(at_large), np.uint64)
        while len(at_small) and len(at_large):
            hash_small, at_small = _longer(hash_small, at_small, small, size)
            hash_large, at_large = _longer(hash_large, at_large, large, size)
            common = np.intersect1d(hash_small, hash_large)
            kept_small, kept_large = np.isin(hash_small, common), np.isin(hash_large, common)
            hash_small, at_small = hash_small[kept_small], at_small[kept_small]
            hash_large, at_large = hash_large[kept_large], at_large[kept_large]
            size += 1
            runs[at_small] = size
        start = 0
        for lengths in self._lengths:
            np.maximum(lengths, runs[start : start + len(lengths)], out=lengths)
            start += len(lengths) + 1


def _longer(hashes: np.ndarray, places: np.ndarray, words: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of runs with one more word, where there is one."""
    inside = places + size < len(words)
    hashes, places = hashes[inside], places[inside]
    following = words[places + size]
    known = following > 0
    hashes, places = hashes[known], places[known]
    mixed = (hashes ^ following[known]) * np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(29)), places


def _covered(lengths: np.ndarray) -> np.ndarray:
    """Which words stand in a run of LONG_RUN or more."""
    change = np.zeros(len(lengths) + 1, np.int64)
    for start in np.flatnonzero(lengths >= LONG_RUN).tolist():
        change[start] += 1
        change[start + int(lengths[start])] -= 1
    return np.cumsum(change)[:-1] > 0


def parser_acceptance(told: Sequence[str], real: Sequence[str]) -> dict:
    """The shares of sentences that link-parser takes whole: of those told, of real ones, and of real ones with their words shuffled."""
    program = shutil.which("link-parser")
    if program is None:
        return {"skipped": "the program link-parser is not installed (Debian: apt install link-grammar)"}
    draw = random.Random(29)
    figures: dict[str, Any] = {}
    groups = {"told": _parsable(told), "real": _parsable(real)}
    groups["shuffled"] = [" ".join(draw.sample(s[:-1].split(), len(s[:-1].split()))) + s[-1] for s in groups["real"]]
    verdicts = _verdicts(program, [sentence for sentences in groups.values() for sentence in sentences])
    if verdicts is None:
        return {"skipped": "link-parser did not answer each sentence"}
    for name, sentences in groups.items():
        if sentences:
            figures[name] = share(verdicts[: len(sentences)], range(len(sentences)))
            verdicts = verdicts[len(sentences) :]
    return figures


def _parsable(texts: Sequence[str]) -> list[str]:
    """Whole sentences without speech, 4 to 20 words."""
    sentences = [s for text in texts for s in sentences_of(text) if s[-1] in ".!?" and '"' not in s and 4 <= len(s.split()) <= 20]
    return random.Random(29).sample(sentences, min(PARSED_SENTENCES, len(sentences)))


def _verdicts(program: str, sentences: Sequence[str]) -> Optional[list[bool]]:
    """Whether the parser links all words of each sentence by its rules; None where it does not answer each."""
    command = [program, "en", "-echo=1", "-verbosity=1", "-graphics=0", "-null=0", "-panic=0", "-timeout=5"]
    try:
        done = subprocess.run(command, input="".join(f"{s}\n" for s in sentences), capture_output=True, text=True, timeout=PARSER_SECONDS)
    except (subprocess.TimeoutExpired, OSError):
        return None
    taken: list[bool] = []
    for line in done.stdout.splitlines():
        if len(taken) < len(sentences) and line.strip() == sentences[len(taken)]:  # it repeats each sentence before it answers
            taken.append(False)
        found = re.match(r"Found \d+ linkages? \((\d+)", line)
        if taken and found:
            taken[-1] = found[1] != "0"
    return taken if len(taken) == len(sentences) else None
