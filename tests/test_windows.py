"""build/windows/fable6c.exe: what it needs of Windows, and, under wine, its bits, its files, its console. And the zip.

Skipped where `make windows` has not built it; under wine where there is none that runs 32-bit programs. WINE names another wine.
"""

import hashlib
import os
import pathlib
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import time
import tty
import zipfile

import pytest

import make_golden
from fable6c.model.file import ERRORS
from programs import ATTACKS, EXPECTED, MODEL, USAGE, endless_file, flags, rejected, younger_instructions

ROOT = pathlib.Path(__file__).parent.parent
PROGRAM = ROOT / "build" / "windows" / "fable6c.exe"
NATIVE = ROOT / "build" / "fable6c-aot"
WINE = os.environ.get("WINE", "wine")

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="build/windows/fable6c.exe is not built: make windows")

# All in the KERNEL32.DLL of Windows 98 SE and of every Windows since. Those that end in W fail in Windows 98, which the program knows.
IMPORTS = """
    CreateFileA CreateFileW ExitProcess GetCommandLineA GetCommandLineW GetConsoleCP GetConsoleMode GetConsoleOutputCP
    GetConsoleScreenBufferInfo GetFileAttributesA GetFileAttributesW GetFileType GetLastError GetProcessHeap GetStdHandle GetTickCount
    GetVersion HeapAlloc MultiByteToWideChar QueryPerformanceCounter QueryPerformanceFrequency ReadConsoleW ReadFile
    SetConsoleCtrlHandler SetErrorMode SetFilePointer SetLastError SetUnhandledExceptionFilter Sleep VirtualAlloc VirtualFree
    WideCharToMultiByte WriteConsoleW WriteFile
""".split()


# The file


def imports(content):
    """{library: functions} of a 32-bit PE file, and its header's numbers by name (Microsoft's "PE Format")."""
    at = struct.unpack_from("<I", content, 0x3C)[0]
    assert content[:2] == b"MZ" and content[at : at + 4] == b"PE\0\0"
    machine, sections, _, _, _, optional_size, _ = struct.unpack_from("<HHIIIHH", content, at + 4)
    optional = at + 24
    header = {"machine": machine, "magic": struct.unpack_from("<H", content, optional)[0]}
    header["system"] = struct.unpack_from("<HH", content, optional + 40)
    header["subsystem version"] = struct.unpack_from("<HH", content, optional + 48)
    header["subsystem"] = struct.unpack_from("<H", content, optional + 68)[0]

    def offset(address):
        for i in range(sections):
            size, virtual, raw_size, raw = struct.unpack_from("<IIII", content, optional + optional_size + 40 * i + 8)
            if virtual <= address < virtual + max(size, raw_size):
                return raw + address - virtual
        raise AssertionError(hex(address))

    def text(address):
        start = offset(address)
        return content[start : content.index(b"\0", start)].decode("ascii")

    libraries, descriptor = {}, offset(struct.unpack_from("<I", content, optional + 104)[0])
    while struct.unpack_from("<I", content, descriptor + 12)[0]:
        names, _, _, library, thunks = struct.unpack_from("<IIIII", content, descriptor)
        entry, functions = offset(names or thunks), []
        while struct.unpack_from("<I", content, entry)[0]:
            functions.append(text(struct.unpack_from("<I", content, entry)[0] + 2))
            entry += 4
        libraries[text(library)] = functions
        descriptor += 20
    return libraries, header


def test_it_needs_only_what_windows_98_has():
    libraries, header = imports(PROGRAM.read_bytes())
    assert list(libraries) == ["KERNEL32.dll"] and sorted(libraries["KERNEL32.dll"]) == IMPORTS
    assert header == {"machine": 0x14C, "magic": 0x10B, "system": (4, 0), "subsystem version": (4, 0), "subsystem": 3}
    assert PROGRAM.stat().st_size <= 260 * 1024


def test_no_instruction_is_younger_than_the_pentium():
    if shutil.which("objdump") is None:
        pytest.skip("needs objdump")
    assert younger_instructions(PROGRAM) == []


