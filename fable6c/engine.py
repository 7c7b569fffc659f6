"""The WebAssembly engine in Python, run by the wasm3 interpreter. docs/engine.md describes the module.

    engine = Engine("model.f6c")
    engine.sampling(temperature=0.8, top_k=40)
    engine.seed(1)
    for piece in engine.generate("Once upon a time"):
        print(piece, end="", flush=True)

It gives the same bits as fable6c/model/reference.py and as every other host of the module.
"""

import math
import operator
import os
import threading
from collections.abc import Iterator
from typing import Any, Optional, Union

import numpy as np

from fable6c import native
from fable6c.errors import UserError
from fable6c.model.file import read_bytes
from fable6c.model.tokenizer import MAX_VOCAB, encode_text, piece_end

MODULE = "fable6c.wasm"
STACK_BYTES = 64 * 1024  # of the interpreter; the engine's calls are a dozen deep and never recurse
MEMORY_LIMIT_KIB = 1 << 20
END = -1  # what the module's step() returns at the end of a story
TOO_LARGE = 11  # docs/model-file.md
VOCAB = 4  # the place of `vocab` among the module's dimensions
SIGN = 1 << 31
F32 = 3  # of wasm3's types of values
MAX_SEED, MAX_TOP_K, MAX_STORY = 2**32 - 1, 65536, 2**63 - 1
Bytes = Union[bytes, bytearray, memoryview]


class EngineError(UserError):
    """What the engine refuses, in its words; `code` as in docs/model-file.md and docs/engine.md."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class EngineMissing(UserError):
    """The interpreter or the engine's module is not built here."""


class Instance:
    """One instance of a WebAssembly module without imports in wasm3: its functions and its memory.

    C calls let other Python threads run, so each takes the lock: memory that another thread's call has moved is never touched.
    """

    def __init__(self, module: bytes):
        try:
            wasm3 = native.load("wasm3")
        except native.NotBuilt:
            raise EngineMissing(
                "the wasm3 interpreter is not built; run `pip install .` in the project's folder, connected to the internet"
            ) from None
        self._ffi, self._lib = wasm3.ffi, wasm3.lib
        self._lock = threading.Lock()
        self._functions: dict[str, tuple[Any, ...]] = {}
        self._module = self._ffi.from_buffer(module)  # wasm3 reads it as long as it runs
        environment = self._ffi.gc(self._lib.m3_NewEnvironment(), self._lib.m3_FreeEnvironment)
        self._runtime = self._lib.m3_NewRuntime(environment, STACK_BYTES, self._ffi.NULL)
        if self._runtime == self._ffi.NULL:
            raise UserError("there is no memory left for the wasm3 interpreter; close other programs")
        parsed = self._ffi.new("IM3Module *")
        self._expect(self._lib.m3_ParseModule(environment, parsed, self._module, len(module)))
        self._expect(self._lib.m3_LoadModule(self._runtime, parsed[0]))
        free = self._lib.m3_FreeRuntime
        # The runtime goes first, and with it the module: the environment must outlive both.
        self._runtime = self._ffi.gc(self._runtime, lambda runtime, _environment=environment: free(runtime))

    def call(self, name: str, *arguments: Union[int, float]) -> Any:
        """Call an export of i32 and f32 arguments. Returns its i32 as a signed number, None if it has no result."""
        with self._lock:
            if name not in self._functions:
                self._functions[name] = self._find(name)
            function, integers, reals, pointers, kinds = self._functions[name]
            if len(arguments) != len(pointers):
                raise TypeError(f"{name}: expected {len(pointers)} arguments, got {len(arguments)}")
            for place, (kind, argument) in enumerate(zip(kinds, arguments)):
                if kind == F32:
                    reals[place] = _real(argument)
                else:
                    integers[place] = (operator.index(argument) ^ SIGN) - SIGN  # type: ignore[arg-type]
            self._expect(self._lib.m3_Call(function, len(pointers), pointers))
            if not self._lib.m3_GetRetCount(function):
                return None
            result = self._ffi.new("int32_t *")
            self._expect(self._lib.m3_GetResults(function, 1, [result]))
            return int(result[0])

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes of the module's memory, a copy."""
        with self._lock:
            return self._memory()[address : address + size]

    def write(self, address: int, data: bytes) -> None:
        with self._lock:
            self._memory()[address : address + len(data)] = data

    @property
    def memory_bytes(self) -> int:
        with self._lock:
            return len(self._memory())

    def _memory(self) -> Any:
        size = self._ffi.new("uint32_t *")
        return self._ffi.buffer(self._lib.m3_GetMemory(self._runtime, size, 0), size[0])

    def _find(self, name: str) -> tuple[Any, ...]:
        """The function, the places of its arguments (as whole numbers and as reals, the same 32 bits) and the pointers to them."""
        found = self._ffi.new("IM3Function *")
        self._expect(self._lib.m3_FindFunction(found, self._runtime, name.encode("ascii")))
        count = self._lib.m3_GetArgCount(found[0])
        integers = self._ffi.new("int32_t[]", count)
        pointers = self._ffi.new("const void *[]", [self._ffi.addressof(integers, i) for i in range(count)])
        kinds = [self._lib.m3_GetArgType(found[0], i) for i in range(count)]
        return found[0], integers, self._ffi.cast("float *", integers), pointers, kinds

    def _expect(self, error: Any) -> None:
        if error != self._ffi.NULL:
            raise UserError(
                f"the wasm3 interpreter stopped ({self._ffi.string(error).decode('ascii', 'replace')}); this is a bug, please report it"
            )


