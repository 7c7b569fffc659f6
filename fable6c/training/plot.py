"""loss.png of a run, drawn from its log.jsonl."""

import functools
import json
import os
import sys

from fable6c.errors import UserError
from fable6c.files import atomic_file


def draw_loss(folder: str) -> None:
    """Draw `folder`/loss.png: training loss and held-out bits per character over the minutes.

    One line on stderr if that cannot be done (matplotlib is missing, the disk is full): a run does not end for its picture.
    """
    try:
        # Not pyplot: it would choose a backend for the whole process, and in a notebook that is the person's.
        from matplotlib.figure import Figure
    except ImportError:
        _say_once("loss.png is not drawn: matplotlib is missing (pip install matplotlib)")
        return
    with open(os.path.join(folder, "log.jsonl"), encoding="ascii") as file:
        entries = [json.loads(line) for line in file]
    figure = Figure(figsize=(8, 4.5), layout="tight")
    left = figure.subplots()
    steps = [entry for entry in entries if "loss" in entry]
    left.plot([e["elapsed"] / 60 for e in steps], [e["loss"] for e in steps], color="tab:blue", linewidth=1)
    left.set_xlabel("minutes of training")
    left.set_ylabel("training loss, nats per token", color="tab:blue")
    checks = [entry for entry in entries if "bits_per_char" in entry]
    right = left.twinx()
    right.plot([e["elapsed"] / 60 for e in checks], [e["bits_per_char"] for e in checks], "o-", color="tab:red", markersize=4)
    right.set_ylabel("held-out text, bits per character", color="tab:red")
    left.grid(alpha=0.3)
    left.set_title(os.path.basename(os.path.abspath(folder)).replace("$", r"\$"))  # "$" would begin a formula
    try:
        with atomic_file(os.path.join(folder, "loss.png")) as file:
            figure.savefig(file, format="png", dpi=120)
    except UserError as error:
        _say_once(f"loss.png is not drawn: {error}")


@functools.lru_cache(maxsize=None)
def _say_once(line: str) -> None:
    print(line, file=sys.stderr)
