"""The suite's page: `index.html` with the figures of report.json and plots, one file that needs nothing else.

The drawings take several reports, {name: report}: docs/capability-report.md shows all models in one.
"""

import base64
import html
import io
import json
import os
from collections.abc import Mapping
from typing import Any, Callable, Optional

from fable6c.evaluation.published import GRAMMAR, MODELS
from fable6c.figures import figure as new_figure
from fable6c.figures import label as safe_label
from fable6c.files import atomic_write
from fable6c.training.plot import say_undrawn

Reports = Mapping[str, dict]
INK, PALE, GRID = "#1f2933", "#7b8794", "#e4e7eb"
COLORS = ["#0b7285", "#d9480f", "#5f3dc4", "#2b8a3e", "#a61e4d"]
PROTOCOLS = {"stream": "one stream", "stories": "each story alone", "flashlm": "FlashLM's protocol"}


def figures_of(report: dict, task: str) -> Optional[dict]:
    """A task's figures; None where it did not run."""
    figures = report["tasks"].get(task)
    return figures if figures and "skipped" not in figures else None


def valid500(report: dict) -> Optional[dict]:
    """The figures of the text whose stories' cuts are known, if it was scored."""
    return next((text for text in (figures_of(report, "prediction") or {}).get("texts", []) if "flashlm" in text), None)


def headline(task: str, figures: dict) -> str:
    """A task's figures in a few words, for the terminal."""
    if task == "prediction":
        return "; ".join(f"{t['text']} {next(t[p]['value'] for p in PROTOCOLS if p in t):.4f} bits per character" for t in figures["texts"])
    if task == "grammar":
        return ", ".join(f"{test} {figures[test]['accuracy']['value']:.3f}" for test in GRAMMAR if test in figures)
    if "accuracy" in figures:
        return f"{figures['accuracy']['value']:.3f} right, chance {figures['chance']:.1f}"
    if task == "stories":
        return f"{figures['told']['told_twice']['value']:.3f} of sentences say a word twice"
    if task == "determinism":
        return f"{figures['runtimes']} runtimes, {'the same bits' if figures['same'] else 'NOT the same bits'}"
    if task == "quantization":
        return ", ".join(f"{row['rounded']} {row['bits_per_char']['value']:.3f}" for row in figures["rows"])
    return f"{figures['file_bytes']:,} bytes"


# ---- drawings: each into an empty Figure of matplotlib


def draw_prediction(figure: Any, reports: Reports) -> None:
    """Bits per character on valid500 by protocol, beside published models."""
    rows: list[tuple[str, str, dict, str]] = []
    for number, (name, report) in enumerate(reports.items()):
        text = valid500(report) or {}
        rows += [(name, protocol, text[protocol], COLORS[number % len(COLORS)]) for protocol in PROTOCOLS if protocol in text]
    for model in MODELS:
        if model.bits_per_char is not None:
            mark = f"{model.name}{' (estimate)' if model.estimate else ''}"
            rows.append((mark, model.protocol, {"value": model.bits_per_char, "low": None}, PALE))
    panels = figure.subplots(1, 3, sharex=True)
    figure.set_size_inches(11, 4.2)
    highest = max(row[2]["value"] for row in rows)
    for panel, (protocol, title) in zip(panels, PROTOCOLS.items()):
        chosen = sorted((row for row in rows if row[1] == protocol), key=lambda row: -row[2]["value"])
        _dots(panel, [(name, value, color) for name, _, value, color in chosen], ".3f")
        panel.set_title(title, loc="left", fontsize=10, color=INK)
        panel.set_xlim(0.2, highest * 1.16)
        panel.set_xlabel("bits per character, less is better")


