"""What is in a model's weights: `python -m fable6c.inspect MODEL --weights PAGE`.

analyse() measures, write() makes a page with plots of it, one file that needs nothing else. What needs a text to be seen (which units give anything, how far gates
look back, what a tensor is worth) is measured on the first windows of one.
"""

import html
import math
from typing import Any

import numpy as np
import zstandard

from fable6c.errors import UserError
from fable6c.evaluation import page
from fable6c.figures import label
from fable6c.files import atomic_write
from fable6c.model.architecture import TensorSpec, tensor_specs
from fable6c.model.file import ZSTD_LEVEL, Matrix, Model, encode_tensor
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress
from fable6c.training.network import Network
from fable6c.training.pruning import energy

WINDOWS = 16  # of the text
DEAD = 0.01  # of an equal share of the energy: a unit that gives less
SEED = 1


def analyse(model: Model, text: str, progress: bool = True) -> dict:
    """Figures of all tensors, and of what passes through them on `text`. UserError for a text of less than a window."""
    d, tokenizer = model.dimensions, Tokenizer(model.merges)
    tokens = np.append(np.uint16(d.end_mark), tokenizer.encode(text)).astype(np.int32)
    count = min(WINDOWS, (len(tokens) - 1) // d.context)
    if count < 1:
        raise UserError(
            f"the text has {len(tokens) - 1} tokens, and the weights are measured on at least {d.context}: give a longer one (--text)"
        )
    inputs, targets = (tokens[first : first + count * d.context].reshape(count, d.context) for first in (0, 1))
    characters = sum(byte & 0xC0 != 0x80 for token in targets.reshape(-1) for byte in tokenizer.token_bytes[token])
    network = Network(d, 1, 1.0)

    def bits(changed: dict[str, Any]) -> float:
        network.take(Model(d, model.card, model.merges, {**model.tensors, **changed}))
        nats = sum(float(network.losses(*window).sum(dtype=np.float64)) for window in zip(inputs[:, None], targets[:, None]))
        return nats / math.log(2) / characters

    base = bits({})
    shares = energy(network, inputs)
    spans = _spans(network, inputs)
    rows = []
    with Progress("tensors", len(model.tensors), "tensors", progress) as shown:
        for spec in tensor_specs(d):
            tensor = model.tensors[spec.name]
            dropped, coarsened = (bits({spec.name: change(tensor)}) - base for change in (_dropped, _coarsened))
            rows.append(
                {
                    "name": spec.name,
                    "kind": spec.kind,
                    "shape": list(spec.shape),
                    **_figures(spec, tensor),
                    "dropped": dropped,
                    "coarsened": coarsened,
                }
            )
            shown.add(1)
    return {"tokens": count * d.context, "bits_per_char": base, "tensors": rows, "energy": shares, "spans": spans}


def _figures(spec: TensorSpec, tensor: Any) -> dict:
    """Of one tensor: its share of zeros, its scales, and bits for a weight: entropy of the levels, packed in trits, and packed by zstd."""
    if not isinstance(tensor, Matrix):
        return {"mean": float(tensor.mean()), "low": float(tensor.min()), "high": float(tensor.max()), "bytes": spec.file_bytes}
    weight, scale = tensor.weight, np.abs(tensor.scale)
    probability = np.unique(weight, return_counts=True)[1] / weight.size
    packed = encode_tensor(spec, tensor)[4 * spec.scales :]
    return {
        "zeros": float((weight == 0).mean()),
        "mean": float(scale.mean()),
        "low": float(scale.min()),
        "high": float(scale.max()),
        "dead_rows": int((~weight.any(axis=1)).sum()),
        "dead_columns": int((~weight.any(axis=0)).sum()),
        "bytes": spec.file_bytes,
        "entropy": float(-(probability * np.log2(probability)).sum()),
        "trits": 8 * len(packed) / weight.size,
        "zstd": 8 * len(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(packed)) / weight.size,
    }


def _dropped(tensor: Any) -> Any:
    """Zeros."""
    return Matrix(np.zeros_like(tensor.weight), tensor.scale) if isinstance(tensor, Matrix) else np.zeros_like(tensor)


def _coarsened(tensor: Any) -> Any:
    """Nine levels to three, three to two (signs of zeros by lot), a vector to one number for all channels. The scales fit best."""
    if not isinstance(tensor, Matrix):
        return np.broadcast_to(tensor.mean(axis=0), tensor.shape).astype(np.float32).copy()
    weight = tensor.weight
    if np.abs(weight).max() > 1:
        signs = np.sign(weight) * (np.abs(weight) > 1)
    else:
        signs = np.where(weight, weight, np.random.default_rng(SEED).choice([-1, 1], weight.shape))
    signs = signs.astype(np.int8)
    product = (weight.astype(np.float64) * signs).reshape(len(tensor.scale), -1).sum(axis=1)
    fit = product / np.maximum(1, np.count_nonzero(signs.reshape(len(tensor.scale), -1), axis=1))
    return Matrix(signs, (tensor.scale * fit).astype(np.float32))


def _spans(network: Network, inputs: np.ndarray) -> list[list[float]]:
    """For each block, tokens after which a channel's memory has fallen to 1/e, ascending: -1 / mean ln f."""
    D = network.dimensions.dim
    spans = []
    for layer in range(network.dimensions.layers):
        logs = np.zeros(D)
        for window in inputs:
            network.forward(window[None])
            forget = network.arrays[f"{layer}.u"][:, D : 2 * D].astype(np.float64)  # in place of what mix_in gave
            logs += np.log(np.maximum(forget, 1e-30)).mean(axis=0) / len(inputs)
        spans.append(sorted((-1 / np.minimum(logs, -1e-9)).tolist()))
    return spans


def dead(shares: np.ndarray) -> int:
    """Units that give less than DEAD of an equal share."""
    return int((shares < DEAD * shares.mean()).sum())


# ---- the page


def draw_worth(figure: Any, report: dict) -> None:
    """What each tensor is worth: a dot for dropping it and one for coarsening it, in the order of the file."""
    rows = report["tensors"]
    figure.set_size_inches(9, 1.3 + 0.19 * len(rows))
    panel = figure.subplots()
    least = 1e-4
    for y, row in enumerate(rows[::-1]):
        low, high = max(row["coarsened"], least), max(row["dropped"], least)
        panel.plot([low, high], [y, y], color=page.GRID, linewidth=1.5, zorder=1)
        for value, color, name in ((high, page.COLORS[1], "dropped"), (low, page.COLORS[0], "coarsened")):
            panel.plot(value, y, "o", color=color, markersize=4.5, label=name if y == 0 else None)
    panel.set_xscale("log")
    panel.set_yticks(range(len(rows)), [row["name"].replace("blocks.", "") for row in rows[::-1]], fontsize=7)
    panel.set_ylim(-0.7, len(rows) - 0.3)
    panel.set_xlabel(
        f"bits per character more, of {report['bits_per_char']:.3f} (log scale; what costs less than {least:g}, or helps, stands at {least:g})"
    )
    page.plain(panel)
    panel.legend(loc="lower right", bbox_to_anchor=(1, 1), ncol=2, fontsize=8, frameon=False, borderaxespad=0.2)


def draw_zeros(figure: Any, report: dict) -> None:
    """Share of zeros and entropy of each matrix, block by block."""
    matrices = [row for row in report["tensors"] if "zeros" in row]
    kinds = list(dict.fromkeys(row["name"].rpartition(".")[2] for row in matrices))
    figure.set_size_inches(9, 1.1 + 0.42 * len(kinds))
    panels = figure.subplots(1, 2, sharey=True)
    for panel, key, title in zip(panels, ("zeros", "mean"), ("share of zeros", "scale (mean over rows where there are several)")):
        for y, kind in enumerate(kinds[::-1]):
            values = [row[key] for row in matrices if row["name"].rpartition(".")[2] == kind]
            panel.plot([min(values), max(values)], [y, y], color=page.GRID, linewidth=5, solid_capstyle="round", zorder=1)
            for number, value in enumerate(values):
                alone = len(values) == 1
                panel.plot(
                    value,
                    y,
                    "o",
                    color=page.COLORS[0],
                    alpha=1 if alone else 0.35 + 0.65 * number / (len(values) - 1),
                    markersize=6,
                    markeredgewidth=0,
                )
        panel.set_yticks(range(len(kinds)), kinds[::-1], fontsize=8)
        panel.set_ylim(-0.6, len(kinds) - 0.4)
        panel.set_title(title, loc="left", fontsize=9, color=page.INK)
        panel.set_xlim(0, None)
        page.plain(panel)
    panels[0].xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panels[0].set_xlabel("a dot for each block, from pale (first) to dark (last)")


def draw_spans(figure: Any, report: dict) -> None:
    """How far back each block's channels look."""
    figure.set_size_inches(9, 3.4)
    panel = figure.subplots()
    count = len(report["spans"])
    for layer, spans in enumerate(report["spans"]):
        share = (np.arange(len(spans)) + 0.5) / len(spans)
        panel.plot(spans, share, color=page.COLORS[0], alpha=0.3 + 0.7 * layer / max(1, count - 1), linewidth=1.8)
        panel.annotate(
            str(layer), (spans[-1], share[-1]), xytext=(0, 3), textcoords="offset points", fontsize=8, color=page.INK, ha="center"
        )
    panel.set_xscale("log")
    panel.set_ylim(0, 1.08)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.set_xlabel("tokens after which a memory has faded to 1/e (a line for each block, its number at the end)")
    panel.set_ylabel("share of the channels", color=page.INK)
    page.plain(panel, "both")


GROUPS = {"residual": "channels of the residual stream", "mixer": "channels of the recurrence", "hidden": "units of the GLU"}


def draw_energy(figure: Any, report: dict) -> None:
    """How evenly channels and units give: the share of the energy that the least of them have."""
    figure.set_size_inches(9, 3.3)
    panels = figure.subplots(1, len(GROUPS), sharey=True)
    for panel, (group, title) in zip(panels, GROUPS.items()):
        lines = [shares for axis, shares in report["energy"].items() if axis.rpartition(".")[2] == group]
        panel.plot([0, 1], [0, 1], color=page.PALE, linewidth=0.8, linestyle=":")
        for number, shares in enumerate(lines):
            ordered = np.sort(shares)
            panel.plot(
                np.arange(1, len(ordered) + 1) / len(ordered), np.cumsum(ordered) / ordered.sum(), color=page.COLORS[0],
                alpha=1 if len(lines) == 1 else 0.3 + 0.7 * number / (len(lines) - 1), linewidth=1.8,
            )  # fmt: skip
        none = sum(map(dead, lines))
        panel.set_title(f"{title}\n{none} of {sum(map(len, lines))} dead", loc="left", fontsize=9, color=page.INK)
        panel.set_xlim(0, 1)
        panel.set_ylim(0, 1)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:.0%}")
        page.plain(panel, "both")
    panels[0].set_ylabel("share of the energy", color=page.INK)
    panels[1].set_xlabel("share of the channels, the least first (dotted: all give the same)")


