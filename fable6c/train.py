"""Train a model: python -m fable6c.train

A run lives in one folder (--out):
    config.json        what it was started with: the same command goes on, another one is refused
    data/              the tokenizer and the tokenized text (fable6c/data.py)
    checkpoint.f6k     the newest state, and checkpoint.previous.f6k the one before (fable6c/checkpoint.py)
    log.jsonl          one line for each report: the truth that loss.png is drawn from
    loss.png           the curves (needs matplotlib)
    samples.txt        stories from fixed prompts while the model learns
"""

import json
import os
import signal
import sys
import time
from typing import List, Optional, Sequence

import numpy as np

from . import __version__, checkpoint, kernels
from .config import Config, load_config, presets
from .corpus import synth
from .data import Dataset, batch, describe_files, prepare, read_documents, window_starts
from .errors import ArgumentParser, UsageError, UserError, run
from .files import atomic_write, make_folder
from .network import Network, memory_estimate
from .optimizer import Optimizer
from .plot import draw_loss
from .reference import Reference, Sampler, generate

PROMPTS = ["Once upon a time", "One day, a little", '"Where are you going?"']
REPORT_SECONDS = 5.0  # between two lines of progress
CHECKS = 10  # times in a run that the held-out text is scored and a sample is told
CHECK_TOKENS = 32768  # of held-out text in these; the last check takes all of it
SAMPLE_TOKENS = 80
DEFAULT_CORPUS_SEED, DEFAULT_CORPUS_BYTES = 1, 8_000_000


