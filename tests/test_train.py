"""Whole training runs of a tiny model: what they print and leave behind, that they resume to the bit, and every bad input.

Runs are started as the command does, by `main(argv)`; those that are killed run in a process of their own.
"""

import contextlib
import dataclasses
import errno
import hashlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest

from fable6c import cli, export, files, kernels, native, train
from fable6c.corpus import synth
from fable6c.errors import UserError
from fable6c.model.architecture import parameter_count
from fable6c.model.reference import Reference
from fable6c.training import checkpoint, loop, plot, report, source
from fable6c.training import run as training_run
from fable6c.training.config import Recipe, load_config
from tiny_models import STEP_TOKENS, TINY, TINY_CONFIG


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """A folder with a text and a configuration."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "text.txt").write_text(synth.text(3, 60_000), encoding="utf-8")
    (folder / "tiny.toml").write_text(TINY_CONFIG)
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Fewer checks, no picture, one thread: the time goes into steps. Tests of these put them back."""
    monkeypatch.setattr(loop, "CHECKS", 2)
    monkeypatch.setattr(training_run, "SAMPLE_TOKENS", 8)
    monkeypatch.setattr(loop, "draw_loss", lambda folder: None)


def command(inputs, out, *more, steps=20):
    budget = [] if "--minutes" in more else ["--tokens", str(steps * STEP_TOKENS)]
    corpus = [] if "--corpus" in more else ["--corpus", str(inputs / "text.txt")]
    paths = [*corpus, "--config", str(inputs / "tiny.toml"), "--out", str(out)]
    return [*paths, "--threads", "1", *budget, *more]


class Clock:
    """Stands in for the module time: each question takes a hundredth of a second, so that no busy machine changes an answer."""

    def __init__(self, *users):
        self.now = 0.0
        for monkeypatch, module in users:
            monkeypatch.setattr(module, "time", self)

    def monotonic(self):
        self.now += 0.01
        return self.now

    process_time = monotonic


def log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def bits(folder):
    """SHA-256 of the parameters and of the exported model."""
    description, arrays = checkpoint.load(str(folder))
    model = folder / "model.f6c"
    export.export(str(folder), str(model))
    return description["step"], *(hashlib.sha256(data).hexdigest() for data in (arrays["parameters"].tobytes(), model.read_bytes()))


