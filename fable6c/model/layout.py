"""Writes what derives from the tables of architecture.py, limits.py and errors.py: the engine's layout.ts and tensors.ts in asengine/assembly/,
and the list of tensors in docs/numerics.md.

    python -m fable6c.model.layout

tests/test_layout.py says whether the committed files are current.
"""

import json
import os
import re
import textwrap

from fable6c.model.architecture import (
    COPIES_VERSION,
    DIMENSION_RANGES,
    MAX_EXPERTS,
    ROUTED_VERSION,
    SHARED,
    SIZE_LETTERS,
    TENSORS,
    Tensor,
    size_parts,
)
from fable6c.model.errors import ENGINE_ERRORS, ERRORS
from fable6c.model.limits import (
    CONTENT_RATIO,
    FREE_BYTES,
    HEADER_BYTES,
    MAGIC,
    MAX_CARD_BYTES,
    MAX_MAGNITUDE,
    MAX_RAW_BYTES,
    MAX_TEXT_BYTES,
    NEWEST_VERSION,
    ROUTER_FADING,
    ROUTER_MARGIN,
    ROUTER_PAIRS,
    ROUTER_SPREAD,
)

DIMENSIONS_AT = 12  # bytes: where the header's dimensions begin, u32 each
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
ASSEMBLY, DOCUMENT = os.path.join(ROOT, "asengine", "assembly"), os.path.join(ROOT, "docs", "numerics.md")
HEAD = "// Generated from the tables in fable6c/model/ by `python -m fable6c.model.layout`; do not edit.\n//\n// "
LAYOUT_HEAD = """\
The dimensions of a model and their limits, and what can be wrong. It imports nothing.
"""
TENSORS_HEAD = """\
Where the tensors of a model lie in memory, and how they are read from the file.

import {
  %s,
} from "./layout";
import { readMatrix, readTable, readTransposed, readVector } from "./load";
import { LAYERS, layerSize, place, ternarySize } from "./memory";
"""


