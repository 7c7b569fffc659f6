"""The NumPy reference against docs/numerics.md: against float64 code written from the same page, and against itself step by step."""

import pathlib
import re

import numpy as np
import pytest

from fable6c.model import numerics
from fable6c.model.file import Matrix
from fable6c.model.numerics import quantize, sigmoid, sumsq
from fable6c.model.reference import PIECE, Linear, Reference, generate, linear
from fable6c.model.sampling import Random, Sampler, words_said
from oracle import forward
from tiny_models import tiny_model

f32 = np.float32
DOCUMENT = (pathlib.Path(__file__).parent.parent / "docs" / "numerics.md").read_text(encoding="utf-8")
SHAPES = [
    dict(dim=1, layers=1, hidden=1, taps=1, vocab=257),
    dict(dim=16, layers=2, hidden=24, taps=4),
    dict(dim=17, layers=3, hidden=15, taps=2),
    dict(dim=129, layers=1, hidden=33, taps=9),
    dict(dim=1, layers=1, hidden=1, taps=1, vocab=257, context=1, copies=True),
    dict(dim=17, layers=2, hidden=24, taps=2, context=6, copies=True),
    dict(dim=64, layers=1, hidden=20, taps=2, context=64, copies=True),
]


def random_tokens(model, *shape, seed=0):
    """Tokens; where the model copies, of few different ones."""
    return np.random.default_rng(seed).integers(0, 5 if model.dimensions.copies else model.dimensions.vocab, shape)


# exp, sigmoid


def test_exp_is_close_to_e_to_the_x():
    x = np.linspace(-80, 80, 100_001, dtype=np.float32)
    exact = np.exp(x.astype(np.float64))
    assert (np.abs(numerics.exp(x) / exact - 1) < 2e-7 + np.abs(x) * 1.2e-7).all()
    assert numerics.exp(x).dtype == np.float32


def test_exp_is_clamped_and_exact_at_zero():
    x = np.array([0, -0.0, 80, 81, 1e30, np.inf, -80, -81, -1e30, -np.inf], np.float32)
    y = numerics.exp(x)
    assert y[0] == y[1] == 1
    assert len(set(y[2:6].tolist())) == len(set(y[6:].tolist())) == 1
    assert np.isfinite(y).all() and (y > 0).all()


def test_exp_has_the_documents_constants():
    c = {name: float(value) for name, value in re.findall(r"(c\d) = ([\d.]+)", DOCUMENT)}
    x = np.linspace(-3, 3, 999, dtype=np.float32)
    t = x * f32(float(re.search(r"-80\) · ([\d.]+)", DOCUMENT).group(1)))
    n = np.rint(t)
    f = t - n
    p = np.full_like(f, c["c5"])
    for name in ("c4", "c3", "c2", "c1"):
        p = p * f + f32(c[name])
    p = p * f + f32(1)
    assert np.array_equal(numerics.exp(x), np.ldexp(p, n.astype(int)))


def test_sigmoid():
    x = np.array([0, 1, -1, 100, -100], np.float32)
    assert np.allclose(sigmoid(x), 1 / (1 + np.exp(-x.astype(np.float64))), rtol=1e-6, atol=1e-34)


# Sums, quantization, products


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 129])
def test_sumsq_adds_in_the_documents_order(n):
    x = (np.random.default_rng(n).normal(size=(5, n)) * 10.0 ** np.arange(-2, 3)[:, None]).astype(np.float32)
    for row, result in zip(x, sumsq(x)):
        lanes = [f32(0)] * 16
        for i, value in enumerate(row):
            lanes[i % 16] = lanes[i % 16] + value * value
        for half in (8, 4, 2, 1):
            for j in range(half):
                lanes[j] = lanes[j] + lanes[j + half]
        assert result.tobytes() == lanes[0].tobytes()


