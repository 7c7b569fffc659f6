"""The network in training: parameters, gradients, and one batch forward and backward through the C kernels.

Everything is allocated once, from a plan of shapes that also gives the memory estimate. The calls of a batch are bound to their
arrays once (`kernels.bind`), so a step is two lists of C calls. docs/kernels.md shows the way of the data.
"""

from typing import Any, Callable, Dict, List, Tuple

import numpy as np

from fable6c import kernels
from fable6c.errors import UsageError
from fable6c.model.architecture import (
    Dimensions,
    TensorSpec,
    parameter_count,
    tensor_specs,
)
from fable6c.model.file import Matrix, Model
from fable6c.model.reference import mix_copies

MOST_NUMBERS = 2**31 - 1
HEAD_ENTRIES = 96  # of the gradient of a row of logits: entries below 1/64 are drawn by lot (_kernels.c, crossentropy_sparse)
HEAD_ROWS = 64  # tokens whose logits exist at a time: a cache holds them, all of a batch would be its largest array by far
EMBEDDING_LEVELS, EMBEDDING_SHARE = 4, 0.7  # docs/numerics.md: nine levels, the scale is 0.7 of the row's mean magnitude

Plan = Dict[str, Tuple[Tuple[int, ...], type]]


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def weight_plan(spec: TensorSpec, fast_gradients: bool) -> Plan:
    """The arrays of one matrix in its discrete form: levels, scales, and (not for the embedding, which is only looked up) the packed
    copies that the products of forward and backward read."""
    O, C = spec.shape
    plan: Plan = {"weight": ((O, C), np.int8), "scale": ((spec.scales,), np.float32)}
    if spec.name != "embedding":
        plan["packed"] = ((_up(O, 32), _up(C, 4)), np.int8)
        if not fast_gradients:
            plan["packed_back"] = ((O, _up(C, 32)), np.float32)
        elif spec.name != "head":  # its sparse gradient reads rows of `weight`
            plan["packed_back"] = ((_up(C, 32), _up(O, 4)), np.int8)
    return plan


def batch_plan(d: Dimensions, batch: int, fast_gradients: bool) -> Plan:
    """The arrays of a batch: saved for backward (for each layer) and passing (for all)."""
    B, T, C, H, V = batch, d.context, d.dim, d.hidden, d.vocab
    N, f32, i8 = B * T, np.float32, np.int8
    rows = min(HEAD_ROWS, N)
    plan: Plan = {
        "tokens": ((N,), np.int32), "targets": ((N,), np.int32), "loss": ((N,), f32), "embedded": ((N, C), f32),
        "normed": ((N, C), f32), "mixed": ((N, C), f32), "logits": ((rows, V), f32),
        "dx": ((N, C), f32), "dnormed": ((N, C), f32), "dmixed": ((N, C), f32), "dconv": ((N, C), f32), "du": ((N, 3 * C), f32),
        "block.scratch": ((kernels.block_scratch_floats(C, H),), f32),
        "in.rstd": ((N,), f32), "out.rstd": ((N,), f32), "out.q": ((N, _up(C, 4)), i8), "out.s": ((N,), f32), "out.x": ((N, C), f32),
    }  # fmt: skip
    if fast_gradients:
        plan.update({
            "entry": ((N, HEAD_ENTRIES), np.int32), "value": ((N, HEAD_ENTRIES), f32), "count": ((N,), np.int32),
            "first": ((V,), np.int32), "next": ((N, HEAD_ENTRIES), np.int32),
            "dout.q": ((N * _up(3 * C, 4),), i8), "dout.s": ((N,), f32), "dx.q": ((N, _up(C, 4)), i8), "dx.s": ((N,), f32),
            "dglu.q": ((N, _up(2 * H, 4)), i8), "dglu.s": ((N,), f32), "dgain": ((kernels.block_chunks(N), C), f32),
        })  # fmt: skip
    else:
        plan["dglu"], plan["dproduct"] = ((N, 2 * H), f32), ((N, H), f32)
    if d.copies:
        plan.update({
            "copy.rstd": ((N,), f32), "copy.q": ((N, _up(C, 4)), i8), "copy.s": ((N,), f32), "copy.u": ((N, 2 * d.copy_dim), f32),
            "dcopy": ((N, 2 * d.copy_dim), f32), "power": ((N, T), f32), "odds": ((N, 2), f32),
            "copy.scratch": ((B, 2, _up(T, 16), _up(d.copy_dim, 16)), f32),
        })  # fmt: skip
    for layer in range(d.layers):
        saved: Plan = {
            "x": ((N, C), f32), "rstd": ((N,), f32), "q": ((N, _up(C, 4)), i8), "s": ((N,), f32), "u": ((N, 3 * C), f32),
            "conv": ((N, C), f32), "h": ((N, C), f32), "mixed.q": ((N, _up(C, 4)), i8), "mixed.s": ((N,), f32),
            "glu.x": ((N, C), f32), "glu.rstd": ((N,), f32), "glu.q": ((N, _up(C, 4)), i8), "glu.s": ((N,), f32),
            "glu.u": ((N, 2 * H), f32), "product.q": ((N, _up(H, 4)), i8), "product.s": ((N,), f32),
        }  # fmt: skip
        plan.update({f"{layer}.{name}": entry for name, entry in saved.items()})
    return plan