def contents(folder):
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def interrupt_after(monkeypatch, steps, action):
    """Do `action` at the end of the given step of the next run."""
    original = training_run.Run.train_step

    def train_step(self):
        loss = original(self)
        if self.step == steps:
            monkeypatch.setattr(training_run.Run, "train_step", original)
            action()
        return loss

    monkeypatch.setattr(training_run.Run, "train_step", train_step)


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    """The bits of 20 steps without an interruption."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train.main(command(inputs, folder))
    return bits(folder)


# ---- a run


def test_a_run_from_start_to_end(inputs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(loop, "CHECKS", 10)
    monkeypatch.setattr(report, "REPORT_SECONDS", 1e9)  # else a busy machine reports between the checks
    monkeypatch.setattr(loop, "draw_loss", plot.draw_loss)
    folder = tmp_path / "$run_1$"
    train.main(command(inputs, folder, steps=30))
    out = capsys.readouterr().out
    for expected in (
        "fable6c 0.", f"preset micro: {parameter_count(TINY):,} parameters (dim 16, 2 layers, hidden 24, vocabulary 300)", "CPU: ", f"kernels {kernels.ISA}", " 1 thread\n", "memory: about ", " MiB = ",
        "tokens to train on", "characters held out", "budget: 30 steps of 128 tokens", "starting at step 0",
        "\nstep 3  10.0%  loss ", " tokens/s  held-out ", " bits/char  0:0", " to go\n  | Once upon a time", "\nstep 30  100.0%",
        f"finished: {folder}\nnext: ", f" -m fable6c.export '{folder}' -o model.f6c",
    ):  # fmt: skip
        assert expected in out, expected
    entries = log(folder)
    assert [entry["step"] for entry in entries] == list(range(3, 31, 3))
    for entry in entries:
        assert entry["tokens"] == entry["step"] * STEP_TOKENS and entry["progress"] == pytest.approx(entry["step"] / 30, abs=1e-5)
        assert entry["tokens_per_second"] > 0 and 0 < entry["bits_per_char"] < 9
    assert [entry["elapsed"] for entry in entries] == sorted(entry["elapsed"] for entry in entries)
    assert entries[-1]["loss"] < entries[0]["loss"] - 0.5, "it learns"
    assert entries[-1]["bits_per_char"] < entries[0]["bits_per_char"]
    samples = (folder / "samples.txt").read_text(encoding="utf-8")
    assert samples.count("--- step 3\n") == 1 and samples.count("--- step 30\n") == len(loop.PROMPTS)
    assert all(prompt in samples for prompt in loop.PROMPTS)
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert checkpoint.load(str(folder))[0]["bits_per_char"] == pytest.approx(entries[-1]["bits_per_char"], abs=1e-4)
    assert not list(folder.rglob("*.tmp"))


def test_a_finished_run_started_again(inputs, tmp_path, capsys):
    train.main(command(inputs, tmp_path / "run", steps=3))
    before = contents(tmp_path)
    capsys.readouterr()
    train.main(command(inputs, tmp_path / "run", steps=3))
    out = capsys.readouterr().out
    assert "this run is finished; for another one" in out and f" -m fable6c.export {tmp_path / 'run'} -o model.f6c" in out
    assert contents(tmp_path) == before


def test_a_budget_of_time(inputs, tmp_path, capsys, monkeypatch):
    """The steps are fixed before the first one, so the run is one of tokens, to the bit, and one that was interrupted too."""
    Clock((monkeypatch, loop), (monkeypatch, report))
    monkeypatch.setattr(loop, "CHECKS", 2)
    train.main(command(inputs, tmp_path / "run", "--minutes", "0.02"))
    out = capsys.readouterr().out
    assert "budget: 0.02 minutes in steps of 128 tokens" in out
    assert out.count("\n0.02 minutes buy 0.0 million tokens here, ") == 1
    final = log(tmp_path / "run")[-1]
    assert final["progress"] == 1 and 20 < final["step"] < 120, "a step takes some hundredths of a second"
    train.main(command(inputs, tmp_path / "tokens", steps=final["step"]))
    interrupt_after(monkeypatch, final["step"] // 2, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit):
        train.main(command(inputs, tmp_path / "stopped", "--minutes", "0.02"))
    monkeypatch.setattr(loop, "TRIAL_STEPS", 1000)  # another machine, which would plan anew
    train.main(command(inputs, tmp_path / "stopped", "--minutes", "0.02"))
    assert bits(tmp_path / "run")[:2] == bits(tmp_path / "tokens")[:2] == bits(tmp_path / "stopped")[:2]


@pytest.fixture
def soon_exhausted(monkeypatch):
    """A clock and a text by which runs have the fewest bits at step 20, and begin again at the first check from step 30 on."""
    Clock((monkeypatch, loop), (monkeypatch, report))
    monkeypatch.setattr(loop, "FIRST_TIMES", 0.01)

    def bits_per_char(self, max_tokens=None):
        self.last_bits_per_char = 1 + abs(self.step - 20) / 200
        return self.last_bits_per_char

    monkeypatch.setattr(training_run.Run, "bits_per_char", bits_per_char)


def test_a_text_that_is_too_short_for_the_minutes(inputs, tmp_path, capsys, monkeypatch, soon_exhausted):
    """The run begins again, with the steps of its best check, and is then a run of so many tokens, to the bit, interrupted or not."""
    minutes = ["--minutes", "0.05"]
    train.main(command(inputs, tmp_path / "run", *minutes))
    out = capsys.readouterr().out
    (said,) = re.findall(r"^held-out text was best at step (\d+) \((.+) bits/char\) and is worse now \((.+)\): .*", out, re.MULTILINE)
    best = int(said[0])
    assert 15 <= best <= 25 and float(said[2]) > 1.02 * float(said[1])
    assert f"the text is too short to be read so often; beginning again with {best} steps, " in out
    entries = log(tmp_path / "run")
    assert [entry["progress"] for entry in entries] == sorted(entry["progress"] for entry in entries) and entries[-1]["step"] == best
    train.main(command(inputs, tmp_path / "tokens", steps=best))
    assert "is worse now" not in capsys.readouterr().out
    wanted = bits(tmp_path / "tokens")[:2]
    assert bits(tmp_path / "run")[:2] == wanted
    for step in (best, best + 5):  # both before it begins again, the second after the best check
        interrupt_after(monkeypatch, step, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit):
            train.main(command(inputs, tmp_path / str(step), *minutes))
        train.main(command(inputs, tmp_path / str(step), *minutes))
        assert bits(tmp_path / str(step))[:2] == wanted
    original = training_run.Run.train_step

    def train_step(self):
        loss = original(self)
        if self.shortened and self.step == 5:
            monkeypatch.setattr(training_run.Run, "train_step", original)
            signal.raise_signal(signal.SIGTERM)
        return loss

    monkeypatch.setattr(training_run.Run, "train_step", train_step)
    with pytest.raises(SystemExit):
        train.main(command(inputs, tmp_path / "later", *minutes))
    assert checkpoint.load(str(tmp_path / "later"))[0]["step"] == 5
    train.main(command(inputs, tmp_path / "later", *minutes))
    assert bits(tmp_path / "later")[:2] == wanted


@pytest.mark.parametrize(
    "score",
    [
        lambda step, budget: 1.0 if step < budget // 3 else 1.019,  # worse by less than two per cent
        lambda step, budget: 1.1 if budget // 4 < step < budget // 3 else 1.0 - step / 10000,  # for less than half as many steps again
        lambda step, budget: 1.0 if step < budget * 3 // 5 else 1.1,  # too late to begin again within the budget
    ],
)
def test_a_budget_of_time_that_is_used_to_the_end(inputs, tmp_path, capsys, monkeypatch, soon_exhausted, score):
    monkeypatch.setattr(loop, "GROWTH", 1.05)
    monkeypatch.setattr(training_run.Run, "bits_per_char", lambda self, most=None: score(self.step, self.steps_budget or 1))
    train.main(command(inputs, tmp_path / "run", "--minutes", "0.05"))
    out, entries = capsys.readouterr().out, log(tmp_path / "run")
    assert "is worse now" not in out and entries[-1]["step"] > 100
    assert ("the text was read too often; --tokens" in out) == (entries[-1]["bits_per_char"] == 1.1)


def test_beginning_again_with_what_is_left(inputs, tmp_path, capsys, monkeypatch, soon_exhausted):
    """The best check's steps do not fit in, but more than half of them do."""
    monkeypatch.setattr(loop, "GROWTH", 1.05)
    budgets = []

    def score(self, most=None):
        budgets.append(self.steps_budget or 1)
        self.last_bits_per_char = 1.0 if self.step < budgets[0] * 9 // 20 else 1.1
        return self.last_bits_per_char

    monkeypatch.setattr(training_run.Run, "bits_per_char", score)
    monkeypatch.setattr(loop, "plan_steps", lambda run: setattr(run, "steps_budget", 200))
    train.main(command(inputs, tmp_path / "run", "--minutes", "0.05"))
    out = capsys.readouterr().out
    (steps,) = map(int, re.findall(r"beginning again with (\d+) steps", out))
    assert 45 <= steps < 85 and log(tmp_path / "run")[-1]["step"] == steps


