"""Experiments side by side: each is a file in benchmarks/ablations, laid over a preset. METHOD.md explains; run.sh calls it."""

import json
import os
import statistics
import sys
from collections.abc import Sequence
from typing import Optional

import common

sys.path.insert(0, common.ROOT)
from fable6c import train
from fable6c.cli import ArgumentParser, run
from fable6c.errors import UsageError
from fable6c.model.architecture import parameter_count
from fable6c.training.config import load_config, presets

FOLDER = os.path.join(common.ROOT, "benchmarks", "ablations")
QUICK_TOKENS = 20_000


def experiments() -> list[str]:
    """The names of the experiments that are here."""
    return sorted(name[:-5] for name in os.listdir(FOLDER) if name.endswith(".toml"))


def config_of(name: str) -> str:
    return os.path.join(FOLDER, name + ".toml")


def question(name: str) -> str:
    """What an experiment tests: the comment in the first line of its file."""
    with open(config_of(name), encoding="utf-8") as file:
        return file.readline().lstrip("# ").rstrip()


def learn(folder: str, name: str, seed: int, options, budget: list[str]) -> dict:
    """Train one experiment with one seed in its folder, unless that is done. Its last line of log.jsonl, and the parameters."""
    model = load_config(options.preset, config_of(name)).model
    data, own = f"data-{model.vocab}", os.path.join(folder, f"{name}-seed{seed}")
    # The text is tokenized once for a vocabulary, not once for a run.
    os.makedirs(os.path.join(folder, data), exist_ok=True)
    os.makedirs(own, exist_ok=True)
    link = os.path.join(own, "data")
    if not os.path.lexists(link):
        os.symlink(os.path.join(os.pardir, data), link)
    common.say(f"{name}, seed {seed}: {question(name)}")
    named = ["--preset", options.preset, "--config", config_of(name), "--seed", str(seed), "--out", own]
    train.main([*named, "--corpus", *options.corpus, *budget])
    with open(os.path.join(own, "log.jsonl"), encoding="ascii") as file:
        last = [json.loads(line) for line in file][-1]
    return {**{key: last[key] for key in ("step", "tokens", "elapsed", "bits_per_char")}, "parameters": parameter_count(model)}


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "benchmarks/run.sh ablate",
        "Train experiments one after the other with equal tokens or equal time and compare their held-out bits per character. "
        f"What is finished is not trained again.\nThe experiments: {', '.join(experiments())}.",
        "benchmarks/run.sh ablate baseline taps-8 --preset micro --tokens 5000000 --seeds 1 2",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="experiments; the others are compared with the first")
    parser.add_argument("--preset", default="micro", help=f"what they are laid over: {', '.join(presets())} (default micro)")
    parser.add_argument("--tokens", type=int, help="tokens of each run (default: the preset's minutes)")
    parser.add_argument("--minutes", type=float, help="minutes of each run, instead of --tokens")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], metavar="S", help="seeds, each experiment with each (default 1)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default 2); with --minutes they change the result")
    parser.add_argument(
        "--corpus",
        nargs="+",
        default=[os.path.join(common.CORPUS, "train.txt.zst")],
        metavar="PATH",
        help="text as for fable6c.train (default ../shared/corpus/tinystories/train.txt.zst)",
    )
    parser.add_argument(
        "--out", default=os.path.join("runs", "ablations"), metavar="DIR", help="folder for the runs (default runs/ablations)"
    )
    parser.add_argument("--json", default="", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--quick", action="store_true", help="see in seconds that everything works; the figures mean nothing")
    options = parser.parse_args(argv)
    for name in options.names:
        if name not in experiments():
            raise UsageError(f"{name}: there is no such experiment; benchmarks/ablations has {', '.join(experiments())}")
        if load_config(options.preset, config_of(name)).model.context != load_config(options.preset).model.context:
            raise UsageError(
                f"{name}: it changes `context`, by whose windows the held-out text is scored, so its figure could not be compared"
            )
    if len(set(options.names)) < len(options.names) or len(set(options.seeds)) < len(options.seeds):
        raise UsageError("an experiment or a seed is named twice")
    if options.quick:
        options.tokens, options.minutes, options.corpus = QUICK_TOKENS, None, [common.made_up_text("quick.txt", 1)]
    if options.tokens is None and options.minutes is None:
        options.minutes = load_config(options.preset).train.minutes
    # fable6c.train refuses what is wrong with these, both of them given among it.
    given = [name for name in ("tokens", "minutes", "threads") if getattr(options, name) is not None]
    budget = [word for name in given for word in (f"--{name}", str(getattr(options, name)))]
    title = f"{options.preset}-" + (f"{options.minutes:g}-minutes" if options.tokens is None else f"{options.tokens}-tokens")
    folder = os.path.join(options.out, title)
    runs: dict[str, list[dict]] = {name: [] for name in options.names}
    for seed in options.seeds:  # all of one seed first: a table of one seed is there as early as can be
        for name in options.names:
            runs[name].append({"seed": seed, **learn(folder, name, seed, options, budget)})
    tabulate(common.Record(f"ablate-{title}", options.quick), runs, options)


def tabulate(record: common.Record, runs: dict[str, list[dict]], options) -> None:
    """The table and the chart of {experiment: its runs, one for each seed}."""
    base = options.names[0]
    bits = {name: [one["bits_per_char"] for one in of_seed] for name, of_seed in runs.items()}
    changes = {name: common.summary([100 * (value / by - 1) for value, by in zip(values, bits[base])]) for name, values in bits.items()}
    lines = []
    for name, of_seed in runs.items():
        mean = {key: statistics.mean(one[key] for one in of_seed) for key in ("tokens", "elapsed", "bits_per_char")}
        change = f"{statistics.mean(100 * (value / by - 1) for value, by in zip(bits[name], bits[base])):+.2f} %"
        if len(of_seed) > 1:
            change += f" ({changes[name]['min']:+.2f} to {changes[name]['max']:+.2f})"
        lines.append([
            name, question(name), f"{of_seed[0]['parameters']:,}", f"{mean['tokens']:,.0f}", f"{mean['elapsed'] / 60:.1f}",
            f"{mean['bits_per_char']:.4f}", "–" if name == base else change,
        ])  # fmt: skip
    record.figures.update(preset=options.preset, budget={"tokens": options.tokens, "minutes": options.minutes}, runs=runs)
    record.table(
        f"The preset {options.preset}, held-out bits per character",
        ["experiment", "tests", "parameters", "tokens", "minutes", "bits per character", f"against {base}"],
        lines,
        f"Means over the seeds {', '.join(map(str, options.seeds))}; changes are taken within a seed. Below 1 %, one seed is a hint.",
    )
    shown = {name: change for name, change in changes.items() if name != base} or changes
    record.write({f"{options.preset}, change of the held-out bits per character against {base} (less is better)": shown}, "%", options.json)


if __name__ == "__main__":
    run(main)