def plan_bytes(plan: Plan) -> int:
    return sum(_up(int(np.prod(shape)) * np.dtype(dtype).itemsize, kernels.LINE) for shape, dtype in plan.values())


def _allocate(plan: Plan) -> Dict[str, np.ndarray]:
    """Arrays of zeros, each at the start of a cache line. They are one block of memory, because the operating system gives huge pages,
    and with them fewer page walks, to large blocks only."""
    block, at, arrays = kernels.zeros(plan_bytes(plan), np.uint8), 0, {}
    for name, (shape, dtype) in plan.items():
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        arrays[name] = block[at : at + size].view(dtype).reshape(shape)
        at += _up(size, kernels.LINE)
    return arrays


def check_counts(d: Dimensions, batch: int) -> None:
    """UsageError for a model or a batch with more numbers than the kernels count in 32 bits."""
    if parameter_count(d) > MOST_NUMBERS:
        raise UsageError(f"{parameter_count(d):,} parameters are more than {MOST_NUMBERS:,}: choose a smaller dim, hidden, vocab or layers")
    if batch * d.context * HEAD_ENTRIES > MOST_NUMBERS:
        raise UsageError(f"batch · context = {batch * d.context:,} is more than {MOST_NUMBERS // HEAD_ENTRIES:,}: choose a smaller batch")


