"""The native program as a person uses it: stories, chat, messages, and what it does when the world around it goes away.

tests/test_same_bits.py holds its numbers to the reference; here is the program.
"""

import fcntl
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

import make_golden
from fable6c.model.file import ERRORS
from programs import ATTACKS, EXPECTED, MODEL, USAGE, endless_file, flags, rejected

TESTS = pathlib.Path(__file__).parent
ROOT = TESTS.parent
# tests/test_legacy.py runs this file with the program for old PCs.
PROGRAM = pathlib.Path(os.environ.get("FABLE6C_PROGRAM", ROOT / "build" / "fable6c"))

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="build/fable6c is not built: make native")


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    return endless_file(tmp_path_factory.mktemp("endless"))


def run(*arguments, **options):
    return subprocess.run([str(PROGRAM), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


# Stories


@pytest.mark.parametrize("story", EXPECTED["stories"], ids=lambda story: str(story["sampling"]))
def test_golden_stories(story):
    done = run(MODEL, "-p", EXPECTED["prompt"], "-n", str(make_golden.STORY_TOKENS), *flags(story["sampling"]))
    assert done.returncode == 0 and done.stderr == b""
    assert done.stdout.decode("utf-8") == EXPECTED["prompt"] + story["text"] + "\n"


def test_defaults_are_the_documented_ones(endless):
    written_out = ["-n", "1000", "-t", "0.8", "-k", "40", "--top-p", "1", "--penalty", "2.5", "-s", "1"]
    story = run(endless, "-p", "The fox").stdout
    assert len(story) > 1000
    assert run("-p", "The fox", *written_out, endless).stdout == story
    assert run(endless, "-p", "The fox", "-s", "2").stdout != story
    assert run(endless, "-p", "The fox", "-s", "4294967295").stdout != story


@pytest.mark.long
def test_a_story_ends_where_the_model_ends_it():
    """Seed 2 tells more than 200 tokens."""
    small = ROOT / "release" / "small.f6c"
    story = run(small, "-p", "Once upon a time", "-s", "2").stdout
    assert story == run(small, "-p", "Once upon a time", "-s", "2", "-n", "3000").stdout
    assert len(story) > len(run(small, "-p", "Once upon a time", "-s", "2", "-n", "200").stdout)


def test_prompt_from_standard_input():
    assert run(MODEL, "-p", "-", "-n", "9", input=b"The fox").stdout == run(MODEL, "-p", "The fox", "-n", "9").stdout


@pytest.mark.parametrize("prompt", [b"\xff\xfe\xf0\x9f", b"\x80", b"\xc3", "日本 🦊".encode(), b"\x01\x7f", b"<|endoftext|>", b""])
def test_any_bytes_are_a_prompt(prompt):
    done = run(MODEL.encode(), b"-p", prompt, b"-n", b"20")
    assert done.returncode == 0 and done.stdout.startswith(prompt)
    story = done.stdout[len(prompt) :]
    assert len(story) > 20 and story.endswith(b"\n")
    story.decode("utf-8")


def test_a_story_is_written_as_it_is_made_in_whole_characters(endless):
    """Through a socket that keeps the writes apart: each is whole characters, and the first come before the last is made."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = subprocess.Popen([str(PROGRAM), endless, "-p", "The fox", "-n", "300", "-t", "1"], stdout=theirs)
    theirs.close()
    writes, running = [], []
    while True:
        write = ours.recv(1 << 17)
        if not write:
            break
        running.append(program.poll() is None)
        writes.append(write.decode("utf-8"))
    assert program.wait() == 0
    assert len(writes) > 200 and all(running[:100])
    assert writes[0] == "The fox" and max(map(len, writes)) <= 64


# The command line


@pytest.mark.parametrize("arguments, words", USAGE, ids=[words for _, words in USAGE])
def test_usage_mistakes(arguments, words):
    done = run(*arguments)
    assert words in rejected(done, 2)
    assert done.stdout == b""


@pytest.mark.long
def test_numbers_are_read_as_by_python():
    """One bit of a difference would show: the temperature is the one that Python makes of the same text, so the story is the same."""
    from fable6c.engine import Engine

    engine = Engine(MODEL)
    for text in ("0.8", ".8", "0.80", "000.8", "1", "1.", "0.7071067", "99.99999", "0.01"):
        engine.reset()
        engine.sampling(temperature=float(text), top_k=0)
        engine.seed(1)
        story = "x" + "".join(engine.generate("x", 60)) + "\n"
        assert run(MODEL, "-p", "x", "-n", "60", "-k", "0", "-t", text).stdout.decode("utf-8") == story, text


def test_help_starts_with_the_purpose_and_an_example():
    done = run("--help")
    lines = done.stdout.decode("ascii").splitlines()
    assert done.returncode == 0 and done.stderr == b""
    assert lines[0].startswith("Tell stories") and 'fable6c model.f6c -p "Once upon a time"' in lines[3]
    assert max(map(len, lines)) < 100
    for option in ("-p", "-n", "-t", "-k", "--top-p", "--penalty", "-s", "--bench", "--selftest"):
        assert any(line.startswith(f"  {option} ") for line in lines)


# Model files


def test_files_that_are_not_models(tmp_path):
    def mistake(path):
        return rejected(run(str(path), "-p", "x"), 1)

    missing = tmp_path / "missing.f6c"
    assert mistake(missing) == f"{missing}: cannot read the model (there is no such file); check the path"
    assert "it is a folder" in mistake(tmp_path)
    assert "a part of the path is not a folder" in mistake(MODEL + "/x")
    assert "the name is too long" in mistake("x" * 5000)
    assert "pipe or device" in mistake("/dev/null")
    odd = tmp_path / "a\nb\x1b[31m"
    assert "a?b?[31m: cannot read" in mistake(odd)
    page = tmp_path / "page.f6c"
    page.write_text("<!DOCTYPE html>")
    assert mistake(page) == f"{page}: " + ERRORS[2][1]
    cut = tmp_path / "cut.f6c"
    cut.write_bytes(make_golden.MODEL.read_bytes()[:-10])
    assert "10 bytes are missing" in mistake(cut)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "secret.f6c"
    path.touch(mode=0)
    assert "permission denied" in rejected(run(str(path)), 1)


def test_a_sparse_file_of_three_gigabytes(tmp_path):
    path = tmp_path / "huge.f6c"
    with open(path, "wb") as file:
        file.truncate(3 << 30)
    message = rejected(run(str(path), "-p", "x"), 1)
    assert "does not start as" in message
    with open(path, "wb") as file:
        file.truncate(5 << 30)
    assert "5368709120 bytes, far more than a model" in rejected(run(str(path), "-p", "x"), 1)


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: path.stem)
def test_attacks_are_rejected_by_name(path):
    """tests/attacks/NAME-what.f6c is rejected with the message NAME of docs/model-file.md."""
    messages = dict(ERRORS.values())
    found = rejected(run(str(path), "-p", "x"), 1)
    before, _, after = messages[path.stem.split("-")[0]].partition("{}")
    assert found.startswith(f"{path}: {before}") and found.endswith(after)


def test_a_relative_path_and_the_same_through_dots():
    story = run(MODEL, "-p", "x", "-n", "5").stdout
    folder, name = os.path.split(MODEL)
    for path in (name, "./" + name, "././/" + name, f"../{os.path.basename(folder)}/{name}"):
        assert run(path, "-p", "x", "-n", "5", cwd=folder).stdout == story


# Chat


def test_chat_goes_on_line_by_line():
    done = run(MODEL, "-n", "6", input=b"The fox\n\nran\nlast")
    assert done.returncode == 0 and done.stderr == b""
    text = done.stdout.decode("utf-8")
    assert text.count("> ") >= 5 and text.startswith("> ") and text.endswith("\n> \n")
    # The first answer is the story that -p would begin, without the prompt.
    story = run(MODEL, "-p", "The fox", "-n", "6").stdout.decode("utf-8")
    assert text[2:].startswith(story[len("The fox") :].removeprefix(" ").rstrip("\n"))


def test_a_turn_of_the_chat_has_200_tokens(endless):
    assert run(endless, input=b"The fox\n").stdout == run(endless, "-n", "200", input=b"The fox\n").stdout


def test_chat_without_input_ends():
    assert run(MODEL, stdin=subprocess.DEVNULL).returncode == 0


def converse(arguments, steps):
    """Run the program on a terminal; each step is (text to wait for, bytes to type). Returns (everything shown, status)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(PROGRAM, [str(PROGRAM), *arguments])
    shown = b""
    for words, typed in steps:
        while words not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, typed)
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other side is closed
            break
        if not more:
            break
        shown += more
    os.close(terminal)
    return shown.decode("utf-8"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_chat_on_a_terminal():
    shown, status = converse([MODEL, "-n", "5"], [(b"> ", b"The fox\n"), (b"\n> ", b"\x04")])
    assert status == 0
    assert shown.startswith("Begin a story and press Enter.") and "> The fox\r\n" in shown and shown.endswith("> \r\n")


def test_interrupt_in_the_middle_of_a_story(endless):
    shown, status = converse([endless, "-p", "The fox", "-n", "1000000"], [(b"The fox", b""), (b" ", b"\x03")])
    assert status == 130
    assert shown.endswith("\r\nstopped\r\n")


# The world around it


def test_interrupted_by_a_signal(endless):
    program = subprocess.Popen([str(PROGRAM), endless, "-p", "x", "-n", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    program.stdout.read(10)
    program.send_signal(signal.SIGINT)
    out, err = program.communicate()
    assert program.returncode == 130 and err == b"\nstopped\n"
    out.decode("utf-8")


def test_an_interrupt_that_the_parent_ignores_stays_ignored(endless):
    command = [
        sys.executable,
        "-c",
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])",
    ]
    program = subprocess.Popen([*command, str(PROGRAM), endless, "-p", "x", "-n", "400"], stdout=subprocess.PIPE)
    program.stdout.read(10)
    program.send_signal(signal.SIGINT)
    program.communicate()
    assert program.returncode == 0


def test_a_reader_that_goes_away_ends_it_quietly(endless):
    program = subprocess.Popen([str(PROGRAM), endless, "-p", "x", "-n", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    program.stdout.read(10)
    program.stdout.close()
    assert program.wait() == -signal.SIGPIPE  # 141 in a shell
    assert program.stderr.read() == b""


@pytest.mark.parametrize(
    "redirection, arguments, words",
    [
        ("<&-", "", "standard input cannot be read (it is closed); give a prompt with -p"),
        ("<.", "", "standard input cannot be read (it is a folder)"),
        (">&-", "-p x", "standard output cannot be written (it is closed)"),
        (">/dev/full", "-p x", "standard output cannot be written (the disk is full)"),
        (">/dev/full", "--help", "standard output cannot be written (the disk is full)"),
    ],
)
def test_standard_streams_that_fail(redirection, arguments, words):
    done = subprocess.run(["sh", "-c", f'"$0" "$1" {arguments} {redirection}', str(PROGRAM), MODEL], stderr=subprocess.PIPE)
    assert words in rejected(done, 1)


def test_all_streams_closed():
    assert subprocess.run(["sh", "-c", '"$0" "$1" -p x <&- >&- 2>&-', str(PROGRAM), MODEL]).returncode == 1


def test_output_that_does_not_block():
    """A pipe that another program made non-blocking, and that is full at times: nothing is lost."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    program = subprocess.Popen([str(PROGRAM), MODEL, "--selftest", "-p", "x" * 300], stdout=writing)
    os.close(writing)
    time.sleep(0.5)
    with open(reading, "rb") as file:
        shown = file.read()
    assert program.wait() == 0
    assert len(shown) > 4096 and shown == run(MODEL, "--selftest", "-p", "x" * 300).stdout


# Measurements


def test_bench_is_verified_and_complete():
    first, second = (re.findall(r"^(.{14})(\S+)(.*)$", run(MODEL, "--bench", "-n", "20").stdout.decode(), re.M) for _ in range(2))
    names = [(name.strip(), unit) for name, _, unit in first]
    assert names == [("load", " ms"), ("prompt", " tokens/s"), ("story", " tokens/s"), ("linear memory", " KiB"), ("verified", "")]
    assert all(float(value) > 0 for _, value, _ in first[:4])
    assert first[4] == second[4]


def test_selftest_ends_with_the_digest_of_all():
    text = make_golden.TEXT.read_bytes()
    lines = run(MODEL, "--selftest", "-p", "-", input=text).stdout.decode().splitlines()
    assert lines[-1] == f"selftest {EXPECTED['all_digests']}"
    assert len(lines) == EXPECTED["positions"] + 1
    assert run(MODEL, "--selftest").stdout != run(MODEL, "--selftest", "-p", "x").stdout


# The host alone


@pytest.mark.slow
def test_a_trap_is_one_line(tmp_path):
    """The host around a module whose _start is `unreachable`: what a fault of the engine would look like."""
    compiler, core = shutil.which("cc"), ROOT / "build" / "wasm3"
    if compiler is None or not core.exists():
        pytest.skip("needs a C compiler and build/wasm3: make native")
    module = bytes.fromhex("0061736d01000000 01040160 0000 03020100 070a01065f737461727400 00 0a0501030000 0b".replace(" ", ""))
    (tmp_path / "module.inc").write_text(",".join(map(str, module)))
    host = [str(ROOT / "asengine" / "host" / name) for name in ("fable6c.c", "wasi.c", "system_posix.c")]
    sources = [*host, *map(str, sorted(core.glob("*.c")))]
    program = tmp_path / "trap"
    subprocess.run([compiler, "-O2", "-w", f"-I{tmp_path}", f"-I{core}", *sources, "-o", str(program), "-lm"], check=True)
    done = subprocess.run([str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert rejected(done, 1) == "engine trap: [trap] unreachable executed"
