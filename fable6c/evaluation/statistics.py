"""Intervals: how far a figure would move with other documents, items or pairs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

DRAWS, SEED = 2000, 1
ALPHA = 0.05  # of a test: how often one that finds nothing would pass


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


def gain(candidate: npt.ArrayLike, base: npt.ArrayLike) -> dict:
    """How much fewer bits a candidate needs than a base for the same documents, as a share of the base's: a paired bootstrap over them.

    candidate, base   bits of each document
    {"value", "low", "high", "count"} as `ratio`; "p" is two-sided, by the share of the draws on the other side of no gain, and None of fewer than two.
    """
    saved, spent = np.asarray(base, np.float64) - np.asarray(candidate, np.float64), np.asarray(base, np.float64)
    out = ratio(saved.tolist(), spent.tolist())
    out["p"] = None
    if out["count"] > 1:
        random = np.random.default_rng(SEED)
        drawn = [saved[random.integers(0, len(saved), len(saved))].sum() for _ in range(DRAWS)]
        least = min(np.count_nonzero(np.array(drawn) <= 0), np.count_nonzero(np.array(drawn) >= 0))
        out["p"] = float(min(1.0, 2 * (least + 1) / (DRAWS + 1)))
    return out


def recipe(numerators: np.ndarray, denominators: np.ndarray) -> dict:
    """The ratio of two sums over models and documents, (models, documents) each, with the interval of a bootstrap over both: it says how far the
    figure would move with other models of the recipe and other documents. {"value", "low", "high", "p", "count"} as `gain`; count: of the models."""
    models, documents = numerators.shape
    random = np.random.default_rng(SEED)
    values, above = [], 0
    for _ in range(DRAWS):
        by_model = np.bincount(random.integers(0, models, models), minlength=models)
        by_document = np.bincount(random.integers(0, documents, documents), minlength=documents)
        values.append(float(by_model @ numerators @ by_document / (by_model @ denominators @ by_document)))
        above += values[-1] > 0
    low, high = (float(x) for x in np.percentile(values, [2.5, 97.5]))
    p = min(1.0, 2 * (min(above, DRAWS - above) + 1) / (DRAWS + 1))
    return {"value": float(numerators.sum() / denominators.sum()), "low": low, "high": high, "p": p, "count": models}


def significant(found: dict) -> bool:
    """Whether what `gain` found is a gain that other documents would show as well."""
    return found["p"] is not None and found["p"] < ALPHA and found["value"] > 0


def said(found: dict) -> str:
    """What `gain` found, in words: "1.23 % fewer bits (95 % interval 0.80 to 1.61 %, p = 0.001, 250 documents)"."""
    if found["p"] is None:
        return f"{found['value']:.2%} fewer bits in {found['count']} document"
    return (
        f"{100 * found['value']:.2f} % fewer bits (95 % interval {100 * found['low']:.2f} to {100 * found['high']:.2f} %, p = {found['p']:.3f}, "
        f"{found['count']} documents)"
    )
