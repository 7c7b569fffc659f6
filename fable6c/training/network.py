"""The network in training: parameters, gradients, and one batch forward and backward through the C kernels.

Everything is allocated once, from a plan of shapes that also gives the memory estimate. The calls of a batch are bound to their
arrays once (`kernels.bind`), so a step is two lists of C calls. docs/kernels.md shows the way of the data.
"""

import functools
import re
from collections.abc import Iterator
from typing import Any, Callable, Optional, Union

import numpy as np

from fable6c import headers, kernels
from fable6c.errors import UsageError
from fable6c.model.architecture import DRAWS_IN_A_BLOCK, Dimensions, Operation, TensorSpec, operations, parameter_count, tensor_specs
from fable6c.model.file import Matrix, Model
from fable6c.model.reference import mix_copies

MAX_NUMBERS = 2**31 - 1
HEAD_ENTRIES = 96  # of the gradient of a row of logits: entries below 1/64 are drawn by lot (_kernels.c, crossentropy_sparse)
HEAD_ROWS = 64  # tokens whose logits exist at a time: a cache holds them, all of a batch would be its largest array by far
NONARY_LEVELS, NONARY_SHARE = 4, 0.7  # docs/numerics.md: nine levels, the scale is 0.7 of the row's mean magnitude

# Arrays that pass from one operation to the next; all layers use the same.
SHARED = {"tokens", "targets", "loss", "normed", "mixed", "logits", "odds", "scratch", "dx", "dnormed", "dmixed", "dconv", "du", "dcopy"}

Plan = dict[str, tuple[tuple[int, ...], type]]


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def weight_plan(spec: TensorSpec, fast_gradients: bool) -> Plan:
    """The arrays of one matrix, quantized: levels, scales, and (not for a nonary one, which is only looked up) the packed
    copies that the products of forward and backward read."""
    O, C = spec.shape
    plan: Plan = {"weight": ((O, C), np.int8), "scale": ((spec.scales,), np.float32)}
    if spec.kind != "nonary":
        plan["packed"] = ((_up(O, 32), _up(C, 4)), np.int8)
        if not fast_gradients:
            plan["packed_back"] = ((O, _up(C, 32)), np.float32)
        elif spec.kind != "ternary_rows":  # the head, whose sparse gradient reads rows of `weight`
            plan["packed_back"] = ((_up(C, 32), _up(O, 4)), np.int8)
    return plan


def array_name(name: str, layer: int) -> str:
    """Where an array of an operation stands in a batch's plan: those that the layers have each for themselves with the layer's number."""
    if name == "next":
        return f"{layer + 1}.x"
    return name if name in SHARED else f"{layer}.{name}"


def batch_plan(d: Dimensions, batch: int, fast_gradients: bool, taught: bool = False) -> Plan:
    """The arrays of a batch: what the operations save for backward, and what passes through."""
    B, T, C, H, V = batch, d.context, d.dim, d.hidden, d.vocab
    N, f32, i8 = B * T, np.float32, np.int8
    rows = min(HEAD_ROWS, N)
    plan: Plan = {
        "tokens": ((N,), np.int32), "targets": ((N,), np.int32), "loss": ((N,), f32), "normed": ((N, C), f32), "mixed": ((N, C), f32),
        "logits": ((rows, V), f32), "dx": ((N, C), f32), "dnormed": ((N, C), f32), "dmixed": ((N, C), f32), "dconv": ((N, C), f32),
        "du": ((N, 3 * C), f32), "scratch": ((kernels.block_scratch_floats(C, H),), f32),
    }  # fmt: skip
    if taught:
        plan["soft"] = ((rows, V), f32)
    if fast_gradients:
        plan.update({
            "entry": ((N, HEAD_ENTRIES), np.int32), "value": ((N, HEAD_ENTRIES), f32), "count": ((N,), np.int32),
            "first": ((V,), np.int32), "next_entry": ((N, HEAD_ENTRIES), np.int32),
            "dout.q": ((N * _up(3 * C, 4),), i8), "dout.s": ((N,), f32), "dx.q": ((N, _up(C, 4)), i8), "dx.s": ((N,), f32),
            "dglu.q": ((N, _up(2 * H, 4)), i8), "dglu.s": ((N,), f32), "dgain": ((kernels.block_chunks(N), C), f32),
        })  # fmt: skip
    else:
        plan["dglu"], plan["dproduct"] = ((N, 2 * H), f32), ((N, H), f32)
    sizes = {"N": N, "B": B, "T": T}
    for operation, layer, _ in operations(d):
        for name, dtype, shape in re.findall(r"([\w.]+):(\w+)\(([^)]*)\)", operation.saved):
            extents = []
            for size in shape.split(","):
                text, _, multiple = size.partition("~")
                extents.append(_up(sizes.get(text) or d.size(text), int(multiple or 1)))
            plan[array_name(name, layer)] = (tuple(extents), {"f32": f32, "i8": i8}[dtype])
    return plan


