"""The Z80's model beside Z80-uLM on that project's own two texts. METHOD.md explains; run.sh calls it."""

import gzip
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads; see fable6c/evaluate.py

import common
from common import Record

sys.path.insert(0, common.ROOT)
from fable6c.cli import ArgumentParser, run
from fable6c.errors import UserError
from fable6c.z80lib import build, machine, score
from fable6c.z80lib.model import Model
from fable6c.z80lib.text import Example
from fable6c.z80lib.training import Settings, Trainer, accuracy

TEXTS = os.path.join(common.ROOT, os.pardir, "shared", "peers", "z80ai")
# Z80-uLM at f5567b6, measured here: its trainer on its text, split by query (5 %, seed 1234); its programs under the emulator `z80`.
PEER = {
    "guess": [("Z80-uLM, 100 epochs", 0.737, 38_951, 39_600_000), ("Z80-uLM, 300 epochs", 0.839, 38_951, 39_600_000),
              ("Z80-uLM, 300 epochs, unrolled", 0.839, 43_520, 2_020_000)],
    "tinychat": [("Z80-uLM, 100 epochs", 0.157, None, None), ("Z80-uLM, 300 epochs", 0.121, None, None)],
}  # fmt: skip
SETTINGS = {
    "tinychat": [Settings(rows=rows, epochs=40, batch=64, forget=0.3) for rows in (1024, 2048)],
    "guess": [Settings(rows=rows, epochs=20) for rows in (3072, 2048, 1024)],
}


def read(folder: str, name: str) -> list[Example]:
    """The peer's lines as its trainer takes them: all questions in lower case, all answers in upper case."""
    path = os.path.join(folder, f"{name}.txt.gz")
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); name the folder of the peer's texts with --texts") from None
    pairs = [line.rpartition("|") for line in lines if line and not line.startswith("#")]
    return [Example(question.strip().lower(), answer.strip().upper()) for question, _, answer in pairs]


def on_the_machine(model: Model, lines: list[Example]) -> tuple[int, int, int, int]:
    """Bytes of the program, T-states a character and to the first at most, and how many replies are not Python's."""
    program = build.assemble([model])[0]
    computer = machine.CPM(program)
    computer.run()
    character, first, wrong = 0, 0, 0
    for line in lines:
        before = len(computer.shown)
        said = machine.reply_of(computer.type(line.line))
        times = [ticks for _, ticks in computer.shown[before + 1 : before + 4 + len(said)]]
        gaps = [after - start for start, after in zip(times, times[1:])]
        first, character = max(first, gaps[0]), max(character, *gaps[1:])
        wrong += said != model.reply(line.line)[0]
    return len(program), character, first, wrong


def measure(examples: list[Example], settings: Settings, by: str, seeds: int) -> dict:
    train, test = score.split(examples, by=by)
    scores, model = [], None
    for seed in range(1, seeds + 1):
        settings.seed = seed
        model = Trainer(train, settings).train(progress=False)
        scores.append(accuracy(model, test))
        common.say(f"seed {seed}: {scores[-1]:.1%}")
    assert model is not None
    size, character, first, wrong = on_the_machine(model, test[:200])
    return {
        "rows": settings.rows, "by": by, "held_out": len(test), "accuracy": common.summary(scores), "bytes": size,
        "t_states": character, "first": first, "different": wrong,
    }  # fmt: skip


