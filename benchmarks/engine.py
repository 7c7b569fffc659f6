"""The engine in every runtime that is here: loading, memory, tokens a second, each checked to tell the same story. METHOD.md explains."""

import base64
import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import Optional

import common
from common import ROOT, Failure, Record, ratio, spread, summary

STORY_PROMPT, STORY_TOKENS = "Once upon a time", 100
# What `fable6c --bench` reads eight times (asengine/assembly/wasi.ts), so that every host reads the same.
SAMPLE = 'Once upon a time, in 1984, a small fox found a red kite. "May I fly it?" he asked. They flew it all day, and nobody was sad.'
LIBRARY = os.path.join(ROOT, "asengine", "build", "fable6c.wasm")
COMMAND = os.path.join(ROOT, "asengine", "build", "fable6c-wasi.wasm")
PROGRAM = os.path.join(ROOT, "build", "fable6c")
LEGACY = os.path.join(ROOT, "build", "legacy", "fable6c")
AOT, LEGACY_AOT = PROGRAM + "-aot", LEGACY + "-aot"
PAGE = os.path.join(ROOT, "dist", "fable6.js")
PEERS = os.path.join(ROOT, os.pardir, "shared", "peers")
FIGURES = {"load": "load_ms", "prompt": "prompt", "story": "story", "linear memory": "memory_kib"}


class Runtime:
    """A way to run a model. `tell` and `bench` are the commands, without the model; the host's file is what has to be there."""

    def __init__(self, name: str, file: str, command: list[str], library: bool = False, needs: str = "", program: str = ""):
        self.name, self.file, self.command, self.library, self.needs = name, file, command, library, needs
        self.program = program or command[0]

    def missing(self) -> Optional[str]:
        """Why it cannot run here, or None."""
        if not os.path.exists(self.file):
            return f"{os.path.relpath(self.file, ROOT)} is not built"
        if not shutil.which(self.program):
            return f"{self.program} is not installed"
        if self.file == PAGE and base64.b64encode(read(LIBRARY)) not in read(PAGE):
            return "dist/fable6.js holds another engine than asengine/build; run `make page`"
        if self.file in (PROGRAM, LEGACY) and read(COMMAND) not in read(self.file):
            return f"{os.path.relpath(self.file, ROOT)} holds another engine than asengine/build; run `make native legacy`"
        if self.file in (AOT, LEGACY_AOT) and os.path.getmtime(self.file) < os.path.getmtime(COMMAND):
            return f"{os.path.relpath(self.file, ROOT)} is older than asengine/build; run `make aot`, `make legacy AOT=1`"
        if self.needs and subprocess.run([sys.executable, "-c", f"import {self.needs}"], capture_output=True).returncode:
            return f"the Python package {self.needs} is not installed"
        return None

    def story(self, model: str) -> bytes:
        if self.library:
            return run([*self.command, model, STORY_PROMPT, str(STORY_TOKENS), "story"])
        return run([*self.command, model, "-p", STORY_PROMPT, "-n", str(STORY_TOKENS)])

    def measure(self, model: str, tokens: int) -> dict[str, float]:
        if self.library:
            return parse(run([*self.command, model, SAMPLE * 8, str(tokens)]))
        return parse(run([*self.command, model, "--bench", "-n", str(tokens)]))


RUNTIMES = [
    Runtime("fable6c, the native program (wasm3)", PROGRAM, [PROGRAM]),
    Runtime("fable6c, static i586 (wasm3)", LEGACY, [LEGACY]),
    Runtime("fable6c, ahead of time", AOT, [AOT]),
    Runtime("fable6c, ahead of time, static i586", LEGACY_AOT, [LEGACY_AOT]),
    Runtime(
        "fable6c in Python (wasm3)", LIBRARY, [sys.executable, "benchmarks/engine_python.py"], library=True, needs="fable6c._lib_wasm3"
    ),
    Runtime("fable6c in node", LIBRARY, ["node", "benchmarks/engine_node.mjs", LIBRARY], library=True),
    Runtime("fable6c in wasmtime (WASI)", COMMAND, [sys.executable, "benchmarks/engine_wasmtime.py", COMMAND], needs="wasmtime"),
    *(
        Runtime(
            f"fable6c in Chromium, {kind}", PAGE, [sys.executable, "benchmarks/engine_browser.py", kind], True, "selenium", "chromedriver"
        )
        for kind in ("wasm", "javascript")
    ),
]


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def run(command: list[str]) -> bytes:
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)[:200]}: status {done.returncode}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return done.stdout


def parse(output: bytes) -> dict[str, float]:
    """The figures that `fable6c --bench` and our hosts print: `load 41.2 ms`, `story 320.5 tokens/s` …"""
    found = dict(re.findall(r"^(load|prompt|story|linear memory) +([0-9.]+)", output.decode(), re.MULTILINE))
    if set(found) != set(FIGURES):
        raise Failure(f"unexpected figures: {output.decode(errors='replace')[:200]}")
    return {FIGURES[name]: float(value) for name, value in found.items()}


