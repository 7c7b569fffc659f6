"""Minutes of training against bits per character on valid500, beside the peers' figures. METHOD.md explains; run.sh calls it."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Optional

import common

sys.path.insert(0, common.ROOT)
from fable6c.cli import ArgumentParser, run
from fable6c.data.text import read_documents
from fable6c.errors import UserError
from fable6c.evaluation.bits import evaluate
from fable6c.export import export
from fable6c.model.file import read_model

FLASHLM = "FlashLM v4's recipe, here"
PUBLISHED = [{"series": "FlashLM v4, as published", "minutes": 120.0, "tokens": 10_600_000, "bits_per_char": 0.8798}]
# Nobody says how long these were trained on which machine: lines without a place in time.
LEVELS = {"stories260K (llama2.c)": 0.903, "TinyStories-1M (GPU, 470 M tokens)": 0.6182}


def peer(path: str) -> dict:
    """The point of a record that flashlm.py wrote."""
    try:
        with open(path, encoding="utf-8") as file:
            figures = json.load(file)
        return {"series": FLASHLM, **{key: figures[key] for key in ("minutes", "tokens", "bits_per_char")}}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: is not a record of `benchmarks/run.sh flashlm`; give its .json file") from None


def ours(path: str, documents: list[str]) -> dict:
    """The point of a finished run's folder, or of a model file whose card says how long it was trained."""
    minutes = None
    if os.path.isdir(path):
        minutes, path = finished_minutes(path), model_of(path)
    card = read_model(path).card
    minutes = minutes or card.get("minutes")
    if minutes is None:
        raise UserError(f"{path}: the model does not say how many minutes it was trained (its budget were tokens); give the run's folder")
    common.say(f"scoring {path}")
    result = evaluate(path, documents, common.CHARACTERS)
    return {
        "series": f"fable6c {card['preset']}", "minutes": minutes, "tokens": card["tokens_trained"],
        **{key: result[key] for key in ("bits_per_char", "model_sha256")},
    }  # fmt: skip


def finished_minutes(folder: str) -> float:
    """How long a run took, by its log. UserError if it is not at its end: its learning rate had not come down."""
    path = os.path.join(folder, "log.jsonl")
    try:
        with open(path, encoding="ascii") as file:
            last = [json.loads(line) for line in file][-1]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the folder of a run") from None
    except (ValueError, IndexError):
        raise UserError(f"{path}: is not a run's log") from None
    if last["progress"] < 1 or "bits_per_char" not in last:
        raise UserError(f"{folder}: the run is not finished; the same fable6c.train command goes on")
    return last["elapsed"] / 60


def model_of(folder: str) -> str:
    path = os.path.join(common.BUILD, "curve", os.path.basename(os.path.normpath(folder)) + ".f6c")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    export(folder, path)
    return path


def label(point: dict) -> str:
    """The minutes of a point as people say them: a run ends with the step in which its time is over."""
    return f"{round(point['minutes'], 1):g}"


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "benchmarks/run.sh curve",
        "Score finished runs on valid500 and set minutes of training against bits per character, beside the peers.",
        "benchmarks/run.sh curve runs/small-20 runs/small-120 release/small.f6c flashlm-20-minutes.json",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder of a finished run, model file (.f6c), or record of run.sh flashlm (.json)"
    )
    parser.add_argument(
        "--corpus", default=common.CORPUS, metavar="DIR", help="folder with valid500.txt (default ../shared/corpus/tinystories)"
    )
    parser.add_argument("--json", default="", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--quick", action="store_true", help="keep the record out of benchmarks/record")
    options = parser.parse_args(argv)
    documents = list(read_documents([os.path.join(options.corpus, "valid500.txt")]))
    measured = [peer(path) if path.endswith(".json") else ours(path, documents) for path in options.runs]
    points = sorted(measured + PUBLISHED, key=lambda point: (point["series"], point["minutes"]))
    record = common.Record("curve", options.quick)
    record.figures.update(points=points, levels=LEVELS)
    series: dict[str, list[dict]] = {}
    for point in points:
        series.setdefault(point["series"], []).append(point)
    columns = sorted({label(point) for point in points}, key=float)
    lines = []
    for name, of_series in series.items():
        cells = {label(point): f"{point['bits_per_char']:.4f} ({point['tokens'] / 1e6:.1f} M)" for point in of_series}
        lines.append([name, *(cells.get(column, "") for column in columns)])
    record.table(
        "Bits per character on valid500 after minutes of training",
        ["", *(f"{column} min" for column in columns)],
        lines,
        "In brackets the tokens seen. Each point is a run of its own, whose learning rate came down at its end. "
        "Others, without a time: " + ", ".join(f"{name} {bits}" for name, bits in LEVELS.items()) + ".",
    )  # fmt: skip

    def draw(figure) -> None:
        panel = figure.subplots()
        for name, of_series in series.items():
            style = "o-" if name.startswith("fable6c") else "s--"
            panel.plot(
                [point["minutes"] for point in of_series],
                [point["bits_per_char"] for point in of_series],
                style,
                label=name,
                linewidth=1,
            )
        for name, bits in LEVELS.items():
            panel.axhline(bits, color="gray", linewidth=0.8, linestyle=":")
            panel.text(0.01, bits, name, transform=panel.get_yaxis_transform(), va="bottom", fontsize=7, color="gray")
        panel.set_xscale("log")
        panel.set_xticks([float(column) for column in columns], columns)
        panel.minorticks_off()
        panel.set_xlabel("minutes of training, two threads")
        panel.set_ylabel("valid500, bits per character")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, frameon=False)  # above, where it hides no point

    record.write_with(draw, options.json)


if __name__ == "__main__":
    run(main)
