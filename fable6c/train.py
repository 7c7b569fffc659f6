"""Train a model: python -m fable6c.train

A run lives in one folder (--out):
    data/              the tokenizer and the tokenized text (fable6c/data.py)
    checkpoint.f6k     the newest state, and checkpoint.previous.f6k the one before (fable6c/checkpoint.py); they hold the command
                       too: the same command goes on, another one is refused
    log.jsonl          one line for each report: the truth that loss.png is drawn from
    loss.png           the curves (needs matplotlib)
    samples.txt        stories from fixed prompts while the model learns
"""

import contextlib
import dataclasses
import json
import math
import os
import re
import signal
import sys
import threading
import time
from typing import Dict, Iterator, List, Optional, Sequence

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

import numpy as np

from . import __version__, checkpoint, kernels
from .cli import print_next
from .config import Config, Recipe, load_config, presets
from .corpus import synth
from .corpus.database import is_database
from .corpus.serve import DatabaseDataset, open_dataset, parse_mix
from .data import Dataset, Survey, describe_files, prepare, read_documents
from .errors import ArgumentParser, UsageError, UserError, run, unheard
from .files import atomic_write, make_folder
from .model_file import Dimensions, parameter_count
from .network import Network, check_counts, memory_estimate
from .optimizer import Optimizer
from .plot import draw_loss
from .reference import Reference, Sampler, generate

PROMPTS = ["Once upon a time", "One day, a little", '"Where are you going?"']
REPORT_SECONDS = 5.0  # between two lines of progress
CHECKS = 10  # times in a run that the held-out text is scored and a sample is told
CHECK_TOKENS = 32768  # of held-out text in these; the last check takes all of it
SAMPLE_TOKENS = 80
DEFAULT_CORPUS_SEED, DEFAULT_CORPUS_BYTES = 1, 8_000_000
MOST_THREADS = 256
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
PAUSE_SIGNAL = getattr(signal, "SIGTSTP", None)  # Ctrl-Z