def check_stories(runtimes: list[Runtime], model: str) -> str:
    """Every runtime tells the story of the NumPy reference, byte by byte, or there is nothing to measure. Returns the story."""
    wanted = run([sys.executable, "-m", "fable6c.generate", model, "-p", STORY_PROMPT, "-n", str(STORY_TOKENS), "--runtime", "reference"])
    for runtime in runtimes:
        told = runtime.story(model)
        if told != wanted:
            raise Failure(f"{runtime.name} tells another story than the reference: {told[:200]!r} instead of {wanted[:200]!r}")
    return wanted.decode(errors="replace")


# ---- the peer: llama2.c with stories260K in the same interpreter


def build_llama2c(module: str) -> str:
    """Compile our host around the peer's module with the same wasm3 and flags. Returns the program."""
    for name in ("stories260K.bin", "tok512.bin"):
        if not os.path.exists(os.path.join(PEERS, name)):
            raise Failure(f"{os.path.join(PEERS, name)} is missing (METHOD.md says where it is from)")
    folder = os.path.join(common.BUILD, "llama2c")
    os.makedirs(folder, exist_ok=True)
    with open(module, "rb") as file, open(os.path.join(folder, "module.inc"), "w", encoding="ascii") as include:
        include.write(",".join(map(str, file.read())))
    wasm3 = os.path.join(ROOT, "build", "wasm3")
    if not os.path.exists(os.path.join(wasm3, "wasm3.h")):
        raise Failure("build/wasm3 is missing: run `make native` first")
    sources = [os.path.join(wasm3, name) for name in sorted(os.listdir(wasm3)) if name.endswith(".c")]
    program = os.path.join(folder, "llama2c")
    flags = [*shlex.split(os.environ.get("CFLAGS", "-O3")), "-w", "-fwrapv", "-fno-strict-aliasing", "-s"]  # as in the Makefile
    run([os.environ.get("CC", "cc"), *flags, f"-I{folder}", "-isystem", wasm3, "-o", program, "benchmarks/llama2c_host.c", *sources, "-lm"])
    return program


def llama2c_command(program: str, tokens: int) -> list[str]:
    return [program, "stories260K.bin", "-z", "tok512.bin", "-n", str(tokens), "-s", "1"]


def measure_llama2c(program: str, tokens: int) -> float:
    """Tokens a second by its own clock; its story must be English, or the weights were not read."""
    # In the folder of the weights: wasi-libc of 2022 opens relative paths only.
    done = subprocess.run(llama2c_command(program, tokens), cwd=PEERS, capture_output=True, text=True)
    speed = re.search(r"achieved tok/s: ([0-9.]+)", done.stderr)
    if not speed or not re.search(r"\b(was|the|she|he)\b", done.stdout):
        raise Failure(f"llama2.c tells no story: {(done.stderr + done.stdout).strip()[-200:]}")
    return float(speed[1])


# ---- callgrind


