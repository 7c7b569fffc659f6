"""The package on 64-bit ARM, under qemu: its instruction sets in Debian's own Python there."""

import pathlib
import tempfile

import pytest

import arm64_tree
import bare_root

LACKS = arm64_tree.missing()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(LACKS is not None, reason=str(LACKS))]

# The ternary product of awkward sizes, by the wheel's own loader, on two threads.
SCRIPT = """
import sys
sys.path.insert(0, "tests")
import numpy as np
from fable6c import kernels
from kernel_inputs import normal, up, zeros
assert kernels.set_threads(2) == 2
random = np.random.default_rng(1)
for n, o, c in ((1, 1, 1), (17, 33, 7), (129, 70, 129)):
    weight, packed = random.integers(-1, 2, (o, c)).astype(np.int8), zeros(up(o, 32), up(c, 4), dtype=np.int8)
    q, s, scale, fast, naive = zeros(n, up(c, 4), dtype=np.int8), zeros(n), np.array([0.5], np.float32), zeros(n, o), zeros(n, o)
    kernels.linear_pack(packed, weight)
    kernels.quantize_activations(q, s, normal(random, n, c))
    kernels.linear_forward(fast, None, q, s, packed, scale)
    kernels.linear_forward_naive(naive, None, q, s, weight, scale)
    assert fast.any() or n == 1
    assert fast.tobytes() == naive.tobytes()
print(kernels.ISA)
"""


@pytest.fixture(scope="module")
def tree():
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which is kept: a tree takes half a gigabyte
        try:
            yield arm64_tree.Tree(pathlib.Path(folder))
        except bare_root.CannotMake as problem:
            pytest.skip(str(problem))


@pytest.mark.parametrize("cpu, best", [("cortex-a53", "baseline"), ("neoverse-n1", "dotprod"), ("max", "i8mm")])
def test_the_best_instruction_set_is_chosen_and_agrees_with_the_plain_loops(tree, cpu, best):
    done = tree.python(cpu, "-c", SCRIPT)
    assert done.returncode == 0 and done.stdout == best + "\n", done.stdout[-3000:]