def plan_bytes(plan: Plan) -> int:
    return sum(_up(int(np.prod(shape)) * np.dtype(dtype).itemsize, kernels.LINE) for shape, dtype in plan.values())


def _allocate(plan: Plan) -> dict[str, np.ndarray]:
    """Arrays of zeros, each at the start of a cache line. They are one block of memory, because the operating system gives huge pages,
    and with them fewer page walks, to large blocks only."""
    block, at = kernels.zeros(plan_bytes(plan), np.uint8), 0
    arrays: dict[str, np.ndarray] = {}
    for name, (shape, dtype) in plan.items():
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        arrays[name] = block[at : at + size].view(dtype).reshape(shape)
        at += _up(size, kernels.LINE)
    return arrays


def check_counts(d: Dimensions, batch: int) -> None:
    """UsageError for a model or a batch with more numbers than the kernels count in 32 bits."""
    if parameter_count(d) > MAX_NUMBERS:
        raise UsageError(f"{parameter_count(d):,} parameters are more than {MAX_NUMBERS:,}: choose a smaller dim, hidden, vocab or layers")
    if batch * d.context * HEAD_ENTRIES > MAX_NUMBERS:
        raise UsageError(f"batch · context = {batch * d.context:,} is more than {MAX_NUMBERS // HEAD_ENTRIES:,}: choose a smaller batch")


def _both_of(first: Callable, second: Callable) -> None:
    first()
    second()


