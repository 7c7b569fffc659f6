"""benchmarks/floats.py: its calibrations are what they say, and the network in PyTorch is the one that our trainer has."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from fable6c.data.windows import batch, window_starts
from fable6c.evaluation.tasks import quantization
from fable6c.model.architecture import Dimensions, tensor_specs
from fable6c.training.config import Recipe
from fable6c.training.network import Network
from fable6c.training.optimizer import Optimizer, rate_factor

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
import floats  # noqa: E402

torch_is_needed = pytest.mark.skipif(
    not pathlib.Path(floats.PYTHON).exists(), reason="no PyTorch in build/peers/torch: `benchmarks/run.sh floats` installs it"
)
DIMENSIONS = Dimensions(dim=20, layers=2, hidden=24, taps=4, vocab=300, context=24, copies=True)
MERGES = np.zeros((DIMENSIONS.vocab - 257, 2), np.uint16)


def some_weights(rows=12, columns=20):
    random = np.random.default_rng(1)
    inputs = random.normal(size=(400, columns)) @ random.normal(size=(columns, columns))
    return random.normal(size=(rows, columns)).astype(np.float32), inputs.T @ inputs


def error(weight, matrix, moment):
    rest = weight - matrix.weight * np.broadcast_to(matrix.scale, len(weight))[:, None]
    return float(np.trace(rest @ moment @ rest.T))


@pytest.mark.parametrize("by_rows", [False, True])
def test_each_calibration_has_less_of_its_error_than_the_quantizer(by_rows):
    weight, moment = some_weights()
    mean = np.abs(weight).mean(axis=1 if by_rows else None, keepdims=True)
    levels = np.clip(np.rint(weight / mean), -1, 1).astype(np.int8)
    plain = floats.Matrix(levels, np.broadcast_to(mean, (12, 1)).reshape(-1))
    one = np.eye(weight.shape[1])
    by_weights, by_outputs = floats.fitted(weight, 1, by_rows), floats.fitted(weight, 1, by_rows, moment)
    compensated = floats.compensated(weight, by_rows, moment)
    assert by_weights.scale.shape == compensated.scale.shape == ((12,) if by_rows else (1,))
    assert set(np.unique(by_weights.weight)) == set(np.unique(compensated.weight)) == {-1, 0, 1}
    assert error(weight, by_weights, one) < error(weight, plain, one)
    assert error(weight, by_weights, one) <= error(weight, by_outputs, one)
    assert error(weight, compensated, moment) < error(weight, by_outputs, moment) < error(weight, by_weights, moment)


def test_a_matrix_that_is_ternary_stays_what_it_is():
    levels = np.random.default_rng(2).integers(-1, 2, (12, 20))
    matrix = floats.fitted((0.3 * levels).astype(np.float32), 1, False)
    np.testing.assert_array_equal(matrix.weight, levels)
    np.testing.assert_allclose(matrix.scale, 0.3, rtol=1e-6)
    assert not floats.fitted(np.zeros((3, 4), np.float32), 1, True).weight.any()


def test_the_moments_are_those_of_the_inputs():
    network = Network(DIMENSIONS, 1, 1.0)
    network.initialize(1)
    windows = np.random.default_rng(3).integers(0, DIMENSIONS.vocab, (9, 5))
    moments = floats.input_moments(network.model(MERGES, {}), network, windows)
    assert set(moments) == {spec.name for spec in tensor_specs(DIMENSIONS) if spec.kind.startswith("ternary")}
    for name, moment in moments.items():
        assert moment.shape == (network.specs[name].cols,) * 2
        assert np.linalg.eigvalsh(moment).min() > -1e-3
    # What is normalized has a mean square of 1 for each of the 45 tokens.
    assert np.trace(moments["blocks.0.mix_in"]) == pytest.approx(45 * DIMENSIONS.dim, rel=0.05)


# ---- the network in PyTorch


def in_torch(script, tmp_path, **arrays):
    """Run lines of Python in PyTorch's environment, with floats_torch as `peer`, the arrays as `task` and `settings`; returns `found`."""
    np.savez(tmp_path / "task.npz", **arrays)
    lines = [
        "import json, sys",
        f"sys.path.insert(0, {str(ROOT / 'benchmarks')!r})",
        "import numpy as np, torch, floats_torch as peer",
        "torch.set_num_threads(1)",
        "task = np.load(sys.argv[1]); settings = json.loads(str(task['settings'])); found = []",
        *script,
        "np.save(sys.argv[2], np.array(found))",
    ]
    command = [floats.PYTHON, "-c", "\n".join(lines), str(tmp_path / "task.npz"), str(tmp_path / "found.npy")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.load(tmp_path / "found.npy")


def settings_of(dimensions, recipe):
    tensors = [[spec.name, spec.shape, spec.kind, spec.row.group] for spec in tensor_specs(dimensions)]
    return {"tensors": tensors, "layers": dimensions.layers, "context": dimensions.context, "recipe": vars(recipe), "rounded": False}


@pytest.mark.slow
@torch_is_needed
def test_the_network_in_pytorch_has_the_losses_of_ours_with_and_without_roundings(tmp_path):
    network, random = Network(DIMENSIONS, 2, 1.0), np.random.default_rng(4)
    network.initialize(1)
    network.parameters += random.normal(size=len(network.parameters)).astype(np.float32) / 10
    network.quantize_weights()
    windows = random.integers(0, DIMENSIONS.vocab, (2, DIMENSIONS.context + 1))
    windows[:, 10:] = windows[:, 3:-7]  # something to copy
    tokens, targets = windows[:, :-1], windows[:, 1:]
    settings = json.dumps(settings_of(DIMENSIONS, Recipe()))
    script = [
        "w = torch.from_numpy(task['windows'])",
        "for settings['rounded'] in (False, True):",
        "    found.append(peer.Network(task['parameters'], settings).losses(w[:, :-1], w[:, 1:]).detach().numpy())",
    ]
    exact, rounded = in_torch(script, tmp_path, parameters=network.parameters, windows=windows, settings=settings)
    np.testing.assert_allclose(rounded, network.losses(tokens, targets), atol=1e-4)
    logits, _ = quantization.variant(network.model(MERGES, {}), network, ()).forward(tokens)
    logits = logits.astype(np.float64)
    hit = np.take_along_axis(logits, targets[..., None], 2)[..., 0]
    np.testing.assert_allclose(exact, np.log(np.exp(logits).sum(axis=2)) - hit, atol=1e-4)
    assert np.abs(exact - rounded).mean() > 0.01


@pytest.mark.slow
@torch_is_needed
def test_with_roundings_it_learns_as_our_trainer_does(tmp_path):
    steps, windows = 12, 8
    recipe = Recipe(batch=windows, accumulate=1, fast_gradients=False, decay=0.01)
    network = Network(DIMENSIONS, windows, 1.0 / (windows * DIMENSIONS.context), fast_gradients=False)
    network.initialize(1)
    # A text with something to learn: each token follows from the one before it.
    text = (np.arange(4000) * 7 % 251).astype(np.uint16)
    starts = window_starts(text, DIMENSIONS.context, 1, 0)[: steps * windows].reshape(steps, windows)
    factors = [rate_factor(step / steps, recipe.warmup, recipe.cooldown, recipe.cooldown_power) for step in range(steps)]
    script = [
        "settings['rounded'] = True",
        "network = peer.Network(task['parameters'], settings); optimizer = peer.Optimizer(network, settings)",
        "for starts, factor in zip(task['starts'], task['factors']):",
        "    w = torch.from_numpy(task['tokens'][starts[:, None] + np.arange(settings['context'] + 1)].astype(np.int64))",
        "    loss = network.losses(w[:, :-1], w[:, 1:]).mean(); loss.backward(); optimizer.step(float(factor)); found.append(loss.item())",
    ]
    settings = json.dumps(settings_of(DIMENSIONS, recipe))
    task = {"parameters": network.parameters.copy(), "tokens": text, "starts": starts, "factors": factors, "settings": settings}
    theirs = in_torch(script, tmp_path, **task)
    optimizer, ours = Optimizer(network, recipe), []
    for step, places in enumerate(starts):
        ours.append(network.accumulate(*batch(text, places, DIMENSIONS.context), step))
        optimizer.step(step / steps)
    assert ours[-1] < ours[0] - 0.5
    np.testing.assert_allclose(theirs, ours, rtol=0.01)