def camel(name: str) -> str:
    """A name of Python's as TypeScript writes it: "copy_dim" gives "copyDim"."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def size(text: str) -> str:
    """A size of the tables in TypeScript: "3D" gives "3 * dim"."""
    factor, letter = size_parts(text)
    return " * ".join(filter(None, (factor, letter and camel(SIZE_LETTERS[letter]))))


def constant(name: str) -> str:
    """Name of the address of a tensor."""
    return name.upper()


def scales_constant(row: Tensor) -> str:
    return constant(row.name) + ("_SCALE" if row.kind == "ternary" else "_SCALES")


def scales(row: Tensor) -> str:
    return "1" if row.kind == "ternary" else size(row.rows)


def addresses(row: Tensor) -> list[str]:
    """Declarations of what a tensor has in memory."""
    shape = ", ".join(filter(None, (row.cols, row.rows) if row.engine == "transposed" else (row.rows, row.cols)))
    if row.kind == "f32":
        return [f"export let {constant(row.name)}: usize = 0; // f32 ({shape})"]
    weights = [f"export let {constant(row.name)}: usize = 0; // ternary ({shape})"] if row.engine == "unpacked" else []
    return [*weights, f"export let {scales_constant(row)}: usize = 0; // f32" + (f" ({row.rows})" if row.kind != "ternary" else "")]


def placings(row: Tensor) -> list[str]:
    if row.kind == "f32":
        return [
            f"{constant(row.name)} = place(4 * {' * '.join('<u64>' * (i == 0) + size(s) for i, s in enumerate(filter(None, (row.rows, row.cols))))});"
        ]
    weights = [f"{constant(row.name)} = place(ternarySize({size(row.rows)}, {size(row.cols)}));"] if row.engine == "unpacked" else []
    return [*weights, f"{scales_constant(row)} = place(4 * {scales(row)});"]


def file_bytes(row: Tensor) -> str:
    if row.kind == "f32":
        return "4 * <u64>" + " * ".join(map(size, filter(None, (row.rows, row.cols))))
    planes = "2 * " if row.kind == "nonary" else ""
    return f"4 * {scales(row)} + {planes}<u64>{size(row.rows)} * rowBytes({size(row.cols)})"


def reading(row: Tensor, base: str) -> str:
    """The call that reads a tensor from the file; false if it holds a value that is not allowed."""
    address, shape = base + constant(row.name), f"{size(row.rows)}, {size(row.cols)}" if row.cols else size(row.rows)
    if row.kind == "f32":
        return f"{'readTransposed' if row.engine == 'transposed' else 'readVector'}({address}, {shape})"
    if row.engine == "packed":
        return f"readTable({base}{scales_constant(row)}, {shape})"
    return f"readMatrix({address}, {base}{scales_constant(row)}, {scales(row)}, {shape})"


def function(head: str, body: list[str], comment: str) -> list[str]:
    return ["", f"/** {comment} */", f"export function {head} {{", *(f"  {line}" for line in body), "}"]


def layout() -> str:
    """The text of layout.ts."""
    lines = [*(HEAD + LAYOUT_HEAD).splitlines(), "", "// ---- The file and its limits ----", ""]
    lines += [
        f"export const HEADER_BYTES: u32 = {HEADER_BYTES};",
        f"export const MAGIC: u64 = 0x{int.from_bytes(MAGIC, 'little'):016x};",
        f"export const NEWEST_VERSION: u32 = {NEWEST_VERSION};",
        f"export const MAX_CARD_BYTES: u32 = {MAX_CARD_BYTES};",
        f"export const MAX_RAW_BYTES: u64 = {MAX_RAW_BYTES};",
        f"export const FREE_BYTES: u64 = {FREE_BYTES};",
        f"export const CONTENT_RATIO: u64 = {CONTENT_RATIO}; // a frame of p bytes holds at most FREE_BYTES + CONTENT_RATIO * p",
        f"export const MAX_TEXT_BYTES: u32 = {MAX_TEXT_BYTES}; // that are read at once",
        f"export const MAX_MAGNITUDE: f32 = {MAX_MAGNITUDE:g}; // of a number in a tensor",
        f"export const ROUTED_VERSION: u32 = {ROUTED_VERSION}; // of the files with several experts",
        f"export const MAX_EXPERTS: u32 = {MAX_EXPERTS};",
        f"export const ROUTER_PAIRS: u32 = {ROUTER_PAIRS};",
        f"export const ROUTER_FADING: i32 = {ROUTER_FADING};",
        f"export const ROUTER_MARGIN: i32 = {ROUTER_MARGIN};",
        f"export const ROUTER_SPREAD: i32 = {ROUTER_SPREAD};",
        *(f"export const MAX_{name.upper()}: u32 = {high};" for name, (_, high) in DIMENSION_RANGES.items()),
    ]
    lines += ["", "// ---- Dimensions ----", ""]
    lines += [f"export let {name}: u32 = 0;" for name in DIMENSION_RANGES]
    lines.append("export let copyDim: u32 = 0; // C, the width of queries and keys; 0 in a model that does not copy")
    lines.append("export let experts: u32 = 1; // that the file has")
    places = [f"{name} = load<u32>(header, {DIMENSIONS_AT + 4 * i});" for i, name in enumerate(DIMENSION_RANGES)]
    copies = f"copyDim = load<u32>(header, 8) >= {COPIES_VERSION} ? (dim + 3) / 4 : 0;"
    lines += function("readDimensions(header: usize): void", [*places, copies], "Takes the dimensions from the header at this address.")
    lines += function("setExperts(count: u32): void", ["experts = count;"], "Takes their number, which the size of the tensors tells.")
    tests = [f'if ({name} - {low} > MAX_{name.upper()} - {low}) return "{name}";' for name, (low, _) in DIMENSION_RANGES.items()]
    lines += function("badDimension(): string", [*tests, 'return "";'], "The name of the first dimension that is out of range, or nothing.")
    cases = [f"  case {i}: return {name};" for i, name in enumerate(DIMENSION_RANGES)]
    lines += function(
        "dimensionAt(place: u32): u32",
        ["switch (place) {", *cases, "  default: return 0;", "}"],
        "The dimension with this place in the header.",
    )

    lines += function("rowBytes(columns: u32): u32", ["return (columns + 4) / 5;"], "Bytes of a row of trits in the file: five to a byte.")
    lines += ["", "// ---- What can be wrong: docs/model-file.md (1 to 16) and docs/engine.md (32 and up) ----", ""]
    errors = {**ERRORS, **ENGINE_ERRORS}
    lines += [f"export const {name} = {code};" for code, (name, _) in errors.items()]
    messages = [f"  case {name}: return {json.dumps(message)};" for name, message in errors.values()]
    body = ["switch (code) {", *messages, '  default: return "";', "}"]
    lines += function("template(code: i32): string", body, "The message of an error, with {} for what was found.")
    return "\n".join(lines) + "\n"


def tensors() -> str:
    """The text of tensors.ts."""

    def place_all(*parts: str) -> list[str]:
        return [line for part in parts for row in TENSORS[part] for line in placings(row)]

    def read_all(part: str, indent: str, base: str = "") -> list[str]:
        """`&& readVector(…)`, a line for each tensor, the last one with a semicolon."""
        calls = [f"{indent}&& {reading(row, base)}" for row in TENSORS[part]]
        return [*calls[:-1], calls[-1] + ";"]

    lines: list[str] = [""]
    titles = {"start": "", "end": "", "copying": "// In a model that copies:", "block": "// In each layer, from its first address on:"}
    for part, title in titles.items():
        lines += [*([title] if title else []), *(line for row in TENSORS[part] for line in addresses(row))]
    sums = {part: [f"size += {file_bytes(row)};" for row in rows] for part, rows in TENSORS.items()}
    body = ["let size: u64 = 0;", *sums[SHARED], "return size;"]
    lines += function("sharedBytes(): u64", body, "Bytes in the file of the tensors that all experts share.")
    body = ["let size: u64 = 0;", *sums["block"], "size *= layers;", *sums["end"]]
    body += ["if (copyDim > 0) {", *("  " + line for line in sums["copying"]), "}", "return size;"]
    lines += function("expertBytes(): u64", body, "Bytes of those that an expert has of its own.")

    copying = ["if (copyDim > 0) {", *("  " + line for line in place_all("copying")), "}"]
    lines += function("placeShared(): void", place_all(SHARED), "Gives each tensor that all experts share its place.")
    lines += function("placeExpert(): void", [*place_all("end"), *copying], "The same for those of an expert outside the layers.")
    lines += function("placeLayer(): void", place_all("block"), "The same for those of a layer.")
    lines += function(
        "readShared(): bool",
        ["return true", *read_all(SHARED, "  ")],
        "Reads the tensors that all experts share, in the order of the file. False at the first that holds a value that is not allowed.",
    )
    lines += function(
        "readExpert(expert: usize): bool",
        [
            "let good = true;",
            "for (let layer: u32 = 0; good && layer < layers; layer++) {",
            "  let base = expert + LAYERS + layer * layerSize;",
            "  good = true",
            *read_all("block", "    ", "base + "),
            "}",
            "good = good",
            *read_all("end", "  ", "expert + "),
            "if (copyDim == 0) return good;",
            "return good",
            *read_all("copying", "  ", "expert + "),
        ],
        "The same for an expert that lies so many bytes after the first.",
    )
    used = set(re.findall(r"\w+", "\n".join(lines))) & set(re.findall(r"export (?:let|function) (\w+)", layout()))
    return (
        HEAD + TENSORS_HEAD % textwrap.fill(", ".join(sorted(used, key=str.lower)), 140, subsequent_indent="  ") + "\n".join(lines) + "\n"
    )


def tensor_list() -> str:
    """The list of tensors for people."""
    titles = {
        "start": [],
        "block": ["for each layer:"],
        "end": ["after the layers:"],
        "copying": ["in a model that copies (versions 2 and 3 of the file), C = ⌈D/4⌉:"],
    }
    scales = {"f32": "", "ternary": ", one scale"}
    lines = []
    for part, title in titles.items():
        lines += title
        for row in TENSORS[part]:
            shape = ", ".join(filter(None, (row.rows, row.cols)))
            lines.append(f"{'    ' if title else ''}{row.name:<15}{row.kind} ({shape}){scales.get(row.kind, ', a scale for each row')}")
    return "\n".join(lines)


def document(page: str) -> str:
    """docs/numerics.md with this list in its place."""
    return re.sub(r"(?<=<!-- tensors -->\n).*?(?=<!-- end of tensors -->)", f"```\n{tensor_list()}\n```\n", page, flags=re.DOTALL)


def main() -> None:
    with open(DOCUMENT, encoding="utf-8") as file:
        page = document(file.read())
    for path, text in (
        (os.path.join(ASSEMBLY, "layout.ts"), layout()),
        (os.path.join(ASSEMBLY, "tensors.ts"), tensors()),
        (DOCUMENT, page),
    ):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