def test_importing_does_nothing(tmp_path):
    script = "import fable6c.train, fable6c.export, fable6c.training.plot"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr, os.listdir(tmp_path)) == (0, "", "", [])


def test_the_start_says_what_the_machine_has_and_lacks(monkeypatch, capsys):
    *faster, worst = kernels.INSTRUCTION_SETS
    monkeypatch.setattr(kernels, "ISA", worst, raising=False)
    cpu = types.SimpleNamespace(lib=types.SimpleNamespace(cpu_supports=lambda name: name == worst.encode()))
    load = native.load
    monkeypatch.setattr(native, "load", lambda library: cpu if library == "cpu" else load(library))
    monkeypatch.setattr(train, "processors", lambda: 2)
    train._introduce(load_config("micro"), "micro", 8)
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("CPU: ") and worst == "baseline"
    assert line.endswith(
        f", kernels {worst} (this CPU lacks the faster {', '.join(faster)}), 8 threads, of which 2 can run at a time (--threads 2 is as fast)"
    )


def test_help_begins_with_the_purpose_and_an_example(capsys):
    with pytest.raises(SystemExit) as caught:
        train.main(["--help"])
    out = capsys.readouterr().out
    assert caught.value.code == 0 and out.index("Train a language model") < out.index("python -m fable6c.train --preset small --corpus")


def test_the_default_corpus_has_marks_only_as_tokens(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "DEFAULT_CORPUS_BYTES", 30_000)
    config = load_config("micro", write(tmp_path / "tiny.toml", TINY_CONFIG))
    data = source.text_dataset(config, [], str(tmp_path), 1, None)
    tokens = np.concatenate([data.train, data.valid])
    text = b"".join(data.tokenizer.token_bytes[token] for token in tokens)
    assert len(text) > 28_000 and b"endoftext" not in text
    assert (tokens == data.tokenizer.end_of_text).sum() >= data.description["documents"] == synth.text(1, 30_000).count("<|endoftext|>")


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


# ---- the parts of a run


def make_run(inputs, folder, **budget):
    config = load_config("micro", str(inputs / "tiny.toml"))
    data = source.text_dataset(config, [str(inputs / "text.txt")], str(folder), 1, None)
    run = training_run.Run(
        config, data, str(folder), {"preset": "micro", **config.as_dict(), "minutes": None, "tokens": None, "seed": 1, **budget}
    )
    run.network.initialize(1)
    return run


def test_bits_per_char_is_what_the_reference_finds(inputs, tmp_path):
    """All of the held-out text and only its start; end marks are fed, but not scored."""
    run = make_run(inputs, tmp_path, tokens=1)
    reference = Reference(run.network.model(run.dataset.tokenizer.merges, {}))
    end = run.dataset.tokenizer.end_of_text
    run.dataset.valid = np.concatenate([run.dataset.valid[:333], [end], run.dataset.valid[333:444], [end]]).astype(np.uint16)
    for count in (None, 100, 20, 1):
        text = run.dataset.valid[:count].astype(int)
        fed = np.concatenate([[end], text])
        nats = 0.0
        for start in range(0, len(text), 32):
            inputs_, targets = fed[start : start + 32][: len(text) - start], text[start : start + 32]
            logits = reference.forward(inputs_[None])[0][0].astype(np.float64)
            losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(targets)), targets]
            nats += losses[targets != end].sum()
        characters = len(run.dataset.tokenizer.decode(text[text != end]).decode("utf-8"))
        assert run.bits_per_char(count) == pytest.approx(nats / np.log(2) / characters, rel=1e-6), count


