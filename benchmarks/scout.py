"""The scout beside public compressors, and how it grows with the text that it reads. METHOD.md explains."""

import json
import math
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads, as in the scout's commands: its threads take memory

import common
from common import Failure, Record

sys.path.insert(0, common.ROOT)  # the checkout's package, whatever is installed

COMPRESSORS = {  # name: the program, and its command for a file FILE; the packed text goes to PACKED
    "xz -9e": ("xz", ["xz", "-9e", "-k", "-T1", "-c", "FILE"]),
    "7z PPMd, order 12, 1 GB": ("7z", ["7z", "a", "-bd", "-m0=PPMd:o=12:mem=1g", "PACKED", "FILE"]),
    "zpaq -m58": ("zpaq", ["zpaq", "a", "PACKED", "FILE", "-m58", "-t1"]),
}
# The strongest of the kind read some kilobytes a second and are asked about a short text only.
STRONGEST = {
    "paq8px -9": ("paq8px", ["paq8px", "-9", "FILE", "PACKED"]),
    "cmix": ("cmix", ["cmix", "-c", "FILE", "PACKED"]),
}
SHORT = 2_000_000  # bytes of it
GROWTH = {  # text: its place beside the folder of TinyStories
    "TinyStories": "train.txt.zst",
    "children's books": "../children/train.txt.zst",
    "classics": "../classics/classics.txt.zst",
}
MEMORIES = {"fast": [256 << 20, 1 << 30, 4 << 30, 16 << 30], "deep": [4 << 30]}  # of each tier: as far as the machine has it
DEEP_LIMIT = 100_000_000  # bytes of text that `deep` reads: an hour is enough
RENTED = 512 << 30  # bytes of memory of a large rented machine


def main() -> None:
    options = common.corpus_parser().parse_args()
    work = os.path.join(common.BUILD, "scout")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    corpus = os.path.abspath(options.corpus)
    if not options.quick and not os.path.exists(os.path.join(corpus, "train.txt.zst")):
        raise Failure(f"{corpus} has no train.txt.zst; name the folder with --corpus")
    record = Record("scout", options.quick)
    train, valid, characters = plain_texts(work, corpus, options.quick)

    from fable6c.mixing.kinds import TIERS

    tiers = ["normal"] if options.quick else list(TIERS)
    record.figures["rows"] = compare(COMPRESSORS, tiers, train, valid, characters, work, record)
    if not options.quick:
        short = os.path.join(work, "short.txt")
        with open(train, "rb") as file, open(short, "wb") as out:
            text = file.read(SHORT)
            out.write(text[: text.rindex(b"\n") + 1])
        record.figures["short"] = compare({**COMPRESSORS, **STRONGEST}, tiers, short, valid, characters, work, record)
        record.figures["crossing"] = crossing(record.figures["rows"], record)
        record.figures["growth"] = growth(corpus, work, record)
        draw_growth(os.path.join(record.folder(), "scout-growth.png"), record.figures["growth"])
    bars = {"bits per character": {row["name"]: common.summary([row["bits"]]) for row in record.figures["rows"]}}
    record.write(bars, "bits per character", options.json)


def compare(compressors: dict, tiers: list, train: str, valid: str, characters: int, work: str, record: Record) -> list:
    """A table of all who read `train` and are then asked about `valid`; returns its rows."""
    rows = [compressor(name, *compressors[name], train, valid, characters, work, record) for name in compressors]
    rows = [row for row in rows if row] + [scout(tier, train, valid, characters, work) for tier in tiers]
    record.table(
        f"After one reading of {os.path.getsize(train):,} bytes",
        ["", "bits per character", "frozen", "CPU seconds of learning", "seconds", "peak MiB"],
        [
            [
                row["name"],
                f"{row['bits']:.4f}",
                f"{row['frozen']:.4f}" if "frozen" in row else "",
                f"{row['cpu']:.1f}",
                f"{row['wall']:.1f}",
                f"{row['peak_mib']:.0f}",
            ]
            for row in rows
        ],
        f"{characters:,} characters of other text. Compressors: (size(train + valid) - size(train)) * 8 / characters. One run each.",
    )
    return rows


