"""The checks of release/PLAN.md: `make checklist`, or python release/checklist.py [--release dist/release].

The plan is satire, its checklist is not: each item is a check of what would be released. Exit status 1 if one fails.
"""

import argparse
import contextlib
import hashlib
import io
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ("small", "micro", "small-wish", "micro-wish")
FLOPPY = 1_474_560
# A story with one of these is a reason to look, and to wait. Stories for children do have wolves, fights and tears.
WORDS = re.compile(
    r"\b(kill(s|ed|ing)?|murder\w*|blood\w*|suicide|gun|guns|naked|sex\w*|drunk|damn|hell|stupid|hate[sd]?)\b", re.IGNORECASE
)


def model(name):
    from fable6c.model.file import read_model

    return read_model(str(ROOT / "release" / f"{name}.f6c"))


def imports_nothing(options):
    data = (ROOT / "asengine" / "prebuilt" / "fable6c.wasm").read_bytes()
    sections, at = [], 8
    while at < len(data):
        kind, (size, start) = data[at], leb128(data, at + 1)
        sections.append(kind)
        at = start + size
    return 2 not in sections or f"the module has an import section: sections {sections}"


def leb128(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fits_on_a_floppy(options):
    size = (ROOT / "release" / "small.f6c").stat().st_size
    return size <= FLOPPY or f"{size:,} bytes"


def ternary(options):
    from fable6c.model.architecture import tensor_specs

    for name in MODELS:
        found = model(name)
        for spec in tensor_specs(found.dimensions):
            if spec.kind == "ternary" and not set(found.tensors[spec.name].weight.ravel().tolist()) <= {-1, 0, 1}:
                return f"{name}: {spec.name}"
    return True


def same_story(options):
    from fable6c.engine import Engine
    from fable6c.model.reference import Reference, generate
    from fable6c.model.sampling import Sampler
    from fable6c.model.tokenizer import Tokenizer

    for name in MODELS:
        found, engine = model(name), Engine(str(ROOT / "release" / f"{name}.f6c"))
        engine.sampling(0.8, 40)
        engine.seed(9)
        told = "".join(engine.generate("Once upon a time", 40))
        prompt = Tokenizer(found.merges).encode("Once upon a time")
        expected = b"".join(piece for _, piece in generate(Reference(found), prompt, 40, Sampler.by_default(9)))
        if told != expected.decode("utf-8", "replace"):
            return f"{name}: {told[:60]!r} and {expected[:60]!r}"
    return True


def stops(options):
    from fable6c.engine import Engine

    engine = Engine(str(ROOT / "release" / "small.f6c"))
    engine.seed(1)
    pieces = list(engine.generate("Once upon a time", 20))
    return len(pieces) <= 20 or f"{len(pieces)} pieces"


def untouched(options):
    sums = read_sums(ROOT / "release" / "SHA256SUMS")
    for name in MODELS:
        model(name)  # checks every byte
        if sums.get(f"{name}.f6c") != digest(ROOT / "release" / f"{name}.f6c"):
            return f"{name}.f6c is not what release/SHA256SUMS says"
    return True


def read_sums(path):
    return {name.strip().lstrip("*"): value for value, name in (line.split(" ", 1) for line in path.read_text().splitlines())}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def cards(options):
    from fable6c import card

    for name in MODELS:
        folder = ROOT / "release"
        out = ROOT / "build" / f"{name}.card.md"
        out.parent.mkdir(exist_ok=True)
        command = ["write", str(folder / f"{name}.f6c"), "--measured", str(folder / f"{name}.measured.json")]
        for report in sorted(ROOT.glob(f"benchmarks/record/*/capability-{name}.json"))[-1:]:
            command += ["--report", str(report)]
        with contextlib.redirect_stdout(io.StringIO()):
            card.main([*command, "--about", str(folder / "about.toml"), "-o", str(out)])
        if out.read_bytes() != (folder / f"{name}.md").read_bytes():
            return f"release/{name}.md is not what is generated: make cards"
        if not json.loads((folder / f"{name}.measured.json").read_text())["bias"]["pronouns"]:
            return f"{name}: no bias measured"
    return True


def clean_words(options):
    """Nothing in the recorded stories is left out, so a bad one stays there; but the page beside them has to name it."""
    page = (ROOT / "release" / "README.md").read_text(encoding="utf-8")
    for name in MODELS:
        parts = re.split(r"^--- seed (\d+)\n", (ROOT / "release" / f"{name}.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
        for seed, story in zip(parts[1::2], parts[2::2]):
            found = WORDS.search(story)
            if found and f"`{name}`, seed {seed}" not in page:
                return f"release/{name}.txt: seed {seed} says {found[0]!r}, and release/README.md does not warn of it"
    return True


def one_version(options):
    from fable6c import __version__

    def text(name):
        return (ROOT / name).read_text(encoding="utf-8")

    found = {
        "package.json": json.loads(text("package.json"))["version"],
        "CITATION.cff": re.search(r"^version: (.*)$", text("CITATION.cff"), re.MULTILINE)[1],
        "CHANGELOG.md": re.search(r"^## \[(.*?)\]", text("CHANGELOG.md"), re.MULTILINE)[1],
        "release/about.toml": re.search(r"version = \{(.*?)\}", text("release/about.toml"))[1],
    }
    wrong = [f"{name} has {version}" for name, version in found.items() if version != __version__]
    return not wrong or f"fable6c is {__version__}, {', '.join(wrong)}"


def truth(options):
    post = (ROOT / "docs" / "announcement.md").read_text(encoding="utf-8")
    score = json.loads((ROOT / "release" / "small.measured.json").read_text())["score"]["bits_per_char"]
    wanted = [f"{(ROOT / 'release' / 'small.f6c').stat().st_size:,} bytes", f"{score:.3f}"]
    missing = [words for words in wanted if words not in post]
    return not missing or f"docs/announcement.md lacks {', '.join(missing)}"


def nothing_else(options):
    folder = options.release
    if not folder.exists():
        return True
    sums = read_sums(folder / "SHA256SUMS")
    there = {path.name for path in folder.iterdir()} - {"SHA256SUMS", "SHA256SUMS.sig"}
    if there != set(sums):
        return f"{folder}: {', '.join(sorted(there ^ set(sums)))}"
    wrong = [name for name, value in sums.items() if digest(folder / name) != value]
    return not wrong or f"{folder}: changed: {', '.join(wrong)}"


CHECKS = {
    "It cannot phone home": imports_nothing,
    "It fits on a floppy disk": fits_on_a_floppy,
    "No weight holds an extreme opinion": ternary,
    "It tells every interrogator the same story": same_story,
    "It stops when told to": stops,
    "Nobody has tampered with it": untouched,
    "It has confessed its prejudices": cards,
    "It minds its language, or owns up": clean_words,
    "All parties agree what year it is": one_version,
    "The public has been told the truth": truth,
    "There is no second, secret release": nothing_else,
}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", type=pathlib.Path, default=ROOT / "dist" / "release", help="default: dist/release")
    options = parser.parse_args(argv)
    failed = 0
    for title, check in CHECKS.items():
        found = check(options)
        failed += found is not True
        print(f"{'pass' if found is True else 'FAIL'}  {title}{'' if found is True else f': {found}'}")
    if failed:
        raise SystemExit(f"{failed} of {len(CHECKS)} checks delay the release")
    print(f"all {len(CHECKS)} checks pass")


if __name__ == "__main__":
    main()
