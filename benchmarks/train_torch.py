"""The peer as a worker of train.py: FlashLM v4 "Bolt" small in PyTorch, our own rendering of the published description.

    build/peers/torch/bin/python benchmarks/train_torch.py '{"batch": 8, "bf16": false, "compile": false, "threads": 2}'

Width 192, six blocks of a gated causal depthwise convolution (kernel 8) and a gated linear unit (512), RMSNorm, a tied table
of 10,000 rows; the matrices of the blocks are ternary by absmean with a straight-through estimator over fp32 latent weights.
AdamW at 4e-3, the norm of the gradient clipped to 1, as in its recipe. Where there is a choice that does not change the
model, the faster one is taken: fused AdamW, one product for both halves of the GLU.
"""

import json
import sys
import time

import common
import torch
import torch.nn.functional as F
from torch import nn

DIM, LAYERS, HIDDEN, TAPS, VOCAB, CONTEXT = 192, 6, 512, 8, 10000, 256


class Ternary(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * (2.0 / outputs) ** 0.5)

    def forward(self, x):
        scale = self.weight.abs().mean() + 1e-8
        levels = (self.weight / scale).round().clamp(-1, 1) * scale
        return F.linear(x, self.weight + (levels - self.weight).detach())


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_mix, self.norm_glu = nn.RMSNorm(DIM, eps=1e-6), nn.RMSNorm(DIM, eps=1e-6)
        self.mix_in, self.mix_out = Ternary(DIM, 2 * DIM), Ternary(DIM, DIM)
        self.conv = nn.Conv1d(DIM, DIM, TAPS, groups=DIM, padding=TAPS - 1, bias=False)
        self.glu_in, self.glu_out = Ternary(DIM, 2 * HIDDEN), Ternary(HIDDEN, DIM)

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

    def forward(self, tokens, targets):
        x = F.embedding(tokens, self.table)
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm_out(x), self.table)
        return F.cross_entropy(logits.view(-1, VOCAB), targets.view(-1))


def main() -> None:
    options = json.loads(sys.argv[1])
    torch.set_num_threads(options["threads"])
    torch.manual_seed(1)
    model = Bolt()
    forward = torch.compile(model) if options["compile"] else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01, fused=True)
    data = torch.randint(0, VOCAB, (options["batch"], CONTEXT + 1))
    tokens, targets = data[:, :-1].contiguous(), data[:, 1:].contiguous()

    def step() -> float:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options["bf16"]):
            loss = forward(tokens, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    first_loss = step()
    step()  # the second step of a compiled model may compile once more
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2)
    ready = {
        "torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability(), "parameters": sum(p.numel() for p in model.parameters()),
        "tokens_per_step": options["batch"] * CONTEXT, "first_loss": first_loss,
        "products": {"int8": 0.0, "float": 6 * matrices / 1e6, "optimizer": 0.0},
    }  # fmt: skip

    def repetition(seconds: float) -> dict:
        steps, start = 0, time.perf_counter()
        while True:
            loss = step()
            steps += 1
            taken = time.perf_counter() - start
            if taken >= seconds:
                break
        return {"tokens_per_second": steps * options["batch"] * CONTEXT / taken, "loss": loss, "peak_mib": common.peak_memory_mib()}

    common.serve(ready, repetition)


if __name__ == "__main__":
    main()
