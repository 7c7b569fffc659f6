"""What the tests of the programs share: the golden model and its stories, mistakes and their messages, and what old processors cannot run."""

import json
import pathlib
import re
import subprocess

import make_golden
from fable6c.model.file import write_model
from story_models import endless_model

MODEL = str(make_golden.MODEL)
EXPECTED = json.loads(make_golden.EXPECTED.read_text(encoding="utf-8"))
ATTACKS = sorted((pathlib.Path(__file__).parent / "attacks").glob("*.f6c"))

USAGE = [
    ([], "name a model file"),
    (["-p", "x"], "name a model file"),
    ([MODEL, "-n"], "-n needs a value"),
    ([MODEL, "-p"], "-p needs a value"),
    ([MODEL, "-n", "0"], "-n 0: give a whole number from 1 to 1000000"),
    ([MODEL, "-n", "1000001"], "-n 1000001: give a whole number from 1 to 1000000"),
    ([MODEL, "-n", "-5"], "-n -5: give a whole number"),
    ([MODEL, "-n", "1.5"], "-n 1.5: give a whole number"),
    ([MODEL, "-n", ""], "-n : give a whole number"),
    ([MODEL, "-k", "65537"], "-k 65537: give a whole number from 0 to 65536"),
    ([MODEL, "-s", "4294967296"], "-s 4294967296: give a whole number from 0 to 4294967295"),
    ([MODEL, "-s", "18446744073709551617"], "-s 18446744073709551617: give"),
    ([MODEL, "-t", "warm"], "-t warm: give a number such as 0.8"),
    ([MODEL, "-t", "."], "-t .: give a number"),
    ([MODEL, "-t", "0..8"], "-t 0..8: give a number"),
    ([MODEL, "-t", "0.12345678"], "at most 7 digits"),
    ([MODEL, "-t", "0." + 45 * "0" + "1"], "give a number such as 0.8"),
    ([MODEL, "-t", "101"], "-t 101: the temperature (0, or 0.01 to 100) is out of range"),
    ([MODEL, "-t", "0.009"], "-t 0.009: the temperature"),
    ([MODEL, "--top-p", "0"], "--top-p 0: top-p (above 0, at most 1)"),
    ([MODEL, "--top-p", "1.01"], "--top-p 1.01: top-p"),
    ([MODEL, "--penalty", "10.5"], "--penalty 10.5: the repetition penalty (0 to 10)"),
    ([MODEL, "--temp", "1"], "unknown option --temp; the options are -p -n -t"),
    ([MODEL, "-p", "Once", "upon"], "two models"),
    (["--selftest", MODEL, "-p", "x" * 4096], "the text of a selftest can have 4095 bytes"),
]

# Instructions that a Pentium does not have: conditional moves (Pentium Pro), MMX, SSE, and control-flow marks.
YOUNGER = re.compile(r"\t(?:[fp]?cmov\w+|f?comip?|fucomip?|endbr32|sysenter|[lms]fence|prefetch\w+|emms)\b|%[xyz]?mm\d")


def rejected(done, status):
    """The one line of a mistake, without the program's name."""
    assert done.returncode == status
    line = done.stderr.decode("ascii")
    assert line.startswith("fable6c: ") and line.endswith("\n") and line.count("\n") == 1
    return line[len("fable6c: ") : -1]


def flags(sampling):
    names = {"temperature": "-t", "top_k": "-k", "top_p": "--top-p", "penalty": "--penalty", "seed": "-s"}
    return [text for key, value in {"top_k": 0, "seed": 1, **sampling}.items() for text in (names[key], str(value))]


def younger_instructions(program):
    listing = subprocess.run(["objdump", "-d", str(program)], stdout=subprocess.PIPE, check=True).stdout.decode()
    assert len(listing.splitlines()) > 1000
    return [line.strip() for line in listing.splitlines() if YOUNGER.search(line)]


def endless_file(folder):
    """The path of a model file whose stories are as long as -n says."""
    path = folder / "endless.f6c"
    write_model(path, endless_model())
    return str(path)
