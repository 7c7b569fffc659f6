"""Instructions from any story text: a header with what the story has, before the story as it is. docs/asking.md has the rules.

python -m fable6c.corpus instruct stories.txt.zst -o asked.txt
"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.corpus instruct")  # as a file, its folder would hide modules of Python's own

import collections
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Callable, Optional

from fable6c.cli import ArgumentParser, real, run, whole
from fable6c.data.text import read_documents
from fable6c.errors import UserError
from fable6c.files import atomic_file
from fable6c.model.asking import HEADING, MAX_WORDS, TEXT, write_header
from fable6c.model.tokenizer import END_OF_TEXT
from fable6c.progress import Progress

HEADERS = 0.7  # share of the documents that get a header; the others keep plain telling alive
# How often each field is in a header, where the story has it.
SHARES = {"Words": 0.9, "Name": 0.5, "Mood": 0.5, "Talk": 0.4, "Length": 0.4, "Begins": 0.1}
WORD_COUNTS = (3, 3, 3, 2, 1)  # of Words, one drawn
MIN_DOCUMENTS = 5  # that have a word: what fewer have is a slip of the pen or cannot be learned
LENGTHS = {"short": (1, 110), "middle": (135, 185), "long": (220, 500)}  # words: for what lies between them no Length is stated
LENGTHS_TOLD = {"short": (1, 130), "middle": (110, 220), "long": (180, 1 << 30)}  # words that a told story of this Length may have
# Of twenty stories one ends sadly, and a field that nearly always says "happy" says nothing: so a header tells of every sad end, of few happy
# ones, and a story with a sad end comes once more than the others, with a header. Plain telling, without one, is as it was.
MOOD_SHARES = {"happy": 0.3, "sad": 1.0}
END_SENTENCES = 3  # that say how a story ends
HAPPY, SAD = 0.3, -0.3  # sums of VADER, -1 to 1: between them no Mood is stated
MAX_BEGINS = 120  # characters
NAME_SHARE = 0.9  # of a word's uses within sentences are capitalized
WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
SENTENCE = re.compile(r"(?<=[.!?])[\"'\u201d\u2019]?\s+")
QUOTED = re.compile('["\u201c][^"\u201c\u201d\n]{2,}["\u201d]')

# Words that ask for nothing: function words, and what nearly every story says.
COMMON = frozenset(
    (
        "a about above across after again against all almost alone along already also always am an and another any anyone anything are around as "
        "asked at away back be became because been before began behind being below best better between both but by called came can can't could "
        "couldn't day days did didn't do does doesn't doing don't done down each either else end even ever every everyone everything far few find "
        "first for found from gave get getting give go goes going gone good got had has have having he he'd he'll he's her here hers herself him "
        "himself his how i i'll i'm if in inside instead into is isn't it it's its itself just keep kept knew know last later less let let's like "
        "liked likes little long look looked lot lots made make makes many maybe me more most much must my named near never new next no nobody none "
        "nor not nothing now of off on once one only or other others our out over own perhaps please put quite really said same saw say says see "
        "seen set shall she she'd she's should so some someone something soon still such take tell than thank that that's the their theirs them "
        "themselves then there there's these they they're thing things think this those though thought three through time times to together told "
        "too took toward towards two under until up upon us very want wanted wants was wasn't way we we're well went were what when where which "
        "while who whole whom whose why will with within without won't would wouldn't year years yes yet you you're your yours"
    ).split()
)
NO_NAMES = frozenset(
    "I Mom Mommy Mama Mum Mummy Dad Daddy Papa Grandma Grandpa Granny Mr Mrs Ms Miss Sir God Santa Christmas Halloween Easter Monday Tuesday "
    "Wednesday Thursday Friday Saturday Sunday January February March April May June July August September October November December English "
    "TV OK Okay Hi Hey Hello Bye Wow Yay Hooray Yes Oh Ah Aha Ow Ouch Oops Ha Yum Yuck Woof Meow".split()
)


class Survey:
    """What the documents say together: how many have a word, and which words are names."""

    def __init__(self, documents: Iterable[str]):
        self.documents: collections.Counter[str] = collections.Counter()  # that have the word, in small letters
        capital: collections.Counter[str] = collections.Counter()  # uses within sentences
        small: collections.Counter[str] = collections.Counter()
        for document in documents:
            words = set()
            for sentence in sentences(document):
                first = True
                for word in WORD.findall(sentence):
                    words.add(word.lower())
                    if word[0].islower():
                        small[word] += 1
                    elif not first and word[1:].islower():
                        capital[word] += 1
                    first = False
            self.documents.update(words)
        self.names = {
            word
            for word, count in capital.items()
            if count >= 2 and count >= NAME_SHARE * (count + small[word.lower()]) and word not in NO_NAMES
        }

    def base(self, word: str) -> str:
        """The word without a regular ending, if what is left is a word of these documents that at least a tenth as many have."""
        for ending, instead in (("ies", "y"), ("ied", "y"), ("es", ""), ("s", ""), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e")):
            if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 2:
                left = word[: len(word) - len(ending)] + instead
                for shape in (left, left[:-1] if left[-1:] == left[-2:-1] else left):
                    if shape not in COMMON and len(shape) > 2 and 10 * self.documents[shape] >= max(self.documents[word], 10):
                        return shape
        return word


def sentences(text: str) -> list[str]:
    """The sentences of a text; a line end ends one too."""
    return [sentence for line in text.split("\n") for sentence in SENTENCE.split(line.strip()) if sentence]


def mood_judge() -> Callable[[str], float]:
    """How a text feels, -1 to 1. UserError without the library."""
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError:
        raise UserError("vaderSentiment is not installed, which judges how a story ends; run: pip install 'fable6c[corpus]'") from None
    analyzer = SentimentIntensityAnalyzer()
    return lambda text: float(analyzer.polarity_scores(text)["compound"])


def mood(story: str, judge: Callable[[str], float]) -> Optional[str]:
    """How a story ends: happy, sad, or None where its last sentences do not say."""
    feeling = judge(" ".join(sentences(story)[-END_SENTENCES:]))
    return "happy" if feeling >= HAPPY else "sad" if feeling <= SAD else None


def talks(story: str) -> bool:
    """Whether somebody speaks in a story, in quotation marks."""
    return QUOTED.search(story) is not None


def words_of(story: str) -> int:
    return len(story.split())


def has_length(story: str, length: str) -> bool:
    """Whether a told story is as long as was asked."""
    low, high = LENGTHS_TOLD[length]
    return low <= words_of(story) <= high


def hero(story: str, names: Iterable[str]) -> Optional[str]:
    """The name that a story says most often, at least twice; of equals the first."""
    told = collections.Counter(word for word in WORD.findall(story.replace("'s", "")) if word in names)
    return next((name for name, count in told.most_common(1) if count > 1), None)


def content_words(story: str, survey: Survey) -> dict[str, int]:
    """The words of a story that one may ask for, in their base form, and how many documents have them."""
    known = {}
    for word in dict.fromkeys(WORD.findall(story)):
        small = word.lower()
        if len(small) > 2 and small.isalpha() and small not in COMMON and word not in survey.names and word not in NO_NAMES:
            base = survey.base(small)
            if survey.documents[base] >= MIN_DOCUMENTS and base.capitalize() not in survey.names:
                known[base] = survey.documents[base]
    return known


def fields_of(story: str, survey: Survey, judge: Callable[[str], float], random: Random) -> dict[str, str]:
    """All that one may ask of a story, by rule."""
    fields = {}
    words = content_words(story, survey)
    chosen: list[str] = []
    for _ in range(min(random.choice(WORD_COUNTS), len(words), MAX_WORDS)):
        # A word of few documents is likelier, by the root of their number.
        chosen += random.choices(list(words), [count**-0.5 for count in words.values()])
        del words[chosen[-1]]
    name, felt = hero(story, survey.names), mood(story, judge)
    if chosen:
        fields["Words"] = ", ".join(chosen)
    if name:
        fields["Name"] = name
    if felt:
        fields["Mood"] = felt
    fields["Talk"] = "yes" if talks(story) else "no"
    for value, (low, high) in LENGTHS.items():
        if low <= words_of(story) <= high:
            fields["Length"] = value
    begins = (sentences(story) or [""])[0]
    if 0 < len(begins) <= MAX_BEGINS:
        fields["Begins"] = begins
    return fields


def some_of(fields: Mapping[str, str], random: Random, shares: Mapping[str, float] = SHARES) -> dict[str, str]:
    """A random part of the fields in a random order: at least one, so that one may ask for as little as one likes."""
    names = [name for name in fields if random.random() < shares[name]] or [random.choice(list(fields))]
    random.shuffle(names)
    return {name: fields[name] for name in names}


def draw_for(document: str, seed: int) -> Random:
    """The random numbers of a document's header: they depend on its text and the seed only."""
    return Random(f"{seed} {hashlib.sha256(document.encode()).hexdigest()}")


