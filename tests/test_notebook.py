"""docs/train.ipynb: stored without outputs; opened alone it gets the project itself; it runs from top to bottom to a story and a page."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

import pytest

from fable6c.model.file import read_model

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "docs" / "train.ipynb"
MINUTES = "1"  # of training: enough for words that look like a story


def cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_no_outputs_are_stored():
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert len(code) >= 8
    for cell in code:
        assert cell["outputs"] == [] and cell["execution_count"] is None, cell["id"]
        compile("".join(cell["source"]), cell["id"], "exec")


def run_cells(folder, *names, **environment):
    """Run these cells alone, by a Python that has no package installed, in `folder`."""
    program = "\n".join("".join(cell["source"]) for cell in cells() if cell["id"] in names)
    return subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_opened_alone_it_downloads_the_project(tmp_path):
    archive = tmp_path / "server" / "main.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as file:
        for name in ("fable6c/_kernels.c", "Makefile"):
            file.add(ROOT / name, f"nano-main/{name}")
    folder = tmp_path / "alone"
    folder.mkdir()
    for said in (f"downloading {archive.as_uri()}\n", ""):  # the second time it is there
        done = run_cells(folder, "settings", "fetch", FABLE6C_PROJECT=archive.as_uri())
        assert done.returncode == 0 and done.stdout == f"{said}the project is in {folder.resolve() / 'project' / 'nano-main'}\n"


def test_the_project_may_be_a_folder_or_lie_above(tmp_path):
    for folder, project in ((tmp_path, str(ROOT)), (ROOT / "docs", "")):
        done = run_cells(folder, "settings", "fetch", FABLE6C_PROJECT=project)
        assert done.stdout == f"the project is in {ROOT.resolve()}\n"


def test_without_the_project_it_says_what_to_do(tmp_path):
    done = run_cells(tmp_path, "settings", "fetch", FABLE6C_PROJECT="")
    assert done.returncode == 1
    assert (
        done.stdout.splitlines()[-1]
        == "FileNotFoundError: the project is not here; write its archive's address, or its folder, into PROJECT above"
    )


def test_a_drive_keeps_the_work(tmp_path):
    """With a stand-in for Colab's own module, which only mounts."""
    module = tmp_path / "modules" / "google" / "colab"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text("")
    (module / "drive.py").write_text("import os\ndef mount(path):\n    os.makedirs(os.path.join(path, 'MyDrive'))\n")
    drive = tmp_path / "drive"
    done = run_cells(tmp_path, "settings", "drive", FABLE6C_NOTEBOOK_DRIVE=str(drive), PYTHONPATH=str(tmp_path / "modules"))
    assert done.stdout == f"working in {drive.resolve() / 'MyDrive' / 'fable6c'}\n"
    assert run_cells(tmp_path, "settings", "drive").stdout == f"working in {tmp_path.resolve()}\n"


@pytest.mark.slow
def test_runs_from_top_to_bottom(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="the notebook is run by nbclient: pip install nbclient ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="the notebook is run by nbclient: pip install nbclient ipykernel")
    monkeypatch.setenv("FABLE6C_NOTEBOOK_MINUTES", MINUTES)
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):  # not the person's own
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path / "run"
    folder.mkdir()
    nbclient.NotebookClient(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()

    said = {cell["id"]: printed(cell) for cell in notebook.cells if cell.cell_type == "code"}
    assert "stopped at step" in said["start"]
    assert re.search(r"going on from step [1-9]", said["resume"]) and "finished: " in said["resume"]
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells if cell["id"] == "curve" for output in cell.outputs)
    assert "the logits agree" in said["export"] and ": OK, " in said["export"]
    assert read_model(str(folder / "micro.f6c")).card["minutes"] > 0
    assert 0.1 < float(re.search(r"bits per character +([\d.]+)", said["score"]).group(1)) < 2.0
    card = (folder / "micro.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlanguage:") and "# Model card: micro" in card
    assert said["tell"].count("\ntold by ") == 3
    stories = [story.split("\n", 2)[2].split() for story in said["tell"].split("$ python")[1:]]
    assert [story[0] for story in stories] == ["Once", "One", "The"]
    assert max(map(len, stories)) > 40  # the model may end one of them early
    assert (
        "fable6.html tells stories with " in said["page"]
        and (folder / "page" / "fable6.html").stat().st_size > 4 / 3 * (folder / "micro.f6c").stat().st_size
    )


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)