def draw_grammar(figure: Any, reports: Reports, test: str) -> None:
    """Each paradigm of a test: a dot for each model."""
    shown = {name: (figures_of(report, "grammar") or {}).get(test) for name, report in reports.items()}
    first = next(figures for figures in shown.values() if figures)
    names = sorted(first["paradigms"], key=lambda paradigm: first["paradigms"][paradigm])
    figure.set_size_inches(9, 1.2 + 0.21 * len(names))
    panel = figure.subplots()
    for number, (name, figures) in enumerate(shown.items()):
        if figures:
            values = [figures["paradigms"][paradigm] for paradigm in names]
            label = f"{name}: mean {figures['accuracy']['value']:.3f}"
            panel.plot(values, range(len(names)), "o", color=COLORS[number % len(COLORS)], markersize=5, alpha=0.85, label=label)
    levels: dict[float, list[tuple[str, float]]] = {}
    for name, value in GRAMMAR[test].items():
        levels.setdefault(round(value, 2), []).append((name, value))  # names of levels that nearly coincide stand together
    for others in levels.values():
        value = others[0][1]
        panel.axvline(value, color=PALE, linewidth=1, linestyle=":")
        panel.text(value, -0.6, ", ".join(name for name, _ in others) + " ", rotation=90, fontsize=7, color=PALE, va="bottom", ha="right")
    panel.axvline(0.5, color=INK, linewidth=0.8)
    panel.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=7.5)
    panel.set_xlim(0, 1.01)
    panel.set_ylim(-0.7, len(names) - 0.3)
    panel.set_xlabel("share of pairs; the line is chance, dotted lines are other models' means")
    plain(panel)
    _legend(panel, len(shown))


def draw_knowledge(figure: Any, reports: Reports) -> None:
    """Each kind of item: a dot with its interval for each model."""
    _groups(figure, reports, "knowledge", "kinds", 0.5, "share of items that are right; the line is chance")


def draw_cloze(figure: Any, reports: Reports) -> None:
    _groups(figure, reports, "cloze", "types", 0.1, "share of gaps that are filled right; the line is chance")


def _groups(figure: Any, reports: Reports, task: str, key: str, chance: float, label: str) -> None:
    shown = {name: figures for name, report in reports.items() if (figures := figures_of(report, task))}
    groups = list(next(iter(shown.values()))[key])
    figure.set_size_inches(9, 1.3 + 0.42 * len(groups))
    panel = figure.subplots()
    for number, (name, figures) in enumerate(shown.items()):
        for row, group in enumerate(groups):
            value, shift = figures[key][group], (number - (len(shown) - 1) / 2) * 0.19
            y, color = len(groups) - 1 - row - shift, COLORS[list(reports).index(name) % len(COLORS)]
            panel.plot([value["low"], value["high"]], [y, y], color=color, linewidth=2, alpha=0.4)
            panel.plot(value["value"], y, "o", color=color, markersize=5, label=name if row == 0 else None)
    panel.axvline(chance, color=INK, linewidth=0.8)
    panel.set_yticks(range(len(groups)), groups[::-1])
    panel.set_xlim(0, 1.01)
    panel.set_xlabel(label)
    plain(panel)
    _legend(panel, len(shown))


STORY_FIGURES = {
    "told_twice": "sentences that say a word twice",
    "sentences_again": "sentences told before in the story",
    "loops": "stories with a run of six words three times",
    "ended": "stories that end by themselves",
}