def test_each_epoch_reads_each_window_once(inputs, tmp_path):
    run = make_run(inputs, tmp_path, tokens=1)
    run.starts = run.starts[:5]  # an epoch of five windows, read two at a time
    first = [int(start) for _ in range(2) for start in run.next_starts()]
    crossing = run.next_starts()
    assert [*first, int(crossing[0])] == run.dataset.starts(32, 1, 0)[:5].tolist()
    assert (run.epoch, run.window) == (1, 1) and crossing[1] == run.dataset.starts(32, 1, 1)[0]


def test_a_newline_in_the_place_of_some_end_marks():
    end_mark, newline, draws = 9, 1, np.random.default_rng(0)
    text = draws.choice([2, end_mark], (50, 41))  # 50 windows of 40 tokens
    inputs, targets = text[:, :-1].copy(), text[:, 1:].copy()
    training_run.join(inputs, targets, end_mark, newline, 0.25, [1, 7])
    assert (inputs[:, 1:] == targets[:, :-1]).all() and (inputs[:, 0] == text[:, 0]).all()
    was_mark = text[:, 1:] == end_mark
    assert (targets[~was_mark] == 2).all() and set(targets[was_mark]) == {end_mark, newline}
    assert 0.2 < (targets[was_mark] == newline).mean() < 0.3
    found = {}
    for seed in ([1, 7], [1, 8]):
        found[seed[1]] = text[:, 1:].copy()
        training_run.join(text[:, :-1].copy(), found[seed[1]], end_mark, newline, 0.25, seed)
    assert (found[7] == targets).all() and (found[8] != targets).any()  # another batch, other marks; the same one, the same


def test_joined_documents_in_a_run(inputs, tmp_path, monkeypatch):
    seen = []
    run = make_run(inputs, tmp_path, tokens=1)
    run.config = dataclasses.replace(run.config, train=dataclasses.replace(run.config.train, joined=1.0))
    monkeypatch.setattr(run.network, "accumulate", lambda inputs, targets, number: seen.append((inputs, targets)) or 0.0)
    for _ in range(30):
        run.train_step()
    assert not any((targets == TINY.end_mark).any() for _, targets in seen)


def test_progress_of_both_budgets(inputs, tmp_path):
    run = make_run(inputs, tmp_path, tokens=10 * STEP_TOKENS - 1)
    assert run.steps_budget == 10
    found = []
    for run.step in (0, 5, 10, 11):
        found.append(run.progress())
    assert found == [0, 0.5, 1, 1]
    assert make_run(inputs, tmp_path, minutes=0.5).progress() == 0.0, "not planned yet"


def test_a_terminal_that_is_not_utf8(inputs, tmp_path, monkeypatch):
    run = make_run(inputs, tmp_path, tokens=1)
    monkeypatch.setattr(training_run.Run, "sample", lambda *_, **__: "caf\u00e9 \ufffd")
    monkeypatch.setattr(sys, "stdout", open(tmp_path / "out", "w", encoding="ascii"))
    loop._tell(run, ["a"])
    sys.stdout.close()
    assert (tmp_path / "out").read_bytes() == b"  | caf? ?\n"
    assert "caf\u00e9 \ufffd" in (tmp_path / "samples.txt").read_text(encoding="utf-8")


# ---- going on after an interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("step", [1, 10, 20])
def test_resumed_after_a_signal_to_the_bit(inputs, tmp_path, monkeypatch, capsys, whole, number, step):
    folder = tmp_path / "run"
    before = signal.getsignal(number)
    if number == signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)  # the tests themselves may run under nohup, which ignores it
    interrupt_after(monkeypatch, step, lambda: signal.raise_signal(number))
    with pytest.raises(SystemExit) as caught:
        train.main(command(inputs, folder))
    assert caught.value.code == 128 + number
    assert f"stopped at step {step}, saved in {folder}; the same command goes on" in capsys.readouterr().err
    assert checkpoint.load(str(folder))[0]["step"] == step
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "put back"
    if number == signal.SIGHUP:
        signal.signal(number, before)
    train.main(command(inputs, folder))
    assert f"going on from step {step} in" in capsys.readouterr().out
    assert bits(folder) == whole
    assert [entry["step"] for entry in log(folder)] == sorted(entry["step"] for entry in log(folder))


