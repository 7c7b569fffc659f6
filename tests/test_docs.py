"""What README and docs promise: every command and option is documented, whatever is named exists, and links lead somewhere.

Each check is a function from texts to a list of problems, and `test_the_checks_can_fail` feeds each of them a mistake.
"""

import contextlib
import dataclasses
import fnmatch
import importlib
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from fable6c import cli
from fable6c.model.architecture import Dimensions
from fable6c.training.config import Recipe

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "model.f6c"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("asengine/*/*.md"), *ROOT.glob("benchmarks/*/*.md")])
PAGES = [page for page in PAGES if page.relative_to(ROOT).parts[0] not in ("node_modules", "build", ".pytest_cache")]
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
USER_PAGES = {name: text for name, text in TEXTS.items() if name == "README.md" or name.startswith(("docs/", "corpus/"))}
# Folders of one machine, which nobody else has; /home/me is anybody.
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:work|tmp|root|Users|home(?!/me\b))/[\w.]")


# ---- the package's commands


def find_commands():
    """The modules that `python -m` runs: those with a `__main__` part, and packages with a `__main__.py`."""
    names = []
    for path in sorted([*ROOT.glob("fable6c/*.py"), *ROOT.glob("corpus/*.py")]):
        if re.search(r'^if __name__ == "__main__":\s*\n\s+(?:run\(|sys\.exit\(main)', path.read_text(encoding="utf-8"), re.MULTILINE):
            folder = "fable6c" if path.parent.name == "fable6c" else "fable6c.corpus"
            names.append(folder if path.stem == "__main__" else f"{folder}.{path.stem}")
    return names


def help_of(command, *subcommands):
    """What `--help` prints."""
    module = command + ".__main__" if command in ("fable6c", "fable6c.corpus") else command
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            status = importlib.import_module(module).main([*subcommands, "--help"])
        except SystemExit as end:
            status = end.code
    assert status in (0, None), f"{command} --help: status {status}"
    return out.getvalue()


def subcommands_of(text):
    """["train", "show"] out of a help text's `train|show` or `{train,show}`."""
    found = re.search(r"^ {2}\{?([a-z][\w-]*(?:[|,][a-z][\w-]*)+)\}?$", text, re.MULTILINE)
    return re.split("[|,]", found.group(1)) if found else []


def all_helps():
    """{("fable6c.tokenizer", "train"): its help, …}"""
    helps = {}
    rest = [(command,) for command in COMMANDS] + [("fable6c.evaluate", "suite")]  # `suite` in the place of a model
    while rest:
        names = rest.pop()
        helps[names] = text = help_of(*names)
        rest += [(*names, name) for name in subcommands_of(text)]
    return helps


COMMANDS = find_commands()
HELPS = all_helps()


def flags_in(text):
    """The options that a help text lists: at the line's start, each with its aliases."""
    flags = set()
    for line in re.findall(r"^ {2}(-[^\n]*)", text, re.MULTILINE):
        flags.update(re.findall(r"(?:^|, )(--?[a-zA-Z][\w-]*)", re.split(r" {2,}", line)[0]))
    return flags - {"-h", "--help"}


def engine_flags():
    """The options of the native program and the WASI command, out of the text that `--help` prints."""
    source = (ROOT / "asengine" / "assembly" / "cli_options.ts").read_text(encoding="utf-8")
    return flags_in("\n".join(line.replace("\\n", "") for line in re.findall(r'text\("(.*)"\);', source)))


# ---- the checks


def example_problems(helps):
    """Help texts without an example to copy before the options."""
    problems = []
    for names, text in helps.items():
        example = text.find("example:\n  python -m fable6c")
        options = text.find("options:")
        if example < 0 or 0 <= options < example:
            problems.append(f"{' '.join(names)} --help: no example before the options")
    return problems


def undocumented(flags_of, pages):
    """Options that no page about their command mentions. flags_of: {command as a page names it: options}"""
    problems = []
    for command, flags in flags_of.items():
        about = "\n".join(text for text in pages.values() if command in text)
        if not about:
            problems.append(f"{command}: on no page")
        problems += [f"{command} {flag}: not on a page that names the command" for flag in sorted(flags) if not mentioned(flag, about)]
    return problems


def mentioned(flag, text):
    return re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text) is not None


