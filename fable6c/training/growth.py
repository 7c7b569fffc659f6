"""Growing: a trained model goes on as a larger one that at first computes the same. `train --grow MODEL|RUN`.

What is new is silent at first: it adds nothing to what the old parts see, and has gradients all the same.

- Width. New channels of the residual stream are zero, because no weight that is not zero writes to them. New channels of the recurrence have
  zero taps, new units of the GLU a zero factor, new places of a query zero rows. What reads something silent is random from the start.
  The norms divide by the mean over more channels: the residual stream is scaled so that this mean, and with it the epsilon, is as before.
- Depth. A new block stands behind an old one, as its copy with output matrices of zeros.
- Vocabulary. New tokens are merges of old ones. The table gives one what its last part has, because the text goes on from there; the
  head what its first part has, because that is what would have come.

A scale is the mean magnitude of its latents, which silent weights would lower. What they lack goes to the latents of the highest level,
which may be of any size above, as in start.py. A row of the table without that level is only nearly the same.
"""

import numpy as np

from fable6c.model.architecture import TensorSpec, size_parts, tensor_specs
from fable6c.model.tokenizer import Tokenizer
from fable6c.training.network import NONARY_LEVELS, NONARY_SHARE, Network
from fable6c.training.start import Start

SILENT = 0.4  # of a level: half of one would be the next
WRITERS = ("mix_out", "glu_out")  # of the residual stream
# Matrices whose new rows must give nothing, and which of the parts that their rows are stacked from.
SILENT_PARTS = {"mix_out": 0, "glu_out": 0, "glu_in": 1, "copy_in": 0}


def grow(network: Network, start: Start, tokenizer: Tokenizer) -> None:
    """Lay the parameters of `start` into a larger network, which has been initialized, so that its logits for the old tokens are the same.

    tokenizer   the network's; its first merges are those of `start`
    """
    old = dict(zip((spec.name for spec in tensor_specs(start.dimensions)), start.views()))
    tokens = _parents(start.tokenizer, tokenizer)
    wider = (network.dimensions.dim / start.dimensions.dim) ** 0.5
    for name, spec in network.specs.items():
        own, source, is_copy = spec.row.name, name, False
        if name != own:
            layer = int(name.split(".")[1])
            before, previous = (place * start.dimensions.layers // network.dimensions.layers for place in (layer, layer - 1))
            source, is_copy = f"blocks.{before}.{own}", before == previous
        array = old[source]
        if own in tokens:
            array = array[tokens[own]]
        if own == "embedding" or own in WRITERS:
            array = array * wider
        elif own.startswith("norm") and own != "norm_in":
            array = array / wider
        if is_copy and own in WRITERS:
            network.latent[name][:] = 0
        elif spec.kind == "f32":
            _grow_vector(network.latent[name], array, spec)
        else:
            network.latent[name][:] = _grown_matrix(network.latent[name], array, spec)
    network.quantize_weights()


def _parents(old: Tokenizer, new: Tokenizer) -> dict[str, np.ndarray]:
    """For each token the old one whose row it begins with, in the table and in the head; the end marks are the last ones."""
    first, last = list(range(old.end_of_text)), list(range(old.end_of_text))
    for left, right in new.merges[len(old.merges) :].tolist():
        first.append(first[left])
        last.append(last[right])
    return {"embedding": np.array([*last, old.end_of_text]), "head": np.array([*first, old.end_of_text])}


def _grow_vector(latent: np.ndarray, old: np.ndarray, spec: TensorSpec) -> None:
    n, own = len(old), spec.row.name
    if own == "taps":
        latent[:] = 0
        latent[:n, latent.shape[1] - old.shape[1] :] = old  # the last one is the present token's
        return
    if own == "forget_bias":
        latent[n:] = np.linspace(-1.0, 5.0, len(latent) - n)  # all time spans, as a new model has
    elif own.startswith("norm"):
        latent[n:] = old.mean()
    latent[:n] = old


def _grown_matrix(initial: np.ndarray, old: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """The latents, in the shape of `initial`, which are random: with `old` (m, n) in the first rows and columns of each part."""
    levels, share = (NONARY_LEVELS, NONARY_SHARE) if spec.kind == "nonary" else (1, 1.0)
    parts = int(size_parts(spec.row.rows)[0] or 1)
    kept = old.astype(np.float64).reshape(parts, -1, old.shape[1])
    new = initial.astype(np.float64).reshape(parts, -1, initial.shape[1])
    rows, cols = kept.shape[1:]
    axis = 2 if spec.scales > 1 else None  # what has one scale
    mean = np.abs(kept).mean(axis=axis, keepdims=True)
    added = np.ones(new.shape, bool)
    added[:, :rows, :cols] = False
    if added.any():
        new *= mean / np.abs(new).mean(axis=axis, keepdims=True, where=added)
    new[:, :rows, :cols] = kept
    silent = np.zeros(new.shape, bool)
    if spec.row.name == "embedding":
        silent[:, :, cols:] = True
    elif spec.row.name in SILENT_PARTS:
        silent[SILENT_PARTS[spec.row.name], rows:, :cols] = True
    scale = share * mean
    new = np.where(silent, np.clip(new, -SILENT * scale, SILENT * scale), new)
    size = np.abs(new)
    top = size >= np.minimum((levels - 0.5) * scale, size.max(axis=axis, keepdims=True))
    lacking = (mean - size.mean(axis=axis, keepdims=True)) * (new.shape[2] if axis else new.size)
    new += np.sign(new) * top * lacking / top.sum(axis=axis, keepdims=True)
    return new.reshape(initial.shape)