@pytest.mark.parametrize("magnitude", [1e-5, 1e-3, 1, 1e4])
def test_rmsnorm_rounds_in_the_documents_order(magnitude):
    random = np.random.default_rng(0)
    x = (random.normal(size=40) * magnitude).astype(np.float32)
    gain = random.normal(size=40).astype(np.float32)
    r = f32(1) / np.sqrt(sumsq(x) / f32(40) + f32(1e-5))
    expected = [(value * r) * g for value, g in zip(x, gain)]
    assert numerics.rmsnorm(x[None], gain)[0].tobytes() == np.array(expected, np.float32).tobytes()


def test_an_infinite_sum_of_squares_gives_zero():
    x = np.full((1, 20), 1e30, np.float32)
    assert (numerics.rmsnorm(x, np.ones(20, np.float32)) == 0).all()


def test_quantize():
    q, s = quantize(np.array([[127, 0.5, 1.5, 2.5, -0.5, -1.5, -127]], np.float32))
    assert q.tolist() == [[127, 0, 2, 2, 0, -2, -127]] and s.tolist() == [[1]]
    q, s = quantize(np.array([[0, 9e-31, -9e-31]], np.float32))
    assert not q.any() and not s.any()
    q, s = quantize(np.array([[2e-30, -1e-30]], np.float32))
    assert q[0, 0] == 127 and s[0, 0] == f32(2e-30) / f32(127)


@pytest.mark.parametrize("n, level", [(1, 1), (2, 4), (5, 1), (129, 4), (4096, 4), (16384, 1)])
def test_products_are_exact_integers(n, level):
    random = np.random.default_rng(n)
    weight = random.integers(-level, level + 1, (9, n)).astype(np.int8)
    weight[0] = level
    layer = linear(Matrix(weight, np.array([1], np.float32)))
    x = random.integers(-127, 128, (3, n)).astype(np.float32)
    x[:, 0] = 127  # so that s = 1
    x[0] = 127  # the largest sum
    assert np.array_equal(layer(x), x.astype(np.int64) @ weight.T.astype(np.int64))


def test_a_product_of_zero_has_no_sign():
    layer = Linear(np.array([[-1, 1]], np.float32), np.array([1], np.float32))
    assert not np.signbit(layer(np.array([[-0.0], [0.0]], np.float32))).any()


# The model


def exact_logits(model, tokens):
    """docs/numerics.md in float64; the last token's logits."""

    def tensor(name):
        found = model.tensors[name]
        return found.weight * found.scale.astype(np.float64)[:, None] if isinstance(found, Matrix) else found.astype(np.float64)

    def quantize(x):
        a = np.abs(x).max(-1, keepdims=True)
        return np.where(a < 1e-30, 0, np.rint(x * 127 / np.maximum(a, 1e-30)) * a / 127)

    logits, odds = forward(model.dimensions, np.array([tokens]), tensor, quantize)
    if odds is None:
        return logits[0, -1]
    powers = np.exp(logits[0, -1])
    copied = odds[0, -1, :-1] * powers.sum()
    np.add.at(powers, tokens[1:], copied)
    return np.log(powers)


def test_log_is_close():
    x = np.exp(np.linspace(-80, 80, 100_001)).astype(np.float32)
    exact = np.log(x.astype(np.float64))
    assert (np.abs(numerics.log(x) - exact) < 1e-6 + 1e-7 * np.abs(exact)).all()
    assert numerics.log(np.ones(1, np.float32)) == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_agrees_with_float64(shape):
    model = tiny_model(**shape)
    tokens = random_tokens(model, 1, 12)
    logits, _ = Reference(model).forward(tokens)
    exact = exact_logits(model, tokens[0].tolist())
    assert logits.dtype == np.float32 and logits.shape == (1, 12, model.dimensions.vocab)
    assert np.abs(logits[0, -1] - exact).max() < 1e-4 * np.abs(exact).max()


