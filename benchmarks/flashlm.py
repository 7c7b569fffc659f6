"""What FlashLM v4's recipe learns here in some minutes: the peer of our training runs. METHOD.md explains; run.sh calls it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Optional

import numpy as np

import common

sys.path.insert(0, common.ROOT)
from fable6c.cli import ArgumentParser, run
from fable6c.data.prepare import prepare
from fable6c.data.text import (
    describe_files,
    normalize,
    read_documents,
)
from fable6c.errors import UsageError, UserError

VOCAB, QUICK_VOCAB = 10_000, 1024  # the published table has 10,000 rows; a quick run's text is too short for them
QUICK_MINUTES = 0.05
MIN_TOKENS = 8 * 257  # one step
PYTHON = os.path.join(common.ROOT, "build", "peers", "torch", "bin", "python")  # run.sh makes this environment


def train(task: dict) -> dict:
    """Run flashlm_torch.py on its task. Its first line's figures, the log and the bits of all documents."""
    command = [PYTHON, os.path.join(common.ROOT, "benchmarks", "flashlm_torch.py"), json.dumps(task)]
    result: dict = {"log": []}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            entry = json.loads(line)
            if "loss" in entry:
                result["log"].append(entry)
                common.say(f"{entry['elapsed'] / 60:.1f} minutes  {entry['tokens']:,} tokens  loss {entry['loss']:.3f}")
            else:
                result.update(entry)
    if "bits" not in result:
        raise UserError(f"the PyTorch trainer ended with status {process.returncode}")
    return result


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "benchmarks/run.sh flashlm",
        "Train FlashLM v4's model by its recipe in PyTorch and score it on valid500.",
        "benchmarks/run.sh flashlm --minutes 20",
    )
    parser.add_argument("--minutes", type=float, default=20.0, help="minutes of training (default 20)")
    parser.add_argument(
        "--corpus",
        default=common.CORPUS,
        metavar="DIR",
        help="folder with train.txt.zst and valid500.txt (default ../shared/corpus/tinystories)",
    )
    parser.add_argument("--json", default="", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--quick", action="store_true", help="see in seconds that everything works; the figures mean nothing")
    options = parser.parse_args(argv)
    if not 0 < options.minutes <= 1e6:
        raise UsageError(f"--minutes {options.minutes}: expected a number above 0")
    if not os.path.exists(PYTHON):
        raise UserError("PyTorch is not in build/peers/torch; `benchmarks/run.sh flashlm` without --quick installs it")
    folder = os.path.join(common.BUILD, "flashlm", "quick" if options.quick else "data")
    if options.quick:
        minutes, vocab = QUICK_MINUTES, QUICK_VOCAB
        text, scored_text = common.made_up_text("quick.txt", 1), common.made_up_text("quick-scored.txt", 2)
    else:
        minutes, vocab = options.minutes, VOCAB
        text, scored_text = (os.path.join(options.corpus, name) for name in ("train.txt.zst", "valid500.txt"))
    scored = [normalize(document) for document in read_documents([scored_text])]
    chars = sum(map(len, scored)) if options.quick else common.CHARACTERS
    dataset = prepare(lambda: read_documents([text]), folder, vocab, describe_files([text]))
    if len(dataset.train) < MIN_TOKENS:
        raise UserError(f"{text}: {len(dataset.train)} tokens to train on, at least {MIN_TOKENS} are needed; give more text")
    record = common.Record(f"flashlm-{minutes:g}-minutes", options.quick)
    tokens = dataset.tokenizer.encode_documents(scored)
    valid = os.path.join(folder, "scored.bin")
    np.concatenate(tokens).astype("<u2").tofile(valid)
    task = {
        "train": os.path.join(folder, "train.bin"), "valid": valid, "documents": [len(document) for document in tokens],
        "end_mark": dataset.tokenizer.end_of_text, "minutes": minutes,
    }  # fmt: skip
    result = train(task)
    last = result["log"][-1]
    record.figures.update(result, minutes=last["elapsed"] / 60, tokens=last["tokens"], vocabulary=dataset.tokenizer.vocab_size, chars=chars)
    record.figures["tokens_per_second"] = last["tokens"] / last["elapsed"]
    record.figures["bits_per_char"] = bits = result["bits"] / chars
    record.table(
        f"FlashLM v4's recipe in PyTorch {result['torch']}, {result['threads']} thread{'s' if result['threads'] > 1 else ''}",
        ["minutes", "tokens", "times the text", "tokens/s", "last loss, nats/token", "bits per character"],
        [[f"{last['elapsed'] / 60:.1f}", f"{last['tokens']:,}", f"{last['tokens'] / len(dataset.train):.2f}",
          f"{last['tokens'] / last['elapsed']:,.0f}", f"{last['loss']:.3f}", f"{bits:.4f}"]],
        f"{result['parameters']:,} parameters, {'made-up stories' if options.quick else 'trained on TinyStories, scored on valid500'}.",
    )  # fmt: skip

    def draw(figure) -> None:
        panel = figure.subplots()
        panel.plot([entry["elapsed"] / 60 for entry in result["log"]], [entry["loss"] for entry in result["log"]], linewidth=1)
        panel.set_xlabel("minutes of training")
        panel.set_ylabel("training loss, nats per token")
        panel.grid(alpha=0.3)

    record.write_with(draw, options.json)


if __name__ == "__main__":
    run(main)