class Network:
    """A model in training. All f32 parameters (and likewise all gradients) are one flat array with a view for each tensor.

    dimensions   the model's
    batch        windows in a batch; a batch is N = batch · context tokens
    loss_scale   what each token's gradient is multiplied by: 1 / tokens of an optimizer step
    fast_gradients   the gradient of each ternary layer's input from its output's rounded to int8, and of the logits from their
                     large entries and a sample of the small ones
    dropout   share of the inputs of mix_out and glu_out that `accumulate` sets to zero
    """

    def __init__(self, dimensions: Dimensions, batch: int, loss_scale: float, fast_gradients: bool = True, dropout: float = 0.0):
        self.dimensions, self.batch, self.fast_gradients, self.dropout = dimensions, batch, fast_gradients, dropout
        self.specs = {spec.name: spec for spec in tensor_specs(dimensions)}
        numbers = sum(spec.size for spec in self.specs.values())
        self.parameters, self.gradients = kernels.zeros(numbers), kernels.zeros(numbers)
        self.latent, self.gradient = self.views(self.parameters), self.views(self.gradients)
        plans = {name: weight_plan(spec, fast_gradients) for name, spec in self.specs.items() if spec.kind != "f32"}
        weights = _allocate({f"{name} {part}": entry for name, plan in plans.items() for part, entry in plan.items()})
        self.weights = {name: {part: weights[f"{name} {part}"] for part in plan} for name, plan in plans.items()}
        self.arrays = _allocate(batch_plan(dimensions, batch, fast_gradients))
        # What each place of chance draws from: two of dropout and four gradients to round in each layer, each part of the head, copying.
        parts = -(-batch * dimensions.context // HEAD_ROWS)
        self._draws = np.zeros((6 * dimensions.layers + parts + dimensions.copies, 2), np.uint32)
        self._discretize = self._bind_discretize()
        self._forward: List[Callable] = []
        self._backward: List[Callable] = []  # in reverse order
        self._head: List[Tuple[Callable, ...]] = []  # for each part: logits, loss with its gradient, and the dense gradient's backward
        self._scored: List[Tuple[Callable, Callable]] = []  # for each part: logits, loss
        self._bind_batch(loss_scale)

    def views(self, flat: np.ndarray) -> Dict[str, np.ndarray]:
        """A view of a flat array of all parameters for each tensor, in the order of the model file."""
        views, at = {}, 0
        for name, spec in self.specs.items():
            views[name] = flat[at : at + spec.size].reshape(spec.shape)
            at += spec.size
        return views

    def initialize(self, seed: int) -> None:
        """The first parameters, random where the table of model/architecture.py says so."""
        random = np.random.Generator(np.random.PCG64(seed))
        for name, latent in self.latent.items():
            initial = self.specs[name].row.initial
            if initial == "normal":
                latent[:] = 0.02 * random.standard_normal(latent.shape)
            elif initial == "uniform":
                latent[:] = random.uniform(-1.0, 1.0, latent.shape) / np.sqrt(latent.shape[1])
            elif initial == "ramp":
                latent[:] = np.linspace(-1.0, 5.0, len(latent))
            else:
                latent[:] = initial
        self.discretize()

    def discretize(self) -> None:
        """Make the discrete weights from the latent ones: after each change of the parameters."""
        for call in self._discretize:
            call()

    def forward(self, tokens: np.ndarray) -> None:
        """Run a batch (B, T) up to the last normalisation, and the odds of copying `arrays["targets"]`."""
        self.arrays["tokens"][:] = tokens.reshape(-1)
        for call in self._forward:
            call()

    def losses(self, tokens: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Cross-entropy in nats of each target, (B, T)."""
        self.arrays["targets"][:] = targets.reshape(-1)
        self.forward(tokens)
        for logits, loss in self._scored:
            logits()
            loss()
        return self.arrays["loss"].reshape(tokens.shape).copy()

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Logits (B, T, V): for tests and comparisons, training never holds them all."""
        self.forward(tokens)
        parts = []
        for logits, _ in self._scored:
            logits()
            parts.append(self.arrays["logits"].copy())
        logits = np.concatenate(parts)[: tokens.size].reshape(*tokens.shape, -1)
        if self.dimensions.copies:
            queries, keys = np.split(self.arrays["copy.u"].reshape(*tokens.shape, -1), 2, axis=2)
            for b in range(len(tokens)):
                mix_copies(logits[b], queries[b], keys[b], tokens[b], self.latent["copy_sentinel"], self.latent["copy_bias"], self.dimensions.context)
        return logits

    def accumulate(self, tokens: np.ndarray, targets: np.ndarray, number: int = 0) -> float:
        """Forward and backward of a batch (B, T): adds to `gradients` and returns the mean loss in nats. `number` is the batch's: the
        same number draws the same."""
        places = len(self._draws)
        self._draws[:, 0] = (np.arange(places) + number * places) & 0xFFFFFFFF
        self._draws[:, 1] = int(self.dropout * 2**32)
        self.arrays["targets"][:] = targets.reshape(-1)
        self.forward(tokens)
        self.arrays["dx"][:] = 0
        for calls in self._head:
            for call in calls:
                call()
        for call in reversed(self._backward):
            call()
        self._draws[:, 1] = 0  # whoever calls `forward` wants all of the network
        return float(self.arrays["loss"].mean(dtype=np.float64))

    def model(self, merges: np.ndarray, card: dict) -> Model:
        """The model as the last forward pass used it: discrete weights and their scales."""
        tensors = {}
        for name, spec in self.specs.items():
            if spec.kind == "f32":
                tensors[name] = self.latent[name].copy()
            else:
                tensors[name] = Matrix(self.weights[name]["weight"].copy(), self.weights[name]["scale"].copy())
        return Model(self.dimensions, card, merges, tensors)

    def _bind_discretize(self) -> List[Callable]:
        calls = []
        for name, w in self.weights.items():
            levels, share = (EMBEDDING_LEVELS, EMBEDDING_SHARE) if name == "embedding" else (1, 1.0)
            calls.append(kernels.bind("quantize_weights", w["weight"], w["scale"], self.latent[name], levels, share))
            if name != "embedding":
                calls.append(kernels.bind("linear_pack", w["packed"], w["weight"]))
            if "packed_back" in w:
                pack_back = "linear_pack_transposed" if self.fast_gradients else "linear_pack_gradient"
                calls.append(kernels.bind(pack_back, w["packed_back"], w["weight"]))
        return calls

    def _bind_batch(self, loss_scale: float) -> None:
        d, a, latent, gradient = self.dimensions, self.arrays, self.latent, self.gradient
        B, T = self.batch, d.context
        N = B * T
        shapes = {spec.shape for spec in self.specs.values() if spec.kind == "ternary"}
        scratch = max((kernels.linear_scratch(N, *shape) for shape in shapes), key=len)

        def both(forward: Callable, backward: Callable) -> None:
            self._forward.append(forward)
            self._backward.append(backward)

        def sequence(name: str) -> np.ndarray:
            return a[name].reshape(B, T, -1)

        def drop(x: str, dx: str, draw: np.ndarray) -> None:
            if self.dropout:
                both(*(kernels.bind("dropout", a[name].reshape(-1), draw) for name in (x, dx)))

        def ternary(out: str, residual: str, inp: str, saved: str, gain: str, matrix: str, dinp: str, dout: str, draw: np.ndarray) -> None:
            """out = [residual +] weight · quantised [rmsnorm of] inp; what is quantised is saved as saved.q and saved.s. With a norm,
            backward adds to dinp."""
            w, q, s, before = self.weights[matrix], a[saved + "q"], a[saved + "s"], a[residual] if residual else None
            norm = {"gain": latent[gain], "rstd": a[saved + "rstd"]} if gain else {"gain": None, "rstd": None}
            layer = kernels.struct(
                "layer", **norm, inp=a[inp], q=q, s=s, packed=w["packed"], transposed=w["packed_back"] if self.fast_gradients else None,
                scale=w["scale"], scratch=a["block.scratch"], O=len(w["weight"]),
            )  # fmt: skip
            self._forward.append(kernels.bind("layer_forward", a[out], before, layer))
            dgain = gradient[gain] if gain else None
            if self.fast_gradients:
                dq, ds = a["dout.q"][: N * _up(len(w["weight"]), 4)].reshape(N, -1), a["dout.s"]
                self._backward.append(kernels.bind("linear_backward_weight_int8", gradient[matrix], dq, ds, q, s, draw, scratch))
                self._backward.append(kernels.bind("layer_backward", a[dinp], dgain, dq, ds, a[dout], draw, a["dgain"], layer))
                return
            if gain:
                self._backward.append(kernels.bind("rmsnorm_backward", a[dinp], dgain, a["dnormed"], a[inp], norm["rstd"], norm["gain"]))
            self._backward += [
                kernels.bind("linear_backward_input", a["dnormed" if gain else dinp], a[dout], w["packed_back"], w["scale"], scratch),
                kernels.bind("linear_backward_weight", gradient[matrix], a[dout], q, s, scratch),
            ]

        def glu_block(here: str, after: str, block: str, draw_in: np.ndarray, draw_out: np.ndarray, draw: np.ndarray) -> None:
            """after = glu.x + glu_out · glu(glu_in · rmsnorm(glu.x))."""
            inp, u, rstd, gain = a[here + "glu.x"], a[here + "glu.u"], a[here + "glu.rstd"], latent[block + "norm_glu"]
            q, s, pq, ps = (a[here + name] for name in ("glu.q", "glu.s", "product.q", "product.s"))
            w_in, w_out = self.weights[block + "glu_in"], self.weights[block + "glu_out"]
            fast = self.fast_gradients
            arrays = kernels.struct(
                "glu_block", inp=inp, gain=gain, rstd=rstd, q=q, s=s, u=u, product_q=pq, product_s=ps,
                packed_in=w_in["packed"], transposed_in=w_in["packed_back"] if fast else None, scale_in=w_in["scale"],
                packed_out=w_out["packed"], transposed_out=w_out["packed_back"] if fast else None, scale_out=w_out["scale"],
                draw=draw, scratch=a["block.scratch"],
            )  # fmt: skip
            self._forward.append(kernels.bind("glu_block_forward", a[after], arrays))
            if self.fast_gradients:
                for matrix, dq, ds, inputs, draw_dq in (("glu_in", "dglu.q", "dglu.s", (q, s), draw_in), ("glu_out", "dx.q", "dx.s", (pq, ps), draw_out)):
                    weight_gradient = gradient[block + matrix]
                    self._backward.append(kernels.bind("linear_backward_weight_int8", weight_gradient, a[dq], a[ds], *inputs, draw_dq, scratch))
                self._backward.append(kernels.bind(
                    "glu_block_backward", a["dx"], gradient[block + "norm_glu"], a["dx.q"], a["dx.s"], a["dglu.q"], a["dglu.s"],
                    draw_out, draw_in, a["dgain"], arrays,
                ))  # fmt: skip
                return
            self._backward += [
                kernels.bind("rmsnorm_backward", a["dx"], gradient[block + "norm_glu"], a["dnormed"], inp, rstd, gain),
                kernels.bind("linear_backward_input", a["dnormed"], a["dglu"], w_in["packed_back"], w_in["scale"], scratch),
                kernels.bind("linear_backward_weight", gradient[block + "glu_in"], a["dglu"], q, s, scratch),
                kernels.bind("glu_backward", a["dglu"], a["dproduct"], u),
                *([kernels.bind("dropout", a["dproduct"].reshape(-1), draw)] if self.dropout else []),
                kernels.bind("linear_backward_input", a["dproduct"], a["dx"], w_out["packed_back"], w_out["scale"], scratch),
                kernels.bind("linear_backward_weight", gradient[block + "glu_out"], a["dx"], pq, ps, scratch),
            ]

        embedding = self.weights["embedding"]
        both(
            kernels.bind("embedding_forward", a["embedded"], a["tokens"], embedding["weight"], embedding["scale"]),
            kernels.bind("embedding_backward", gradient["embedding"], a["dnormed"], a["tokens"]),
        )
        both(
            kernels.bind("rmsnorm_forward", a["0.x"], a["in.rstd"], a["embedded"], latent["norm_in"]),
            kernels.bind("rmsnorm_backward", a["dnormed"], gradient["norm_in"], a["dx"], a["embedded"], a["in.rstd"], latent["norm_in"]),
        )
        self._backward.append(lambda: a["dnormed"].fill(0))  # runs just before: this norm has no residual branch to join
        for layer in range(d.layers):
            here, block, draws = f"{layer}.", f"blocks.{layer}.", self._draws[6 * layer : 6 * layer + 6]
            after = f"{layer + 1}.x" if layer + 1 < d.layers else "out.x"
            ternary(here + "u", "", here + "x", here, block + "norm_mix", block + "mix_in", "dx", "du", draws[0])
            both(
                kernels.bind("conv_forward", sequence(here + "conv"), sequence(here + "u"), latent[block + "taps"]),
                kernels.bind("conv_backward", sequence("du"), gradient[block + "taps"], sequence("dconv"), sequence(here + "u"), latent[block + "taps"]),
            )
            both(
                kernels.bind("scan_forward", sequence("mixed"), sequence(here + "h"), sequence(here + "u"), sequence(here + "conv"), latent[block + "forget_bias"]),
                kernels.bind("scan_backward", sequence("dconv"), sequence("du"), gradient[block + "forget_bias"], sequence("dmixed"),
                             sequence(here + "h"), sequence(here + "u"), sequence(here + "conv")),
            )  # fmt: skip
            drop("mixed", "dmixed", draws[4])
            ternary(here + "glu.x", here + "x", "mixed", here + "mixed.", "", block + "mix_out", "dmixed", "dx", draws[1])
            glu_block(here, after, block, draws[2], draws[3], draws[5])
        if d.copies:
            ternary("copy.u", "", "out.x", "copy.", "norm_copy", "copy_in", "dx", "dcopy", self._draws[-1])
            odds, power, u, du = (sequence(name) for name in ("odds", "power", "copy.u", "dcopy"))
            copying = kernels.struct(
                "copying", u=u, sentinel=latent["copy_sentinel"], bias=latent["copy_bias"], tokens=a["tokens"].reshape(B, T),
                targets=a["targets"].reshape(B, T), power=power, scratch=a["copy.scratch"],
            )  # fmt: skip
            both(
                kernels.bind("copy_forward", odds, copying),
                kernels.bind("copy_backward", du, gradient["copy_sentinel"], gradient["copy_bias"], odds, copying),
            )
        both(
            kernels.bind("rmsnorm_forward", a["normed"], a["out.rstd"], a["out.x"], latent["norm_out"]),
            kernels.bind("rmsnorm_backward", a["dx"], gradient["norm_out"], a["dnormed"], a["out.x"], a["out.rstd"], latent["norm_out"]),
        )
        self._forward.append(kernels.bind("quantize_activations", a["out.q"], a["out.s"], a["normed"]))
        self._bind_head(loss_scale)

    def _bind_head(self, loss_scale: float) -> None:
        """The output layer and its loss, HEAD_ROWS tokens at a time."""
        a, w, N = self.arrays, self.weights["head"], self.batch * self.dimensions.context
        scratch = None if self.fast_gradients else kernels.linear_scratch(min(HEAD_ROWS, N), *w["weight"].shape)

        def crossentropy_gradient(rows: slice) -> Any:
            return kernels.struct("sparse_gradient", first=a["first"], **{name: a[name][rows] for name in ("entry", "value", "count", "next")})

        for part, start in enumerate(range(0, N, HEAD_ROWS)):
            rows = slice(start, min(start + HEAD_ROWS, N))
            count = rows.stop - start
            logits, loss, targets, q, s = a["logits"][:count], a["loss"][rows], a["targets"][rows], a["out.q"][rows], a["out.s"][rows]
            forward = kernels.bind("linear_forward", logits, None, q, s, w["packed"], w["scale"])
            odds = a["odds"][rows] if self.dimensions.copies else None
            dense = kernels.bind("crossentropy", loss, logits, targets, odds, loss_scale)
            self._scored.append((forward, dense))
            if self.fast_gradients:
                draw = self._draws[6 * self.dimensions.layers + part]
                sparse = crossentropy_gradient(rows)
                self._head.append((forward, kernels.bind("crossentropy_sparse", loss, sparse, logits, targets, odds, draw, loss_scale)))
            else:
                self._head.append((
                    forward,
                    dense,
                    kernels.bind("linear_backward_input", a["dnormed"][rows], logits, w["packed_back"], w["scale"], scratch),
                    kernels.bind("linear_backward_weight", self.gradient["head"], logits, q, s, scratch),
                ))  # fmt: skip
        if self.fast_gradients:
            sparse = crossentropy_gradient(slice(None))
            self._backward.append(kernels.bind(
                "head_backward_sparse", a["dnormed"], self.gradient["head"], sparse, a["out.q"], a["out.s"], w["weight"], w["scale"]
            ))  # fmt: skip