def test_the_odds_of_a_copy_are_bounded():
    model = tiny_model(copies=True)
    model.tensors["copy_bias"][:] = -200
    tokens = random_tokens(model, 1, 12) % 5
    logits, _ = Reference(model).forward(tokens)
    assert np.abs(logits[0, -1] - exact_logits(model, tokens[0].tolist())).max() < 1e-4 * np.abs(logits[0, -1]).max()
    assert 30 < logits[0, -1].max() < 60, "e^40 times the network's own"


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_over_T_is_T_steps_bit_for_bit(shape):
    model = tiny_model(**shape)
    reference = Reference(model)
    tokens = random_tokens(model, 3, 21)
    whole, end = reference.forward(tokens)
    steps, state = [], None
    for t in range(21):
        logits, state = reference.forward(tokens[:, t : t + 1], state)
        steps.append(logits)
    assert np.concatenate(steps, axis=1).tobytes() == whole.tobytes()
    for name in ("v", "h", "keys", "following", "kept"):
        assert getattr(state, name).tobytes() == getattr(end, name).tobytes()


# A header of end mark, 1, three tokens and 2: with a context of 16 it keeps its five places, with one of 10 it is half of all and does not.
HEADED = [299, 1, 77, 78, 79, 2]


@pytest.mark.parametrize("context, kept", [(16, 5), (12, 5), (11, 0), (10, 0)])
@pytest.mark.parametrize("pieces", [[40], [1] * 40, [1, 1, 38], [3, 20, 17], [6, 34]])
def test_a_header_stays_within_reach(context, kept, pieces):
    model = tiny_model(dim=16, hidden=24, context=context, copies=True)
    tokens = random_tokens(model, 1, 40) % 5 + 3
    tokens[0, :6] = HEADED
    logits, state, at = None, None, 0
    for size in pieces:
        logits, state = Reference(model).forward(tokens[:, at : at + size], state)
        at += size
    assert state.kept.tolist() == [kept] and state.keys.shape[1] == context - 1
    assert np.abs(logits[0, -1] - exact_logits(model, tokens[0].tolist())).max() < 1e-4 * np.abs(logits[0, -1]).max()


def test_a_header_elsewhere_or_without_an_end_is_text():
    model = tiny_model(dim=16, hidden=24, context=12, copies=True)
    for start, header in ((1, HEADED), (0, HEADED[:5]), (0, [299, 2, 1, 2, 77, 2]), (0, [1, 1, 77, 2])):
        tokens = random_tokens(model, 1, 40) % 5 + 3
        tokens[0, start : start + len(header)] = header
        logits, state = Reference(model).forward(tokens)
        kept = 3 if header[0] == 1 else 0  # whatever comes first, the second token opens a header
        assert state.kept.tolist() == [kept] or header == HEADED[:5]
        assert np.abs(logits[0, -1] - exact_logits(model, tokens[0].tolist())).max() < 1e-4 * np.abs(logits[0, -1]).max()


both_kinds = pytest.mark.parametrize("copies", [False, True])  # with a context of 6 places are forgotten on the way


@both_kinds
def test_streams_of_a_batch_are_alone(copies):
    model = tiny_model(dim=17, hidden=40, context=6, copies=copies)
    reference = Reference(model)
    tokens = random_tokens(model, 4, 19)
    together, _ = reference.forward(tokens)
    for one, logits in zip(tokens, together):
        assert reference.forward(one[None])[0][0].tobytes() == logits.tobytes()


@both_kinds
def test_the_state_that_was_given_is_unchanged(copies):
    model = tiny_model(context=6, copies=copies)
    reference = Reference(model)
    _, state = reference.forward(random_tokens(model, 1, 5))
    first, _ = reference.forward(random_tokens(model, 1, 5, seed=1), state)
    again, _ = reference.forward(random_tokens(model, 1, 5, seed=1), state)
    assert first.tobytes() == again.tobytes()


@both_kinds
@pytest.mark.parametrize("place", [0, 1, 9, 19])
def test_future_tokens_do_not_change_past_logits(place, copies):
    model = tiny_model(dim=16, hidden=24, context=6, copies=copies)
    reference = Reference(model)
    tokens = random_tokens(model, 1, 20)
    changed = tokens.copy()
    changed[0, place] = (changed[0, place] + 1) % model.dimensions.vocab
    a, b = reference.forward(tokens)[0], reference.forward(changed)[0]
    assert a[:, :place].tobytes() == b[:, :place].tobytes()
    assert a[:, place].tobytes() != b[:, place].tobytes()


