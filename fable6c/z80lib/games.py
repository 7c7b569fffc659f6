"""20 Questions, both ways, as z80/assembly/games.asm plays it; and the lists that go into the program."""

from typing import Optional

from fable6c.z80lib.chatter import UNNAMED
from fable6c.z80lib.things import ALL_THINGS, asked, knowledge, spoken

QUESTIONS = 20
TRAITS_ASKED = 48
NO, YES, MAYBE = 0, 1, 2


class Guesser:
    """The program asks. `ask` gives a question or a guess, `answer` takes NO, YES or MAYBE.

    Every thing has a score: 2 for each YES or NO that contradicts what is known of it, 1 for each MAYBE where YES or NO is known. Candidates
    are those with the lowest score or one more. The next question is the first that leaves most of them out, whatever the answer.
    """

    def __init__(self) -> None:
        self.traits = asked(TRAITS_ASKED)
        self.known = knowledge(self.traits)
        self.scores = [0] * len(ALL_THINGS)
        self.left = set(range(len(self.traits)))
        self.count = 0
        self.guess = self.question = -1

    def ask(self) -> Optional[tuple[str, int]]:
        """("trait", its number), ("thing", its number), or None: the program gives up."""
        lowest = min(self.scores)
        if lowest == 255 or self.count == QUESTIONS:
            return None
        candidates = [thing for thing, score in enumerate(self.scores) if score <= lowest + 1]
        self.guess, most = self.scores.index(lowest), 0
        if len(candidates) > 1 and self.count < QUESTIONS - 1:
            for trait in sorted(self.left):
                answers = [self.known[trait][thing] for thing in candidates]
                fewer = min(answers.count(YES), answers.count(NO))
                if fewer > most:
                    self.question, most = trait, fewer
        self.asks_trait = most > 0
        return ("trait", self.question) if most else ("thing", self.guess)

    def answer(self, said: int) -> bool:
        """True if the program has won."""
        self.count += 1
        if not self.asks_trait:
            self.scores[self.guess] = 255
            return said == YES
        self.left.discard(self.question)
        for thing, known in enumerate(self.known[self.question]):
            if self.scores[thing] < 250 and said != known:
                self.scores[thing] += 1 if said == MAYBE else 0 if known == MAYBE else 2
        return False


def texts() -> list[tuple[str, str]]:
    """(label, what the program says)"""
    return [
        ("unnamed", UNNAMED),
        ("word_help", "help"),
        ("word_play", "play"),
        ("word_guess", "guess"),
        ("word_stop", "stop"),
        ("help", "PLAY: I THINK OF A THING, YOU ASK. GUESS: YOU THINK, I ASK.\nSTOP ENDS A GAME, QUIT LEAVES. ALL ELSE IS CHAT.\n"
         "/T 0 TO /T 9 IS THE TEMPERATURE, /S 1 TO /S 65535 THE SEED.\n"),
        ("play_start", f"I THINK OF SOMETHING. YOU HAVE {QUESTIONS} QUESTIONS.\n"),
        ("no_question", "ASK WHAT CAN BE ANSWERED BY YES OR NO.\n"),
        ("it_was", "IT WAS: "),
        ("you_won", "YOU WON. "),
        ("guess_start", "THINK OF AN ANIMAL, FOOD OR THING. ANSWER YES, NO OR MAYBE.\n"),
        ("is_it", "IS IT: "),
        ("i_won", "I WON. "),
        ("i_lost", "YOU WON. I DO NOT KNOW IT.\n"),
        ("questions_end", " QUESTIONS.\n"),
    ]  # fmt: skip


def packed() -> bytes:
    """What is known, two bits for each thing, a row of whole bytes for each trait."""
    rows = []
    for row in knowledge(asked(TRAITS_ASKED)):
        row = row + [0] * (-len(row) % 4)
        rows.append(bytes(row[at] | row[at + 1] << 2 | row[at + 2] << 4 | row[at + 3] << 6 for at in range(0, len(row), 4)))
    return b"".join(rows)


def names() -> list[str]:
    return [thing.name for thing in ALL_THINGS]


def questions() -> list[str]:
    return [spoken(trait) for trait in asked(TRAITS_ASKED)]