def crossing(rows: list, record: Record) -> list:
    """[{tier, bits, cpu, small_cpu}]: after how many CPU seconds `small` has the bits of each tier, by the newest curve of its training."""
    newest = max(pathlib.Path(common.ROOT).glob("benchmarks/record/*/curve.json"))
    points = json.loads(newest.read_text(encoding="utf-8"))["points"]
    small = sorted((120 * point["minutes"], point["bits_per_char"]) for point in points if point["series"] == "fable6c small")
    crossings = []
    for row in rows:
        if "frozen" not in row:
            continue
        reached = None
        for (cpu, bits), (later, fewer) in zip(small, small[1:]):
            if fewer <= row["bits"] <= bits:
                reached = cpu * (later / cpu) ** ((bits - row["bits"]) / (bits - fewer))
        crossings.append({"tier": row["name"], "bits": row["bits"], "cpu": row["cpu"], "small_cpu": reached})
    record.table(
        "Where the network overtakes the scout: TinyStories, valid500",
        ["", "bits per character", "CPU seconds", "CPU seconds of `small` to the same bits"],
        [
            [
                c["tier"],
                f"{c['bits']:.4f}",
                f"{c['cpu']:.0f}",
                f"{c['small_cpu']:.0f}" if c["small_cpu"] else "fewer than any point of the curve",
            ]
            for c in crossings
        ],
        f"`small`: two threads, points of {newest.parent.name}, a straight line between them over the logarithm of time.",
    )
    return crossings


def plain_texts(work: str, corpus: str, quick: bool) -> tuple:
    """Two plain files as all competitors read them: one stream, single newlines. Returns their paths and what to divide by."""
    if quick:
        from fable6c.corpus.synth import documents as synthesise

        documents, held_out, characters = list(synthesise(1, 600_000)), "\n".join(synthesise(2, 50_000)), None
    else:
        from fable6c.data.text import read_documents

        documents = read_documents([os.path.join(corpus, "train.txt.zst")])
        held_out, characters = "\n".join(read_documents([os.path.join(corpus, "valid500.txt")])), common.CHARACTERS
    from fable6c.data.text import normalize

    train, valid = os.path.join(work, "train.txt"), os.path.join(work, "valid.txt")
    other = (normalize(held_out) + "\n").encode("utf-8")
    text = "".join(normalize(document) + "\n" for document in documents).encode("utf-8")
    margin = 1 << 16
    power = 1 << (len(text) + len(other) + margin).bit_length() - 1
    if len(text) < power:
        # Both sizes must lie between the same powers of two, and not close to one: zpaq doubles its tables 4 KB below, and the
        # difference would measure that (0.79 instead of 1.12). So the end of train is left out, up to the end of a line.
        text = text[: text.rindex(b"\n", 0, power - len(other) - margin) + 1]
    for path, content in ((train, text), (valid, other)):
        with open(path, "wb") as file:
            file.write(content)
    return train, valid, characters or len(normalize(held_out))