def test_a_resumed_run_draws_the_same(inputs, tmp_path, monkeypatch):
    """What a run draws for dropout and joined documents goes with the number of the batch, not with how often it was stopped."""
    recipe = "dropout = 0.1\njoined = 0.5\ndecay = 0.1\ncooldown = 1\ncooldown_power = 2\n"
    write(tmp_path / "text.txt", (inputs / "text.txt").read_text().replace("\n", "\n<|endoftext|>\n"))  # many documents: each paragraph
    write(tmp_path / "tiny.toml", TINY_CONFIG + recipe)
    train.main(command(tmp_path, tmp_path / "whole"))
    interrupt_after(monkeypatch, 7, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit):
        train.main(command(tmp_path, tmp_path / "run"))
    train.main(command(tmp_path, tmp_path / "run"))
    assert bits(tmp_path / "run") == bits(tmp_path / "whole")
    for line in recipe.splitlines():  # each of them counts
        write(tmp_path / "tiny.toml", TINY_CONFIG + recipe.replace(line + "\n", ""))
        train.main(command(tmp_path, tmp_path / line.split()[0]))
        assert bits(tmp_path / line.split()[0])[1] != bits(tmp_path / "whole")[1], line


@pytest.mark.parametrize("more", [["--threads", "2"], ["--save-minutes", "1e-9"]])
def test_threads_and_saves_do_not_change_the_bits(inputs, tmp_path, whole, more):
    train.main(command(inputs, tmp_path / "run", *more))
    assert bits(tmp_path / "run") == whole


def test_time_in_which_nothing_ran_is_not_training_time(inputs, tmp_path, monkeypatch):
    """Stopped by Ctrl-Z, frozen, asleep: the wall clock goes on, the processor's does not."""
    wall = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda clock=time.monotonic: clock() + wall[0])
    interrupt_after(monkeypatch, 5, lambda: wall.__setitem__(0, 3600.0))
    folder = tmp_path / "run"
    train.main(command(inputs, folder))
    assert log(folder)[-1]["elapsed"] < 600


LOST_OUTPUT = """
import os, sys
sys.path.insert(0, sys.argv[1])
from fable6c import cli, train
from fable6c.training import report
from fable6c.training.run import Run
kind, arguments = sys.argv[2], sys.argv[3:]
report.REPORT_SECONDS = 0
step = Run.train_step
def lose_it(run):
    if run.step == 3 and kind == "terminal":
        os.close(int(os.environ["MASTER"]))  # the terminal is gone, for stdout and stderr
    elif run.step == 3:
        os.read(0, 1)  # until the reader of stdout is gone
    return step(run)
Run.train_step = lose_it
cli.run(lambda _: train.main(arguments))
"""


@pytest.mark.parametrize("kind, status", [("terminal", 128 + signal.SIGHUP), ("pipe", 128 + signal.SIGPIPE)])
def test_output_that_nobody_reads_any_more(inputs, tmp_path, whole, kind, status):
    """The run stops as by a signal, with its state saved."""
    folder = tmp_path / "run"
    master, slave = pty.openpty()
    output = slave if kind == "terminal" else subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", LOST_OUTPUT, os.path.dirname(__file__), kind, *command(inputs, folder)],
        stdin=subprocess.PIPE, stdout=output, stderr=slave if kind == "terminal" else None, pass_fds=[master], env={**os.environ, "MASTER": str(master)},
    )  # fmt: skip
    os.close(slave)
    if kind == "terminal":
        os.close(master)
    else:
        assert any(line.startswith(b"step 3 ") for line in process.stdout)
        process.stdout.close()
    process.stdin.close()
    assert process.wait(60) == status
    assert checkpoint.load(str(folder))[0]["step"] == 4
    assert [entry["step"] for entry in log(folder)] == [1, 2, 3, 4]
    train.main(command(inputs, folder))
    assert bits(folder) == whole


def test_another_seed_changes_the_bits(inputs, tmp_path, whole):
    train.main(command(inputs, tmp_path / "run", "--seed", "2"))
    assert bits(tmp_path / "run")[1:] != whole[1:]