class Run:
    """One training run: everything that a step needs, and how to save it and go on from it.

    command   what fixes the run: preset, model, train (the configuration), minutes or tokens (the other is None), seed
    """

    def __init__(self, config: Config, dataset: Dataset, folder: str, command: dict):
        self.config, self.dataset, self.folder, self.command = config, dataset, folder, command
        self.seed, minutes, tokens = command["seed"], command["minutes"], command["tokens"]
        recipe, context = config.train, config.model.context
        self.tokens_per_step = recipe.batch * recipe.accumulate * context
        self.seconds_budget = None if minutes is None else 60.0 * minutes
        self.steps_budget = None if tokens is None else max(1, -(-tokens // self.tokens_per_step))
        self.network = Network(config.model, recipe.batch, 1.0 / self.tokens_per_step, recipe.fast_gradients, recipe.dropout)
        self.optimizer = Optimizer(self.network, recipe)
        self.step, self.elapsed = 0, 0.0  # optimizer steps done, seconds that they, the checks and the saves took
        self.finished = False  # the budget is spent and all of the held-out text is scored
        self.last_bits_per_char: Optional[float] = None
        self.epoch, self.window = 0, 0  # the next window to read: its place in the epoch's order
        self.starts = dataset.starts(context, self.seed, 0)
        self.characters = np.array([_characters(token) for token in dataset.tokenizer.token_bytes])

    def progress(self) -> float:
        """How much of the budget is spent, in [0, 1]."""
        if self.steps_budget is not None:
            return min(1.0, self.step / self.steps_budget)
        return min(1.0, self.elapsed / self.seconds_budget)

    def next_starts(self) -> np.ndarray:
        """The next `batch` windows, from one epoch to the next."""
        parts: List[np.ndarray] = []
        wanted = self.config.train.batch
        while wanted:
            if self.window == len(self.starts):
                self.epoch, self.window = self.epoch + 1, 0
                self.starts = self.dataset.starts(self.config.model.context, self.seed, self.epoch)
            part = self.starts[self.window : self.window + wanted]
            self.window += len(part)
            wanted -= len(part)
            parts.append(part)
        return np.concatenate(parts)

    def train_step(self) -> float:
        """One optimizer step; returns its mean loss in nats a token."""
        loss, recipe, tokenizer = 0.0, self.config.train, self.dataset.tokenizer
        for part in range(recipe.accumulate):
            inputs, targets = self.dataset.batch(self.next_starts(), self.config.model.context)
            number = self.step * recipe.accumulate + part
            if recipe.joined:
                join(inputs, targets, tokenizer.end_of_text, tokenizer.encode("\n")[0], recipe.joined, [self.seed, number])
            loss += self.network.accumulate(inputs, targets, number)
        try:
            self.optimizer.step(self.progress())
        except FloatingPointError as error:
            raise UserError(
                f"step {self.step + 1}: {error}; lower the rates (--config) and start again in another folder: the last checkpoint is untouched"
            ) from None
        self.step += 1
        return loss / recipe.accumulate

    def bits_per_char(self, most_tokens: Optional[int] = None) -> float:
        """Bits per character of the held-out text in windows of `context` tokens; end marks are neither credited nor lost."""
        B, T = self.config.train.batch, self.config.model.context
        end_mark, valid = self.dataset.tokenizer.end_of_text, self.dataset.valid[:most_tokens]
        # An end mark before the text, so that each of its tokens is a target; end marks fill the last batch up.
        text = np.full(1 + -(-len(valid) // (B * T)) * B * T, end_mark, np.int32)
        text[1 : 1 + len(valid)] = valid
        nats, characters = 0.0, 0
        for start in range(0, len(text) - 1, B * T):
            inputs, targets = text[start : start + B * T].reshape(B, T), text[start + 1 : start + 1 + B * T].reshape(B, T)
            nats += float(self.network.losses(inputs, targets)[targets != end_mark].sum(dtype=np.float64))
            characters += int(self.characters[targets].sum())
        self.last_bits_per_char = nats / math.log(2) / characters
        return self.last_bits_per_char

    def sample(self, prompt: str, seed: int) -> str:
        """A short story from the present weights, by the NumPy reference of the engine."""
        model = self.network.model(self.dataset.tokenizer.merges, {})
        tokens = self.dataset.tokenizer.encode(prompt)
        told = generate(Reference(model), tokens, SAMPLE_TOKENS, Sampler(0.8, 40, seed=seed))
        return prompt + b"".join(text for _, text in told).decode("utf-8", "replace")

    def save(self) -> None:
        """Write a checkpoint (atomically; the previous one is kept)."""
        description = {
            "command": self.command, "step": self.step, "elapsed": self.elapsed, "finished": self.finished, "epoch": self.epoch,
            "window": self.window, "optimizer_steps": self.optimizer.steps, "tokenizer": self.dataset.tokenizer.to_bytes().hex(),
            "corpus": self.dataset.description["corpus"], "source": self.dataset.description["source"],
            "text_sha256": self.dataset.description["sha256"], "bits_per_char": self.last_bits_per_char,
        }  # fmt: skip
        arrays = {"parameters": self.network.parameters, "first": self.optimizer.first, "second": self.optimizer.second}
        checkpoint.save(self.folder, description, arrays)

    def restore(self, description: dict, arrays: Dict[str, np.ndarray]) -> None:
        """Go on from a checkpoint that `save` wrote."""
        if description["tokenizer"] != self.dataset.tokenizer.to_bytes().hex():
            raise UserError(
                f"{self.folder}: the tokenizer in its data folder is not the one that its checkpoint was trained with (made by another "
                "version of fable6c?); choose another folder with --out"
            )
        self.network.parameters[:] = arrays["parameters"]
        self.optimizer.first[:], self.optimizer.second[:] = arrays["first"], arrays["second"]
        self.step, self.elapsed, self.optimizer.steps = description["step"], description["elapsed"], description["optimizer_steps"]
        self.epoch, self.window = description["epoch"], description["window"]
        self.finished, self.last_bits_per_char = description["finished"], description["bits_per_char"]
        self.starts = self.dataset.starts(self.config.model.context, self.seed, self.epoch)
        self.network.discretize()


def join(inputs: np.ndarray, targets: np.ndarray, end_mark: int, newline: int, share: float, seed: Sequence[int]) -> None:
    """Put a newline in the place of a share of the end marks, drawn by lot, in windows (B, T) and their targets. So the model learns
    what texts are like in which documents follow each other without a mark, which it would take for the middle of one."""
    marks = np.flatnonzero(targets == end_mark)
    draws = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(len(marks))  # raw: NEP 19 promises these forever
    targets.reshape(-1)[marks[draws < share * 2.0**64]] = newline
    inputs[:, 1:] = targets[:, :-1]


def _characters(token: bytes) -> int:
    """Characters that begin in a token: bytes that are not UTF-8 continuation bytes."""
    return sum(byte & 0xC0 != 0x80 for byte in token)


class Reporter:
    """Prints progress and appends it to log.jsonl, which loss.png is drawn from."""

    def __init__(self, run_: Run):
        self.run = run_
        self.path = os.path.join(run_.folder, "log.jsonl")
        _drop_later_entries(self.path, run_.step)
        _drop_later_samples(os.path.join(run_.folder, "samples.txt"), run_.step)
        self.losses: List[float] = []  # of the steps since the last report
        self.seconds = 0.0  # that these steps took: checks and saves are not slow steps
        self.reported = time.monotonic()
        self.expected_said = False

    def note(self, loss: float, seconds: float) -> None:
        """Take in one step."""
        self.losses.append(loss)
        self.seconds += seconds

    def due(self) -> bool:
        return time.monotonic() - self.reported >= REPORT_SECONDS

    def report(self, bits_per_char: Optional[float] = None) -> None:
        """A line for the steps since the last one, with the held-out text's figure where it was scored."""
        r, progress = self.run, self.run.progress()
        entry = {"step": r.step, "progress": round(progress, 5), "tokens": r.step * r.tokens_per_step, "elapsed": round(r.elapsed, 2)}
        if self.losses:
            rate = len(self.losses) * r.tokens_per_step / max(self.seconds, 1e-9)
            entry.update(loss=round(float(np.mean(self.losses)), 4), tokens_per_second=round(rate))
        if bits_per_char is not None:
            entry["bits_per_char"] = round(bits_per_char, 4)
        try:
            with open(self.path, "a", encoding="ascii") as log:
                log.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror}); free some space and run the same command again") from None
        left = r.elapsed * (1 - progress) / progress if progress > 0 else 0.0
        if r.seconds_budget is not None:
            left = max(0.0, r.seconds_budget - r.elapsed)
        loss = f"loss {entry['loss']:.3f}  {entry['tokens_per_second']:,} tokens/s  " if self.losses else ""
        self.losses, self.seconds, self.reported = [], 0.0, time.monotonic()  # before the prints, which may fail
        held_out = f"held-out {bits_per_char:.4f} bits/char  " if bits_per_char is not None else ""
        print(f"step {r.step:,}  {progress:.1%}  {loss}{held_out}{_clock(r.elapsed)} gone, {_clock(left)} to go", flush=True)
        if r.seconds_budget is not None and not self.expected_said and 0.0 < progress < 1.0:
            print(f"about {r.step / progress:,.0f} steps expected", flush=True)
            self.expected_said = True


def _drop_later_entries(path: str, step: int) -> None:
    """Leave the entries of a log up to `step`: a run that was killed does the steps after its last save a second time."""

    def valid(line: bytes) -> bool:
        try:
            return line.endswith(b"\n") and json.loads(line)["step"] <= step
        except (ValueError, KeyError, TypeError):
            return False  # cut off by the kill, or by a full disk

    lines = _read_own(path).splitlines(keepends=True)
    kept = [line for line in lines if valid(line)]
    if kept != lines:
        atomic_write(path, b"".join(kept))


def _drop_later_samples(path: str, step: int) -> None:
    """The same for samples.txt."""
    text = _read_own(path)
    later = next((mark for mark in re.finditer(rb"^--- step ([0-9]+)$", text, re.MULTILINE) if int(mark[1]) > step), None)
    if later:
        atomic_write(path, text[: later.start()])


def _read_own(path: str) -> bytes:
    """A file that the run itself wrote; nothing if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); move it away or choose another folder with --out") from None


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class StopSignal:
    """Turns Ctrl-C, SIGTERM and a closed terminal (SIGHUP) into a flag, so that a run stops between two steps with its state saved, and
    measures for how long Ctrl-Z stopped it."""

    def __init__(self):
        self.number = 0
        self.paused = 0.0  # seconds
        self.before: dict = {}

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            # What is ignored stays ignored: nohup, or a shell's background job.
            numbers = [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self.before = {number: signal.signal(number, self._note) for number in numbers}
            if PAUSE_SIGNAL is not None and signal.getsignal(PAUSE_SIGNAL) != signal.SIG_IGN:
                self.before[PAUSE_SIGNAL] = signal.signal(PAUSE_SIGNAL, self._pause)
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number, _frame) -> None:
        self.number = number
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, b"\nstopping after this step\n")  # not print: a handler may interrupt a print

    def _pause(self, *_) -> None:
        since = time.monotonic()
        # By the default action, which does nothing where no shell could wake the process again (an orphaned process group).
        signal.signal(PAUSE_SIGNAL, signal.SIG_DFL)
        os.kill(os.getpid(), PAUSE_SIGNAL)
        signal.signal(PAUSE_SIGNAL, self._pause)
        self.paused += time.monotonic() - since

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Around what prints: where nobody can read it any more (a closed terminal, a broken pipe, a full disk), the run stops too."""
        try:
            yield
        except OSError as error:
            name, usual = ("SIGPIPE", 13) if isinstance(error, BrokenPipeError) else ("SIGHUP", 1)
            self.number = self.number or int(getattr(signal, name, usual))
            with contextlib.suppress(OSError):
                os.write(2, f"\nthe output cannot be written ({error.strerror or error})\n".encode("utf-8", "replace"))
            unheard(sys.stdout)


def train(run_: Run, save_minutes: float) -> int:
    """Run to the end of the budget. Returns 0, or the signal that stopped it; either way the state is saved."""
    reporter = Reporter(run_)
    saved = time.monotonic()
    started = saved - run_.elapsed  # as if there had been no interruption
    next_check = _next_check(run_)
    with StopSignal() as stop:
        while run_.progress() < 1.0 and not stop.number:
            before = time.monotonic() - stop.paused
            loss = run_.train_step()
            now = time.monotonic() - stop.paused
            reporter.note(loss, now - before)
            run_.elapsed = now - started
            if run_.progress() >= 1.0 or stop.number:
                break
            if run_.progress() >= next_check:
                with stop.heard():
                    reporter.report(run_.bits_per_char(CHECK_TOKENS))
                    _tell(run_, PROMPTS[:1])
                draw_loss(run_.folder)
                next_check = _next_check(run_)
            elif reporter.due():
                with stop.heard():
                    reporter.report()
            if time.monotonic() - saved >= 60.0 * save_minutes:
                run_.save()
                saved = time.monotonic()
        run_.save()
        if stop.number:
            if reporter.losses:
                with stop.heard():
                    reporter.report()
                draw_loss(run_.folder)
            return stop.number
        with stop.heard():
            reporter.report(run_.bits_per_char())
        with stop.heard():
            _tell(run_, PROMPTS)
        draw_loss(run_.folder)
        run_.finished = True
        run_.save()
    return 0


def _next_check(run_: Run) -> float:
    """The progress at which the held-out text is scored next."""
    return (int(run_.progress() * CHECKS) + 1) / CHECKS


def _tell(run_: Run, prompts: Sequence[str]) -> None:
    """Print samples and append them to samples.txt."""
    stories = [run_.sample(prompt, seed=1).strip() for prompt in prompts]
    path = os.path.join(run_.folder, "samples.txt")
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(f"--- step {run_.step}\n{story}\n\n" for story in stories)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); free some space and run the same command again") from None
    encoding = sys.stdout.encoding or "utf-8"
    for story in stories:
        shown = story.encode(encoding, "replace").decode(encoding)  # a terminal that is not UTF-8 must not end the run
        print("  | " + shown.replace("\n", "\n  | "), flush=True)


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.train",
        "Train a language model with ternary weights. The same command goes on after an interruption.",
        "python -m fable6c.train --preset small --corpus stories.txt --minutes 120 --out runs/small",
    )
    parser.add_argument("--corpus", nargs="+", action="extend", default=[], metavar="PATH", help="UTF-8 text, plain or .zst, documents divided by lines <|endoftext|>, or a database (docs/data.md); default: made-up stories of our own")
    parser.add_argument("--mix", default="", metavar="SOURCE=WEIGHT,…", help="shares of a database's sources, as in tinystories=0.7,children=0.3 (default: all of it)")
    parser.add_argument("--curriculum", default="", metavar="COLUMN", help="quality column by which a database's first epoch is ordered, as in sentence_words")
    parser.add_argument("--preset", default="micro", help=f"one of {', '.join(presets())} (default micro)")
    parser.add_argument("--config", default="", metavar="FILE", help="TOML with [model] and [train] keys to lay over the preset")
    parser.add_argument("--minutes", type=float, help="budget in minutes of training (default: the preset's)")
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
        most = MOST_THREADS if name == "threads" else 1e15
        if value is not None and not 0 < value <= most:
            raise UsageError(f"--{name.replace('_', '-')} {value}: expected a number above 0, at most {most:g}")
    if not 0 <= options.seed < 2**32:
        raise UsageError(f"--seed {options.seed}: expected 0 to {2**32 - 1}")
    databases = [path for path in options.corpus if is_database(path)]
    if databases and len(options.corpus) > 1:
        raise UsageError(f"--corpus: {databases[0]} is a database and must stand alone; `python -m fable6c.corpus db build` adds further text to it")
    if (options.mix or options.curriculum) and not databases:
        raise UsageError("--mix and --curriculum need a database: --corpus corpus.db (docs/data.md says how to make one)")
    config = load_config(options.preset, options.config)
    if options.minutes is None and options.tokens is None:
        options.minutes = config.train.minutes
    command = {"preset": options.preset, **config.as_dict(), "minutes": options.minutes, "tokens": options.tokens, "seed": options.seed}
    folder = options.out or os.path.join("runs", options.preset)
    threads = kernels.set_threads(options.threads)
    check_counts(config.model, config.train.batch)
    _introduce(config, options.preset, threads)
    _check_memory(config, options.max_memory)
    make_folder(folder)
    with _alone_in(folder):
        saved = checkpoint.load(folder)
        if saved:
            _check_same_command(folder, saved[0]["command"], command)
        before = saved[0] if saved else None
        if databases:
            dataset = _database(databases[0], config, options, folder, before)
        else:
            dataset = _dataset(config, options.corpus, folder, threads, before)
        run_ = Run(config, dataset, folder, command)
        if saved:
            run_.restore(*saved)
        else:
            run_.network.initialize(options.seed)
        saved = before = None  # with it the checkpoint's bytes
        _describe(run_)
        if run_.finished:
            print(f"{folder}: this run is finished; for another one, choose another folder with --out")
            print_next("export", folder, "-o", "model.f6c")
            return
        stopped = train(run_, options.save_minutes)
    if stopped:
        try:
            print(f"stopped at step {run_.step:,}, saved in {folder}; the same command goes on", file=sys.stderr)
        except OSError:
            unheard(sys.stderr)
        sys.exit(128 + stopped)
    print(f"finished: {folder}")
    print_next("export", folder, "-o", "model.f6c")


