"""Export: what the file holds, that it is compared before it is written, and every way in which it can fail."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from fable6c import __version__, export, kernels
from fable6c.errors import UserError
from fable6c.model.file import Matrix, read_model
from fable6c.model.reference import Reference
from fable6c.training import checkpoint
from fable6c.training.config import Recipe, load_config
from fable6c.training.network import Network
from made_runs import DIMENSIONS, make_run


@pytest.fixture(autouse=True)
def one_thread():
    kernels.set_threads(1)


def test_the_file_holds_what_training_used(tmp_path):
    network = make_run(tmp_path / "run")
    export.export(str(tmp_path / "run"), str(tmp_path / "model.f6c"))
    model = read_model(tmp_path / "model.f6c")
    assert model.dimensions == DIMENSIONS and len(model.merges) == 43 and model.merges[30].tolist() == [101, 98]
    for name, tensor in model.tensors.items():
        if isinstance(tensor, Matrix):
            assert np.array_equal(tensor.weight, network.weights[name]["weight"]), name
            assert np.array_equal(tensor.scale, network.weights[name]["scale"]), name
        else:
            assert np.array_equal(tensor, network.latent[name]), name
    tokens = np.arange(80, 120, dtype=np.int32)[None]
    assert np.array_equal(Reference(model).forward(tokens)[0], network.logits(tokens))


def test_card(tmp_path):
    make_run(tmp_path / "run")
    card = export.export(str(tmp_path / "run"), str(tmp_path / "tale.f6c"))
    recipe = Recipe(**load_config("micro").as_dict()["train"])
    assert card == {
        "name": "tale",
        "made_by": f"fable6c {__version__}",
        "preset": "micro",
        "parameters": sum(tensor.size if isinstance(tensor, np.ndarray) else tensor.weight.size for tensor in read_model(tmp_path / "tale.f6c").tensors.values()),
        "corpus": "stories.txt",
        "text_sha256": "ab" * 32,
        "tokens_trained": 30 * recipe.batch * recipe.accumulate * 40,
        "seed": 7,
        "bits_per_char": 1.2346,
    }  # fmt: skip
    assert read_model(tmp_path / "tale.f6c").card == card


def test_card_of_a_run_with_a_budget_of_time(tmp_path):
    """The minutes are told only there: with a budget of tokens they would make equal models into different files."""
    make_run(tmp_path / "run", minutes=2.0, bits_per_char=None)
    card = export.export(str(tmp_path / "run"), str(tmp_path / "model.f6c"))
    assert card["minutes"] == 2.1 and "bits_per_char" not in card


def test_exports_are_equal(tmp_path):
    make_run(tmp_path / "run")
    paths = [tmp_path / "a" / "model.f6c", tmp_path / "b" / "model.f6c"]
    for path in paths:
        path.parent.mkdir()
        export.export(str(tmp_path / "run"), str(path))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_main(tmp_path, capsys):
    make_run(tmp_path / "run")
    path = tmp_path / "model.f6c"
    export.main([str(tmp_path / "run"), "-o", str(path)])
    printed = capsys.readouterr()
    data = path.read_bytes()
    assert f"{path}: {len(data):,} bytes" in printed.out and hashlib.sha256(data).hexdigest() in printed.out
    assert "read back and compared with the trainer" in printed.err


# ---- failures


def fails(folder, path, message):
    """The export fails in one line; whatever was at `path` is still there."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UserError) as caught:
        export.export(str(folder), str(path))
    assert message in str(caught.value) and "\n" not in str(caught.value), str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    if path.parent.is_dir():
        assert not list(path.parent.glob("*.tmp"))


@pytest.fixture(params=["nothing there", "an older model there"])
def path(request, tmp_path):
    path = tmp_path / "model.f6c"
    if request.param != "nothing there":
        path.write_bytes(b"older model")
    return path


