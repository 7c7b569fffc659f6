"""The package on 64-bit ARM, under qemu: its instruction sets in Debian's own Python there."""

import pathlib
import tempfile

import pytest

import arm64_tree
import bare_root

LACKS = arm64_tree.missing()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(LACKS is not None, reason=str(LACKS))]


@pytest.fixture(scope="module")
def tree():
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which is kept: a tree takes half a gigabyte
        try:
            yield arm64_tree.Tree(pathlib.Path(folder))
        except bare_root.CannotMake as problem:
            pytest.skip(str(problem))


@pytest.mark.parametrize("cpu, best", [("cortex-a53", "baseline"), ("neoverse-n1", "dotprod"), ("max", "i8mm")])
def test_the_best_instruction_set_is_chosen(tree, cpu, best):
    done = tree.python(cpu, "-c", "from fable6c import kernels; print(kernels.ISA, kernels.set_threads(2))")
    assert done.returncode == 0 and done.stdout == best + " 2\n", done.stdout[-3000:]
