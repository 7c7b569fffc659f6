"""Score models and their ensemble.

python -m fable6c.ensemble small.f6c --corpus stories.txt.zst --text valid.txt     # a network and a scout that it trains
python -m fable6c.ensemble a.f6c b.f6c c.scout --text valid.txt                    # any models of one tokenizer
"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.ensemble")  # as a file, its folder would hide modules of Python's own

import os

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads; see fable6c/evaluate.py

import argparse
import json
from collections.abc import Sequence
from typing import Optional

from fable6c.cli import ArgumentParser, memory_size, print_next, run, whole
from fable6c.errors import UsageError, UserError
from fable6c.evaluation.ensemble import score
from fable6c.mixing.kinds import TIERS


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.ensemble",
        "Score models and their mixture on a text, in bits per character. One network is mixed with a scout, which is first learned from the network's "
        "corpus, as the mixture is. Several models are mixed with constant weights: half of the text's documents choose these, the other half "
        "are scored.",
        "python -m fable6c.ensemble small.f6c --corpus stories.txt.zst --text valid.txt",
    )
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="a network (.f6c), or several networks and scouts with the same tokenizer"
    )
    parser.add_argument("--corpus", nargs="+", metavar="FILE", help="with one network: the text that it was trained on")
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
    if (len(o.models) == 1) != bool(o.corpus):
        raise UsageError("give one network and its --corpus, or several models without it")
    if len(o.models) > 1:
        several(o)
        return
    result = score(o.models[0], o.corpus, o.text, o.chars, o.tier, o.memory, o.threads, not o.frozen, o.prune)
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


def several(options: argparse.Namespace) -> None:
    """An ensemble of models with constant weights. UserError where it is no better than the best of them."""
    from fable6c.evaluation import paired, statistics
    from fable6c.evaluation.predictors import open_predictor

    documents = paired.held_out(options.text)
    result = paired.mixture([open_predictor(path) for path in options.models], documents)
    best = options.models[result["best"]]
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{'weight':>8}  bits per character")
        for path, weight, bits in zip(options.models, result["weights"], result["alone"]):
            print(f"{weight:>8.3f}  {bits:.4f}  {path}")
        print(f"{'':8}  {result['ensemble']:.4f}  the ensemble: {statistics.said(result['gain'])} than {best}")
    if not statistics.significant(result["gain"]):
        raise UserError(f"the ensemble is not better than {best}: {statistics.said(result['gain'])}")
    if not options.json:
        pairs = [f"{path}={weight:.3f}" for path, weight in zip(options.models, result["weights"]) if weight >= 0.001]
        print_next("train", "--teachers", *pairs)


if __name__ == "__main__":
    run(main)