def measured(command: list, stdout=subprocess.DEVNULL) -> tuple:
    """Runs a command to its end: (CPU seconds, seconds, peak MiB)."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, cwd=common.ROOT)
    errors = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        raise Failure(f"{' '.join(command[:4])}: {(errors.decode('utf-8', 'replace').strip().splitlines() or ['no message'])[-1]}")
    return used.ru_utime + used.ru_stime, time.monotonic() - started, used.ru_maxrss / 1024


def compressor(name: str, program: str, command: list, train: str, valid: str, characters: int, work: str, record: Record) -> dict:
    if shutil.which(program) is None:
        how = "built from its sources" if name in STRONGEST else "Debian: apt install xz-utils p7zip-full zpaq"
        record.skip(f"{name}: {program} is not installed ({how})")
        return {}
    common.say(name)
    both = os.path.join(work, "both.txt")
    with open(both, "wb") as out:
        for path in (train, valid):
            with open(path, "rb") as file:
                shutil.copyfileobj(file, out)
    sizes, used = [], []
    for path in (train, both):
        packed = os.path.join(work, "packed." + program)
        if os.path.exists(packed):
            os.remove(packed)
        filled = [packed if word == "PACKED" else path if word == "FILE" else word for word in command]
        with open(packed if "PACKED" not in command else os.devnull, "wb") as out:
            used.append(measured(filled, out))
        sizes.append(os.path.getsize(packed))
    cpu, wall, peak = used[0]
    return {"name": name, "bits": (sizes[1] - sizes[0]) * 8 / characters, "cpu": cpu, "wall": wall, "peak_mib": peak}


def scout(tier: str, train: str, valid: str, characters: int, work: str) -> dict:
    common.say(f"scout, {tier}")
    path = os.path.join(work, f"{tier}.scout")
    memory = "4G" if tier == "deep" else "1G"
    cpu, wall, peak = measured([sys.executable, "-m", "fable6c.scout", "train", train, "-o", path, "--tier", tier, "--memory", memory])
    row = {"name": f"fable6c scout, {tier}, {memory}", "cpu": cpu, "wall": wall, "peak_mib": peak, "file_bytes": os.path.getsize(path)}
    for key, frozen in (("bits", []), ("frozen", ["--frozen"])):
        command = [
            sys.executable,
            "-m",
            "fable6c.scout",
            "evaluate",
            path,
            "--text",
            valid,
            "--chars",
            str(characters),
            "--json",
            *frozen,
        ]
        done = subprocess.run(command, cwd=common.ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failure(f"fable6c.scout evaluate: status {done.returncode}")
        row[key] = json.loads(done.stdout)["bits_per_char"]
    os.remove(path)
    return row


# ---- growth


def growth(corpus: str, work: str, record: Record) -> list:
    """[{text, tier, memory, curve: [{characters, bits, cpu_seconds, peak_mib}, …]}]: totals up to each point."""
    from fable6c.data.text import read_pieces

    runs = []
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name, place in GROWTH.items():
        path = os.path.normpath(os.path.join(corpus, place))
        if not os.path.exists(path):
            record.skip(f"growth on {name}: {place} is not there")
            continue
        plain, out = os.path.join(work, "growth.txt"), os.path.join(work, "growth.json")
        with open(plain, "w", encoding="utf-8", newline="\n") as file:  # unpacking would take its window out of the memory
            file.writelines(read_pieces([path]))
        for tier, memories in MEMORIES.items():
            for memory in memories:
                if memory > 0.8 * machine or (tier == "deep" and os.path.getsize(plain) > DEEP_LIMIT):
                    record.skip(f"growth on {name}, {tier} with {size_name(memory)}: more than this machine's memory or an hour")
                    continue
                common.say(f"growth on {name}, {tier} with {size_name(memory)}")
                measured([sys.executable, os.path.join(common.ROOT, "benchmarks", "scout.py"), "--grow", plain, out, tier, str(memory)])
                with open(out, encoding="ascii") as file:
                    runs.append({"text": name, "tier": tier, "memory": memory, "curve": json.load(file)})
        os.remove(plain)
    record.table(
        "Growth: each text read once",
        [
            "text",
            "characters",
            "tier",
            "memory",
            "bits per character of the last tenth",
            "exponent, 95 %",
            "CPU seconds",
            "seconds",
            "peak MiB",
        ],
        [
            [
                run["text"],
                f"{run['curve'][-1]['characters']:,}",
                run["tier"],
                size_name(run["memory"]),
                f"{last_tenth(run['curve']):.4f}",
                "{:.4f} ({:.4f} to {:.4f})".format(*exponent(run["curve"])),
                f"{run['curve'][-1]['cpu_seconds']:.0f}",
                f"{run['curve'][-1]['seconds']:.0f}",
                f"{run['curve'][-1]['peak_mib']:.0f}",
            ]
            for run in runs
        ],
        "Exponent: of the power of the characters read by which the bits of what is new fall, a straight line through their logarithms from 4 million characters on.",
    )
    extrapolate(runs, record)
    return runs


def extrapolate(runs: list, record: Record) -> None:
    """What a machine with RENTED bytes would reach: the largest run of each tier and text, with as much more text as there is more memory."""
    rows = []
    for text, tier in dict.fromkeys((run["text"], run["tier"]) for run in runs):
        run = max((run for run in runs if (run["text"], run["tier"]) == (text, tier)), key=lambda run: run["memory"])
        times, end, bits = RENTED / run["memory"], run["curve"][-1], last_tenth(run["curve"])
        slope, low, high = exponent(run["curve"])
        rows.append([
            text, tier, f"{times * end['characters'] / 1e9:.1f}",
            f"{bits * times**slope:.3f} ({bits * times**low:.3f} to {bits * times**high:.3f})", f"{times * end['cpu_seconds'] / 3600:.1f}",
        ])  # fmt: skip
    record.table(
        f"Extrapolated to {size_name(RENTED)} of memory",
        ["text", "tier", "billion characters", "bits per character of what is new, 95 %", "CPU hours"],
        rows,
        "The exponent of the run with the most memory goes on over as many times the text as there is more memory. No such text and machine were tried.",
    )


def size_name(size: int) -> str:
    return f"{size >> 30} GB" if size >= 1 << 30 else f"{size >> 20} MB"


def last_tenth(curve: list) -> float:
    """Bits per character from the last point that is not within the last tenth (or from the beginning) to the end."""
    end = curve[-1]
    before = [point for point in curve if point["characters"] <= 0.9 * end["characters"]]
    start = before[-1] if before else {"characters": 0, "bits": 0}
    return (end["bits"] - start["bits"]) / (end["characters"] - start["characters"])


def exponent(curve: list) -> tuple:
    """(slope, low, high): the line through the logarithms of (characters read, bits of what is new) and its slope's interval of 95 %.

    The interval takes neighbouring points for independent, which texts in order are not: it is too narrow rather than too wide.
    """
    points = [
        (math.log((a["characters"] + b["characters"]) / 2), math.log((b["bits"] - a["bits"]) / (b["characters"] - a["characters"])))
        for a, b in zip(curve, curve[1:])
        if a["characters"] >= 4_000_000
    ]
    if len(points) < 3:
        return math.nan, math.nan, math.nan
    mean = [sum(point[i] for point in points) / len(points) for i in (0, 1)]
    spread = sum((x - mean[0]) ** 2 for x, _ in points)
    slope = sum((x - mean[0]) * (y - mean[1]) for x, y in points) / spread
    rest = sum((y - mean[1] - slope * (x - mean[0])) ** 2 for x, y in points)
    half = 1.96 * math.sqrt(rest / (len(points) - 2) / spread)
    return slope, slope - half, slope + half


def grow(path: str, out: str, tier: str, memory: str) -> None:
    """One text in a process of its own, whose memory is measured."""
    from fable6c.data.text import read_pieces
    from fable6c.mixing.reading import train

    curve, started = [], time.monotonic()

    def note(figures: dict) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu, seconds = used.ru_utime + used.ru_stime, time.monotonic() - started
        curve.append({**figures, "cpu_seconds": cpu, "seconds": seconds, "peak_mib": common.peak_memory_mib()})

    train(read_pieces([path]), tier, int(memory), len(os.sched_getaffinity(0)), progress=False, note=note)
    with open(out, "w", encoding="ascii") as file:
        json.dump(curve, file)


def draw_growth(path: str, runs: list) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        common.say("skipped: the growth chart, because matplotlib is missing (pip install matplotlib)")
        return
    figure = Figure(figsize=(9, 7), layout="tight")
    panels = figure.subplots(2, 1, sharex=True)
    for text, colour in zip(GROWTH, ("tab:blue", "tab:orange", "tab:green")):
        for run in (run for run in runs if run["text"] == text):
            curve, width = run["curve"], 0.7 + 0.4 * math.log2(run["memory"] / (256 << 20)) / 2
            style = {"color": colour, "linewidth": width, "linestyle": "--" if run["tier"] == "deep" else "-"}
            # One value for each fifth more of text: single books would hide the trend.
            ends = [{"characters": 0, "bits": 0}]
            for point in curve:
                if point["characters"] >= 1.2 * ends[-1]["characters"]:
                    ends.append(point)
            x = [point["characters"] / 1e6 for point in curve]
            bits = [(b["bits"] - a["bits"]) / (b["characters"] - a["characters"]) for a, b in zip(ends, ends[1:])]
            panels[0].plot(
                [point["characters"] / 1e6 for point in ends[1:]], bits, label=f"{text}, {run['tier']}, {size_name(run['memory'])}", **style
            )
            panels[1].plot(x, [point["cpu_seconds"] for point in curve], **style)
    for panel, label in zip(panels, ("bits per character of what is new", "CPU seconds")):
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
    panels[0].set_xscale("log")
    panels[1].set_yscale("log")
    panels[1].set_xlabel("million characters read")
    panels[0].legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--grow"]:
        grow(*sys.argv[2:])
    else:
        common.start("scout", main)
