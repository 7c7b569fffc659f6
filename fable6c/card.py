"""A model card: `python -m fable6c.card measure model.f6c -o model.measured.json`, then `… write model.f6c … -o model.md`."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.card")  # as a file, its folder would hide modules of Python's own

import os

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads; see fable6c/evaluate.py

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Optional

from fable6c.cli import ArgumentParser, run
from fable6c.errors import UserError
from fable6c.evaluation import bias, card
from fable6c.files import atomic_write, existing_file, open_file, read_toml
from fable6c.model.file import read_model

PROG = "python -m fable6c.card"


def read_json(path: str) -> dict[str, Any]:
    with open_file(path) as file:
        data = file.read()
    try:
        found = json.loads(data)
    except ValueError as error:
        raise UserError(f"{path}: this is not JSON ({error}); give what evaluate --json or card measure wrote") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: the JSON is no object; give what evaluate --json or card measure wrote")
    return found


def read_about(path: str, name: str) -> dict[str, Any]:
    """What the file says of all models and, in a table of its own, of the one with this name."""
    tables = read_toml(path)
    about = {key: value for key, value in tables.items() if not isinstance(value, dict)}
    own = tables.get(name)
    about.update(own if isinstance(own, dict) else {})
    unknown = sorted(set(about) - set(card.ABOUT))
    if unknown:
        raise UserError(f"{path}: there is no key {unknown[0]!r}; there are {', '.join(card.ABOUT)}")
    return about


def sha256_of(path: str) -> str:
    with open_file(path) as file:
        return hashlib.sha256(file.read()).hexdigest()


def of_this_model(found: dict[str, Any], path: str, model: str) -> dict[str, Any]:
    if found.get("model_sha256") != sha256_of(model):
        raise UserError(f"{path}: these figures are of another model than {model}; measure again")
    return found


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        PROG,
        "Measure what a model takes for granted about girls and boys, and write its model card in the sections of Mitchell et al. 2019.",
        f"{PROG} measure small.f6c -o small.measured.json",
    )
    commands = parser.subcommands("measure|write")
    measure = commands.add_parser(
        "measure",
        help="bias, from the model's own probabilities",
        purpose="Measure names, and pronouns with jobs and feelings, from the model's own probabilities. Nothing is drawn at random.",
        example=f"{PROG} measure small.f6c --score score.json -o small.measured.json",
    )
    measure.add_argument("model", help="the model file (.f6c)")
    measure.add_argument("--score", metavar="FILE", help="what `python -m fable6c.evaluate MODEL … --json` printed, to be kept with it")
    measure.add_argument("-o", "--output", required=True, metavar="FILE", help="where the JSON goes")
    write = commands.add_parser(
        "write",
        help="the card, as Markdown",
        purpose="Write the card as Markdown, with the YAML head that model hubs read.",
        example=f"{PROG} write small.f6c --measured small.measured.json --about about.toml -o small.md",
    )
    write.add_argument("model", help="the model file (.f6c)")
    write.add_argument("--measured", required=True, metavar="FILE", help="what `measure` wrote")
    write.add_argument(
        "--report",
        metavar="FILE",
        help="report.json of an evaluation suite, or the record with it: figures with intervals, and memorisation",
    )
    write.add_argument(
        "--about",
        metavar="FILE",
        help="TOML with what no file knows: the training text, its licence, the machine; in a table [NAME] for NAME.f6c alone",
    )
    write.add_argument("-o", "--output", required=True, metavar="FILE", help="where the Markdown goes")
    options = parser.parse_args(argv)
    read = [vars(options).get(name) for name in ("model", "score", "measured", "about", "report")]
    existing_file(options.output, read)
    model = read_model(options.model)
    if options.command == "measure":
        found = {"model_sha256": sha256_of(options.model), "bias": bias.measure(model)}
        if options.score:
            found["score"] = of_this_model(read_json(options.score), options.score, options.model)
        text = json.dumps(found, indent=1) + "\n"
    else:
        measured = of_this_model(read_json(options.measured), options.measured, options.model)
        name = os.path.splitext(os.path.basename(options.model))[0]
        about = read_about(options.about, name) if options.about else {}
        if options.report:
            record = read_json(options.report)
            report = record.get("report", record)  # a record of benchmarks/ holds it beside the machine
            sha256 = report.get("settings", {}).get("sha256")
            measured["report"] = of_this_model({**report, "model_sha256": sha256}, options.report, options.model)
        size = os.path.getsize(options.model)
        try:
            text = card.write(model, os.path.basename(options.model), size, measured, about)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            names = " or ".join(filter(None, (options.measured, options.report)))
            raise UserError(f"{names}: the figures have a form that this version does not know ({error!r}); measure again") from None
    atomic_write(options.output, text.encode("utf-8"))
    print(f"{options.output}: {len(text.encode('utf-8')):,} bytes")


if __name__ == "__main__":
    run(main)
