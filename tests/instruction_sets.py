"""A test file once more in each other instruction set that the CPU has."""

import os
import subprocess
import sys

import pytest

from fable6c import kernels


def in_each_other(path):
    """A test that runs the tests of the file at `path` in each instruction set but the one of this process."""

    @pytest.mark.parametrize("isa", [isa for isa in kernels.INSTRUCTION_SETS if isa != kernels.ISA])
    @pytest.mark.skipif("FABLE6C_ISA" in os.environ, reason="one instruction set was asked for")
    def test(isa):
        environment = dict(os.environ, FABLE6C_ISA=isa)
        probe = subprocess.run([sys.executable, "-c", "from fable6c import kernels; kernels.ISA"], env=environment, capture_output=True, text=True)
        if "this CPU does not have it" in probe.stderr:
            pytest.skip(f"this CPU does not have {isa}")
        run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", path], env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout[-3000:]

    return test
