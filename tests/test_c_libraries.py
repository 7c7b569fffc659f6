"""fable6c/native.py and headers.py: the C libraries are loaded, their headers read, and what is handed to them is checked."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import types

import cffi
import numpy as np
import pytest
from pycparser import c_ast, c_generator

from fable6c import headers, native
from fable6c.errors import UsageError, UserError

ROOT = pathlib.Path(__file__).parent.parent
CHECKED = ("cpu", "bpe", "text", "codec", "kernels", "scout")


def parsed_by_cffi(library):
    """The functions and structs of a header as cffi's parser reads them: {name: [(name, type with its const), …]}."""
    tree, write = cffi.FFI()._parser._parse(headers.text(library))[0], c_generator.CGenerator().visit
    functions, structs = {}, {}
    for node in tree.ext:
        if isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl):
            functions[node.name] = [(parameter.name, write(parameter.type)) for parameter in node.type.args.params if parameter.name]
        elif isinstance(node, c_ast.Typedef) and isinstance(node.type.type, c_ast.Struct) and node.type.type.decls:  # or an opaque one
            structs[node.name] = [(field.name, write(field.type).partition(" [")[0]) for field in node.type.type.decls]
    return functions, structs


def as_read(parameters):
    return [(p.name, f"{'const ' if p.const else ''}{p.kind}{' *' if p.pointer else ''}") for p in parameters]


@pytest.mark.parametrize("library", CHECKED)
def test_a_header_is_read_as_cffi_reads_it(library):
    """Names, order, types and const of every function and struct; and every array has a shape."""
    functions, structs = parsed_by_cffi(library)
    declared = headers.declarations(library)
    assert functions and {name: as_read(function.parameters) for name, function in declared.functions.items()} == functions
    assert {name: as_read(struct.fields) for name, struct in declared.structs.items()} == structs
    for part in (*declared.functions.values(), *declared.structs.values()):
        for parameter in part[0]:
            assert (parameter.sizes is not None) == (parameter.pointer and parameter.kind in headers.NUMBERS), parameter
    for function in declared.functions.values():
        for name in function.needs:
            argument, _, field = name.partition(".")
            struct = declared.structs[next(p.kind for p in function.parameters if p.name == argument)]
            assert next(f for f in struct.fields if f.name == field).optional


def test_an_array_that_does_not_fit_is_named():
    text, hashes = native.load("text"), np.arange(4, dtype=np.uint64)
    with pytest.raises(TypeError, match="text_grams: expected 3 arguments, got 2"):
        text.call("text_grams", hashes, hashes)
    with pytest.raises(ValueError, match=r"text_grams: word_hash: expected \(4,\) uint64, got \(4,\) int64"):
        text.call("text_grams", hashes, np.arange(4), 2)
    with pytest.raises(ValueError, match=r"text_grams: word_hash: expected \(4,\) uint64, got \(2, 2\) uint64"):
        text.call("text_grams", hashes, hashes.reshape(2, 2), 2)
    with pytest.raises(ValueError, match="text_grams: word_hash: expected a C-contiguous array"):
        text.call("text_grams", hashes, np.arange(8, dtype=np.uint64)[::2], 2)
    with pytest.raises(ValueError, match=r"text_grams: word_hash: expected \(4,\) uint64, got list"):
        text.call("text_grams", hashes, [1, 2, 3, 4], 2)
    with pytest.raises(ValueError, match="text_grams: gram: expected an array that can be written to"):
        text.call("text_grams", np.frombuffer(bytes(32), np.uint64), hashes, 2)
    out = np.zeros(4, np.uint64)
    assert text.call("text_grams", out, np.frombuffer(bytes(32), np.uint64), 2) == 3 and out[:3].all()  # what C only reads may be read-only


def test_a_struct_that_does_not_fit_is_named():
    bpe = native.load("bpe")
    arrays = {
        "symbols": np.zeros(64, np.uint16), "piece_of": np.zeros(64, np.uint32), "piece_count": np.zeros(1, np.int64),
        "pair": np.zeros(9, np.uint32), "pair_count": np.zeros(9, np.int64), "index": np.zeros(32, np.uint32),
    }  # fmt: skip
    struct = bpe.struct("bpe_text", **arrays)
    assert (struct.N, struct.I) == (64, 32)
    with pytest.raises(ValueError, match=r"bpe_text: pair_count: expected \(9,\) int64, got \(8,\) int64"):
        bpe.struct("bpe_text", **{**arrays, "pair_count": np.zeros(8, np.int64)})
    with pytest.raises(TypeError, match=r"bpe_text: missing \['index'\], unknown \['indices'\]"):
        bpe.struct("bpe_text", **{**{name: array for name, array in arrays.items() if name != "index"}, "indices": arrays["index"]})


def python(code, **variables):
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


NO_C = """
import sys
import types
class NoExtensions:
    def find_spec(name, path=None, target=None):
        if name.startswith("fable6c._lib"):
            raise ModuleNotFoundError(f"No module named '{name}'")
sys.meta_path.insert(0, NoExtensions)
"""


