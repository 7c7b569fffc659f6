"""The training run of floats.py, in PyTorch's environment: our network without any rounding learns the windows that it is handed.

    build/peers/torch/bin/python benchmarks/floats_torch.py task.npz parameters.npy

The task's arrays: `parameters`, all first ones as one array; `tokens`, u16, the text; `starts` (S, B), where the windows of each
step begin in it; `factors` (S,), what the rates are multiplied by at each step; `settings`, JSON:
tensors    [name, shape, kind, group] of each tensor in the order of `parameters` (fable6c/model/architecture.py)
layers, context   of the model
recipe     rates and moments (fable6c/training/config.py)
rounded    true: train with the roundings of our trainer, to compare the two trainers
Standard output is JSON: first the trainer, then a line every few seconds. The last parameters are written as an .npy file.

The network is that of docs/numerics.md, without the quantizing of activations and weights. The recurrence is computed for all places
at once, by doubling (Hillis & Steele 1986, "Data parallel algorithms"). The optimizer is that of fable6c/training/optimizer.py.
"""

import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import common

REPORT_SECONDS = 10.0
LARGEST_EXPONENT = 40.0  # in the odds of copying
LEVELS_AND_SHARE = {"nonary": (4, 0.7), "ternary": (1, 1.0), "ternary_rows": (1, 1.0)}
ADAM_EPS = 1e-10
NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315


def scan(a, b):
    """h[t] = a[t]·h[t-1] + b[t], h[-1] = 0, along the second of three dimensions."""
    step = 1
    while step < b.shape[1]:
        b = torch.cat([b[:, :step], torch.addcmul(b[:, step:], a[:, step:], b[:, :-step])], 1)
        a = torch.cat([a[:, :step], a[:, step:] * a[:, :-step]], 1)
        step *= 2
    return b


class Scan(torch.autograd.Function):
    """`scan`; its gradient is a scan from the end."""

    @staticmethod
    def forward(ctx, a, b):
        h = scan(a, b)
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx, dh):
        a, h = ctx.saved_tensors
        later = torch.cat([a[:, 1:], torch.zeros_like(a[:, :1])], 1)
        db = scan(later.flip(1), dh.flip(1)).flip(1)
        return db * torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], 1), db


def straight_through(exact, rounded):
    """The rounded numbers, with the gradient of the exact ones."""
    return exact + (rounded - exact).detach()


class Network:
    """parameters   all of them as one array
    settings     of the task"""

    def __init__(self, parameters: np.ndarray, settings: dict):
        self.layers, self.rounded = settings["layers"], settings["rounded"]
        self.flat = torch.from_numpy(parameters.astype(np.float32))
        self.tensors, self.kinds, at = {}, {}, 0
        for name, shape, kind, _ in settings["tensors"]:
            size = int(np.prod(shape))
            self.tensors[name] = self.flat[at : at + size].view(shape).requires_grad_()  # a view: `flat` follows the training
            self.kinds[name] = kind
            at += size

    def weight(self, name: str):
        weight = self.tensors[name]
        if not self.rounded:
            return weight
        levels, share = LEVELS_AND_SHARE[self.kinds[name]]
        latent = weight.detach()
        scale = share * (latent.abs().mean() if self.kinds[name] == "ternary" else latent.abs().mean(1, keepdim=True))
        return straight_through(weight, (latent / scale).round().clamp(-levels, levels) * scale)

    def product(self, x, name: str):
        if self.rounded:
            s = x.detach().abs().amax(-1, keepdim=True) / 127
            x = straight_through(x, (x.detach() / s).round() * s)
        return F.linear(x, self.weight(name))

    def norm(self, x, name: str):
        gain = self.tensors[name]
        return F.rms_norm(x, gain.shape, gain, 1e-5)

    def hidden(self, tokens):
        """The residual stream (B, T, D) before the last norm."""
        x = self.norm(F.embedding(tokens, self.weight("embedding")), "norm_in")
        T = tokens.shape[1]
        for layer in range(self.layers):
            block = f"blocks.{layer}."
            v, f, g = self.product(self.norm(x, block + "norm_mix"), block + "mix_in").chunk(3, -1)
            taps = self.tensors[block + "taps"]
            v = F.pad(v, (0, 0, taps.shape[1] - 1, 0))
            c = sum(taps[:, k] * v[:, k : k + T] for k in range(taps.shape[1]))
            f = torch.sigmoid(f + self.tensors[block + "forget_bias"])
            x = x + self.product(Scan.apply(f, c - f * c) * torch.sigmoid(g), block + "mix_out")
            a, b = self.product(self.norm(x, block + "norm_glu"), block + "glu_in").chunk(2, -1)
            x = x + self.product(F.silu(a) * b, block + "glu_out")
        return x

    def losses(self, tokens, targets):
        """Cross-entropy in nats of each target, (B, T), of windows (B, T) from fresh states."""
        x = self.hidden(tokens)
        logits = self.product(self.norm(x, "norm_out"), "head")
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
        if "copy_in" not in self.tensors:
            return losses
        query, key = self.product(self.norm(x, "norm_copy"), "copy_in").chunk(2, -1)
        own = self.tensors["copy_bias"] + query @ self.tensors["copy_sentinel"]
        # Row t has the odds of each place before it, whose next token is `follows`.
        power = (query @ key.transpose(1, 2) - own[..., None]).clamp(max=LARGEST_EXPONENT).exp().tril(-1)
        follows = tokens.roll(-1, 1)
        hit = (power * (follows[:, None, :] == targets[:, :, None])).sum(-1)
        return torch.log1p(power.sum(-1)) - torch.log(torch.exp(-losses) + hit)


