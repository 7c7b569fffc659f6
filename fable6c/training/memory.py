"""How much memory a run takes, and how much there is."""

from collections.abc import Sequence
from typing import Optional

from fable6c import kernels
from fable6c.errors import UserError
from fable6c.limits import free_memory, resident_memory
from fable6c.model.architecture import Dimensions, tensor_specs
from fable6c.training.config import Config
from fable6c.training.network import HEAD_ROWS, batch_plan, plan_bytes, weight_plan

PYTHON_BYTES = 100 << 20  # NumPy, tiktoken and matplotlib, measured


def memory_estimate(d: Dimensions, batch: int, fast_gradients: bool = True, teachers: Sequence[Dimensions] = ()) -> dict[str, int]:
    """Bytes of a training run by part, as the classes here and in optimizer.py allocate them. teachers: the networks among them."""
    specs, tokens = tensor_specs(d), batch * d.context
    numbers = sum(spec.size for spec in specs)
    adam = sum(spec.size for spec in specs if spec.row.group != "matrix")
    matrices = [spec.shape for spec in specs if spec.row.group == "matrix"]
    # C's own numbers of floats, because to allocate would fail, without our arithmetic, for what is far too large.
    scratch = (
        max(kernels.linear_scratch_floats(tokens, *shape) for shape in matrices)
        + (0 if fast_gradients else kernels.linear_scratch_floats(min(HEAD_ROWS, tokens), d.vocab, d.dim))
        + kernels.threads() * max(kernels.muon_scratch_floats(*shape) for shape in matrices)
    )
    return {
        "parameters, gradients, momentum": 4 * (3 * numbers + adam),
        "quantized weights": sum(plan_bytes(weight_plan(spec, fast_gradients)) for spec in specs if spec.kind != "f32"),
        "activations of a batch": plan_bytes(batch_plan(d, batch, fast_gradients, bool(teachers))),
        "scratch of the kernels": 4 * scratch,
        **({"teachers": sum(network_bytes(teacher, batch) for teacher in teachers)} if teachers else {}),
        "samples": 5 * numbers,  # the reference's copy of the weights: int8 and f32
        "Python and its libraries": PYTHON_BYTES,
    }


def network_bytes(d: Dimensions, batch: int) -> int:
    """Of a network that only predicts: parameters and gradients, weights, activations."""
    specs = tensor_specs(d)
    weights = sum(plan_bytes(weight_plan(spec, True)) for spec in specs if spec.kind != "f32")
    return 8 * sum(spec.size for spec in specs) + weights + plan_bytes(batch_plan(d, batch, True))


def check_memory(config: Config, max_gib: Optional[float], teachers: Sequence[Dimensions] = ()) -> None:
    """Print the estimate and refuse a run that does not fit."""
    parts = memory_estimate(config.model, config.train.batch, config.train.fast_gradients, teachers)
    total = sum(parts.values())
    limit = max_gib * 2**30 if max_gib is not None else free_memory()
    if limit is not None and max_gib is None:
        limit += min(PYTHON_BYTES, resident_memory())  # which is in the estimate and taken already
    sums = " + ".join(f"{size / 2**20:.1f} ({name})" for name, size in parts.items())
    print(f"memory: about {total / 2**20:.1f} MiB = {sums}", flush=True)
    if limit is not None and total > limit:
        allowed = "free" if max_gib is None else "allowed by --max-memory"
        raise UserError(
            f"the run needs {total / 2**20:.1f} MiB = {sums}, {limit / 2**20:.1f} MiB are {allowed}; "
            "use a smaller preset, a smaller batch (--config), or allow more"
        )
