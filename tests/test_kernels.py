"""Every kernel against a float64 NumPy oracle, its backward against finite differences, at awkward sizes.

Every test runs once for each instruction set that the CPU has (conftest.py).
"""

import hashlib

import numpy as np
import pytest

from fable6c import kernels
from kernel_inputs import normal, up, zeros

pytestmark = pytest.mark.usefixtures("instruction_set")

SIZES = [1, 2, 3, 15, 16, 17, 129]


def product_rounding():
    """A gradient product rounds the gradient to bf16 where the instruction set multiplies bf16 (the other factor, ternary or int8,
    is exact): at most 2^-8 of each term's magnitude, besides the rounding of the f32 sums."""
    return (2**-8 if kernels.ISA in ("avx512bf16", "amx") else 0) + 2e-6


def rng(*seed):
    return np.random.default_rng([7, *seed])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def assert_close(actual, expected, tolerance=2e-5):
    """Largest error relative to the largest expected value."""
    expected = np.asarray(expected, np.float64)
    scale = max(np.abs(expected).max(), 1e-30)
    error = np.abs(np.asarray(actual, np.float64) - expected).max() / scale
    assert error <= tolerance, f"relative error {error:.2e}, allowed {tolerance:.0e}"


def assert_product(actual, expected, magnitude, rounding):
    """Each error against the sum of the magnitudes of the products that were added up."""
    excess = np.abs(actual - expected) / magnitude
    assert excess.max() <= rounding, f"error {excess.max():.2e} of the terms, allowed {rounding:.0e}"


def numeric_gradient(function, x, weights, epsilon=1e-5):
    """d(Σ weights · function(x)) / dx by central differences in float64."""
    x = np.array(x, np.float64)
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + epsilon
        above = (weights * function(x)).sum()
        x[index] = kept - epsilon
        below = (weights * function(x)).sum()
        x[index] = kept
        gradient[index] = (above - below) / (2 * epsilon)
    return gradient


# ---- the oracles: the formulas of docs/numerics.md in float64 ----


def rmsnorm_oracle(x, gain):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * gain


def conv_oracle(v, weight):
    taps = weight.shape[1]
    padded = np.concatenate([np.zeros((v.shape[0], taps - 1, v.shape[2])), v], 1)
    return sum(padded[:, k : k + v.shape[1]] * weight[:, k] for k in range(taps))


def scan_oracle(c, forget, gate, bias):
    f, h, out = sigmoid(forget + bias), np.zeros(c.shape[::2]), []
    for t in range(c.shape[1]):
        h = f[:, t] * h + (1 - f[:, t]) * c[:, t]
        out.append(h)
    return np.stack(out, 1) * sigmoid(gate)


def glu_oracle(x):
    a, b = np.split(x, 2, -1)
    return a * sigmoid(a) * b