DRAWINGS = {
    "What each tensor is worth": draw_worth,
    "Zeros and scales": draw_zeros,
    "How far back the gates look": draw_spans,
    "Who gives anything": draw_energy,
}
COLUMNS = {
    "zeros": ".1%",
    "dead_rows": "d",
    "dead_columns": "d",
    "mean": ".4f",
    "low": ".4f",
    "high": ".4f",
    "entropy": ".3f",
    "trits": ".3f",
    "zstd": ".3f",
}
NAMES = {"dead_rows": "zero rows", "dead_columns": "zero columns", "low": "least", "high": "most"}


def write(report: dict, name: str, path: str) -> None:
    """The page at `path`. Without matplotlib one without plots, and a line on stderr that says so."""
    parts = [part for title, draw in DRAWINGS.items() for part in page.picture(title, lambda figure, draw=draw: draw(figure, report))]  # type: ignore[misc]
    packed, entropy = (
        sum(row[key] * math.prod(row["shape"]) / 8 for row in report["tensors"] if key in row) for key in ("zstd", "entropy")
    )
    parts.append(
        "<h2>All tensors</h2><p>Of a vector, mean, least and most are its numbers; of a matrix its scales. Entropy, trits and zstd are bits for a weight. The levels "
        f"of all matrices are {packed:,.0f} bytes as zstd packs them one by one, and {entropy:,.0f} at the entropy of each one's levels.</p>"
    )
    head = "".join(f"<td>{NAMES.get(column, column)}" for column in ("tensor", "kind", "shape", *COLUMNS, "dropped", "coarsened"))
    rows = [
        "<tr>"
        + "".join(
            f"<td>{cell}"
            for cell in (
                row["name"],
                row["kind"],
                " × ".join(map(str, row["shape"])),
                *(format(row[c], f) if c in row else "" for c, f in COLUMNS.items()),
                f"{row['dropped']:+.4f}",
                f"{row['coarsened']:+.4f}",
            )
        )
        for row in report["tensors"]
    ]
    parts.append(f'<div class="wide"><table><tr>{head}{"".join(rows)}</table></div>')
    lead = f"Measured on {report['tokens']:,} tokens, at {report['bits_per_char']:.4f} bits per character. Dropped: all of it zero. Coarsened: nine levels to three, three to two, a vector to its mean."
    atomic_write(path, page.document(f"{html.escape(label(name))}: its weights", lead, parts).encode("utf-8"))