class Run:
    """One training run: everything that a step needs, and how to save it and go on from it.

    `tokens` or `minutes` is the budget; the other is None.
    """

    def __init__(self, config: Config, dataset: Dataset, folder: str, seed: int, tokens: Optional[int], minutes: Optional[float]):
        self.config, self.dataset, self.folder, self.seed = config, dataset, folder, seed
        recipe, context = config.train, config.model.context
        self.tokens_per_step = recipe.batch * recipe.accumulate * context
        self.seconds_budget = None if minutes is None else 60.0 * minutes
        self.steps_budget = None if tokens is None else max(1, -(-tokens // self.tokens_per_step))
        self.network = Network(config.model, recipe.batch, 1.0 / self.tokens_per_step)
        self.optimizer = Optimizer(self.network, recipe)
        self.step, self.elapsed = 0, 0.0
        self.last_bits_per_char: Optional[float] = None
        self.epoch, self.window = 0, 0  # the next window to read: its place in the epoch's order
        self.starts = window_starts(dataset.train, context, seed, 0)
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
                self.starts = window_starts(self.dataset.train, self.config.model.context, self.seed, self.epoch)
            part = self.starts[self.window : self.window + wanted]
            self.window += len(part)
            wanted -= len(part)
            parts.append(part)
        return np.concatenate(parts)

    def train_step(self) -> float:
        """One optimizer step; returns its mean loss in nats a token."""
        loss = 0.0
        for _ in range(self.config.train.accumulate):
            inputs, targets = batch(self.dataset.train, self.next_starts(), self.config.model.context)
            loss += self.network.accumulate(inputs, targets)
        try:
            self.optimizer.step(self.progress())
        except FloatingPointError as error:
            raise UserError(
                f"step {self.step + 1}: {error}; lower the rates (--config) and start again in another folder: the last checkpoint is untouched"
            ) from None
        self.step += 1
        return loss / self.config.train.accumulate

    def bits_per_char(self, most_tokens: Optional[int] = None) -> float:
        """Bits per character of the held-out text in windows of `context` tokens; end marks are neither credited nor lost."""
        B, T = self.config.train.batch, self.config.model.context
        valid = self.dataset.valid[: most_tokens and most_tokens + 1]
        starts = np.arange(0, max(1, (len(valid) - 1) // T)) * T
        nats = characters = 0.0
        for first in range(0, len(starts), B):
            rows = starts[first : first + B]
            # The last batch is filled up with its last window, and a text shorter than a window with end marks.
            window = np.full((B, T + 1), self.dataset.tokenizer.end_of_text, np.int32)
            for i, start in enumerate(rows):
                piece = valid[start : start + T + 1]
                window[i, : len(piece)] = piece
            targets = np.ascontiguousarray(window[:, 1:])
            losses = self.network.losses(np.ascontiguousarray(window[:, :-1]), targets)[: len(rows)]
            counted = targets[: len(rows)] != self.dataset.tokenizer.end_of_text
            nats += float(losses[counted].sum(dtype=np.float64))
            characters += int(self.characters[targets[: len(rows)]].sum())
        self.last_bits_per_char = nats / np.log(2) / characters
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
            "config": self.config.as_dict(), "seed": self.seed, "step": self.step, "elapsed": self.elapsed, "epoch": self.epoch,
            "window": self.window, "optimizer_steps": self.optimizer.steps, "tokenizer": self.dataset.tokenizer.to_bytes().hex(),
            "corpus": self.dataset.description["corpus"], "text_sha256": self.dataset.description["sha256"],
            "bits_per_char": self.last_bits_per_char,
        }  # fmt: skip
        arrays = {"parameters": self.network.parameters, "first": self.optimizer.first, "second": self.optimizer.second}
        checkpoint.save(self.folder, description, arrays)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; False if there is none."""
        try:
            description, arrays = checkpoint.load(self.folder)
        except FileNotFoundError:
            return False
        if description["config"] != self.config.as_dict() or description["seed"] != self.seed:
            raise UserError(f"{self.folder}: its checkpoint is of another configuration; choose another folder with --out")
        if description["text_sha256"] != self.dataset.description["sha256"]:
            raise UserError(f"{self.folder}: its checkpoint was trained on another text; choose another folder with --out")
        self.network.parameters[:] = arrays["parameters"]
        self.optimizer.first[:], self.optimizer.second[:] = arrays["first"], arrays["second"]
        self.step, self.elapsed, self.optimizer.steps = description["step"], description["elapsed"], description["optimizer_steps"]
        self.epoch, self.window = description["epoch"], description["window"]
        self.last_bits_per_char = description["bits_per_char"]
        self.starts = window_starts(self.dataset.train, self.config.model.context, self.seed, self.epoch)
        self.network.discretize()
        return True


def _characters(token: bytes) -> int:
    """Characters that begin in a token: bytes that are not UTF-8 continuation bytes."""
    return sum(byte & 0xC0 != 0x80 for byte in token)


class Reporter:
    """Prints progress, appends it to log.jsonl and draws loss.png from that file."""

    def __init__(self, run_: Run):
        self.run = run_
        self.path = os.path.join(run_.folder, "log.jsonl")
        self.losses: List[float] = []
        self.since, self.since_step = time.monotonic(), run_.step

    def due(self) -> bool:
        return time.monotonic() - self.since >= REPORT_SECONDS

    def report(self, bits_per_char: Optional[float] = None) -> None:
        """A line for the steps since the last one, with the held-out text's figure where it was scored."""
        r = self.run
        now = time.monotonic()
        rate = (r.step - self.since_step) * r.tokens_per_step / max(now - self.since, 1e-9)
        progress = r.progress()
        entry = {"step": r.step, "progress": round(progress, 5), "tokens": r.step * r.tokens_per_step, "elapsed": round(r.elapsed, 2)}
        if self.losses:
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
        held_out = f"held-out {bits_per_char:.4f} bits/char  " if bits_per_char is not None else ""
        print(f"step {r.step:,}  {progress:.1%}  {loss}{held_out}{_clock(r.elapsed)} gone, {_clock(left)} to go", flush=True)
        self.losses, self.since, self.since_step = [], now, r.step

    def pause(self, seconds: float) -> None:
        """Time that was not spent on steps does not count as slow steps."""
        self.since += seconds


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class StopSignal:
    """Turns the first Ctrl-C or SIGTERM into a flag, so that a run stops between two steps with its state saved."""

    def __init__(self):
        self.number = 0

    def __enter__(self) -> "StopSignal":
        self.before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number, _frame) -> None:
        self.number = number


def train(run_: Run, save_minutes: float) -> int:
    """Run to the end of the budget. Returns 0, or the signal that stopped it; either way the state is saved."""
    reporter = Reporter(run_)
    saved = time.monotonic()
    next_check = (int(run_.progress() * CHECKS) + 1) / CHECKS
    with StopSignal() as stop:
        while run_.progress() < 1.0 and not stop.number:
            started = time.monotonic()
            reporter.losses.append(run_.train_step())
            run_.elapsed += time.monotonic() - started
            finished = run_.progress() >= 1.0
            if run_.progress() >= next_check and not finished:
                started = time.monotonic()
                reporter.report(run_.bits_per_char(CHECK_TOKENS))
                _tell(run_, PROMPTS[:1])
                draw_loss(run_.folder)
                next_check = (int(run_.progress() * CHECKS) + 1) / CHECKS
                run_.elapsed += time.monotonic() - started
                reporter.pause(time.monotonic() - started)
            elif reporter.due() and not finished:
                reporter.report()
            if time.monotonic() - saved >= 60.0 * save_minutes:
                run_.save()
                saved = time.monotonic()
        run_.save()
        if run_.progress() >= 1.0 and not stop.number:
            reporter.report(run_.bits_per_char())
            run_.save()  # now with the last figure
            _tell(run_, PROMPTS)
            draw_loss(run_.folder)
    return stop.number


def _tell(run_: Run, prompts: Sequence[str]) -> None:
    """Print samples and append them to samples.txt."""
    lines = [f"--- step {run_.step}\n" + run_.sample(prompt, seed=1).strip() for prompt in prompts]
    for text in lines:
        print("  | " + text.split("\n", 1)[1].replace("\n", "\n  | "), flush=True)
    try:
        with open(os.path.join(run_.folder, "samples.txt"), "a", encoding="utf-8") as file:
            file.write("\n\n".join(lines) + "\n\n")
    except OSError as error:
        raise UserError(f"{run_.folder}/samples.txt: cannot be written ({error.strerror}); free some space and run the same command again") from None


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.train",
        "Train a language model with ternary weights. The same command goes on after an interruption.",
        "python -m fable6c.train --preset small --corpus stories.txt --minutes 120 --out runs/small",
    )
    parser.add_argument("--corpus", nargs="+", default=[], metavar="PATH", help="UTF-8 text, plain or .zst, documents divided by lines <|endoftext|>; default: made-up stories of our own")
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
        if value is not None and not 0 < value < 1e15:
            raise UsageError(f"--{name.replace('_', '-')} {value}: expected a number above 0")
    if not 0 <= options.seed < 2**32:
        raise UsageError(f"--seed {options.seed}: expected 0 to {2**32 - 1}")
    config = load_config(options.preset, options.config)
    if options.minutes is None and options.tokens is None:
        options.minutes = config.train.minutes
    folder = options.out or os.path.join("runs", options.preset)
    threads = kernels.set_threads(options.threads)
    _check_memory(config, options.max_memory)
    make_folder(folder)
    _check_same_command(folder, config, options)
    dataset = _dataset(config, options.corpus, folder, threads)
    run_ = Run(config, dataset, folder, options.seed, options.tokens, options.minutes)
    resumed = run_.resume()
    if not resumed:
        run_.network.initialize(options.seed)
    _introduce(run_, threads, resumed, options.preset)
    if run_.progress() >= 1.0:
        print(f"{folder}: this run is finished; next: python -m fable6c.export {folder} -o model.f6c (or train with another --out)")
        return
    stopped = train(run_, options.save_minutes)
    if stopped:
        print(f"stopped at step {run_.step:,}, saved in {folder}; the same command goes on", file=sys.stderr)
        sys.exit(128 + stopped)
    print(f"finished: {folder}; next: python -m fable6c.export {folder} -o model.f6c")


def _check_memory(config: Config, most_gib: Optional[float]) -> None:
    """Print the estimate and refuse a run that does not fit."""
    parts = memory_estimate(config.model, config.train.batch)
    total = sum(parts.values())
    most = _free_memory() if most_gib is None else most_gib * 2**30
    sums = " + ".join(f"{size / 2**20:.0f} ({name})" for name, size in parts.items())
    print(f"memory: {total / 2**20:.0f} MiB = {sums}", flush=True)
    if most is not None and total > most:
        allowed = "free" if most_gib is None else "allowed by --max-memory"
        raise UserError(
            f"the run needs {total / 2**20:.0f} MiB = {sums}, {most / 2**20:.0f} MiB are {allowed}; "
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


def _check_same_command(folder: str, config: Config, options) -> None:
    """Keep the run's command in config.json, and refuse to go on with another one."""
    command = {"preset": options.preset, **config.as_dict(), "minutes": options.minutes, "tokens": options.tokens, "seed": options.seed}
    path = os.path.join(folder, "config.json")
    if not os.path.exists(path):
        atomic_write(path, json.dumps(command, indent=1).encode() + b"\n")
        return
    try:
        with open(path, encoding="utf-8") as file:
            before = json.load(file)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); choose another folder with --out") from None
    for name, value in _flat(command).items():
        old = _flat(before).get(name)
        if old != value:
            raise UserError(f"{folder} holds a run with {name} = {old}, this command has {value}: go on with the same command, or choose another folder with --out")


def _flat(tables: dict) -> dict:
    """{"a": {"b": 1}} to {"a.b": 1}."""
    flat = {}
    for name, value in tables.items():
        flat.update({f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value})
    return flat


def _dataset(config: Config, paths: Sequence[str], folder: str, threads: int) -> Dataset:
    """The run's text, tokenized into its folder."""
    if paths:
        documents, source, corpus = (lambda: read_documents(paths)), describe_files(paths), ", ".join(map(os.path.basename, paths))
    else:
        corpus = f"made-up stories ({DEFAULT_CORPUS_BYTES // 10**6} MB, seed {DEFAULT_CORPUS_SEED})"
        documents, source = (lambda: synth.documents(DEFAULT_CORPUS_SEED, DEFAULT_CORPUS_BYTES)), f"synth {corpus}, fable6c {__version__}"
    dataset = prepare(documents, os.path.join(folder, "data"), config.model.vocab, source, threads)
    dataset.description["corpus"] = corpus
    return dataset


def _introduce(run_: Run, threads: int, resumed: bool, preset: str) -> None:
    """What is about to happen, before the first step."""
    d, description = run_.config.model, run_.dataset.description
    print(f"fable6c {__version__}, preset {preset}: {len(run_.network.parameters):,} parameters (dim {d.dim}, {d.layers} layers, hidden {d.hidden}, vocabulary {d.vocab})")
    print(f"CPU: {_cpu_name()}, kernels {kernels.ISA}, {threads} thread{'s' if threads > 1 else ''}")
    tokens = len(run_.dataset.train)
    print(f"text: {description['corpus']}: {description['characters']:,} characters, {tokens:,} tokens to train on, {run_.dataset.valid_chars:,} characters held out")
    if run_.steps_budget is not None:
        steps = run_.steps_budget
        print(f"budget: {steps:,} steps of {run_.tokens_per_step:,} tokens = {steps * run_.tokens_per_step / tokens:.2f} times the text")
    else:
        print(f"budget: {run_.seconds_budget / 60:g} minutes in steps of {run_.tokens_per_step:,} tokens")
    print(f"{'going on from' if resumed else 'starting at'} step {run_.step:,} in {run_.folder}", flush=True)


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    except OSError:
        return "unknown"


if __name__ == "__main__":
    run(main)
