"""Questions about a text and their answers, made by rule: who, what and where of plain sentences. docs/scout.md, "Questions", has the rules.

python -m fable6c.corpus questions stories.txt.zst -o asked.txt
"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.corpus questions")  # as a file, its folder would hide modules of Python's own

import re
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import NamedTuple, Optional

from fable6c.cli import ArgumentParser, real, run, whole
from fable6c.corpus.instruct import COMMON, Survey, draw_for, sentences
from fable6c.data.text import read_documents
from fable6c.files import atomic_file
from fable6c.model.tokenizer import END_OF_TEXT
from fable6c.progress import Progress

SHARE = 0.5  # of the lines about which one may ask, how many are followed by a question
MOST_WORDS = 16  # of a question

# Past tenses that no ending makes, with their base.
PAST = dict(
    pair.split(":")
    for pair in (
        "ate:eat became:become began:begin bit:bite blew:blow bought:buy broke:break brought:bring built:build came:come caught:catch chose:choose "
        "drank:drink drew:draw drove:drive dug:dig fed:feed fell:fall felt:feel flew:fly forgot:forget fought:fight found:find gave:give got:get "
        "grew:grow had:have heard:hear held:hold hid:hide hit:hit hung:hang hurt:hurt kept:keep knew:know laid:lay led:lead left:leave let:let lit:light "
        "lost:lose made:make met:meet paid:pay put:put ran:run read:read rode:ride rose:rise sang:sing sank:sink sat:sit saw:see sent:send set:set "
        "shook:shake shot:shoot shut:shut slept:sleep slid:slide sold:sell spent:spend spread:spread spun:spin stole:steal stood:stand stuck:stick "
        "swam:swim swept:sweep swung:swing taught:teach threw:throw told:tell took:take tore:tear went:go woke:wake won:win wore:wear wrote:write"
    ).split()
)
DETERMINERS = frozenset("a an the his her their its some two three many another".split())
PLACES = frozenset("in into inside on onto at to near behind under beside through around across outside over".split())  # may begin a place
# What may follow a preposition and is no place; and persons, to whom one gives or speaks.
NO_PLACES = frozenset(
    "morning afternoon evening night day time moment minute hour week month year summer winter spring autumn way end hurry fun help surprise others "
    "same idea story song game rest face voice head mind heart name other air side lot bit pain trouble love need front top back middle bottom "
    "girl boy man woman lady friend friends mom mommy mum dad daddy mother father sister brother grandma grandpa family parents people child children "
    "king queen prince princess teacher doctor neighbor owner boys girls animals dog cat bird rabbit bear fox".split()
)
STOPS = frozenset(
    "and but or so because when while as if that who which where until then than after before with for of about like from by to in into inside on onto "
    "at near behind under beside through around across outside over up down off out away back without very too again together every all both".split()
)
VAGUE = frozenset("he she it they him them i you we me us this that these those there here himself herself itself themselves".split())
SPEECH = frozenset(
    "said asked replied answered told called cried shouted yelled thought wanted loved liked decided tried started began named let".split()
)
PERSONS = "Mom Mommy Mum Mama Mummy Dad Daddy Papa Grandma Grandpa Granny".split()  # names, but for Survey
OPENING = re.compile(r"(?:[A-Z][a-z]+(?: [a-z]+){0,4}, )?")
WORD = re.compile(r"[A-Za-z][a-z]*(?:'[a-z]+|-[a-z]+)*")


class Question(NamedTuple):
    text: str  # with its mark
    answer: str
    sentence: str

    def line(self) -> str:
        """How the scout learns it: the question, its first word once more, and the answer."""
        return f"{self.text} {self.text.split()[0]}: {self.answer}."


class Rules:
    """Makes questions. A survey of the text says which words are names, and which a regular past tense may come from."""

    def __init__(self, survey: Survey):
        self.names = survey.names | set(PERSONS)
        self.survey = survey

    def questions(self, sentence: str) -> list[Question]:
        """All questions about one sentence: none where its build is not plain."""
        sentence = sentence.strip()
        if not sentence.endswith(".") or re.search(r"[\"\u201c\u201d;:()]", sentence):
            return []
        plain = OPENING.match(sentence)
        text = sentence[plain.end() if plain else 0 : -1]
        if not text[:1].isupper():
            return []
        words = text.split(" ")
        subject = self._subject(words)
        if not subject or len(words) < len(subject) + 3:
            return []
        verb, rest = words[len(subject)], words[len(subject) + 1 :]
        base = self._base(verb)
        if base is None:
            return []
        rest = _clause(rest)
        if len(rest) < 2 or any(word.lower() in VAGUE for word in rest) or not all(WORD.fullmatch(word) for word in rest):
            return []
        who = " ".join(subject)
        found = [Question(f"Who {verb} {' '.join(rest)}?", who, sentence)]
        thing = _noun_phrase(rest, 0)
        if thing:
            after = rest[thing:]
            found.append(Question(f"What did {who} {' '.join([base, *after])}?", " ".join(rest[:thing]), sentence))
        for at, word in enumerate(rest):
            end = _noun_phrase(rest, at + 1) if word in PLACES else 0
            if end and not {part.lower() for part in rest[at + 1 : end]} & NO_PLACES:
                before, after = rest[:at], rest[end:]
                found.append(Question(f"Where did {who} {' '.join([base, *before, *after])}?", " ".join(rest[at:end]), sentence))
                break
        return [question for question in found if self._says_enough(question)]

    def _subject(self, words: Sequence[str]) -> list[str]:
        if words[0] not in self.names:
            return []
        if len(words) > 2 and words[1] == "and" and words[2] in self.names:
            return list(words[:3])
        return [words[0]]

    def _base(self, verb: str) -> Optional[str]:
        """The verb as it stands after "did", None for what is no past tense of one."""
        if verb in SPEECH:
            return None
        if verb in PAST:
            return PAST[verb]
        if not verb.endswith("ed") or not verb.islower() or len(verb) < 5:
            return None
        base = self.survey.base(verb)
        return base if base != verb else None

    def _says_enough(self, question: Question) -> bool:
        """A word beside the names that not every sentence has, so that one may know what is meant."""
        words = [word for word in WORD.findall(question.text)[1:] if word not in self.names]
        return len(words) < MOST_WORDS and any(word.lower() not in COMMON and word.lower() not in PAST.values() for word in words)


def _clause(words: Sequence[str]) -> list[str]:
    """The words up to the end of the clause."""
    out = []
    for word in words:
        if word in ("and", "but", "so", "because", "when", "while", "as", "who", "which", "that", "until", "if", "where", "then"):
            break
        out.append(word.rstrip(","))
        if word.endswith(","):
            break
    return out


def _noun_phrase(words: Sequence[str], start: int) -> int:
    """Where the noun phrase ends that begins there with a determiner, 0 for none."""
    if start >= len(words) or words[start] not in DETERMINERS:
        return 0
    end = start + 1
    while end < len(words) and end - start < 5 and words[end] not in STOPS and words[end] not in DETERMINERS:
        end += 1
    return end if end > start + 1 and (end == len(words) or words[end] in STOPS) else 0


def of_line(rules: Rules, line: str) -> Iterator[Question]:
    for sentence in sentences(line):
        yield from rules.questions(sentence)


def with_questions(document: str, rules: Rules, share: float, random: Random, without: frozenset[str] = frozenset()) -> tuple[str, int]:
    """The document with a question behind some of its lines, and their number. Nothing is asked about the sentences `without`."""
    lines, count = [], 0
    for line in document.split("\n"):
        lines.append(line)
        found = [question for question in of_line(rules, line) if question.sentence not in without]
        if found and random.random() < share:
            lines.append(random.choice(found).line())
            count += 1
    return "\n".join(lines), count


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.corpus questions",
        "Write questions and their answers between the lines of a text, so that a scout learns to answer them.",
        "python -m fable6c.corpus questions stories.txt.zst -o asked.txt",
    )
    parser.add_argument("text", nargs="+", metavar="IN", help="stories, as train takes them")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the text to write, as train takes it")
    parser.add_argument(
        "--share", type=real(0, 1), default=SHARE, help=f"of the lines that allow a question, how many get one (default {SHARE})"
    )
    parser.add_argument("--seed", type=whole(0, 2**32 - 1), default=1, metavar="S", help="of what is drawn (default 1)")
    options = parser.parse_args(argv)

    def documents() -> Iterable[str]:
        return read_documents(options.text)

    rules, questions, count = Rules(Survey(documents())), 0, 0
    with atomic_file(options.output) as file, Progress("asking", unit="characters") as shown:
        for document in documents():
            text, asked = with_questions(document, rules, options.share, draw_for(document, options.seed))
            file.write(f"{text}\n{END_OF_TEXT}\n".encode())
            questions, count = questions + asked, count + 1
            shown.add(len(document))
    print(f"{options.output}: {count:,} stories with {questions:,} questions")


if __name__ == "__main__":
    run(main)
