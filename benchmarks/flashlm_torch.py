"""The training run of flashlm.py, in PyTorch's environment: FlashLM v4 small learns the tokens that it is handed, then is scored.

    build/peers/torch/bin/python benchmarks/flashlm_torch.py '{"train": "train.bin", "valid": "valid.bin", …}'

train       file of u16 tokens, an end mark after each document
valid       file of u16 tokens, document after document without marks; "documents" are their lengths
end_mark    the token that stands before each document; it costs nothing and earns nothing (fable6c.evaluate)
minutes     of training
Standard output is JSON: first the trainer, then a line every few seconds, at the end {"bits": …} of all documents.
"""

import json
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import common
from train_torch import CONTEXT, LAYERS, PEAK_RATE, TAPS, Trainer

BATCH = 8
LAST_RATE, WARMUP_STEPS, WARMUP_SHARE = 1e-5, 500, 0.1
REPORT_SECONDS = 5.0
MEMORY = LAYERS * (TAPS - 1)  # tokens before the last one that the model can see
PIECE = 2048  # tokens whose logits are computed at a time


def windows(tokens: np.ndarray):
    """(inputs, targets), each (BATCH, CONTEXT), without end: each epoch has all windows once, in a new order."""
    count = len(tokens) // (CONTEXT + 1)
    data = torch.from_numpy(tokens[: count * (CONTEXT + 1)].reshape(count, CONTEXT + 1).astype(np.int64))
    while True:
        order = torch.randperm(count)
        for start in range(0, count - BATCH + 1, BATCH):
            batch = data[order[start : start + BATCH]]
            yield batch[:, :-1].contiguous(), batch[:, 1:].contiguous()


def rate(step: int, progress: float) -> float:
    """Up over the first 500 steps, or the first tenth of the time where that is shorter; a cosine to 1e-5 at the end of the time."""
    rise = min(1.0, max(step / WARMUP_STEPS, progress / WARMUP_SHARE))
    return rise * (LAST_RATE + 0.5 * (PEAK_RATE - LAST_RATE) * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def surprise(model, document: np.ndarray, end_mark: int) -> float:
    """Bits that a document costs, each token given all that the model can see of those before it."""
    targets = torch.from_numpy(document.astype(np.int64))
    inputs = torch.cat([torch.tensor([end_mark]), targets[:-1]])
    nats = 0.0
    for start in range(0, len(targets), PIECE):
        before = max(0, start - MEMORY)
        logits = model.logits(inputs[None, before : start + PIECE])[0, start - before :, :end_mark]
        nats += float(F.cross_entropy(logits.double(), targets[start : start + PIECE], reduction="sum"))
    return nats / math.log(2)


def main() -> None:
    options = json.loads(sys.argv[1])
    threads = min(2, len(os.sched_getaffinity(0)))  # more threads than cores wait for each other
    torch.set_num_threads(threads)
    trainer = Trainer()
    parameters = sum(p.numel() for p in trainer.model.parameters())
    print(json.dumps({"torch": torch.__version__, "threads": threads, "parameters": parameters}), flush=True)
    batches = windows(np.fromfile(options["train"], "<u2"))
    budget, step, losses = 60.0 * options["minutes"], 0, []
    start = reported = time.monotonic()
    elapsed = 0.0
    while elapsed < budget:
        losses.append(trainer.step(*next(batches), rate(step, elapsed / budget)))
        step += 1
        now = time.monotonic()
        elapsed = now - start
        if now - reported >= REPORT_SECONDS or elapsed >= budget:
            entry = {
                "step": step,
                "tokens": step * BATCH * CONTEXT,
                "elapsed": round(elapsed, 2),
                "loss": round(sum(losses) / len(losses), 4),
            }
            print(json.dumps(entry), flush=True)
            reported, losses = now, []
    valid, at, bits = np.fromfile(options["valid"], "<u2"), 0, 0.0
    for length in options["documents"]:
        bits += surprise(trainer.model, valid[at : at + length], options["end_mark"])
        at += length
    print(json.dumps({"bits": bits}), flush=True)


if __name__ == "__main__":
    common.start("flashlm_torch", main)