def instructed(documents: Callable[[], Iterable[str]], share: float = HEADERS, seed: int = 1, times: int = 1) -> Iterator[str]:
    """The documents, `times` one after the other, a share of them with a header. `documents` starts a new pass at each call; what is drawn
    for one depends on its text, the seed and the pass only, not on its place. UserError for a document that has a header's bytes already,
    and without vaderSentiment."""
    judge = mood_judge()
    survey = Survey(documents())
    for number in range(seed, seed + times):
        for document in documents():
            if HEADING in document or TEXT in document:
                raise UserError(
                    f"a document has the byte {HEADING!r} or {TEXT!r}, with which headers begin and end ({document[:40]!r}); give text without headers"
                )
            random = draw_for(document, number)
            fields = fields_of(document, survey, judge, random)
            shares = {**SHARES, "Mood": MOOD_SHARES.get(fields.get("Mood", ""), 0.0)}
            yield (write_header(some_of(fields, random, shares)) if random.random() < share else "") + document
            if fields.get("Mood") == "sad" and share > 0:
                yield write_header(some_of(fields, random, shares)) + document


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.corpus instruct",
        "Write before each story what one would have to ask for to get it, so that a model learns to tell what is asked.",
        "python -m fable6c.corpus instruct stories.txt.zst -o asked.txt",
    )
    parser.add_argument("text", nargs="+", metavar="IN", help="stories, as train takes them")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the text to write, as train takes it")
    parser.add_argument(
        "--share", type=real(0, 1, or_zero=True), default=HEADERS, help=f"of the stories that get a header, 0 to 1 (default {HEADERS})"
    )
    parser.add_argument(
        "--times",
        type=whole(1, 100),
        default=1,
        metavar="N",
        help="write all stories so often, with other headers each time: a model that reads them often else knows a story by its header (default 1)",
    )
    parser.add_argument("--seed", type=whole(0, 2**32 - 1), default=1, metavar="S", help="of what is drawn (default 1)")
    options = parser.parse_args(argv)
    count = headed = 0
    with atomic_file(options.output) as file, Progress("instructing", unit="characters") as shown:
        for document in instructed(lambda: read_documents(options.text), options.share, options.seed, options.times):
            file.write(f"{document}\n{END_OF_TEXT}\n".encode())
            count += 1
            headed += document.startswith(HEADING)
            shown.add(len(document))
    print(f"{options.output}: {count:,} stories, {headed:,} of them with a header")


if __name__ == "__main__":
    run(main)