@contextlib.contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """Two runs in one folder would write over each other's checkpoints. The lock goes with the process, however it ends."""
    if fcntl is None:
        yield
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UserError(f"{folder}: this folder cannot be read ({error.strerror}); choose another with --out") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another training is running there; wait for it, stop it, or choose another folder with --out") from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)


def _check_memory(config: Config, most_gib: Optional[float]) -> None:
    """Print the estimate and refuse a run that does not fit."""
    parts = memory_estimate(config.model, config.train.batch, config.train.fast_gradients)
    total = sum(parts.values())
    most = _free_memory() if most_gib is None else most_gib * 2**30
    sums = " + ".join(f"{size / 2**20:.1f} ({name})" for name, size in parts.items())
    print(f"memory: about {total / 2**20:.1f} MiB = {sums}", flush=True)
    if most is not None and total > most:
        allowed = "free" if most_gib is None else "allowed by --max-memory"
        raise UserError(
            f"the run needs {total / 2**20:.1f} MiB = {sums}, {most / 2**20:.1f} MiB are {allowed}; "
            "use a smaller preset, a smaller batch (--config), or allow more"
        )


def _free_memory() -> Optional[int]:
    """Bytes that Linux says are available; None elsewhere."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _check_same_command(folder: str, before: dict, command: dict) -> None:
    """Refuse to go on with another command than the one in the folder's checkpoint. What one of them does not name has its default."""
    defaults = {
        f"{table}.{field.name}": field.default
        for table, kind in (("model", Dimensions), ("train", Recipe))
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING
    }
    old, new = ({**defaults, **_flat(one)} for one in (before, command))
    for name in {**_flat(command), **old}:
        if old.get(name) != new.get(name):
            raise UserError(
                f"{folder} holds a run with {name} = {old.get(name)}, this command has {new.get(name)}: go on with the same command, or "
                "choose another folder with --out"
            )


