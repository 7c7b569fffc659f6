"""Networks made into one by their weights: averages, what each learned since their ancestor, and channels lined up by permutation.

All of it is of latent weights, flat f32 as Network has them; what comes out is quantized like any other.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Callable, Optional

import numpy as np

from fable6c.errors import UserError
from fable6c.files import make_folder
from fable6c.model.architecture import Dimensions, tensor_specs
from fable6c.model.file import Model
from fable6c.training import checkpoint
from fable6c.training.network import Network
from fable6c.training.start import Start

SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)  # times the mean of what was learned, to choose from; 1 is the plain average
KEPT = 0.3  # TIES: the share of each tensor's changes that is kept, the largest
ROUNDS = 20  # of lining up at most; it ends earlier where nothing moves


def check_alike(starts: Sequence[Start]) -> None:
    """UserError where two of them are the same, or differ in shape or in the tokenizer."""
    first = starts[0]
    for place, other in enumerate(starts):
        for field in dataclasses.fields(Dimensions):
            own, wanted = getattr(other.dimensions, field.name), getattr(first.dimensions, field.name)
            if own != wanted:
                raise UserError(
                    f"{other.path}: its model has {field.name} = {own}, that of {first.path} has {wanted}; only networks of one shape have weights to merge"
                )
        if other.tokenizer.to_bytes() != first.tokenizer.to_bytes():
            raise UserError(
                f"{other.path}: has another tokenizer than {first.path}; train both with the tokenizer of one (--from), or on the same text"
            )
        for before in starts[:place]:
            if before.sha256 == other.sha256:
                raise UserError(f"{other.path}: is the same model as {before.path}; give each once")


def ancestor_of(start: Start) -> str:
    """What its training began with: the SHA-256 of a model, or else the first weights and the text, which checkpoints of one run share."""
    command = start.description["command"]
    return str(command.get("from") or f"seed {command['seed']} on {start.description['text_sha256'] or start.sha256}")


def check_ancestor(starts: Sequence[Start]) -> None:
    """UserError for networks that do not go back to one ancestor, be it one of them."""
    families: list[tuple[set[str], Start]] = []  # what connects them, and one of them
    for start in starts:
        names, others = {start.sha256, ancestor_of(start)}, []
        for family in families:
            if names & family[0]:
                names |= family[0]
            else:
                others.append(family)
        families = [*others, (names, start)]
    if len(families) > 1:
        first, second = families[0][1], families[1][1]
        raise UserError(
            f"{first.path} and {second.path} share no ancestor, and the average of such networks is worse than each; begin both --from one "
            "model, or take --how align, or fable6c.ensemble"
        )


def as_model(start: Start, parameters: np.ndarray) -> Model:
    """The quantized model of these parameters, in the place of the start's own."""
    network = Network(start.dimensions, 1, 1.0)
    network.parameters[:] = parameters
    network.quantize_weights()
    return network.model(start.tokenizer.merges, {})


def write_run(folder: str, used: Sequence[Start], parameters: np.ndarray, how: str) -> None:
    """The parameters as the folder of a finished run, which `fable6c.export` and `train --from` take. UserError where one is already."""
    if checkpoint.load(folder) is not None:
        raise UserError(f"{folder}: there is a run already; choose another folder")
    make_folder(folder)
    first = used[0].description
    merged = f"{how} of " + ", ".join(start.sha256 for start in used)
    description = {
        **first,
        "command": {**first["command"], "merged": merged},
        "step": sum(start.description["step"] for start in used),
        "elapsed": sum(start.description["elapsed"] for start in used),
        "finished": True,
        "bits_per_char": None,
    }
    second = sum(spec.size for spec in tensor_specs(used[0].dimensions) if spec.row.group != "matrix")
    arrays = {"parameters": parameters, "first": np.zeros_like(parameters), "second": np.zeros(second, np.float32)}
    checkpoint.save(folder, description, arrays)


