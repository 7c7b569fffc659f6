"""Train a model: python -m fable6c.train. docs/training.md is the runbook; the run itself is fable6c/training/."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.train")  # as a file, its folder would hide modules of Python's own

import os
import sys
from collections.abc import Sequence
from typing import Optional

from fable6c import __version__, kernels, native
from fable6c.cli import ArgumentParser, print_next, run, unheard
from fable6c.corpus.database import is_database
from fable6c.data.windows import Dataset
from fable6c.errors import UsageError, UserError
from fable6c.evaluation.verdict import ALLOWED_LOSS, check_documents, judge
from fable6c.files import locked, make_folder
from fable6c.limits import processors
from fable6c.model.architecture import parameter_count
from fable6c.training.config import Config, load_config, presets
from fable6c.training.growth import grow
from fable6c.training.loop import train
from fable6c.training.memory import check_memory
from fable6c.training.network import check_counts
from fable6c.training.pruning import prune
from fable6c.training.run import UNTESTED, Run, check_same_command, load_run
from fable6c.training.source import database_dataset, text_dataset
from fable6c.training.start import read_start
from fable6c.training.teachers import network_dimensions, read_teachers

MAX_THREADS = 256


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.train",
        "Train a language model with ternary weights. The same command goes on after an interruption.",
        "python -m fable6c.train --preset small --corpus stories.txt --minutes 120 --out runs/small",
    )
    parser.add_argument(
        "--corpus",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="UTF-8 text, plain or .zst, in which <|endoftext|> ends a document, or .json and .jsonl with a field text or story, or a database (docs/data.md); default: made-up stories of our own",
    )
    parser.add_argument(
        "--mix",
        default="",
        metavar="SOURCE=WEIGHT,…",
        help="shares of a database's sources, as in tinystories=0.7,children=0.3 (default: all of it)",
    )
    parser.add_argument(
        "--curriculum",
        default="",
        metavar="COLUMN",
        help="quality column by which a database's first epoch is ordered, as in sentence_words",
    )
    parser.add_argument("--preset", default="micro", help=f"one of {', '.join(presets())} (default micro)")
    parser.add_argument("--config", default="", metavar="FILE", help="TOML with [model] and [train] keys to lay over the preset")
    parser.add_argument(
        "--from",
        dest="start",
        default="",
        metavar="MODEL|RUN",
        help="begin with a model file's weights, or a finished run's, and its tokenizer",
    )
    parser.add_argument(
        "--grow",
        default="",
        metavar="MODEL|RUN",
        help="the same for a larger model, which at first computes what the smaller one did (docs/micromodels.md)",
    )
    parser.add_argument(
        "--prune",
        default="",
        metavar="MODEL|RUN",
        help="the same for a smaller model, which keeps the channels and tokens that give most; both are kept only if a paired test says so",
    )
    parser.add_argument(
        "--teachers",
        nargs="+",
        action="extend",
        default=[],
        metavar="MODEL[=WEIGHT]",
        help="learn from the predictions of these model files and scouts, and with their tokenizer (docs/micromodels.md)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help="budget in minutes, made into steps by the speed of the first ones; fewer where the text is too short (default: the preset's)",
    )
    parser.add_argument("--tokens", type=int, help="budget in tokens, instead of --minutes")
    parser.add_argument("--threads", type=int, default=2, help="threads (default 2); they do not change the result")
    parser.add_argument("--out", default="", metavar="DIR", help="the run's folder (default runs/PRESET)")
    parser.add_argument("--seed", type=int, default=1, help="of the first weights and the order of the text (default 1)")
    parser.add_argument("--save-minutes", type=float, default=2.0, help="time between checkpoints (default 2)")
    parser.add_argument("--max-memory", type=float, metavar="GIB", help="refuse to start above this many GiB (default: what is free)")
    options = parser.parse_args(argv)
    if options.minutes is not None and options.tokens is not None:
        raise UsageError("--minutes and --tokens: give one of them, a run has one budget")
    for name in ("minutes", "tokens", "threads", "save_minutes", "max_memory"):
        value = getattr(options, name)
        most = MAX_THREADS if name == "threads" else 1e15
        if value is not None and not 0 < value <= most:
            raise UsageError(f"--{name.replace('_', '-')} {value}: expected a number above 0, at most {most:g}")
    if not 0 <= options.seed < 2**32:
        raise UsageError(f"--seed {options.seed}: expected 0 to {2**32 - 1}")
    databases = [path for path in options.corpus if is_database(path)]
    if databases and len(options.corpus) > 1:
        raise UsageError(
            f"--corpus: {databases[0]} is a database and must stand alone; `python -m fable6c.corpus db build` adds further text to it"
        )
    if (options.mix or options.curriculum) and not databases:
        raise UsageError("--mix and --curriculum need a database: --corpus corpus.db (docs/data.md says how to make one)")
    if sum(map(bool, (options.start, options.grow, options.prune))) > 1:
        raise UsageError("--from, --grow and --prune: give one of them, a run has one beginning")
    config = load_config(options.preset, options.config)
    if options.minutes is None and options.tokens is None:
        options.minutes = config.train.minutes
    command = {"preset": options.preset, **config.as_dict(), "minutes": options.minutes, "tokens": options.tokens, "seed": options.seed}
    if config.train.resample and databases:
        raise UsageError(f"{databases[0]}: `resample` draws the documents of text files; give the text itself")
    path = options.start or options.grow or options.prune
    if config.train.fixed_embedding and not path:
        raise UsageError("`fixed_embedding` keeps the embedding that a run begins with: give --from, --grow or --prune too")
    start = read_start(path) if path else None
    if start:
        (start.check_growth if options.grow else start.check_pruning if options.prune else start.check)(config.model)
        command["from"] = start.sha256
    teachers = read_teachers(options.teachers, options.threads)
    if teachers:
        command["teachers"] = ", ".join(f"{teacher.sha256} x {teacher.weight:.4f}" for teacher in teachers)
    giver = start or (teachers[0] if teachers else None)  # whose tokenizer the run has, where it is not learned from the text
    given = start.first_tokens(config.model.vocab) if start else giver.tokenizer if giver else None
    for teacher in teachers:
        assert giver
        teacher.check(giver.path, giver.tokenizer, config.model.vocab)
    folder = options.out or os.path.join("runs", options.preset)
    threads = kernels.set_threads(options.threads)
    check_counts(config.model, config.train.batch)
    _introduce(config, options.preset, threads)
    check_memory(config, options.max_memory, network_dimensions(teachers, config.model.context))
    make_folder(folder)
    with locked(folder):
        saved = load_run(folder)
        if saved:
            check_same_command(folder, saved[0]["command"], command)
        before = saved[0] if saved else None
        dataset: Dataset
        if databases:
            dataset = database_dataset(databases[0], config, options, folder, before)
            if given and not dataset.tokenizer.to_bytes().startswith(given.to_bytes()):
                assert giver
                raise UserError(
                    f"{databases[0]}: was tokenized with another tokenizer than {giver.path} has; tokenize a copy of it with that one "
                    "(python -m fable6c.corpus db tokenize --tokenizer FILE), or give the text itself"
                )
        else:
            dataset = text_dataset(config, options.corpus, folder, threads, before, given)
            if config.train.resample:
                dataset = dataset.resampled(options.seed)
        if start and not options.start:
            check_documents(dataset)
        run = Run(config, dataset, folder, command, teachers)

        def first_weights() -> None:
            if start and options.start:
                run.network.parameters[:] = start.parameters
                run.network.quantize_weights()
                return
            run.network.initialize(options.seed)
            if start and options.grow:
                grow(run.network, start, dataset.tokenizer)
            elif start:
                prune(run.network, start, dataset, options.seed)

        if saved:
            run.restore(*saved)
        else:
            first_weights()
            if start and not options.start:
                run.verdict = UNTESTED
        saved = before = None  # with it the checkpoint's bytes
        _describe(run)
        was_finished = run.finished
        if was_finished:
            print(f"{folder}: this run is finished; for another one, choose another folder with --out")
        stopped = 0 if was_finished else train(run, options.save_minutes, first_weights=first_weights)
        if start and not options.start and not stopped:
            if run.verdict in (None, UNTESTED):  # None: of an older version
                run.verdict = judge(run, start, 0.0 if options.grow else ALLOWED_LOSS)
                run.save()
            if run.verdict:
                raise UserError(f"{folder}: a paired test refused this model: {run.verdict}")
    if stopped:
        try:
            print(f"stopped at step {run.step:,}, saved in {folder}; the same command goes on", file=sys.stderr)
        except OSError:
            unheard(sys.stderr)
        sys.exit(128 + stopped)
    if not was_finished:
        print(f"finished: {folder}")
    print_next("export", folder, "-o", "model.f6c")


def _introduce(config: Config, preset: str, threads: int) -> None:
    """Who is about to do what, before anything that takes time."""
    d = config.model
    print(
        f"fable6c {__version__}, preset {preset}: {parameter_count(d):,} parameters (dim {d.dim}, {d.layers} layers, hidden {d.hidden}, vocabulary {d.vocab})"
    )
    lacking = ", ".join(
        name
        for name in native.INSTRUCTION_SETS[: native.INSTRUCTION_SETS.index(kernels.ISA)]
        if not native.load("cpu").lib.cpu_supports(name.encode())
    )
    best = f" (this CPU lacks the faster {lacking})" if lacking else ""
    allowed = processors()
    share = f", of which {allowed} can run at a time (--threads {allowed} is as fast)" if threads > allowed else ""
    print(f"CPU: {_cpu_name()}, kernels {kernels.ISA}{best}, {threads} thread{'s' if threads > 1 else ''}{share}")


def _describe(run: Run) -> None:
    """The text, the budget and the starting point."""
    description = run.dataset.description
    tokens = len(run.dataset.train)
    print(
        f"text: {description['corpus']}: {description['documents']:,} documents, {description['characters']:,} characters, {tokens:,} tokens to train on, {run.dataset.valid_chars:,} characters held out"
    )
    if run.steps_budget is not None:
        steps = run.steps_budget
        print(f"budget: {steps:,} steps of {run.tokens_per_step:,} tokens = {steps * run.tokens_per_step / tokens:.2f} times the text")
    elif run.seconds_budget is not None:
        print(f"budget: {run.seconds_budget / 60:g} minutes in steps of {run.tokens_per_step:,} tokens")
    print(f"{'going on from' if run.step else 'starting at'} step {run.step:,} in {run.folder}", flush=True)


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    except OSError:
        return "unknown"


if __name__ == "__main__":
    run(main)