class Optimizer:
    """Muon on the matrices, AdamW on the rest, the norm of all gradients clipped."""

    def __init__(self, network: Network, settings: dict):
        self.recipe, self.tensors = settings["recipe"], network.tensors
        groups: dict = {"matrix": [], "table": [], "vector": []}
        for name, _, _, group in settings["tensors"]:
            groups[group].append(network.tensors[name])
        r = self.recipe
        self.matrices = [(matrix, torch.zeros_like(matrix)) for matrix in groups["matrix"]]
        self.peaks = [r["table_rate"], r["vector_rate"]]
        self.adam = torch.optim.AdamW(
            [{"params": groups["table"], "weight_decay": r["decay"]}, {"params": groups["vector"], "weight_decay": 0.0}],
            betas=(r["beta1"], r["beta2"]), eps=ADAM_EPS, fused=True,
        )  # fmt: skip

    @torch.no_grad()
    def step(self, factor: float) -> None:
        grads = [tensor.grad for tensor in self.tensors.values()]
        norm = torch.stack([grad.square().sum() for grad in grads]).sum().sqrt()
        scale = min(1.0, self.recipe["clip"] / float(norm))
        for grad in grads:
            grad *= scale
        for group, peak in zip(self.adam.param_groups, self.peaks):
            group["lr"] = factor * peak
        self.adam.step()
        rate, beta, decay = factor * self.recipe["matrix_rate"], self.recipe["matrix_momentum"], self.recipe["decay"]
        a, b, c = NEWTON_SCHULZ
        for matrix, momentum in self.matrices:
            momentum.mul_(beta).add_(matrix.grad)
            x = matrix.grad + beta * momentum
            rows, columns = x.shape
            x = (x if rows >= columns else x.T) / (x.norm() + 1e-7)
            for _ in range(5):
                gram = x.T @ x
                x = a * x + x @ (b * gram + c * gram @ gram)
            matrix -= rate * (max(1.0, rows / columns) ** 0.5 * (x if rows >= columns else x.T) + decay * matrix)
        for tensor in self.tensors.values():
            tensor.grad = None


def main() -> None:
    task = np.load(sys.argv[1])
    settings = json.loads(str(task["settings"]))
    torch.set_num_threads(settings["threads"])
    network = Network(task["parameters"], settings)
    optimizer = Optimizer(network, settings)
    print(json.dumps({"torch": torch.__version__, "threads": settings["threads"]}), flush=True)
    tokens, places = task["tokens"], np.arange(settings["context"] + 1)
    start = reported = time.monotonic()
    losses = []
    for step, (starts, factor) in enumerate(zip(task["starts"], task["factors"]), 1):
        windows = torch.from_numpy(tokens[starts[:, None] + places].astype(np.int64))
        loss = network.losses(windows[:, :-1], windows[:, 1:]).mean()
        loss.backward()
        optimizer.step(float(factor))
        losses.append(loss.item())
        now = time.monotonic()
        if now - reported >= REPORT_SECONDS or step == len(task["starts"]):
            seen = step * starts.size * settings["context"]
            entry = {"step": step, "tokens": seen, "elapsed": round(now - start, 2), "loss": round(sum(losses) / len(losses), 4)}
            print(json.dumps(entry), flush=True)
            reported, losses = now, []
    np.save(sys.argv[2], network.flat.numpy())


if __name__ == "__main__":
    common.start("floats_torch", main)
