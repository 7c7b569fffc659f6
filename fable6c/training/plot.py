"""loss.png of a run, drawn from its log.jsonl."""

import contextlib
import functools
import json
import os
import sys

from fable6c.files import atomic_file


def draw_loss(folder: str) -> None:
    """Draw `folder`/loss.png: training loss and held-out bits per character over the minutes.

    One line on stderr if that cannot be done (matplotlib is missing or cannot start, the disk is full): a run does not end for its picture.
    """
    try:
        _draw(folder)
    except ModuleNotFoundError as error:
        say_once(f"loss.png is not drawn: {(error.name or '').partition('.')[0]} is missing (pip install matplotlib)")
    except Exception as error:  # whatever it is: the run is worth more
        say_once(f"loss.png is not drawn: {' '.join(str(error).split()) or type(error).__name__}")


def _draw(folder: str) -> None:
    # A notebook hands on MPLBACKEND, the name of a backend that another environment may lack. None is needed here: not pyplot, because it
    # would choose a backend for the whole process, and in a notebook that is the person's.
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        from matplotlib.figure import Figure
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
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
    name = os.fsencode(os.path.basename(os.path.abspath(folder))).decode("utf-8", "replace")
    left.set_title(name.replace("$", r"\$"))  # "$" would begin a formula
    with atomic_file(os.path.join(folder, "loss.png")) as file:
        figure.savefig(file, format="png", dpi=120)


@functools.lru_cache(maxsize=None)
def say_once(line: str) -> None:
    """A line on stderr that a run says once, however often it happens. It must not end the run either."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
