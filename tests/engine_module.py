"""The engine's library module under wasmtime, for tests that need its exports bare and fast: a trap is an exception."""

import pathlib

import pytest

WASM = pathlib.Path(__file__).parent.parent / "asengine" / "build" / "fable6c.wasm"


class EngineModule:
    """`module.feed(3)` calls the export `feed`. Skips the test where there is no module or no wasmtime."""

    def __init__(self):
        wasmtime = pytest.importorskip("wasmtime")
        if not WASM.exists():
            pytest.skip(f"{WASM.name} is not built: npm run asbuild")
        self.store = wasmtime.Store()
        instance = wasmtime.Instance(self.store, wasmtime.Module.from_file(self.store.engine, str(WASM)), [])
        self.exports = instance.exports(self.store)

    def __getattr__(self, name):
        function = self.exports[name]
        return lambda *arguments: function(self.store, *arguments)

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.exports["memory"].read(self.store, address, address + size))

    def write(self, address: int, data: bytes) -> None:
        self.exports["memory"].write(self.store, data, address)

    def load(self, data: bytes) -> None:
        address = self.file_buffer(len(data))
        self.write(address, data)
        code = self.exports["load"](self.store, len(data), 0)
        assert code == 0, self.read(self.message(), self.message_length())
