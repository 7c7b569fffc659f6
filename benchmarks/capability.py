"""Write docs/capability-report.md and its plots from the records of the suite: `python benchmarks/capability.py`.

    python benchmarks/capability.py small=runs/suite/report.json    # keep a new report as a record first

tests/test_capability.py says whether the page is current.
"""

import hashlib
import json
import math
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any, Callable, Optional

import common
import scores

sys.path.insert(0, common.ROOT)
from fable6c.evaluation import page
from fable6c.evaluation.page import figures_of, valid500
from fable6c.evaluation.published import GRAMMAR, GRAMMAR_SOURCES, MODELS
from fable6c.evaluation.tasks.stories import measure_story

ROOT = pathlib.Path(common.ROOT)
PAGE, IMAGES = ROOT / "docs" / "capability-report.md", ROOT / "docs" / "images"
NAMES = ["micro", "small", "scout"]  # in the order of the tables
TRIO = {"small-quick": "small", "scout-quick": "scout", "ensemble": "ensemble"}  # the ensemble and its parts, on the same part of the items
OTHERS = [*TRIO, "quantization"]
TITLES = {
    "prediction": "Bits per character on valid500 by three protocols, beside published models",
    "zorro": "Zorro by paradigm",
    "blimp": "BLiMP by paradigm",
    "knowledge": "Made-up items by kind",
    "cloze": "Cloze test by type of word",
    "stories": "Proxies of told stories beside real ones",
    "quantization": "Bits per character against the bytes of the weights",
}


def newest(name: str) -> Optional[dict]:
    """The newest record capability-NAME, or None."""
    paths = sorted(ROOT.glob(f"benchmarks/record/*/capability-{name}.json"))
    return json.loads(paths[-1].read_text(encoding="utf-8")) if paths else None


def keep(name: str, path: str) -> None:
    """Make a record of a suite's report, without the stories that nobody scored by hand."""
    with open(path, encoding="ascii") as file:
        report = json.load(file)
    report["tasks"].get("stories", {}).pop("texts", None)
    record = common.Record(f"capability-{name}", False)
    record.figures["report"] = report
    target = pathlib.Path(record.folder()) / f"capability-{name}.json"
    target.write_text(common.without_folders(json.dumps(record.figures, indent=1)) + "\n", encoding="utf-8")
    print(target.relative_to(ROOT))


