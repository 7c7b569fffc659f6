"""docs/capability-report.md is what the records give, and its figures follow theirs."""

import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
import capability  # noqa: E402
import scores  # noqa: E402

PAGE = capability.PAGE.read_text(encoding="utf-8")


def test_the_page_is_current():
    assert scores.filled(PAGE, capability.tables()) == PAGE, "run: python benchmarks/capability.py"


def test_every_table_has_its_place_and_every_place_its_table():
    names = set(capability.tables())
    assert set(re.findall(r"<!-- end of ([\w ]+) -->", PAGE)) == names
    assert all(f"<!-- {name} -->" in PAGE for name in names)


def test_every_plot_is_there():
    images = re.findall(r"\]\((images/capability-\w+\.png)\)", PAGE)
    assert len(images) >= 6
    assert all((ROOT / "docs" / image).read_bytes().startswith(b"\x89PNG") for image in images)


def test_another_figure_would_be_seen(monkeypatch):
    records, reports = capability.load()
    reports["small"]["tasks"]["knowledge"]["accuracy"]["value"] += 0.1
    monkeypatch.setattr(capability, "load", lambda: (records, reports))
    assert scores.filled(PAGE, capability.tables()) != PAGE


def test_rank_correlation():
    assert capability.rank_correlation([1, 2, 3], [10, 20, 25]) == pytest.approx(1)
    assert capability.rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert capability.rank_correlation([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(0)
    assert capability.rank_correlation([1, 1], [1, 2]) != capability.rank_correlation([1, 1], [1, 2])  # nan


def test_verdicts_follow_the_interval():
    kinds = {name: {"value": 0.5, "low": low, "high": 0.9, "count": 9} for name, low in (("a", 0.7), ("b", 0.55), ("c", 0.5))}
    report = {"tasks": {"knowledge": {"kinds": kinds}}}
    assert [len(lines) for lines in capability.verdicts(report)] == [1, 1, 1]


def test_a_wrong_argument_is_one_line():
    for argument in ("small", "tiny=report.json", "small=absent.json"):
        with pytest.raises(capability.common.Failure, match="give NAME=REPORT"):
            capability.main([argument])
