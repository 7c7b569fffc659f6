"""The C libraries: the one place where they are loaded and where arrays are handed to them.

    text = native.load("text")                        # fable6c/_text.c, declared in fable6c/_text.h
    count = text.call("text_words", hashes, sizes, b"Once upon a time")
    step = native.load("kernels").bind("rmsnorm_forward", out, rstd, inp, gain)    # checked once, then called many times
    step()

A library is loaded when it is first asked for, so a module that only may need C can be imported where nothing was compiled.

The header `_NAME.h` is the only declaration of a library: C includes it, cffi reads it when the extension is built, and this module
reads it for the checks. The shapes of arrays stand in its comments, before a function or behind the field of a struct:

    // out (N,C), rstd (N), inp (N,C), gain (C)
    void rmsnorm_forward(float *out, float *rstd, const float *inp, const float *gain, size_t N, size_t C);

A capital letter is a size, 3C a multiple, C~4 a size rounded up to a multiple of 4, 2 the number itself, * any size; a `?` after the shape
means that the array may be None. A size that a shape names is taken from the arrays and not given. A struct is made with `struct`, or
given as a dict; a comment such as `layer.gain (C)` before a function says that the call needs that field.
"""

import functools
import importlib
import os
import re
import weakref
from typing import Any, Dict, FrozenSet, Iterable, Iterator, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from fable6c.errors import UsageError, UserError

# From best to worst: the names that FABLE6C_ISA takes. build_kernels.py has the compilers' options for them.
INSTRUCTION_SETS = ("avx512bf16", "avx512", "avx2", "baseline")
# Those that a library is compiled for, where it is for more than the baseline: whatever every machine of the platform has.
COMPILED_FOR: Dict[str, Tuple[str, ...]] = {"kernels": INSTRUCTION_SETS, "scout": ("avx2", "baseline")}

# OpenMP's threads wait for each other by spinning. On a machine whose cores are shared, a long spin burns the very core that
# the awaited thread needs (measured: a 0.6 ms product took 12 ms beside another busy process); 1,000 rounds are some
# microseconds. It is read when an extension is loaded, so it is set before.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


class NotBuilt(UserError):
    """A C extension is missing here."""


class Parameter(NamedTuple):
    """A parameter of a C function or a field of a C struct, as the header declares it."""

    name: str
    kind: str  # the C type without const and *
    pointer: bool
    const: bool
    sizes: Optional[Tuple[str, ...]]  # of an array; None for everything else
    optional: bool


class Function(NamedTuple):
    parameters: Tuple[Parameter, ...]
    needs: FrozenSet[str]  # "parameter.field": optional fields of a struct that this function cannot do without
    sizes: FrozenSet[str]  # the parameters that are taken from the shapes of arrays


class Struct(NamedTuple):
    fields: Tuple[Parameter, ...]
    sizes: FrozenSet[str]


class Declarations(NamedTuple):
    functions: Dict[str, Function]
    structs: Dict[str, Struct]