class Engine:
    """One model in one instance of the module. Text continues where it ended until `reset`."""

    def __init__(self, model: Union[str, os.PathLike, Bytes, None] = None):
        self._instance = Instance(module_bytes())
        self._call = self._instance.call
        if model is not None:
            self.load(model)

    # ---- Loading

    def load(self, model: Union[str, os.PathLike, Bytes]) -> None:
        """Load a .f6c file, given by its path or as bytes, in place of whatever was loaded. Raises UserError."""
        if isinstance(model, (bytes, bytearray, memoryview)):
            self._load(bytes(model))
            return
        try:
            self._load(read_bytes(model))
        except EngineError as error:
            raise EngineError(error.code, f"{os.fspath(model)}: {error}") from None

    def _load(self, data: bytes) -> None:
        address = self._call("file_buffer", len(data))
        if address == 0:
            raise EngineError(TOO_LARGE, self._message())
        self._instance.write(address, data)
        self._check(self._call("load", len(data), MEMORY_LIMIT_KIB))

    @property
    def card(self) -> str:
        """The model card, a JSON text."""
        address, size = self._call("card"), self._call("card_length")
        return self._instance.read(address, size).decode("utf-8")

    # ---- Settings

    def sampling(self, temperature: float = 0.8, top_k: int = 40, top_p: float = 1.0, penalty: float = 2.5) -> None:
        """How tokens are chosen: docs/numerics.md, "Sampling". Raises UserError for a value out of range."""
        self._check(self._call("sampling", temperature, _whole("top_k", top_k, MAX_TOP_K), top_p, penalty))

    def seed(self, value: int) -> None:
        """Start the random numbers anew, from 0 … 2³² − 1. Raises UserError for another number."""
        self._call("seed", _whole("seed", value, MAX_SEED))

    def reset(self) -> None:
        """Forget all text. Settings and the random numbers' place stay."""
        self._check(self._call("reset"))

    # ---- Text

    def feed(self, text: Union[str, Bytes]) -> None:
        """Read text; the story continues after it. It need not be UTF-8: bytes, or a str with the surrogates of a command line."""
        rest = encode_text(text)
        while True:
            part, rest = split(rest, self._call("text_capacity"))
            self._queue(part)
            while self._call("pending"):
                self._call("step")
            if not rest:
                return

    def step(self) -> Optional[str]:
        """Make one token: its text, as far as it is whole characters, or None where the model ends the story."""
        length = self._call("step")
        if length == END:
            return None
        self._check(-min(length, 0))
        return self._text(length)

    def flush(self) -> str:
        """What is left of an unfinished character, for whoever stops before the story's end: "" or "\\ufffd"."""
        return self._text(self._call("flush"))

    def generate(self, prompt: Union[str, Bytes] = "", n: int = 1000) -> Iterator[str]:
        """Feed the prompt, then yield the story as it is made, in up to n tokens' pieces of text; it ends earlier where the model ends it."""
        n = _whole("n", n, MAX_STORY)
        self.feed(prompt)
        for _ in range(n):
            piece = self.step()
            if piece is None:
                return
            if piece:
                yield piece
        rest = self.flush()
        if rest:
            yield rest

    # ---- Numbers

    @property
    def expert(self) -> int:
        """The expert that read the last token, or will read the first: its place among those of the model file, 0 where there is only one."""
        return int(self._call("expert"))

    def encode(self, text: Union[str, Bytes]) -> list[int]:
        """The ids of a text of at most 65,536 bytes. What was read before is forgotten."""
        self.reset()
        count = self._queue(encode_text(text))
        address = self._call("queue")
        ids = np.frombuffer(self._instance.read(address, 2 * count), "<u2")
        self.reset()
        return ids[1:].tolist()  # without the end mark that begins every story

    def run(self, token: int) -> None:
        """Read one token, given by its id. Raises UserError for one that no model, or this model, has."""
        self._check(self._call("run", _whole("token", token, MAX_VOCAB - 1)))

    def logits(self) -> np.ndarray:
        """The logits (V,) float32 after the last token, a copy."""
        address = self._call("logits")
        if address == 0:
            raise UserError("there are no logits yet; feed some text first")
        return np.frombuffer(self._instance.read(address, 4 * self._call("dimension", VOCAB)), "<f4")

    # ---- The module's memory

    def _queue(self, text: bytes) -> int:
        """Encode a text that fits the text buffer. Returns the number of tokens that wait to be read."""
        if len(text) <= self._call("text_capacity"):
            self._instance.write(self._call("text_buffer"), text)
        count = self._call("feed", len(text))
        self._check(-min(count, 0))
        return count

    def _text(self, length: int) -> str:
        return self._instance.read(self._call("text_buffer"), length).decode("utf-8")

    def _message(self) -> str:
        return self._instance.read(self._call("message"), self._call("message_length")).decode("ascii")

    def _check(self, code: int) -> None:
        if code != 0:
            raise EngineError(code, self._message())


