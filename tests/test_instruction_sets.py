"""The instruction sets against each other, and what is said to one that does not exist."""

import hashlib
import os
import subprocess
import sys

import numpy as np

from fable6c import kernels
from instruction_sets import chosen
from kernel_inputs import normal, up, zeros


def digest_of_the_forward_pass():
    random, digest = np.random.default_rng(9), hashlib.sha256()
    n, o, c, b, t = 70, 100, 75, 2, 35
    latent, x, gain = normal(random, o, c), normal(random, n, c), normal(random, c)
    q, s, y, rstd = zeros(n, up(c, 4), dtype=np.int8), zeros(n), zeros(n, c), zeros(n)
    kernels.rmsnorm_forward(y, rstd, x, gain)
    kernels.quantize_activations(q, s, y)
    for levels, share, size in ((1, 1.0, 1), (1, 1.0, o), (4, 0.7, o)):
        weight, scale, packed, out = zeros(o, c, dtype=np.int8), zeros(size), zeros(up(o, 32), up(c, 4), dtype=np.int8), zeros(n, o)
        kernels.quantize_weights(weight, scale, latent, levels, share)
        if levels == 1:
            kernels.linear_pack(packed, weight)
            kernels.linear_forward(out, None, q, s, packed, scale)
        for array in (weight, scale, out):
            digest.update(array.tobytes())
    u, taps, bias = normal(random, b, t, 3 * c), normal(random, c, 4), normal(random, c)
    conv, h, z, glu = zeros(b, t, c), zeros(b, t, c), zeros(b, t, c), zeros(n, o // 2)
    kernels.conv_forward(conv, u, taps)
    kernels.scan_forward(z, h, u, conv, bias)
    kernels.glu_forward(glu, normal(random, n, o))
    for array in (y, rstd, q, s, conv, h, z, glu):
        digest.update(array.tobytes())
    return digest.hexdigest()


def test_they_do_not_change_the_forward_pass():
    digests = {}
    for name in kernels.INSTRUCTION_SETS:
        with chosen(name) as available:
            if available:
                digests[name] = digest_of_the_forward_pass()
    assert digests["baseline"] and len(set(digests.values())) == 1, digests


def test_unknown_instruction_set(tmp_path):
    environment = dict(os.environ, FABLE6C_ISA="sse9")
    run = subprocess.run(
        [sys.executable, "-m", "fable6c.train", "--tokens", "1", "--out", str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert (
        run.returncode == 2
        and run.stderr.startswith(f"FABLE6C_ISA=sse9: unknown instruction set; use one of {kernels.INSTRUCTION_SETS[0]}")
        and run.stderr.count("\n") == 1
    )
