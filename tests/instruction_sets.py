"""The kernels in one instruction set after another, within one process."""

import contextlib

import pytest

from fable6c import kernels, native
from fable6c.errors import UserError


@contextlib.contextmanager
def chosen(name):
    """While it lasts, libraries are loaded for this instruction set; False where the CPU does not have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FABLE6C_ISA", name)
        native.load.cache_clear()
        try:
            available = kernels.ISA == name
        except native.NotBuilt:
            raise
        except UserError as error:
            assert "this CPU does not have it" in str(error)
            available = False
        yield available
    native.load.cache_clear()
