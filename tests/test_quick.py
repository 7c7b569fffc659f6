"""tests/quick.py: which test files a change needs."""

import fnmatch
import shutil
import subprocess

import pytest

import quick


def files():
    found = {path.relative_to(quick.ROOT).as_posix() for path in quick.ROOT.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith((".", "build/", "node_modules/", "runs/"))}


def test_every_module_needs_a_test():
    names = [path.relative_to(quick.ROOT).as_posix() for path in quick.MODULES.values()]
    assert len(names) > 60 and [name for name in names if not quick.tests_of([name])] == []


@pytest.mark.skipif(shutil.which("git") is None or not (quick.ROOT / ".git").exists(), reason="this is no git checkout")
def test_every_file_needs_a_test_or_is_listed_as_one_that_needs_none():
    names = subprocess.run(["git", "ls-files", "-z"], cwd=quick.ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")[:-1]
    assert len(names) > 300
    forgotten = [name for name in names if not quick.tests_of([name]) and not quick.matches(name, quick.WITHOUT_A_TEST)]
    assert forgotten == [], "add them to BESIDES or WITHOUT_A_TEST in tests/quick.py"
    assert [name for name in names if quick.matches(name, quick.WITHOUT_A_TEST) and quick.tests_of([name])] == []
    for pattern in [*quick.WITHOUT_A_TEST, *quick.RUN_BY_NODE]:
        assert fnmatch.filter(names, pattern), f"no file is called {pattern}"


def test_the_table_names_files_and_tests_that_exist():
    there = files()
    for pattern, tests in quick.BESIDES.items():
        assert fnmatch.filter(there, pattern), f"no file is called {pattern}"
        assert [name for name in tests.split() if f"test_{name}" not in quick.TESTS] == [], pattern


@pytest.mark.parametrize(
    "changed, needed, not_needed",
    [
        ("tests/test_config.py", "test_config", "test_train"),
        ("fable6c/training/plot.py", "test_train", "test_kernels"),
        ("fable6c/training/memory.py", "test_network", "test_scout"),
        ("corpus/report.py", "test_corpus_clean", "test_kernels"),  # no test names it, but one names what imports it
        ("tests/tiny_models.py", "test_native", "test_makefile"),  # by way of story_models.py
        ("fable6c/_scout.c", "test_scout", "test_kernels"),
        ("asengine/assembly/zstd.ts", "test_engine_zstd", "test_kernels"),
        ("docs/engine.md", "test_docs", "test_native"),
    ],
)
def test_what_a_change_needs(changed, needed, not_needed):
    found = quick.tests_of([changed])
    assert needed in found and not_needed not in found


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_has_changed_is_what_git_says(tmp_path, monkeypatch, capsys):
    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL
        )

    for name, value in (("ROOT", tmp_path), ("MODULES", {}), ("TESTS", {})):
        monkeypatch.setattr(quick, name, value)
    git("init", "-q")
    for name in ("kept.py", "changed ä.py"):
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "-qm", "first")
    (tmp_path / "changed ä.py").write_text("2")
    (tmp_path / "new.py").write_text("3")
    assert quick.changed_files("HEAD") == ["changed ä.py", "new.py"]
    with pytest.raises(SystemExit, match="^make quick: git diff: .*nowhere"):
        quick.changed_files("nowhere")
    quick.main([])
    assert capsys.readouterr().out == "2 changed files since HEAD: none of the tests needs them\n"


@pytest.mark.parametrize(
    "changed, status, ran",
    [
        (["docs/engine.md"], 0, ["pytest"]),
        (["docs/engine.md"], 1, ["pytest"]),
        (["asengine/web/page.css"], 5, ["pytest"]),  # all of them are slow
        (["asengine/assembly/zstd.ts"], 0, ["pytest", "npm"]),
        (["asengine/assembly/zstd.ts"], 1, ["pytest"]),
        (["LICENSE"], 0, []),
    ],
)
def test_what_runs_and_how_it_ends(monkeypatch, capsys, changed, status, ran):
    called = []
    monkeypatch.setattr(quick, "changed_files", lambda commit: changed)
    monkeypatch.setattr(quick.subprocess, "call", lambda command: called.append(command[0]) or (status if command[0] == "pytest" else 0))
    assert quick.main(["HEAD", "--", "pytest"]) == (1 if status == 1 else 0)
    assert called == ran
    assert ("all tests of these are slow" in capsys.readouterr().out) == (status == 5)
