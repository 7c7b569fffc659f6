"""The network in training: parameters, gradients, and one batch forward and backward through the C kernels.

Everything is allocated once, from a plan of shapes that also gives the memory estimate. The calls of a batch are bound to their
arrays once (`kernels.bind`), so a step is two lists of C calls. docs/kernels.md shows the way of the data.
"""

from typing import Callable, Dict, List, Tuple

import numpy as np

from . import kernels
from .model_file import Dimensions, Matrix, Model, TensorSpec, tensor_specs

HEAD_ROWS = 256  # tokens whose logits exist at a time: all of a batch would be its largest array by far
EMBEDDING_LEVELS, EMBEDDING_SHARE = 4, 0.7  # docs/numerics.md: nine levels, the scale is 0.7 of the row's mean magnitude
PYTHON_BYTES = 100 << 20  # NumPy, tiktoken and matplotlib, measured

Plan = Dict[str, Tuple[Tuple[int, ...], type]]


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def in_int8(spec: TensorSpec, int8_gradients: bool) -> bool:
    """Whether the gradient of a matrix's input is computed in int8: not the head's, see _kernels.c."""
    return int8_gradients and spec.name != "head"


def weight_plan(spec: TensorSpec, int8_gradients: bool) -> Plan:
    """The arrays of one matrix in its discrete form: levels, scales, and (not for the embedding, which is only looked up) the two
    packed copies that the products of forward and backward read."""
    O, C = spec.shape
    plan: Plan = {"weight": ((O, C), np.int8), "scale": ((spec.scales,), np.float32)}
    if spec.name != "embedding":
        plan["packed"] = ((_up(O, 32), _up(C, 4)), np.int8)
        turned = ((_up(C, 32), _up(O, 4)), np.int8)
        plan["packed_back"] = turned if in_int8(spec, int8_gradients) else ((O, _up(C, 32)), np.float32)
    return plan


def batch_plan(d: Dimensions, batch: int) -> Plan:
    """The arrays of a batch: saved for backward (for each layer) and passing (for all)."""
    B, T, C, H, V = batch, d.context, d.dim, d.hidden, d.vocab
    N, f32, i8 = B * T, np.float32, np.int8
    rows = min(HEAD_ROWS, N)
    plan: Plan = {
        "tokens": ((N,), np.int32), "targets": ((N,), np.int32), "loss": ((N,), f32), "embedded": ((N, C), f32),
        "normed": ((N, C), f32), "mixed": ((N, C), f32), "product": ((N, H), f32), "logits": ((rows, V), f32),
        "dx": ((N, C), f32), "dnormed": ((N, C), f32), "dmixed": ((N, C), f32), "dconv": ((N, C), f32),
        "du": ((N, 3 * C), f32), "dglu": ((N, 2 * H), f32), "dproduct": ((N, H), f32),
        "dout.q": ((N * _up(max(3 * C, 2 * H), 4),), i8), "dout.s": ((N,), f32),
        "in.rstd": ((N,), f32), "out.rstd": ((N,), f32), "out.q": ((N, _up(C, 4)), i8), "out.s": ((N,), f32), "out.x": ((N, C), f32),
    }  # fmt: skip
    for layer in range(d.layers):
        saved: Plan = {
            "x": ((N, C), f32), "rstd": ((N,), f32), "q": ((N, _up(C, 4)), i8), "s": ((N,), f32), "u": ((N, 3 * C), f32),
            "conv": ((N, C), f32), "h": ((N, C), f32), "mixed.q": ((N, _up(C, 4)), i8), "mixed.s": ((N,), f32),
            "glu.x": ((N, C), f32), "glu.rstd": ((N,), f32), "glu.q": ((N, _up(C, 4)), i8), "glu.s": ((N,), f32),
            "glu.u": ((N, 2 * H), f32), "product.q": ((N, _up(H, 4)), i8), "product.s": ((N,), f32),
        }  # fmt: skip
        plan.update({f"{layer}.{name}": entry for name, entry in saved.items()})
    return plan


def _bytes(plan: Plan) -> int:
    return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in plan.values())


def _allocate(plan: Plan) -> Dict[str, np.ndarray]:
    return {name: np.zeros(shape, dtype) for name, (shape, dtype) in plan.items()}


def memory_estimate(d: Dimensions, batch: int, int8_gradients: bool = True) -> Dict[str, int]:
    """Bytes of a training run by part, as the classes here and in optimizer.py allocate them."""
    specs, tokens = tensor_specs(d), batch * d.context
    numbers = sum(spec.size for spec in specs)
    adam = sum(spec.size for spec in specs if spec.kind != "ternary")
    matrices = [spec.shape for spec in specs if spec.kind == "ternary"]
    # C's own numbers of floats, because to allocate would fail, without our arithmetic, for what is far too large.
    scratch = (
        max(kernels.linear_scratch_floats(tokens, *shape) for shape in matrices)
        + kernels.linear_scratch_floats(min(HEAD_ROWS, tokens), d.vocab, d.dim)
        + max(kernels.muon_scratch_floats(*shape) for shape in matrices)
    )
    return {
        "parameters, gradients, momentum": 4 * (3 * numbers + adam),
        "discrete weights": sum(_bytes(weight_plan(spec, int8_gradients)) for spec in specs if spec.kind != "f32"),
        "activations of a batch": _bytes(batch_plan(d, batch)),
        "scratch of the kernels": 4 * scratch,
        "samples": 5 * numbers,  # the reference's copy of the weights: int8 and f32
        "Python and its libraries": PYTHON_BYTES,
    }


