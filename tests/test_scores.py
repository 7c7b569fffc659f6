"""The scores in the pages are those of the records."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
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
