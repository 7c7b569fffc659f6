"""The C libraries: the one place where they are loaded and where arrays are handed to them.

    text = native.load("text")                        # fable6c/_text.c, declared in fable6c/_text.h
    count = text.call("text_words", hashes, sizes, b"Once upon a time")
    step = native.load("kernels").bind("rmsnorm_forward", out, rstd, inp, gain)    # checked once, then called many times
    step()

A library is loaded when it is first asked for, so a module that only may need C can be imported where nothing was compiled.

What an array must be stands in the library's header: see headers.py. A struct is made with `struct`, or given as a dict.
"""

import functools
import importlib
import importlib.util
import os
import platform
import weakref
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np

from fable6c import headers
from fable6c.errors import UsageError, UserError

# From best to worst: the names that FABLE6C_ISA takes. build_kernels.py has the compilers' options for them.
INSTRUCTION_SETS = (
    ("i8mm", "dotprod", "baseline")
    if platform.machine().lower() in ("aarch64", "arm64")
    else ("amx", "avx512bf16", "avx512", "avxvnni", "avx2", "baseline")
)
# Those that a library is compiled for, where it is for more than the baseline: whatever every machine of the platform has.
COMPILED_FOR: dict[str, tuple[str, ...]] = {"kernels": INSTRUCTION_SETS, "scout": ("avx2", "baseline")}

# OpenMP's threads wait for each other by spinning. On a machine whose cores are shared, a long spin burns the very core that
# the awaited thread needs, and a product takes many times as long; 1,000 rounds are some microseconds. It is read when an extension is loaded, so it is set before.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


BYTE = np.dtype(np.uint8)


class NotBuilt(UserError):
    """A C extension is missing here."""


def instruction_set(library: str) -> str:
    """The instruction set for the library: the best that it is compiled for and the CPU has, none above FABLE6C_ISA's.

    UsageError for an unknown FABLE6C_ISA, UserError for one that the CPU lacks.
    """
    compiled = COMPILED_FOR.get(library, ("baseline",))
    if compiled == ("baseline",):
        return "baseline"
    wanted = os.environ.get("FABLE6C_ISA", "")
    if wanted and wanted not in INSTRUCTION_SETS:
        raise UsageError(f"FABLE6C_ISA={wanted}: unknown instruction set; use one of {', '.join(INSTRUCTION_SETS)}")
    supports = load("cpu").lib.cpu_supports
    if wanted and not supports(wanted.encode()):
        raise UserError(f"FABLE6C_ISA={wanted}: this CPU does not have it; unset the variable or use FABLE6C_ISA=baseline")
    if wanted in compiled and not _compiled(library, wanted):
        raise UserError(
            f"FABLE6C_ISA={wanted}: the compiler that built fable6c does not know it; build with GCC 11 or newer, or unset the variable"
        )
    allowed = INSTRUCTION_SETS[INSTRUCTION_SETS.index(wanted) if wanted else 0 :]
    return next(name for name in allowed if name in compiled and supports(name.encode()) and _compiled(library, name))


def _module(library: str, isa: str) -> str:
    return f"fable6c._lib_{library}" + ("" if isa == "baseline" else f"_{isa}")


def _compiled(library: str, isa: str) -> bool:
    """Whether there is a module for this set, where a compiler may not have known it (setup.py)."""
    return isa not in ("avxvnni", "amx") or importlib.util.find_spec(_module(library, isa)) is not None


@functools.cache
def load(library: str) -> "Library":
    """The library `_NAME.c`, loaded once. NotBuilt, one line that says how to build it, where it was not compiled."""
    isa = instruction_set(library)
    try:
        loaded = importlib.import_module(_module(library, isa))
    except ImportError as error:
        raise NotBuilt(
            f"the C extension is not built ({error}); run `pip install .` in the project's folder, with a C compiler installed"
        ) from None
    if loaded.lib.HEADER_CRC != zlib.crc32(headers.text(library).encode()):
        raise NotBuilt(f"the C extension was compiled from another _{library}.h; run `pip install .` in the project's folder again")
    _loaded[library] = Library(library, isa, loaded)
    return _loaded[library]


_loaded: dict[str, "Library"] = {}
_one_thread: set[str] = set()  # names of libraries that were loaded when this process was forked off


def max_threads(library: str, wanted: int) -> int:
    """How many threads the library may use, at most `wanted`: one in a child of a process that had it loaded, where OpenMP waits for threads
    that fork does not copy. The results are the same."""
    return 1 if library in _one_thread else wanted


def _after_fork() -> None:
    _one_thread.update(_loaded)
    if "kernels" in _loaded:
        _loaded["kernels"].lib.set_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Call(functools.partial):  # type: ignore[type-arg]
    """A checked call of C with its arguments; `sizes` are those that its arrays have, by letter."""

    sizes: dict[str, int]


