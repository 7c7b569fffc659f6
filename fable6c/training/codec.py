"""Updates of a model in two bits a number, a sixteenth of f32: what the workers of a cluster send each other, and what an
update file holds (fable6c/_codec.c).

    payload, rest = encode(delta)      # rest: what the payload lacks
    add(total, payload, 0.5)           # total += 0.5 * what the payload holds

Who adds the rest to the next delta loses nothing, it only comes late: F. Seide et al., 1-bit stochastic gradient descent, Interspeech 2014.
"""

import numpy as np

from fable6c import native
from fable6c.errors import UserError

WRONG = (
    "it has another size than an update of this model",
    "it does not begin like an update of this model",
    "its magnitudes are out of range",
    "it has numbers behind its end",
)


def size(numbers: int) -> int:
    """Bytes of a payload of so many numbers."""
    return int(native.load("codec").lib.codec_size(numbers))


def wrong(payload: bytes, numbers: int) -> str:
    """Why bytes are no payload of so many numbers; empty if they are one."""
    found = native.load("codec").call("codec_check", np.frombuffer(payload, np.uint8), numbers)
    return WRONG[found - 1] if found else ""


def encode(delta: np.ndarray) -> tuple[bytes, np.ndarray]:
    """The payload of delta, f32 (N), and the f32 (N) that it lacks of it. FloatingPointError for numbers that are not finite."""
    codec = native.load("codec")
    payload, rest = np.empty(size(len(delta)), np.uint8), np.empty_like(delta)
    if codec.call("codec_encode", payload, rest, delta):
        raise FloatingPointError("the update is not finite")
    return payload.tobytes(), rest


def add(total: np.ndarray, payload: bytes, weight: float) -> None:
    """total += weight * the payload's numbers, f32 (N). UserError, with `total` as it was, for bytes that are no payload of N numbers."""
    found = native.load("codec").call("codec_add", total, np.frombuffer(payload, np.uint8), weight)
    if found:
        raise UserError(f"an update is refused: {WRONG[found - 1]}; all machines need the same version of fable6c")
