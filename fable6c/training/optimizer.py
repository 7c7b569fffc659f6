"""The optimizer of a run: Muon on the ternary matrices, AdamW on embedding, head and vectors, one schedule for all rates."""

from typing import Callable

import numpy as np

from fable6c import kernels
from fable6c.model.architecture import TENSORS
from fable6c.training.config import Recipe
from fable6c.training.network import Network

ADAM_EPS = 1e-10


def rate_factor(progress: float, warmup: float, cooldown: float, power: float) -> float:
    """What the peak rates are multiplied by at `progress` in [0, 1]: up from 0.1 in the first share, level, down to 0 in the last.

    rate_factor(0.5, 0.01, 0.6, 1) is 0.8333…: five sixths of the falling part are still to come; with a power of 2 it is the square.
    """
    rise = 1.0 if progress >= warmup else 0.1 + 0.9 * progress / warmup
    rest = 1.0 if 1.0 - progress >= cooldown else max(0.0, (1.0 - progress) / cooldown)
    return min(rise, rest**power)


class Optimizer:
    """Updates a network's parameters from its gradients. Its state are flat arrays as long as the parameters."""

    def __init__(self, network: Network, recipe: Recipe):
        self.network, self.recipe = network, recipe
        self.steps = 0
        self.first = kernels.zeros(len(network.parameters))  # Muon's momentum or AdamW's first moment
        adam = {name: spec for name, spec in network.specs.items() if spec.row.group != "matrix"}
        self.second = kernels.zeros(sum(spec.size for spec in adam.values()))  # AdamW's second moment
        # The settings of the calls, of which a step changes rates and corrections.
        shared = {"rate": 0.0, "grad_scale": 1.0}
        self._muon = kernels.struct("muon", **shared, beta=recipe.matrix_momentum, decay=recipe.decay)
        self._adam = {
            group: kernels.struct(
                "adamw", **shared, beta1=recipe.beta1, beta2=recipe.beta2, eps=ADAM_EPS, decay=decay, correction1=1.0, correction2=1.0
            )
            for group, decay in (("table", recipe.decay), ("vector", 0.0))
        }
        self._updates: list[Callable[[], object]] = []
        first, at = network.views(self.first), 0
        fixed = TENSORS["start"] if recipe.fixed_embedding else []
        self._unused = [network.gradient[name] for name, spec in adam.items() if spec.row in fixed]
        for name, spec in adam.items():
            if spec.row in fixed:
                at += spec.size
                continue
            arrays = (network.latent[name], first[name], self.second[at : at + spec.size], network.gradient[name])
            settings = self._adam[spec.row.group]
            self._updates.append(kernels.bind("adamw_update", *(array.reshape(-1) for array in arrays), settings))
            at += spec.size
        matrices, places = [], 0
        for spec in network.specs.values():
            if spec.row.group == "matrix":
                matrices.append((places, *spec.shape))
            places += spec.size
        matrices.sort(key=lambda matrix: -matrix[1] * matrix[2])  # the largest first, so that no thread begins it last
        # Where each of Muon's matrices begins in the flat arrays, its rows and columns.
        places_and_shapes = np.array(matrices, np.int32).reshape(-1, 3)
        scratch = kernels.muon_scratch([(rows, cols) for _, rows, cols in matrices])
        flat = network.parameters, self.first, network.gradients
        self._updates.append(kernels.bind("muon_update", *flat, places_and_shapes, scratch, self._muon))

    def step(self, progress: float) -> float:
        """One update; the gradients are zeroed. Returns the norm that the gradient had. FloatingPointError if it is not finite."""
        network, recipe = self.network, self.recipe
        for gradient in self._unused:  # it must not count in the norm, and no update zeroes it
            gradient.fill(0)
        norm = kernels.sum_of_squares(network.gradients) ** 0.5
        if not np.isfinite(norm):
            raise FloatingPointError("the gradient is not finite")
        scale = min(1.0, recipe.clip / norm) if norm > 0 else 1.0
        factor = rate_factor(progress, recipe.warmup, recipe.cooldown, recipe.cooldown_power)
        self.steps += 1
        self._muon.rate, self._muon.grad_scale = factor * recipe.matrix_rate, scale
        for group, rate in (("table", recipe.table_rate), ("vector", recipe.vector_rate)):
            settings = self._adam[group]
            settings.rate, settings.grad_scale = factor * rate, scale
            settings.correction1, settings.correction2 = 1.0 - recipe.beta1**self.steps, 1.0 - recipe.beta2**self.steps
        for update in self._updates:
            update()
        network.quantize_weights()
        return norm