def test_the_memory_reaches_back_beyond_the_taps():
    model = tiny_model(dim=16, hidden=24, taps=2, layers=1)
    reference = Reference(model)
    tokens = random_tokens(model, 1, 12)
    changed = tokens.copy()
    changed[0, 0] += 1
    assert reference.forward(tokens)[0][:, -1].tobytes() != reference.forward(changed)[0][:, -1].tobytes()


@both_kinds
def test_the_largest_parameters_overflow_nothing(copies):
    model = tiny_model(dim=64, hidden=64, layers=4, copies=copies)
    for name, tensor in model.tensors.items():
        reals = tensor.scale if isinstance(tensor, Matrix) else tensor
        reals[...] = np.where(reals < 0, -1024, 1024)
    logits, _ = Reference(model).forward(random_tokens(model, 1, 30))
    assert np.isfinite(logits).all()


# Sampling


def test_xoshiro128plusplus():
    random = Random(0)
    random.words = [1, 2, 3, 4]  # the reference C code's output from this state
    expected = [641, 1573767, 3222811527, 3517856514, 836907274, 4247214768, 3867114732, 1355841295, 495546011, 621204420]
    assert [random.next() for _ in range(10)] == expected


def test_seeds_have_the_documents_constants():
    increment, first, second = (int(value, 16) for value in re.findall(r"0x[0-9A-F]{8}", DOCUMENT))
    for seed in (0, 1, 2**32 - 1):
        words = Random(seed).words
        for word in words:
            seed = (seed + increment) % 2**32
            z = (seed ^ (seed >> 16)) * first % 2**32
            z = (z ^ (z >> 13)) * second % 2**32
            assert word == z ^ (z >> 16)


def test_uniform():
    random = Random(7)
    numbers = np.array([random.uniform() for _ in range(4000)])
    assert numbers.dtype == np.float32 and (numbers * 2**24 % 1 == 0).all()
    assert 0 <= numbers.min() and numbers.max() < 1 and abs(numbers.mean() - 0.5) < 0.02


def slow_choice(logits, said, temperature, top_k, top_p, penalty, uniform):
    """docs/numerics.md, Sampling, one number at a time."""
    l = [f32(v) for v in logits]
    for id in said:
        l[id] = l[id] - f32(penalty)
    order = sorted(range(len(l)), key=lambda id: (-l[id], id))
    if temperature == 0:
        return order[0]
    order = order[: top_k or None]
    inv = f32(1) / f32(temperature)
    e = [numerics.exp(np.array([(l[id] - l[order[0]]) * inv]))[0] for id in order]
    total = f32(0)
    for value in e:
        total = total + value
    if top_p != 1:
        running = f32(0)
        for i, value in enumerate(e):
            running = running + value
            if running >= f32(top_p) * total:
                break
        e, total = e[: i + 1], running
    target, running = uniform * total, f32(0)
    for id, value in zip(order, e):
        running = running + value
        if running > target:
            return id
    return order[len(e) - 1]


@pytest.mark.parametrize("temperature", [0, 0.3, 0.8, 2])
@pytest.mark.parametrize("top_k", [0, 1, 5, 400])
@pytest.mark.parametrize("top_p", [1, 0.9, 0.1])
@pytest.mark.parametrize("penalty", [0, 1.3])
def test_sampler_agrees_with_slow_code(temperature, top_k, top_p, penalty):
    random = np.random.default_rng(3)
    sampler = Sampler(temperature, top_k, top_p, penalty, seed=5)
    uniforms = Random(5)
    for _ in range(20):
        logits = np.round(random.normal(0, 3, 300), 1).astype(np.float32)  # rounded, so that there are ties
        said = random.permutation(300)[: random.integers(0, 100)].tolist()
        before = logits.copy()
        uniform = uniforms.uniform() if temperature else None
        expected = slow_choice(logits, said, temperature, top_k, top_p, penalty, uniform)
        assert sampler.choose(logits, said) == expected
        assert np.array_equal(logits, before)


