"""What is generated from the tables of the architecture is current, and the packages depend on each other in one direction only."""

import ast
import importlib.util
import pathlib
import re

import pytest

from fable6c.model import layout
from fable6c.model.architecture import Dimensions, tensor_specs

ROOT = pathlib.Path(__file__).parent.parent
ASSEMBLY = ROOT / "asengine" / "assembly"

# From the ground up. A package may import those before it, never those after it.
LAYERS = ["ground", "model", "data", "corpus", "mixing", "training", "evaluation", "sharing", "z80lib", "commands"]
GROUND = {
    "__init__",
    "errors",
    "cli",
    "figures",
    "files",
    "progress",
    "native",
    "headers",
    "kernels",
    "limits",
    "machines",
    "build_kernels",
}  # modules of fable6c/ itself that others build on


@pytest.mark.parametrize("name", ["layout", "tensors"])
def test_the_engines_layout_is_current(name):
    assert (ASSEMBLY / f"{name}.ts").read_text(encoding="utf-8") == getattr(layout, name)(), "run: python -m fable6c.model.layout"


def test_the_engine_uses_all_of_its_layout():
    text = "".join(path.read_text(encoding="utf-8") for path in ASSEMBLY.glob("*.ts"))
    names = re.findall(r"^export (?:const|let|function) (\w+)", layout.layout(), re.M)
    assert len(names) > 40 and [name for name in names if len(re.findall(rf"\b{name}\b", text)) < 2] == []


def test_the_documents_tensor_list_is_current():
    page = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")
    assert layout.document(page) == page, "run: python -m fable6c.model.layout"
    listed = re.findall(r"^ *(\w+) +(f32|ternary_rows|ternary|nonary) \(", page, re.M)
    specs = tensor_specs(Dimensions(6, 1, 8, 3, 300, 16, copies=True))
    assert listed == [(spec.name.split(".")[-1], spec.kind) for spec in specs]


def test_sizes():
    dimensions = Dimensions(6, 1, 8, 3, 300, 16, copies=True)
    assert [dimensions.size(text) for text in ("D", "3D", "2H", "K", "V", "2C", "1")] == [6, 18, 16, 3, 300, 4, 1]
    assert tensor_specs(dimensions)[3].name == "blocks.0.mix_in" and tensor_specs(dimensions)[3].shape == (18, 6)


def layer_of(module):
    """The layer of "fable6c.model.file", "fable6c.corpus.clean", "fable6c.train"; None for what is not ours."""
    first, _, rest = module.partition(".")
    if first != "fable6c":
        return None
    part = rest.partition(".")[0]
    if part in LAYERS:
        return LAYERS.index(part)
    if part == "engine":  # the engine in Python reads model files
        return LAYERS.index("model")
    return LAYERS.index("ground" if part in GROUND or not part or part.startswith("_lib") else "commands")


def upward_imports(module, source):
    """The imports of a module that name a layer above its own."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            # `from fable6c import kernels` names a module, `from fable6c.model.file import Model` does not
            names = [
                f"{node.module}.{alias.name}" if node.module == "fable6c" and alias.name != "__version__" else node.module
                for alias in node.names
            ]
        elif isinstance(node, ast.ImportFrom):
            found.append(f"{module}: a relative import")
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found += [f"{module} -> {name}" for name in names if (layer_of(name) or 0) > layer_of(module)]
    return found


def test_imports_point_down_only():
    found = []
    for path in [*ROOT.glob("fable6c/**/*.py"), *ROOT.glob("corpus/*.py")]:
        relative = path.relative_to(ROOT)
        parts = relative.with_suffix("").parts
        module = ".".join(parts if parts[0] == "fable6c" else ("fable6c", *parts))
        found += upward_imports(module, path.read_text(encoding="utf-8"))
    assert found == []


def test_an_upward_import_is_seen():
    assert upward_imports("fable6c.model.file", "from fable6c.training.run import Run") == ["fable6c.model.file -> fable6c.training.run"]
    assert upward_imports("fable6c.errors", "from fable6c import train") == ["fable6c.errors -> fable6c.train"]
    assert upward_imports("fable6c.train", "from fable6c.training.run import Run") == []


def test_of_a_checkout_only_corpus_is_in_the_package():
    assert pathlib.Path(importlib.util.find_spec("fable6c.corpus").origin) == ROOT / "corpus" / "__init__.py"
    beside = {path.stem for path in ROOT.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert {"setup", "tests", "benchmarks", "corpus"} <= beside
    others = beside - {"corpus"} - {path.stem for path in (ROOT / "fable6c").iterdir()}
    assert [name for name in sorted(others) if name.isidentifier() and importlib.util.find_spec(f"fable6c.{name}")] == []


def test_no_test_imports_a_test():
    """What two of them need has a file of its own, whose name says what it is."""
    imports = re.compile(r"^\s*(?:from|import) test_\w+", re.M)
    assert [path.name for path in ROOT.glob("tests/*.py") if imports.search(path.read_text(encoding="utf-8"))] == []
