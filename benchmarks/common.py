"""What the benchmarks share: measuring programs in turn, describing the machine, and writing a record.

Only the standard library is imported at the top: the PyTorch peer runs this file in an environment that has nothing of ours.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Callable

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "benchmarks")
CORPUS = os.path.join(ROOT, os.pardir, "shared", "corpus", "tinystories")  # train.txt.zst and valid500.txt, if nobody names another folder
CHARACTERS = 405_081  # of valid500.txt: what its bits are divided by, as in the published figures
ISAS = ["baseline", "avx2", "avxvnni", "avx512", "avx512bf16", "amx"]  # what FABLE6C_ISA takes, worst first


def parser() -> argparse.ArgumentParser:
    """The options of every benchmark that writes a record."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", default="")
    return parser


def corpus_parser() -> argparse.ArgumentParser:
    """The same, of those that read the folder of train.txt.zst and valid500.txt."""
    asked = parser()
    asked.add_argument("--corpus", default=CORPUS)
    return asked


class Failure(Exception):
    """A benchmark that cannot go on: one line for the person."""


def start(name: str, main: Callable[[], None]) -> None:
    """Run a benchmark as the process: a Failure is one line."""
    try:
        main()
    except Failure as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


# ---- a program under measurement: it prepares once, then measures whenever it is told to


