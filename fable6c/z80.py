"""A language model for a Z80 with 64 KB: a chat and 20 Questions in one program of at most 40,960 bytes.

    python -m fable6c.z80 run
    python -m fable6c.z80 train lines.txt -o lines.model
    python -m fable6c.z80 build lines.model -o LINES.COM
    python -m fable6c.z80 evaluate lines.model other.txt

docs/z80.md explains all of it.
"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.z80")  # as a file, its folder would hide modules of Python's own

import os

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads; see fable6c/evaluate.py

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Optional

from fable6c.cli import ArgumentParser, run, whole
from fable6c.errors import UsageError, UserError
from fable6c.files import atomic_write, existing_file, open_file
from fable6c.z80lib import build as building
from fable6c.z80lib import chatter, machine, score, things
from fable6c.z80lib import model as models
from fable6c.z80lib.text import Example, memories, normalize, parse_examples, read_examples
from fable6c.z80lib.training import Settings, Trainer, accuracy

PROG = "python -m fable6c.z80"
DEFAULTS = Settings()
SECONDS = 4_000_000  # T-states


def made_up(name: str, seed: int, share: float = 1, unseen: bool = False) -> list[Example]:
    """The texts of the models that come with the project, or a share of them; `unseen`: in ways of asking that training has not."""
    if name == "game":
        return parse_examples(things.lines(seed, int(80_000 * share), unseen), "the made-up game", secrets=True)
    return parse_examples(chatter.lines(seed, int(2500 * share)), "the made-up chat")


def examples_of(options: argparse.Namespace) -> list[Example]:
    if not 0 <= options.hold_out < 100:
        raise UsageError(f"--hold-out {options.hold_out:g}: give a share from 0 to below 100 percent")
    if (options.text is None) == (options.made_up is None):
        raise UsageError(f"{PROG}: name a text or give --made-up game or --made-up chat")
    if options.made_up:
        return made_up(options.made_up, options.text_seed)
    answers = [answer.strip() for answer in options.answers.split(",") if answer.strip()] if options.answers else []
    if options.answers is not None and not answers:
        raise UsageError(f"--answers {options.answers!r}: give answers with commas between them, such as YES,NO")
    return read_examples(options.text, answers, options.secrets)


def divided(examples: Sequence[Example], options: argparse.Namespace) -> tuple[list[Example], list[Example]]:
    """The lines to learn and those that --hold-out keeps out of it."""
    learned, held = score.split(examples, options.hold_out / 100, options.split_seed, options.by)
    if not held or not learned:
        raise UserError(f"--hold-out {options.hold_out:g}: leaves {len(learned)} lines to learn and {len(held)} to test; give more text")
    return learned, held


def train(options: argparse.Namespace) -> None:
    existing_file(options.output, [options.text])  # before the work
    settings = Settings(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Settings)})
    check(settings)
    examples = examples_of(options)
    held: list[Example] = []
    if options.hold_out:
        examples, held = divided(examples, options)
    model = Trainer(examples, settings, options.memory or options.made_up == "chat").train()
    model.save(options.output)
    print(f"learned {len(examples):,} lines: {accuracy(model, examples):.1%} of their answers are right in every character")
    if held:
        print(f"held out {len(held):,} lines (by {options.by}): {accuracy(model, held):.1%}")
    print(f"{options.output}: {len(model.table):,} rows, {len(model.characters)} characters, {len(model.secrets)} secrets")


def check(settings: Settings) -> None:
    """Settings that no model can have."""
    if settings.rows % 256 or not 256 <= settings.rows <= models.MAX_ROWS:
        raise UsageError(f"--rows {settings.rows}: give a multiple of 256 up to {models.MAX_ROWS}")
    if settings.context not in models.CONTEXT_SIZES:
        raise UsageError(f"--context {settings.context}: give one of {', '.join(map(str, models.CONTEXT_SIZES))}")
    if settings.epochs < 1 or settings.batch < 1:
        raise UsageError(f"--epochs {settings.epochs} --batch {settings.batch}: give numbers above 0")
    if settings.seed < 0:
        raise UsageError(f"--seed {settings.seed}: give a whole number from 0")
    if not (0 < settings.rate <= 1 and 0 <= settings.smooth < 1 and 0 <= settings.forget < 1 and 0 <= settings.certain <= 1):
        raise UsageError("--rate: above 0 up to 1; --smooth and --forget: from 0 to below 1; --certain: from 0 to 1")


def programs(paths: Sequence[str]) -> list[models.Model]:
    """One model, or the chat's and the game's."""
    if len(paths) > 2:
        raise UsageError(f"{PROG} build: {len(paths)} models; give one, or the chat's and the game's, or none for those of the project")
    loaded = [models.load(path) for path in paths or building.released_models()]
    if len(loaded) == 2 and len(loaded[1].secrets) != len(things.ALL_THINGS):
        raise UserError(
            f"{paths[1]}: knows {len(loaded[1].secrets)} secrets, the game {len(things.ALL_THINGS)}; train it with --made-up game"
        )
    if len(loaded) == 1 and loaded[0].secrets:
        raise UserError(f"{paths[0]}: a model of the game needs the chat's before it: build chat.model {paths[0]}")
    return loaded


def build(options: argparse.Namespace) -> None:
    existing_file(options.output, options.models)
    content = building.build(programs(options.models), options.output)
    atomic_write(options.output, content)
    print(f"{options.output}: {len(content):,} bytes")


def play(options: argparse.Namespace) -> None:
    if options.say and not normalize(options.say):
        raise UsageError(f"--say {options.say!r}: give a line with a letter or a digit in it")
    if options.program:
        try:
            with open_file(options.program) as file:
                program = file.read(1 << 16)
        except OSError as error:
            raise UserError(f"{options.program}: cannot be read ({error.strerror}); make it with `{PROG} build -o FABLE.COM`") from None
    else:
        program = building.build(programs([]), "FABLE.COM")
    machine.talk(program, options.say, options.full_speed)


def evaluate(options: argparse.Namespace) -> None:
    model = models.load(options.model)
    if options.machine and model.secrets:
        raise UsageError("--machine: needs a model without secrets; the tests compare the game's")
    if options.made_up and options.text is None:
        examples = made_up(options.made_up, options.text_seed, 0.1, options.unseen)
    else:
        examples = examples_of(options)
    unknown = {example.secret for example in examples} - set(model.secrets) - {""}
    if unknown:
        raise UserError(f"{options.model} does not know the secret {min(unknown)!r}; it was trained on another text")
    if options.hold_out:
        examples = divided(examples, options)[1]
    print(f"right in every character  {accuracy(model, examples):.1%} of {len(examples):,} lines")
    if options.made_up == "game" and not options.unseen:
        known = {(example.secret, example.line) for example in made_up("game", 1)}
        new = [example for example in examples if (example.secret, example.line) not in known]
        print(f"of these not in training  {accuracy(model, new):.1%} of {len(new):,} lines" if new else "all of them are in training")
    if options.machine:
        compare(model, examples[: options.machine])


def compare(model: models.Model, examples: Sequence[Example]) -> None:
    """The emulated machine against Python, character by character."""
    program = building.assemble([model])[0]
    computer = machine.CPM(program)
    computer.run()
    remembered, memory, different, characters, ticks, first = memories(examples), None, 0, 0, 0, 0
    memory = remembered[0]
    for example in examples:
        started = len(computer.shown)
        shown = machine.reply_of(computer.type(example.line))
        expected = model.reply(example.line, memory=memory)[0]
        memory = memory.after(expected)
        different += shown != expected
        times = [tick for _, tick in computer.shown[started + 1 : started + 4 + len(expected)]]
        gaps = [after - before for before, after in zip(times, times[1:])]
        first, ticks, characters = max(first, gaps[0]), max(ticks, *gaps[1:]), characters + len(expected)
    print(f"Z80 and Python            {different} of {len(examples):,} replies differ ({characters:,} characters)")
    print(f"T-states, at most         {ticks:,} a character; {first:,} to the first ({first / SECONDS:.2f} s at 4 MHz)")
    print(f"program                   {len(program):,} bytes")
    if different:
        raise UserError("the machine and Python disagree: that is a bug; please report it with the model")


def add_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", help="a text with lines `line|ANSWER`")
    parser.add_argument("--made-up", choices=("game", "chat"), help="the text that the project makes up itself, instead of a file")
    parser.add_argument("--text-seed", type=int, default=1, metavar="N", help="another made-up text (default 1)")
    parser.add_argument("--answers", metavar="A,B,…", help="the only answers that the text may hold")
    parser.add_argument("--secrets", action="store_true", help="the lines are `secret|line|ANSWER`")
    parser.add_argument("--hold-out", type=float, default=0, metavar="PERCENT", help="keep this share of the lines out of training")
    parser.add_argument("--by", choices=("query", "template"), default="query", help="what is kept out: lines, or whole ways of asking")
    parser.add_argument("--split-seed", type=int, default=1234, metavar="N", help="what is drawn to be kept out (default 1234)")


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(PROG, "Train a language model for a Z80, build it into a program for CP/M, run that.", f"{PROG} run")
    commands = parser.subcommands()

    command = commands.add_parser(
        "train", help="learn a model from a text", purpose="Learn a model from lines and their answers.",
        example=f"{PROG} train lines.txt -o lines.model --hold-out 5",
    )  # fmt: skip
    add_text(command)
    command.add_argument("-o", "--output", required=True, metavar="FILE", help="the model")
    command.add_argument("--memory", action="store_true", help="it sees its last two replies")
    for name, text in {
        "rows": "rows of the table, ten bytes each: a multiple of 256",
        "context": "rows for what was said so far: a power of two, 16 to 1024",
        "epochs": "times that the text is read",
        "batch": "lines of a step",
        "rate": "learning rate",
        "smooth": "share of each target that goes to all characters alike",
        "forget": "share of a line's rows that is left out at random while learning",
        "certain": "share of the characters without a choice that each step learns",
        "seed": "the weights' beginning and the order",
    }.items():
        default = getattr(DEFAULTS, name)
        command.add_argument(f"--{name}", type=type(default), default=default, metavar="N", help=f"{text} (default {default})")
    command.set_defaults(call=train)

    command = commands.add_parser(
        "build", help="make the program", purpose="Make a program of one model, or of the chat's and the game's.",
        example=f"{PROG} build -o FABLE.COM",
    )  # fmt: skip
    command.add_argument("models", nargs="*", help="models (default: those that come with the project)")
    command.add_argument("-o", "--output", required=True, metavar="FILE", help="FABLE.COM for CP/M, FABLE.TAP for the 48K Spectrum")
    command.set_defaults(call=build)

    command = commands.add_parser(
        "run",
        help="play it here",
        purpose="Run a program on an emulated CP/M machine in this terminal.",
        example=f"{PROG} run --full-speed",
    )
    command.add_argument("program", nargs="?", help="a .COM file (default: built from the project's models)")
    command.add_argument("--say", default="", metavar="LINE", help="one line, one reply, as `FABLE HELLO` does")
    command.add_argument("--full-speed", action="store_true", help="as fast as it goes (default: like a machine of 4 MHz)")
    command.set_defaults(call=play)

    command = commands.add_parser(
        "evaluate", help="score a model", purpose="The share of lines that a model answers right in every character.",
        example=f"{PROG} evaluate lines.model other.txt --machine 100",
    )  # fmt: skip
    command.add_argument("model", help="a model")
    add_text(command)
    command.add_argument("--unseen", action="store_true", help="--made-up game: only in ways of asking that training never had")
    command.add_argument(
        "--machine", type=whole(0, 10**6), default=0, metavar="N", help="give N lines to the emulated Z80 too, and compare"
    )
    command.set_defaults(call=evaluate)

    options = parser.parse_args(argv)
    options.call(options)


if __name__ == "__main__":
    run(main)
