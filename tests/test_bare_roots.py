"""README's commands, from `make story` to `make test`, and its `pip install .` on a bare Debian, with the packages that README names and no others."""

import pathlib
import re
import tempfile

import pytest

import bare_root

README = (bare_root.CHECKOUT / "README.md").read_text(encoding="utf-8")
WITHOUT_MAKE = re.search(r"^```\n(python3 -m venv .+?)\n```$", README, re.MULTILINE | re.DOTALL)[1].splitlines()
LACKS = bare_root.missing()
STORY = re.compile(r"^Once upon a time\b(?:.|\n(?!\n)){100}", re.MULTILINE)


def test_packages_and_commands_are_read_from_readme():
    packages = bare_root.readme_packages()
    assert {"gcc", "make", "python3-venv"} <= set(packages)
    assert WITHOUT_MAKE[1].endswith("pip install .") and WITHOUT_MAKE[-1].startswith("env/bin/fable6c generate ")
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package) for package in packages)


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(bare_root.os, "geteuid", lambda: 1000)
    assert bare_root.missing() == "a bare root can only be made by root on Linux"
    monkeypatch.setattr(bare_root.os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/no/such/folder")
    assert bare_root.missing() == "debootstrap is missing; on Debian: apt install debootstrap"


@pytest.mark.slow
@pytest.mark.skipif(LACKS is not None, reason=str(LACKS))
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_new_user_gets_a_story(suite):
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which is kept: a root takes two gigabytes
        root = pathlib.Path(folder)
        try:
            environment = bare_root.make(suite, root)
        except bare_root.CannotMake as problem:
            pytest.skip(str(problem))

        def told_by(command):
            done = bare_root.run(root, command, environment)
            assert done.returncode == 0, f"{command}:\n{done.stdout[-20000:]}"
            return done.stdout

        assert told_by("id -u") != "0\n"
        assert STORY.search(told_by(" && ".join(["cp -r . ../plain", "cd ../plain", *WITHOUT_MAKE])))
        assert STORY.search(told_by("make story"))
        # Of the own model and of the released one; after so few seconds the own one may begin twice.
        assert len(re.findall("^Once upon a time", told_by("make run MINUTES=0.2"), re.MULTILINE)) >= 2
        assert " passed" in told_by("make test PYTEST_FLAGS='-q -rfE --tb=short'")