class Worker:
    """A process that speaks JSON: one line when it is ready, then one line of figures for each number of seconds that it is sent.

    All workers of a benchmark live at the same time and are asked in turn, so that a slow minute of the machine hits all of
    them. One that waits sleeps in read() and takes no CPU time.
    """

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str]):
        self.name, self.results = name, []
        self.errors = tempfile.TemporaryFile("w+")  # a pipe would fill up
        environment = {**os.environ, **environment}
        self.process = subprocess.Popen(
            command, env=environment, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors
        )
        self.ready = self._answer()

    def measure(self, seconds: float) -> None:
        try:
            print(seconds, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # it died: its answer says why
        self.results.append(self._answer())

    def close(self) -> None:
        self.process.communicate()
        self.errors.close()

    def values(self, key: str) -> list[float]:
        return [result[key] for result in self.results]

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.process.wait()
        self.errors.seek(0)
        last = (self.errors.read().strip().splitlines() or ["no message"])[-1]
        raise Failure(f"{self.name}: ended with status {self.process.returncode}: {last}")


def serve(ready: dict, repetition: Callable[[float], dict]) -> None:
    """A worker's side of the conversation: say that it is ready, then answer until the other end closes."""
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        print(json.dumps(repetition(float(line))), flush=True)


def peak_memory_mib() -> float:
    """The most memory that this process ever had resident. Not getrusage: its figure includes the parent's before exec."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024


def in_turn(workers: Sequence[Worker], repetitions: int, seconds: float) -> None:
    """A B C … A B C …: every repetition asks each worker once."""
    for repetition in range(repetitions):
        say(f"repetition {repetition + 1} of {repetitions}")
        for worker in workers:
            worker.measure(seconds)


def say(line: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {line}", file=sys.stderr, flush=True)


def available_isas() -> list[str]:
    """The instruction sets that this CPU has, by the word of our own kernels. Failure if they do not load at all."""
    found = []
    for isa in ISAS:
        command = [sys.executable, "-c", "from fable6c import kernels; kernels.ISA"]
        done = subprocess.run(command, env={**os.environ, "FABLE6C_ISA": isa}, cwd=ROOT, capture_output=True, text=True)
        if done.returncode == 0:
            found.append(isa)
        elif isa == "baseline":
            raise Failure(f"our trainer does not load: {done.stderr.strip().splitlines()[-1]}")
    return found


def made_up_text(name: str, seed: int) -> str:
    """The path of a file with 300,000 characters of made-up stories, for quick runs."""
    from fable6c.corpus import synth

    os.makedirs(BUILD, exist_ok=True)
    path = os.path.join(BUILD, name)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(synth.documents(seed, 300_000))
    return path


# ---- figures


def summary(values: Sequence[float]) -> dict:
    """Median first; the range is the noise."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "repetitions": len(values)}


def ratio(values: Sequence[float], base: Sequence[float]) -> dict:
    """The ratio of two rows, taken within each repetition: what slows the machine for a minute slows both."""
    return summary([a / b for a, b in zip(values, base)])


def spread(s: dict, digits: int = 0) -> str:
    """4,321 (4,200–4,400)"""
    return f"{s['median']:,.{digits}f} ({s['min']:,.{digits}f}–{s['max']:,.{digits}f})"


# ---- the machine


def machine() -> dict:
    """What a reader needs to judge the figures."""
    info = _cpuinfo()
    return {
        "date": datetime.datetime.now().isoformat(timespec="seconds"),
        "cpu": info.get("model name", platform.processor() or platform.machine()),
        "cpu_family_model_stepping": " ".join(info.get(key, "?") for key in ("cpu family", "model", "stepping")),
        "cores": len(os.sched_getaffinity(0)),
        "flags": info.get("flags", ""),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_average_at_start": os.getloadavg()[0],
        "kernel": platform.release(),
        "compiler": _first_line(["cc", "--version"]),
        "python": platform.python_version(),
        "packages": _packages(),
        "node": _first_line(["node", "--version"]),
        "commit": _first_line(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"]),
        "command": os.environ.get("FABLE6C_BENCHMARK", " ".join(sys.argv)),
    }


def _packages() -> dict[str, str]:
    """The versions of what is measured or measured with, as far as it is installed."""
    found = {}
    for name in ("fable6c", "numpy", "cffi", "wasmtime", "matplotlib"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def _cpuinfo() -> dict[str, str]:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _first_line(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return "not found"


# ---- the record


def without_folders(text: str) -> str:
    """The text with the name alone of each file that it gives by an absolute path: a record is for others, who do not have that folder."""
    return re.sub(r"(?<![\w.:/-])/(?:[^\s/\"'`|]+/)+(?=[^\s/])", "", text)


class Record:
    """The figures of one benchmark, printed as they come and written as NAME.json, NAME.md and NAME.png.

    A quick run proves that everything works; its figures mean nothing, so it is kept out of benchmarks/record.
    """

    def __init__(self, name: str, quick: bool):
        self.name, self.quick = name, quick
        self.figures: dict = {"machine": machine(), "quick": quick}
        self.skipped: list[str] = []
        m = self.figures["machine"]
        packages = ", ".join(f"{name} {version}" for name, version in m["packages"].items())
        self.text = [
            f"# {name}: {m['cpu']}, {m['cores']} cores, {m['date'][:10]}\n",
            f"CPU family, model and stepping {m['cpu_family_model_stepping']}; commit {m['commit']}; {m['compiler']}; Python {m['python']}; {packages}; Linux {m['kernel']}.",
            f"Load average at the start {m['load_average_at_start']:.2f} (above 0.5, others were at work).\n",
            f"`{m['command']}`; how: [METHOD.md](../../METHOD.md).\n",
        ]
        if quick:
            self.text.append("**A quick run: it shows that everything works, its figures mean nothing.**\n")

    def skip(self, line: str) -> None:
        """Say in one line what was left out and why."""
        say("skipped: " + line)
        self.skipped.append(line)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
        lines = [f"## {title}\n"] + ([note + "\n"] if note else [])
        lines += ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        self.text.append("\n".join(lines) + "\n")
        print("\n" + self.text[-1], flush=True)

    def folder(self) -> str:
        """Where the files go; it is made here."""
        m = self.figures["machine"]
        base = os.path.join(BUILD, "quick") if self.quick else os.path.join(ROOT, "benchmarks", "record")
        cpu = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)|cpu|processor|@.*", "", m["cpu"].lower())).strip("-")
        folder = os.path.join(base, f"{m['date'][:10]}-{cpu}")
        os.makedirs(folder, exist_ok=True)
        return folder

    def write(self, bars: dict[str, dict[str, dict]], unit: str, extra: str) -> None:
        """Write the files; `bars` are {group: {row: summary}} for the chart; `extra` a path for a copy of the JSON, or ""."""
        self.write_with(lambda figure: _bars(figure, bars, unit), extra)

    def write_with(self, draw: Callable, extra: str) -> None:
        """Write the files; `draw` fills the chart, a matplotlib Figure that has its title."""
        self.figures["skipped"] = self.skipped
        if self.skipped:
            self.text.append("Skipped:\n" + "\n".join("- " + line for line in self.skipped) + "\n")
        m, folder = self.figures["machine"], self.folder()
        for path in [os.path.join(folder, self.name + ".json")] + ([extra] if extra else []):
            with open(path, "w", encoding="utf-8") as file:
                file.write(without_folders(json.dumps(self.figures, indent=1)) + "\n")
        with open(os.path.join(folder, self.name + ".md"), "w", encoding="utf-8") as file:
            file.write(without_folders("\n".join(self.text)))
        _draw(os.path.join(folder, self.name + ".png"), f"{self.name}: {m['cpu']}, {m['date'][:10]}", draw)
        print(f"\nwritten: {os.path.relpath(folder)}/{self.name}.json, .md, .png")


def _draw(path: str, title: str, draw: Callable) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        say("skipped: the chart, because matplotlib is missing (pip install matplotlib)")
        return
    figure = Figure(figsize=(9, 5), layout="tight")
    figure.suptitle(title.replace("$", r"\$"), fontsize=10)
    draw(figure)
    figure.savefig(path, dpi=110)


def _bars(figure, bars: dict[str, dict[str, dict]], unit: str) -> None:
    """Horizontal bars of medians with the range as a thin line, one panel for each group."""
    sizes = [len(rows) + 1.5 for rows in bars.values()]
    figure.set_size_inches(9, 0.32 * sum(sizes) + 0.8)
    panels = figure.subplots(len(bars), 1, squeeze=False, gridspec_kw={"height_ratios": sizes})[:, 0]
    for panel, (group, rows) in zip(panels, bars.items()):
        medians = [s["median"] for s in rows.values()]
        noise = [[s["median"] - s["min"] for s in rows.values()], [s["max"] - s["median"] for s in rows.values()]]
        ours = ["tab:blue" if name.startswith("fable6c") else "tab:gray" for name in rows]
        panel.barh(list(rows), medians, xerr=noise, color=ours, ecolor="black", error_kw={"linewidth": 0.8}, height=0.7)
        for place, median in enumerate(medians):
            panel.text(median, place, f" {median:,.0f}" if median >= 100 else f" {median:.3g}", va="bottom", fontsize=7)
        panel.invert_yaxis()
        panel.set_title(group, fontsize=9, loc="left")
        panel.set_xlabel(unit, fontsize=8)
        panel.tick_params(labelsize=8)
        panel.margins(x=0.12)
