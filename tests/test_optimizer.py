"""The schedule, and which update goes to which array."""

import numpy as np
import pytest

from fable6c import kernels
from fable6c.model.architecture import Dimensions
from fable6c.training.config import Recipe
from fable6c.training.network import Network
from fable6c.training.optimizer import ADAM_EPS, Optimizer, rate_factor

PLAIN = dict(warmup=0.0, cooldown=0.0, clip=1e6)  # the peak rates, whatever the progress


@pytest.fixture(autouse=True)
def one_thread():
    kernels.set_threads(1)


def make(recipe: Recipe):
    """A network of random gradients and its optimizer."""
    network = Network(Dimensions(17, 2, 9, 3, 260, 8, True), 1, 1.0)
    network.initialize(1)
    fill_gradients(network)
    return network, Optimizer(network, recipe)


def fill_gradients(network, norm=1.0, seed=2):
    random = np.random.default_rng(seed).standard_normal(len(network.gradients))
    network.gradients[:] = norm * random / np.linalg.norm(random)


def kind(network, name):
    return "table" if name in ("embedding", "head") else "matrix" if network.specs[name].kind == "ternary" else "vector"


# ---- the schedule


@pytest.mark.parametrize(
    "progress,expected", [(0, 0.1), (0.05, 0.55), (0.1, 1), (0.25, 1), (0.4, 1), (0.55, 0.75), (0.7, 0.5), (0.85, 0.25), (1, 0)]
)
def test_rate_factor(progress, expected):
    assert rate_factor(progress, 0.1, 0.6, 1) == pytest.approx(expected, abs=1e-12)


def test_rate_factor_at_the_edges():
    assert rate_factor(0, 0, 0, 1) == rate_factor(1, 0, 0, 1) == 1, "no warm-up, no cool-down"
    assert rate_factor(0, 1, 1, 1) == 0.1 and rate_factor(1, 1, 1, 1) == 0, "warm-up and cool-down may overlap"
    assert rate_factor(0.75, 0, 1, 1) == 0.25 and rate_factor(0.75, 0, 1, 2) == 0.0625
    values = [rate_factor(i / 1000, 0.01, 0.6, 2) for i in range(1001)]
    assert max(values) == 1 and all(0 <= value <= 1 for value in values)
    assert max(abs(a - b) for a, b in zip(values, values[1:])) < 0.1, "no jumps"


def test_the_schedule_scales_every_update():
    changes = {}
    for progress in (0.4, 0.7):  # factors 1 and 0.5
        network, optimizer = make(Recipe(warmup=0.1, cooldown=0.6))
        before = network.parameters.astype(np.float64)
        optimizer.step(progress)
        changes[progress] = network.views(network.parameters - before)
    for name, whole in changes[0.4].items():
        assert whole.any() and np.abs(changes[0.7][name] - whole / 2).max() < 1e-3 * np.abs(whole).max(), name


# ---- updates


def test_a_fixed_embedding_stays_and_nothing_else_changes():
    plain, fixed = make(Recipe(**PLAIN)), make(Recipe(**PLAIN, fixed_embedding=True))
    before = plain[0].views(plain[0].parameters.copy())
    wanted = np.sqrt(sum((array**2).sum() for name, array in fixed[0].gradient.items() if name not in ("embedding", "norm_in")))
    norms = [optimizer.step(0.5) for _, optimizer in (plain, fixed)]
    assert norms[1] == pytest.approx(wanted, rel=1e-5) and norms[0] > norms[1], "what is not used does not count in the norm"
    assert not fixed[0].gradients.any(), "all zeroed, as a run that goes on from a checkpoint has them"
    for name, array in fixed[0].views(fixed[0].parameters).items():
        expected = before[name] if name in ("embedding", "norm_in") else plain[0].views(plain[0].parameters)[name]
        assert np.array_equal(array, expected), name
    assert not np.array_equal(plain[0].views(plain[0].parameters)["embedding"], before["embedding"])


@pytest.mark.parametrize("rate", ["matrix_rate", "table_rate", "vector_rate"])
def test_each_rate_moves_its_own_tensors(rate):
    rates = dict(matrix_rate=0.0, table_rate=0.0, vector_rate=0.0)
    network, optimizer = make(Recipe(**{**rates, rate: 0.01}, **PLAIN))
    before = network.views(network.parameters.copy())
    optimizer.step(0.5)
    for name, latent in network.latent.items():
        moved = not np.array_equal(latent, before[name])
        assert moved == (rate == kind(network, name) + "_rate"), name