def code_lines(text):
    """Command lines: the lines of fenced blocks, with continuations joined, and the code in running text."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()] + inline


def command_problems(texts, helps):
    """`python -m fable6c…` with a command or an option that does not exist."""
    problems = []
    for page, text in texts.items():
        for name in re.findall(r"-m (fable6c[\w.]*)", text):
            name = name.rstrip(".")
            if (name,) not in helps and name not in (
                "fable6c",
                "fable6c.model.layout",
            ):  # `python -m fable6c.<stage>`; what takes no options
                problems.append(f"{page}: python -m {name}: there is no such command")
        for line in code_lines(text):
            found = re.search(r"-m (fable6c\.[\w.]+)((?: .*)?)", line.split(" && ")[0])
            if found and (found.group(1),) in helps:
                known = set().union(*(flags_in(help) for names, help in helps.items() if names[0] == found.group(1)))
                problems += [f"{page}: {line}: there is no {flag}" for flag in used_flags(found.group(2)) - known]
    return problems


def used_flags(arguments):
    """The options in a command line's arguments, up to a pipe or a redirection."""
    try:
        words = shlex.split(re.split(r" [|>&] ", arguments)[0], comments=True)
    except ValueError:  # a quote that is not closed: text, not a command
        return set()
    return {word.split("=")[0] for word in words if re.fullmatch(r"--?[a-zA-Z][\w-]*(?:=.*)?", word)} - {"-h", "--help"}


def make_problems(texts, targets):
    """`make …` with a target that the Makefile does not have. Only lines that begin with it: "make sure" is English."""
    problems = []
    for page, text in texts.items():
        for line in code_lines(text):
            found = re.match(r"(?:\$ )?make((?: +[\w=.'\" -]+)?)$", line)
            for word in found.group(1).split() if found else []:
                if "=" not in word and word.isalpha() and word not in targets:
                    problems.append(f"{page}: {line}: the Makefile has no target {word}")
    return problems


def make_targets():
    found = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1).split()


def anchors(text):
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def link_problems(texts, root):
    """Relative links without a file behind them, or without the heading."""
    problems = []
    for page, text in texts.items():
        prose = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
        for link in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (root / page).parent / path if path else root / page
            if not target.exists():
                problems.append(f"{page}: {link}: there is no such file")
            elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
                problems.append(f"{page}: {link}: there is no such heading")
    return problems


def path_problems(texts):
    """Paths of the machine on which a file was written."""
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]


def message_problems(page, text, sources):
    """Troubleshooting headings whose words no source holds: in the heading, dots stand for what differs."""
    part = text.split("## When it says", 1)[1]
    problems = []
    for heading in re.findall(r"^### (?!It is )(.*)$", part, re.MULTILINE):
        for piece in re.split(r"…", heading):
            if piece.strip(" ,:()") and piece.strip(" ,") not in sources:
                problems.append(f"{page}: {heading}: nothing says {piece.strip(' ,')!r}")
    return problems


def committed_texts():
    """The text files of the repository, with those that are new. Without git, or in a downloaded archive, those that a folder holds
    and that .gitignore does not name."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE, check=True
        ).stdout.decode("utf-8")
        names = [name for name in listed.split("\0") if name]
    else:
        names = unignored_files()
    texts = {}
    for name in names:
        path = ROOT / name
        if path.is_file():
            with contextlib.suppress(UnicodeDecodeError):
                texts[name] = path.read_bytes().decode("utf-8")
    return texts


def unignored_files():
    """Paths below the root that no line of .gitignore matches, as git would list them: its lines here are names and paths, no more."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split()] + [".git"]

    def kept(path):
        return not any(fnmatch.fnmatch(path, line) or fnmatch.fnmatch(os.path.basename(path), line) for line in ignored)

    found = []
    for folder, folders, files in os.walk(ROOT):
        where = os.path.relpath(folder, ROOT)
        folders[:] = [name for name in folders if kept(os.path.normpath(os.path.join(where, name)))]
        found += [os.path.normpath(os.path.join(where, name)) for name in files]
    return sorted(filter(kept, found))


def documented_flags():
    """{command as a page names it: its options}, of all commands. A stage of `fable6c.corpus` may be named in either way."""
    flags_of = {}
    for names, text in HELPS.items():
        package = "fable6c.corpus" if ("fable6c.corpus",) in HELPS and names[0].startswith("fable6c.corpus.") else names[0]
        flags_of.setdefault(package, set()).update(flags_in(text))
    return {**flags_of, "build/fable6c": engine_flags()}


# ---- the tests


def test_commands_are_found():
    wanted = ("train", "export", "inspect", "evaluate", "generate", "tokenizer", "corpus.synth")
    assert {f"fable6c.{name}" for name in wanted} <= set(COMMANDS)
    assert ("fable6c.tokenizer", "train") in HELPS and "--vocab" in flags_in(HELPS["fable6c.tokenizer", "train"])
    assert {"--corpus", "--preset", "--out", "--save-minutes"} <= flags_in(HELPS[("fable6c.train",)])
    assert {"-p", "-n", "--top-p", "--bench", "--selftest"} <= engine_flags()


