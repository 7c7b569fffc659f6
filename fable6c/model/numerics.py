"""The arithmetic of docs/numerics.md in NumPy: float32, each operation rounded on its own in the document's order."""

import numpy as np

f32 = np.float32
LANES = 16  # of a sum of squares


def exp(x: np.ndarray) -> np.ndarray:
    """e^x of float32 x clamped to [-80, 80], as float32; relative error below 1e-5."""
    t = np.minimum(x, f32(80))
    np.maximum(t, f32(-80), out=t)
    t *= f32(1.4426950408889634)
    n = np.rint(t)
    t -= n
    p = t * f32(0.00132647273)
    for coefficient in (0.00967151299, 0.0555073358, 0.240222424, 0.693147004):
        p += f32(coefficient)
        p *= t
    p += f32(1)
    power = n.astype(np.int32)
    power += 127
    power <<= 23
    p *= power.view(np.float32)
    return p


def log(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of positive, normal float32 x, as float32; absolute error below 1e-6 + 1e-7·|log x|."""
    n = (x.view(np.int32) - np.int32(0x3F2AAAAB)) >> 23
    f = (x.view(np.int32) - (n << 23)).view(np.float32)  # in [2/3, 4/3)
    t = (f - f32(1)) / (f + f32(1))
    r = t * t
    p = r * f32(1 / 9)
    for coefficient in (1 / 7, 1 / 5, 1 / 3):
        p += f32(coefficient)
        p *= r
    p += f32(1)
    return n.astype(np.float32) * f32(0.693147182) + (t + t) * p


def sigmoid(x: np.ndarray) -> np.ndarray:
    y = exp(f32(0) - x)
    y += f32(1)
    return np.divide(f32(1), y, out=y)


def total(x: np.ndarray) -> np.ndarray:
    """Sums over the last axis in sixteen lanes: (...,)."""
    lanes = np.zeros(x.shape[:-1] + (LANES,), np.float32)
    for start in range(0, x.shape[-1], LANES):
        chunk = x[..., start : start + LANES]
        lanes[..., : chunk.shape[-1]] += chunk
    width = LANES
    while width > 1:
        width //= 2
        lanes = lanes[..., :width] + lanes[..., width:]
    return lanes[..., 0]


def sumsq(x: np.ndarray) -> np.ndarray:
    """Sums of squares over the last axis in sixteen lanes: (...,)."""
    return total(x * x)


def rmsnorm(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # an infinite sum is allowed: it gives r = 0
        r = f32(1) / np.sqrt(sumsq(x) / f32(x.shape[-1]) + f32(1e-5))
    return (x * r[..., None]) * gain


def quantize(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x to q (..., n), whole numbers in [-127, 127] kept as float32, and s (..., 1), so that x is about q·s."""
    a = np.maximum(x.max(axis=-1, keepdims=True), f32(0) - x.min(axis=-1, keepdims=True))
    tiny = a < f32(1e-30)
    inv = f32(127) / np.where(tiny, f32(1), a)
    q = np.rint(x * np.where(tiny, f32(0), inv))
    return q, np.where(tiny, f32(0), a / f32(127))
