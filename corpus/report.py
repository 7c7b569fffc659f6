"""report.html: the cleanser's report as one page to read, with plots where matplotlib is there."""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import Optional

from fable6c.figures import figure, label
from fable6c.files import atomic_write
from fable6c.progress import say_once

_STYLE = """body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}table{border-collapse:collapse}
td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}
pre{background:#f5f5f5;padding:.5em;white-space:pre-wrap;overflow-wrap:anywhere;margin:.3em 0}img{max-width:100%}summary{cursor:pointer}"""


def write_page(report: dict, path: str) -> None:
    """Write the page at `path`, which needs nothing beside it."""
    read, kept = report["read"], report["kept"]
    parts = [
        f"<!doctype html><meta charset=utf-8><title>Corpus report</title><style>{_STYLE}</style><h1>Corpus report</h1>",
        f"<p>{kept['documents']:,} of {read['documents']:,} documents and {kept['bytes']:,} of {read['bytes']:,} bytes were kept, "
        f"as {kept['chunks']:,} chunks, in {report['seconds']:.1f} s by {_text(report['made_by'])}. "
        f"Inputs: {_text(', '.join(report['inputs']))}. Duplicates: {report['duplicates']}.</p>",
        "<h2>Dropped</h2>" + _table(report["dropped"], "bytes"),
        "<h2>Repaired</h2>" + _table(report["repaired"], "characters_removed"),
        "<h2>Sources</h2>" + _rows(("source", "documents", "bytes", "licence"), (
            (name, e["documents"], e["bytes"], e["licence"]) for name, e in report["sources"].items())),
        "<h2>Encodings</h2>" + _rows(("encoding", "documents"), report["encodings"].items()),
    ]  # fmt: skip
    if report["unreadable"]["count"]:
        listed = ((entry["origin"], entry["reason"]) for entry in report["unreadable"]["listed"])
        parts.append(f"<h2>Could not be read: {report['unreadable']['count']:,}</h2>" + _rows(("where", "why"), listed))
    plot = _plot(report)
    if plot:
        parts.append(f'<h2>Quality of all documents</h2><img alt="histograms" src="data:image/png;base64,{plot}">')
    settings = ((key, str(value)) for key, value in report["settings"].items())
    parts.append("<h2>Settings</h2>" + _rows(("key", "value"), settings))
    atomic_write(path, "\n".join(parts).encode("utf-8", "replace"))


def _table(entries: dict, amount: str) -> str:
    """Named counts with what they mean and examples to unfold."""
    if not entries:
        return "<p>none</p>"
    rows = []
    for name, entry in sorted(entries.items(), key=lambda item: -item[1]["documents"]):
        examples = "".join(
            f"<pre>{_text(e['origin'])}\n{_text(e['text'])}</pre>" if "text" in e
            else f"<pre>{_text(e['origin'])}\n- {_text(e['before'])}\n+ {_text(e['after'])}</pre>"
            for e in entry["examples"]
        )  # fmt: skip
        says = f"{_text(entry.get('says', ''))}<details><summary>examples</summary>{examples}</details>"
        rows.append(f"<tr><td>{_text(name)}<td class=n>{entry['documents']:,}<td class=n>{entry[amount]:,}<td>{says}")
    return f"<table><tr><th>rule<th>documents<th>{amount.replace('_', ' ')}<th>" + "".join(rows) + "</table>"


def _rows(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = []
    for row in rows:
        cells = "".join(f"<td class=n>{cell:,}" if isinstance(cell, int) else f"<td>{_text(str(cell))}" for cell in row)
        lines.append("<tr>" + cells)
    return "<table><tr>" + "".join(f"<th>{name}" for name in head) + "".join(lines) + "</table>"


def _text(text: str) -> str:
    return html.escape(text)


def _plot(report: dict) -> Optional[str]:
    """A PNG in base64: what was dropped by each rule, and a histogram of each quality figure. None, and a line, where it cannot be drawn: what was
    cleaned is worth more than its picture."""
    try:
        return _drawn(report)
    except ModuleNotFoundError as error:
        say_once(f"the report has no plots: {(error.name or '').partition('.')[0]} is missing (pip install 'fable6c[plot]')")
    except Exception as error:
        say_once(f"the report has no plots: {' '.join(str(error).split()) or type(error).__name__}")
    return None


def _drawn(report: dict) -> str:
    picture = figure(figsize=(15, 6), layout="tight")
    axes = picture.subplots(2, 4)
    axes = axes.ravel()
    for axis, (name, histogram) in zip(axes, report["histograms"].items()):
        low, high = histogram["range"]
        counts = histogram["documents"]
        width = (high - low) / len(counts)
        axis.bar([low + (i + 0.5) * width for i in range(len(counts))], counts, width)
        axis.set_title(name.replace("_", " "))
        axis.set_ylabel("documents")
    dropped = sorted(report["dropped"].items(), key=lambda item: item[1]["bytes"])
    axes[6].barh([name for name, _ in dropped], [entry["bytes"] / 1e6 for _, entry in dropped])
    axes[6].set_title("dropped, MB")
    axes[7].barh(list(map(label, report["sources"])), [entry["bytes"] / 1e6 for entry in report["sources"].values()])
    axes[7].set_title("kept, MB")
    image = io.BytesIO()
    picture.savefig(image, format="png", dpi=80)
    return base64.b64encode(image.getvalue()).decode("ascii")
