"""Stories that a model tells, good, middling and bad ones, chosen by a rule: python release/transcripts.py MODEL=NAME … > docs/transcripts.md

The rule, the same for each model: seeds 1 to 20, default sampling, at most 1,000 tokens. A story's repetition is the share of its runs of four words
that stood in it before. Good is the story with the least, bad the one with the most, middling the one in the middle (the 10th); among equal ones
the lowest seed. A story that did not end by itself counts as worse than any that did.
"""

import re
import sys

SEEDS = range(1, 21)
PROMPT = "Once upon a time"
LIMIT = 1000
HEAD = """# Transcripts

What the models tell, unedited, and chosen by a rule that cannot read. `python release/transcripts.py` wrote this page.

**The rule.** Each model told 20 stories after "Once upon a time", with the seeds 1 to 20 and default sampling. For each, we count the share of its runs of four words that stood in it before. *Good* is the story with
the least repetition, *bad* the one with the most, *middling* the tenth of the twenty; among equal ones the lowest seed wins. A story that did not end by itself within 1,000 tokens counts as worse than any that did. Repetition is
only one way to be bad: a good one by this rule may still make no sense.

`build/fable6c MODEL -p "Once upon a time" -s SEED` tells each again. `small` and `micro` are those of [release/](../release/README.md). The third is no release: `python -m fable6c.train --preset micro --tokens 2400000 --out runs/two-minutes`, which is
what two minutes give at 20,000 tokens/s, on the made-up stories that the project brings along. They are simpler than TinyStories, so its spelling is worse and its repetition is not.
"""


def repetition(text):
    words = re.findall(r"[\w']+", text.lower())
    runs = [tuple(words[n : n + 4]) for n in range(len(words) - 3)]
    return 1 - len(set(runs)) / len(runs) if runs else 1.0


def stories(path):
    """[(did not end, repetition, seed, text)], best first."""
    from fable6c.engine import Engine

    engine, told = Engine(path), []
    for seed in SEEDS:
        engine.sampling(0.8, 40)
        engine.seed(seed)
        pieces = list(engine.generate(PROMPT, LIMIT))
        text = PROMPT + "".join(pieces)
        told.append((len(pieces) >= LIMIT, repetition(text), seed, text.strip()))
    return sorted(told)


def chapter(path, name):
    told = stories(path)
    lines = [f"## {name}", ""]
    shares = [f"{share:.0%}" for _, share, _, _ in (told[0], told[9], told[-1])]
    unended = sum(not_ended for not_ended, *_ in told)
    lines += [f"Repetition of the twenty: least {shares[0]}, tenth {shares[1]}, most {shares[2]}. {unended} did not end by themselves.", ""]
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


def main():
    print(HEAD)
    print("\n".join(chapter(*argument.split("=", 1)) for argument in sys.argv[1:]), end="")


if __name__ == "__main__":
    main()
