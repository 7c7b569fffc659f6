"""Determinism: the same story in every runtime of this machine, bit by bit.

Each runtime tells the story of the same seed after the same prompt; the first eight bytes of the texts' SHA-256 stand side by side. The
engine's own tests hold all of them to the digests in tests/golden/expected.json, of which the golden model's story is one here too, where
the project's folder is at hand.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Callable, Optional

from fable6c.engine import MODULE, Engine
from fable6c.errors import UserError
from fable6c.evaluation.tasks import Asked
from fable6c.model.file import read_model
from fable6c.model.reference import generate
from fable6c.model.routing import open_reference
from fable6c.model.sampling import Sampler
from fable6c.model.tokenizer import Tokenizer

NAME, TITLE = "determinism", "The same bits everywhere"
PROMPT, SEED, TOKENS = "Once upon a time", 1, 100
SECONDS = 600  # a runtime that is stuck must not hold up the suite
ROOT = pathlib.Path(__file__).resolve().parents[3]  # of a checkout


def run(asked: Asked) -> dict:
    if asked.predictor.kind != "network":
        return {"skipped": "only a network has more than one runtime"}
    figures = table(asked.model_path)
    golden = ROOT / "tests" / "golden"
    if (golden / "expected.json").exists():
        expected = json.loads((golden / "expected.json").read_text(encoding="utf-8"))
        story = next(story for story in expected["stories"] if story["sampling"].get("temperature") != 0)
        figures["golden"] = _golden(str(golden / "model.f6c"), expected["prompt"], story)
    return figures


def table(path: str) -> dict:
    """{"rows": [{"runtime", "digest", or "missing": why}], "same": whether all digests are one}"""
    rows = []
    for name, tell in RUNTIMES.items():
        try:
            text = tell(os.path.abspath(path))
        except UserError as error:
            rows.append({"runtime": name, "missing": str(error)})
            continue
        rows.append({"runtime": name, "digest": hashlib.sha256(text).hexdigest()[:16]})
    digests = {row["digest"] for row in rows if "digest" in row}
    return {"rows": rows, "same": len(digests) == 1, "runtimes": sum("digest" in row for row in rows), "tokens": TOKENS, "seed": SEED}


def _reference(path: str) -> bytes:
    model = read_model(path)
    ids = Tokenizer(model.merges).encode(PROMPT)
    pieces = generate(open_reference(model), ids, TOKENS, Sampler.by_default(SEED))
    return PROMPT.encode() + b"".join(piece for _, piece in pieces).decode("utf-8", "replace").encode("utf-8")


def _wasm3(path: str) -> bytes:
    engine = Engine(path)
    engine.seed(SEED)
    engine.sampling()
    return (PROMPT + "".join(engine.generate(PROMPT, TOKENS))).encode("utf-8")


def _native(path: str) -> bytes:
    return _told([_found(ROOT / "build" / "fable6c", "make native"), path, "-p", PROMPT, "-n", str(TOKENS), "-s", str(SEED)])


def _ahead_of_time(path: str) -> bytes:
    return _told([_found(ROOT / "build" / "fable6c-aot", "make aot"), path, "-p", PROMPT, "-n", str(TOKENS), "-s", str(SEED)])


def _node(path: str) -> bytes:
    node = shutil.which("node")
    if node is None:
        raise UserError("Node is not installed")
    script = _found(ROOT / "benchmarks" / "engine_node.mjs", "a checkout of the project")
    return _told([node, script, _module(), path, PROMPT, str(TOKENS), "story"])


def _wasmtime(path: str) -> bytes:
    script = _found(ROOT / "benchmarks" / "engine_wasmtime.py", "a checkout of the project")
    module = _found(ROOT / "asengine" / "build" / "fable6c-wasi.wasm", "make wasm")
    return _told([sys.executable, script, module, path, "-p", PROMPT, "-n", str(TOKENS), "-s", str(SEED)])


RUNTIMES: dict[str, Callable[[str], bytes]] = {
    "NumPy reference": _reference,
    "wasm3 in Python": _wasm3,
    "native program (wasm3)": _native,
    "native program (compiled ahead of time)": _ahead_of_time,
    "Node": _node,
    "wasmtime (WASI)": _wasmtime,
}


def _told(command: list[str]) -> bytes:
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{command[0]} did not run ({type(error).__name__})") from None
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise UserError(f"ended with status {done.returncode}: {''.join(last)}")
    return done.stdout.removesuffix(b"\n")


def _found(path: pathlib.Path, made_by: str) -> str:
    if not path.exists():
        raise UserError(f"not here ({made_by} brings it)")
    return str(path)


def _module() -> str:
    for path in (ROOT / "asengine" / "build" / MODULE, ROOT / "fable6c" / MODULE):
        if path.exists():
            return str(path)
    raise UserError("not here (make wasm brings it)")


def _golden(path: str, prompt: str, story: dict) -> Optional[bool]:
    """Whether wasm3 tells the golden model's story as it is pinned; None where wasm3 is not built."""
    try:
        engine = Engine(path)
    except UserError:
        return None
    engine.sampling(**{"top_k": 0, **{name: value for name, value in story["sampling"].items() if name != "seed"}})
    engine.seed(story["sampling"].get("seed", 1))
    text = "".join(engine.generate(prompt, story["tokens"]))
    return hashlib.sha256(text.encode("utf-8")).hexdigest() == story["sha256"]
