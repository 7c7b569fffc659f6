"""All tasks on one model: `report.json` and a page, saved after each task, so that an interrupted suite resumes at the task it was in.

report = suite(Asked(open_predictor("small.f6c"), "small.f6c", texts=["valid500.txt"]), TASKS, "runs/suite")
"""

import json
import os
import time
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from fable6c import __version__
from fable6c.errors import UsageError, UserError
from fable6c.evaluation import page
from fable6c.evaluation.tasks import Asked, cloze, cost, determinism, grammar, instructions, knowledge, prediction, quantization, stories
from fable6c.files import atomic_write, file_sha256, open_file

TASKS: dict[str, ModuleType] = {
    task.NAME: task for task in (prediction, grammar, knowledge, cloze, stories, instructions, determinism, quantization, cost)
}
REPORT = "report.json"
FORM = 1  # of report.json; another one is not resumed


def chosen_tasks(names: Iterable[str]) -> list[str]:
    """The tasks in their order; all of them for no name. UsageError for one that does not exist."""
    names = list(names)
    for name in names:
        if name not in TASKS:
            raise UsageError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
    return [name for name in TASKS if name in names or not names]


def suite(asked: Asked, names: Iterable[str], folder: str) -> dict:
    """Run the tasks that `folder` has no figures of yet, for the same model, files and options, and return the report.

    UserError if the folder cannot be written or holds the report of something else.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); choose another folder (--out)") from None
    path = os.path.join(folder, REPORT)
    settings = settings_of(asked)
    report = _resume(path, settings)
    for name in chosen_tasks(names):
        if name in report["tasks"]:
            continue
        started, cpu = time.monotonic(), time.process_time()
        figures = TASKS[name].run(asked)
        seconds = {"cpu_seconds": round(time.process_time() - cpu, 1), "seconds": round(time.monotonic() - started, 1)}
        report["tasks"][name] = {**figures, **seconds}
        atomic_write(path, json.dumps(report, indent=1).encode("ascii"))
    page.write(report, folder)
    return report


def settings_of(asked: Asked) -> dict[str, Any]:
    """What the figures depend on: files by their checksums, never by their folders."""
    out: dict[str, Any] = {"model": os.path.basename(asked.model_path), "kind": asked.predictor.kind, "sha256": asked.predictor.sha256}
    for name in ("texts", "corpus", "books"):
        out[name] = [file_sha256(path) for path in getattr(asked, name)]
    for name in ("zorro", "blimp"):
        given = getattr(asked, name)
        out[name] = file_sha256(given) if given else None
    out["checkpoint"] = os.path.basename(os.path.abspath(asked.checkpoint)) if asked.checkpoint else None
    out.update({field: getattr(asked, field) for field in ("protocols", "pairs", "stories", "quick")})
    return out


def _resume(path: str, settings: dict[str, Any]) -> dict[str, Any]:
    fresh = {"form": FORM, "fable6c": __version__, "settings": settings, "tasks": {}}
    if not os.path.exists(path):
        return fresh
    try:
        with open_file(path) as file:
            report = json.loads(file.read())
        known = report["settings"]
        same = report["form"] == FORM and known == json.loads(json.dumps(settings)) and isinstance(report["tasks"], dict)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path}: is not a report of the suite; choose another folder (--out) or remove it") from None
    if not same:
        differ = [key for key in settings if known.get(key) != json.loads(json.dumps(settings))[key]] if isinstance(known, dict) else []
        what = ", ".join(differ) or "its form"
        raise UserError(f"{path}: is the report of something else ({what} differs); choose another folder (--out) or remove it")
    done = ", ".join(report["tasks"])
    if done:
        print(f"resuming: {path} has {done}", flush=True)
    return {**fresh, "tasks": report["tasks"]}
