"""loss.png of a run, drawn from its log.jsonl."""

import json
import os
import sys

_said = False


def draw_loss(folder: str) -> None:
    """Draw `folder`/loss.png: training loss and held-out bits per character over the minutes. One line if matplotlib is missing."""
    global _said
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        if not _said:
            print("loss.png is not drawn: matplotlib is missing (pip install matplotlib)", file=sys.stderr)
        _said = True
        return
    with open(os.path.join(folder, "log.jsonl"), encoding="ascii") as file:
        entries = [json.loads(line) for line in file]
    figure, left = pyplot.subplots(figsize=(8, 4.5))
    steps = [entry for entry in entries if "loss" in entry]
    left.plot([e["elapsed"] / 60 for e in steps], [e["loss"] for e in steps], color="tab:blue", linewidth=1)
    left.set_xlabel("minutes of training")
    left.set_ylabel("training loss, nats per token", color="tab:blue")
    checks = [entry for entry in entries if "bits_per_char" in entry]
    right = left.twinx()
    right.plot([e["elapsed"] / 60 for e in checks], [e["bits_per_char"] for e in checks], "o-", color="tab:red", markersize=4)
    right.set_ylabel("held-out text, bits per character", color="tab:red")
    left.grid(alpha=0.3)
    left.set_title(os.path.basename(os.path.abspath(folder)))
    figure.tight_layout()
    temporary = os.path.join(folder, ".loss.png")
    try:
        figure.savefig(temporary, format="png", dpi=120)
        os.replace(temporary, os.path.join(folder, "loss.png"))
    except OSError as error:
        print(f"loss.png is not drawn: {error}", file=sys.stderr)
    pyplot.close(figure)
