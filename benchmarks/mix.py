"""What micromodels gain together: averages, ensembles, distillation, channels lined up, bagging. METHOD.md explains; run.sh calls it.

Half of the held-out documents choose (which networks, which weights), the other half are scored. What is finished is not trained again.
"""

import itertools
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

import numpy as np

import common

sys.path.insert(0, common.ROOT)
from fable6c import merge, train
from fable6c.cli import ArgumentParser, run
from fable6c.data.text import normalize, read_documents
from fable6c.errors import UserError
from fable6c.evaluation import paired, statistics
from fable6c.evaluation.predictors import open_predictor
from fable6c.export import export
from fable6c.training import merging
from fable6c.training.start import Start, read_start

SIZE = "[model]\ndim = 64\nlayers = 2\nhidden = 136\nvocab = 1024\n"
RECIPES = {
    "plain": SIZE,
    "flat": SIZE + "[train]\ncooldown = 0\n",
    # Twice the rates of a repair, falling from the first step on.
    "branch": SIZE + "[train]\nmatrix_rate = 0.004\ntable_rate = 0.002\nvector_rate = 0.002\ncooldown = 1\n",
    "gentle": SIZE + "[train]\n" + "".join(f"{key} = {value}\n" for key, value in merge.REPAIR.items()),
    "bag": SIZE + "[train]\nresample = true\n",
    "taught 0.5": SIZE + "[train]\ntaught = 0.5\n",
    "taught 0.8": SIZE + "[train]\ntaught = 0.8\n",
    "taught 0.8, late decay": SIZE + "[train]\ntaught = 0.8\ncooldown = 0.25\n",
}
STUDENTS = {"half": "taught 0.5", "most": "taught 0.8", "late": "taught 0.8, late decay"}
TOKENS, BRANCH_TOKENS, SMALL_TOKENS, REPAIR_TOKENS = 4_000_000, 500_000, 1_000_000, 250_000
SMALL_CHARACTERS = 1_500_000
QUICK = 100  # times fewer tokens


