"""What the C headers declare: functions, structs and the shapes of their arrays.

The header `_NAME.h` is the only declaration of a library: C includes it, cffi reads it when the extension is built, and native.py checks
calls against it. The shapes of arrays stand in its comments, before a function or behind the field of a struct:

    // out (N,C), rstd (N), inp (N,C), gain (C)
    void rmsnorm_forward(float *out, float *rstd, const float *inp, const float *gain, size_t N, size_t C);

A capital letter is a size, 3C a multiple, C~4 a size rounded up to a multiple of 4, N/64 how many parts of 64 it has, 2 the number itself,
* any size; a `?` after the shape means that the array may be None. A size that a shape names is taken from the arrays and not given. A comment such
as `layer.gain (C)` before a function says that the call needs that field.
"""

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Optional, Union

import numpy as np


class Size(NamedTuple):
    """One size of an array's shape, such as C, 3C, C~4, N/64, 2 or *."""

    text: str
    number: int  # 3 of 3C, 2 of 2, else 1
    letter: str  # none for a number by itself and for *
    operation: str  # "~", "/" or none
    by: int

    def value(self, sizes: Mapping[str, int]) -> Union[int, str]:
        """Its value where these are the letters' values; the text itself for * and for a letter that has none."""
        if self.letter not in sizes:
            return self.number if self.text.isdigit() else self.text
        value = self.number * sizes[self.letter]
        if not self.operation:
            return value
        parts = -(-value // self.by)
        return parts * self.by if self.operation == "~" else parts


class Parameter(NamedTuple):
    """A parameter of a C function or a field of a C struct, as the header declares it."""

    name: str
    kind: str  # the C type without const and *
    pointer: bool
    const: bool
    sizes: Optional[tuple[Size, ...]]  # of an array; None for everything else
    optional: bool


class Function(NamedTuple):
    parameters: tuple[Parameter, ...]
    needs: frozenset[str]  # "parameter.field": optional fields of a struct that this function cannot do without
    sizes: frozenset[str]  # the parameters that are taken from the shapes of arrays


class Struct(NamedTuple):
    fields: tuple[Parameter, ...]
    sizes: frozenset[str]


class Declarations(NamedTuple):
    functions: dict[str, Function]
    structs: dict[str, Struct]


NUMBERS: dict[str, "np.dtype[Any]"] = {
    "float": np.dtype(np.float32), "double": np.dtype(np.float64),
    **{f"{sign}int{bits}_t": np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
_DECLARATION = re.compile(
    r"(?P<comment>(?://[^\n]*\n)*)"
    r"(?:typedef struct \{(?P<fields>.*?)\} (?P<struct>\w+);|\w[\w ]*?[ *]+(?P<function>\w+)\((?P<parameters>[^)]*)\);)",
    re.S,
)
_PARAMETER = re.compile(r"(const )?(\w+) (\*?)(\w+)(?:\[\d*\])?")
_SHAPE = re.compile(r"([\w.]+) \(([\dA-Z~/,*]+)\)(\?)?")


def text(library: str) -> str:
    """The text of the library's header."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"_{library}.h"), encoding="ascii") as file:
        return file.read()


@functools.cache
def declarations(library: str) -> Declarations:
    """The functions and structs that the library's header declares."""
    found = Declarations({}, {})
    for match in _DECLARATION.finditer(text(library)):
        if match["struct"]:
            fields = tuple(_fields(match["fields"]))
            found.structs[match["struct"]] = Struct(fields, _sizes_of(fields) & {field.name for field in fields})
            continue
        comment = " ".join(line.strip("/ ") for line in match["comment"].splitlines())
        shapes = {name: (_sizes(sizes), bool(optional)) for name, sizes, optional in _SHAPE.findall(comment)}
        texts = [] if match["parameters"] == "void" else match["parameters"].split(",")
        parameters = tuple(_parameter(text, shapes) for text in texts)
        structs = [found.structs[parameter.kind] for parameter in parameters if parameter.kind in found.structs]
        sizes = _sizes_of(parameters + tuple(field for struct in structs for field in struct.fields))
        needs = frozenset(name for name in shapes if "." in name)
        found.functions[match["function"]] = Function(parameters, needs, sizes & {parameter.name for parameter in parameters})
    return found


def constants(library: str) -> dict[str, int]:
    """The numbers that the library's header names in its `enum`."""
    bodies = re.findall(r"^enum \{([^}]*)\};", text(library), re.M)
    return {name: int(value) for body in bodies for name, value in re.findall(r"(\w+) = (\d+)", body)}


def _fields(body: str) -> Iterator[Parameter]:
    """The fields of a struct, one on a line with its shape behind it, `float *h;  // (N,C)? the states`, or numbers, `size_t N, C;`."""
    for line in body.strip().splitlines():
        declaration, _, comment = line.strip().partition(";")
        kind, *names = declaration.split(", ") if "*" not in declaration else [declaration]
        shape = re.match(r" *// \(([\dA-Z~/,*]+)\)(\??)", comment)
        for text in [kind, *(f"{kind.rsplit(' ', 1)[0]} {name}" for name in names)]:
            parameter = _parameter(text, {})
            yield parameter._replace(sizes=_sizes(shape[1]), optional=bool(shape[2])) if shape else parameter


def _parameter(text: str, shapes: Mapping[str, tuple[tuple[Size, ...], bool]]) -> Parameter:
    match = _PARAMETER.fullmatch(" ".join(text.split()))
    if match is None:
        raise ValueError(f"a declaration that headers.py cannot read: {text}")
    const, kind, pointer, name = match.groups()
    sizes, optional = shapes.get(name, (None, False))
    return Parameter(name, kind, bool(pointer), bool(const), sizes, optional)


def _sizes(text: str) -> tuple[Size, ...]:
    """The sizes of "B,T,3C"."""
    sizes = []
    for size in text.split(","):
        match = re.fullmatch(r"(\d*)([A-Z]?)(?:([~/])(\d+))?", size.replace("*", ""))
        if match is None:
            raise ValueError(f"a size that headers.py cannot read: {size}")
        number, letter, operation, by = match.groups()
        sizes.append(Size(size, int(number or 1), letter, operation or "", int(by or 1)))
    return tuple(sizes)


def _sizes_of(parameters: Iterable[Parameter]) -> frozenset[str]:
    """The letters that the shapes of these parameters use."""
    return frozenset(size.letter for parameter in parameters for size in parameter.sizes or ())
