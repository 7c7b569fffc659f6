"""The peer as a worker of train.py: FlashLM v4 "Bolt" small in PyTorch, our own rendering of the published description.

    build/peers/torch/bin/python benchmarks/train_torch.py '{"batch": 8, "bf16": false, "compile": false, "threads": 2}'

Width 192, six blocks of a gated causal depthwise convolution (kernel 8) and a gated linear unit (512), RMSNorm, a tied table
of 10,000 rows; the matrices of the blocks are ternary by absmean with a straight-through estimator over fp32 latent weights.
AdamW at 4e-3 with betas 0.9 and 0.95 and a weight decay of 0.01, the norm of the gradient clipped to 1, as in its recipe. Where
there is a choice that does not change the model, the faster one is taken: fused AdamW, one product for both halves of the GLU.
flashlm_torch.py trains it on text.

Source: https://github.com/changcheng967/FlashLM, v4/train_v4_bolt.py.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

import common

DIM, LAYERS, HIDDEN, TAPS, VOCAB, CONTEXT = 192, 6, 512, 8, 10000, 256
PEAK_RATE = 4e-3


class Ternary(nn.Module):
    """`parts` ternary matrices (outputs, inputs), each with its own scale, in one product."""

    def __init__(self, inputs: int, outputs: int, parts: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(parts, outputs, inputs) * (2.0 / outputs) ** 0.5)

    def forward(self, x):
        scale = self.weight.abs().mean((1, 2), keepdim=True) + 1e-8
        levels = (self.weight / scale).round().clamp(-1, 1) * scale
        return F.linear(x, (self.weight + (levels - self.weight).detach()).flatten(0, 1))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_mix, self.norm_glu = nn.RMSNorm(DIM, eps=1e-6), nn.RMSNorm(DIM, eps=1e-6)
        self.mix_in, self.mix_out = Ternary(DIM, 2 * DIM), Ternary(DIM, DIM)
        self.conv = nn.Conv1d(DIM, DIM, TAPS, groups=DIM, padding=TAPS - 1, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        self.glu_in, self.glu_out = Ternary(DIM, HIDDEN, 2), Ternary(HIDDEN, DIM)

    def forward(self, x):
        gate, value = self.mix_in(self.norm_mix(x)).chunk(2, dim=-1)
        value = self.conv(value.transpose(1, 2))[:, :, : x.shape[1]].transpose(1, 2)
        x = x + self.mix_out(value * torch.sigmoid(gate))
        a, b = self.glu_in(self.norm_glu(x)).chunk(2, dim=-1)
        return x + self.glu_out(F.silu(a) * b)


class Bolt(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(VOCAB, DIM) * 0.02)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm_out = nn.RMSNorm(DIM, eps=1e-6)

    def logits(self, tokens):
        x = F.embedding(tokens, self.table)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm_out(x), self.table)

    def forward(self, tokens, targets):
        return F.cross_entropy(self.logits(tokens).view(-1, VOCAB), targets.view(-1))


class Trainer:
    """The model and the published optimizer. `bf16`: products under autocast; `compiled`: through torch.compile."""

    def __init__(self, bf16: bool = False, compiled: bool = False):
        torch.manual_seed(1)
        self.model, self.bf16 = Bolt(), bf16
        self.forward = torch.compile(self.model) if compiled else self.model
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.01, fused=True)

    def step(self, tokens, targets, rate: float = PEAK_RATE) -> float:
        """One step on inputs and targets (B, T); returns the loss in nats a token."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            loss = self.forward(tokens, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()


def main() -> None:
    options = json.loads(sys.argv[1])
    torch.set_num_threads(options["threads"])
    trainer = Trainer(options["bf16"], options["compile"])
    model = trainer.model
    data = torch.randint(0, VOCAB, (options["batch"], CONTEXT + 1))
    tokens, targets = data[:, :-1].contiguous(), data[:, 1:].contiguous()

    first_loss = trainer.step(tokens, targets)
    trainer.step(tokens, targets)  # the second step of a compiled model may compile once more
    matrices = model.table.numel() + sum(layer.weight.numel() for layer in model.modules() if isinstance(layer, Ternary))
    ready = {
        "torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability(), "parameters": sum(p.numel() for p in model.parameters()),
        "tokens_per_step": options["batch"] * CONTEXT, "first_loss": first_loss,
        "products": {"int8": 0.0, "int16": 0.0, "float": 6 * matrices / 1e6, "optimizer": 0.0},
    }  # fmt: skip

    def repetition(seconds: float) -> dict:
        steps, start = 0, time.perf_counter()
        while True:
            loss = trainer.step(tokens, targets)
            steps += 1
            taken = time.perf_counter() - start
            if taken >= seconds:
                break
        return {"tokens_per_second": steps * options["batch"] * CONTEXT / taken, "loss": loss, "peak_mib": common.peak_memory_mib()}

    common.serve(ready, repetition)


if __name__ == "__main__":
    main()
