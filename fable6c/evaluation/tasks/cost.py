"""Cost: what the model took to train, as far as its card tells, its bytes, and what a token takes here by runtime.

CPU seconds are this process's own, so that a busy machine changes them little. Joules are the processor's, where Linux tells them
(RAPL in /sys/class/powercap), over the same tokens; they count everything that ran meanwhile.
"""

import glob
import os
import time
from typing import Callable, Optional

import numpy as np

from fable6c.engine import Engine
from fable6c.errors import UserError
from fable6c.evaluation.tasks import Asked
from fable6c.model.architecture import parameter_count

NAME, TITLE = "cost", "Cost"
TOLD, READ, QUICK_SHARE = 400, 8192, 4
CARD = "parameters minutes tokens_trained corpus preset made_by bits_per_char".split()


def run(asked: Asked) -> dict:
    figures: dict = {"file_bytes": os.path.getsize(asked.model_path)}
    model = asked.predictor.model
    if model is not None:
        figures["parameters"] = parameter_count(model.dimensions)
        figures["card"] = {key: model.card[key] for key in CARD if key in model.card}
    share = QUICK_SHARE if asked.quick else 1
    tokens = np.random.default_rng(1).integers(97, 123, READ // share).astype(np.uint16)
    windows = np.split(tokens, len(tokens) // 128)
    rows = {"scoring of short texts": _measured(lambda: asked.predictor.alone(windows), len(tokens))}
    told = TOLD // share
    rows["the suite's own story of up to as many tokens"] = _measured(lambda: asked.predictor.tell(["Once upon a time"], told, [1]), None)
    if asked.predictor.kind == "network":
        try:
            engine = Engine(asked.model_path)
            engine.feed("Once upon a time")
            rows["a story, wasm3 in Python"] = _measured(lambda: _steps(engine, told), told)
        except UserError as error:
            rows["a story, wasm3 in Python"] = {"missing": str(error)}
    figures["runtimes"] = rows
    figures["joules"] = "measured" if joules() is not None else "this machine does not tell them"
    return figures


def joules() -> Optional[float]:
    """What the processors have used since some time ago; None where the machine does not say."""
    total, found = 0, False
    for path in glob.glob("/sys/class/powercap/intel-rapl:?/energy_uj"):
        try:
            with open(path, encoding="ascii") as file:
                total, found = total + int(file.read()), True
        except (OSError, ValueError):
            return None
    return total / 1e6 if found else None


def _steps(engine: Engine, count: int) -> None:
    for _ in range(count):
        if engine.step() is None:  # the story has ended: on with the next
            engine.feed("Once upon a time")


def _measured(work: Callable[[], object], tokens: Optional[int]) -> dict:
    before, started = joules(), time.process_time()
    work()
    seconds, after = time.process_time() - started, joules()
    figures: dict = {"cpu_seconds": round(seconds, 3)}
    if tokens is not None:
        figures["tokens"] = tokens
        figures["tokens_per_cpu_second"] = round(tokens / max(seconds, 1e-9), 1)
    if before is not None and after is not None:
        figures["joules"] = round(after - before, 2)
    return figures
