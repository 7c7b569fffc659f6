"""Each message that a person meets has its heading on a page, taken from the tables and calls that say it; and each heading is said somewhere."""

import ast
import pathlib
import re

import pytest

from fable6c.cli import NO_MEMORY
from fable6c.model.errors import ENGINE_ERRORS
from fable6c.model.file import ERRORS

ROOT = pathlib.Path(__file__).parent.parent


def headings(*pages):
    return [heading for page in pages for heading in re.findall(r"^### (.*)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.M)]


HEADINGS = headings("troubleshooting.md")
ALL_HEADINGS = HEADINGS + headings("training.md", "quickstart.md")  # troubleshooting.md links them
SYSTEM = {"Killed", "Illegal instruction", "Permission denied"}  # the shell's words

# What reads a person's files, settings, texts, runs and databases: each UserError there has its heading. The other commands' lines name the option.
PYTHON = [
    *(
        "fable6c/files.py",
        "fable6c/cluster.py",
        "fable6c/machines.py",
        "fable6c/engine.py",
        "fable6c/export.py",
        "fable6c/native.py",
        "corpus/database.py",
        "corpus/dataset.py",
    ),
    *("fable6c/model/architecture.py", "fable6c/model/file.py", "fable6c/model/tokenizer.py"),
    *("fable6c/data/bpe.py", "fable6c/data/formats.py", "fable6c/data/prepare.py", "fable6c/data/text.py", "fable6c/data/windows.py"),
    *(f"fable6c/sharing/{name}.py" for name in ("manifest", "shelf", "updates")),
    *(
        f"fable6c/training/{name}.py"
        for name in ("checkpoint", "cluster", "codec", "config", "memory", "network", "report", "rounds", "run", "source", "start")
    ),
    *(f"fable6c/{name}.py" for name in ("bootstrap", "evaluate", "evaluation/paired", "merge", "training/merging", "training/teachers")),
]


def words(node):
    """A string of the source with … for what it inserts; … for what is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"


def python_messages(source):
    """What the calls of UserError and its kinds in a source say, but for those that only hand another message on."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args]
    said = [words(call.args[0]) for call in calls if call.func.id in ("UserError", "UsageError", "EngineMissing")]
    return [text for text in said if text.strip("…: ")]


def make_messages(source):
    """What a Makefile says before it ends: after `echo` with an exit, and as a mistake in what it was given."""
    said = re.findall(r"""echo (['"])(.*?)\1 >&2; exit 1""", source)
    said += [found for line in re.findall(r"^mistake_of_.*\n(?:  .*\n)*", source, re.M) for found in re.findall(r"echo (')([^']*)'", line)]
    said += [("", text) for text in re.findall(r"\$\(error MODEL=\$\(NAMED\): ([^)]*)\)", source)]
    return [re.sub(r"\$\(\w+\)|\$\w+", "…", text) for _, text in said]


def page_messages(source):
    """What the page's scripts show as an error: complain("…"), remarks.push("…"), fail(0, "…"), emit("error", "…")."""
    begin = r'(?:complain\(|remarks\.push\(|fail\(0, |emit\("error", )\s*'
    said = re.findall(
        begin + r'("(?:[^"\\]|\\.)*"(?:\s*\+\s*(?:"(?:[^"\\]|\\.)*"|[\w.\[\]]+(?:\([^()]*(?:\([^()]*\))?[^()]*\))?))*)', source
    )
    parts = [re.findall(r'"(?:[^"\\]|\\.)*"|[^\s+"]+', text) for text in said if text != '""']  # complain("") takes a message away
    return ["".join(part[1:-1] if part[0] == '"' else "…" for part in found) for found in parts]


def read(*patterns):
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for pattern in patterns
        for path in sorted(ROOT.glob(pattern))
        if path.is_file()
    }


def unescaped(text):
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)


MAKE = read("Makefile", "asengine/host/native.mk", "asengine/host/*.sh")
PAGE = read("asengine/web/page.js", "asengine/web/core.js", "asengine/web/fable6.js")
SAID = [text for name in PYTHON for text in python_messages((ROOT / name).read_text(encoding="utf-8"))]
MESSAGES = {
    "Python": [text for text in SAID if not text.startswith("-")],  # a line that begins with an option says all that there is to say
    "engine": [text.replace("{}", "…") for _, text in ENGINE_ERRORS.values()],
    "make": [text for source in MAKE.values() for text in make_messages(source)],
    "page": [text for source in PAGE.values() for text in page_messages(unescaped(source))]
    + ["The book is here, the storyteller is not. Choose its file; the name ends in .f6c."],
    "everywhere": [
        NO_MEMORY,
        "the output cannot be written, or the input not read (…)",
        "standard output cannot be written (the disk is full)",
    ],
}


def without_heading(messages, found=ALL_HEADINGS):
    """Those that no heading is a part of. A heading of a word or two, such as `stopped`, would be part of too many."""
    return [text for text in messages if not any(len(heading) >= 9 and heading in text for heading in found)]


def test_each_rejection_has_a_heading():
    assert len(ERRORS) == 16
    for _, text in ERRORS.values():
        assert text.replace("{}", "…") in HEADINGS


@pytest.mark.parametrize("kind, least", [("Python", 90), ("engine", 5), ("make", 15), ("page", 7), ("everywhere", 3)])
def test_each_message_has_a_heading(kind, least):
    assert len(MESSAGES[kind]) >= least
    assert without_heading(MESSAGES[kind]) == []


def test_the_search_for_messages_can_fail():
    source = 'raise UserError(f"{path}: is green; paint it") from None\nraise UsageError(f"--seed {n}: no")\nraise UserError(f"{error}")'
    assert python_messages(source) == ["…: is green; paint it", "--seed …: no"]
    assert without_heading(["…: is green; paint it", "…: is blue"], ["is green; paint it"]) == ["…: is blue"]
    assert make_messages("\t{ echo 'gcc is missing in $(CC)' >&2; exit 1; }\n") == ["gcc is missing in …"]
    assert page_messages('complain("The story has " + grouped(t.length) + " words.");') == ["The story has … words."]


def test_each_heading_is_said_somewhere():
    source = "\n".join(
        read("asengine/assembly/*.ts", "asengine/host/*.[ch]", "asengine/host/*.py", "asengine/boot/*", "fable6c/model/*.py").values()
    )
    source += "\n".join([*MAKE.values(), *MESSAGES["page"], *SAID, *MESSAGES["everywhere"]])
    wasm3 = {"memory allocation failed"}
    said = [
        heading for heading in HEADINGS if heading[0].islower() and heading.replace("…", "{}") not in {text for _, text in ERRORS.values()}
    ]
    assert len(said) >= 60
    for heading in said:
        for part in re.split(r"…|: | \(.*?\)|; ", heading):
            assert part in source or part.strip() in wasm3, f"no source says {part!r}"