def draw_stories(figure: Any, reports: Reports) -> None:
    """The proxies of what was told, beside real stories."""
    shown = {name: figures["told"] for name, report in reports.items() if (figures := figures_of(report, "stories"))}
    real = next((f["real"] for r in reports.values() if (f := figures_of(r, "stories")) and "skipped" not in f["real"]), None)
    if real:
        shown["real stories"] = real
    figure.set_size_inches(11, 1.4 + 0.27 * len(shown))
    for panel, (key, title) in zip(figure.subplots(1, len(STORY_FIGURES)), STORY_FIGURES.items()):
        rows = [
            (name, value[key], PALE if name == "real stories" else COLORS[i % len(COLORS)]) for i, (name, value) in enumerate(shown.items())
        ]
        if key == "ended":
            rows = [row for row in rows if row[0] != "real stories"]
        _dots(panel, rows[::-1], ".1%")
        panel.set_title(title, loc="left", fontsize=8, color=INK, wrap=True)
        highest = max(row[1]["high"] or row[1]["value"] for row in rows)
        panel.set_xlim(-0.03 * highest - 0.005, 1.5 * highest + 0.01)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def draw_quantization(figure: Any, reports: Reports) -> None:
    """Bits per character beside the megabytes of the weights, a row for each choice of what is rounded, the smallest on top."""
    rows = next(f for r in reports.values() if (f := figures_of(r, "quantization")))["rows"]
    rows = sorted(rows, key=lambda row: (-row["bytes"], -row["bits_per_char"]["value"]))
    colors = [COLORS[1] if row["rounded"] == "all four" else COLORS[0] for row in rows]
    figure.set_size_inches(10, 1.2 + 0.3 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    sizes = [{"value": row["bytes"] / 1e6, "low": 0, "high": row["bytes"] / 1e6} for row in rows]
    for panel, values, label in (
        (left, [row["bits_per_char"] for row in rows], "bits per character, less is better"),
        (right, sizes, "megabytes of weights, before the file's compression"),
    ):
        _dots(panel, [(row["rounded"], value, color) for row, value, color in zip(rows, values, colors)], ".2f")
        panel.set_xlim(0, max(value["high"] for value in values) * 1.15)
        panel.set_xlabel(label)


def _dots(panel: Any, rows: list[tuple[str, dict, str]], form: str) -> None:
    """A dot for each (name, value with interval, color), from bottom to top."""
    for y, (_, value, color) in enumerate(rows):
        if value.get("low") is not None:
            panel.plot([value["low"], value["high"]], [y, y], color=color, linewidth=3, alpha=0.35, solid_capstyle="butt")
        panel.plot(value["value"], y, "o", color=color, markersize=5)
        panel.annotate(
            format(value["value"], form), (value.get("high") or value["value"], y), xytext=(6, 0), textcoords="offset points", va="center",
            fontsize=8, color=INK,
        )  # fmt: skip
    panel.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=8)
    panel.set_ylim(-0.6, len(rows) - 0.4)
    plain(panel)


def _legend(panel: Any, columns: int) -> None:
    panel.legend(loc="lower right", bbox_to_anchor=(1, 1), ncol=columns, fontsize=8, frameon=False, borderaxespad=0.2)


