"""The package on other processors, under qemu: its instruction sets on 64-bit ARM, and the NumPy reference on a 32-bit one and on one with
the other order of bytes, in Debian's own Python there."""

import pathlib
import subprocess
import sys
import tempfile

import pytest

import bare_root
import foreign_tree

LACKS = foreign_tree.missing()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(LACKS is not None, reason=str(LACKS))]


def tree_for(processor):
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which is kept: a tree takes half a gigabyte
        try:
            yield foreign_tree.Tree(pathlib.Path(folder), processor)
        except bare_root.CannotMake as problem:
            pytest.skip(str(problem))


@pytest.fixture(scope="module")
def arm64():
    for tree in tree_for("arm64"):
        tree.compile_for_arm()
        yield tree


@pytest.mark.parametrize("cpu, best", [("cortex-a53", "baseline"), ("neoverse-n1", "dotprod"), ("max", "i8mm")])
def test_the_best_instruction_set_is_chosen(arm64, cpu, best):
    done = arm64.python(cpu, "-c", "from fable6c import kernels; print(kernels.ISA, kernels.set_threads(2))")
    assert done.returncode == 0 and done.stdout == best + " 2\n", done.stdout[-3000:]


# A story as far as a few hundred tokens, without any compiled C of ours: what it says on this machine it must say on the others.
REFERENCE = """
import hashlib, os
import numpy as np
from fable6c.model.file import read_model
from fable6c.model.reference import Reference, generate
from fable6c.model.sampling import Sampler
model = read_model(os.path.join("tests", "golden", "model.f6c"))
reference = Reference(model)
logits, _ = reference.forward(np.arange(40)[None] * 23 % model.dimensions.vocab)
story = b"".join(text for _, text in generate(reference, [65, 66, 67], 60, Sampler.by_default(9)))
print(hashlib.sha256(logits.astype("<f4").tobytes()).hexdigest(), story.hex())
"""


# Not armhf: NumPy takes square roots by approximation there (docs/porting.md).
@pytest.mark.parametrize("processor", ["armel", "s390x"])
def test_the_reference_gives_the_same_bits(processor):
    here = subprocess.run([sys.executable, "-c", REFERENCE], cwd=foreign_tree.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    for tree in tree_for(processor):
        done = tree.python("max", "-c", REFERENCE)
        assert done.returncode == 0 and done.stdout == here.stdout and len(done.stdout) > 100, done.stdout[-3000:]
