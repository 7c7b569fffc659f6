"""The engine's library module under wasmtime, for tests that need its exports bare and fast: a trap is an exception."""

import functools
import pathlib

import pytest

WASM = pathlib.Path(__file__).parent.parent / "asengine" / "build" / "fable6c.wasm"


@functools.cache
def compiled():
    import wasmtime

    engine = wasmtime.Engine()
    return engine, wasmtime.Module.from_file(engine, str(WASM))


class EngineModule:
    """`module.feed(3)` calls the export `feed`. Skips the test where there is no module or no wasmtime."""

    def __init__(self):
        wasmtime = pytest.importorskip("wasmtime")
        if not WASM.exists():
            pytest.skip(f"{WASM.name} is not built: npm run asbuild")
        engine, module = compiled()
        self.store = wasmtime.Store(engine)
        instance = wasmtime.Instance(self.store, module, [])
        self.exports = instance.exports(self.store)

    def __getattr__(self, name):
        function = self.exports[name]
        return lambda *arguments: function(self.store, *arguments)

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.exports["memory"].read(self.store, address, address + size))

    def write(self, address: int, data: bytes) -> None:
        self.exports["memory"].write(self.store, data, address)

    def load(self, data: bytes) -> None:
        assert self.answer(data) == (0, "")

    def answer(self, data: bytes, limit_kib: int = 0) -> tuple:
        """Load a file. The error's code and message: (0, "") where there is none."""
        address = self.file_buffer(len(data))
        self.write(address, data)
        code = self.exports["load"](self.store, len(data), limit_kib)
        return code, self.read(self.message(), self.message_length()).decode("ascii")
