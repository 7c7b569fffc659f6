"""What each part of the scout is worth: the program is built again without it, and reads the same text. METHOD.md explains."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import common
from common import Failure, Record

sys.path.insert(0, common.ROOT)  # the checkout's package, whatever is installed

from fable6c.data.text import normalize, read_documents

CHARACTERS = 2_000_000  # read
SCORED = 200_000  # characters of valid500
FLAGS = "-O3 -std=gnu11 -ffp-contract=off -fno-math-errno -fno-trapping-math -Wno-unknown-pragmas -w".split()
SETUP, CORE, AVX2 = "_scout_setup.c", "_scout.c", "_scout_avx2.c"  # the last one includes the second


def without(*kinds: str):
    """Leaves out the lines of KINDS that begin so."""

    def edit(text: str) -> str:
        lines = text.split("\n")
        kept = [line for line in lines if not any(line.strip().startswith(f'"{kind}') for kind in kinds)]
        if len(kept) == len(lines):
            raise Failure(f"no kind of context begins with {kinds}")
        return "\n".join(kept)

    return edit


def instead(old: str, new: str):
    def edit(text: str) -> str:
        if text.count(old) != 1:
            raise Failure(f"{old!r} does not stand in the source once")
        return text.replace(old, new)

    return edit


# part: (file, how its text is changed)
PARTS = {
    "the vectors and gates": [
        (CORE, instead("        float sum = limit(dot(w->vector_weights[g], w->features, F8), 11);", "        float sum = 0;"))
    ],
    "the gates": [(SETUP, instead("GATE_COUNTS[TIERS] = {0, 1, 4}", "GATE_COUNTS[TIERS] = {0, 0, 0}"))],
    "the last answer in lists": [(CORE, instead("(state + (d <= common ? PAIRS * (1u + answer(last, d)) : 0));", "state;"))],
    "the difference from 1/2": [
        (CORE, instead("w->inputs[K + 2 + k] = (float)((int32_t)p - 2048) * (1 / 1024.0f);", "w->inputs[K + 2 + k] = 0;"))
    ],
    "nine of the ten mixers": [
        (CORE, instead("total += w->final_weights[m] * w->sum[m];", "total += m == 0 ? w->sum[m] : 0;")),
    ],
    "the correction curve": [(CORE, instead("p = (w->mixed + corrected) * 0.5f;", "p = w->mixed + 0 * corrected;"))],
    "maps that learn what counts mean": [
        (CORE, instead("*w->map[k] = (uint32_t)p << 10 | (uint32_t)(asked + (asked < s->map_limit));", "")),
    ],
    "rates that fall": [(SETUP, instead("s->rate = 0.02f, s->rate_end = 0.001f", "s->rate = 0, s->rate_end = 0.001f"))],
    "a tree by likeness": [
        (
            SETUP,
            instead(
                "        project(key, group, n, vectors, weight, work, E);",
                "        for (size_t i = 0; i < n; i++) key[group[i]] = (double)(group[i] * 0x9E3779B1u) / 4294967296.0;",
            ),
        )
    ],
    "matches": [(SETUP, without("match"))],
    "windows": [(SETUP, without("window"))],
    "contexts of 5 and 6 tokens": [
        (SETUP, without("list 4 token.1 token.2 token.3 token.4 token.5\\n", "list 4 token.1 token.2 token.3 token.4 token.5 token.6\\n"))
    ],
    "contexts with a gap": [(SETUP, without("list 4 token.2 token.3\\n", "list 4 token.1 token.3\\n", "dense 3 token.2\\n"))],
    "contexts of classes": [(SETUP, without("dense 6 class6.1 class6.2 class6.3", "dense 3 class8.1 class6.2"))],
    "the last rare word": [(SETUP, without("dense 6 rare.1 token.1"))],
}


def main() -> None:
    options = common.corpus_parser().parse_args()
    work = os.path.join(common.BUILD, "scout-parts")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    record = Record("scout-parts", options.quick)
    train, valid = texts(os.path.abspath(options.corpus), work, options.quick)
    parts = dict(list(PARTS.items())[:2]) if options.quick else PARTS
    rows = {"everything": measured(work, "whole", [], train, valid)}
    for name, edits in parts.items():
        rows[name] = measured(work, name.replace("/", " of "), edits, train, valid)
    record.figures["rows"] = rows
    whole = rows["everything"]
    record.table(
        "Without one part of the scout",
        ["without", "bits per character", "more", "CPU seconds", "less", "file, MB", "less"],
        [
            [
                name,
                f"{row['bits']:.4f}",
                f"{100 * (row['bits'] / whole['bits'] - 1):+.2f} %",
                f"{row['cpu']:.1f}",
                f"{100 * (1 - row['cpu'] / whole['cpu']):.0f} %",
                f"{row['bytes'] / 1e6:.1f}",
                f"{100 * (1 - row['bytes'] / whole['bytes']):.0f} %",
            ]
            for name, row in rows.items()
        ],
        f"`normal`, 256 MB, one thread: {CHARACTERS:,} characters of TinyStories read once, then the first {SCORED:,} of valid500 while learning on. One run each: bits do not vary, seconds do.",
    )
    bars = {"more bits, %": {name: common.summary([100 * (row["bits"] / whole["bits"] - 1)]) for name, row in rows.items()}}
    record.write(bars, "%", options.json)


def texts(corpus: str, work: str, quick: bool) -> tuple:
    if quick:
        from fable6c.corpus.synth import documents as synthesise

        read, scored = "\n".join(synthesise(1, 600_000)), "\n".join(synthesise(2, 50_000))
    else:
        try:
            read = "\n".join(normalize(document) for document in read_documents([os.path.join(corpus, "train.txt.zst")]))[:CHARACTERS]
            scored = "\n".join(normalize(document) for document in read_documents([os.path.join(corpus, "valid500.txt")]))[:SCORED]
        except Exception as error:
            raise Failure(f"{error}; name the folder of train.txt.zst and valid500.txt with --corpus") from None
    paths = os.path.join(work, "train.txt"), os.path.join(work, "valid.txt")
    for path, text in zip(paths, (read, scored)):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    return paths


def measured(work: str, name: str, edits: list, train: str, valid: str) -> dict:
    """Builds a program out of the changed sources, lets it read and score."""
    folder, whole = os.path.join(work, name), os.path.join(work, "whole")
    os.makedirs(folder)
    changed = {which for which, _ in edits}
    for file in sorted(os.listdir(os.path.join(common.ROOT, "fable6c"))):
        if re.fullmatch(r"_scout\w*\.[ch]|_bpe\.[ch]", file):
            with open(os.path.join(common.ROOT, "fable6c", file), encoding="utf-8") as source:
                text = source.read()
            for which, edit in edits:
                text = edit(text) if which == file else text
            with open(os.path.join(folder, file), "w", encoding="utf-8") as out:
                out.write(text)
    objects = []
    for file in sorted(os.listdir(folder)):
        if file.endswith(".c"):
            new = not edits or file in changed or (file == AVX2 and CORE in changed)
            objects.append(os.path.join(folder if new else whole, file[:-1] + "o"))
            if new:
                run([os.environ.get("CC", "cc"), *FLAGS, "-c", os.path.join(folder, file), "-o", objects[-1]])
    program, scout = os.path.join(folder, "scout"), os.path.join(folder, "x.scout")
    run([os.environ.get("CC", "cc"), "-o", program, *objects, "-lm"])
    started = time.monotonic()
    process = subprocess.Popen(
        [program, "train", train, "-o", scout, "--tier", "normal", "--memory", "256M", "--threads", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        raise Failure(f"{name}: train: status {status}")
    found = json.loads(run([program, "evaluate", scout, "--text", valid, "--threads", "1", "--json"]))
    row = {
        "bits": found["bits_per_char"],
        "cpu": used.ru_utime + used.ru_stime,
        "seconds": time.monotonic() - started,
        "bytes": os.path.getsize(scout),
    }
    os.remove(scout)
    common.say(f"{name}: {row['bits']:.4f} bits per character, {row['cpu']:.1f} CPU seconds")
    return row


def run(command: list) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{command[0]}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return done.stdout


if __name__ == "__main__":
    common.start("scout-parts", main)
