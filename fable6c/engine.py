"""The WebAssembly engine in Python, run by the wasm3 interpreter (`pip install pywasm3`). docs/engine.md describes the module.

    engine = Engine("model.f6c")
    engine.sampling(temperature=0.8, top_k=40)
    engine.seed(1)
    for piece in engine.generate("Once upon a time"):
        print(piece, end="", flush=True)

It gives the same bits as fable6c/reference.py and as every other host of the module.
"""

import os
from typing import Iterator, List, Optional, Tuple, Union

import numpy as np

from fable6c.errors import UserError
from fable6c.model_file import read_bytes

MODULE = "fable6c.wasm"
STACK_BYTES = 64 * 1024  # of the interpreter; the engine's calls are a dozen deep and never recurse
MEMORY_LIMIT_KIB = 1 << 20
END = -1  # what the module's step() returns at the end of a story
TOO_LARGE = 11  # docs/model-file.md
VOCAB = 4  # the place of `vocab` among the module's dimensions
SIGN = 1 << 31


class EngineError(UserError):
    """What the engine refuses, in its words; `code` as in docs/model-file.md and docs/engine.md."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class Engine:
    """One model in one instance of the module. Text continues where it ended until `reset`.

    pywasm3 never frees an instance: to go through many models, `load` them one after another into one Engine.
    """

    def __init__(self, model: Union[str, os.PathLike, bytes, None] = None):
        try:
            import wasm3  # here, so that training needs no interpreter
        except ImportError:
            raise UserError("the WebAssembly interpreter is missing; pip install pywasm3, or use --runtime reference") from None
        environment = wasm3.Environment()
        self._runtime = environment.new_runtime(STACK_BYTES)
        self._runtime.load(environment.parse_module(module_bytes()))
        self._exports = {}
        self._memory = self._runtime.get_memory(0)  # taken anew whenever loading may have moved it
        if model is not None:
            self.load(model)

    # ---- Loading

    def load(self, model: Union[str, os.PathLike, bytes]) -> None:
        """Load a .f6c file, given by its path or as bytes, in place of whatever was loaded. Raises UserError."""
        if isinstance(model, bytes):
            self._load(model)
            return
        try:
            self._load(read_bytes(model))
        except EngineError as error:
            raise EngineError(error.code, f"{os.fspath(model)}: {error}") from None

    def _load(self, data: bytes) -> None:
        address = self._call("file_buffer", len(data))
        self._memory = self._runtime.get_memory(0)
        if address == 0:
            raise EngineError(TOO_LARGE, self._message())
        self._memory[address : address + len(data)] = data
        code = self._call("load", len(data), MEMORY_LIMIT_KIB)
        self._memory = self._runtime.get_memory(0)
        self._check(code)

    @property
    def card(self) -> str:
        """The model card, a JSON text."""
        address, size = self._call("card"), self._call("card_length")
        return bytes(self._memory[address : address + size]).decode("utf-8")

    # ---- Settings

    def sampling(self, temperature: float = 0.8, top_k: int = 40, top_p: float = 1.0, penalty: float = 1.0) -> None:
        """How tokens are chosen: docs/numerics.md, "Sampling". Raises UserError for a value out of range."""
        self._check(self._call("sampling", float(temperature), top_k, float(top_p), float(penalty)))

    def seed(self, value: int) -> None:
        """Start the random numbers anew, from 0 … 2³² − 1."""
        self._call("seed", value)

    def reset(self) -> None:
        """Forget all text. Settings and the random numbers' place stay."""
        self._check(self._call("reset"))

    # ---- Text

    def feed(self, text: Union[str, bytes]) -> None:
        """Read text; the story continues after it. It need not be UTF-8: bytes, or a str with the surrogates of a command line."""
        rest = to_bytes(text)
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

    def generate(self, prompt: Union[str, bytes] = "", n: int = 1000) -> Iterator[str]:
        """Feed the prompt, then yield the story as it is made, in up to n tokens' pieces of text; it ends earlier where the model ends it."""
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

    def encode(self, text: Union[str, bytes]) -> List[int]:
        """The ids of a text of at most 65,536 bytes. What was read before is forgotten."""
        self.reset()
        count = self._queue(to_bytes(text))
        address = self._call("queue")
        ids = np.frombuffer(bytes(self._memory[address : address + 2 * count]), "<u2")
        self.reset()
        return ids[1:].tolist()  # without the end mark that begins every story

    def run(self, token: int) -> None:
        """Read one token, given by its id."""
        self._check(self._call("run", token))

    def logits(self) -> np.ndarray:
        """The logits (V,) float32 after the last token, a copy."""
        address = self._call("logits")
        if address == 0:
            raise UserError("there are no logits yet; feed some text first")
        size = 4 * self._call("dimension", VOCAB)
        return np.frombuffer(bytes(self._memory[address : address + size]), "<f4")

    # ---- The module's functions and memory

    def _call(self, name: str, *arguments: Union[int, float]) -> Optional[int]:
        """Call an export. The module's whole numbers have 32 bits; wasm3 takes and returns them as signed."""
        if name not in self._exports:
            self._exports[name] = self._runtime.find_function(name)
        return self._exports[name](*[(a ^ SIGN) - SIGN if isinstance(a, int) else a for a in arguments])

    def _queue(self, text: bytes) -> int:
        """Encode a text that fits the text buffer. Returns the number of tokens that wait to be read."""
        if len(text) <= self._call("text_capacity"):
            address = self._call("text_buffer")
            self._memory[address : address + len(text)] = text
        count = self._call("feed", len(text))
        self._check(-min(count, 0))
        return count

    def _text(self, length: int) -> str:
        address = self._call("text_buffer")
        return bytes(self._memory[address : address + length]).decode("utf-8")

    def _message(self) -> str:
        address, length = self._call("message"), self._call("message_length")
        return bytes(self._memory[address : address + length]).decode("ascii")

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
    raise UserError("the engine is not built (no fable6c.wasm); run `make wasm` in the checkout, or use --runtime reference")


def to_bytes(text: Union[str, bytes]) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def split(text: bytes, size: int) -> Tuple[bytes, bytes]:
    """The text in two, the first part at most `size` bytes. A space only ever begins a piece for the tokenizer, so the tokens stay."""
    if len(text) <= size:
        return text, b""
    space = text.rfind(b" ", 1, size)
    if space < 0:
        raise UserError(f"the text has {size} bytes without a space, too long a word; shorten it")
    return text[:space], text[space:]