def module_bytes() -> bytes:
    """The engine's module: from a checkout's build folder, where it is newest, else from the installed package."""
    package = os.path.dirname(os.path.abspath(__file__))
    for folder in (os.path.join(package, os.pardir, "asengine", "build"), package):
        path = os.path.join(folder, MODULE)
        if os.path.exists(path):
            with open(path, "rb") as file:
                return file.read()
    raise EngineMissing("the engine is not built (no fable6c.wasm); run `make wasm` in the checkout")


def _whole(name: str, value: int, high: int) -> int:
    """A whole number in range. UserError for another, TypeError for what is no whole number."""
    value = operator.index(value)
    if not 0 <= value <= high:
        shown = value if value.bit_length() <= 64 else f"a number of {value.bit_length()} bits"
        raise UserError(f"{name} = {shown} is out of range; give a whole number from 0 to {high}")
    return value


def _real(value: Any) -> Any:
    """A number as a float can hold it: one beyond all floats is infinite, which the engine refuses in its own words."""
    try:
        return float(value) if isinstance(value, int) else value
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def split(text: bytes, size: int) -> tuple[bytes, bytes]:
    """The text in two, the first part at most `size` bytes (at least MAX_PIECE_BYTES), cut between two pieces of the tokenizer
    (model/tokenizer.py), so that the tokens stay."""
    if len(text) <= size:
        return text, b""
    end = text.rfind(b" ", 1, size)  # a space only ever begins a piece
    if end < 0:
        end, following = 0, piece_end(text, 0)
        while following <= size:
            end, following = following, piece_end(text, following)
    return text[:end], text[end:]
