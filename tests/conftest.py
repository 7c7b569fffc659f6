"""Settings for all tests, made before NumPy is imported."""

import os
import signal

import pytest

# OpenBLAS's threads wait by spinning: beside another busy process that made the NumPy reference up to fifty times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# `make test` must not change what is tested: under make the commands leave out what to do next, and a make that a test starts
# would take over the flags of this one, such as -k.
for name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS"):
    os.environ.pop(name, None)

# A shell's background job has Ctrl-C ignored, and so have the programs that the tests start in it: they would never end.
signal.signal(signal.SIGINT, signal.default_int_handler)

from fable6c.native import INSTRUCTION_SETS  # noqa: E402 - imports NumPy


def pytest_collection_modifyitems(config, items):
    """A verdict that hangs on a clock is no verdict on a busy machine: those tests run only where they are asked for."""
    if "clock" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("clock")])
        items[:] = [item for item in items if not item.get_closest_marker("clock")]


@pytest.fixture(scope="module", params=INSTRUCTION_SETS)
def instruction_set(request):
    """Each instruction set in turn: a test that uses this runs once for each that this CPU has, or for the one that FABLE6C_ISA names."""
    from instruction_sets import chosen  # imports the kernels

    asked = os.environ.get("FABLE6C_ISA")
    if asked not in (None, request.param):
        pytest.skip(f"FABLE6C_ISA={asked} was asked for")
    with chosen(request.param) as available:
        if not available:
            pytest.skip(f"this CPU does not have {request.param}")
        yield request.param