class Library:
    """A loaded library. `lib` and `ffi` are cffi's; what goes through `lib` directly is not checked.

    isa   the instruction set that it was compiled for
    """

    def __init__(self, name: str, isa: str, module: Any):
        self.name, self.isa, self.ffi, self.lib = name, isa, module.ffi, module.lib
        self._functions, self._structs = headers.declarations(name)
        self._kept: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()  # the arrays that a struct points to

    def call(self, function: str, *values: Any) -> Any:
        """Check the values and call C with them."""
        return getattr(self.lib, function)(*self._arguments(function, values, {}))

    def bind(self, function: str, *values: Any) -> Call:
        """Check the values and return the call that runs C on them, any number of times. It keeps the arrays alive.

        TypeError or ValueError, with the name of the argument, for a wrong number of values, dtype, shape or order in memory.
        """
        sizes: dict[str, int] = {}
        call = Call(getattr(self.lib, function), *self._arguments(function, values, sizes))
        call.sizes = sizes
        return call

    def _arguments(self, function: str, values: Sequence[Any], sizes: dict[str, int]) -> list[Any]:
        """What C gets, in its order. Fills `sizes`."""
        parameters, needs, derived = self._functions[function]
        if len(values) != len(parameters) - len(derived):
            raise TypeError(f"{function}: expected {len(parameters) - len(derived)} arguments, got {len(values)}")
        rest = iter(values)
        given = {parameter.name: next(rest) for parameter in parameters if parameter.name not in derived}
        for parameter in parameters:
            if parameter.kind in self._structs:
                if isinstance(given[parameter.name], dict):
                    given[parameter.name] = self.struct(parameter.kind, **given[parameter.name])
                sizes.update((name, getattr(given[parameter.name], name)) for name in self._structs[parameter.kind].sizes)
        for name in needs:
            argument, _, field = name.partition(".")
            if getattr(given[argument], field) == self.ffi.NULL:
                raise ValueError(f"{function}: {name}: expected an array, got None")
        given.update(self._pointers(function, parameters, given, sizes))
        return [sizes[parameter.name] if parameter.name in derived else given[parameter.name] for parameter in parameters]

    def struct(self, kind: str, **values: Any) -> Any:
        """A checked struct of cffi from the values of its fields. It keeps the arrays alive.

        A size need only be given where no array has it as it is.
        """
        fields, derived = self._structs[kind]
        names = {field.name for field in fields}
        missing, unknown = sorted(names - derived - values.keys()), sorted(values.keys() - names)
        if missing or unknown:
            raise TypeError(f"{kind}: missing {missing}, unknown {unknown}")
        sizes: dict[str, int] = {name: values[name] for name in derived & values.keys()}
        pointers = self._pointers(kind, fields, values, sizes)
        struct = self.ffi.new(f"{kind} *", {**values, **pointers, **{name: sizes[name] for name in derived}})
        self._kept[struct] = pointers
        return struct

    def pointer(self, name: str, array: np.ndarray) -> Any:
        """The array for C: a pointer of its dtype, which keeps it alive. For what `bind` and `struct` cannot say."""
        kind = next(kind for kind, dtype in headers.NUMBERS.items() if dtype == array.dtype)
        shape = tuple(headers.Size(str(extent), extent, "", "", 1) for extent in array.shape)
        parameter = headers.Parameter(name, kind, True, not array.flags.writeable, shape, False)
        return self._pointers(self.name, [parameter], {name: array}, {})[name]

    def _pointers(
        self, called: str, parameters: Sequence[headers.Parameter], values: Mapping[str, Any], sizes: dict[str, int]
    ) -> dict[str, Any]:
        """A pointer for each array, by name. Fills `sizes`: the first plain letter for a size fixes it, else the first multiple."""
        arrays, multiples = [], []
        for parameter in parameters:
            if parameter.sizes is not None:
                array = values[parameter.name]
                shape, dtype = _kind_of(array)
                arrays.append((parameter, parameter.sizes, array, shape, dtype))
                if len(shape) == len(parameter.sizes):
                    for size, extent in zip(parameter.sizes, shape):
                        if size.text == size.letter:
                            sizes.setdefault(size.letter, extent)
                        elif size.letter and not size.operation:
                            multiples.append((size, extent))
        for size, extent in multiples:
            sizes.setdefault(size.letter, extent // size.number)
        pointers = {}
        for parameter, expected, array, shape, dtype in arrays:
            if array is None and parameter.optional:
                pointers[parameter.name] = self.ffi.NULL
                continue
            fits = bool(dtype == headers.NUMBERS[parameter.kind]) and len(shape) == len(expected)
            for size, extent in zip(expected, shape):
                fits = fits and (sizes.get(size.text) == extent or size.text == "*" or size.value(sizes) == extent)
            try:
                if not fits:
                    raise ValueError
                pointers[parameter.name] = self.ffi.from_buffer(f"{parameter.kind}[]", array, not parameter.const)
            except (ValueError, BufferError):
                wanted = tuple(size.value(sizes) for size in expected)
                raise ValueError(
                    f"{called}: {parameter.name}: expected {_mistake(array, wanted, headers.NUMBERS[parameter.kind], fits)}"
                ) from None
        return pointers


def _kind_of(array: Any) -> tuple[tuple[int, ...], Optional[np.dtype]]:
    """Shape and dtype of an array or of bytes; of anything else that it has none."""
    if isinstance(array, np.ndarray):
        return array.shape, array.dtype
    return ((len(array),), BYTE) if isinstance(array, bytes) else ((), None)


def _mistake(array: Any, shape: tuple[Union[int, str], ...], dtype: np.dtype, fits: bool) -> str:
    """What is wrong with an array, in the words after "expected"."""
    if fits and isinstance(array, np.ndarray):
        return "an array that can be written to" if array.flags.c_contiguous else "a C-contiguous array"
    found = f"{array.shape} {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)}) {dtype}, got {found}"
