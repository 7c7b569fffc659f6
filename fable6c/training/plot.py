"""loss.png of a run, drawn from its log.jsonl."""

import json
import os

from fable6c.figures import figure, label
from fable6c.files import atomic_file
from fable6c.progress import say_once


def draw_loss(folder: str) -> None:
    """Draw `folder`/loss.png: training loss and held-out bits per character over the minutes.

    One line on stderr if that cannot be done (matplotlib is missing or cannot start, the disk is full): a run does not end for its picture.
    """
    try:
        _draw(folder)
    except Exception as error:  # whatever it is: the run is worth more
        say_undrawn("loss.png is not drawn", error)


def say_undrawn(what: str, error: Exception) -> None:
    """One line on stderr: why there is no picture."""
    if isinstance(error, ModuleNotFoundError):
        say_once(f"{what}: {(error.name or '').partition('.')[0]} is missing (pip install matplotlib)")
    else:
        say_once(f"{what}: {' '.join(str(error).split()) or type(error).__name__}")


def _draw(folder: str) -> None:
    with open(os.path.join(folder, "log.jsonl"), encoding="ascii") as file:
        entries = [json.loads(line) for line in file]
    picture = figure(figsize=(8, 4.5), layout="tight")
    left = picture.subplots()
    steps = [entry for entry in entries if "loss" in entry]
    left.plot([e["elapsed"] / 60 for e in steps], [e["loss"] for e in steps], color="tab:blue", linewidth=1)
    left.set_xlabel("minutes of training")
    left.set_ylabel("training loss, nats per token", color="tab:blue")
    checks = [entry for entry in entries if "bits_per_char" in entry]
    right = left.twinx()
    right.plot([e["elapsed"] / 60 for e in checks], [e["bits_per_char"] for e in checks], "o-", color="tab:red", markersize=4)
    right.set_ylabel("held-out text, bits per character", color="tab:red")
    left.grid(alpha=0.3)
    name = os.fsencode(os.path.basename(os.path.abspath(folder))).decode("utf-8", "replace")
    left.set_title(label(name))
    with atomic_file(os.path.join(folder, "loss.png")) as file:
        picture.savefig(file, format="png", dpi=120)
