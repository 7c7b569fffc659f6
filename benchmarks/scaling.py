"""What more tokens, and more parameters, would bring, from our own curve: `python benchmarks/scaling.py`.

A power law with a floor, bits = floor + factor · tokens^-exponent (Hoffmann et al. 2022, with the size held fixed), is fitted to the points of
each size in the newest record of the curve. The intervals come from 2,000 fits to points that are moved by the spread between seeds, which the
newest record of `ablate` with several seeds has. That is the noise of a point. That the law is the right one, nothing here shows.
"""

import json
import pathlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
DRAWS, SEED = 2000, 1
EXPONENTS = np.linspace(0.05, 2.0, 196)


def newest(pattern):
    return records(pattern)[-1]


def records(pattern):
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(ROOT.glob(f"benchmarks/record/*/{pattern}"))]


def seed_spread(record):
    """The standard deviation of a score between two seeds, as a share of it, pooled over the settings."""
    pairs = [[run["bits_per_char"] for run in runs[:2]] for runs in record["runs"].values() if len(runs) > 1]
    shares = [(a - b) / ((a + b) / 2) for a, b in pairs]
    return float(np.sqrt(np.mean(np.square(shares)) / 2))


def fit(tokens, bits):
    """(floor, factor, exponent) of the least squares, for each row of bits (N, points); the floor is not below zero."""
    best = np.full(len(bits), np.inf)
    found = np.zeros((len(bits), 3))
    for exponent in EXPONENTS:
        x = tokens**-exponent
        slope = ((bits - bits.mean(axis=1, keepdims=True)) @ (x - x.mean())) / ((x - x.mean()) ** 2).sum()
        floor = np.maximum(bits.mean(axis=1) - slope * x.mean(), 0)
        slope = np.where(floor > 0, slope, (bits @ x) / (x @ x))
        error = ((bits - floor[:, None] - slope[:, None] * x) ** 2).sum(axis=1)
        better = (error < best) & (slope > 0)
        best[better] = error[better]
        found[better] = np.stack([floor, slope, np.full(len(bits), exponent)], axis=1)[better]
    return found


def estimates():
    """{size: {"fit": (floor, factor, exponent), "draws": the same of each draw, "points": n}}, tokens in millions."""
    spread = seed_spread([one for one in records("ablate*.json") if all(len(of_seed) > 1 for of_seed in one["runs"].values())][-1])
    random = np.random.default_rng(SEED)
    out = {"spread": spread}
    points = [point for point in newest("curve.json")["points"] if point["series"].startswith("fable6c ")]
    for name in sorted({point["series"] for point in points}):
        rows = sorted((point["tokens"] / 1e6, point["bits_per_char"], point["minutes"]) for point in points if point["series"] == name)
        tokens, bits, minutes = (np.array(column) for column in zip(*rows))
        moved = bits * (1 + spread * random.standard_normal((DRAWS, len(bits))))
        out[name.split()[1]] = {
            "fit": fit(tokens, bits[None])[0],
            "draws": fit(tokens, moved),
            "points": len(rows),
            "last": tokens[-1],
            "minutes": minutes[-1],
        }
    return out


def at(law, tokens):
    law = np.atleast_2d(law)
    return law[:, 0] + law[:, 1] * tokens ** -law[:, 2]


def between(values):
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{low:.3f} to {high:.3f}"


def rows():
    """The table's rows: what is asked, the estimate, its interval."""
    found = estimates()
    out = []
    for name in ("micro", "small"):
        size = found[name]
        for factor in (2, 10):
            tokens = size["last"] * factor
            estimate = at(size["fit"], tokens)[0]
            words = f"`{name}`, {factor} times the tokens ({tokens:,.0f} M, {size['minutes'] * factor / 60:.0f} hours)"
            out.append([words, f"{estimate:.3f}", between(at(size["draws"], tokens))])
        out.append([f"`{name}`, floor: any number of tokens of this text", f"{size['fit'][0]:.3f}", between(size["draws"][:, 0])])
    for tokens in (10, 50, 280):
        ratio = at(found["small"]["fit"], tokens)[0] / at(found["micro"]["fit"], tokens)[0]
        ratios = at(found["small"]["draws"], tokens) / at(found["micro"]["draws"], tokens)
        out.append([f"`small` over `micro` (4.1 times the parameters) at {tokens} M tokens", f"{ratio:.3f}", between(ratios)])
    return out


if __name__ == "__main__":
    print(f"spread between seeds: {estimates()['spread']:.2%}")
    for row in rows():
        print(" | ".join(row))