def test_greedy_takes_the_lowest_id_and_draws_nothing():
    sampler = Sampler(0)
    words = list(sampler.random.words)
    assert sampler.choose(np.array([0, 2, 2, -0.0], np.float32), []) == 1
    assert sampler.random.words == words


def test_the_words_that_a_sentence_has_said():
    texts = [
        b" Then",
        b" the",
        b" dragon",
        b" Mia",
        b" Bo",
        b" I",
        b"brave",
        b" x-ray",
        b" ran",
        b",",
        b'."',
        b"\n",
        b"\x02",
        b" \xc3\xbcber",
        b"",
    ]
    then, the, dragon, mia, bo, i, brave, xray, ran, comma, stop, line, text, other, end = range(15)
    story = [then, dragon, comma, the, mia, i, brave, xray, ran, other, bo, mia]
    for before in ([], [dragon, bo, stop], [dragon, line], [dragon, text], [dragon, end]):
        assert words_said([*before, *story], texts) == [mia, bo, dragon, then]
    assert words_said([*story, stop], texts) == words_said([], texts) == []
    assert words_said([bo, dragon] + 63 * [the], texts) == [dragon], "64 tokens back"


def test_top_p_keeps_the_shortest_prefix_that_reaches_p():
    equal = np.zeros(4, np.float32)
    for top_p, kept in [(0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (0.76, 4)]:
        sampler = Sampler(1.0, top_p=top_p)
        assert {sampler.choose(equal, []) for _ in range(200)} == set(range(kept))


def test_samples_follow_the_probabilities():
    sampler = Sampler(1.0, seed=2)
    logits = np.log(np.array([0.5, 0.3, 0.2])).astype(np.float32)
    counts = np.bincount([sampler.choose(logits, []) for _ in range(5000)], minlength=3)
    assert np.abs(counts / 5000 - [0.5, 0.3, 0.2]).max() < 0.03


def test_generate():
    model = tiny_model(dim=16, hidden=24)
    reference = Reference(model)

    def tell(n, **options):
        return list(generate(reference, [5, 6, 7], n, Sampler(**options)))

    story = tell(40, temperature=0.8, seed=1)
    assert story[:10] == tell(10, temperature=0.8, seed=1)
    assert story != tell(40, temperature=0.8, seed=2)
    assert all(len(text) == (1 if token < 256 else 2) for token, text in story)
    # The same by hand at temperature 0, feeding everything again for each token.
    fed = [model.dimensions.end_mark, 5, 6, 7]
    for token, _ in tell(10, temperature=0):
        assert token == int(reference.forward(np.array([fed]))[0][0, -1].argmax())
        fed.append(token)


def test_generate_ends_at_the_end_mark():
    model = tiny_model(dim=16, hidden=24)
    reference = Reference(model)
    reference.head = Linear(np.zeros((16, 300), np.float32), np.ones(1, np.float32))
    assert [token for token, _ in generate(reference, [], 3, Sampler(0))] == [0, 0, 0]  # all logits are equal
    endings = []
    for sign in (1, -1):  # the end mark's logit is the largest with one sign, the smallest with the other
        reference.head.weight[:, -1] = sign * reference.embedding.weight[-1]
        endings.append(list(generate(reference, [], 3, Sampler(0))))
    assert sorted(map(len, endings)) == [0, 3]


def test_a_long_prompt_is_fed_in_pieces():
    model = tiny_model()
    reference = Reference(model)
    prompt = random_tokens(model, 2 * PIECE + 3).tolist()
    ((token, _),) = generate(reference, prompt, 1, Sampler(0))
    logits, _ = reference.forward(np.array([[model.dimensions.end_mark] + prompt]))
    assert token == int(logits[0, -1].argmax())