class Network:
    """A model in training. All f32 parameters (and likewise all gradients) are one flat array with a view for each tensor.

    dimensions   the model's
    batch        windows in a batch; a batch is N = batch · context tokens
    loss_scale   what each token's gradient is multiplied by: 1 / tokens of an optimizer step
    int8_gradients   compute the gradient of each ternary layer's input from its output's rounded to int8
    """

    def __init__(self, dimensions: Dimensions, batch: int, loss_scale: float, int8_gradients: bool = True):
        self.dimensions, self.batch, self.int8_gradients = dimensions, batch, int8_gradients
        self.specs = {spec.name: spec for spec in tensor_specs(dimensions)}
        numbers = sum(spec.size for spec in self.specs.values())
        self.parameters, self.gradients = np.zeros(numbers, np.float32), np.zeros(numbers, np.float32)
        self.latent, self.gradient = self.views(self.parameters), self.views(self.gradients)
        self.weights = {name: _allocate(weight_plan(spec, int8_gradients)) for name, spec in self.specs.items() if spec.kind != "f32"}
        self.arrays = _allocate(batch_plan(dimensions, batch))
        self._discretize = self._bind_discretize()
        self._forward: List[Callable] = []
        self._backward: List[Callable] = []  # in reverse order
        self._head: List[Tuple[Callable, Callable, Callable, Callable]] = []  # logits, loss, two gradients
        self._bind_batch(loss_scale)

    def views(self, flat: np.ndarray) -> Dict[str, np.ndarray]:
        """A view of a flat array of all parameters for each tensor, in the order of the model file."""
        views, at = {}, 0
        for name, spec in self.specs.items():
            views[name] = flat[at : at + spec.size].reshape(spec.shape)
            at += spec.size
        return views

    def initialize(self, seed: int) -> None:
        """Random parameters: uniform ±1/sqrt(inputs) matrices and taps, small normal tables, forget gates of all time spans."""
        random = np.random.Generator(np.random.PCG64(seed))
        for name, latent in self.latent.items():
            part = name.split(".")[-1]
            if part in ("embedding", "head"):
                latent[:] = 0.02 * random.standard_normal(latent.shape)
            elif part.startswith("norm"):
                latent[:] = 1.0
            elif part == "forget_bias":
                latent[:] = np.linspace(-1.0, 5.0, len(latent))
            else:
                latent[:] = random.uniform(-1.0, 1.0, latent.shape) / np.sqrt(latent.shape[1])
        self.discretize()

    def discretize(self) -> None:
        """Make the discrete weights from the latent ones: after each change of the parameters."""
        for call in self._discretize:
            call()

    def forward(self, tokens: np.ndarray) -> None:
        """Run a batch (B, T) up to the last normalisation."""
        self.arrays["tokens"][:] = tokens.reshape(-1)
        for call in self._forward:
            call()

    def losses(self, tokens: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Cross-entropy in nats of each target, (B, T)."""
        self.forward(tokens)
        self.arrays["targets"][:] = targets.reshape(-1)
        for logits, loss, *_ in self._head:
            logits()
            loss()
        return self.arrays["loss"].reshape(tokens.shape).copy()

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Logits (B, T, V): for tests and comparisons, training never holds them all."""
        self.forward(tokens)
        parts = []
        for logits, *_ in self._head:
            logits()
            parts.append(self.arrays["logits"].copy())
        count = tokens.size
        return np.concatenate(parts)[:count].reshape(*tokens.shape, -1)

    def accumulate(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        """Forward and backward of a batch (B, T): adds to `gradients` and returns the mean loss in nats."""
        self.forward(tokens)
        self.arrays["targets"][:] = targets.reshape(-1)
        self.arrays["dx"][:] = 0
        for calls in self._head:
            for call in calls:
                call()
        for call in reversed(self._backward):
            call()
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
            calls.append(kernels.bind("discretize_forward", w["weight"], w["scale"], self.latent[name], levels, share))
            if name != "embedding":
                pack_back = "linear_pack_turned" if in_int8(self.specs[name], self.int8_gradients) else "linear_pack_gradient"
                calls.append(kernels.bind("linear_pack", w["packed"], w["weight"]))
                calls.append(kernels.bind(pack_back, w["packed_back"], w["weight"]))
        return calls

    def _bind_batch(self, loss_scale: float) -> None:
        d, a, latent, gradient = self.dimensions, self.arrays, self.latent, self.gradient
        B, T, C, H = self.batch, d.context, d.dim, d.hidden
        N = B * T
        scratch = max((kernels.linear_scratch(N, *shape) for shape in ((3 * C, C), (C, C), (2 * H, C), (C, H))), key=len)

        def both(forward: Callable, backward: Callable) -> None:
            self._forward.append(forward)
            self._backward.append(backward)

        def sequence(name: str) -> np.ndarray:
            return a[name].reshape(B, T, -1)

        def norm(x: str, rstd: str, gain: str) -> None:
            """normed = rmsnorm(x); backward adds to dx."""
            both(
                kernels.bind("rmsnorm_forward", a["normed"], a[rstd], a[x], latent[gain]),
                kernels.bind("rmsnorm_backward", a["dx"], gradient[gain], a["dnormed"], a[x], a[rstd], latent[gain]),
            )

        def linear(out: str, residual: str, inp: str, saved: str, matrix: str, dinp: str, dout: str) -> None:
            """out = [residual +] weight · quantised inp; inp is quantised into saved.q and saved.s."""
            w, q, s = self.weights[matrix], a[saved + "q"], a[saved + "s"]
            self._forward.append(kernels.bind("quantize_forward", q, s, a[inp]))
            both(
                kernels.bind("linear_forward", a[out], a[residual] if residual else None, q, s, w["packed"], w["scale"]),
                kernels.bind("linear_backward_weight", gradient[matrix], a[dout], q, s, scratch),
            )
            if in_int8(self.specs[matrix], self.int8_gradients):
                O = w["weight"].shape[0]
                dq, ds = a["dout.q"][: N * _up(O, 4)].reshape(N, -1), a["dout.s"]
                self._backward.append(kernels.bind("linear_forward", a[dinp], None, dq, ds, w["packed_back"], w["scale"]))
                self._backward.append(kernels.bind("quantize_forward", dq, ds, a[dout]))
            else:
                self._backward.append(kernels.bind("linear_backward_input", a[dinp], a[dout], w["packed_back"], w["scale"], scratch))

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
            here, block = f"{layer}.", f"blocks.{layer}."
            after = f"{layer + 1}.x" if layer + 1 < d.layers else "out.x"
            norm(here + "x", here + "rstd", block + "norm_mix")
            linear(here + "u", "", "normed", here, block + "mix_in", "dnormed", "du")
            both(
                kernels.bind("conv_forward", sequence(here + "conv"), sequence(here + "u"), latent[block + "taps"]),
                kernels.bind("conv_backward", sequence("du"), gradient[block + "taps"], sequence("dconv"), sequence(here + "u"), latent[block + "taps"]),
            )
            both(
                kernels.bind("scan_forward", sequence("mixed"), sequence(here + "h"), sequence(here + "u"), sequence(here + "conv"), latent[block + "forget_bias"]),
                kernels.bind("scan_backward", sequence("dconv"), sequence("du"), gradient[block + "forget_bias"], sequence("dmixed"),
                             sequence(here + "h"), sequence(here + "u"), sequence(here + "conv")),
            )  # fmt: skip
            linear(here + "glu.x", here + "x", "mixed", here + "mixed.", block + "mix_out", "dmixed", "dx")
            norm(here + "glu.x", here + "glu.rstd", block + "norm_glu")
            linear(here + "glu.u", "", "normed", here + "glu.", block + "glu_in", "dnormed", "dglu")
            both(
                kernels.bind("glu_forward", a["product"], a[here + "glu.u"]),
                kernels.bind("glu_backward", a["dglu"], a["dproduct"], a[here + "glu.u"]),
            )
            linear(after, here + "glu.x", "product", here + "product.", block + "glu_out", "dproduct", "dx")
        norm("out.x", "out.rstd", "norm_out")
        self._forward.append(kernels.bind("quantize_forward", a["out.q"], a["out.s"], a["normed"]))
        self._bind_head(loss_scale)

    def _bind_head(self, loss_scale: float) -> None:
        """The output layer and its loss, HEAD_ROWS tokens at a time."""
        a, w, N = self.arrays, self.weights["head"], self.batch * self.dimensions.context
        scratch = kernels.linear_scratch(min(HEAD_ROWS, N), *w["weight"].shape)
        for start in range(0, N, HEAD_ROWS):
            rows = slice(start, min(start + HEAD_ROWS, N))
            logits = a["logits"][: rows.stop - start]
            q, s = a["out.q"][rows], a["out.s"][rows]
            self._head.append((
                kernels.bind("linear_forward", logits, None, q, s, w["packed"], w["scale"]),
                kernels.bind("crossentropy", a["loss"][rows], logits, a["targets"][rows], loss_scale),
                kernels.bind("linear_backward_input", a["dnormed"][rows], logits, w["packed_back"], w["scale"], scratch),
                kernels.bind("linear_backward_weight", self.gradient["head"], logits, q, s, scratch),
            ))  # fmt: skip