class Runs:
    """Trains by name, in one folder; each text is tokenized once."""

    def __init__(self, options, corpus: str, small: str):
        self.folder, self.threads, self.quick = options.out, options.threads, options.quick
        self.corpora = {"data-1024": corpus, "data-given": corpus, "data-small": small, "data-small-given": small}
        os.makedirs(self.folder, exist_ok=True)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def learn(self, name: str, recipe: str, tokens: int, seed: int, *more: str, small: bool = False) -> str:
        """The folder of a finished run."""
        own, config = self.path(name), self.path(recipe + ".toml")
        data = ("data-small" if small else "data-1024") if not more else "data-small-given" if small else "data-given"
        Path(config).write_text(RECIPES[recipe])
        os.makedirs(own, exist_ok=True)
        os.makedirs(self.path(data), exist_ok=True)
        if not os.path.lexists(os.path.join(own, "data")):
            os.symlink(os.path.join(os.pardir, data), os.path.join(own, "data"))
        common.say(name)
        command = ["--preset", "micro", "--config", config, "--corpus", self.corpora[data], "--seed", str(seed), "--out", own, *more]
        train.main([*command, "--tokens", str(tokens // QUICK if self.quick else tokens), "--threads", str(self.threads)])
        return own

    def model(self, folder: str) -> str:
        """The model file of a run."""
        export(folder, folder + ".f6c")
        return folder + ".f6c"


def held_out(text: str, starts: str) -> list[str]:
    """What a paired test reads of the documents of a text, divided by end marks or at the character offsets that a file lists."""
    if not starts:
        return paired.held_out(text)
    whole = Path(text).read_text(encoding="utf-8")
    places = [int(word) for word in re.findall(r"\d+", Path(starts).read_text())]
    return [normalize(whole[begin:end])[: paired.FIRST] for begin, end in zip(places, [*places[1:], len(whole)])]


def percent(found: dict) -> str:
    """+1.2 (0.9 to 1.5)"""
    return "{:+.2f} ({:+.2f} to {:+.2f})".format(*(100 * found[key] for key in ("value", "low", "high")))


class Judge:
    """Scores parameters and models on the half of the documents that decides."""

    def __init__(self, documents: Sequence[str]):
        self.documents = documents
        self.characters = sum(map(len, documents[1::2]))
        self.tokens: dict[bytes, list[np.ndarray]] = {}

    def texts(self, start: Start, half: int) -> list[np.ndarray]:
        key = start.tokenizer.to_bytes()
        if key not in self.tokens:
            self.tokens[key] = start.tokenizer.encode_documents(list(self.documents))
        return self.tokens[key][half::2]

    def score(self, start: Start, parameters: Optional[np.ndarray] = None) -> np.ndarray:
        """Bits of each document that decides."""
        return merge.costs(start, start.parameters if parameters is None else parameters, self.texts(start, 1))


def soup(runs: Runs, judge: Judge, group: int) -> Iterator[dict]:
    """Four branches of one network, whose rates fall only in them, merged in each way, beside the best of them; soup and best branch then
    trained on for as long."""
    ancestor_folder = runs.learn(f"flat{group}", "flat", TOKENS, group)
    folders = [
        runs.learn(f"branch{group}-{place}", "branch", BRANCH_TOKENS, 10 * group - 10 + place, "--from", ancestor_folder)
        for place in range(1, 5)
    ]
    starts, ancestor = [read_start(folder) for folder in folders], read_start(ancestor_folder)
    choosing = judge.texts(starts[0], 0)
    best = starts[int(np.argmin([merge.costs(start, start.parameters, choosing).sum() for start in starts]))]
    base = judge.score(best)
    yield row("the ancestor", judge, judge.score(ancestor), base)
    for start in starts:
        yield row(f"branch {start.path[-1]}", judge, judge.score(start), base)
    for how in ("uniform", "greedy", "task", "ties"):
        try:
            used, _, parameters = merge.merge(how, starts, ancestor if how in ("task", "ties") else None, choosing)
        except UserError as error:
            yield {"what": f"{how}: {error}"}
            continue
        yield row(f"{how}, {len(used)} of 4", judge, judge.score(best, parameters), base)
        if how == "greedy":
            folder = runs.path(f"soup{group}")
            shutil.rmtree(folder, ignore_errors=True)
            merging.write_run(folder, used, parameters, how)
            for name, begin in (("greedy, repaired", folder), ("best branch, as much longer", best.path)):
                own = runs.path(f"repaired-{os.path.basename(begin)}")
                shutil.rmtree(own, ignore_errors=True)
                repaired = runs.learn(os.path.basename(own), "gentle", REPAIR_TOKENS, 1, "--from", begin)
                yield row(name, judge, judge.score(read_start(repaired)), base)


def seeds_of(runs: Runs, group: int) -> list[str]:
    """The folders of four networks: seeds 1 to 4, 5 to 8, …"""
    return [runs.learn(f"seed{seed}", "plain", TOKENS, seed) for seed in range(4 * group - 3, 4 * group + 1)]


def ensemble(runs: Runs, judge: Judge, group: int) -> Iterator[dict]:
    """Four networks of different seeds and of all data, their predictions mixed."""
    folders = seeds_of(runs, group)
    found = paired.mixture([open_predictor(runs.model(folder)) for folder in folders], judge.documents)
    for folder, weight, bits in zip(folders, found["weights"], found["alone"]):
        yield {"what": f"{os.path.basename(folder)}, weight {weight:.3f}", "bits": bits}
    yield {"what": "ensemble of 4", "bits": found["ensemble"], "gain": found["gain"]}


def aligned(runs: Runs, judge: Judge, group: int) -> Iterator[dict]:
    """Two networks of different seeds averaged: as they are, lined up, and lined up and repaired."""
    first, second = (read_start(runs.learn(f"seed{seed}", "plain", TOKENS, seed)) for seed in ((1, 2) if group == 1 else (3, 4)))
    base = judge.score(first)
    yield row("one of the two", judge, base, base)
    yield row("the other", judge, judge.score(second), base)
    lined = merging.align(first.dimensions, second.parameters, first.parameters)
    yield row("the other, lined up", judge, judge.score(second, lined), base)
    for name, other in (("average", second.parameters), ("average, lined up", lined)):
        parameters = merging.average([first.parameters, other])
        yield row(name, judge, judge.score(first, parameters), base)
        folder = runs.path("averaged")
        shutil.rmtree(folder, ignore_errors=True)
        merging.write_run(folder, [first, second], parameters, "align")
        shutil.rmtree(runs.path("repaired-averaged"), ignore_errors=True)
        repaired = runs.learn("repaired-averaged", "gentle", REPAIR_TOKENS, 1, "--from", folder)
        yield row(name + ", repaired", judge, judge.score(read_start(repaired)), base)


def small_seeds(runs: Runs, group: int, name: str = "small", recipe: str = "plain") -> list[str]:
    """The folders of four networks of the small text."""
    return [runs.learn(f"{name}{seed}", recipe, SMALL_TOKENS, seed, small=True) for seed in range(4 * group - 3, 4 * group + 1)]


def bags(runs: Runs, judge: Judge, group: int) -> Iterator[dict]:
    """Four networks of a small text: each on a bootstrap sample, or each on all of it with a seed of its own; alone and as an ensemble."""
    found = {}
    for name, recipe in (("small", "plain"), ("bag", "bag")):
        folders = small_seeds(runs, group, name, recipe)
        predictors = [open_predictor(runs.model(folder)) for folder in folders]
        found[name] = paired.mixture(predictors, judge.documents)
        rows = [paired.costs(predictor, judge.documents[1::2]) for predictor in predictors]
        title = {"small": "seeds, all data", "bag": "bootstrap samples"}[name]
        yield {"what": f"{title}: the mean of 4", "bits": float(np.mean(rows, axis=0).sum() / judge.characters)}
        yield {"what": f"{title}: their ensemble, over the best of them", "bits": found[name]["ensemble"], "gain": found[name]["gain"]}


def distil(runs: Runs, judge: Judge, group: int) -> Iterator[dict]:
    """One network taught by the four seeds of `bags`, with as many tokens as each of them."""
    folders = small_seeds(runs, group)
    models = [runs.model(folder) for folder in folders]
    found = paired.mixture([open_predictor(path) for path in models], judge.documents)
    base = judge.score(read_start(folders[found["best"]]))
    yield row("best of 4", judge, base, base)
    yield {"what": "ensemble of 4", "bits": found["ensemble"], "gain": found["gain"]}
    for name, recipe in STUDENTS.items():
        student = runs.learn(f"{name}{group}", recipe, SMALL_TOKENS, 20 + group, "--teachers", *models, small=True)
        taught = row(recipe, judge, judge.score(read_start(student)), base)
        yield taught
        yield {"what": f"of the ensemble's gain it keeps {taught['gain']['value'] / found['gain']['value']:.0%}"}


def row(what: str, judge: Judge, bits: np.ndarray, base: np.ndarray) -> dict:
    return {"what": what, "bits": float(bits.sum() / judge.characters), "gain": statistics.gain(bits.tolist(), base.tolist())}


EXPERIMENTS = {"soup": soup, "ensemble": ensemble, "align": aligned, "bags": bags, "distil": distil}


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "benchmarks/run.sh mix",
        f"Train small networks and merge, mix and distil them: {', '.join(EXPERIMENTS)}. What is finished is not trained again.",
        "benchmarks/run.sh mix soup ensemble --text valid500.txt --starts valid500.starts.txt",
    )
    parser.add_argument("names", nargs="+", choices=list(EXPERIMENTS), metavar="NAME", help="experiments")
    parser.add_argument("--corpus", default=os.path.join(common.CORPUS, "train.txt.zst"), metavar="PATH", help="text to train on")
    parser.add_argument("--text", default=os.path.join(common.CORPUS, "valid500.txt"), metavar="FILE", help="held-out text")
    parser.add_argument("--starts", default="", metavar="FILE", help="offsets at which its documents begin, where no end marks divide them")
    parser.add_argument("--groups", type=int, nargs="+", default=[1, 2], metavar="G", help="groups of seeds (default 1 2)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default 2)")
    parser.add_argument("--out", default=os.path.join("runs", "mix"), metavar="DIR", help="folder for the runs (default runs/mix)")
    parser.add_argument("--json", default="", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--quick", action="store_true", help="see in seconds that everything works; the figures mean nothing")
    options = parser.parse_args(argv)
    if options.quick:
        options.corpus, options.text, options.starts = common.made_up_text("quick.txt", 1), common.made_up_text("quick-valid.txt", 2), ""
    small = os.path.join(options.out, "small.txt")
    os.makedirs(options.out, exist_ok=True)
    if not os.path.exists(small):
        lengths = itertools.accumulate(len(document) for document in read_documents([options.corpus]))
        count = next((number for number, length in enumerate(lengths, 1) if length >= SMALL_CHARACTERS), None)
        documents = itertools.islice(read_documents([options.corpus]), count)
        Path(small).write_text("".join(f"{document}\n<|endoftext|>\n" for document in documents), encoding="utf-8")
    runs, judge = Runs(options, options.corpus, small), Judge(held_out(options.text, options.starts))
    record = common.Record("mix", options.quick)
    for name in options.names:
        for group in options.groups:
            rows = list(EXPERIMENTS[name](runs, judge, group))
            record.figures.setdefault(name, {})[group] = rows
            lines = [[r["what"], f"{r['bits']:.4f}" if "bits" in r else "", percent(r["gain"]) if "gain" in r else ""] for r in rows]
            record.table(f"{name}, group {group}", ["what", "bits per character", "% fewer bits than the best one"], lines)
    # The gains of the groups, where a row is in all of them.
    bars = {
        name: {
            what: common.summary(
                [100 * row["gain"]["value"] for rows in groups.values() for row in rows if row["what"] == what and "gain" in row]
            )
            for what in dict.fromkeys(row["what"] for rows in groups.values() for row in rows if "gain" in row)
        }
        for name, groups in record.figures.items()
        if name in options.names
    }
    record.write(bars, "% fewer bits than the best one", options.json)


if __name__ == "__main__":
    run(main)
