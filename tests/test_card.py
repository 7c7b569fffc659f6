"""The model card and its measurement of bias: known answers of a made-up model, the cards in release/, and mistakes in one line."""

import pathlib

import numpy as np
import pytest

import make_golden
from fable6c import card
from fable6c.errors import UserError
from fable6c.evaluation import bias
from fable6c.evaluation.card import write
from fable6c.model.file import read_model

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="module")
def golden():
    return read_model(str(make_golden.MODEL))


def test_bits_are_those_of_the_model(golden):
    """Batched, with rows of several lengths, against one row after the other through another reader of the same logits."""
    scorer = bias.Scorer(golden)
    pairs = [("The fox", " ran"), ("Once upon a time, there was a", " girl"), ("A", " very long way home"), ("The fox", " ran")]
    found = scorer.bits(pairs)
    for (beginning, continuation), bits in zip(pairs, found):
        head, tail = scorer.tokenizer.encode(beginning), scorer.tokenizer.encode(continuation)
        end_mark = golden.dimensions.end_mark
        logits, _ = scorer.reference.forward(np.array([[end_mark, *head, *tail]]))
        logits = logits[0].astype(np.float64)
        logs = (
            logits
            - np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True))
            - logits.max(axis=1, keepdims=True)
        )
        expected = sum(logs[len(head) + n, token] for n, token in enumerate(tail)) / np.log(2)
        assert bits == pytest.approx(expected, abs=1e-6)
    assert found[0] == found[3]


class Partial(bias.Scorer):
    """She after a nurse, he after a pilot, by three bits; every other job alike. A girl is happier by one bit."""

    def __init__(self):
        pass

    def bits(self, pairs):
        found = []
        for beginning, continuation in pairs:
            leaning = 1.5 * ("nurse" in beginning) - 1.5 * ("pilot" in beginning)
            value = {" She": leaning, " He": -leaning, " happy": float(any(name in beginning for name in bias.GIRLS))}
            found.append(-4.0 + value.get(continuation, 0))
        return np.array(found)


def test_a_leaning_is_found_and_none_is_made_up():
    rows = {row["word"]: row for row in bias.pronouns(Partial())}
    assert (rows["nurse"]["bits"], rows["pilot"]["bits"], rows["cook"]["bits"]) == (3.0, -3.0, 0.0)
    assert rows["nurse"]["n"] == len(bias.ABOUT_A_JOB)
    rows = {row["word"]: row["bits"] for row in bias.feelings(Partial())}
    assert rows["happy"] == 1.0 and rows["sad"] == 0.0
    heroes = bias.heroes(Partial())
    assert heroes["girl_among_girl_and_boy"] == 0.5 and len(heroes["names"]["girl"]) == len(bias.GIRLS)


def test_an_interval_is_students():
    found = bias.interval([1.0, 2.0, 3.0])  # mean 2, deviation 1: 2 ± 4.303 / √3
    assert (found["bits"], found["low"], found["high"], found["n"]) == (2.0, -0.484, 4.484, 3)


@pytest.mark.parametrize("name", ["small", "micro", "small-wish", "micro-wish"])
def test_the_cards_of_the_release_are_current(name, tmp_path):
    folder, text = ROOT / "release", (ROOT / "release" / f"{name}.md").read_text(encoding="utf-8")
    command = [
        "write",
        str(folder / f"{name}.f6c"),
        "--measured",
        str(folder / f"{name}.measured.json"),
        "--about",
        str(folder / "about.toml"),
    ]
    for report in sorted(ROOT.glob(f"benchmarks/record/*/capability-{name}.json"))[-1:]:
        command += ["--report", str(report)]
    card.main([*command, "-o", str(tmp_path / "card.md")])
    assert text == (tmp_path / "card.md").read_text(encoding="utf-8"), "make cards"
    sections = ["Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses"]
    assert all(f"\n## {section}\n" in text for section in [*sections, "Ethical considerations", "Caveats and recommendations", "Citation"])


def test_measure_and_write(golden, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bias, "JOBS", ("cook", "nurse"))
    monkeypatch.setattr(
        bias, "measure", lambda model: {"heroes": bias.heroes(Partial()), "pronouns": bias.pronouns(Partial()), "feelings": []}
    )
    measured, out = str(tmp_path / "m.json"), str(tmp_path / "card.md")
    card.main(["measure", str(make_golden.MODEL), "-o", measured])
    card.main(["write", str(make_golden.MODEL), "--measured", measured, "-o", out])
    text = pathlib.Path(out).read_text(encoding="utf-8")
    assert text.startswith("---\nlanguage: en\n") and "| nurse | +3.0 |" in text and "| bits per character | not measured |" in text
    assert "bytes" in capsys.readouterr().out


def test_figures_of_another_form_are_one_line(tmp_path):
    (tmp_path / "x.json").write_text(f'{{"model_sha256": "{card.sha256_of(str(make_golden.MODEL))}", "bias": {{}}}}')
    with pytest.raises(UserError, match="a form that this version does not know"):
        card.main(["write", str(make_golden.MODEL), "--measured", str(tmp_path / "x.json"), "-o", str(tmp_path / "card.md")])


@pytest.mark.parametrize(
    "content,words",
    [("[]", "the JSON is no object"), ("{", "this is not JSON"), ('{"model_sha256": "0"}', "of another model")],
)
def test_figures_of_something_else_are_one_line(content, words, tmp_path):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=words):
        card.main(["write", str(make_golden.MODEL), "--measured", str(tmp_path / "x.json"), "-o", str(tmp_path / "card.md")])
    assert not (tmp_path / "card.md").exists()


def test_an_unknown_key_is_one_line(tmp_path):
    (tmp_path / "about.toml").write_text('licens = "MIT"\n')
    with pytest.raises(UserError, match="there is no key 'licens'"):
        card.read_about(str(tmp_path / "about.toml"), "small")
    (tmp_path / "about.toml").write_text('licence = "MIT"\nthreads = 2\n[small]\nthreads = 1\n[micro]\nlicens = 3\n')
    assert card.read_about(str(tmp_path / "about.toml"), "small") == {"licence": "MIT", "threads": 1}
    assert card.read_about(str(tmp_path / "about.toml"), "base") == {"licence": "MIT", "threads": 2}
    with pytest.raises(UserError, match="there is no key 'licens'"):
        card.read_about(str(tmp_path / "about.toml"), "micro")


def test_the_report_of_a_suite_gives_rows(golden):
    measured = {
        "model_sha256": "x",
        "bias": {"heroes": bias.heroes(Partial()), "pronouns": [], "feelings": []},
        "report": {
            "tasks": {
                "prediction": {"texts": [{"chars": 9, "stream": {"value": 0.5, "low": 0.4, "high": 0.6}}]},
                "grammar": {"zorro": {"accuracy": {"value": 0.7, "low": 0.6, "high": 0.8}}},
                "stories": {"copied": {"longest": 21, "in_runs": {"value": 0.01, "low": 0.0, "high": 0.02}, "long_run": 10}},
            }
        },
    }
    text = write(golden, "x.f6c", 1, measured, {})
    assert (
        "**0.5000** (0.4000 to 0.6000)" in text
        and "70.0% (60.0% to 80.0%)" in text
        and "training text has 21 words; 1.0% of all words (0.0% to 2.0%) stand in runs of 10 or more" in text
    )
