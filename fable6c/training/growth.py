"""Growing: a trained model goes on as a larger one that at first computes the same. `train --grow MODEL|RUN`.

What is new is silent at first: it adds nothing to what the old parts see, and has gradients all the same.

- Width. New channels of the residual stream are zero, because no row that writes to them has a weight that is not. The norms divide by
  the mean over more channels, and their gains make up for that. New channels of the recurrence have zero taps, new units of the GLU a zero
  factor, new places of a query zero rows.
- Depth. New blocks stand behind old ones, as copies whose output matrices are zero.
- Vocabulary. New tokens are merges of old ones. The table gives such a token what its last part has, because the story goes on from
  there; the head what its first part has, because that is what would have come.

The weights that read something silent are random from the start. The scale of a matrix is the mean magnitude of its latents, and silent weights would
lower it: what they lack goes to the latents of the highest level, which may be of any size above (start.py does the same).
"""

import numpy as np

from fable6c.model.architecture import TensorSpec, size_parts, tensor_specs
from fable6c.model.tokenizer import Tokenizer
from fable6c.training.network import NONARY_LEVELS, NONARY_SHARE, Network
from fable6c.training.start import Start

SILENT = 0.4  # of a level: half of one would be the next
# Matrices whose new rows must give nothing, by the parts of equal size in which their rows are stacked.
SILENT_PARTS = {"mix_out": [0], "glu_out": [0], "glu_in": [1], "copy_in": [0]}


def grow(network: Network, start: Start, tokenizer: Tokenizer) -> None:
    """Lay the parameters of `start` into a larger network, which has been initialized, so that its logits for the old tokens are the same.

    tokenizer   the network's; its first merges are those of `start`
    """
    old = dict(zip((spec.name for spec in tensor_specs(start.dimensions)), start.views()))
    parents = _parents(start.tokenizer, tokenizer)
    wider = (network.dimensions.dim / start.dimensions.dim) ** 0.5
    layers, more = start.dimensions.layers, network.dimensions.layers
    for name, spec in network.specs.items():
        prefix, _, own = name.rpartition(".")
        source, copied = name, False
        if prefix:
            layer = int(prefix.partition(".")[2])
            before = layer * layers // more
            copied = layer > 0 and (layer - 1) * layers // more == before
            source = f"blocks.{before}.{own}"
        if copied and own in ("mix_out", "glu_out"):
            network.latent[name][:] = 0
            continue
        array = old[source]
        k = wider if own in ("embedding", "mix_out", "glu_out") else 1 / wider if own.startswith("norm") and own != "norm_in" else 1.0
        if spec.row.rows == "V":
            array = array[parents[own]]
        if spec.kind == "f32":
            _grow_vector(network.latent[name], array, spec, k)
        else:
            _grow_matrix(network.latent[name], array, spec, k)
    network.quantize_weights()


def _parents(old: Tokenizer, new: Tokenizer) -> dict[str, np.ndarray]:
    """For each token the old one that it begins as, in the table and in the head; the end marks are the last ones."""
    first, last = list(range(old.end_of_text)), list(range(old.end_of_text))
    for left, right in new.merges[len(old.merges) :].tolist():
        first.append(first[left])
        last.append(last[right])
    return {"embedding": np.array([*last, old.end_of_text]), "head": np.array([*first, old.end_of_text])}


def _grow_vector(latent: np.ndarray, old: np.ndarray, spec: TensorSpec, k: float) -> None:
    D = len(old)
    if spec.row.name.startswith("norm"):
        old = old * k
        latent[:] = old.mean()
        latent[:D] = old
    elif spec.row.name == "taps":
        latent[:] = 0
        latent[:D, latent.shape[1] - old.shape[1] :] = old  # the last is for the present token
    else:
        if spec.row.initial == "ramp":
            latent[D:] = np.linspace(-1.0, 5.0, len(latent) - D)
        latent[:D] = old


def _grow_matrix(latent: np.ndarray, old: np.ndarray, spec: TensorSpec, k: float) -> None:
    levels, share = (NONARY_LEVELS, NONARY_SHARE) if spec.kind == "nonary" else (1, 1.0)
    parts = int(size_parts(spec.row.rows)[0] or 1)
    here = k * old.astype(np.float64).reshape(parts, -1, old.shape[1])
    new = latent.astype(np.float64).reshape(parts, -1, latent.shape[1])
    rows, cols = here.shape[1:]
    axis = 2 if spec.scales > 1 else None  # what shares a scale
    mean = np.abs(here).mean(axis=axis, keepdims=True)
    limit = SILENT * share * mean
    added = np.ones(new.shape, bool)
    added[:, :rows, :cols] = False
    if added.any():
        new *= mean / np.abs(new).mean(axis=axis, keepdims=True, where=added)
    new[:, :rows, :cols] = here
    if spec.row.name == "embedding":
        new[:, :, cols:] = np.clip(new[:, :, cols:], -limit, limit)
    for part in SILENT_PARTS.get(spec.row.name, []):
        new[part, rows:, :cols] = np.clip(new[part, rows:, :cols], -limit[0], limit[0])
    top = np.abs(new) >= np.minimum((levels - 0.5) * share * mean, np.abs(new).max(axis=axis, keepdims=True))
    lacking = (mean - np.abs(new).mean(axis=axis, keepdims=True)) * (latent.shape[1] if axis else latent.size)
    new += np.sign(new) * top * lacking / np.maximum(1, top.sum(axis=axis, keepdims=True))
    latent[:] = new.reshape(latent.shape)