NUMBERS = {
    "float": np.dtype(np.float32), "double": np.dtype(np.float64),
    **{f"{sign}int{bits}_t": np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
_DECLARATION = re.compile(r"(?P<comment>(?://[^\n]*\n)*)(?:typedef struct \{(?P<fields>.*?)\} (?P<struct>\w+);|\w[\w ]*?[ *]+(?P<function>\w+)\((?P<parameters>[^)]*)\);)", re.S)
_PARAMETER = re.compile(r"(const )?(\w+) (\*?)(\w+)(?:\[\d+\])?")
_SHAPE = re.compile(r"([\w.]+) \(([\dA-Z~,*]+)\)(\?)?")


def header(library: str) -> str:
    """The text of the library's header."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"_{library}.h"), encoding="ascii") as file:
        return file.read()


@functools.lru_cache(maxsize=None)
def declarations(library: str) -> Declarations:
    """The functions and structs that the library's header declares."""
    found = Declarations({}, {})
    for match in _DECLARATION.finditer(header(library)):
        if match["struct"]:
            fields = tuple(_fields(match["fields"]))
            found.structs[match["struct"]] = Struct(fields, _sizes_of(fields) & {field.name for field in fields})
            continue
        comment = " ".join(line.strip("/ ") for line in match["comment"].splitlines())
        shapes = {name: (tuple(sizes.split(",")), bool(optional)) for name, sizes, optional in _SHAPE.findall(comment)}
        texts = [] if match["parameters"] == "void" else match["parameters"].split(",")
        parameters = tuple(_parameter(text, shapes) for text in texts)
        structs = [found.structs[parameter.kind] for parameter in parameters if parameter.kind in found.structs]
        sizes = _sizes_of(parameters + tuple(field for struct in structs for field in struct.fields))
        needs = frozenset(name for name in shapes if "." in name)
        found.functions[match["function"]] = Function(parameters, needs, sizes & {parameter.name for parameter in parameters})
    return found


def constants(library: str) -> Dict[str, int]:
    """The numbers that the library's header names in its `enum`."""
    return {name: int(value) for enum in re.findall(r"^enum \{([^}]*)\};", header(library), re.M) for name, value in re.findall(r"(\w+) = (\d+)", enum)}


def _fields(body: str) -> Iterator[Parameter]:
    """The fields of a struct, one on a line with its shape behind it, `float *h;  // (N,C)? the states`, or numbers, `size_t N, C;`."""
    for line in body.strip().splitlines():
        declaration, _, comment = line.strip().partition(";")
        kind, *names = declaration.split(", ") if "*" not in declaration else [declaration]
        shape = re.match(r" *// \(([\dA-Z~,*]+)\)(\??)", comment)
        for text in [kind, *(f"{kind.rsplit(' ', 1)[0]} {name}" for name in names)]:
            parameter = _parameter(text, {})
            yield parameter._replace(sizes=tuple(shape[1].split(",")), optional=bool(shape[2])) if shape else parameter


def _parameter(text: str, shapes: Mapping[str, Tuple[Tuple[str, ...], bool]]) -> Parameter:
    match = _PARAMETER.fullmatch(" ".join(text.split()))
    if match is None:
        raise ValueError(f"a declaration that native.py cannot read: {text}")
    const, kind, pointer, name = match.groups()
    sizes, optional = shapes.get(name, (None, False))
    return Parameter(name, kind, bool(pointer), bool(const), sizes, optional)


def _sizes_of(parameters: Iterable[Parameter]) -> FrozenSet[str]:
    """The names of single letters that the shapes of these parameters use."""
    return frozenset(letter for parameter in parameters for size in parameter.sizes or () for letter in re.findall("[A-Z]", size))


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
    allowed = INSTRUCTION_SETS[INSTRUCTION_SETS.index(wanted) if wanted else 0 :]
    return next(name for name in allowed if name in compiled and supports(name.encode()))


@functools.lru_cache(maxsize=None)
def load(library: str) -> "Library":
    """The library `_NAME.c`, loaded once. NotBuilt, one line that says how to build it, where it was not compiled."""
    isa = instruction_set(library)
    module = f"fable6c._lib_{library}" + ("" if isa == "baseline" else f"_{isa}")
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise NotBuilt(f"the C extension is not built ({error}); run `pip install .` in the project's folder, with a C compiler installed") from None
    return Library(library, isa, loaded)


class Call(functools.partial):  # type: ignore[type-arg]
    """A checked call of C with its arguments; `sizes` are those that its arrays have, by letter."""

    sizes: Dict[str, int]


class Library:
    """A loaded library. `lib` and `ffi` are cffi's; what goes through `lib` directly is not checked.

    isa   the instruction set that it was compiled for
    """

    def __init__(self, name: str, isa: str, module: Any):
        self.name, self.isa, self.ffi, self.lib = name, isa, module.ffi, module.lib
        self._kept: "weakref.WeakKeyDictionary[Any, Dict[str, Any]]" = weakref.WeakKeyDictionary()  # the arrays that a struct points to

    def call(self, function: str, *values: Any) -> Any:
        """Check the values and call C with them."""
        return self.bind(function, *values)()

    def bind(self, function: str, *values: Any) -> Call:
        """Check the values and return the call that runs C on them, any number of times. It keeps the arrays alive.

        TypeError or ValueError, with the name of the argument, for a wrong number of values, dtype, shape or order in memory.
        """
        functions, structs = declarations(self.name)
        parameters, needs, derived = functions[function]
        asked = [parameter for parameter in parameters if parameter.name not in derived]
        if len(values) != len(asked):
            raise TypeError(f"{function}: expected {len(asked)} arguments, got {len(values)}")
        given = dict(zip((parameter.name for parameter in asked), values))
        sizes: Dict[str, int] = {}
        for parameter in asked:
            if parameter.kind in structs:
                value = given[parameter.name]
                struct = given[parameter.name] = self.struct(parameter.kind, **value) if isinstance(value, dict) else value
                sizes.update((name, getattr(struct, name)) for name in structs[parameter.kind].sizes)
        for name in needs:
            parameter_name, _, field = name.partition(".")
            if getattr(given[parameter_name], field) == self.ffi.NULL:
                raise ValueError(f"{function}: {name}: expected an array, got None")
        given.update(self._pointers(function, asked, given, sizes))
        call = Call(getattr(self.lib, function), *(sizes[name] if name in derived else given[name] for name, *_ in parameters))
        call.sizes = sizes
        return call

    def struct(self, kind: str, **values: Any) -> Any:
        """A checked struct of cffi from the values of its fields, but for the sizes that its arrays have. It keeps the arrays alive."""
        fields, derived = declarations(self.name).structs[kind]
        expected = {field.name for field in fields} - derived
        if values.keys() != expected:
            raise TypeError(f"{kind}: missing {sorted(expected - values.keys())}, unknown {sorted(values.keys() - expected)}")
        sizes: Dict[str, int] = {}
        pointers = self._pointers(kind, fields, values, sizes)
        struct = self.ffi.new(f"{kind} *", {**values, **pointers, **{name: sizes[name] for name in derived}})
        self._kept[struct] = pointers
        return struct

    def pointer(self, name: str, array: np.ndarray) -> Any:
        """The array for C: a pointer of its dtype, which keeps it alive. For what `bind` and `struct` cannot say."""
        kind = next(kind for kind, dtype in NUMBERS.items() if dtype == array.dtype)
        parameter = Parameter(name, kind, True, not array.flags.writeable, ("*",) * array.ndim, False)
        return self._pointers(self.name, [parameter], {name: array}, {})[name]

    def _pointers(self, called: str, parameters: Sequence[Parameter], values: Mapping[str, Any], sizes: Dict[str, int]) -> Dict[str, Any]:
        """A pointer for each array, by name. Fills `sizes`: the first plain letter for a size fixes it, else the first multiple."""
        arrays = []
        for parameter in parameters:
            if parameter.sizes is not None:
                value = values[parameter.name]
                arrays.append((parameter, np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value))
        for plain in (True, False):
            for parameter, array in arrays:
                if getattr(array, "ndim", None) == len(parameter.sizes):
                    for size, extent in zip(parameter.sizes, array.shape):
                        if "~" not in size and size[-1].isupper() and (len(size) == 1) == plain:
                            sizes.setdefault(size[-1], extent // int(size[:-1] or 1))
        pointers = {}
        for parameter, array in arrays:
            if array is None and parameter.optional:
                pointers[parameter.name] = self.ffi.NULL
                continue
            where, dtype = f"{called}: {parameter.name}", NUMBERS[parameter.kind]
            shape = tuple(_extent(size, sizes) for size in parameter.sizes)
            if not isinstance(array, np.ndarray) or array.dtype != dtype or not _fits(array.shape, shape):
                found = f"{array.shape} {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
                raise ValueError(f"{where}: expected ({', '.join(map(str, shape))}{',' * (len(shape) == 1)}) {dtype}, got {found}")
            if not array.flags.c_contiguous:
                raise ValueError(f"{where}: expected a C-contiguous array")
            if not (array.flags.writeable or parameter.const):
                raise ValueError(f"{where}: expected an array that can be written to")
            pointers[parameter.name] = self.ffi.from_buffer(f"{parameter.kind}[]", array)
        return pointers


def _extent(size: str, sizes: Mapping[str, int]) -> Union[int, str]:
    """The value of a size: C, 3C, C~4 (rounded up to a multiple of 4) or 2; the text itself where no array says what the letter is."""
    if size == "*":
        return size
    if size.isdigit():
        return int(size)
    name, _, multiple = size.partition("~")
    if name[-1] not in sizes:
        return size
    value = int(name[:-1] or 1) * sizes[name[-1]]
    return -(-value // int(multiple)) * int(multiple) if multiple else value


def _fits(found: Tuple[int, ...], expected: Tuple[Union[int, str], ...]) -> bool:
    return len(found) == len(expected) and all(size == "*" or size == extent for size, extent in zip(expected, found))
