"""What a budget is expected to buy: bits per character after so many tokens, from runs of the presets that were measured."""

import math

from fable6c.training.config import load_config
from fable6c.training.run import Run

# Million tokens seen in a whole run, and its bits per character on valid500 of TinyStories: the rows of docs/numbers.md, from
# benchmarks/record/2026-11-22-amd-epyc/curve.json. The longest run of each is the release, whose log is release/PRESET.jsonl. Since then `small` has higher
# rates and does a little better (docs/learning.md).
CURVES = {
    "micro": [(7.520256, 0.8615), (37.730304, 0.7933), (463.126528, 0.7636)],
    "small": [(2.256896, 0.8978), (11.812864, 0.7279), (49.999872, 0.6633), (282.767360, 0.6438)],
}


def expected_bits(preset: str, tokens: float) -> str:
    """In words, the bits per character of a run of a preset that sees so many tokens: on a straight line over the logarithm of the tokens
    between two runs of its curve.

    expected_bits("small", 20e6) is "about 0.704".
    """
    curve, millions = CURVES[preset], tokens / 1e6
    if millions < curve[0][0]:
        return f"more than {curve[0][1]:.3f}"
    for (low, worse), (high, better) in zip(curve, curve[1:]):
        if millions <= high:
            share = math.log(millions / low) / math.log(high / low)
            return f"about {worse + share * (better - worse):.3f}"
    return f"{curve[-1][1]:.3f} or a little less"


def expectation(run: Run) -> str:
    """A line for a run with a budget of minutes: what these buy, once they are planned."""
    assert run.seconds_budget is not None and run.steps_budget is not None
    tokens, preset = run.steps_budget * run.tokens_per_step, run.command["preset"]
    times = tokens / len(run.dataset.train)
    said = f"{run.seconds_budget / 60:g} minutes buy {tokens / 1e6:,.1f} million tokens here, {times:.1f} times the text"
    from_nothing = "from" not in run.command and "teachers" not in run.command
    if preset in CURVES and from_nothing and run.config.model == load_config(preset).model:
        said += f"; from as many, {preset} learns TinyStories to {expected_bits(preset, tokens)} bits per character (docs/numbers.md)"
    return said
