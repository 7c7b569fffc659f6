"""Train, score and run a scout, a predictor that counts and mixes.

python -m fable6c.scout train stories.txt -o stories.scout
python -m fable6c.scout evaluate stories.scout --text valid.txt
python -m fable6c.scout generate stories.scout -p "Once upon a time"
python -m fable6c.scout ask stories.scout "Who found the key?" --text stories.txt
"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.scout")  # as a file, its folder would hide modules of Python's own

import os

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads; see fable6c/evaluate.py

import argparse
import codecs
import json
import sys
import time
from collections.abc import Sequence
from typing import Optional

from fable6c.cli import ArgumentParser, add_texts, harmless, memory_size, real, run, whole
from fable6c.data.text import read_documents, read_pieces, window_bytes
from fable6c.errors import UsageError
from fable6c.files import existing_file
from fable6c.mixing.kinds import TIERS
from fable6c.mixing.reading import evaluate, generate, train
from fable6c.mixing.scout import Scout
from fable6c.model.tokenizer import END_OF_TEXT, Tokenizer


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.scout",
        "Learn text by counting and mixing, in one reading; score it on other text; let it write.",
        "python -m fable6c.scout train stories.txt -o stories.scout",
    )
    commands = parser.subcommands("train|evaluate|generate|ask")
    learn = commands.add_parser(
        "train",
        help="read text once and write a scout",
        purpose="Read text once and write what was learned.",
        example="python -m fable6c.scout train stories.txt more.txt.zst -o stories.scout --tier fast",
    )
    add_texts(learn)
    learn.add_argument("-o", "--output", required=True, metavar="FILE", help="where to write the scout, e.g. stories.scout")
    learn.add_argument("--tier", choices=list(TIERS), default="normal", help="how much to look at (default: normal)")
    learn.add_argument(
        "--memory", type=memory_size, default=1 << 30, metavar="SIZE", help="the most that the process may take (default: 1G)"
    )
    learn.add_argument(
        "--tokenizer", metavar="FILE", help="take the tokenizer of this .f6c or .f6t (default: learn one from the beginning)"
    )
    score = commands.add_parser(
        "evaluate",
        help="score a scout on a text",
        purpose=f"Score a scout on a text in bits per character. Runs of newlines, and end marks {END_OF_TEXT}, count as one newline.",
        example="python -m fable6c.scout evaluate stories.scout --text valid.txt",
    )
    score.add_argument("--text", required=True, metavar="FILE", help="UTF-8 text, or such a text packed as .zst")
    score.add_argument("--chars", type=int, metavar="N", help="divide by N characters (default: those of the text)")
    score.add_argument("--frozen", action="store_true", help="do not learn from the text while reading it")
    score.add_argument(
        "--prune", type=memory_size, metavar="SIZE", help="score what remains in SIZE, e.g. 4M: fewer counts, 8-bit weights, frozen"
    )
    score.add_argument("--json", action="store_true", help="print one JSON object")
    write = commands.add_parser(
        "generate",
        help="let a scout write",
        purpose="Let a scout continue a text.",
        example='python -m fable6c.scout generate stories.scout -p "Once upon a time" -n 200',
    )
    write.add_argument("-p", metavar="TEXT", default="", help="begin with TEXT (default: nothing)")
    write.add_argument("-n", metavar="N", type=whole(1, 1_000_000), default=200, help="tokens to make (default: 200)")
    write.add_argument(
        "-t",
        metavar="T",
        type=real(0.01, 100, or_zero=True),
        default=0.8,
        help="temperature; 0 always takes the likeliest (default: 0.8)",
    )
    write.add_argument("-s", metavar="SEED", type=whole(0, 2**32 - 1), default=1, help="the same seed tells the same story (default: 1)")
    question = commands.add_parser(
        "ask",
        help="ask a scout about a text",
        purpose="Ask who, what and where of a text that was read. The answer comes with its sentence and the place of it.",
        example='python -m fable6c.scout ask stories.scout "Who found the key?" --text stories.txt',
    )
    question.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="FILE",
        help="the text, may be given again (default: the end of what the scout read, 4 million tokens)",
    )
    question.add_argument("--json", action="store_true", help="print one JSON object for each question")
    for command in (score, write, question):
        command.add_argument("scout", metavar="SCOUT", help="a file made by train")
    question.add_argument("question", nargs="*", metavar="QUESTION", help="default: one in each line of standard input")
    for command in (learn, score, write, question):
        command.add_argument("--threads", type=whole(1, 64), default=2, metavar="N", help="threads; no bit depends on them (default: 2)")
    options = parser.parse_args(argv)
    {"train": _train, "evaluate": _evaluate, "generate": _generate, "ask": _ask}[options.command](options)


def _train(options: argparse.Namespace) -> None:
    existing_file(options.output, (*options.text, options.tokenizer))  # before hours of work
    started, cpu = time.monotonic(), time.process_time()
    tokenizer = None
    if options.tokenizer:
        from fable6c.model.file import read_model

        is_model = options.tokenizer.endswith(".f6c")
        tokenizer = Tokenizer(read_model(options.tokenizer).merges) if is_model else Tokenizer.load(options.tokenizer)
    memory = options.memory - window_bytes(options.text)
    scout, figures = train(read_pieces(options.text), options.tier, memory, options.threads, tokenizer)
    learned = time.process_time() - cpu
    scout.save(options.output)
    print(
        f"{options.output}: {os.path.getsize(options.output):,} bytes after one reading of {figures['characters']:,} characters "
        f"({figures['tokens']:,} tokens) at {figures['bits'] / figures['characters']:.4f} bits per character; "
        f"{learned:.1f} CPU seconds of learning, {time.monotonic() - started:.1f} s in all"
    )


def _evaluate(options: argparse.Namespace) -> None:
    if options.chars is not None and options.chars < 1:
        raise UsageError(f"--chars {options.chars}: give a number above 0")
    scout = Scout.load(options.scout, options.threads)
    size = {"pruned_bytes": scout.prune(options.prune)} if options.prune is not None else {}
    frozen = options.frozen or options.prune is not None
    result = {**evaluate(scout, read_documents([options.text]), options.chars, not frozen), **size}
    if options.json:
        print(json.dumps(result))
        return
    print(f"bits per character  {result['bits_per_char']:.4f}{' (frozen)' if frozen else ''}")
    print(f"characters          {result['chars']:,} (runs of newlines counted as one)")
    print(f"tokens              {result['tokens']:,}")
    print(f"CPU seconds         {result['cpu_seconds']}")
    if size:
        print(f"bytes after pruning {result['pruned_bytes']:,}")


def _generate(options: argparse.Namespace) -> None:
    from fable6c.model.sampling import Sampler

    scout = Scout.load(options.scout, options.threads)
    prompt = os.fsencode(options.p)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    to_terminal = sys.stdout.isatty()

    def show(text: bytes) -> None:
        sys.stdout.buffer.write(harmless(text.decode("utf-8", "replace")).encode("utf-8") if to_terminal else text)
        sys.stdout.buffer.flush()

    show(prompt)
    for token in generate(scout, scout.tokenizer.encode(prompt).tolist(), options.n, Sampler(options.t, seed=options.s)):
        show(decoder.decode(token).encode("utf-8"))
    show(decoder.decode(b"", final=True).encode("utf-8") + b"\n")


def _ask(options: argparse.Namespace) -> None:
    from fable6c.mixing.asking import answers

    questions = options.question or [line for line in map(str.strip, sys.stdin) if line]
    show = harmless if sys.stdout.isatty() else str
    for found in answers(Scout.load(options.scout, options.threads), questions, options.text):
        if options.json:
            print(json.dumps(found))
        elif not found["answer"]:
            print("No sentence of the text has a word of this question.")
        else:
            place = f"{found['file']}, document {found['document']}, line {found['line']}" if options.text else ""
            print(
                f"{show(found['answer'])}\n  {show(found['quote'])}\n  {place or 'token ' + str(found['line']) + ' of what the scout read'}"
            )


if __name__ == "__main__":
    run(main)