def instructions(command: list[str], folder: str = ROOT) -> int:
    """Instructions that the whole process executes, by valgrind's callgrind."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command], cwd=folder, capture_output=True, text=True
    )
    found = re.search(r"refs:\s+([0-9,]+)", done.stderr)
    if done.returncode != 0 or not found:
        raise Failure(f"valgrind: {done.stderr.strip()[-200:]}")
    return int(found[1].replace(",", ""))


COUNT_TOKENS = """
import sys
from fable6c.model.file import read_model
from fable6c.tokenizer import Tokenizer
print(len(Tokenizer(read_model(sys.argv[1]).merges).encode(sys.argv[2])))
"""


def count_instructions(program: str, model: str) -> dict[str, float]:
    """Per token, by the difference of two lengths, so that loading and the checks cancel out."""
    bench = [instructions([program, model, "--bench", "-n", str(tokens)]) for tokens in (8, 40)]
    short, long = SAMPLE, SAMPLE + " " + SAMPLE
    read = [instructions([program, model, "-p", text, "-n", "1", "-t", "0"]) for text in (short, long)]
    added = int(run([sys.executable, "-c", COUNT_TOKENS, model, long])) - int(run([sys.executable, "-c", COUNT_TOKENS, model, short]))
    return {"story": (bench[1] - bench[0]) / 32, "prompt": (read[1] - read[0]) / added, "load_and_read": read[0]}


# ---- the benchmark


def main() -> None:
    parser = common.parser()
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--llama2c", default="")
    options = parser.parse_args()
    models = [os.path.abspath(path) for path in options.model] or [os.path.join(ROOT, "tests", "golden", "model.f6c")]
    for path in [*models, *([options.llama2c] if options.llama2c else [])]:
        if not os.path.exists(path):
            raise Failure(f"{path}: there is no such file")
    record = Record("engine", options.quick)
    runtimes = []
    for runtime in RUNTIMES:
        why = runtime.missing()
        if why:
            record.skip(f"{runtime.name}: {why}")
        else:
            runtimes.append(runtime)
    if not runtimes:
        raise Failure("the engine is not built: run `make native` first")
    peer = ""
    if options.llama2c:
        try:
            peer = build_llama2c(os.path.abspath(options.llama2c))
            measure_llama2c(peer, 20)
        except Failure as error:
            record.skip(f"the peer llama2.c: {error}")
            peer = ""
    else:
        record.skip("the peer llama2.c: --llama2c names no module (METHOD.md says how to build one)")

    repetitions, tokens = (1, 20) if options.quick else (7, 200)
    results = {model: {runtime.name: [] for runtime in runtimes} for model in models}
    record.figures["stories"] = {}
    for model in models:
        common.say(f"{os.path.basename(model)}: every runtime tells the reference's story")
        record.figures["stories"][os.path.basename(model)] = check_stories(runtimes, model)
    peer_speeds = []
    for repetition in range(repetitions):
        common.say(f"repetition {repetition + 1} of {repetitions}")
        for model in models:
            for runtime in runtimes:
                results[model][runtime.name].append(runtime.measure(model, tokens))
        if peer:
            peer_speeds.append(measure_llama2c(peer, tokens))

    bars, record.figures["models"] = {}, {}
    if peer:
        record.figures["llama2c_stories260K"] = summary(peer_speeds)
    for model in models:
        name = os.path.basename(model)
        table, bars[name] = [], {}
        stored = record.figures["models"][name] = {"bytes": os.path.getsize(model), "runtimes": {}}
        for runtime in runtimes:
            by_figure = {figure: [result[figure] for result in results[model][runtime.name]] for figure in FIGURES.values()}
            s = stored["runtimes"][runtime.name] = {figure: summary(values) for figure, values in by_figure.items()}
            s["prompt_over_story"] = ratio(by_figure["prompt"], by_figure["story"])
            bars[name][runtime.name] = s["story"]
            row = [runtime.name, spread(s["story"]), spread(s["prompt"]), f"{s['prompt_over_story']['median']:.2f}"]
            row += [spread(s["load_ms"]), f"{s['memory_kib']['max']:,.0f}"]
            if peer:
                s["story_over_llama2c"] = ratio(by_figure["story"], peer_speeds)
                row.append(spread(s["story_over_llama2c"], 2))
            table.append(row)
        if peer:
            bars[name]["llama2.c stories260K (wasm3)"] = record.figures["llama2c_stories260K"]
            table.append(["llama2.c, stories260K, same wasm3", spread(record.figures["llama2c_stories260K"]), "–", "–", "–", "–", "1"])
        columns = ["runtime", "story, tokens/s", "prompt, tokens/s", "prompt / story", "load, ms", "linear memory, KiB"] + [
            "story / llama2.c"
        ] * bool(peer)
        record.table(f"{name} ({os.path.getsize(model):,} bytes)", columns, table)

    sizes = {
        os.path.relpath(path, ROOT): os.path.getsize(path)
        for path in (LIBRARY, COMMAND, PROGRAM, LEGACY, AOT, LEGACY_AOT)
        if os.path.exists(path)
    }
    record.figures["bytes"] = sizes
    record.table("Sizes", ["file", "bytes"], [[name, f"{size:,}"] for name, size in sizes.items()])

    programs = [runtime for runtime in runtimes if runtime.file in (PROGRAM, LEGACY, AOT, LEGACY_AOT)]
    if options.quick:
        record.skip("instruction counts: a quick run")
    elif not shutil.which("valgrind"):
        record.skip("instruction counts: valgrind is not installed (apt install valgrind)")
    else:
        table, record.figures["instructions"] = [], {}
        for model in models:
            for runtime in programs:
                common.say(f"callgrind: {runtime.name}, {os.path.basename(model)}")
                try:
                    counts = count_instructions(runtime.file, model)
                except Failure as error:
                    record.skip(f"instruction counts of {runtime.name}: {error}")
                    continue
                record.figures["instructions"][f"{runtime.name}, {os.path.basename(model)}"] = counts
                table.append(
                    [runtime.name, os.path.basename(model), *(f"{counts[key]:,.0f}" for key in ("story", "prompt", "load_and_read"))]
                )
        if peer:
            counts = [instructions(llama2c_command(peer, count), PEERS) for count in (20, 60)]
            record.figures["instructions"]["llama2.c stories260K"] = {"story": (counts[1] - counts[0]) / 40}
            table.append(["llama2.c, same wasm3", "stories260K", f"{(counts[1] - counts[0]) / 40:,.0f}", "–", "–"])
        record.table(
            "Instructions executed (callgrind; the machine's noise does not touch them)",
            ["program", "model", "a token told", "a token read", "starting, loading and reading a short prompt"],
            table,
        )
    record.write(bars, "tokens/s, telling", options.json)


if __name__ == "__main__":
    common.start("engine", main)
