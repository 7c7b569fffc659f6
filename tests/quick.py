"""Which test files a change needs: `make quick`, or python tests/quick.py [COMMIT] -- python -m pytest …

Changed is what git says differs from COMMIT (else from the last commit), new files too. A test file is needed if it changed; if it, or
a helper of the tests that it imports, imports or names a changed module; or if BESIDES says so. A module that no test file names
counts as the modules that import it. With a command after --, that command runs with the test files added, and after a change in the
engine `npm test` too. Exit status: 1 if one of them failed.
"""

import ast
import fnmatch
import functools
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
TESTS = {path.stem: path for path in sorted((ROOT / "tests").glob("*.py"))}
NODE = "npm test"  # the engine's tests in asengine/tests/
ENGINE = "engine_host engine_sampler engine_shapes engine_tokenizer engine_zstd same_bits wasi native layout"
BESIDES = {  # what no import shows
    "fable6c/build_kernels.py": "c_libraries",
    "corpus/__main__.py": "commands corpus_sources",
    "fable6c/evaluation/__init__.py": "evaluate ensemble",
    "fable6c/evaluation/valid500.json": "suite",
    "fable6c/_kernels.[ch]": "kernels network c_libraries",
    "fable6c/_simd.h": "kernels network scout",
    "fable6c/_tiles.h": "kernels network",
    "fable6c/_amx.h": "kernels network",
    "fable6c/_scout*.[ch]": "scout scout_program scout_ask c_libraries",
    "fable6c/_text.[ch]": "corpus_clean c_libraries",
    "fable6c/_codec.[ch]": "codec c_libraries",
    "fable6c/_listen.c": "cluster",
    "fable6c/_bpe.[ch]": "tokenizer scout_program c_libraries",
    "fable6c/_cpu.[ch]": "c_libraries instruction_sets",
    "fable6c/_wasm3.h": "engine_host c_libraries",
    "fable6c/presets/*": "config train",
    "asengine/assembly/*": ENGINE,
    "asengine/asconfig.json": ENGINE,
    "asengine/host/*": "native legacy",
    "asengine/host/*windows*": "windows",
    "asengine/boot/*": "boot",
    "asengine/prebuilt/*": "prebuilt",
    "asengine/tests/*": "prebuilt",
    "asengine/web/*": "page troubleshooting",
    "benchmarks/*": "benchmarks",
    "benchmarks/record/*/capability-*.json": "capability",
    "docs/capability-report.md": "capability",
    "corpus/sources.toml": "corpus_sources",
    "docs/*": "docs troubleshooting",
    "*.md": "docs",
    "Makefile": "makefile docs troubleshooting",
    "requirements/*": "makefile",
    "pyproject.toml": "makefile docs",
    "release/*": "release release_files card docs",
    "CITATION.cff": "release_files",
    "tests/golden/*": "same_bits native reference",
    "tests/attacks/*": "model_file native same_bits",
    "tests/same_bits.mjs": "same_bits",
    "tests/conftest.py": "commands train kernels",  # of its settings and fixtures
    "package*.json": "makefile prebuilt",
    "setup.py": "packaging makefile",
    "MANIFEST.in": "packaging",
    "fable6c/py.typed": "packaging",
    "site/*": "site",
    "z80/*": "z80_machine",
}
RUN_BY_NODE = ["asengine/assembly/*", "asengine/asconfig.json", "asengine/tests/*", "package*.json"]
# Nothing tests these: words, settings of tools, and what the forge reads. `make lint` reads some.
WITHOUT_A_TEST = [
    "LICENSE",
    ".ci/run",
    ".github/*.yml",
    ".gitattributes",
    ".gitignore",
    ".npmrc",
    ".clang-format",
    ".editorconfig",
    ".pre-commit-config.yaml",
    ".prettier*",
]
ALL_LEFT_OUT = 5  # pytest's status where there are tests, and all are deselected


def modules():
    """{name: file} of the package; corpus/ is fable6c.corpus."""
    found = {}
    for folder in ("fable6c", "corpus"):
        for path in (ROOT / folder).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).replace(".__init__", "")
            found["fable6c." + name if folder == "corpus" else name] = path
    return found


MODULES = modules()


@functools.cache
def named_in(path):
    """The modules and the helpers of the tests that a file imports, anywhere in it, or names in its text."""
    text = path.read_text(encoding="utf-8")
    names = set(re.findall(r"\bfable6c(?:\.\w+)+", text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names & (MODULES.keys() | TESTS.keys())


def with_helpers(path):
    """What a test file names, and what the helpers that it imports name."""
    names, todo = set(), [path]
    while todo:
        found = named_in(todo.pop()) - names
        names |= found
        todo += [TESTS[name] for name in found & TESTS.keys() if not name.startswith("make_")]  # tests take their files, not what they do
    return names


def matches(file, patterns):
    return any(fnmatch.fnmatch(file, pattern) for pattern in patterns)


def tests_of(changed):
    """The test files that the changed files, as git names them, need."""
    wanted = set()
    names = {name: with_helpers(path) for name, path in TESTS.items() if name.startswith("test_")}
    of_file = {path.relative_to(ROOT).as_posix(): name for name, path in {**MODULES, **TESTS}.items()}
    for file in changed:
        for pattern, tests in BESIDES.items():
            if fnmatch.fnmatch(file, pattern):
                wanted |= {f"test_{name}" for name in tests.split()}
        todo, seen = [of_file[file]] if file in of_file else [], set()
        while todo:
            module = todo.pop()
            seen.add(module)
            users = {test for test, found in names.items() if module == test or module in found}
            wanted |= users
            if not users:
                todo += [name for name, path in MODULES.items() if module in named_in(path) and name not in seen]
    return sorted(name for name in wanted if name in TESTS)


def changed_files(commit):
    def git(*arguments):
        done = subprocess.run(["git", *arguments, "-z"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise SystemExit(f"make quick: git {arguments[0]}: {done.stderr.decode().strip().splitlines()[0]}")
        return [name for name in done.stdout.decode().split("\0") if name]

    return git("diff", "--name-only", "--no-renames", commit) + git("ls-files", "--others", "--exclude-standard")


def main(argv):
    own, _, command = (argv, [], []) if "--" not in argv else (argv[: argv.index("--")], "--", argv[argv.index("--") + 1 :])
    commit = own[0] if own else "HEAD"
    changed = changed_files(commit)
    files = [f"tests/{name}.py" for name in tests_of(changed)]
    node = any(matches(file, RUN_BY_NODE) for file in changed)
    shown = [*files, *([NODE] if node else [])]
    print(f"{len(changed)} changed files since {commit}: {' '.join(shown) or 'none of the tests needs them'}", flush=True)
    if not command:
        return 0
    status = subprocess.call([*command, *files]) if files else 0
    if status == ALL_LEFT_OUT:
        print(f"all tests of these are slow: .venv/bin/python -m pytest {' '.join(files)}")
        status = 0
    return status or (subprocess.call(NODE.split()) if node else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