def test_where_nothing_was_compiled_every_module_can_be_imported():
    paths = [path.relative_to(ROOT) for path in (ROOT / "fable6c").rglob("*.py")]
    paths += [pathlib.Path("fable6c") / path.relative_to(ROOT) for path in (ROOT / "corpus").glob("*.py")]
    names = [".".join(path.with_suffix("").parts) for path in paths if path.stem not in ("__init__", "__main__", "build_kernels")]
    done = python(NO_C + f"import importlib\nfor name in {names}: importlib.import_module(name)")
    assert len(names) > 30 and done.returncode == 0 and done.stdout == "", done.stdout


@pytest.mark.parametrize("library", CHECKED)
def test_where_nothing_was_compiled_one_line_says_how_to_build(library):
    done = python(NO_C + f"""
from fable6c import cli, native
def main(argv):
    native.load("{library}")
cli.run(main)
""")  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.startswith("the C extension is not built (No module named 'fable6c._lib_") and done.stdout.count("\n") == 1
    assert done.stdout.endswith("; run `pip install .` in the project's folder, with a C compiler installed\n")


def test_an_extension_of_another_header_is_refused(monkeypatch):
    """After a change of a header, or a pull of one: a call by the new declarations would go astray in the old code."""
    monkeypatch.setattr(headers, "text", lambda library: "int cpu_supports(const char *isa, int more);\n")
    native.load.cache_clear()
    with pytest.raises(
        native.NotBuilt, match="the C extension was compiled from another _cpu.h; run `pip install .` in the project's folder again"
    ):
        native.load("cpu")


@pytest.mark.skipif(sys.platform == "darwin", reason="built without OpenMP there")
def test_threads_that_wait_do_not_spin():
    """They would take the core that somebody else's process needs: a second of waiting costs next to no processor time."""
    script = """
import os, time
import numpy as np
from fable6c import kernels
assert kernels.set_threads(2) == 2
kernels.sum_of_squares(np.ones(100_000, np.float32))
before = time.process_time()
time.sleep(1)
print(os.environ["GOMP_SPINCOUNT"], time.process_time() - before)
"""
    spins, spent = python(script).stdout.split()
    assert spins == "1000" and float(spent) < 0.2
    assert python(script, GOMP_SPINCOUNT="7").stdout.startswith("7 ")  # a person's own wish stands


def test_the_instruction_set_is_the_best_or_the_one_that_was_asked_for(monkeypatch):
    monkeypatch.setenv("FABLE6C_ISA", "baseline")
    assert [native.instruction_set(library) for library in ("kernels", "scout", "text")] == ["baseline"] * 3
    monkeypatch.delenv("FABLE6C_ISA")
    best = native.instruction_set("kernels")
    supports = native.load("cpu").lib.cpu_supports
    assert best == next(isa for isa in native.INSTRUCTION_SETS if supports(isa.encode()) and native._compiled("kernels", isa))
    monkeypatch.setenv("FABLE6C_ISA", best)
    assert native.instruction_set("kernels") == best
    assert native.instruction_set("scout") == ("avx2" if best.startswith(("avx", "amx")) else "baseline")  # compiled for no more
    assert native.load("cpu").lib.cpu_supports(b"sse9") == 0
    monkeypatch.setenv("FABLE6C_ISA", "sse9")
    with pytest.raises(UsageError, match="FABLE6C_ISA=sse9: unknown instruction set; use one of " + ", ".join(native.INSTRUCTION_SETS)):
        native.instruction_set("scout")
    unsupported = [isa for isa in native.INSTRUCTION_SETS if not native.load("cpu").lib.cpu_supports(isa.encode())]
    for isa in unsupported:
        monkeypatch.setenv("FABLE6C_ISA", isa)
        with pytest.raises(UserError, match="this CPU does not have it"):
            native.instruction_set("kernels")


def test_no_set_is_missing_whose_code_this_compiler_knows():
    """setup.py goes on without a set that does not compile; only an old GCC or another system may be the reason."""
    version = subprocess.run(["gcc", "-dumpversion"], capture_output=True, text=True) if shutil.which("gcc") else None
    if version is None or int(version.stdout.split(".")[0]) < 11:
        pytest.skip("no GCC 11 or newer here")
    missing = [isa for isa in native.INSTRUCTION_SETS if importlib.util.find_spec(native._module("kernels", isa)) is None]
    assert missing == ([] if sys.platform == "linux" else ["amx"])


def test_a_set_that_an_old_compiler_left_out(monkeypatch):
    """Another one is taken in its place, unless it was asked for."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name.endswith("_avxvnni") else find(name, *more))
    monkeypatch.setattr(native, "INSTRUCTION_SETS", ("avxvnni", "avx2", "baseline"))
    monkeypatch.setattr(native, "COMPILED_FOR", {"kernels": native.INSTRUCTION_SETS})
    monkeypatch.setattr(native, "load", lambda library: types.SimpleNamespace(lib=types.SimpleNamespace(cpu_supports=lambda name: 1)))
    monkeypatch.delenv("FABLE6C_ISA", raising=False)
    assert native.instruction_set("kernels") == "avx2"
    monkeypatch.setenv("FABLE6C_ISA", "avxvnni")
    with pytest.raises(UserError, match="FABLE6C_ISA=avxvnni: the compiler that built fable6c does not know it"):
        native.instruction_set("kernels")
