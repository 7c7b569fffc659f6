"""The models in release/: they are what SHA256SUMS says, of the sizes promised, and tell the stories that stand beside them."""

import hashlib
import importlib.util
import pathlib
import re

import pytest

from fable6c.engine import Engine
from fable6c.model.architecture import parameter_count
from fable6c.model.file import read_model
from fable6c.training.config import load_config

ROOT = pathlib.Path(__file__).parent.parent
RELEASE = ROOT / "release"
NAMES = ["micro", "small", "micro-wish", "small-wish"]
HAS_ENGINE = importlib.util.find_spec("fable6c._lib_wasm3") is not None and (ROOT / "fable6c" / "fable6c.wasm").exists()


@pytest.mark.parametrize("name", NAMES)
def test_files(name):
    preset = name.partition("-")[0]
    max_bytes, max_parameters = {"micro": (300_000, 1_048_576), "small": (1_500_000, 5_000_000)}[preset]
    data = (RELEASE / f"{name}.f6c").read_bytes()
    sums = dict(reversed(line.split()) for line in (RELEASE / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {f"{name}.f6c" for name in NAMES}
    assert sums[f"{name}.f6c"] == hashlib.sha256(data).hexdigest()
    model = read_model(str(RELEASE / f"{name}.f6c"))
    assert len(data) <= max_bytes and parameter_count(model.dimensions) <= max_parameters
    config = load_config(preset, str(RELEASE / f"{name}.toml"))
    assert config.model == model.dimensions
    assert ("asks" in model.card) == name.endswith("-wish")
    written = re.findall(r"^(\w+) = ", (RELEASE / f"{name}.toml").read_text(), re.MULTILINE)
    assert sorted(written) == sorted(key for table in config.as_dict().values() for key in table), "the whole configuration"
    assert (RELEASE / f"{name}.png").read_bytes().startswith(b"\x89PNG") and (RELEASE / f"{name}.jsonl").stat().st_size > 1000


@pytest.mark.skipif(not HAS_ENGINE, reason="needs the wasm3 interpreter and fable6c/fable6c.wasm: make test builds both")
@pytest.mark.parametrize("name", NAMES)
def test_first_story(name):
    stories = re.split(r"^--- seed \d+\n", (RELEASE / f"{name}.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(stories) == 10
    engine = Engine(str(RELEASE / f"{name}.f6c"))
    engine.sampling(0.8, 40)
    engine.seed(1)
    prompt = "Once upon a time"
    assert (prompt + "".join(engine.generate(prompt, 300))).strip() == stories[0].strip()
