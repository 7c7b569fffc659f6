"""What z80/assembly/games.asm needs for 20 Questions, both ways: its numbers and the lists that go into the program."""

from fable6c.z80lib.chatter import UNNAMED
from fable6c.z80lib.things import ALL_THINGS, asked, knowledge, spoken

QUESTIONS = 20
TRAITS_ASKED = 48


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
