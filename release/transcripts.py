"""Stories that the models tell, good, middling and bad ones, chosen by a rule: `python release/transcripts.py` writes docs/transcripts.md.

The rule, the same for each model: seeds 1 to 20, default sampling, at most 1,000 tokens. A story's repetition is the share of its runs of four words
that stood in it before. Good is the story with the least, bad the one with the most, middling the one in the middle (the 10th); among equal ones
the lowest seed. A story that did not end by itself counts as worse than any that did.

A conversation is told by the native program, in the same way: the rule looks at all of its turns together.

Where a model of the list below is missing, its chapter stays as it is, and the command that trains it is shown.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "transcripts.md"
SEEDS = range(1, 21)
PROMPT = "Once upon a time"
LIMIT = 1000
TRAIN = "python -m fable6c.train --preset {} --tokens {} --corpus train.txt --out runs/{}"
# (chapter, model file, how it was made, what to know)
MODELS = [
    ("small, two hours", "release/small.f6c", "", "The [release](../release/README.md)."),
    (
        "small, twenty minutes without AVX-512",
        "build/small-20.f6c",
        TRAIN.format("small --config release/small.toml", 7200000, "small-20"),
        "7.2 M tokens are 20 minutes at 6,000 tokens a second. The record of the [curve](numbers.md#scores), on a processor with AVX-512, has 50 M after as long, and 283 M after two hours.",
    ),
    ("micro, one hour", "release/micro.f6c", "", "The [release](../release/README.md)."),
    (
        "micro, two minutes",
        "build/micro-2.f6c",
        TRAIN.format("micro", 15000000, "micro-2"),
        "The same record has 7.5 M tokens for one minute of `micro`.",
    ),
    (
        "micro, two minutes of made-up stories",
        "build/micro-made-up.f6c",
        "python -m fable6c.train --preset micro --tokens 2400000 --out runs/micro-made-up",
        "What `make run` gives on a machine that reads 20,000 tokens a second. Made-up stories are simpler than TinyStories, so its spelling is worse and its repetition is not.",
    ),
]
CONVERSATION = "small-wish, a conversation"
LINES = (
    "Tell me a story about a dragon and a spoon, a girl called Mia",
    "And then?",
    "Suddenly it began to rain.",
    "And then?",
)
MODELS.append(
    (
        CONVERSATION,
        "release/small-wish.f6c",
        "",
        "One of the [release](../release/README.md) that takes [wishes](asking.md). A person wrote the lines in bold, the same to each seed: `build/fable6c release/small-wish.f6c -s SEED` and these lines. A turn "
        "has at most 200 tokens, after which the person may go on in the middle of a sentence.",
    )
)
TOLD = "Repetition of the twenty: "
NOTHING = "(nothing: it ends there)"
NONE = "No stories yet: this model was not trained to its end when the page was written."
HEAD = """# Transcripts

What the models tell, unedited, and chosen by a rule that cannot read. `python release/transcripts.py` wrote this page.

**The rule.** Each model told 20 stories after "Once upon a time", with the seeds 1 to 20 and default sampling. For each, we count the share of its runs of four words that stood in it before. *Good* is the story with
the least repetition, *bad* the one with the most, *middling* the tenth of the twenty; among equal ones the lowest seed wins. A story that did not end by itself within 1,000 tokens counts as worse than any that did. Repetition is
only one way to be bad: a good one by this rule may still make no sense.

`build/fable6c MODEL -p "Once upon a time" -s SEED` tells each again. `train.txt` is [the text of the release](../README.md#make-the-headline-again). A budget in tokens gives the same model on every machine with the same
instruction set; `python -m fable6c.export runs/NAME -o build/NAME.f6c` makes its file. The chapters of models that are not in the release are of 2026-11-29, when there was no [penalty](learning.md#the-tic) yet: add `--penalty 0`.
"""


def repetition(text):
    words = re.findall(r"[\w']+", text.lower())
    runs = [tuple(words[n : n + 4]) for n in range(len(words) - 3)]
    return 1 - len(set(runs)) / len(runs) if runs else 1.0


def stories(path):
    """[(did not end, repetition, seed, text)], best first."""
    from fable6c.engine import Engine

    engine, told = Engine(str(path)), []
    for seed in SEEDS:
        engine.sampling(0.8, 40)
        engine.seed(seed)
        engine.reset()
        pieces = list(engine.generate(PROMPT, LIMIT))
        text = PROMPT + "".join(pieces)
        told.append((len(pieces) >= LIMIT, repetition(text), seed, text.strip()))
    return sorted(told)


def conversations(path):
    """The same of conversations: (False, repetition, seed, the person's lines in bold and the answers)."""
    told = []
    for seed in SEEDS:
        command = [str(ROOT / "build" / "fable6c"), str(path), "-s", str(seed)]
        done = subprocess.run(command, input="".join(f"{line}\n" for line in LINES), stdout=subprocess.PIPE, text=True, check=True)
        answers = [answer.strip() for answer in re.split(r"(?:^|\n)> ", done.stdout)[1 : len(LINES) + 1]]
        told.append(
            (
                False,
                repetition(" ".join(answers)),
                seed,
                "\n\n".join(f"**{line}**\n\n{answer or NOTHING}" for line, answer in zip(LINES, answers)),
            )
        )
    return sorted(told)


def twenty(name, path):
    """What the model tells for the chapter of this name."""
    return conversations(path) if name == CONVERSATION else stories(path)


def chapter(name, told):
    shares = [f"{share:.0%}" for _, share, _, _ in (told[0], told[9], told[-1])]
    unended = sum(not_ended for not_ended, *_ in told)
    lines = [f"{TOLD}least {shares[0]}, tenth {shares[1]}, most {shares[2]}. {unended} did not end by themselves.", ""]
    for title, (not_ended, share, seed, text) in (("Good", told[0]), ("Middling", told[9]), ("Bad", told[-1])):
        if not_ended and len(text) > 1500:
            text = text[:1500] + f" […]\n\n(cut here by this page; {len(text):,} characters in all, without an end)"
        lines += [
            f"### {title}: {name}, seed {seed}, repetition {share:.0%}",
            "",
            *(f"> {line}" if line.strip() else ">" for line in text.split("\n")),
            "",
        ]
    return "\n".join(lines)


def opening(name, command, words):
    """A chapter's heading, and how its model was made."""
    return f"## {name}\n\n{words}\n\n" + (f"```\n{command}\n```\n\n" if command else "")


def page(before, root=ROOT):
    """(the page, [what is missing]): chapters of models that are here are told, those of others taken out of the page before."""
    parts = (part.partition("\n") for part in re.split(r"^## ", before, flags=re.MULTILINE)[1:])
    kept = {name: body[body.index(TOLD) :] for name, _, body in parts if TOLD in body}
    parts, missing = [HEAD], []
    for name, path, command, words in MODELS:
        if (root / path).exists():
            parts.append(opening(name, command, words) + chapter(name, twenty(name, root / path)))
        else:
            missing.append(f"{path} is missing, so its chapter {'is the old one' if name in kept else 'has no stories'}; {command}")
            parts.append(opening(name, command, words) + kept.get(name, NONE).rstrip("\n") + "\n")
    return "\n".join(parts), missing


def main():
    text, missing = page(PAGE.read_text(encoding="utf-8") if PAGE.exists() else "")
    PAGE.write_text(text, encoding="utf-8")
    print("\n".join(missing), file=sys.stderr)


if __name__ == "__main__":
    main()
