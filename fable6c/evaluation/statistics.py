"""Intervals: how far a figure would move with other documents, items or pairs."""

from collections.abc import Sequence

import numpy as np

DRAWS, SEED = 2000, 1


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> dict:
    """The ratio of two sums over documents, with the 95 % interval of a bootstrap over them (Efron 1979; percentiles of 2,000 draws).

    {"value", "low", "high", "count"}; of fewer than two documents low and high are None: nothing says how far it would move.
    """
    top, bottom = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    count = len(top)
    out: dict = {"value": float(top.sum() / bottom.sum()), "low": None, "high": None, "count": count}
    if count > 1:
        random = np.random.default_rng(SEED)
        values = []
        for _ in range(DRAWS):
            weights = np.bincount(random.integers(0, count, count), minlength=count)
            total = float(weights @ bottom)
            if total:
                values.append(float(weights @ top) / total)
        out["low"], out["high"] = (float(x) for x in np.percentile(values, [2.5, 97.5]))
    return out


def share(points: Sequence[float], groups: Sequence[object]) -> dict:
    """The share of items that are right (points: 1 or True, else 0, 0.5 for a tie); what belongs together is drawn together, because such items are right or wrong together.

    groups: of each item. `count` is the number of items.
    """
    names = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    rows = [names[group] for group in groups]
    hits = np.bincount(rows, weights=np.asarray(points, np.float64), minlength=len(names))
    sizes = np.bincount(rows, minlength=len(names))
    return {**ratio(hits.tolist(), sizes.tolist()), "count": len(rows)}