def _flat(tables: dict) -> dict:
    """{"a": {"b": 1}} to {"a.b": 1}."""
    flat = {}
    for name, value in tables.items():
        flat.update({f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value})
    return flat


def _dataset(config: Config, paths: Sequence[str], folder: str, threads: int, before: Optional[dict]) -> Dataset:
    """The run's text, tokenized into its folder. `before` is the description of the checkpoint to go on from, or None."""
    if paths:
        documents, source, corpus = (lambda: read_documents(paths)), describe_files(paths), _names(paths)
    else:
        corpus = f"made-up stories ({DEFAULT_CORPUS_BYTES / 1e6:g} MB, seed {DEFAULT_CORPUS_SEED})"
        documents, source = _made_up_stories, f"synth {corpus}, fable6c {__version__}"
    if before and before["source"] != source:
        # Other files may hold the same text. Found out before `prepare` would put another text's tokens into the folder.
        survey = Survey()
        for _ in survey.watch(documents()):
            pass
        if survey.sha256.hexdigest() != before["text_sha256"]:
            raise UserError(f"{folder} holds a run on another text ({before['corpus']}): go on with that, or choose another folder with --out")
    dataset = prepare(documents, os.path.join(folder, "data"), config.model.vocab, source, threads)
    dataset.description["corpus"] = corpus
    return dataset


