"""`python -m fable6c`: the list of commands, each of them by one name, and what they say comes next."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from fable6c import __main__, cli
from fable6c.errors import UsageError

ROOT = pathlib.Path(__file__).resolve().parent.parent


def test_the_list_names_every_command(capsys):
    __main__.main([])
    listing = capsys.readouterr().out
    for name, purpose in cli.COMMANDS.items():
        assert f"  {name:10} {purpose}\n" in listing
    with pytest.raises(SystemExit) as end:
        __main__.main(["--help"])
    assert end.value.code == 0 and capsys.readouterr().out == listing


def test_a_command_is_the_module_of_its_name(capsys):
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit):
            __main__.main([name, "--help"])
        assert f"usage: python -m fable6c.{name} " in capsys.readouterr().out, name


def test_a_mistyped_command_is_one_line():
    with pytest.raises(UsageError, match="there is no command 'trian'; they are train, export, ") as error:
        __main__.main(["trian"])
    assert "\n" not in str(error.value) and error.value.status == 2


@pytest.mark.parametrize(
    "started, own, train",
    [
        ("/env/bin/fable6c", "fable6c", "fable6c train"),
        ("C:\\env\\fable6c.exe" if os.name == "nt" else "/env/fable6c.exe", "fable6c", "fable6c train"),
        (str(ROOT / "fable6c" / "__main__.py"), "python -m fable6c", "python -m fable6c train"),
        (str(ROOT / "fable6c" / "train.py"), "python -m fable6c", "python -m fable6c.train"),
        (str(ROOT / "corpus" / "__main__.py"), "python -m fable6c", "python -m fable6c.train"),
    ],
)
def test_a_command_calls_itself_by_the_name_that_was_typed(monkeypatch, capsys, started, own, train):
    monkeypatch.setattr(sys, "argv", [started])
    with pytest.raises(UsageError, match=f"^{re.escape(own)}: there is no command 'nope'"):
        __main__.main(["nope"])
    with pytest.raises(UsageError, match=f"^{re.escape(train)}: unrecognized arguments: --nope; see --help"):
        __main__.main(["train", "--nope"])
    for arguments, name in ([["--help"], own], [["train", "--help"], train]):
        with pytest.raises(SystemExit):
            __main__.main(arguments)
        shown = capsys.readouterr().out
        assert shown.startswith(f"usage: {name} ") and f"\n  {name} " in shown  # the example too
        assert (own == "fable6c") == ("python -m" not in shown)


def test_arguments_and_status_come_through():
    done = subprocess.run(
        [sys.executable, "-m", "fable6c", "inspect", "no such.f6c"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 1 and done.stderr.startswith("no such.f6c: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "running, named",
    [
        ("{here}/env/bin/python3.11", "env/bin/python3.11"),
        ("{here}/on path/python", "python"),
        ("{elsewhere}/env/bin/python", "{elsewhere}/env/bin/python"),
        ("{here}/a b/python", "'a b/python'"),
    ],
)
def test_what_comes_next_names_the_python_that_runs(tmp_path, monkeypatch, capsys, running, named):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    program = here / "on path" / "python"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(sys, "executable", running.format(here=here, elsewhere=elsewhere))
    cli.print_next("export", "runs/my run", "-o", "model.f6c")
    assert capsys.readouterr().out == f"next: {named.format(elsewhere=elsewhere)} -m fable6c.export 'runs/my run' -o model.f6c\n"


def test_under_make_nothing_comes_next(monkeypatch, capsys):
    assert "MAKELEVEL" not in os.environ
    monkeypatch.setenv("MAKELEVEL", "1")
    cli.print_next("export", "runs/small")
    assert capsys.readouterr().out == ""