def test_the_list_of_commands_is_whole():
    listed = {f"fable6c.{name}" for name in cli.COMMANDS}
    assert listed == {name for name in COMMANDS if name != "fable6c" and not name.startswith("fable6c.corpus.")}
    for name in cli.COMMANDS:
        assert f"| `python -m fable6c.{name}" in TEXTS["docs/commands.md"], f"the table of commands: {name}"


def test_the_readme_begins_with_what_a_fresh_clone_can_do():
    """Its first command is make's, the line below it is the one that make runs, and the story is the beginning of the released model's of that seed."""
    command, line, told = re.search(
        r"^```\n\$ (make \w+)\n…\n(build/fable6c [^\n]*)\n(.*?)^```", TEXTS["README.md"], re.DOTALL | re.MULTILINE
    ).groups()
    assert command == "make story" and re.search(r"^## .*?^```\nmake story\n", TEXTS["README.md"], re.DOTALL | re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^story:.*\n(?:\t.*\n)*?\t\$\(PROGRAM\) .*?( -p .*)\n", makefile, re.MULTILINE).group(1)
    assert line == "build/fable6c release/small.f6c" + recipe
    stories = re.split(r"^--- seed (\d+)\n", (ROOT / "release" / "small.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    seed = re.search(r"-s (\d+)", line).group(1)
    *words, dots = told.split()
    assert dots == "…" and len(words) > 60 and words == stories[stories.index(seed) + 1].split()[: len(words)]


def test_every_help_begins_with_an_example():
    assert example_problems(HELPS) == []


def test_every_option_is_documented():
    assert undocumented(documented_flags(), USER_PAGES) == []


def test_every_configuration_key_is_documented():
    keys = [field.name for kind in (Dimensions, Recipe) for field in dataclasses.fields(kind)]
    assert [key for key in keys if f"`{key}`" not in TEXTS["docs/training.md"]] == []


def test_every_make_target_is_documented():
    assert [target for target in make_targets() if f"make {target}" not in TEXTS["docs/commands.md"]] == []


def test_every_command_on_the_pages_exists():
    assert command_problems(TEXTS, HELPS) == []
    assert make_problems(TEXTS, make_targets()) == []


def test_readme_is_short():
    readme = TEXTS["README.md"]
    assert len([word for word in readme.split() if re.search(r"\w", word)]) <= 1200
    blocks = re.findall(r"^```\n\$ (.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert blocks and max(len(line) for block in blocks for line in block.splitlines()) <= 76


def test_every_link_leads_somewhere():
    assert link_problems(TEXTS, ROOT) == []


def test_the_questions_name_where_they_were_asked():
    """Each source is an issue or a pull request of a project that is like this one, and its label has the address's number."""
    page = TEXTS["docs/faq.md"]
    questions = re.findall(r"^### (.*)$", page, re.MULTILINE)
    assert len(questions) >= 20 and all(question.endswith("?") for question in questions)
    projects = "karpathy/llama2.c|karpathy/nanoGPT|microsoft/BitNet|ggml-org/llama.cpp"
    known = re.findall(rf"\[([\w.]+) #(\d+)\]\(https://github\.com/({projects})/(?:issues|pull)/(\d+)\)", page)
    assert len(known) == page.count("](http") >= 20
    assert {project for _, _, project, _ in known} >= {"karpathy/llama2.c", "karpathy/nanoGPT", "microsoft/BitNet"}
    assert [label for label, number, project, linked in known if (project.split("/")[1], linked) != (label, number)] == []


def test_no_paths_of_one_machine():
    texts = committed_texts()
    assert "README.md" in texts and len(texts) > 50
    assert path_problems(texts) == []


@pytest.mark.parametrize("page", ["docs/training.md", "docs/quickstart.md"])
def test_troubleshooting_quotes_real_messages(page):
    sources = [*ROOT.glob("fable6c/**/*.py"), *ROOT.glob("asengine/assembly/*.ts"), ROOT / "Makefile"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources).replace('\\"', '"')
    assert TEXTS[page].count("\n### ") >= 3
    assert message_problems(page, TEXTS[page].replace("## 7. When", "## When"), text) == []


def test_the_checks_can_fail(tmp_path):
    helps = {("fable6c.train",): "usage: x\n\noptions:\n  --minutes M  budget\n\nexample:\n  python -m fable6c.train"}
    assert len(example_problems(helps)) == 1
    assert undocumented({"fable6c.train": {"--minutes"}}, {"README.md": "fable6c.train --minutes-x"}) != []
    assert undocumented({"fable6c.train": {"--minutes"}}, {"README.md": "fable6c.train", "other.md": "--minutes"}) != []
    assert undocumented({"fable6c.train": {"--minutes"}}, {"README.md": "`python -m fable6c.train --minutes 3`"}) == []
    for text in ("`python -m fable6c.trian`", "```\npython -m fable6c.train --minute 3\n```", "see `python -m fable6c.train -x`"):
        assert len(command_problems({"README.md": text}, helps)) == 1, text
    assert command_problems({"README.md": "```\npython -m fable6c.train --minutes 3 | grep -v x\n```"}, helps) == []
    assert len(make_problems({"README.md": "```\n$ make runs A=b\n```"}, ["run"])) == 1
    assert make_problems({"README.md": "make sure; `make run CORPUS=x.txt`"}, ["run"]) == []
    (tmp_path / "other.md").write_text("# A heading, here\n```\n# none\n```\n")
    for link in ("missing.md", "other.md#none", "#nothing"):
        assert len(link_problems({"README.md": f"[x]({link})"}, tmp_path)) == (1 if link[0] != "#" else link_problem_count(tmp_path, link))
    assert link_problems({"README.md": "[x](other.md#a-heading-here) [y](https://example.org) `[z](gone.md)`"}, tmp_path) == []
    assert len(path_problems({"a.md": f"see /{'home'}/ann/notes\nand `/{'tmp'}/x`", "b.md": "https://x.org/tmp/b a/tmp/b /home/me/b"})) == 2
    assert len(message_problems("a.md", "## When it says\n### no … such words\n", "no such")) == 1


def link_problem_count(folder, link):
    """A link into the page itself: the page must be there to be read."""
    (folder / "README.md").write_text(f"# Title\n[x]({link})\n")
    return len(link_problems({"README.md": f"[x]({link})"}, folder)) or pytest.fail("a link to a missing heading was not found")


# ---- the programs in docs/quickstart.md


def program(language, word):
    """The one block of that language on the page that holds the word."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", TEXTS["docs/quickstart.md"], re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if word in block]
    return found


def told(*command):
    done = subprocess.run([str(word) for word in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout.decode("utf-8")


@pytest.fixture(scope="module")
def story():
    text = told(sys.executable, "-m", "fable6c.generate", GOLDEN, "-p", "The fox", "--runtime", "reference")
    assert text.startswith("The fox") and len(text) > 200
    return text


def node():
    path = shutil.which("node")
    version = subprocess.run([path, "--version"], stdout=subprocess.PIPE).stdout.decode() if path else ""
    if not re.match(r"v[2-9]\d\.", version):
        pytest.skip("no node 20 or newer here: `make test` brings one")
    return path


def built(name):
    if not (ROOT / "asengine" / "build" / name).exists():
        pytest.skip(f"asengine/build/{name} is not built: make wasm")


def test_the_library_program_for_node(story, tmp_path):
    built("fable6c.wasm")
    (tmp_path / "story.mjs").write_text(program("js", "engine.load"), encoding="utf-8")
    assert told(node(), tmp_path / "story.mjs", GOLDEN, "The fox") == story


def test_the_wasi_program_for_node(story, tmp_path):
    built("fable6c-wasi.wasm")
    (tmp_path / "wasi.mjs").write_text(program("js", "WASI("), encoding="utf-8")
    assert told(node(), tmp_path / "wasi.mjs", GOLDEN.relative_to(ROOT), "-p", "The fox") == story


def test_the_program_for_python(story, tmp_path):
    built("fable6c.wasm")
    text = program("python", "Engine").replace("build/micro.f6c", GOLDEN.as_posix()).replace("Once upon a time", "The fox")
    (tmp_path / "tell.py").write_text(text, encoding="utf-8")
    assert "The fox" + told(sys.executable, tmp_path / "tell.py") + "\n" == story


def test_the_notebook_names_real_files():
    cells = json.loads((ROOT / "docs" / "train.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "".join("".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code")
    stages = set(re.findall(r'run\("([\w.]+)"', code))
    assert {"train", "export", "generate", "evaluate"} <= stages <= {name.partition(".")[2] for name in COMMANDS}
    for stage in stages:
        known = set().union(*(flags_in(text) for names, text in HELPS.items() if names[0] == f"fable6c.{stage}"))
        used = set(re.findall(r'"(--?[a-z][\w-]*)"', "".join(re.findall(rf'run\("{re.escape(stage)}".*', code))))
        assert used <= known, stage
