"""Questions that a rule makes of a text that the scout has read, and what it answers. METHOD.md explains."""

import collections
import itertools
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads

import common
from common import Failure, Record

sys.path.insert(0, common.ROOT)  # the checkout's package, whatever is installed

from fable6c.corpus.instruct import Survey, draw_for, sentences
from fable6c.corpus.questions import SHARE, Rules, of_line, with_questions
from fable6c.data.text import normalize, read_documents
from fable6c.model.tokenizer import END_OF_TEXT

PROGRAM = os.path.join(common.ROOT, "build", "scout")
KINDS = ("Who", "What", "Where")
SEEDS = (1, 2)
EACH = 110  # questions of each kind and seed
CHARACTERS = 5_000_000  # of the corpus that are read and asked about
WORD = re.compile(r"[A-Za-z0-9\u0080-\U0010ffff]+")
SPAN = re.compile(r"[A-Za-z0-9\u0080-\U0010ffff]+(?:['-][A-Za-z0-9\u0080-\U0010ffff]+)*")


def main() -> None:
    options = common.corpus_parser().parse_args()
    if not os.path.exists(PROGRAM):
        raise Failure("build/scout is not there; run `make scout`")
    work = os.path.join(common.BUILD, "ask")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    documents = stories(os.path.abspath(options.corpus), options.quick)
    record = Record("ask", options.quick)
    each = 10 if options.quick else EACH
    rules = Rules(Survey(documents))
    draws, made = drawn(documents, rules, each)
    held_out = frozenset(question.sentence for draw in draws for question, _ in draw)
    texts = {"plain": os.path.join(work, "plain.txt"), "asked": os.path.join(work, "asked.txt")}
    count = 0
    with open(texts["plain"], "w", encoding="utf-8") as plain, open(texts["asked"], "w", encoding="utf-8") as asked:
        for document in documents:
            text, questions = with_questions(document, rules, SHARE, draw_for(document, 1), held_out)
            plain.write(f"{document}\n{END_OF_TEXT}\n")
            asked.write(f"{text}\n{END_OF_TEXT}\n")
            count += questions
    common.say(f"{made:,} questions about {len(documents):,} documents; {count:,} read, {sum(map(len, draws))} held out")
    rows: dict = {}
    for name, text in (("the scout, having read questions", "asked"), ("the scout, having read none", "plain")):
        path = os.path.join(work, "x.scout")
        common.say(f"reading {text}")
        run([PROGRAM, "train", texts[text], "-o", path, "--memory", "512M"])
        rows[name] = [scored(draw, asked_of(path, draw, texts["plain"])) for draw in draws]
    common.say("the plain rules")
    overlap = Overlap(documents)
    rows["most words in common, first words not in the question"] = [
        scored(draw, [overlap.answer(q.text) for q, _ in draw]) for draw in draws
    ]
    frequent = most_frequent(documents, rules, held_out)
    rows["the most frequent answer to such a question"] = [scored(draw, [(frequent[kind_of(q)], "", 0) for q, _ in draw]) for draw in draws]
    rows["chance: any words of the right sentence"] = [by_chance(draw) for draw in draws]
    record.figures["rows"] = rows
    record.figures["questions"] = {"made": made, "read": count, "documents": len(documents)}
    examples = rows["the scout, having read questions"][0]["given"]
    with open(os.path.join(work, "examples.json"), "w", encoding="utf-8") as file:
        json.dump(examples, file, indent=1)
    for row in itertools.chain.from_iterable(rows.values()):
        row.pop("given", None)
    for what, title in (("exact", "Answers that are right, word for word"), ("quote", "Quotes that are the right sentence")):
        table(record, title, rows, what, draws)
    bars = {
        "right, %": {name: common.summary([100 * row["exact"]["all"][0] / row["exact"]["all"][1] for row in r]) for name, r in rows.items()}
    }
    record.write(bars, "%", options.json)


def stories(corpus: str, quick: bool) -> list[str]:
    if quick:
        from fable6c.corpus.synth import documents as synthesise

        return [normalize(document) for document in synthesise(1, 600_000)]
    path = os.path.join(corpus, "train.txt.zst")
    if not os.path.exists(path):
        raise Failure(f"{corpus} has no train.txt.zst; name the folder with --corpus")
    documents, size = [], 0
    for document in map(normalize, read_documents([path])):
        documents.append(document)
        size += len(document)
        if size >= CHARACTERS:
            break
    return documents


def drawn(documents: Sequence[str], rules: Rules, each: int) -> tuple[list[list], int]:
    """For each seed `each` questions of each kind, with the number of the document; and how many the rules make of all.

    Only those are drawn that the rules make once in the whole text: others have more than one answer. No sentence comes twice.
    """
    found = [(q, number) for number, document in enumerate(documents, 1) for line in document.split("\n") for q in of_line(rules, line)]
    times = collections.Counter(question.text for question, _ in found)
    once = [(question, number) for question, number in found if times[question.text] == 1]
    draws, used = [], set()
    for seed in SEEDS:
        draw, rest = [], once[:]
        random.Random(seed).shuffle(rest)
        for kind in KINDS:
            for question, number in rest:
                if kind_of(question) == kind and question.sentence not in used and sum(kind_of(q) == kind for q, _ in draw) < each:
                    draw.append((question, number))
                    used.add(question.sentence)
        draws.append(draw)
    return draws, len(found)