def plain(panel: Any, axis: str = "x") -> None:
    panel.grid(axis=axis, color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set_color(PALE)
    panel.tick_params(length=0, colors=INK)


def drawings(reports: Reports) -> dict[str, Callable[[Any], None]]:
    """The drawings for which there are figures: name → what draws into a Figure."""
    found: dict[str, Callable[[Any], None]] = {}

    def offer(name: str, there: Callable[[dict], Any], draw: Callable[..., None], *arguments: str) -> None:
        chosen = {label: report for label, report in reports.items() if there(report)}
        if chosen:
            found[name] = lambda figure: draw(figure, reports, *arguments)

    offer("prediction", valid500, draw_prediction)
    for test in GRAMMAR:
        offer(test, lambda report, test=test: (figures_of(report, "grammar") or {}).get(test), draw_grammar, test)  # type: ignore[misc]
    offer("knowledge", lambda report: figures_of(report, "knowledge"), draw_knowledge)
    offer("cloze", lambda report: figures_of(report, "cloze"), draw_cloze)
    offer("stories", lambda report: figures_of(report, "stories"), draw_stories)
    offer("quantization", lambda report: figures_of(report, "quantization"), draw_quantization)
    return found


def png(draw: Callable[[Any], None]) -> bytes:
    """ModuleNotFoundError where matplotlib is missing."""
    picture = new_figure(layout="constrained", facecolor="white")
    draw(picture)
    out = io.BytesIO()
    picture.savefig(out, format="png", dpi=110, metadata={"Software": None})
    return out.getvalue()


# ---- the page


def write(report: dict, folder: str) -> None:
    """`folder`/index.html. Without matplotlib a page without plots, and a line on stderr that says so."""
    name = report["settings"]["model"]
    parts = []
    for key, draw in drawings({safe_label(name): report}).items():
        parts += picture(key, draw)
    for task, figures in report["tasks"].items():
        shown = {key: value for key, value in figures.items() if key not in ("texts", "examples") or task == "prediction"}
        parts.append(f"<h2>{html.escape(task)}</h2>")
        if "skipped" in figures:
            parts.append(f"<p>Not measured: {html.escape(figures['skipped'])}.</p>")
            continue
        rows = "".join(f"<tr><td>{html.escape(key)}<td>{html.escape(value)}" for key, value in flat(shown))
        parts.append(f"<table>{rows}</table>")
        for text in figures.get("examples", []) if task == "stories" else []:
            parts.append(f"<blockquote>{html.escape(text)}</blockquote>")
    settings = html.escape(json.dumps(report["settings"], indent=1))
    parts.append(f"<h2>what was measured</h2><pre>{settings}</pre>")
    lead = "Each figure stands with the interval in which 95 % of bootstrap draws lie, and with how many documents, items or stories it comes from."
    content = document(f"{html.escape(name)}: what it can and cannot do", lead, parts)
    atomic_write(os.path.join(folder, "index.html"), content.encode("utf-8"))


def picture(title: str, draw: Callable[[Any], None]) -> list[str]:
    """A drawing under its heading; nothing where it cannot be drawn, and a line on stderr that says so."""
    try:
        data = base64.b64encode(png(draw)).decode("ascii")
    except Exception as error:  # whatever it is: the figures are worth more
        say_undrawn("a plot of the page is not drawn", error)
        return []
    return [f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{data}">']


def document(title: str, lead: str, parts: list[str]) -> str:
    """A page of these parts, all in HTML."""
    return PAGE.format(title=title, lead=lead, parts="\n".join(parts))


def flat(figures: Any, before: str = "") -> list[tuple[str, str]]:
    """Nested figures as rows: ("zorro, accuracy", "0.661 (0.60 to 0.72; 23)")."""
    if isinstance(figures, dict) and "value" in figures and "low" in figures:
        return [(before, interval(figures))]
    if isinstance(figures, dict):
        pairs = list(figures.items())
    elif isinstance(figures, list) and any(isinstance(value, dict) for value in figures):
        pairs = [
            (str(value.get("text") or value.get("runtime") or value.get("rounded") or number), value)
            for number, value in enumerate(figures)
        ]
    else:
        value = f"{figures:,.4g}" if isinstance(figures, float) else str(figures)
        return [(before, value)]
    return [row for key, value in pairs for row in flat(value, f"{before}, {key}" if before else key)]


def interval(value: dict) -> str:
    """0.661 (0.602 to 0.715; of 23)."""
    if value["low"] is None:
        return f"{value['value']:.4f} (no interval; of {value['count']:,})"
    return f"{value['value']:.4f} ({value['low']:.4f} to {value['high']:.4f}; of {value['count']:,})"


PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.5rem }} h2 {{ font-size: 1.1rem; margin-top: 2.5rem }}
img {{ max-width: 100%; height: auto }}
table {{ border-collapse: collapse; font-size: .85rem }} td {{ padding: .15rem 1rem .15rem 0; border-bottom: 1px solid #e4e7eb; vertical-align: top }}
blockquote {{ border-left: 3px solid #0b7285; margin: 1rem 0; padding-left: 1rem; white-space: pre-line }}
.wide {{ overflow-x: auto }} .wide table {{ font-size: .72rem }} .wide td {{ white-space: nowrap; padding-right: .7rem }}
pre {{ font-size: .75rem; color: #7b8794; overflow-x: auto }}
</style>
<h1>{title}</h1>
<p>{lead}</p>
{parts}
</html>
"""
