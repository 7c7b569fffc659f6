"""Made-up stories for the scout's tests."""

import random


def stories(count, seed=1):
    """Made-up stories with names, repetitions and a little grammar."""
    draw = random.Random(seed)
    out = []
    for _ in range(count):
        name, place = draw.choice(["Tom", "Lily", "Max", "Sue"]), draw.choice(["park", "garden", "house", "lake"])
        thing, how = draw.choice(["ball", "cake", "kite", "drum"]), draw.choice(["red", "big", "old"])
        out.append(
            f"Once upon a time there was a child named {name}. {name} went to the {place} with a {how} {thing}.\n"
            f'"I like my {thing}," said {name}. The {thing} fell into the {place}, and {name} was {draw.choice(["sad", "happy"])}.'
        )
    return out