@pytest.mark.parametrize("name", ["mix_in", "head", "embedding"])
def test_a_file_that_does_not_agree_is_not_written(tmp_path, path, monkeypatch, name):
    """One wrong weight in the file is found."""
    make_run(tmp_path / "run")
    encode = export.encode_model

    def wrong(model):
        full_name = name if name in model.tensors else f"blocks.1.{name}"
        weight = model.tensors[full_name].weight
        row = (
            weight[int(np.random.default_rng(0).integers(0, export.COMPARED_VOCAB))] if name == "embedding" else weight[0]
        )  # a token that is compared
        row[0] = 1 if row[0] < 1 else -1
        return encode(model)

    monkeypatch.setattr(export, "encode_model", wrong)
    fails(tmp_path / "run", path, "the model's logits or losses differ from the trainer's by")


def test_trainers_odds_that_are_wrong_are_found(tmp_path, path, monkeypatch):
    """The trainer computes its odds of copying itself, the logits of a comparison come from the reference."""
    make_run(tmp_path / "run")
    losses = Network.losses

    def wrong(self, tokens, targets):
        self.latent["copy_bias"][:] -= 1  # seen by copy_forward
        return losses(self, tokens, targets)

    monkeypatch.setattr(Network, "losses", wrong)
    fails(tmp_path / "run", path, "the model's logits or losses differ from the trainer's by")


def test_no_run(tmp_path, path):
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "missing", path, "missing: there is no checkpoint; give the folder of a run")
    fails(tmp_path / "empty", path, "empty: there is no checkpoint")
    (tmp_path / "file").write_bytes(b"")
    fails(tmp_path / "file", path, "file: there is no checkpoint")


def test_damaged_run(tmp_path, path, capsys):
    make_run(tmp_path / "run")
    newest = tmp_path / "run" / checkpoint.NAME
    data = newest.read_bytes()
    newest.write_bytes(data[:-1])
    fails(tmp_path / "run", path, "the checkpoint is damaged (its checksum does not match); no whole checkpoint is left")
    (tmp_path / "run" / checkpoint.PREVIOUS).write_bytes(data)
    export.export(str(tmp_path / "run"), str(path))
    assert f"using {checkpoint.PREVIOUS} instead" in capsys.readouterr().err and read_model(path).card["name"] == "model"


def test_checkpoint_of_another_version(tmp_path, path, monkeypatch):
    make_run(tmp_path / "run")
    monkeypatch.setattr(checkpoint, "VERSION", 0)
    fails(tmp_path / "run", path, "the checkpoint has version 1, this build reads 0")


@pytest.mark.parametrize("value", [1025.0, -3e38, np.nan, np.inf])
def test_a_run_that_diverged(tmp_path, path, value):
    def edit(network):
        network.latent["norm_out"][3] = value

    make_run(tmp_path / "run", edit=edit)
    fails(tmp_path / "run", path, "a model file holds at most 1024: the training has diverged")


def test_output_that_cannot_be_written(tmp_path):
    make_run(tmp_path / "run")
    (tmp_path / "file").write_bytes(b"")
    fails(tmp_path / "run", tmp_path / "missing" / "model.f6c", "cannot be written (No such file or directory)")
    fails(tmp_path / "run", tmp_path / "file" / "model.f6c", "cannot be written (Not a directory)")
    fails(tmp_path / "run", tmp_path, "cannot be written (Is a directory)")


@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_a_full_disk(tmp_path, path, monkeypatch, operation):
    make_run(tmp_path / "run")

    def no_space(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, operation, no_space)
        fails(tmp_path / "run", path, "cannot be written (No space left on device)")
    export.export(str(tmp_path / "run"), str(path))


@pytest.mark.parametrize(
    "arguments,message",
    [
        ([], "required: DIR, -o/--output"),
        (["run"], "required: -o/--output"),
        (["run", "-o", "x", "--quick"], "unrecognized arguments: --quick"),
    ],
)
def test_command_line(tmp_path, arguments, message):
    done = subprocess.run([sys.executable, "-m", "fable6c.export", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