def quantized(random, n, c):
    """Random activations and their int8 form: q padded, s, and the float64 values q·s."""
    x = normal(random, n, c)
    q, s = zeros(n, -(-c // 4) * 4, dtype=np.int8), zeros(n)
    kernels.quantize_activations(q, s, x)
    return q, s, q[:, :c].astype(np.float64) * s[:, None]


def ternary(random, o, c, scales):
    """A random ternary matrix: weight, scale, and packed for the forward product."""
    weight, scale = zeros(o, c, dtype=np.int8), zeros(scales)
    kernels.quantize_weights(weight, scale, normal(random, o, c), 1, 1)
    packed = zeros(up(o, 32), up(c, 4), dtype=np.int8)
    kernels.linear_pack(packed, weight)
    return weight, scale, packed


# ---- the tests ----


@pytest.mark.parametrize("c", SIZES)
def test_embedding(c):
    random = rng(c)
    weight, scale = random.integers(-1, 2, (5, c)).astype(np.int8), normal(random, 5)
    tokens = np.array([3, 0, 3, 4, 3], np.int32)
    out = zeros(5, c)
    kernels.embedding_forward(out, tokens, weight, scale)
    assert np.array_equal(out, weight[tokens] * scale[tokens][:, None])
    dout, gradient = normal(random, 5, c), np.ones((5, c), np.float32)
    kernels.embedding_backward(gradient, dout, tokens)
    expected = np.ones((5, c))
    np.add.at(expected, tokens, dout)
    assert_close(gradient, expected)


@pytest.mark.parametrize("n,c", [(n, c) for n in (1, 3, 17) for c in SIZES])
def test_rmsnorm(n, c):
    random = rng(n, c)
    x, gain, dout = normal(random, n, c), normal(random, c), normal(random, n, c)
    out, rstd = zeros(n, c), zeros(n)
    kernels.rmsnorm_forward(out, rstd, x, gain)
    assert_close(out, rmsnorm_oracle(x.astype(np.float64), gain), 1e-6)
    dinp, dgain = np.ones((n, c), np.float32), np.ones(c, np.float32)  # ones: both are added to
    kernels.rmsnorm_backward(dinp, dgain, dout, x, rstd, gain)
    assert_close(dinp, 1 + numeric_gradient(lambda x: rmsnorm_oracle(x, gain), x, dout))
    assert_close(dgain, 1 + numeric_gradient(lambda g: rmsnorm_oracle(x.astype(np.float64), g), gain, dout))


@pytest.mark.parametrize("c", SIZES)
def test_quantize(c):
    x = normal(rng(c), 4, c)
    x[1] = 0.0
    x[2] = 1e-31
    x[3, 0] = 1e30
    q, s = np.full((4, -(-c // 4) * 4), 99, np.int8), zeros(4)
    kernels.quantize_activations(q, s, x)
    top = np.abs(x).max(1)
    inverse = np.divide(np.float32(127), top, out=np.zeros_like(top), where=top >= 1e-30)
    assert np.array_equal(q[:, :c], np.rint(x * inverse[:, None]))
    assert np.array_equal(s, np.where(top < 1e-30, np.float32(0), top / np.float32(127)))
    assert not q[:, c:].any() and not q[1:3].any()


def test_quantize_rounds_half_to_even():
    x = np.array([[127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5]], np.float32)
    q, s = zeros(1, 8, dtype=np.int8), zeros(1)
    kernels.quantize_activations(q, s, x)
    assert q[0].tolist() == [127, 0, 2, 2, 0, -2, -2, 126] and s[0] == 1


@pytest.mark.parametrize("c", [1, 3, 17, 129])
def test_quantize_gradients(c):
    """Each number becomes one of its two neighbours, and the mean over the draws is the number."""
    dout, draws = normal(rng(c), 3, c), 2000
    dout[1] = 0.0
    q, s, mean = np.full((3, up(c, 4)), 99, np.int8), zeros(3), np.zeros((3, c))
    seen = set()
    for number in range(draws):
        kernels.quantize_gradients(q, s, dout, np.array([number, 0], np.uint32))
        rounded = q[:, :c] * s[:, None].astype(np.float64)
        assert np.all(np.abs(rounded - dout) <= 1.001 * s[:, None]) and not q[:, c:].any()
        mean += rounded / draws
        seen.add(q.tobytes())
    assert np.array_equal(s, np.abs(dout).max(1) / np.float32(126.5)) and len(seen) > 3
    assert np.all(np.abs(mean - dout) <= 5 * 0.5 * s[:, None] / draws**0.5)


@pytest.mark.parametrize("rows,levels,share", [(False, 1, 1.0), (True, 1, 1.0), (True, 4, 0.7)])
@pytest.mark.parametrize("o,c", [(1, 1), (1, 7), (5, 3), (17, 129), (70, 64)])
def test_quantize_weights(o, c, rows, levels, share):
    latent = normal(rng(o, c), o, c)
    weight, scale = zeros(o, c, dtype=np.int8), zeros(o if rows else 1)
    kernels.quantize_weights(weight, scale, latent, levels, share)
    mean = np.abs(latent.astype(np.float64)).mean(1 if rows else None).reshape(-1)
    assert_close(scale, share * mean, 1e-6)
    spread = scale[:, None] if rows and o > 1 else scale[0]
    assert np.array_equal(weight, np.clip(np.rint(latent / spread), -levels, levels))


def test_quantize_weights_zeros():
    weight, scale = np.ones((3, 4), np.int8), np.ones(1, np.float32)
    kernels.quantize_weights(weight, scale, zeros(3, 4), 1, 1)
    assert not weight.any() and scale[0] == 0


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("n,o,c,rows", [(n, o, c, n == 2) for n in (1, 2, 9, 17) for o in (1, 16, 33, 129) for c in (1, 4, 17, 129, 640)])
def test_linear_forward(n, o, c, rows, residual):
    """The fast product has the bits of the naive one, and both are the exact integer sum."""
    random = rng(n, o, c)
    q, s, _ = quantized(random, n, c)
    weight, scale, packed = ternary(random, o, c, o if rows else 1)
    if n == 9:  # the largest sums that there can be
        q[:, :c], weight[:] = -127, 1
        kernels.linear_pack(packed, weight)
    before = normal(random, n, o) if residual else None
    fast, naive = zeros(n, o), zeros(n, o)
    kernels.linear_forward(fast, before, q, s, packed, scale)
    kernels.linear_forward_naive(naive, before, q, s, weight, scale)
    factor = s[:, None] * (scale[None] if rows and o > 1 else scale[0])
    expected = (q[:, :c].astype(np.int64) @ weight.T.astype(np.int64)).astype(np.float32) * factor
    assert np.array_equal(naive, expected if before is None else before + expected)
    assert np.array_equal(fast, naive)


@pytest.mark.parametrize(
    "n,o,c,rows", [(n, o, c, n == 2) for n in (1, 2, 9, 33) for o in (1, 15, 129) for c in (1, 17, 129)] + [(500, 40, 70, False)]
)
def test_linear_backward(n, o, c, rows):
    """The product is linear in q·s and in the weight, so its exact gradient is a float64 product."""
    random = rng(n, o, c)
    q, s, x = quantized(random, n, c)
    weight, scale, _ = ternary(random, o, c, o if rows else 1)
    dout = normal(random, n, o)
    exact = dout.astype(np.float64)
    exact_weight = weight * (scale[:, None] if rows and o > 1 else scale[0]).astype(np.float64)
    dinp, naive_dinp, packed, scratch = zeros(n, c), zeros(n, c), zeros(o, up(c, 32)), kernels.linear_scratch(n, o, c)
    kernels.linear_pack_gradient(packed, weight)
    kernels.linear_backward_input(dinp, dout, packed, scale, scratch)
    kernels.linear_backward_input_naive(naive_dinp, dout, weight, scale)
    size = np.abs(exact) @ np.abs(exact_weight) + 1e-30
    assert_product(dinp, exact @ exact_weight, size, product_rounding())
    assert_product(naive_dinp, exact @ exact_weight, size, 1e-5)
    dlatent, naive_dlatent = np.ones((o, c), np.float32), np.ones((o, c), np.float32)
    kernels.linear_backward_weight(dlatent, dout, q, s, scratch)
    kernels.linear_backward_weight_naive(naive_dlatent, dout, q, s)
    size = 1 + np.abs(exact).T @ np.abs(x)
    assert_product(dlatent, 1 + exact.T @ x, size, product_rounding())
    assert_product(naive_dlatent, 1 + exact.T @ x, size, 1e-5)


@pytest.mark.parametrize("n,o,c", [(1, 1, 1), (3, 5, 2), (9, 33, 129), (17, 129, 15), (8, 64, 32)])
def test_linear_backward_input_in_int8(n, o, c):
    """The forward product with the transposed weight is the gradient of a quantized dout, exactly."""
    random = rng(n, o, c)
    weight, scale, _ = ternary(random, o, c, 1)
    q, s, dout = quantized(random, n, o)
    transposed, dinp, naive = zeros(up(c, 32), up(o, 4), dtype=np.int8), zeros(n, c), zeros(n, c)
    kernels.linear_pack_transposed(transposed, weight)
    kernels.linear_forward(dinp, None, q, s, transposed, scale)
    kernels.linear_forward_naive(naive, None, q, s, np.ascontiguousarray(weight.T), scale)
    assert np.array_equal(dinp, naive)
    assert_close(dinp, dout @ (weight * np.float64(scale[0])), 1e-6)


@pytest.mark.parametrize("n,o,c", [(1, 1, 1), (2, 9, 33), (5, 17, 4), (33, 33, 70), (1027, 16, 40)])
def test_linear_backward_weight_int8(n, o, c):
    """The fast kernel has the bits of the naive one; their mean over the draws is the float product."""
    random, draws = rng(n, o, c), 400 if n < 100 else 4
    q, s, x = quantized(random, n, c)
    dq, ds, _ = quantized(random, n, o)
    ds *= random.random(n).astype(np.float32)
    exact = (dq[:, :o] * ds[:, None].astype(np.float64)).T @ x
    scratch, mean, size = (
        kernels.linear_scratch(n, o, c),
        np.zeros((o, c)),
        (ds * s).max() / 2 * (q[:, :c].astype(np.float64) ** 2).sum(0) ** 0.5,
    )
    for number in range(draws):
        fast, naive, draw = np.ones((o, c), np.float32), np.ones((o, c), np.float32), np.array([number, 0], np.uint32)
        kernels.linear_backward_weight_int8(fast, dq, ds, q, s, draw, scratch)
        kernels.linear_backward_weight_int8_naive(naive, dq, ds, q, s, draw)
        if not kernels.gradient_bits():  # multiplies floats instead
            assert_product(fast, 1 + exact, 1 + (np.abs(dq[:, :o]) * ds[:, None]).T @ np.abs(x), product_rounding())
        else:
            assert np.array_equal(fast, naive)
        if kernels.gradient_bits() == 16:  # no draw, and as good as floats
            assert_product(fast, 1 + exact, 1 + (ds * s).max() * 127 * np.abs(q[:, :c]).sum(0, dtype=np.float64), 1 / 65534 + 1e-6)
        mean += (naive.astype(np.float64) - 1) / draws
    assert np.all(np.abs(mean - exact) <= 5 * size / draws**0.5 + 1e-6)


def test_threads_that_are_ahead_do_not_disturb_the_others():
    """Many tokens and a last, shorter block of them: a thread may be in that one while another is still before it."""
    n, o, c = 1027, 16, 40
    random, before = rng(n, o, c), kernels.threads()
    q, s, _ = quantized(random, n, c)
    dq, ds, dout = quantized(random, n, o)
    scratch, draw = kernels.linear_scratch(n, o, c), np.array([1, 0], np.uint32)

    def products():
        exact, rounded = np.ones((o, c), np.float32), np.ones((o, c), np.float32)
        kernels.linear_backward_weight(exact, dout.astype(np.float32), q, s, scratch)
        kernels.linear_backward_weight_int8(rounded, dq, ds, q, s, draw, scratch)
        return exact.tobytes() + rounded.tobytes()

    try:
        kernels.set_threads(1)
        alone = products()
        kernels.set_threads(3)
        assert {products() for _ in range(300)} == {alone}
    finally:
        kernels.set_threads(before)


def test_the_largest_gradient_of_int8_does_not_overflow():
    """127 and a large dither round to 128, which eight bits do not hold: among a million of them are some."""
    n, o, c = 256, 4096, 4
    dq, ds, s = np.full((n, o), 127, np.int8), np.ones(n, np.float32), np.ones(n, np.float32)
    q, fast, draw = np.ones((n, c), np.int8), zeros(o, c), np.array([1, 0], np.uint32)
    kernels.linear_backward_weight_int8(fast, dq, ds, q, s, draw, kernels.linear_scratch(n, o, c))
    assert 126.8 * n < fast.min() and fast.max() <= 127 * n


@pytest.mark.parametrize("b,t,c,k", [(1, 1, 1, 1), (2, 3, 3, 4), (1, 4, 17, 4), (2, 5, 33, 4), (1, 9, 64, 8), (2, 6, 31, 2)])
def test_conv(b, t, c, k):
    random = rng(b, t, c, k)
    u, weight, dout = normal(random, b, t, 3 * c), normal(random, c, k), normal(random, b, t, c)
    out = zeros(b, t, c)
    kernels.conv_forward(out, u, weight)
    v = u[:, :, :c].astype(np.float64)
    assert_close(out, conv_oracle(v, weight), 1e-6)
    du, dweight = np.full_like(u, 9), np.ones_like(weight)
    kernels.conv_backward(du, dweight, dout, u, weight)
    assert_close(du[:, :, :c], numeric_gradient(lambda v: conv_oracle(v, weight), v, dout))
    assert_close(dweight, 1 + numeric_gradient(lambda w: conv_oracle(v, w), weight, dout))
    assert (du[:, :, c:] == 9).all(), "the other two thirds belong to scan_backward"


@pytest.mark.parametrize("b,t,c", [(1, 1, 1), (2, 3, 2), (1, 7, 17), (2, 4, 33), (1, 2, 64)])
def test_scan(b, t, c):
    random = rng(b, t, c)
    u, inp, bias, dout = normal(random, b, t, 3 * c), normal(random, b, t, c), normal(random, c), normal(random, b, t, c)
    forget, gate = u[:, :, c : 2 * c].astype(np.float64), u[:, :, 2 * c :].astype(np.float64)
    saved, out, h = u.copy(), zeros(b, t, c), zeros(b, t, c)
    kernels.scan_forward(out, h, saved, inp, bias)
    assert_close(out, scan_oracle(inp.astype(np.float64), forget, gate, bias), 2e-6)
    du, dinp, dbias = np.full_like(u, 9), zeros(b, t, c), np.ones(c, np.float32)
    kernels.scan_backward(dinp, du, dbias, dout, h, saved, inp)
    assert_close(dinp, numeric_gradient(lambda x: scan_oracle(x, forget, gate, bias), inp, dout))
    assert_close(du[:, :, c : 2 * c], numeric_gradient(lambda x: scan_oracle(inp, x, gate, bias), forget, dout))
    assert_close(du[:, :, 2 * c :], numeric_gradient(lambda x: scan_oracle(inp, forget, x, bias), gate, dout))
    assert_close(dbias, 1 + numeric_gradient(lambda x: scan_oracle(inp, forget, gate, x), bias, dout))
    assert (du[:, :, :c] == 9).all(), "the first third belongs to conv_backward"


@pytest.mark.parametrize("h", SIZES)
def test_glu(h):
    random = rng(h)
    x, dout = 3 * normal(random, 3, 2 * h), normal(random, 3, h)
    out, dinp = zeros(3, h), zeros(3, 2 * h)
    kernels.glu_forward(out, x)
    assert_close(out, glu_oracle(x.astype(np.float64)), 2e-6)
    kernels.glu_backward(dinp, dout, x)
    assert_close(dinp, numeric_gradient(glu_oracle, x, dout))


@pytest.mark.parametrize("n,c,o", [(1, 1, 1), (63, 17, 5), (65, 33, 40), (130, 64, 129)])
@pytest.mark.parametrize("norm", [False, True])
def test_layer(n, c, o, norm):
    """The bits of its parts one after the other; only the gradient of the gain is added up in another order."""
    random = rng(n, c, o)
    x, gain, residual, dout, dx = normal(random, n, c), normal(random, c), normal(random, n, o), normal(random, n, o), normal(random, n, c)
    w, scale, packed = ternary(random, o, c, 1)
    transposed, draw, scratch = (
        zeros(up(c, 32), up(o, 4), dtype=np.int8),
        np.array([1, 0], np.uint32),
        np.empty(kernels.block_scratch_floats(c, 1), np.float32),
    )
    kernels.linear_pack_transposed(transposed, w)
    normed, rstd, q, s, out = x, zeros(n), zeros(n, up(c, 4), dtype=np.int8), zeros(n), zeros(n, o)
    if norm:
        normed = zeros(n, c)
        kernels.rmsnorm_forward(normed, rstd, x, gain)
    kernels.quantize_activations(q, s, normed)
    kernels.linear_forward(out, residual, q, s, packed, scale)
    saved = [zeros(n, up(c, 4), dtype=np.int8), zeros(n), zeros(n)]
    chain_out = zeros(n, o)
    layer = kernels.struct(
        "layer", inp=x, gain=gain if norm else None, rstd=saved[2] if norm else None, q=saved[0], s=saved[1], packed=packed,
        transposed=transposed, scale=scale, scratch=scratch, O=o,
    )  # fmt: skip
    kernels.layer_forward(chain_out, residual, layer)
    assert out.any() and np.array_equal(chain_out, out)
    assert all(np.array_equal(one, other) for one, other in zip(saved, (q, s, rstd)))

    dq, ds, dnormed, dgain, dinp = zeros(n, up(o, 4), dtype=np.int8), zeros(n), zeros(n, c), np.ones(c, np.float32), dx.copy()
    kernels.quantize_gradients(dq, ds, dout, draw)
    kernels.linear_forward(dnormed, None, dq, ds, transposed, scale)
    if norm:
        kernels.rmsnorm_backward(dinp, dgain, dnormed, x, rstd, gain)
    else:
        dinp = dnormed
    chain_dq, chain_ds, chain_dgain, chain_dinp = zeros(n, up(o, 4), dtype=np.int8), zeros(n), np.ones(c, np.float32), dx.copy()
    parts = zeros(kernels.block_chunks(n), c)
    kernels.layer_backward(chain_dinp, chain_dgain if norm else None, chain_dq, chain_ds, dout, draw, parts, layer)
    assert np.array_equal(chain_dinp, dinp) and np.array_equal(chain_dq, dq) and np.array_equal(chain_ds, ds)
    assert_close(chain_dgain, dgain, 1e-5)


@pytest.mark.parametrize("n,c,h", [(1, 1, 1), (63, 17, 5), (65, 33, 40), (130, 64, 129)])
@pytest.mark.parametrize("rate", [0, 2**30])
def test_glu_block(n, c, h, rate):
    """The bits of its parts one after the other; only the gradient of the gain is added up in another order."""
    random = rng(n, c, h)
    x, gain, dout = normal(random, n, c), normal(random, c), normal(random, n, c)
    w_in, scale_in, packed_in = ternary(random, 2 * h, c, 1)
    w_out, scale_out, packed_out = ternary(random, c, h, 1)
    draw, draw_in, draw_out = (np.array([number, rate], np.uint32) for number in (1, 2, 3))

    def saved():
        return [zeros(n, 2 * h), zeros(n), zeros(n, up(c, 4), dtype=np.int8), zeros(n), zeros(n, up(h, 4), dtype=np.int8), zeros(n)]

    normed, product, out, parts = zeros(n, c), zeros(n, h), zeros(n, c), saved()
    u, rstd, q, s, pq, ps = parts
    kernels.rmsnorm_forward(normed, rstd, x, gain)
    kernels.quantize_activations(q, s, normed)
    kernels.linear_forward(u, None, q, s, packed_in, scale_in)
    kernels.glu_forward(product, u)
    kernels.dropout(product.reshape(-1), draw)
    kernels.quantize_activations(pq, ps, product)
    kernels.linear_forward(out, x, pq, ps, packed_out, scale_out)
    transposed_in, transposed_out = zeros(up(c, 32), up(2 * h, 4), dtype=np.int8), zeros(up(h, 32), up(c, 4), dtype=np.int8)
    kernels.linear_pack_transposed(transposed_in, w_in)
    kernels.linear_pack_transposed(transposed_out, w_out)
    block_out, block = zeros(n, c), saved()
    arrays = kernels.struct(
        "glu_block", inp=x, gain=gain, **dict(zip(("u", "rstd", "q", "s", "product_q", "product_s"), block)), packed_in=packed_in,
        transposed_in=transposed_in, scale_in=scale_in, packed_out=packed_out, transposed_out=transposed_out, scale_out=scale_out,
        draw=draw, scratch=np.empty(kernels.block_scratch_floats(c, h), np.float32),
    )  # fmt: skip
    kernels.glu_block_forward(block_out, arrays)
    assert out.any() and np.array_equal(block_out, out)
    assert all(np.array_equal(one, other) for one, other in zip(block, parts))

    def gradients():
        return [zeros(n, up(c, 4), dtype=np.int8), zeros(n), zeros(n, up(2 * h, 4), dtype=np.int8), zeros(n)]

    dx, dgain, rounded = dout.copy(), np.ones(c, np.float32), gradients()
    dq_out, ds_out, dq_in, ds_in = rounded
    dproduct, du, dnormed = zeros(n, h), zeros(n, 2 * h), zeros(n, c)
    kernels.quantize_gradients(dq_out, ds_out, dx, draw_out)
    kernels.linear_forward(dproduct, None, dq_out, ds_out, transposed_out, scale_out)
    kernels.dropout(dproduct.reshape(-1), draw)
    kernels.glu_backward(du, dproduct, u)
    kernels.quantize_gradients(dq_in, ds_in, du, draw_in)
    kernels.linear_forward(dnormed, None, dq_in, ds_in, transposed_in, scale_in)
    kernels.rmsnorm_backward(dx, dgain, dnormed, x, rstd, gain)
    block_dx, block_dgain, block_rounded = dout.copy(), np.ones(c, np.float32), gradients()
    kernels.glu_block_backward(block_dx, block_dgain, *block_rounded, draw_out, draw_in, zeros(kernels.block_chunks(n), c), arrays)
    assert np.array_equal(block_dx, dx) and not np.array_equal(dx, dout)
    assert all(np.array_equal(one, other) for one, other in zip(block_rounded, rounded))
    assert_close(block_dgain, dgain.astype(np.float64), 1e-5)


@pytest.mark.parametrize("v", SIZES)
def test_crossentropy(v):
    random = rng(v)
    logits, targets = 5 * normal(random, 4, v), random.integers(0, v, 4).astype(np.int32)

    def oracle(x):
        top = x.max(1, keepdims=True)
        return np.log(np.exp(x - top).sum(1)) + top[:, 0] - x[np.arange(4), targets]

    loss, gradient = zeros(4), logits.copy()
    kernels.crossentropy(loss, gradient, targets, None, 0.25)
    assert np.abs(loss - oracle(logits.astype(np.float64))).max() < 1e-5
    assert np.abs(gradient - numeric_gradient(oracle, logits, np.full(4, 0.25))).max() < 1e-6


@pytest.mark.parametrize("copies", [False, True])
def test_crossentropy_leaves_out_targets_below_zero(copies):
    """Those rows have no loss and no gradient; the others are as without them."""
    random, n, v, entries = rng(7), 5, 129, 64
    logits, targets = normal(random, n, v), random.integers(0, v, n).astype(np.int32)
    odds = np.abs(normal(random, n, 2)) if copies else None
    left_out = np.array([True, False, True, False, True])
    some = np.where(left_out, -1, targets).astype(np.int32)
    count = zeros(n, dtype=np.int32)
    gradient = kernels.struct(
        "sparse_gradient",
        entry=zeros(n, entries, dtype=np.int32),
        value=zeros(n, entries),
        count=count,
        first=zeros(v, dtype=np.int32),
        next=zeros(n, entries, dtype=np.int32),
    )
    results = []
    for wanted in (targets, some):
        loss, dense, dodds = zeros(n), logits.copy(), odds.copy() if copies else None
        kernels.crossentropy(loss, dense, wanted, dodds, 0.25)
        sparse_loss, sparse_odds = zeros(n), odds.copy() if copies else None
        kernels.crossentropy_sparse(sparse_loss, gradient, logits.copy(), wanted, sparse_odds, np.array([3, 0], np.uint32), 0.25)
        assert np.array_equal(sparse_loss, loss) and np.array_equal(sparse_odds, dodds)
        results.append((loss, dense, *([dodds] if copies else [])))
    assert np.array_equal(count == 0, left_out)
    for whole, part in zip(*results):
        assert np.array_equal(part[~left_out], whole[~left_out]) and not part[left_out].any() and whole[left_out].any()


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("v", [1, 15, 16, 17, 127, 128, 129, 700])
def test_crossentropy_sparse(v, copies):
    """The dense loss; a gradient of few entries, whose large ones are exact and whose mean over the draws is the dense one."""
    random, draws, n, entries = rng(v), 3000, 3, 64
    logits, targets = 3 * normal(random, n, v), random.integers(0, v, n).astype(np.int32)
    share = np.exp(logits[0]) / np.exp(logits[0]).sum()
    targets[0] = np.argmax(np.where(share < 0.9 / (entries - 32), share, 0))  # the largest that could be left out, were it not the target
    odds = np.array([[0.5, 2.0], [0.0, 0.3], [1e9, 1e12]], np.float32) if copies else None
    dense_loss, dense, dense_odds = zeros(n), logits.copy(), odds.copy() if copies else None
    kernels.crossentropy(dense_loss, dense, targets, dense_odds, 0.25)
    least = 0.25 / (entries - 32)
    loss, entry, value, count = zeros(n), zeros(n, entries, dtype=np.int32), zeros(n, entries), zeros(n, dtype=np.int32)
    gradient = kernels.struct(
        "sparse_gradient", entry=entry, value=value, count=count, first=zeros(v, dtype=np.int32), next=zeros(n, entries, dtype=np.int32)
    )
    mean = np.zeros((n, v))
    for number in range(draws):
        own_odds = odds.copy() if copies else None
        kernels.crossentropy_sparse(loss, gradient, logits.copy(), targets, own_odds, np.array([number, 0], np.uint32), 0.25)
        assert np.array_equal(loss, dense_loss) and np.array_equal(own_odds, dense_odds) and np.all(count <= entries)
        sparse = np.zeros((n, v))
        for row in range(n):
            kept = entry[row, : count[row]]
            assert len(set(kept.tolist())) == len(kept), "a column comes twice"
            sparse[row, kept] = value[row, : count[row]]
        large = np.abs(dense) >= 1.001 * least
        large[np.arange(n), targets] = True
        assert np.allclose(sparse[large], dense[large], rtol=1e-5, atol=1e-7)
        mean += sparse / draws
    # Five standard deviations, and two draws more: of an entry that is kept once in 100,000 times one may come.
    tolerance = 5 * (np.abs(dense) * least / draws) ** 0.5 + 2 * least / draws
    assert np.all(np.abs(mean - dense) <= tolerance)
    assert v < 700 or count.max() < 64, "most of 700 entries are left out"


@pytest.mark.parametrize("b,t,k", [(1, 1, 1), (2, 5, 3), (2, 37, 13), (3, 33, 16), (1, 64, 32), (1, 71, 50)])
def test_copying(b, t, k):
    """The loss of copies and network together, and its gradients for everything that it comes from."""
    random, n, v = rng(b, t, k), b * t, 9
    u, sentinel, bias, logits = (
        normal(random, b, t, 2 * k) * np.float32(k**-0.25),
        normal(random, k),
        normal(random, 1) + 2,
        normal(random, n, v),
    )
    text = random.integers(0, v, (b, t + 1)).astype(np.int32)
    tokens, targets = text[:, :-1].copy(), text[:, 1:].copy()

    def oracle(u, sentinel, bias, logits):
        query, key = np.split(u, 2, 2)
        odds = np.exp(query @ key.swapaxes(1, 2) - (query @ sentinel)[..., None] - bias) * np.tri(t, k=-1)
        hits = text[:, None, 1:] == text[:, 1:, None]  # the token after a place is the next token
        own = np.exp(logits[np.arange(n), targets.reshape(-1)]) / np.exp(logits).sum(1)
        return np.log(1 + odds.sum(2)).reshape(-1) - np.log(own + (odds * hits).sum(2).reshape(-1))

    odds, power, loss, gradient = zeros(b, t, 2), zeros(b, t, t), zeros(n), logits.copy()
    scratch, du, dsentinel, dbias = (
        zeros(b, 2, up(t, 16), up(k, 16)),
        np.full_like(u, np.nan),
        np.ones(k, np.float32),
        np.ones(1, np.float32),
    )
    copying = kernels.struct("copying", u=u, sentinel=sentinel, bias=bias, tokens=tokens, targets=targets, power=power, scratch=scratch)
    kernels.copy_forward(odds, copying)
    kernels.crossentropy(loss, gradient, targets.reshape(-1), odds.reshape(n, 2), 0.25)
    kernels.copy_backward(du, dsentinel, dbias, odds, copying)
    exact = [x.astype(np.float64) for x in (u, sentinel, bias, logits)]
    assert_close(loss, oracle(*exact), 1e-5)
    if t == 1:
        assert not du.any() and (dsentinel == 1).all() and dbias == 1, "nothing came before"
        return
    for place, got in enumerate((du, dsentinel - 1, dbias - 1, gradient)):
        weights = np.full(n, 0.25)
        expected = numeric_gradient(lambda x: oracle(*exact[:place], x, *exact[place + 1 :]), exact[place], weights)
        assert_close(got, expected, 1e-5)


def predictions(logits, odds, text):
    """What a network predicts, (N, V) float64: its logits (N, V) and the odds (B, T, T) of copying what stands at text (B, T+1)."""
    copies = np.einsum("bti,biv->btv", odds, np.eye(logits.shape[1])[text[:, 1:]]).reshape(logits.shape)
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True) + copies) / (1 + copies.sum(1, keepdims=True))


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("b,t,v", [(1, 1, 1), (1, 1, 17), (2, 5, 16), (3, 17, 9), (1, 33, 129)])
def test_soft_targets(b, t, v, copies):
    """The predictions of two teachers, each by its share, part after part of a batch."""
    random, n = rng(b, t, v), b * t
    text = random.integers(0, v, (b, t + 1)).astype(np.int32)
    tokens, soft, expected, half = text[:, :-1].copy(), zeros(n, v), np.zeros((n, v)), n // 2
    for share in (0.25, 0.5):
        logits, odds = 3 * normal(random, n, v), np.abs(normal(random, b, t, t)) * np.tri(t, k=-1, dtype=np.float32) * copies
        power = odds + np.triu(np.full((t, t), np.nan, np.float32))  # what is not before a place is not looked at
        expected += share * predictions(logits.astype(np.float64), odds.astype(np.float64), text)
        for rows in (slice(0, half), slice(half, n)):
            if rows.stop > rows.start:
                kernels.soft_targets(soft[rows], logits[rows].copy(), power if copies else None, tokens, rows.start, share)
    assert_close(soft, expected, 1e-5)
    assert np.allclose(soft.sum(1), 0.75, rtol=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("b,t,k,v", [(1, 1, 1, 5), (2, 5, 3, 17), (1, 17, 4, 9)])
def test_crossentropy_soft(b, t, k, v, share):
    """The loss of a distribution as target, copies and network together, and its gradients for everything that it comes from."""
    random, n = rng(b, t, k, v), b * t
    u, sentinel, bias = normal(random, b, t, 2 * k) * np.float32(k**-0.25), normal(random, k), normal(random, 1) + 2
    logits, soft = normal(random, n, v), random.dirichlet(np.full(v, 0.5), n).astype(np.float32)
    text = random.integers(0, v, (b, t + 1)).astype(np.int32)
    tokens, targets = text[:, :-1].copy(), text[:, 1:].copy()
    flat = targets.reshape(-1)
    flat[1::7] = -1  # some are left out
    wanted = share * soft.astype(np.float64) + (1 - share) * np.eye(v)[flat]
    used = np.where(flat < 0, 0.0, 0.25)

    def oracle(u, sentinel, bias, logits):
        query, key = np.split(u, 2, 2)
        odds = np.exp(query @ key.swapaxes(1, 2) - (query @ sentinel)[..., None] - bias) * np.tri(t, k=-1)
        return -(wanted * np.log(predictions(logits, odds, text))).sum(1) * (flat >= 0)

    odds, power, loss, gradient = zeros(b, t, 2), zeros(b, t, t), zeros(n), logits.copy()
    scratch, du = zeros(b, 2, up(t, 16), up(k, 16)), np.full_like(u, np.nan)
    dsentinel, dbias = np.ones(k, np.float32), np.ones(1, np.float32)
    copying = kernels.struct("copying", u=u, sentinel=sentinel, bias=bias, tokens=tokens, targets=targets, power=power, scratch=scratch)
    kernels.copy_forward(odds, copying)
    half = n // 2
    for rows in (slice(0, half), slice(half, n)):
        if rows.stop > rows.start:
            part = loss[rows], gradient[rows], odds.reshape(n, 2)[rows], power, soft[rows], flat[rows], tokens
            kernels.crossentropy_soft(*part, rows.start, share, 0.25)
    kernels.copy_backward(du, dsentinel, dbias, odds, copying)
    exact = [x.astype(np.float64) for x in (u, sentinel, bias, logits)]
    assert_close(loss, oracle(*exact), 1e-5)
    for place, got in enumerate((du, dsentinel - 1, dbias - 1, gradient)):
        if t > 1 or place == 3:
            expected = numeric_gradient(lambda x: oracle(*exact[:place], x, *exact[place + 1 :]), exact[place], used)
            assert_close(got, expected, 2e-5)


@pytest.mark.parametrize("v", [1, 16, 129])
def test_crossentropy_soft_of_the_next_token_is_crossentropy(v):
    random, n = rng(v), 7
    logits, targets = 5 * normal(random, n, v), random.integers(0, v, n).astype(np.int32)
    tokens = targets.reshape(1, n)
    loss, gradient, hard_loss, hard_gradient = zeros(n), logits.copy(), zeros(n), logits.copy()
    kernels.crossentropy(hard_loss, hard_gradient, targets, None, 0.25)
    kernels.crossentropy_soft(loss, gradient, None, None, np.eye(v, dtype=np.float32)[targets], targets, tokens, 0, 0.6, 0.25)
    assert_close(loss, hard_loss.astype(np.float64), 1e-5)
    assert_close(gradient, hard_gradient.astype(np.float64), 1e-5)


@pytest.mark.parametrize("v", [1, 15, 17, 129, 700])
def test_sparse_gradient_of(v):
    """Few entries, the large ones as they are; their mean over the draws is the dense gradient."""
    random, n, entries, draws = rng(v), 3, 64, 400
    dense = (normal(random, n, v) ** 3).astype(np.float32)
    dense[2] = 0
    limit = np.abs(dense).sum(1, keepdims=True) / (entries - 32)
    entry, value, count = zeros(n, entries, dtype=np.int32), zeros(n, entries), zeros(n, dtype=np.int32)
    gradient = kernels.struct(
        "sparse_gradient", entry=entry, value=value, count=count, first=zeros(v, dtype=np.int32), next=zeros(n, entries, dtype=np.int32)
    )
    mean = np.zeros((n, v))
    for number in range(draws):
        kernels.sparse_gradient_of(gradient, dense, np.array([number, 0], np.uint32))
        sparse = np.zeros((n, v))
        for row in range(n):
            kept = entry[row, : count[row]]
            assert len(set(kept.tolist())) == len(kept), "a column comes twice"
            sparse[row, kept] = value[row, : count[row]]
        large = np.abs(dense) >= 1.001 * limit
        assert np.array_equal(sparse[large], dense[large])
        mean += sparse / draws
    assert np.all(np.abs(mean - dense) <= 5 * (np.abs(dense) * limit / draws) ** 0.5 + 2 * limit / draws)
    assert count.max() <= entries and count[2] == 0


def test_the_odds_of_a_copy_are_bounded():
    u, odds, power = np.full((1, 3, 2), 100, np.float32), zeros(1, 3, 2), zeros(1, 3, 3)
    tokens, targets = np.array([[1, 2, 1]], np.int32), np.array([[2, 1, 2]], np.int32)
    copying = {
        "u": u,
        "sentinel": zeros(1),
        "bias": zeros(1),
        "tokens": tokens,
        "targets": targets,
        "power": power,
        "scratch": zeros(1, 2, 16, 16),
    }
    kernels.copy_forward(odds, copying)
    assert np.allclose(odds, np.exp(40) * np.array([[[0, 0], [0, 1], [1, 2]]]), rtol=1e-5)


@pytest.mark.parametrize("n,c", [(1, 1), (3, 17), (2, 64), (5, 129)])
def test_head_backward_sparse(n, c):
    random, v, entries = rng(n, c), 50, 9
    q, s, x = quantized(random, n, c)
    weight, scale, _ = ternary(random, v, c, v)
    count = random.integers(1, entries + 1, n).astype(np.int32)
    entry = np.stack([random.permutation(v)[:entries] for _ in range(n)]).astype(np.int32)
    value, dense = normal(random, n, entries), np.zeros((n, v))
    for row in range(n):
        dense[row, entry[row, : count[row]]] = value[row, : count[row]]
    dinp, dlatent = zeros(n, c), np.ones((v, c), np.float32)
    sparse = {"entry": entry, "value": value, "count": count, "first": np.empty(v, np.int32), "next": np.empty((n, entries), np.int32)}
    kernels.head_backward_sparse(dinp, dlatent, sparse, q, s, weight, scale)
    assert_close(dinp, dense @ (weight * scale[:, None].astype(np.float64)), 2e-6)
    assert_close(dlatent, 1 + dense.T @ x, 2e-6)


def test_dropout():
    x = np.arange(1, 100001, dtype=np.float32)
    first, again, other, all_of_it = x.copy(), x.copy(), x.copy(), x.copy()
    for values, draw in ((first, [7, 2**30]), (again, [7, 2**30]), (other, [8, 2**30]), (all_of_it, [7, 0])):
        kernels.dropout(values, np.array(draw, np.uint32))
    kept = first != 0
    assert np.array_equal(first, again) and np.array_equal(all_of_it, x)
    assert np.allclose(first[kept], x[kept] / 0.75)
    for share in (kept[:50000].mean(), kept[50000:].mean(), kept[::2].mean(), (other != 0).mean(), kept[other != 0].mean()):
        assert abs(share - 0.75) < 0.01


def test_nan_stays_nan():
    """A trainer that has gone astray must see it in the loss."""
    x, out, loss = np.full((1, 8), np.nan, np.float32), zeros(1, 4), zeros(1)
    kernels.glu_forward(out, x)
    kernels.crossentropy(loss, x, zeros(1, dtype=np.int32), None, 1.0)
    odds, tokens = zeros(1, 3, 2), zeros(1, 3, dtype=np.int32)
    copying = {"u": np.full((1, 3, 2), np.nan, np.float32), "sentinel": zeros(1), "bias": zeros(1), "tokens": tokens, "targets": tokens}
    kernels.copy_forward(odds, {**copying, "power": zeros(1, 3, 3), "scratch": zeros(1, 2, 16, 16)})
    assert np.isnan(out).all() and np.isnan(loss).all() and np.isnan(odds[0, 1:]).all()


def test_adamw():
    random = rng(1)
    param, m, v, grad = (normal(random, 37) for _ in range(4))
    v = np.abs(v)
    p, m2, v2, g = (x.astype(np.float64) for x in (param, m, v, grad * np.float32(0.5)))
    m2, v2 = 0.9 * m2 + 0.1 * g, 0.99 * v2 + 0.01 * g * g
    expected = p - 0.1 * (m2 / 0.3 / (np.sqrt(v2 / 0.4) + 1e-8) + 0.02 * p)
    settings = {
        "rate": 0.1,
        "beta1": 0.9,
        "beta2": 0.99,
        "eps": 1e-8,
        "decay": 0.02,
        "correction1": 0.3,
        "correction2": 0.4,
        "grad_scale": 0.5,
    }
    kernels.adamw_update(param, m, v, grad, settings)
    assert_close(param, expected, 1e-5)
    assert_close(m, m2)
    assert_close(v, v2)


@pytest.mark.parametrize("o,c", [(1, 1), (3, 5), (5, 3), (17, 40), (129, 33), (64, 64)])
def test_muon(o, c):
    """Against five Newton-Schulz steps in float64; the update's singular values are near one."""
    random = rng(o, c)
    param, momentum, grad = (normal(random, o, c) for _ in range(3))
    before, after = param.astype(np.float64), 0.95 * momentum.astype(np.float64) + grad
    x = grad + 0.95 * after
    x /= np.linalg.norm(x)
    for _ in range(5):
        gram = x @ x.T if o <= c else x.T @ x
        poly = -4.7750 * gram + 2.0315 * gram @ gram
        x = 3.4445 * x + (poly @ x if o <= c else x @ poly)
    rest, around = np.full(3, 5, np.float32), np.array([[3, o, c]], np.int32)
    flat = [np.concatenate([rest, values.reshape(-1), rest]) for values in (param, momentum, grad)]
    settings = {"rate": 0.1, "beta": 0.95, "decay": 0.2, "grad_scale": 1.0}
    kernels.muon_update(*flat, around, kernels.muon_scratch([(o, c)]), settings)
    assert all((values[:3] == 5).all() and (values[-3:] == 5).all() for values in flat), "only the matrix"
    param, momentum, grad = (values[3:-3].reshape(o, c) for values in flat)
    assert not grad.any(), "ready for the next step"
    assert_close(momentum, after)
    update = (before - param - 0.1 * 0.2 * before) / (0.1 * max(1, o / c) ** 0.5)
    assert_close(update, x, 2e-4)
    if min(o, c) > 1:
        values = np.linalg.svd(update, compute_uv=False)
        assert values.max() < 1.3 and np.median(values) > 0.5


@pytest.mark.parametrize("o,c", [(96, 33), (33, 70), (40, 33)])
def test_muon_of_singular_values_far_apart(o, c):
    """From 1 to e⁻¹²: the smallest squares of a tall matrix are below f32's rounding of the largest, and the steps amplify both."""
    random, small = rng(o, c), min(o, c)
    left, right = (np.linalg.qr(random.normal(size=(size, small)))[0] for size in (o, c))
    values = np.exp(-np.linspace(0, 12, small))
    grad = ((left * values) @ right.T).astype(np.float32)
    x = np.linalg.svd(grad.astype(np.float64), compute_uv=False) / np.linalg.norm(grad)
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    param, momentum = zeros(o * c), zeros(o * c)
    settings = {"rate": 1.0, "beta": 0.0, "decay": 0.0, "grad_scale": 1.0}
    kernels.muon_update(param, momentum, grad.reshape(-1), np.array([[0, o, c]], np.int32), kernels.muon_scratch([(o, c)]), settings)
    assert_close(-param.reshape(o, c) / max(1, o / c) ** 0.5, (left * x) @ right.T, 2e-3)


def test_momentum_of_what_no_longer_learns_ends_at_zero():
    """It would become subnormal, and all products with it a hundred times as slow: half of Muon's matrix, of which columns are faint too."""
    random, (o, c) = rng(8), (40, 48)
    param, momentum, grad = (normal(random, o, c) for _ in range(3))
    grad[:, :24], momentum[:, :16], momentum[:, 16:24] = 0, 1e-30, 1e-12
    before, live = param.copy(), grad[:, 24:] + 0.95 * (0.95 * momentum[:, 24:] + grad[:, 24:])
    settings = {"rate": 0.1, "beta": 0.95, "decay": 0.0, "grad_scale": 1.0}
    flat = param.reshape(-1), momentum.reshape(-1), grad.reshape(-1)
    kernels.muon_update(*flat, np.array([[0, o, c]], np.int32), kernels.muon_scratch([(o, c)]), settings)
    assert (momentum[:, :16] == 0).all() and (momentum[:, 16:24] == np.float32(0.95) * np.float32(1e-12)).all()
    assert (param[:, :24] == before[:, :24]).all()
    x = live / np.linalg.norm(live)
    for _ in range(5):
        x = x @ (3.4445 * np.eye(24) - 4.7750 * (x.T @ x) + 2.0315 * np.linalg.matrix_power(x.T @ x, 2))
    assert_close(before[:, 24:] - param[:, 24:], 0.1 * x, 2e-4)
    m, v = np.array([1e-30, -1e-30, 1e-20], np.float32), np.array([1e-36, 1e-36, 1e-20], np.float32)
    rest = dict(rate=0.1, beta1=0.9, beta2=0.99, eps=1e-8, decay=0.0, correction1=1.0, correction2=1.0, grad_scale=1.0)
    kernels.adamw_update(zeros(3), m, v, zeros(3), rest)
    assert list(m[:2]) == list(v[:2]) == [0, 0] and m[2] > 0 and v[2] > 0


def test_sum_of_squares():
    x = normal(rng(3), 1_200_001)
    assert abs(kernels.sum_of_squares(x) / (x.astype(np.float64) ** 2).sum() - 1) < 1e-6


def test_wrong_arguments_are_named():
    inp, gain, rstd = zeros(4, 8), zeros(8), zeros(4)
    with pytest.raises(ValueError, match=r"gain: expected \(8,\) float32, got \(7,\) float32"):
        kernels.rmsnorm_forward(zeros(4, 8), rstd, inp, zeros(7))
    with pytest.raises(ValueError, match="inp: expected .* float32, got .* float64"):
        kernels.rmsnorm_forward(zeros(4, 8), rstd, zeros(4, 8, dtype=np.float64), gain)
    with pytest.raises(ValueError, match="inp: expected a C-contiguous array"):
        kernels.rmsnorm_forward(zeros(4, 8), rstd, zeros(8, 4).T, gain)
    with pytest.raises(ValueError, match="inp: expected .* got NoneType"):
        kernels.rmsnorm_forward(zeros(4, 8), rstd, None, gain)
    copying = {"u": zeros(1, 5, 2), "sentinel": zeros(1), "bias": zeros(1), "power": zeros(1, 5, 5), "scratch": zeros(1, 2, 16, 16)}
    copying.update(tokens=zeros(1, 5, dtype=np.int32), targets=zeros(1, 5, dtype=np.int32))
    kernels.copy_forward(zeros(1, 5, 2), copying)
    with pytest.raises(ValueError, match=r"scratch: expected \(1, 2, 16, 16\) float32, got \(3, 2, 16, 16\) float32"):
        kernels.copy_forward(zeros(1, 5, 2), {**copying, "scratch": zeros(3, 2, 16, 16)})
    with pytest.raises(ValueError, match=r"odds: expected \(1, 5, 2\) float32, got \(1, 6, 2\) float32"):
        kernels.copy_forward(zeros(1, 6, 2), copying)
    layer = {"inp": inp, "gain": gain, "rstd": rstd, "q": zeros(4, 8, dtype=np.int8), "s": zeros(4), "packed": zeros(32, 8, dtype=np.int8)}
    layer = kernels.struct("layer", **layer, transposed=None, scale=zeros(1), scratch=zeros(9), O=3)
    with pytest.raises(ValueError, match="layer.transposed: expected an array, got None"):
        kernels.layer_backward(inp, gain, zeros(4, 4, dtype=np.int8), zeros(4), zeros(4, 3), zeros(2, dtype=np.uint32), zeros(1, 8), layer)
    with pytest.raises(TypeError, match="expected 4 arguments, got 1"):
        kernels.rmsnorm_forward(inp)


def digest_of_what_threads_share():
    """Of the outputs of every kernel that divides its work among threads."""
    random, digest = rng(9), hashlib.sha256()
    n, o, c, b, t = 70, 100, 75, 2, 35
    q, s, x = quantized(random, n, c)
    weight, scale, packed = ternary(random, o, c, 1)
    out, dinp, dlatent, dout = zeros(n, o), zeros(n, c), zeros(o, c), normal(random, n, o)
    gradient, scratch, transposed = zeros(o, up(c, 32)), kernels.linear_scratch(n, o, c), zeros(up(c, 32), up(o, 4), dtype=np.int8)
    kernels.linear_forward(out, None, q, s, packed, scale)
    kernels.linear_pack_gradient(gradient, weight)
    kernels.linear_pack_transposed(transposed, weight)
    kernels.linear_backward_input(dinp, dout, gradient, scale, scratch)
    kernels.linear_backward_weight(dlatent, dout, q, s, scratch)
    x, gain = normal(random, n, c), normal(random, c)
    y, rstd, dx, dgain = zeros(n, c), zeros(n), zeros(n, c), zeros(c)
    kernels.rmsnorm_forward(y, rstd, x, gain)
    kernels.rmsnorm_backward(dx, dgain, y, x, rstd, gain)
    u, taps, bias = normal(random, b, t, 3 * c), normal(random, c, 4), normal(random, c)
    conv, h, z = zeros(b, t, c), zeros(b, t, c), zeros(b, t, c)
    du, dc, dtaps, dbias = zeros(b, t, 3 * c), zeros(b, t, c), zeros(c, 4), zeros(c)
    kernels.conv_forward(conv, u, taps)
    kernels.scan_forward(z, h, u, conv, bias)
    kernels.scan_backward(dc, du, dbias, x.reshape(b, t, c), h, u, conv)
    kernels.conv_backward(du, dtaps, dc, u, taps)
    table, tokens = zeros(50, c), (np.arange(n) % 7).astype(np.int32)
    kernels.embedding_backward(table, x, tokens)
    param, momentum = normal(random, o, c), zeros(o, c)
    matrix = np.array([[0, o, c]], np.int32)
    kernels.muon_update(
        *(x.reshape(-1) for x in (param, momentum, dlatent)),
        matrix,
        kernels.muon_scratch([(o, c)]),
        dict(rate=0.1, beta=0.9, decay=0.1, grad_scale=1.0),
    )
    loss, logits = zeros(n), out.copy()
    odds, power, two, db = zeros(b, t, 2), zeros(b, t, t), [zeros(b, t, 76), zeros(38)], zeros(1)
    text = tokens.reshape(b, t)
    copying = dict(
        u=u[..., :76].copy(), sentinel=bias[:38].copy(), bias=db, tokens=text, targets=text, power=power, scratch=zeros(b, 2, 48, 48)
    )
    kernels.copy_forward(odds, copying)
    kernels.crossentropy(loss, logits, tokens, odds.reshape(n, 2), 0.1)
    kernels.copy_backward(*two, db, odds, copying)
    for array in (
        odds,
        power,
        *two,
        db,
        scale,
        packed,
        transposed,
        gradient,
        out,
        dinp,
        dlatent,
        y,
        dx,
        dgain,
        u,
        z,
        h,
        du,
        dc,
        dtaps,
        dbias,
        table,
        param,
        loss,
        logits,
    ):
        digest.update(array.tobytes())
    return digest.hexdigest(), kernels.sum_of_squares(normal(random, 100_000))


def test_threads_do_not_change_bits():
    before, digests = kernels.threads(), []
    for threads in (1, 2, 3):
        assert kernels.set_threads(threads) == threads
        digests.append(digest_of_what_threads_share())
    kernels.set_threads(before)
    assert digests[0] == digests[1] == digests[2]


@pytest.mark.parametrize("size,dtype", [(1, np.float32), (1000, np.int8), (5_000_000, np.float32)])
def test_zeros_begin_at_a_cache_line(size, dtype):
    array = kernels.zeros(size, dtype)
    assert array.shape == (size,) and array.dtype == dtype and not array.any() and array.ctypes.data % kernels.LINE == 0