@pytest.mark.long
def test_resumed_after_kill_9(inputs, tmp_path):
    steps = 1500
    arguments = command(inputs, tmp_path / "killed", "--save-minutes", "0.001", steps=steps)
    process = subprocess.Popen([sys.executable, "-m", "fable6c.train", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "killed" / checkpoint.PREVIOUS).exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    reached = checkpoint.load(str(tmp_path / "killed"))[0]["step"]
    assert 0 < reached < steps
    train.main(arguments)
    train.main(command(inputs, tmp_path / "whole", steps=steps))
    assert bits(tmp_path / "killed")[:2] == bits(tmp_path / "whole")[:2]


def test_damaged_newest_checkpoint(inputs, tmp_path, monkeypatch, capsys, whole):
    folder = tmp_path / "run"
    interrupt_after(monkeypatch, 12, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit):
        train.main(command(inputs, folder, "--save-minutes", "1e-9"))  # a checkpoint after each step
    newest = folder / checkpoint.NAME
    newest.write_bytes(newest.read_bytes()[:-100])
    capsys.readouterr()
    train.main(command(inputs, folder, "--save-minutes", "1e-9"))
    printed = capsys.readouterr()
    assert printed.err == f"{newest}: the checkpoint is damaged (its checksum does not match); using {checkpoint.PREVIOUS} instead\n"
    assert "going on from step 12" in printed.out or "going on from step 11" in printed.out
    assert bits(folder) == whole


@pytest.mark.parametrize("last", [b'{"step": 1', b'{"step": 12, "loss": 1}'])  # cut off by the kill, once just before its end
def test_the_log_forgets_what_the_checkpoint_does_not_know(inputs, tmp_path, monkeypatch, last):
    folder = tmp_path / "run"
    interrupt_after(monkeypatch, 12, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit):
        train.main(command(inputs, folder))
    kept = (folder / "log.jsonl").read_bytes()
    later = b'{"step": 13, "loss": 1}\n{"step": 19, "loss": 1}\n'
    (folder / "log.jsonl").write_bytes(kept + later + last)
    train.main(command(inputs, folder))
    after = (folder / "log.jsonl").read_bytes()
    assert after.startswith(kept) and later not in after
    assert [entry["step"] for entry in log(folder)] == [10, 12, 20]


def test_a_run_that_was_never_saved_begins_anew(inputs, tmp_path, whole):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "log.jsonl").write_text('{"step": 5, "loss": 1}\n')
    train.main(command(inputs, folder))
    assert bits(folder) == whole and [entry["step"] for entry in log(folder)] == [10, 20]


@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_a_save_that_fails_ends_the_run_and_loses_nothing(inputs, tmp_path, monkeypatch, whole, operation):
    folder = tmp_path / "run"
    save = training_run.Run.save

    def failing_save(self):
        if self.step < 7:
            return save(self)
        with monkeypatch.context() as patch:
            patch.setattr(os, operation, no_space)
            return save(self)

    monkeypatch.setattr(training_run.Run, "save", failing_save)
    with pytest.raises(UserError, match="cannot be written .No space left on device"):
        train.main(command(inputs, folder, "--save-minutes", "1e-9"))
    assert checkpoint.load(str(folder))[0]["step"] == 6
    monkeypatch.setattr(training_run.Run, "save", save)
    train.main(command(inputs, folder))
    assert bits(folder) == whole


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", ["log.jsonl", "samples.txt"])
def test_a_log_that_cannot_be_written(inputs, tmp_path, whole, name):
    folder = tmp_path / "run"
    (folder / name).mkdir(parents=True)
    with pytest.raises(UserError, match=f"{name}: cannot be (written|read) .Is a directory"):
        train.main(command(inputs, folder))
    (folder / name).rmdir()
    train.main(command(inputs, folder))
    assert bits(folder) == whole


def test_a_disk_that_fills(inputs, tmp_path, monkeypatch, whole):
    """A real file system without room for the next checkpoint, in the middle of a run."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("may not mount a tmpfs")

    def fill():
        free = os.statvfs(disk)
        (disk / "filler").write_bytes(bytes(free.f_bavail * free.f_bsize))

    try:
        interrupt_after(monkeypatch, 8, fill)
        line = one_line(lambda: train.main(command(inputs, disk / "run", "--save-minutes", "1e-9")), 1)
        assert "No space left on device" in line
        assert checkpoint.load(str(disk / "run"))[0]["step"] in (7, 8)
        os.remove(disk / "filler")
        train.main(command(inputs, disk / "run"))
        assert bits(disk / "run") == whole
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)  # lazily: the run's tokens may still be mapped


# ---- bad input: one line, exit 1 or 2


def one_line(main, status):
    """The line on stderr of a command that fails, run as the process runs it."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err), pytest.raises(SystemExit) as caught:
        cli.run(lambda _: main())
    line = err.getvalue()
    assert caught.value.code == status, line
    assert line.count("\n") == 1 and "Traceback" not in line
    return line