def _database(path: str, config: Config, options, folder: str, before: Optional[dict]) -> DatabaseDataset:
    """The run's text out of a database."""
    dataset = open_dataset(path, config.model.vocab, options.seed, parse_mix(options.mix), options.curriculum)
    if before and before["text_sha256"] != dataset.description["sha256"]:
        raise UserError(
            f"{folder} holds a run on another text, --mix or --curriculum ({before['corpus']}): go on with that, or choose another folder with --out"
        )
    return dataset


def _names(paths: Sequence[str]) -> str:
    """The files' names for people: the first three, as text even where they are not UTF-8."""
    names = [os.fsencode(os.path.basename(path)).decode("utf-8", "replace") for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _made_up_stories() -> Iterator[str]:
    for document in synth.documents(DEFAULT_CORPUS_SEED, DEFAULT_CORPUS_BYTES):
        yield document.rsplit("\n", 2)[0]  # without the line <|endoftext|>: documents are divided by tokens from here on


def _introduce(config: Config, preset: str, threads: int) -> None:
    """Who is about to do what, before anything that takes time."""
    d = config.model
    print(f"fable6c {__version__}, preset {preset}: {parameter_count(d):,} parameters (dim {d.dim}, {d.layers} layers, hidden {d.hidden}, vocabulary {d.vocab})")
    print(f"CPU: {_cpu_name()}, kernels {kernels.ISA}, {threads} thread{'s' if threads > 1 else ''}")


def _describe(run_: Run) -> None:
    """The text, the budget and the starting point."""
    description = run_.dataset.description
    tokens = len(run_.dataset.train)
    print(f"text: {description['corpus']}: {description['characters']:,} characters, {tokens:,} tokens to train on, {run_.dataset.valid_chars:,} characters held out")
    if run_.steps_budget is not None:
        steps = run_.steps_budget
        print(f"budget: {steps:,} steps of {run_.tokens_per_step:,} tokens = {steps * run_.tokens_per_step / tokens:.2f} times the text")
    else:
        print(f"budget: {run_.seconds_budget / 60:g} minutes in steps of {run_.tokens_per_step:,} tokens")
    print(f"{'going on from' if run_.step else 'starting at'} step {run_.step:,} in {run_.folder}", flush=True)


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    except OSError:
        return "unknown"


if __name__ == "__main__":
    run(main)
