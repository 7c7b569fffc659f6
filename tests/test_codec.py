"""fable6c/training/codec.py and _codec.c: updates in two bits a number, against an oracle in NumPy."""

import struct
import time

import numpy as np
import pytest

from fable6c import headers, native
from fable6c.errors import UserError
from fable6c.training import codec

CONSTANTS = headers.constants("codec")
BLOCK, HEAD = CONSTANTS["CODEC_BLOCK"], CONSTANTS["CODEC_HEAD"]
LANES = 16
SIZES = [1, 2, 3, 4, 5, 15, 16, 17, 129, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 6]
f32 = np.float32


def in_lanes(values):
    """The sum of a block in the order of the C code: sixteen sums side by side, then these one after the other."""
    sums = np.zeros(LANES, f32)
    for row in values.reshape(-1, LANES):
        sums = sums + row
    total = f32(0)
    for value in sums:
        total = total + value
    return total


def means(magnitude, limit, total, n):
    above = magnitude > limit
    high_sum, count = in_lanes(np.where(above, magnitude, f32(0))), f32(above.sum())
    below, mean = f32(n) - count, total / f32(n)
    high = high_sum / count if count > 0 else mean
    low = max((total - high_sum) / below if below > 0 else mean, f32(0))
    return low, max(high, low)


def oracle(delta):
    """Payload and rest as the header of _codec.c describes them."""
    payload, rest = b"F6U\1" + struct.pack("<IQ", 0, len(delta)), np.empty_like(delta)
    for start in range(0, len(delta), BLOCK):
        values = delta[start : start + BLOCK]
        n, Q = len(values), -(-len(values) // 4)
        magnitude = np.zeros(BLOCK, f32)
        magnitude[:n] = np.abs(values)
        total = in_lanes(magnitude)
        limit = total / f32(n)
        for _ in range(3):
            low, high = means(magnitude, limit, total, n)
            limit = f32(0.5) * (low + high)
        low, high = means(magnitude, limit, total, n)
        above = magnitude[:n] > limit
        code = np.zeros(4 * Q, np.uint8)
        code[:n] = above | (values < 0) << 1
        size = np.where(above, high, low)
        rest[start : start + n] = values - np.where(values < 0, -size, size)
        parts = code.reshape(4, Q)
        payload += struct.pack("<ff", low, high) + (parts[0] | parts[1] << 2 | parts[2] << 4 | parts[3] << 6).tobytes()
    return payload, rest


def numbers(n, seed=1):
    """What updates look like: blocks of all sizes, and one in three numbers zero."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 10.0 ** random.integers(-6, 2), n) * (random.random(n) < 2 / 3)
    return values.astype(f32)


@pytest.mark.parametrize("n", SIZES)
def test_payloads_are_those_of_the_oracle(n):
    delta = numbers(n, n)
    payload, rest = codec.encode(delta)
    expected, left = oracle(delta)
    assert payload == expected and rest.tobytes() == left.tobytes()
    total = np.zeros(n, f32)
    codec.add(total, payload, 1.0)
    np.testing.assert_array_equal(delta - total, rest)
    half = np.ones(n, f32)
    codec.add(half, payload, 0.5)
    np.testing.assert_array_equal(half, f32(1) + f32(0.5) * total)


def test_zeros_equal_numbers_and_two_magnitudes_lose_nothing():
    for values in (np.zeros(100), np.full(100, -0.25), np.where(np.arange(5000) % 3, 0.5, -3.0)):
        _, rest = codec.encode(values.astype(f32))
        assert not rest.any()


def test_a_sixteenth_of_the_bytes():
    n = 1_000_000
    payload, _ = codec.encode(numbers(n))
    assert 4 * n / len(payload) > 15.85


def test_what_a_payload_lacks_comes_later():
    """Of a constant update the sum of the payloads is within one payload's error of the sum of the updates, however many they are."""
    n = 10_000
    delta, error, total = numbers(n), np.zeros(n, f32), np.zeros(n, f32)
    for _ in range(50):
        payload, error = codec.encode(delta + error)
        codec.add(total, payload, 1.0)
    lacking = np.abs(50 * delta - total)
    assert lacking.mean() < 3 * np.abs(delta).mean()
    np.testing.assert_allclose(50 * delta - total, error, atol=1e-3 * np.abs(total).max())


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 70000.0])
def test_what_is_not_finite_is_no_update(wrong):
    delta = numbers(BLOCK + 10)
    delta[-1] = wrong
    with pytest.raises(FloatingPointError, match="the update is not finite"):
        codec.encode(delta)


def test_every_wrong_payload_is_refused_and_changes_nothing():
    n = BLOCK + 5  # the last block has two bytes of codes, of which three codes are none
    good, _ = codec.encode(numbers(n))

    def refuse(payload, reason):
        total = np.zeros(n, f32)
        with pytest.raises(UserError, match=reason):
            codec.add(total, bytes(payload), 1.0)
        assert not total.any()

    for size in (0, 1, HEAD - 1, HEAD, len(good) - 1):
        refuse(good[:size], "another size")
    refuse(good + b"\0", "another size")
    for at in range(HEAD):
        refuse(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :], "does not begin like")
    for low, high in ((2.0, 1.0), (-1.0, 1.0), (0.0, 1e6), (np.nan, 1.0), (0.0, np.nan), (0.0, np.inf)):
        refuse(good[:HEAD] + struct.pack("<ff", low, high) + good[HEAD + 8 :], "out of range")
    refuse(good[:-1] + bytes([good[-1] | 0xC0]), "behind its end")


def test_payloads_at_random_never_write_outside():
    """Guards before and behind the sum stay as they are, whatever the bytes are; what is accepted is finite."""
    random = np.random.default_rng(3)
    good, _ = codec.encode(numbers(200))
    accepted = 0
    for _ in range(2000):
        payload = bytearray(good)
        for at in random.integers(0, len(good), random.integers(1, 4)):
            payload[at] = random.integers(0, 256)
        room = np.full(264, 7.0, f32)
        total = room[32:232]
        total[:] = 0
        try:
            codec.add(total, bytes(payload), 1.0)
            accepted += 1
            assert np.isfinite(total).all()
        except UserError:
            assert not total.any()
        assert (room[:32] == 7).all() and (room[232:] == 7).all()
    assert 100 < accepted < 2000


@pytest.mark.clock
def test_17_megabytes_take_30_milliseconds():
    n = 4_254_193
    delta, total = numbers(n), np.zeros(n, f32)
    times = []
    for _ in range(9):
        began = time.process_time()
        payload, _ = codec.encode(delta)
        middle = time.process_time()
        codec.add(total, payload, 0.5)
        times.append((middle - began, time.process_time() - middle))
    encode, decode = np.median(times, axis=0)
    print(f"encode {1e3 * encode:.1f} ms, decode {1e3 * decode:.1f} ms")
    assert encode <= 0.030 and decode <= 0.030


def test_the_size_is_said_before():
    for n in SIZES:
        assert native.load("codec").lib.codec_size(n) == len(oracle(numbers(n))[0])