@pytest.mark.parametrize(
    "arguments,status,message",
    [
        (["--preset", "large"], 2, "there is no such preset; use one of base, micro, small"),
        (["--presets", "micro"], 2, "unrecognized arguments: --presets"),
        (["--prese", "micro"], 2, "unrecognized arguments: --prese"),
        (["--minutes", "0"], 2, "--minutes 0.0: expected a number above 0"),
        (["--minutes", "-1"], 2, "--minutes -1.0: expected a number above 0"),
        (["--minutes", "nan"], 2, "--minutes nan: expected a number above 0"),
        (["--minutes", "inf"], 2, "--minutes inf: expected a number above 0"),
        (["--minutes", "two"], 2, "invalid float value: 'two'"),
        (["--tokens", "0"], 2, "--tokens 0: expected a number above 0"),
        (["--tokens", "-5"], 2, "--tokens -5: expected a number above 0"),
        (["--tokens", "1e6"], 2, "invalid int value: '1e6'"),
        (["--tokens", "1" + "0" * 30], 2, "expected a number above 0"),
        (["--tokens", "5", "--minutes", "5"], 2, "a run has one budget"),
        (["--threads", "0"], 2, "--threads 0: expected"),
        (["--threads", "100000"], 2, "--threads 100000: expected a number above 0, at most 256"),
        (["--save-minutes", "0"], 2, "--save-minutes 0.0: expected"),
        (["--max-memory", "-1"], 2, "--max-memory -1.0: expected"),
        (["--seed", "-1"], 2, "--seed -1: expected 0 to 4294967295"),
        (["--seed", "4294967296"], 2, "--seed 4294967296: expected 0 to 4294967295"),
        (["--config", "missing.toml"], 2, "missing.toml: cannot be read (No such file or directory)"),
        (["--config", "text.txt"], 2, "text.txt: is not valid TOML"),
        (["--config", "unknown.toml"], 2, "unknown key `layer`; did you mean `layers`?"),
        (["--config", "huge.toml"], 1, "MiB are free; use a smaller preset"),
        (["--config", "tiny.toml", "--max-memory", "0.01"], 1, "10.2 MiB are allowed by --max-memory"),
        (["--config", "vocabulary.toml", "--corpus", "short.txt"], 1, "the text is too small for a vocabulary of 4000 tokens"),
        (["--config", "context.toml", "--corpus", "short.txt"], 1, "are needed for windows of 4096; give more text or a smaller context"),
        (["--corpus", "missing.txt"], 1, "missing.txt: there is no such file"),
        (["--corpus", "empty.txt"], 1, "empty.txt: holds no text"),
        (["--corpus", "binary.bin"], 1, "binary.bin: has a byte 00 at offset 4"),
        (["--corpus", "latin1.txt"], 1, "latin1.txt: byte e9 at offset 3 is not UTF-8"),
        (["--corpus", "three.txt"], 1, "the text has 5 characters in all, at least 1000 are needed"),
        (["--corpus", "."], 1, ".: is a folder"),
        (["--corpus"], 2, "--corpus: expected at least one argument"),
        (["--corpus", "text.txt", "--corpus", "missing.txt"], 1, "missing.txt: there is no such file"),
        (["--corpus", "pipe"], 1, "pipe: is a pipe or a device"),
        (["--config", "counts.toml"], 2, "batch · context = 41,943,040 is more than 22,369,621: choose a smaller batch"),
        (["--config", "numbers.toml"], 2, "parameters are more than 2,147,483,647: choose a smaller dim, hidden, vocab or layers"),
        (["--out", "text.txt/run"], 1, "text.txt/run: this folder cannot be made (Not a directory)"),
        (["--out", "text.txt"], 1, "text.txt: this folder cannot be made (File exists)"),
    ],
)
def test_bad_input(tmp_path, monkeypatch, arguments, status, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "text.txt", "Once upon a time there was a text.\n")
    write(tmp_path / "short.txt", synth.text(1, 2000))
    write(tmp_path / "tiny.toml", TINY_CONFIG)
    write(tmp_path / "unknown.toml", "[model]\nlayer = 3\n")
    write(tmp_path / "huge.toml", "[model]\ndim = 4096\nlayers = 7\nhidden = 16384\ncontext = 1048576\n[train]\nbatch = 21\n")
    write(tmp_path / "numbers.toml", "[model]\ndim = 4096\nlayers = 64\nhidden = 16384\n")
    write(tmp_path / "counts.toml", "[model]\ncontext = 1048576\n[train]\nbatch = 40\n")
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path / "vocabulary.toml", TINY_CONFIG.replace("300", "4000"))
    write(tmp_path / "context.toml", TINY_CONFIG.replace("32", "4096"))
    write(tmp_path / "empty.txt", b"")
    write(tmp_path / "binary.bin", b"\x7fELF\0\0\0\1" * 100)
    write(tmp_path / "latin1.txt", "café ".encode("latin-1") * 100)
    write(tmp_path / "three.txt", "a\nb\nc\n")
    line = one_line(lambda: train.main(arguments), status)
    assert message in line, line


def test_another_command_in_the_same_folder(inputs, tmp_path):
    folder = tmp_path / "run"
    train.main(command(inputs, folder, steps=2))
    before = contents(folder)
    other = write(tmp_path / "other.toml", TINY_CONFIG.replace("hidden = 24", "hidden = 25"))
    for arguments, difference in [
        (command(inputs, folder, steps=3), "tokens = 256, this command has 384"),
        (command(inputs, folder, "--minutes", "1"), "minutes = None, this command has 1.0"),
        (command(inputs, folder, "--seed", "7", steps=2), "seed = 1, this command has 7"),
        (command(inputs, folder, "--preset", "small", steps=2), "preset = micro, this command has small"),
        (command(inputs, folder, "--config", other, steps=2), "model.hidden = 24, this command has 25"),
    ]:
        line = one_line(lambda: train.main(arguments), 1)
        assert line.startswith(f"{folder} holds a run with {difference}: go on with the same command, or choose another folder"), line
        assert contents(folder) == before


