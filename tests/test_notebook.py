"""docs/train.ipynb: stored without outputs, and it runs from top to bottom to a story."""

import json
import pathlib
import re

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
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()

    said = {cell["id"]: printed(cell) for cell in notebook.cells if cell.cell_type == "code"}
    assert "stopped at step" in said["start"]
    assert re.search(r"going on from step [1-9]", said["resume"]) and "finished: " in said["resume"]
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells if cell["id"] == "curve" for output in cell.outputs)
    assert "the logits agree" in said["export"] and ": OK, " in said["export"]
    assert read_model(str(folder / "micro.f6c")).card["minutes"] == float(MINUTES)
    assert 0.1 < float(re.search(r"bits per character +([\d.]+)", said["score"]).group(1)) < 2.0
    stories = [story.split("\n", 1)[1].split() for story in said["tell"].split("$ python")[1:]]
    assert [story[0] for story in stories] == ["Once", "One", "The"]
    assert max(map(len, stories)) > 40  # the model may end one of them early


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)