def kind_of(question) -> str:
    return question.text.split()[0]


def run(command: list, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command[:3])}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return done.stdout


def asked_of(scout: str, draw: list, text: str) -> list[tuple[str, str, int]]:
    """(answer, quote, document) for each question."""
    out = run([PROGRAM, "ask", scout, "--text", text, "--json"], input="\n".join(question.text for question, _ in draw))
    answers = [json.loads(line) for line in out.splitlines()]
    if [answer["question"] for answer in answers] != [question.text for question, _ in draw]:
        raise Failure("scout ask: answers to other questions")
    return [(answer["answer"], answer["quote"], answer["document"]) for answer in answers]


def scored(draw: list, answers: Iterable[tuple[str, str, int]]) -> dict:
    """{exact, quote: {kind or "all": (right, of)}}, and what was given."""
    exact, quotes, given = collections.Counter(), collections.Counter(), []
    for (question, number), (answer, quote, document) in zip(draw, answers):
        right = answer.lower() == question.answer.lower()
        found = document == number and (question.sentence in quote or bool(quote) and quote in question.sentence)
        for kind in (kind_of(question), "all"):
            exact[kind] += right
            quotes[kind] += found
        given.append({**question._asdict(), "document": number, "given": answer, "quote": quote, "right": right, "found": found})
    of = collections.Counter(kind_of(question) for question, _ in draw)
    of["all"] = len(draw)
    return {
        "exact": {kind: (exact[kind], of[kind]) for kind in of},
        "quote": {kind: (quotes[kind], of[kind]) for kind in of},
        "given": given,
    }


class Overlap:
    """The baseline: the first sentence that shares the most different words with the question; of it, the first words that the question has not."""

    def __init__(self, documents: Sequence[str]):
        self.sentences = [(s, n) for n, document in enumerate(documents, 1) for line in document.split("\n") for s in sentences(line)]
        self.places = collections.defaultdict(list)
        for place, (sentence, _) in enumerate(self.sentences):
            for word in set(map(str.lower, WORD.findall(sentence))):
                self.places[word].append(place)

    def answer(self, question: str) -> tuple[str, str, int]:
        words = set(map(str.lower, WORD.findall(question)[1:]))
        shared = collections.Counter(itertools.chain.from_iterable(self.places.get(word, ()) for word in words))
        best = min(shared, key=lambda place: (-shared[place], place), default=0)
        sentence, number = self.sentences[best]
        taken = []
        for word in sentence.split():
            plain = word.strip(".,!?\"'")
            if plain.lower() not in words:
                taken.append(plain)
            if taken and (plain.lower() in words or word != plain):
                break
        return " ".join(taken), sentence, number


def most_frequent(documents: Sequence[str], rules: Rules, held_out: frozenset) -> dict[str, str]:
    answers = {kind: collections.Counter() for kind in KINDS}
    for document in documents:
        for line in document.split("\n"):
            for question in of_line(rules, line):
                if question.sentence not in held_out:
                    answers[kind_of(question)][question.answer] += 1
    return {kind: count.most_common(1)[0][0] for kind, count in answers.items() if count}


def by_chance(draw: list) -> dict:
    """What is to be expected of one to six words in a row out of the right sentence, drawn evenly; the sentence is given away."""
    exact, of = collections.Counter(), collections.Counter()
    for question, _ in draw:
        words = list(SPAN.finditer(question.sentence))
        spans = [
            question.sentence[words[i].start() : words[j].end()]
            for i in range(len(words))
            for j in range(i, min(len(words), i + 6))
            if not re.search("[,.]", question.sentence[words[i].start() : words[j].end()])
        ]
        for kind in (kind_of(question), "all"):
            exact[kind] += spans.count(question.answer) / len(spans)
            of[kind] += 1
    return {"exact": {kind: (exact[kind], of[kind]) for kind in of}, "quote": {kind: (0, of[kind]) for kind in of}}


def interval(right: float, of: int) -> tuple[float, float]:
    """Wilson's, 95 %."""
    z, p = 1.96, right / of
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def table(record: Record, title: str, rows: dict, what: str, draws: list) -> None:
    lines = []
    for name, results in rows.items():
        if what == "quote" and not any(result[what]["all"][0] for result in results):
            continue
        right, of = (sum(result[what]["all"][i] for result in results) for i in (0, 1))
        low, high = interval(right, of)
        cells = [
            f"{100 * sum(r[what][k][0] for r in results) / max(1, sum(r[what][k][1] for r in results)):.1f} %"
            for k in KINDS
            if k in results[0][what]
        ]
        seeds = [f"{100 * r[what]['all'][0] / r[what]['all'][1]:.1f} %" for r in results]
        lines.append([name, *cells, *seeds, f"{100 * right / of:.1f} % ({100 * low:.1f}–{100 * high:.1f})"])
    kinds = [kind.lower() for kind in KINDS if kind in rows[next(iter(rows))][0][what]]
    record.table(
        title,
        ["", *kinds, *(f"seed {seed}" for seed in SEEDS), "all, 95 %"],
        lines,
        f"{sum(map(len, draws))} questions, {len(draws[0])} for each seed.",
    )


if __name__ == "__main__":
    common.start("ask", main)