def test_a_command_of_another_version_in_the_same_folder(inputs, tmp_path):
    """A key that a checkpoint does not have yet had its default; one that is gone since then is refused."""
    folder = tmp_path / "run"
    train.main(command(inputs, folder, steps=2))
    description, arrays = checkpoint.load(str(folder))
    recipe = description["command"]["train"]
    assert recipe["cooldown_power"] == Recipe().cooldown_power
    del recipe["cooldown_power"]
    checkpoint.save(str(folder), description, arrays)
    train.main(command(inputs, folder, steps=2))
    recipe["cooldown_power"], recipe["noise"] = 2.0, 0.1
    checkpoint.save(str(folder), description, arrays)
    assert "train.cooldown_power = 2.0, this command has 1.0" in one_line(lambda: train.main(command(inputs, folder, steps=2)), 1)
    recipe["cooldown_power"] = 1.0
    checkpoint.save(str(folder), description, arrays)
    assert "train.noise = 0.1, this command has None" in one_line(lambda: train.main(command(inputs, folder, steps=2)), 1)


def test_another_text_in_the_same_folder(inputs, tmp_path, monkeypatch, whole):
    folder = tmp_path / "run"
    interrupt_after(monkeypatch, 4, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit):
        train.main(command(inputs, folder))
    before = contents(folder)
    other = write(tmp_path / "other.txt", synth.text(4, 30_000))
    line = one_line(lambda: train.main(command(inputs, folder, "--corpus", other)), 1)
    assert "holds a run on another text (text.txt)" in line and contents(folder) == before
    same = write(tmp_path / "text.txt", (inputs / "text.txt").read_bytes())
    train.main(command(inputs, folder, "--corpus", same))
    assert bits(folder) == whole, "the same text in another place goes on"


def test_two_runs_in_one_folder(inputs, tmp_path, monkeypatch, whole):
    """Refused, while the first goes on."""
    lines = []

    def second():
        lines.append(one_line(lambda: train.main(command(inputs, tmp_path / "run")), 1))

    interrupt_after(monkeypatch, 3, second)
    train.main(command(inputs, tmp_path / "run"))
    assert lines == [f"{tmp_path / 'run'}: another training is running there; wait for it, stop it, or choose another folder with --out\n"]
    assert bits(tmp_path / "run") == whole


def test_a_tokenizer_that_is_not_the_checkpoints(inputs, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    train.main(command(inputs, folder, steps=2))
    load = checkpoint.load

    def other(path):
        description, arrays = load(path)
        return {**description, "tokenizer": "00"}, arrays

    monkeypatch.setattr(checkpoint, "load", other)
    assert "tokenizer in its data folder is not the one" in one_line(lambda: train.main(command(inputs, folder, steps=2)), 1)


def test_a_checkpoint_of_another_version(inputs, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    train.main(command(inputs, folder, steps=2))
    before = contents(folder)
    monkeypatch.setattr(checkpoint, "VERSION", 2)
    assert "has version 1, this build reads 2" in one_line(lambda: train.main(command(inputs, folder, steps=2)), 1)
    assert contents(folder) == before


def test_training_that_diverges(inputs, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    step = training_run.Optimizer.step

    def diverging(self, progress):
        if self.steps == 3:
            self.network.gradients[5] = np.nan
        return step(self, progress)

    monkeypatch.setattr(training_run.Optimizer, "step", diverging)
    line = one_line(lambda: train.main(command(inputs, folder, "--save-minutes", "1e-9")), 1)
    assert line.startswith("step 4: the gradient is not finite; lower the rates")
    description, arrays = checkpoint.load(str(folder))
    assert description["step"] == 3 and np.isfinite(arrays["parameters"]).all()


# ---- the picture


def entries(folder, *lines):
    (folder / "log.jsonl").write_text("".join(line + "\n" for line in lines))


def test_picture_of_a_run_without_checks(tmp_path):
    entries(tmp_path, '{"step": 1, "elapsed": 1.0, "loss": 5.0}')
    plot.draw_loss(str(tmp_path))
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG") and os.listdir(tmp_path).count("loss.png.tmp") == 0


def test_without_matplotlib_one_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    entries(tmp_path, '{"step": 1, "elapsed": 1.0, "loss": 5.0}')
    plot.say_once.cache_clear()
    for _ in range(3):
        plot.draw_loss(str(tmp_path))
    assert capsys.readouterr().err == "loss.png is not drawn: matplotlib is missing (pip install matplotlib)\n"
    assert os.listdir(tmp_path) == ["log.jsonl"]


def test_a_picture_that_cannot_be_written_does_not_end_the_run(tmp_path, monkeypatch, capsys):
    entries(tmp_path, '{"step": 1, "elapsed": 1.0, "loss": 5.0}')
    plot.say_once.cache_clear()
    monkeypatch.setattr(files.os, "fsync", no_space)
    plot.draw_loss(str(tmp_path))
    line = capsys.readouterr().err
    assert line.startswith("loss.png is not drawn: ") and "No space left on device" in line and line.count("\n") == 1
    assert os.listdir(tmp_path) == ["log.jsonl"]
