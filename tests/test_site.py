"""The documentation as a site: every page is in the index and in the menu, the examples of docs/api.md run, and mkdocs builds it."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

import make_golden

ROOT = pathlib.Path(__file__).parent.parent
DOCS = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
MENU = (ROOT / "site" / "mkdocs.yml").read_text(encoding="utf-8")

specification = importlib.util.spec_from_file_location("site_pages", ROOT / "site" / "pages.py")
pages = importlib.util.module_from_spec(specification)
specification.loader.exec_module(pages)


def test_every_page_is_in_the_index_and_in_the_menu():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert len(DOCS) > 15
    assert [name for name in DOCS if name != "index.md" and f"]({name})" not in index] == []
    assert [name for name in DOCS if f": docs/{name}\n" not in MENU] == []
    assert [name for name in re.findall(r": (\S+\.md)$", MENU, re.MULTILINE) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("number", range(4))
def test_the_examples_run(number):
    code = re.findall(r"^```python\n(.*?)^```", API, re.MULTILINE | re.DOTALL)[number]
    assert "release/small.f6c" in code
    code = code.replace("release/small.f6c", make_golden.MODEL.as_posix())
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_the_reference_names_what_exists():
    names = re.findall(r"^::: (\S+)$", API, re.MULTILINE)
    assert {"fable6c.engine.Engine", "fable6c.model.file.read_model"} <= set(names)
    for module, _, name in (name.rpartition(".") for name in names):
        assert getattr(importlib.import_module(module), name).__doc__


def test_links_are_those_of_the_site(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    for name, text in {
        "README.md": "",
        "a/README.md": "",
        "a/file.txt": "",
        "b/picture.png": "",
        ".hidden/x.md": "",
        "build/x.md": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(
        "[a](../a) [top](../README.md#x) [![p](../b/picture.png)](../a/file.txt) [b](../b/) [out](https://example.org/b)\n`[b](../b/)`\n```\n[b](../b/)\n```\n"
    )
    pages.write(tmp_path / "build" / "site")
    assert (tmp_path / "build" / "site" / "docs" / "page.md").read_text() == (
        "[a](../a/README.md) [top](../README.md#x) [![p](../b/picture.png)](../a/file.txt) b [out](https://example.org/b)\n`[b](../b/)`\n```\n[b](../b/)\n```\n"
    )
    written = {
        path.relative_to(tmp_path / "build" / "site").as_posix() for path in (tmp_path / "build" / "site").rglob("*") if path.is_file()
    }
    assert written == {"README.md", "a/README.md", "a/file.txt", "b/picture.png", "docs/page.md"}


def test_it_builds(tmp_path):
    if not all(map(importlib.util.find_spec, ("mkdocs", "material", "mkdocstrings"))):
        pytest.skip("mkdocs is not installed: make docs installs it")
    pages.write(tmp_path / "pages")
    settings = (
        MENU.replace("../build/pages", str(tmp_path / "pages"))
        .replace("../build/site", str(tmp_path / "site"))
        .replace("paths: [..]", f"paths: ['{ROOT}']")
    )
    (tmp_path / "mkdocs.yml").write_text(settings, encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-f", str(tmp_path / "mkdocs.yml")]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stdout
    reference = (tmp_path / "site" / "docs" / "api" / "index.html").read_text(encoding="utf-8")
    assert "fable6c.engine.Engine.sampling" in reference and "How tokens are chosen" in reference