def test_the_zip(tmp_path):
    shutil.copy(PROGRAM, tmp_path)
    path, digests = tmp_path / "fable6c-windows.zip", []
    for _ in range(2):
        subprocess.run(
            [sys.executable, "asengine/host/windows_archive.py", MODEL, str(tmp_path)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
        digests.append(hashlib.sha256(path.read_bytes()).digest())
    assert digests[0] == digests[1]
    with zipfile.ZipFile(path) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
        assert all(name.startswith("fable6c-windows/") for name in archive.namelist())
    assert sorted(files) == ["LICENSE.txt", "README.txt", "fable6c.exe", "model.f6c", "story.bat"]
    assert files["fable6c.exe"] == PROGRAM.read_bytes() and files["model.f6c"] == pathlib.Path(MODEL).read_bytes()
    for name in ("README.txt", "LICENSE.txt", "story.bat"):
        assert files[name].count(b"\n") == files[name].count(b"\r\n") > 0
    readme = files["README.txt"].decode("ascii")
    assert f"functions of Windows are {len(IMPORTS)}" in " ".join(readme.split())
    done = subprocess.run(
        [sys.executable, "asengine/host/windows_archive.py", "none.f6c", str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 1 and done.stderr.startswith("none.f6c cannot be read (") and done.stderr.count("\n") == 1


# Under wine, as Windows 7 and as Windows 98


@pytest.fixture(scope="module", params=["win7", "win98"])
def wine(request, tmp_path_factory):
    """wine(*arguments, **options) runs a command as that Windows, `wine.windows`; its environment is `wine.environment`."""
    if shutil.which(WINE) is None:
        pytest.skip("wine is missing; on Debian: dpkg --add-architecture i386 && apt update && apt install wine32:i386")
    prefix = tmp_path_factory.mktemp("wine") / "prefix"
    environment = {**os.environ, "WINEPREFIX": str(prefix), "WINEARCH": "win32", "WINEDEBUG": "-all", "DISPLAY": "", "LC_ALL": "C.UTF-8"}

    def wine(*arguments, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 300, "env": environment, **options}
        return subprocess.run([WINE, *map(os.fsdecode, arguments)], **options)

    wine.environment, wine.windows = environment, request.param
    done = wine("reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", request.param, "/f")
    if done.returncode != 0:
        pytest.skip(
            "this wine does not run 32-bit programs; on Debian: dpkg --add-architecture i386 && apt update && apt install wine32:i386"
        )
    yield wine
    wine("wineboot", "--kill")


@pytest.fixture(scope="module")
def fable6c(wine):
    def run(*arguments, **options):
        return wine(PROGRAM, *arguments, **options)

    return run


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    return endless_file(tmp_path_factory.mktemp("endless"))


def native(*arguments, **options):
    """What the program for Linux writes."""
    if not NATIVE.exists():
        pytest.skip("build/fable6c-aot is not built: make aot")
    return subprocess.run([NATIVE, *arguments], stdout=subprocess.PIPE, check=True, **options).stdout


@pytest.mark.slow
class TestUnderWine:
    def test_the_same_bits_as_everywhere(self, fable6c):
        lines = fable6c(MODEL, "--selftest", "-p", "-", input=make_golden.TEXT.read_bytes()).stdout.decode().splitlines()
        assert lines[-1] == f"selftest {EXPECTED['all_digests']}" and len(lines) == EXPECTED["positions"] + 1

    @pytest.mark.parametrize("story", EXPECTED["stories"], ids=lambda story: str(story["sampling"]))
    def test_golden_stories(self, fable6c, story):
        done = fable6c(MODEL, "-p", EXPECTED["prompt"], "-n", str(make_golden.STORY_TOKENS), *flags(story["sampling"]))
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode("utf-8") == EXPECTED["prompt"] + story["text"] + "\n"

    def test_a_long_story(self, fable6c, endless):
        arguments = [endless, "-p", "The fox", "-n", "3000", "-t", "1"]
        done = fable6c(*arguments)
        assert done.returncode == 0 and len(done.stdout) > 3000
        assert done.stdout == native(*arguments)

    @pytest.mark.parametrize("arguments, words", USAGE[::3], ids=[words for _, words in USAGE[::3]])
    def test_usage_mistakes(self, fable6c, arguments, words):
        assert words in rejected(fable6c(*arguments), 2)

    @pytest.mark.parametrize("prompt", ["Käthe", "日本 🦊", 'she said "no"', "a\\", 'b\\"', "c d\\\\", "", "\ttab", "ÿ"])
    def test_any_prompt_is_an_argument(self, fable6c, wine, prompt):
        done = fable6c(MODEL, "-p", prompt, "-n", "9")
        if wine.windows == "win98":  # a command line has the characters of the code page only
            prompt = re.sub("[^\x00-\xff]", "?", prompt.replace("\U0001f98a", "??"))
        assert done.returncode == 0 and done.stdout.decode("utf-8").startswith(prompt)

    def test_prompt_from_standard_input(self, fable6c):
        text = "Käthe 日本 🦊 ".encode() + b"\xff\xfe"
        done = fable6c(MODEL, "-p", "-", "-n", "9", input=text)
        assert done.returncode == 0 and done.stdout.startswith(text)

    def test_chat_through_a_pipe(self, fable6c):
        done = fable6c(MODEL, "-n", "6", input=b"The fox\n\nran\nlast")
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == native(MODEL, "-n", "6", input=b"The fox\n\nran\nlast")

    @pytest.mark.parametrize("name", ["plain.f6c", "with spaces.f6c", "Märchen für Käthe.f6c"])
    def test_paths_as_explorer_gives_them(self, fable6c, tmp_path, name):
        """A model dragged onto the program: its whole path, with a drive's letter, is the argument."""
        folder = tmp_path / "My Documents"
        folder.mkdir()
        shutil.copy(MODEL, folder / name)
        story = fable6c(MODEL, "-p", "x", "-n", "5").stdout
        windows = "Z:" + str(folder / name).replace("/", "\\")
        for path, cwd in [(windows, None), (name, folder), (".\\" + name, folder), ("My Documents\\" + name, tmp_path)]:
            done = fable6c(path, "-p", "x", "-n", "5", cwd=cwd)
            assert (done.stdout, done.stderr) == (story, b""), path
        assert fable6c(windows, input=b"").returncode == 0  # without options: a chat

    def test_files_that_are_not_models(self, fable6c, tmp_path):
        def mistake(path):
            return rejected(fable6c(path, "-p", "x"), 1)

        assert mistake("C:\\none.f6c") == "C:\\none.f6c: cannot read the model (there is no such file); check the path"
        assert "there is no such file" in mistake("Q:\\none\\none.f6c")
        assert "it is a folder" in mistake("Z:" + str(tmp_path).replace("/", "\\"))
        assert "it is a folder" in mistake(".")
        page = tmp_path / "page.f6c"
        page.write_text("<!DOCTYPE html>")
        assert mistake(str(page)).endswith(ERRORS[2][1])

    @pytest.mark.parametrize("path", ATTACKS[::6], ids=lambda path: path.stem)
    def test_attacks_are_rejected_by_name(self, fable6c, path):
        messages = dict(ERRORS.values())
        before, _, after = messages[path.stem.split("-")[0]].partition("{}")
        found = rejected(fable6c(path, "-p", "x"), 1)
        assert found.startswith(f"{path}: {before}") and found.endswith(after)

    def test_a_reader_that_goes_away_ends_it_quietly(self, wine, endless):
        program = subprocess.Popen(
            [WINE, str(PROGRAM), endless, "-p", "x", "-n", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=wine.environment
        )
        program.stdout.read(10)
        program.stdout.close()
        assert program.wait(timeout=60) == 1
        assert program.stderr.read() == b""

    def test_bench(self, fable6c):
        lines = fable6c(MODEL, "--bench", "-n", "20").stdout.decode().splitlines()
        assert [line.split()[0] for line in lines] == ["load", "prompt", "story", "linear", "verified"]


# A console: wine draws it on a terminal


def converse(wine, arguments, steps, raw=True):
    """Run a command on a terminal; each step is (text to wait for, keys to type then). Returns what was drawn, without the
    terminal's control sequences, and the exit status. A text counts if it comes after the last keys."""
    pid, terminal = pty.fork()
    if pid == 0:
        if raw:
            tty.setraw(0)  # wine reads keys, not lines, and only while the program asks for some
        os.environ.update(wine.environment, TERM="xterm")
        os.execvp(WINE, [WINE, *map(str, arguments)])
    drawn, since, remaining, deadline = b"", 0, list(steps), time.monotonic() + 60
    while True:
        ready, _, _ = select.select([terminal], [], [], 1)
        if ready:
            try:
                more = os.read(terminal, 4096)
            except OSError:  # how Linux says that the other side is closed
                break
            if not more:
                break
            drawn += more
        shown = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", drawn[since:].decode("utf-8", "replace"))
        if remaining and remaining[0][0] in shown:
            since = len(drawn)
            os.write(terminal, remaining.pop(0)[1].encode())
        assert time.monotonic() < deadline, drawn[-500:].decode("utf-8", "replace")
    os.close(terminal)
    assert remaining == []
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", drawn.decode("utf-8", "replace")), status


CLOSE = ("Press Enter to close this window.", "\r")  # the console is the program's own


@pytest.mark.slow
class TestConsole:
    def test_a_chat(self, wine):
        shown, status = converse(
            wine, [PROGRAM, MODEL, "-n", "5"], [("Ctrl-D ends.", "The f\u00e4x\r"), ("\n>", "\r"), ("\n>", "\x04\r"), CLOSE]
        )
        assert status == 0 and "The f\u00e4x" in shown

    @pytest.mark.parametrize("page", [437, 850, 65001])
    def test_code_pages(self, wine, page, tmp_path):
        """The prompt has letters that both pages have, and one that neither has; the terminal shows UTF-8 whatever the page."""
        (tmp_path / "prompt.txt").write_bytes("K\u00e4the, caf\u00e9, \u65e5".encode())
        script = f"@chcp {page} >nul\r\n@{PROGRAM} {MODEL} -p - -n 5 <prompt.txt\r\n".replace("/", "\\")
        (tmp_path / "run.bat").write_bytes(script.encode())
        before = os.getcwd()
        os.chdir(tmp_path)
        try:
            shown, status = converse(wine, ["cmd", "/c", "run.bat"], [])
        finally:
            os.chdir(before)
        assert status == 0 and "K\u00e4the, caf\u00e9, " in shown

    def test_control_c(self, wine, endless):
        shown, status = converse(wine, [PROGRAM, endless, "-p", "The fox", "-n", "1000000"], [("The fox", "\x03")], raw=False)
        # At times wine itself fails when a program ends on another thread, and says so; the status is then its own.
        assert "\nstopped" in shown and (status == 130 or "wine client error" in shown), shown[-300:]

    def test_a_message_can_be_read(self, wine):
        """Started by a double click: the window stays until Enter."""
        shown, status = converse(wine, [PROGRAM, "none.f6c"], [CLOSE])
        assert status == 1 and "none.f6c: cannot read the model" in shown
