"""The optimizer of a run: Muon on the ternary matrices, AdamW on embedding, head and vectors, one schedule for all rates."""

import numpy as np

from fable6c import kernels
from fable6c.training.config import Recipe
from fable6c.training.network import Network

ADAM_EPS = 1e-10


def rate_factor(progress: float, warmup: float, cooldown: float, fall: float) -> float:
    """What the peak rates are multiplied by at `progress` in [0, 1]: up from 0.1 in the first share, level, down to 0 in the last.

    rate_factor(0.5, 0.01, 0.6, 1) is 0.8333…: five sixths of the falling part are still to come; with a `fall` of 2 it is the square.
    """
    rise = 1.0 if progress >= warmup else 0.1 + 0.9 * progress / warmup
    rest = 1.0 if 1.0 - progress >= cooldown else max(0.0, (1.0 - progress) / cooldown)
    return min(rise, rest**fall)


class Optimizer:
    """Updates a network's parameters from its gradients. Its state are flat arrays as long as the parameters."""

    def __init__(self, network: Network, recipe: Recipe):
        self.network, self.recipe = network, recipe
        self.steps = 0
        self.first = kernels.zeros(len(network.parameters))  # Muon's momentum or AdamW's first moment
        self._first = network.views(self.first)
        adam = {name: spec for name, spec in network.specs.items() if spec.row.group != "matrix"}
        self.second = kernels.zeros(sum(spec.size for spec in adam.values()))  # AdamW's second moment
        self._second: dict[str, np.ndarray] = {}
        at = 0
        for name, spec in adam.items():
            self._second[name] = self.second[at : at + spec.size]
            at += spec.size
        matrices, places = [], 0
        for spec in network.specs.values():
            if spec.row.group == "matrix":
                matrices.append((places, *spec.shape))
            places += spec.size
        matrices.sort(key=lambda matrix: -matrix[1] * matrix[2])  # the largest first, so that no thread begins it last
        # Where each of Muon's matrices begins in the flat arrays, its rows and columns.
        self._matrices = np.array(matrices, np.int32).reshape(-1, 3)
        self._scratch = kernels.muon_scratch([(rows, cols) for _, rows, cols in matrices])

    def step(self, progress: float) -> float:
        """One update; the gradients are zeroed. Returns the norm that the gradient had. FloatingPointError if it is not finite."""
        network, recipe = self.network, self.recipe
        norm = kernels.sum_of_squares(network.gradients) ** 0.5
        if not np.isfinite(norm):
            raise FloatingPointError("the gradient is not finite")
        scale = min(1.0, recipe.clip / norm) if norm > 0 else 1.0
        factor = rate_factor(progress, recipe.warmup, recipe.cooldown, recipe.fall)
        self.steps += 1
        correction1, correction2 = 1.0 - recipe.beta1**self.steps, 1.0 - recipe.beta2**self.steps
        kernels.muon_update(
            network.parameters, self.first, network.gradients, self._matrices, self._scratch,
            {"rate": factor * recipe.matrix_rate, "beta": recipe.matrix_momentum, "decay": recipe.decay, "grad_scale": scale},
        )  # fmt: skip
        for name, second in self._second.items():
            is_table = network.specs[name].row.group == "table"
            rate, decay = (recipe.table_rate, recipe.decay) if is_table else (recipe.vector_rate, 0.0)
            settings = {
                "rate": factor * rate, "beta1": recipe.beta1, "beta2": recipe.beta2, "eps": ADAM_EPS, "decay": decay,
                "correction1": correction1, "correction2": correction2, "grad_scale": scale,
            }  # fmt: skip
            arrays = network.latent[name], self._first[name], second, network.gradient[name]
            kernels.adamw_update(*(array.reshape(-1) for array in arrays), settings)
        network.discretize()
        return norm
