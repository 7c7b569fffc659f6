"""Pruning: a trained model goes on as a smaller one. `train --prune MODEL|RUN`, with the smaller shape in --config.

Whole channels, units and tokens go, so that what is left is an ordinary, smaller and faster model. What goes is what gives least: of what a
matrix reads, the columns whose share of its outputs has the least energy, mean (w · x)², on a sample of the text; of the
vocabulary the last merges, which are the rarest. The training that follows repairs the rest.
"""

from typing import Any

import numpy as np

from fable6c.data.windows import Dataset
from fable6c.model.architecture import Dimensions, TensorSpec, size_parts, tensor_specs
from fable6c.training.network import Network, array_name
from fable6c.training.start import Start

WINDOWS = 32  # of the text, as a sample
# The same letter D is the width of the residual stream and the number of channels of the recurrence: these have the latter.
MIXER_ROWS, MIXER_COLS = ("mix_in", "taps", "forget_bias"), ("mix_out",)


def prune(network: Network, start: Start, dataset: Dataset, seed: int) -> None:
    """Lay what is kept of the parameters of `start` into a smaller network. The tokenizer of the dataset has the first merges of the start's."""
    keep = _choose(network.dimensions, start, dataset, seed)
    for spec, old in zip(tensor_specs(start.dimensions), start.views()):
        latent = network.latent[spec.name]
        rows, cols = _axes(spec)
        parts = int(size_parts(spec.row.rows)[0] or 1)
        array = old.reshape(parts, -1, *old.shape[1:])
        if rows in keep:
            array = array[:, keep[rows]]
        if cols in keep:
            array = array[:, :, keep[cols]]
        latent[:] = array.reshape(latent.shape)
    network.quantize_weights()


def _axes(spec: TensorSpec) -> tuple[str, str]:
    """What a tensor's rows and columns are: "residual", "vocabulary", "copy", or of a block "3.mixer", "3.hidden"."""
    layer, own = spec.name.removeprefix("blocks.").rpartition(".")[::2]

    def axis(size: str, mixer: bool) -> str:
        letter = size_parts(size)[1]
        if letter == "D":
            return f"{layer}.mixer" if mixer else "residual"
        return {"H": f"{layer}.hidden", "V": "vocabulary", "C": "copy"}.get(letter, "")

    return axis(spec.row.rows, own in MIXER_ROWS), axis(spec.row.cols, own in MIXER_COLS)


def _choose(smaller: Dimensions, start: Start, dataset: Dataset, seed: int) -> dict[str, np.ndarray]:
    """The places to keep on each axis of `_axes`."""
    d = start.dimensions
    network = Network(d, 1, 1.0)
    network.parameters[:] = start.parameters
    network.quantize_weights()
    windows, _ = dataset.batch(dataset.starts(d.context, seed, 0)[:WINDOWS], d.context)
    windows[windows == dataset.tokenizer.end_of_text] = d.end_mark
    shares = energy(network, windows)
    sizes = {"residual": smaller.dim, "copy": smaller.copy_dim}
    for layer in range(d.layers):
        sizes.update({f"{layer}.mixer": smaller.dim, f"{layer}.hidden": smaller.hidden})
    keep = {axis: np.sort(np.argsort(-shares[axis], kind="stable")[: sizes[axis]]) for axis in shares}
    return {**keep, "vocabulary": np.append(np.arange(smaller.vocab - 1), d.end_mark)}


def energy(network: Network, windows: np.ndarray) -> dict[str, np.ndarray]:
    """For each axis of `_axes` what each of its channels or units gives to those that read it, on windows (n, T) of tokens: its share of what all
    give, summed over the readers. The network has a batch of one."""
    d, given = network.dimensions, dict[str, Any]()
    for window in windows:
        network.forward(window[None])
        for name, w in network.weights.items():
            if name == "embedding":
                continue
            layer, own = name.removeprefix("blocks.").rpartition(".")[::2]
            place = int(layer or d.layers)
            q, s = (network.arrays[array_name(f"{own}.{part}", place)] for part in "qs")
            weight = w["weight"] * w["scale"][:, None]
            sums = np.square(q[:, : weight.shape[1]] * s[:, None]).mean(axis=0) * np.square(weight).sum(axis=0)
            axis = _axes(network.specs[name])[1]
            given[axis] = given.get(axis, 0.0) + sums / max(sums.sum(), 1e-30)
        if d.copies:
            query, key = np.split(np.square(network.arrays[array_name("copy_in.u", d.layers)]).mean(axis=0), 2)
            given["copy"] = given.get("copy", 0.0) + query * key
    return given