def main(argv=None) -> None:
    parser = ArgumentParser(
        "benchmarks/run.sh z80", "Accuracy, size and T-states on Z80-uLM's own texts.", "benchmarks/run.sh z80 --texts ../peers/z80ai"
    )
    parser.add_argument("--texts", default=TEXTS, metavar="DIR", help="folder with guess.txt.gz and tinychat.txt.gz")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each setting (default 3)")
    parser.add_argument("--only", choices=list(SETTINGS), help="one of the texts; the record's name then ends in it")
    parser.add_argument("--json", default="", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--quick", action="store_true", help="see that everything works; the figures mean nothing")
    options = parser.parse_args(argv)
    texts = {name: read(options.texts, name) for name in SETTINGS if options.only in (None, name)}
    record = Record("z80" + (f"-{options.only}" if options.only else ""), options.quick)
    figures: dict[str, list[dict]] = {name: [] for name in texts}
    for name, examples in texts.items():
        runs = [(settings, "query") for settings in SETTINGS[name]]
        if name == "guess":
            runs.insert(1, (SETTINGS[name][0], "template"))
        if options.quick:
            runs, examples = runs[:1], examples[:2000]
        for settings, by in runs:
            if options.quick:
                settings.epochs = 1
            common.say(f"{name}: {settings.rows} rows, held out by {by}")
            figures[name].append(measure(examples, settings, by, 1 if options.quick else options.seeds))
        neighbours = {by: nearest(examples, by) for by in sorted({by for _, by in runs})}
        record.figures[name] = {"rows": figures[name], "nearest_neighbours": neighbours, "peer": PEER[name]}
        tabulate(record, name, figures[name], neighbours)
    record.write_with(lambda figure: draw(figure, figures, record), options.json)


def nearest(examples: list[Example], by: str) -> float:
    return score.nearest_neighbours(*score.split(examples, by=by))


def tabulate(record: Record, name: str, rows: list[dict], neighbours: dict[str, float]) -> None:
    table = [
        [
            f"fable6c, {row['rows']:,} rows", row["by"], f"{row['held_out']:,}", f"{row['accuracy']['median']:.1%}",
            f"{row['accuracy']['min']:.1%} to {row['accuracy']['max']:.1%}", f"{row['bytes']:,}", f"{row['t_states']:,}",
            f"{row['first'] / machine.HZ:.2f}", str(row["different"]),
        ]
        for row in rows
    ]  # fmt: skip
    table += [
        [f"five nearest neighbours (trigrams, Jaccard), by {by}", by, "", f"{share:.1%}", "", "", "", "", ""]
        for by, share in neighbours.items()
    ]
    for label, share, size, ticks in PEER[name]:
        table.append([label, "query", "", f"{share:.1%}", "", f"{size:,}" if size else "", f"{ticks:,}" if ticks else "", "", ""])
    record.table(
        name,
        ["", "held out by", "lines", "right", "of the seeds", "bytes", "T-states a character", "seconds to the first", "not Python's"],
        table,
        "Right: the share of held-out lines whose reply is right in every character; median. T-states and seconds (4 MHz): the most in 200 replies. "
        "Not Python's: replies of those 200 in which the emulated Z80 differs. Z80-uLM's own figures were measured before, on its own split.",
    )


def draw(figure, figures: dict[str, list[dict]], record: Record) -> None:
    panels = figure.subplots(1, 2)
    for panel, column, label in zip(panels, ("bytes", "t_states"), ("bytes of the program", "T-states a character")):
        for name, color in zip(figures, ("tab:green", "tab:blue")):
            rows = [row for row in figures[name] if row["by"] == "query"]
            panel.plot(
                [row[column] for row in rows], [row["accuracy"]["median"] for row in rows], "o-", color=color, label=f"fable6c, {name}"
            )
            panel.axhline(record.figures[name]["nearest_neighbours"]["query"], color=color, linestyle=":", linewidth=1,
                          label=f"nearest neighbours, {name}")  # fmt: skip
        for peer, share, size, ticks in PEER["guess"] if "guess" in figures else ():
            panel.plot([size if column == "bytes" else ticks], [share], "x", color="tab:gray")
            unrolled = "unrolled" in peer  # its point is close to another one
            panel.annotate(
                peer, (size if column == "bytes" else ticks, share), (-4, 6 if unrolled else -6), textcoords="offset points", fontsize=6,
                ha="right", va="bottom" if unrolled else "top",
            )  # fmt: skip
        panel.set_xlabel(label, fontsize=8)
        panel.set_ylabel("held-out lines right", fontsize=8)
        panel.tick_params(labelsize=7)
    panels[1].set_xscale("log")
    panels[0].legend(fontsize=6, loc="center left")


if __name__ == "__main__":
    run(main)
