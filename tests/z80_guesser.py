"""20 Questions where the program asks, in Python: what z80/assembly/games.asm is compared with."""

from fable6c.z80lib import games
from fable6c.z80lib.things import ALL_THINGS, asked, knowledge

NO, YES, MAYBE = 0, 1, 2


class Guesser:
    """The program asks. `ask` gives a question or a guess, `answer` takes NO, YES or MAYBE.

    Every thing has a score: 2 for each YES or NO that contradicts what is known of it, 1 for each MAYBE where YES or NO is known. Candidates
    are those with the lowest score or one more. The next question is the first that leaves most of them out, whatever the answer.
    """

    def __init__(self):
        self.traits = asked(games.TRAITS_ASKED)
        self.known = knowledge(self.traits)
        self.scores = [0] * len(ALL_THINGS)
        self.left = set(range(len(self.traits)))
        self.count = 0
        self.guess = self.question = -1

    def ask(self):
        """("trait", its number), ("thing", its number), or None: the program gives up."""
        lowest = min(self.scores)
        if lowest == 255 or self.count == games.QUESTIONS:
            return None
        candidates = [thing for thing, score in enumerate(self.scores) if score <= lowest + 1]
        self.guess, most = self.scores.index(lowest), 0
        if len(candidates) > 1 and self.count < games.QUESTIONS - 1:
            for trait in sorted(self.left):
                answers = [self.known[trait][thing] for thing in candidates]
                fewer = min(answers.count(YES), answers.count(NO))
                if fewer > most:
                    self.question, most = trait, fewer
        self.asks_trait = most > 0
        return ("trait", self.question) if most else ("thing", self.guess)

    def answer(self, said):
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