class Network:
    """A model in training. All f32 parameters (and likewise all gradients) are one flat array with a view for each tensor.

    dimensions   the model's
    batch        windows in a batch; a batch is N = batch · context tokens
    loss_scale   what each token's gradient is multiplied by: 1 / tokens of an optimizer step
    fast_gradients   the gradient of each ternary layer's input from its output's rounded to int8, and of the logits from their
                     large entries and a sample of the small ones
    dropout   share of the inputs of mix_out and glu_out that `accumulate` sets to zero
    taught   share of a token's target that comes from other models' predictions (`accumulate`); 0: the target is the text's next token
    """

    def __init__(
        self, dimensions: Dimensions, batch: int, loss_scale: float, fast_gradients: bool = True, dropout: float = 0.0, taught: float = 0.0
    ):
        self.dimensions, self.batch, self.fast_gradients, self.dropout, self.taught = dimensions, batch, fast_gradients, dropout, taught
        self.specs = {spec.name: spec for spec in tensor_specs(dimensions)}
        numbers = sum(spec.size for spec in self.specs.values())
        self.parameters, self.gradients = kernels.zeros(numbers), kernels.zeros(numbers)
        self.latent, self.gradient = self.views(self.parameters), self.views(self.gradients)
        plans = {name: weight_plan(spec, fast_gradients) for name, spec in self.specs.items() if spec.kind != "f32"}
        weights = _allocate({f"{name} {part}": entry for name, plan in plans.items() for part, entry in plan.items()})
        self.weights = {name: {part: weights[f"{name} {part}"] for part in plan} for name, plan in plans.items()}
        self.arrays = _allocate(batch_plan(dimensions, batch, fast_gradients, taught > 0))
        # What each place of chance draws from: two of dropout and four gradients to round in each layer, each part of the head, copying.
        parts = -(-batch * dimensions.context // HEAD_ROWS)
        self._draws = np.zeros((DRAWS_IN_A_BLOCK * dimensions.layers + parts + dimensions.copies, 2), np.uint32)
        self.teaching: Any = None  # puts into arrays["soft"] what the teachers predict (teachers.py)
        self._quantizing = self._bind_quantizing()
        self._forward: list[Callable] = []
        self._backward: list[Callable] = []  # in reverse order
        self._head: list[tuple[Callable, ...]] = []  # for each part: logits, loss with its gradient, and the dense gradient's backward
        self._scored: list[tuple[Callable, Callable]] = []  # for each part: logits, loss
        self._bind_batch(loss_scale)

    def views(self, flat: np.ndarray) -> dict[str, np.ndarray]:
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
        self.quantize_weights()

    def quantize_weights(self) -> None:
        """Make the quantized weights from the latent ones: after each change of the parameters."""
        for call in self._quantizing:
            call()

    def take(self, model: Model) -> None:
        """The weights of a model file, of the same sizes, in place of those of the parameters: to score it, not to train it on."""
        for name, w in self.weights.items():
            matrix = model.tensors[name]
            assert isinstance(matrix, Matrix)
            w["weight"][:], w["scale"][:] = matrix.weight, matrix.scale
            if "packed" in w:
                kernels.linear_pack(w["packed"], w["weight"])
        for name, spec in self.specs.items():
            if spec.kind == "f32":
                self.latent[name][:] = model.tensors[name]

    def forward(self, tokens: np.ndarray) -> None:
        """Run a batch (B, T) up to the last normalization, and the odds of copying `arrays["targets"]`."""
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

    def parts_of_logits(self, tokens: np.ndarray, targets: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Which of the batch's N tokens, and their logits (n, V) before copying, HEAD_ROWS at a time: each part overwrites the one before.
        `arrays["odds"]` has what copying gives the targets."""
        self.arrays["targets"][:] = targets.reshape(-1)
        self.forward(tokens)
        for part, (logits, _) in enumerate(self._scored):
            logits()
            rows = slice(part * HEAD_ROWS, min((part + 1) * HEAD_ROWS, tokens.size))
            yield rows, self.arrays["logits"][: rows.stop - rows.start]

    def bind_teaching(self, soft: np.ndarray, share: float) -> list[Callable]:
        """For each part of a batch a call that adds to `soft` (HEAD_ROWS, V) its share of what this network, after `forward`, predicts."""
        calls: list[Callable] = []
        for part, (logits, _) in enumerate(self._scored):
            start = part * HEAD_ROWS
            count = min(HEAD_ROWS, len(self.arrays["tokens"]) - start)
            add = kernels.bind("soft_targets", soft[:count], self.arrays["logits"][:count], self._power(), self._tokens(), start, share)
            calls.append(functools.partial(_both_of, logits, add))
        return calls

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Logits (B, T, V): for tests and comparisons, training never holds them all."""
        self.forward(tokens)
        parts = []
        for call, _ in self._scored:
            call()
            parts.append(self.arrays["logits"].copy())
        logits = np.concatenate(parts)[: tokens.size].reshape(*tokens.shape, -1)
        if self.dimensions.copies:
            queries, keys = np.split(self._array("copy_in.u", self.dimensions.layers).reshape(*tokens.shape, -1), 2, axis=2)
            for b in range(len(tokens)):
                mix_copies(
                    logits[b],
                    queries[b],
                    keys[b],
                    tokens[b, 1:],
                    self.latent["copy_sentinel"],
                    self.latent["copy_bias"],
                    self.dimensions.context,
                )
        return logits

    def accumulate(self, tokens: np.ndarray, targets: np.ndarray, number: int = 0) -> float:
        """Forward and backward of a batch (B, T): adds to `gradients` and returns the mean loss in nats. `number` is the batch's: the
        same number draws the same. Targets below 0 are left out. A network that is taught has its `teaching` set before."""
        places = len(self._draws)
        self._draws[:, 0] = (np.arange(places) + number * places) & 0xFFFFFFFF
        self._draws[:, 1] = int(self.dropout * 2**32)
        self.arrays["targets"][:] = targets.reshape(-1)
        self.forward(tokens)
        self.arrays["dx"][:] = 0
        if self.teaching:
            self.teaching.read(tokens, targets)
        for part, calls in enumerate(self._head):
            if self.teaching:
                self.teaching.part(part)
            for call in calls:
                call()
        for call in reversed(self._backward):
            call()
        self._draws[:, 1] = 0  # whoever calls `forward` wants all of the network
        return float(self.arrays["loss"].sum(dtype=np.float64)) / max(1, int(np.count_nonzero(targets >= 0)))

    def model(self, merges: np.ndarray, card: dict) -> Model:
        """The model as the last forward pass used it: quantized weights and their scales."""
        tensors: dict[str, Union[Matrix, np.ndarray]] = {}
        for name, spec in self.specs.items():
            if spec.kind == "f32":
                tensors[name] = self.latent[name].copy()
            else:
                tensors[name] = Matrix(self.weights[name]["weight"].copy(), self.weights[name]["scale"].copy())
        return Model(self.dimensions, card, merges, tensors)

    def _bind_quantizing(self) -> list[Callable]:
        calls: list[Callable] = []
        for name, w in self.weights.items():
            levels, share = (NONARY_LEVELS, NONARY_SHARE) if self.specs[name].kind == "nonary" else (1, 1.0)
            calls.append(kernels.bind("quantize_weights", w["weight"], w["scale"], self.latent[name], levels, share))
            if "packed" in w:
                calls.append(kernels.bind("linear_pack", w["packed"], w["weight"]))
            if "packed_back" in w:
                pack_back = "linear_pack_transposed" if self.fast_gradients else "linear_pack_gradient"
                calls.append(kernels.bind(pack_back, w["packed_back"], w["weight"]))
        return calls

    def _bind_batch(self, loss_scale: float) -> None:
        shapes = {spec.shape for spec in self.specs.values() if spec.kind == "ternary"}
        self._scratch = max((kernels.linear_scratch(self.batch * self.dimensions.context, *shape) for shape in shapes), key=len)
        self._loss_scale = loss_scale
        for operation, layer, prefix in operations(self.dimensions):
            getattr(self, f"_bind_{operation.kind}", self._bind_kernels)(operation, layer, prefix)

    # Each of these binds one operation of model/architecture.py: its forward call, and what backward does in its place. `layer` and
    # `prefix` say which arrays and tensors are its own.

    def _both(self, forward: Callable, backward: Callable) -> None:
        self._forward.append(forward)
        self._backward.append(backward)

    def _array(self, name: str, layer: int) -> np.ndarray:
        return self.arrays[array_name(name, layer)]

    def _windows(self, array: np.ndarray) -> np.ndarray:
        """An array (N, …) as (B, T, …)."""
        return array.reshape(self.batch, self.dimensions.context, -1)

    def _tokens(self) -> np.ndarray:
        """The tokens of a batch, (B, T)."""
        return self.arrays["tokens"].reshape(self.batch, self.dimensions.context)

    def _power(self) -> Optional[np.ndarray]:
        """The odds of each copy after `forward`, (B, T, T); None where the model does not copy."""
        return self._windows(self._array("power", self.dimensions.layers)) if self.dimensions.copies else None

    def _draw(self, operation: Operation, layer: int, number: int) -> np.ndarray:
        return self._draws[DRAWS_IN_A_BLOCK * layer + operation.draws[number] if operation.draws else -1]

    def _bind_embedding(self, operation: Operation, layer: int, prefix: str) -> None:
        a, w = self.arrays, self.weights["embedding"]
        self._both(
            kernels.bind("embedding_forward", self._array(operation.out, layer), a["tokens"], w["weight"], w["scale"]),
            kernels.bind("embedding_backward", self.gradient["embedding"], a[operation.dout], a["tokens"]),
        )

    def _bind_rmsnorm(self, operation: Operation, layer: int, prefix: str) -> None:
        (norm,) = operation.tensors
        inp, out, rstd = (self._array(name, layer) for name in (operation.inp, operation.out, f"{norm.replace('norm_', '')}.rstd"))
        dinp, dout, gain = self.arrays[operation.dinp], self.arrays[operation.dout], self.latent[norm]
        self._both(
            kernels.bind("rmsnorm_forward", out, rstd, inp, gain),
            kernels.bind("rmsnorm_backward", dinp, self.gradient[norm], dout, inp, rstd, gain),
        )
        if operation.inp == "embedded":
            self._backward.append(lambda: dinp.fill(0))  # runs just before: this norm has no residual branch to join

    def _bind_linear(self, operation: Operation, layer: int, prefix: str) -> None:
        """out = [residual +] matrix · quantized [rmsnorm of] inp. What is quantized is saved. With a norm, backward adds to dinp."""
        a, matrix = self.arrays, operation.tensors[-1]
        norm_name = prefix + operation.tensors[0] if len(operation.tensors) == 2 else ""
        w, gradient = self.weights[prefix + matrix], self.gradient[prefix + matrix]
        inp, out, q, s = (self._array(name, layer) for name in (operation.inp, operation.out, f"{matrix}.q", f"{matrix}.s"))
        residual = self._array(operation.residual, layer) if operation.residual else None
        dinp, dout = a[operation.dinp], a[operation.dout]
        gain, dgain = (self.latent[norm_name], self.gradient[norm_name]) if norm_name else (None, None)
        rstd = self._array(f"{matrix}.rstd", layer) if norm_name else None
        call = kernels.struct(
            "layer", inp=inp, gain=gain, rstd=rstd, q=q, s=s, packed=w["packed"], transposed=w["packed_back"] if self.fast_gradients else None,
            scale=w["scale"], scratch=a["scratch"], O=len(w["weight"]),
        )  # fmt: skip
        self._forward.append(kernels.bind("layer_forward", out, residual, call))
        if self.fast_gradients:
            dq, ds, draw = (
                a["dout.q"][: len(q) * _up(len(w["weight"]), 4)].reshape(len(q), -1),
                a["dout.s"],
                self._draw(operation, layer, 0),
            )
            self._backward.append(kernels.bind("linear_backward_weight_int8", gradient, dq, ds, q, s, draw, self._scratch))
            self._backward.append(kernels.bind("layer_backward", dinp, dgain, dq, ds, dout, draw, a["dgain"], call))
            return
        if norm_name:
            self._backward.append(kernels.bind("rmsnorm_backward", dinp, dgain, a["dnormed"], inp, rstd, gain))
        self._backward += [
            kernels.bind("linear_backward_input", a["dnormed"] if norm_name else dinp, dout, w["packed_back"], w["scale"], self._scratch),
            kernels.bind("linear_backward_weight", gradient, dout, q, s, self._scratch),
        ]

    def _bind_kernels(self, operation: Operation, layer: int, prefix: str) -> None:
        """KIND_forward and KIND_backward, each argument found by its name in _kernels.h: `out`, `inp`, `dout` and `dinp` as the operation says;
        `weight`, `bias` or `gain`, its one tensor, and with a `d` the gradient; all others are arrays of the batch."""
        arrays = {role: self._array(getattr(operation, role), layer) for role in ("out", "inp", "dout", "dinp") if getattr(operation, role)}
        (tensor,) = operation.tensors
        for name in ("weight", "bias", "gain"):
            arrays[name], arrays[f"d{name}"] = self.latent[prefix + tensor], self.gradient[prefix + tensor]

        def call(function: str) -> Callable:
            values = []
            for parameter in headers.declarations("kernels").functions[function].parameters:
                if parameter.sizes is not None:
                    array = arrays[parameter.name] if parameter.name in arrays else self._array(parameter.name, layer)
                    values.append(self._windows(array) if parameter.sizes[0].letter == "B" else array)
            return kernels.bind(function, *values)

        self._both(call(f"{operation.kind}_forward"), call(f"{operation.kind}_backward"))

    def _bind_dropout(self, operation: Operation, layer: int, prefix: str) -> None:
        if self.dropout:
            draw = self._draw(operation, layer, 0)
            self._both(*(kernels.bind("dropout", self._array(name, layer).reshape(-1), draw) for name in (operation.inp, operation.dinp)))

    def _bind_glu_block(self, operation: Operation, layer: int, prefix: str) -> None:
        """next = inp + glu_out · glu(glu_in · rmsnorm(inp))."""
        a, fast, scratch = self.arrays, self.fast_gradients, self._scratch
        inp, out, u, rstd = (self._array(name, layer) for name in (operation.inp, operation.out, "glu_in.u", "glu_in.rstd"))
        q, s, product_q, product_s = (self._array(name, layer) for name in ("glu_in.q", "glu_in.s", "glu_out.q", "glu_out.s"))
        dx, gain, dgain = a[operation.dinp], self.latent[prefix + "norm_glu"], self.gradient[prefix + "norm_glu"]
        w_in, w_out = self.weights[prefix + "glu_in"], self.weights[prefix + "glu_out"]
        gradient_in, gradient_out = self.gradient[prefix + "glu_in"], self.gradient[prefix + "glu_out"]
        draw_in, draw_out, draw = (self._draw(operation, layer, number) for number in range(3))
        call = kernels.struct(
            "glu_block", inp=inp, gain=gain, rstd=rstd, q=q, s=s, u=u, product_q=product_q, product_s=product_s,
            packed_in=w_in["packed"], transposed_in=w_in["packed_back"] if fast else None, scale_in=w_in["scale"],
            packed_out=w_out["packed"], transposed_out=w_out["packed_back"] if fast else None, scale_out=w_out["scale"],
            draw=draw, scratch=a["scratch"],
        )  # fmt: skip
        self._forward.append(kernels.bind("glu_block_forward", out, call))
        if fast:
            self._backward += [
                kernels.bind("linear_backward_weight_int8", gradient_in, a["dglu.q"], a["dglu.s"], q, s, draw_in, scratch),
                kernels.bind("linear_backward_weight_int8", gradient_out, a["dx.q"], a["dx.s"], product_q, product_s, draw_out, scratch),
                kernels.bind(
                    "glu_block_backward", dx, dgain, a["dx.q"], a["dx.s"], a["dglu.q"], a["dglu.s"], draw_out, draw_in, a["dgain"], call
                ),
            ]
            return
        self._backward += [
            kernels.bind("rmsnorm_backward", dx, dgain, a["dnormed"], inp, rstd, gain),
            kernels.bind("linear_backward_input", a["dnormed"], a["dglu"], w_in["packed_back"], w_in["scale"], scratch),
            kernels.bind("linear_backward_weight", gradient_in, a["dglu"], q, s, scratch),
            kernels.bind("glu_backward", a["dglu"], a["dproduct"], u),
            *([kernels.bind("dropout", a["dproduct"].reshape(-1), draw)] if self.dropout else []),
            kernels.bind("linear_backward_input", a["dproduct"], dx, w_out["packed_back"], w_out["scale"], scratch),
            kernels.bind("linear_backward_weight", gradient_out, dx, product_q, product_s, scratch),
        ]

    def _bind_copy(self, operation: Operation, layer: int, prefix: str) -> None:
        u, du, odds, power = (self._windows(self._array(name, layer)) for name in (operation.inp, operation.dinp, operation.out, "power"))
        tokens, targets = (self.arrays[name].reshape(self.batch, self.dimensions.context) for name in ("tokens", "targets"))
        call = kernels.struct(
            "copying", u=u, sentinel=self.latent["copy_sentinel"], bias=self.latent["copy_bias"], tokens=tokens, targets=targets, power=power,
            scratch=self._array("copy.scratch", layer),
        )  # fmt: skip
        self._both(
            kernels.bind("copy_forward", odds, call),
            kernels.bind("copy_backward", du, self.gradient["copy_sentinel"], self.gradient["copy_bias"], odds, call),
        )

    def _bind_head(self, operation: Operation, layer: int, prefix: str) -> None:
        """The output layer and its loss, HEAD_ROWS tokens at a time."""
        a, w, N, loss_scale = self.arrays, self.weights["head"], self.batch * self.dimensions.context, self._loss_scale
        head_q, head_s = self._array("head.q", layer), self._array("head.s", layer)
        self._forward.append(kernels.bind("quantize_activations", head_q, head_s, a[operation.inp]))
        scratch = None if self.fast_gradients else kernels.linear_scratch(min(HEAD_ROWS, N), *w["weight"].shape)

        def crossentropy_gradient(rows: slice) -> Any:
            return kernels.struct(
                "sparse_gradient",
                first=a["first"],
                next=a["next_entry"][rows],
                **{name: a[name][rows] for name in ("entry", "value", "count")},
            )

        for part, start in enumerate(range(0, N, HEAD_ROWS)):
            rows = slice(start, min(start + HEAD_ROWS, N))
            count = rows.stop - start
            logits, loss, targets, q, s = a["logits"][:count], a["loss"][rows], a["targets"][rows], head_q[rows], head_s[rows]
            forward = kernels.bind("linear_forward", logits, None, q, s, w["packed"], w["scale"])
            odds = a["odds"][rows] if self.dimensions.copies else None
            dense = kernels.bind("crossentropy", loss, logits, targets, odds, loss_scale)
            self._scored.append((forward, dense))
            if self.taught:
                dense = kernels.bind(
                    "crossentropy_soft",
                    loss,
                    logits,
                    odds,
                    self._power(),
                    a["soft"][:count],
                    targets,
                    self._tokens(),
                    start,
                    self.taught,
                    loss_scale,
                )
            if self.fast_gradients:
                draw = self._draws[DRAWS_IN_A_BLOCK * self.dimensions.layers + part]
                sparse = crossentropy_gradient(rows)
                if self.taught:
                    self._head.append((forward, dense, kernels.bind("sparse_gradient_of", sparse, logits, draw)))
                else:
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
                "head_backward_sparse", a["dnormed"], self.gradient["head"], sparse, head_q, head_s, w["weight"], w["scale"]
            ))  # fmt: skip
