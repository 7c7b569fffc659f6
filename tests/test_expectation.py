"""What a budget of minutes is said to buy, and that the curve behind it is the measured one."""

import dataclasses
import json
import os
import types

import pytest

from fable6c.training.config import load_config
from fable6c.training.expectation import CURVES, expectation, expected_bits

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(preset, minutes, steps):
    """What `expectation` reads of a run: so many steps of 4,096 tokens, a text of two million tokens."""
    return types.SimpleNamespace(
        seconds_budget=60.0 * minutes, steps_budget=steps, tokens_per_step=4096, config=load_config(preset), command={"preset": preset},
        dataset=types.SimpleNamespace(train=range(2_000_000)),
    )  # fmt: skip


def test_the_curve_is_the_record():
    with open(os.path.join(ROOT, "benchmarks/record/2026-11-22-amd-epyc/curve.json"), encoding="utf-8") as file:
        points = json.load(file)["points"]
    for preset, curve in CURVES.items():
        measured = [(p["tokens"], round(p["bits_per_char"], 4)) for p in points if p["series"] == f"fable6c {preset}"]
        assert [(round(millions * 1e6), bits) for millions, bits in curve] == measured
        with open(os.path.join(ROOT, f"release/{preset}.jsonl"), encoding="ascii") as file:
            assert json.loads(file.readlines()[-1])["tokens"] == measured[-1][0], "the longest is the release"


def test_between_two_runs_and_beyond_them():
    assert expected_bits("small", 49_999_872) == "about 0.663" and expected_bits("small", 2_256_896) == "about 0.898"
    assert expected_bits("small", 20e6) == "about 0.704"
    assert expected_bits("micro", (7.520256 * 37.730304) ** 0.5 * 1e6) == f"about {(0.8615 + 0.7933) / 2:.3f}"
    assert expected_bits("small", 1e6) == "more than 0.898" and expected_bits("micro", 1e9) == "0.764 or a little less"


def test_what_minutes_buy():
    assert expectation(run("small", 120, 10_000)) == (
        "120 minutes buy 41.0 million tokens here, 20.5 times the text; from as many, small learns TinyStories to about 0.672 bits per "
        "character (docs/numbers.md)"
    )


@pytest.mark.parametrize("change", ["base", "another shape", "from", "teachers"])
def test_no_bits_per_character_without_a_curve(change):
    one = run("base" if change == "base" else "small", 60, 1000)
    if change == "another shape":
        one.config = dataclasses.replace(one.config, model=dataclasses.replace(one.config.model, layers=5))
    elif change != "base":
        one.command[change] = "0" * 64
    assert expectation(one) == "60 minutes buy 4.1 million tokens here, 2.0 times the text"