def test_decay_is_for_matrices_and_tables():
    network, optimizer = make(Recipe(decay=0.5, **PLAIN))
    network.gradients[:] = 0
    before = network.views(network.parameters.copy())
    optimizer.step(0.5)
    rates = {"matrix": 0.02, "table": 0.01, "vector": 0.0}
    for name, latent in network.latent.items():
        kept = 1 - 0.5 * rates[kind(network, name)]
        assert np.allclose(latent, kept * before[name], rtol=1e-6), name


def test_adamw_over_three_steps():
    """Tables and vectors follow the formula of Loshchilov & Hutter 2019, with the corrections of each step."""
    recipe = Recipe(beta1=0.8, beta2=0.9, decay=0.1, **PLAIN)
    network, optimizer = make(recipe)
    expected = {name: latent.astype(np.float64) for name, latent in network.latent.items() if kind(network, name) != "matrix"}
    m, v = dict.fromkeys(expected, 0.0), dict.fromkeys(expected, 0.0)
    for step in (1, 2, 3):
        fill_gradients(network, seed=step)
        for name, param in expected.items():
            g = network.gradient[name].astype(np.float64)
            m[name] = 0.8 * m[name] + 0.2 * g
            v[name] = 0.9 * v[name] + 0.1 * g * g
            update = m[name] / (1 - 0.8**step) / (np.sqrt(v[name] / (1 - 0.9**step)) + ADAM_EPS)
            rate, decay = (0.01, 0.1) if kind(network, name) == "table" else (0.004, 0.0)
            expected[name] = param - rate * (update + decay * param)
        optimizer.step(0.5)
    for name, param in expected.items():
        assert np.allclose(network.latent[name], param, atol=2e-6), name


def test_muon_step():
    """A matrix moves by an almost orthogonal matrix along its gradient."""
    network, optimizer = make(Recipe(**PLAIN))
    before = network.views(network.parameters.astype(np.float64))
    gradient = network.views(network.gradients.copy())
    optimizer.step(0.5)
    for name in (name for name in network.specs if kind(network, name) == "matrix"):
        rows, cols = network.specs[name].shape
        update = (before[name] - network.latent[name]) / 0.02 / max(1.0, rows / cols) ** 0.5
        values = np.linalg.svd(update, compute_uv=False)
        assert values.max() < 1.3 and np.median(values) > 0.5, name
        assert (update * gradient[name]).sum() > 0, name


# ---- clipping and the rest of a step


@pytest.mark.parametrize("norm,scale", [(0.5, 1.0), (8.0, 0.25)])
def test_clip(norm, scale):
    """Seen in the first moments, which are linear in the gradient: Adam's 0.1·g, Muon's g."""
    network, optimizer = make(Recipe(beta1=0.9, clip=2.0))
    fill_gradients(network, norm)
    gradient = network.views(network.gradients.copy())
    assert optimizer.step(0.5) == pytest.approx(norm, rel=1e-5), "the norm before clipping"
    first = network.views(optimizer.first)
    for name in network.specs:
        share = 1.0 if kind(network, name) == "matrix" else 0.1
        assert np.allclose(first[name], share * scale * gradient[name], rtol=1e-4, atol=1e-9), name


def test_after_a_step_the_network_is_ready_for_the_next():
    network, optimizer = make(Recipe(matrix_rate=0.5, table_rate=0.5))
    before = {name: w["weight"].copy() for name, w in network.weights.items()}
    optimizer.step(0.5)
    assert optimizer.steps == 1 and not network.gradients.any()
    for name, w in network.weights.items():
        assert not np.array_equal(w["weight"], before[name]), name
        used = w["weight"].copy()
        network.quantize_weights()
        assert np.array_equal(used, w["weight"]), "made from the parameters as they are now"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(bad):
    network, optimizer = make(Recipe())
    network.gradients[1234] = bad
    before = network.parameters.copy()
    with pytest.raises(FloatingPointError, match="not finite"):
        optimizer.step(0.5)
    assert np.array_equal(network.parameters, before) and not optimizer.first.any() and optimizer.steps == 0


def test_zero_gradients_change_nothing():
    network, optimizer = make(Recipe())
    network.gradients[:] = 0
    before = network.parameters.copy()
    assert optimizer.step(0.5) == 0
    assert np.array_equal(network.parameters, before)


def test_steps_have_the_same_bits_with_any_threads():
    results = []
    for threads in (1, 1, 2):
        kernels.set_threads(threads)
        network, optimizer = make(Recipe())
        for step in range(3):
            fill_gradients(network, seed=step)
            optimizer.step(step / 3)
        results.append([array.tobytes() for array in (network.parameters, optimizer.first, optimizer.second)])
    assert results[0] == results[1] == results[2]
