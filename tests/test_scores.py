"""The scores in the pages are those of the records."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
import numpy as np  # noqa: E402

import scaling  # noqa: E402
import scores  # noqa: E402


@pytest.mark.parametrize("page", scores.PAGES)
def test_pages_are_current(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert "<!-- end of " in text and scores.filled(text) == text, "run: python benchmarks/scores.py"


def test_another_figure_would_be_seen():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    changed = text.replace("| **0.6", "| **0.5", 1)
    assert changed != text and scores.filled(changed) == text


def test_every_table_has_its_place():
    texts = "".join((ROOT / page).read_text(encoding="utf-8") for page in scores.PAGES)
    assert [name for name in scores.TABLES if f"<!-- {name} -->" not in texts] == []


def test_a_known_law_is_found_again():
    tokens = np.array([2.0, 12.0, 50.0, 280.0])
    bits = 0.6 + 0.5 * tokens**-0.7
    floor, factor, exponent = scaling.fit(tokens, bits[None])[0]
    assert (floor, factor, exponent) == pytest.approx((0.6, 0.5, 0.7), abs=1e-6)
    assert scaling.at((0.6, 0.5, 0.7), 1.0)[0] == pytest.approx(1.1)


def test_the_spread_is_that_of_two_seeds():
    runs = {"a": [{"bits_per_char": 1.0}, {"bits_per_char": 1.02}], "b": [{"bits_per_char": 0.5}]}
    assert scaling.seed_spread({"runs": runs}) == pytest.approx(0.02 / 1.01 / 2**0.5)