# ---- averages


def average(all_parameters: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of flat parameters (M,), in double precision: f32 (M,)."""
    return np.stack(all_parameters).mean(axis=0, dtype=np.float64).astype(np.float32)


def greedy_soup(all_parameters: Sequence[np.ndarray], costs: Sequence[float], cost: Callable[[np.ndarray], float]) -> list[int]:
    """Which of the networks to average: from the best on, each that does not make the average worse (Wortsman et al. 2022, "Model soups").

    costs   of each network; lower is better
    cost    of any parameters
    """
    order = [int(i) for i in np.argsort(costs, kind="stable")]
    chosen, best = order[:1], costs[order[0]]
    for i in order[1:]:
        tried = cost(average([all_parameters[j] for j in [*chosen, i]]))
        if tried <= best:
            chosen, best = [*chosen, i], tried
    return chosen


# ---- what was learned since the ancestor


def task_sum(ancestor: np.ndarray, all_parameters: Sequence[np.ndarray], scale: float) -> np.ndarray:
    """The ancestor and `scale` times the mean of what each learned since (Ilharco et al. 2023, "Editing models with task arithmetic")."""
    return (ancestor + scale * (average(all_parameters) - ancestor)).astype(np.float32)


def ties(dimensions: Dimensions, ancestor: np.ndarray, all_parameters: Sequence[np.ndarray], scale: float) -> np.ndarray:
    """The same, but of each tensor only the largest changes, and of these the mean of those with the sign that outweighs the other
    (Yadav et al. 2023, "TIES-merging")."""
    changes = np.stack([parameters - ancestor for parameters in all_parameters])
    at = 0
    for spec in tensor_specs(dimensions):
        for change in changes[:, at : at + spec.size]:
            change[np.abs(change) < np.quantile(np.abs(change), 1 - KEPT)] = 0
        at += spec.size
    agreeing = changes * (np.sign(changes) == np.sign(changes.sum(axis=0)))
    count = np.count_nonzero(agreeing, axis=0)
    return (ancestor + scale * agreeing.sum(axis=0, dtype=np.float64) / np.maximum(1, count)).astype(np.float32)


# ---- channels lined up

# The kinds of channels that a network's rows and columns are: x of the residual stream, m of a block's recurrence, h of its gated linear
# unit, c of copying's keys; "" those that have their place, as tokens have. Rows of several thirds or halves are permuted alike in each.
CHANNELS = {
    "embedding": ("", "x"), "norm_in": ("x",), "norm_mix": ("x",), "mix_in": ("m", "x"), "taps": ("m", ""), "forget_bias": ("m",),
    "mix_out": ("x", "m"), "norm_glu": ("x",), "glu_in": ("h", "x"), "glu_out": ("x", "h"), "norm_out": ("x",), "head": ("", "x"),
    "norm_copy": ("x",), "copy_in": ("c", "x"), "copy_sentinel": ("c",), "copy_bias": ("",),
}  # fmt: skip


def align(dimensions: Dimensions, parameters: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The network with its channels in the order that brings its weights nearest to the target's; it computes the same.

    Weight matching by coordinate descent (Ainsworth et al. 2023, "Git Re-Basin"): one kind of channels after the other, each by the best
    assignment given all others. A tensor's weights count in units of their root mean square.
    """
    own, wanted = _scaled(dimensions, parameters), _scaled(dimensions, target)
    sizes = {"x": dimensions.dim, "c": dimensions.copy_dim}
    for layer in range(dimensions.layers):
        sizes[f"m{layer}"], sizes[f"h{layer}"] = dimensions.dim, dimensions.hidden
    order = {kind: np.arange(size) for kind, size in sizes.items()}
    for _ in range(ROUNDS):
        moved = False
        for kind, size in sizes.items():
            likeness = np.zeros((size, size))
            for name, kinds in _kinds(dimensions).items():
                for axis, here in enumerate(kinds):
                    if here == kind:
                        others = {k: o for k, o in order.items() if k != kind}
                        found = np.moveaxis(_permuted(own[name], kinds, others), axis, 0).reshape(
                            -1, size, own[name].size // own[name].shape[axis]
                        )
                        aim = np.moveaxis(wanted[name], axis, 0).reshape(found.shape)
                        likeness += np.einsum("gik,gjk->ij", aim, found)
            best = assign(likeness)
            moved = moved or likeness[np.arange(size), best].sum() > likeness[np.arange(size), order[kind]].sum() + 1e-6
            order[kind] = best
        if not moved:
            break
    at, out = 0, []
    for spec in tensor_specs(dimensions):
        tensor = parameters[at : at + spec.size].reshape(spec.shape)
        out.append(_permuted(tensor, _kinds(dimensions)[spec.name], order).reshape(-1))
        at += spec.size
    return np.concatenate(out)


def _kinds(dimensions: Dimensions) -> dict[str, tuple[str, ...]]:
    """The kind of channels of each axis of each tensor: m and h with the number of their block."""
    kinds = {}
    for spec in tensor_specs(dimensions):
        block = re.match(r"blocks\.(\d+)\.", spec.name)
        number = block[1] if block else ""
        kinds[spec.name] = tuple(kind + number if kind in ("m", "h") else kind for kind in CHANNELS[spec.row.name])
    return kinds


def _permuted(tensor: np.ndarray, kinds: tuple[str, ...], order: dict[str, np.ndarray]) -> np.ndarray:
    """The tensor with the channels of each axis in their order; kinds that `order` does not have stay."""
    for axis, kind in enumerate(kinds):
        if kind in order:
            size = len(order[kind])
            starts = np.arange(0, tensor.shape[axis], size)
            tensor = np.take(tensor, (starts[:, None] + order[kind]).reshape(-1), axis)
    return tensor


def _scaled(dimensions: Dimensions, parameters: np.ndarray) -> dict[str, np.ndarray]:
    """Each tensor in units of its root mean square, float64."""
    tensors, at = {}, 0
    for spec in tensor_specs(dimensions):
        tensor = parameters[at : at + spec.size].astype(np.float64).reshape(spec.shape)
        tensors[spec.name] = tensor / max(1e-30, float(np.sqrt(np.mean(tensor**2))))
        at += spec.size
    return tensors


def assign(likeness: np.ndarray) -> np.ndarray:
    """The column for each row, each once, whose entries (n, n) have the largest sum: int (n,). Shortest augmenting paths (Jonker and
    Volgenant 1987)."""
    n = len(likeness)
    cost = likeness.max() - likeness
    row_price, column_price = np.zeros(n), np.zeros(n)
    row_of = np.full(n, -1)
    for row in range(n):
        distance = np.full(n, np.inf)
        before, done = np.full(n, -1), np.zeros(n, bool)
        here, column, least = row, -1, 0.0
        reached: Optional[int] = None
        path_rows: list[tuple[int, int, float]] = []
        while reached is None:
            step = least + cost[here] - row_price[here] - column_price
            nearer = ~done & (step < distance)
            distance[nearer], before[nearer] = step[nearer], here
            column = int(np.argmin(np.where(done, np.inf, distance)))
            least = float(distance[column])
            done[column] = True
            if row_of[column] < 0:
                reached = column
            else:
                here = int(row_of[column])
                path_rows.append((here, column, least))
        row_price[row] += least
        for at_row, at_column, at_distance in path_rows:
            row_price[at_row] += least - at_distance
            column_price[at_column] -= least - at_distance
        column = reached
        while True:
            here = int(before[column])
            following = int(np.flatnonzero(row_of == here)[0]) if here != row else -1
            row_of[column] = here
            if here == row:
                break
            column = following
    out = np.empty(n, np.int64)
    out[row_of] = np.arange(n)
    return out