# ---- the page


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: bool = False) -> str:
    """A table of figures, or of words."""
    lines = [head, ["---", *("---" if words else "---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def value_of(value: Optional[dict], form: str = ".3f") -> str:
    """0.661 (0.602–0.715)"""
    if not value or "value" not in value:
        return "–"
    if value["low"] is None:
        return format(value["value"], form)
    return f"{value['value']:{form}} ({value['low']:{form}}–{value['high']:{form}})"


def overview(reports: dict[str, dict], only: tuple[str, ...] = ("",)) -> str:
    """A row for each figure whose name begins with one of `only`, a column for each model."""

    def text(protocol: str) -> Any:
        return lambda report: value_of((valid500(report) or {}).get(protocol))

    def task(name: str, *keys: str, form: str = ".3f") -> Any:
        def found(report: dict) -> str:
            figures: Any = figures_of(report, name)
            for key in keys:
                figures = (figures or {}).get(key)
            return value_of(figures, form)

        return found

    rows = {
        "file": lambda report: f"{report['tasks']['cost']['file_bytes']:,} bytes" if "cost" in report["tasks"] else "–",
        "valid500, one stream, bits per character": text("stream"),
        "valid500, each story alone": text("stories"),
        "valid500, FlashLM's protocol": text("flashlm"),
        "Zorro (chance 0.5)": task("grammar", "zorro", "accuracy"),
        "BLiMP (chance 0.5)": task("grammar", "blimp", "accuracy"),
        "knowing the story (chance 0.5)": task("knowledge", "accuracy"),
        "cloze test (chance 0.1)": task("cloze", "accuracy"),
        "told sentences that a parser takes": task("stories", "parser", "told"),
        "told sentences that say a word twice": task("stories", "told", "told_twice"),
    }
    return table(
        ["", *(f"`{name}`" for name in reports)],
        [[title, *(found(r) for r in reports.values())] for title, found in rows.items() if title.startswith(only)],
    )


def verdicts(report: dict) -> tuple[list[str], list[str], list[str]]:
    """The kinds of items that a model knows (the whole interval above 0.6), may know, and does not (the interval reaches chance)."""
    kinds = (figures_of(report, "knowledge") or {"kinds": {}})["kinds"]
    known = [f"{kind}: {value_of(value, '.2f')}" for kind, value in kinds.items() if value["low"] > 0.6]
    little = [f"{kind}: {value_of(value, '.2f')}" for kind, value in kinds.items() if 0.5 < value["low"] <= 0.6]
    unknown = [f"{kind}: {value_of(value, '.2f')}" for kind, value in kinds.items() if value["low"] <= 0.5]
    return known, little, unknown


def item_examples(report: dict) -> str:
    rows = []
    for kind, pair in (figures_of(report, "knowledge") or {"examples": {}})["examples"].items():
        for item, verdict in zip(pair, ("clearest right", "clearest wrong")):
            if (item["lead_bits"] > 0) == (verdict == "clearest right"):
                rows.append(
                    [kind, verdict, f"{item['context']} **{item['right'].strip()}** / {item['wrong'].strip()}", f"{item['lead_bits']:+.1f}"]
                )
    return table(["kind", "", "the right end in bold", "bits that the right end is ahead"], rows, words=True)


def grammar_section(reports: dict[str, dict]) -> str:
    parts = []
    for test, others in GRAMMAR.items():
        rows = []
        for name, report in reports.items():
            figures = (figures_of(report, "grammar") or {}).get(test)
            if figures:
                rows.append([f"`{name}`", value_of(figures["accuracy"]), f"{figures['pairs']:,}"])
        rows += [[name, f"{value:.3f}", ""] for name, value in others.items()] + [["chance", "0.500", ""]]
        parts.append(
            f"**{test.capitalize() if test == 'zorro' else 'BLiMP'}.** Others: {GRAMMAR_SOURCES[test]}.\n\n"
            + table(["", "mean over paradigms", "pairs"], rows)
        )
    return "\n\n".join(parts)


def parser_table(reports: dict[str, dict]) -> str:
    rows = []
    for name, report in reports.items():
        parser = (figures_of(report, "stories") or {}).get("parser", {})
        if "told" in parser:
            rows.append([f"`{name}`", *(value_of(parser.get(key)) for key in ("told", "real", "shuffled"))])
    return (
        table(["sentences that link-parser takes whole", "told", "real stories", "real, words shuffled"], rows)
        if rows
        else "link-parser was not there."
    )


def stories_table(reports: dict[str, dict]) -> str:
    shown = {f"`{name}`": figures["told"] for name, report in reports.items() if (figures := figures_of(report, "stories"))}
    real = next((f["real"] for r in reports.values() if (f := figures_of(r, "stories")) and "skipped" not in f["real"]), None)
    if real:
        shown["real"] = real
    rows: dict[str, Any] = {
        "stories": lambda f: str(f["stories"]),
        "grammar: sentences that say a word twice": lambda f: value_of(f["told_twice"]),
        "grammar: names joined to themselves": lambda f: str(f["joined_to_themselves"]),
        "consistency: stories that say the hero's name again": lambda f: value_of(f.get("hero_again"), ".2f"),
        "consistency: pronouns of the hero's kind": lambda f: value_of(f.get("hero_pronouns"), ".2f"),
        "an end: stories ended within 250 tokens": lambda f: value_of(f["ended"], ".2f") if "hero_again" in f else "–",
        "loops: sentences told before": lambda f: value_of(f["sentences_again"]),
        "loops: stories with six words three times": lambda f: value_of(f["loops"], ".2f"),
        "variety: different words of all": lambda f: f"{f['distinct']['1']:.3f} of {f['words']:,}",
        "variety: different pairs, triples": lambda f: f"{f['distinct']['2']:.3f}, {f['distinct']['3']:.3f}",
        "variety: self-BLEU (lower is more varied)": lambda f: f"{f['self_bleu']:.3f}" if f["self_bleu"] is not None else "–",
    }
    return table(["", *shown], [[title, *(found(f) for f in shown.values())] for title, found in rows.items()])


def copies_table(reports: dict[str, dict]) -> str:
    rows = []
    for name, report in reports.items():
        figures = figures_of(report, "stories") or {}
        for key, label in (("copied", f"`{name}`"), ("copied_real", "real stories, not in the training text")):
            copied = figures.get(key)
            if copied and "longest" in copied and label not in {row[0] for row in rows}:
                shares = [value_of(copied["texts_with_long_runs"], ".2f"), value_of(copied["in_runs"], ".3f")]
                rows.append([label, str(copied["longest"]), f"{copied['mean']:.1f}", *shares])
    rows.sort(key=lambda row: not row[0].startswith("`"))
    return table(
        [
            "longest run of words that stands in the training text",
            "words",
            "mean of a story's longest",
            "stories with 10 or more",
            "words in runs of 10 or more",
        ],
        rows,
    )


def determinism_table(reports: dict[str, dict]) -> str:
    shown = {name: f for name, r in reports.items() if (f := figures_of(r, "determinism"))}
    first = next(iter(shown.values()))
    rows = []
    for number, row in enumerate(first["rows"]):
        cells = [f["rows"][number] for f in shown.values()]
        rows.append([row["runtime"], *(f"`{cell['digest']}`" if "digest" in cell else cell["missing"] for cell in cells)])
    pinned = ["as pinned" if f.get("golden") else "NOT as pinned" if f.get("golden") is False else "not told" for f in shown.values()]
    rows.append(["the golden model's story, wasm3 in Python", *pinned])
    return table(["SHA-256 of the story, its beginning", *(f"`{name}`" for name in shown)], rows)


def quantization_section(report: dict) -> str:
    figures = report["tasks"]["quantization"]
    rows = [[row["rounded"], value_of(row["bits_per_char"]), f"{row['bytes']:,}"] for row in figures["rows"]]
    return table(["rounded", "bits per character", "bytes of weights"], rows)


def floats_section(record: dict) -> str:
    """The same network trained with the roundings, and without any and rounded afterwards (floats.py)."""
    rows = []
    for row in record["rows"]:
        more = "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**row["more"])
        rows.append([row["trained"], row["rounded"], value_of(row["bits_per_char"]), more, f"{row['bytes']:,}"])
    seen = f"Each trained on {record['tokens']:,} tokens, calibrated on {record['calibration_tokens']:,} of them."
    head = ["trained", "rounded", "bits per character", "more than the first", "bytes of weights"]
    return seen + "\n\n" + table(head, rows).replace("| --- | ---: |", "| --- | --- |", 1)


def cost_table(reports: dict[str, dict]) -> str:
    rows = []
    for name, report in reports.items():
        figures = figures_of(report, "cost")
        if not figures:
            continue
        card, runtimes = figures.get("card", {}), figures["runtimes"]
        score = runtimes["scoring of short texts"].get("tokens_per_cpu_second")
        wasm3 = runtimes.get("a story, wasm3 in Python", {}).get("tokens_per_cpu_second")
        rows.append([
            f"`{name}`", f"{figures['file_bytes']:,}", f"{figures['parameters']:,}" if "parameters" in figures else "–",
            f"{card['minutes']:g}" if "minutes" in card else "–", f"{card['tokens_trained'] / 1e6:.0f} M" if "tokens_trained" in card else "–",
            f"{score:,.0f}" if score else "–", f"{wasm3:,.0f}" if wasm3 else "–",
        ])  # fmt: skip
    head = [
        "",
        "bytes of the file",
        "parameters",
        "minutes of training, two threads",
        "tokens trained on",
        "tokens scored a CPU second",
        "tokens told a CPU second, wasm3",
    ]
    return table(head, rows)


def published_table(reports: dict[str, dict]) -> str:
    rows = []
    for name, report in reports.items():
        text, cost = valid500(report) or {}, figures_of(report, "cost") or {}
        for protocol, label in page.PROTOCOLS.items():
            if protocol in text:
                size = f"{cost['file_bytes'] / 1e6:.1f} MB" if cost else "–"
                parameters = f"{cost['parameters'] / 1e6:.1f} M" if "parameters" in cost else "–"
                rows.append([f"`{name}`", parameters, size, f"{text[protocol]['value']:.3f}", label, "measured here", ""])
    for model in MODELS:
        bits = "–" if model.bits_per_char is None else f"{'about ' if model.estimate else ''}{model.bits_per_char:g}"
        label = page.PROTOCOLS.get(model.protocol, "–") + (" (estimate)" if model.estimate else "")
        rows.append([model.name, model.parameters, model.size, bits, label, model.source, model.not_comparable])
    return table(["", "parameters", "size", "valid500, bits per character", "protocol", "source", "not comparable"], rows, words=True)


# ---- stories scored by hand


def hand_section(hand: dict) -> str:
    lines = list(hand["rubric"])
    models = [name for name in NAMES if any(item["model"] == name for item in hand["items"])]
    rows = []
    for model in models:
        chosen = [item["scores"] for item in hand["items"] if item["model"] == model]
        rows.append([f"`{model}`", str(len(chosen)), *(f"{sum(s[line] for s in chosen) / len(chosen):.2f}" for line in lines)])
    agreement = []
    for line, (title, proxy) in PROXIES.items():
        pairs = [
            (item["scores"][line], proxy(measure_story(item["opening"], item["hero"], item["told"], item["ended"])))
            for item in hand["items"]
        ]
        agreement.append([line, title, f"{rank_correlation([a for a, _ in pairs], [b for _, b in pairs]):+.2f}"])
    return (
        table(["mean of 0, 1, 2", "stories", *lines], rows)
        + "\n\nHow the proxies of single stories agree with the hand's scores (Spearman's rank correlation over all of them):\n\n"
        + table(["line of the rubric", "proxy", "correlation"], agreement)
    )


PROXIES: dict[str, tuple[str, Any]] = {
    "grammar": ("sentences without a word said twice", lambda f: -f["told_twice"]),
    "consistency": ("pronouns of the hero's kind", lambda f: f["hero_pronouns"]),
    "plot": ("ended by itself", lambda f: f["ended"]),
    "no loops": ("sentences not told before", lambda f: -f["sentences_again"]),
    "variety": ("different pairs of words", lambda f: f["distinct"]),
}


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's, ties at their mean rank; nan where one side never changes."""
    a, b = ranks(first), ranks(second)
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    top = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    bottom = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return top / bottom if bottom else math.nan


def ranks(values: Sequence[float]) -> list[float]:
    order = sorted(values)
    return [order.index(value) + (order.count(value) - 1) / 2 for value in values]


# ---- all of it


def load() -> tuple[dict[str, dict], dict[str, dict]]:
    """The records, and the reports of the models in them."""
    records = {name: record for name in [*NAMES, *OTHERS, "hand", "floats"] if (record := newest(name))}
    return records, {name: records[name]["report"] for name in NAMES if name in records}


def tables() -> dict[str, Callable[[], str]]:
    """What stands between the marks of the page, by their names."""
    records, reports = load()
    best = reports["small"]
    trio = {label: records[name]["report"] for name, label in TRIO.items()}
    tellers = {**reports, "ensemble": trio["ensemble"]}
    known, little, unknown = ("\n".join(f"- {line}" for line in lines) or "- nothing" for lines in verdicts(best))
    images = {name: f"![{TITLES[name]}](images/capability-{name}.png)" for name in page.drawings(drawn(records, reports))}
    examples = figures_of(best, "stories")["examples"]
    machine = records["small"]["machine"]
    digest = hashlib.sha256(json.dumps(records, sort_keys=True).encode()).hexdigest()[:16]
    made: dict[str, Callable[[], str]] = {
        "overview": lambda: overview(reports),
        "ensemble": lambda: overview(trio, ("valid500", "Zorro", "BLiMP", "knowing")),
        "what it knows": lambda: known,
        "what it knows a little": lambda: little,
        "what it does not know": lambda: unknown,
        "items": lambda: item_examples(best),
        "grammar": lambda: grammar_section(reports),
        "parser": lambda: parser_table(tellers),
        "stories": lambda: stories_table(tellers),
        "copies": lambda: copies_table(tellers),
        "examples": lambda: "\n\n".join("\n".join(f"> {line}" for line in text.split("\n")) for text in examples),
        "hand": lambda: hand_section(records["hand"]),
        "determinism": lambda: determinism_table(reports),
        "quantization": lambda: quantization_section(records["quantization"]["report"]),
        "floats": lambda: floats_section(records["floats"]),
        "cost": lambda: cost_table(reports),
        "published": lambda: published_table(reports),
        "machine": lambda: f"{machine['cpu']}, {machine['cores']} cores, {machine['date'][:10]}; the records' digest is {digest}.",
    }
    return {**made, **{f"image of {name}": lambda line=line: line for name, line in images.items()}}


def drawn(records: dict[str, dict], reports: dict[str, dict]) -> dict[str, dict]:
    """What the plots show: the quantization's report is one more, of a model that is in no other plot."""
    return {**reports, **({"quantization": records["quantization"]["report"]} if "quantization" in records else {})}


def main(argv: Sequence[str]) -> None:
    for argument in argv:
        name, equals, path = argument.partition("=")
        if name not in [*NAMES, *OTHERS] or not equals or not os.path.isfile(path):
            raise common.Failure(f"{argument}: give NAME=REPORT.json with a NAME of {', '.join([*NAMES, *OTHERS])}")
        keep(name, path)
    records, reports = load()
    PAGE.write_text(scores.filled(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
    for name, draw in page.drawings(drawn(records, reports)).items():
        path = IMAGES / f"capability-{name}.png"
        path.write_bytes(page.png(draw))
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    common.start("capability", lambda: main(sys.argv[1:]))
