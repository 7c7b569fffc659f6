"""Score a network, a scout and both as an ensemble: `python -m fable6c.ensemble small.f6c --corpus stories.txt.zst --text valid.txt`."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.ensemble")  # as a file, its folder would hide modules of Python's own

import os

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads; see fable6c/evaluate.py

import json
from collections.abc import Sequence
from typing import Optional

from fable6c.cli import ArgumentParser, memory_size, run, whole
from fable6c.evaluation.ensemble import score
from fable6c.mixing.kinds import TIERS


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.ensemble",
        "Score a network, a scout and a mixture of both on a text, in bits per character. Scout and mixture are first learned "
        "from the network's corpus.",
        "python -m fable6c.ensemble small.f6c --corpus stories.txt.zst --text valid.txt",
    )
    parser.add_argument("model", help="the network (.f6c)")
    parser.add_argument("--corpus", nargs="+", required=True, metavar="FILE", help="the text that the network was trained on")
    parser.add_argument("--text", required=True, metavar="FILE", help="UTF-8 text, or such a text packed as .zst; one stream")
    parser.add_argument("--chars", type=whole(1, 10**12), metavar="N", help="divide by N characters (default: those of the text)")
    parser.add_argument("--tier", choices=list(TIERS), default="normal", help="of the scout (default: normal)")
    parser.add_argument(
        "--memory", type=memory_size, default=1 << 30, metavar="SIZE", help="the most that the scout may take (default: 1G)"
    )
    parser.add_argument("--threads", type=whole(1, 64), default=2, metavar="N", help="of the scout; no bit depends on them (default: 2)")
    parser.add_argument("--frozen", action="store_true", help="the scout does not learn from the text while reading it")
    parser.add_argument(
        "--prune", type=memory_size, metavar="SIZE", help="shrink the scout to SIZE, as a model file would carry it; frozen"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    o = parser.parse_args(argv)
    result = score(o.model, o.corpus, o.text, o.chars, o.tier, o.memory, o.threads, not o.frozen, o.prune)
    if o.json:
        print(json.dumps(result))
        return
    best = min(result["network"], result["scout"])
    learned = result["held_out"]["tokens"]
    print(f"{result['chars']:,} characters, {result['tokens']:,} tokens; the gate learned from {learned:,} others\n")
    print("                    bits per character")
    for name in ("network", "scout", "ensemble"):
        below = f"  {1 - result[name] / best:.1%} below the better one" if name == "ensemble" else ""
        print(f"{name:20}{result[name]:.4f}{below}")
    for rows in (result["kinds"], result["memories"]):
        print(f"\n{'bits per token':32}{'tokens':>8}{'network':>9}{'scout':>9}{'ensemble':>10}")
        for row in rows:
            share = row["tokens"] / result["tokens"]
            print(f"{row['kind']:32}{share:>8.1%}{row['network']:>9.3f}{row['scout']:>9.3f}{row['ensemble']:>10.3f}")
    print(f"\nthe gate believes the scout by {result['scout_share']:.1%} on average; its weights: ", end="")
    print(", ".join(f"{name} {weight:+.2f}" for name, weight in result["gate"].items()))


if __name__ == "__main__":
    run(main)
