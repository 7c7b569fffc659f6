"""The WASI command in a runtime that is not ours (wasmtime, from PyPI): the same stories, messages and exit statuses."""

import json
import os
import pathlib
import re
import shutil

import pytest

import make_golden
from fable6c.model.file import encode_model, read_model
from fable6c.model.reference import Reference, generate
from fable6c.model.sampling import PENALTY, TOP_K, Sampler
from fable6c.model.tokenizer import Tokenizer
from story_models import ending_model

wasmtime = pytest.importorskip("wasmtime")

ROOT = pathlib.Path(__file__).parent.parent
COMMAND = ROOT / "asengine" / "build" / "fable6c-wasi.wasm"
HOST = ROOT / "asengine" / "host" / "fable6c.c"
LAYOUT = ROOT / "asengine" / "assembly" / "memory.ts"
EXPECTED = json.loads(make_golden.EXPECTED.read_text(encoding="utf-8"))

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="fable6c-wasi.wasm is not built: npm run asbuild")


@pytest.fixture(scope="module")
def compiled():
    engine = wasmtime.Engine()
    return engine, wasmtime.Module.from_file(engine, str(COMMAND))


@pytest.fixture
def run(compiled, tmp_path, monkeypatch):
    """run(*arguments, folders=…, text=…) in a folder that holds model.f6c gives (status, stdout, stderr)."""
    engine, module = compiled
    monkeypatch.chdir(tmp_path)
    shutil.copy(make_golden.MODEL, "model.f6c")

    def run(*arguments, folders=((".", "."),), text=b""):
        config = wasmtime.WasiConfig()
        config.argv = ["fable6c-wasi.wasm", *arguments]
        for host, guest in folders:
            config.preopen_dir(host, guest)
        pathlib.Path("stdin").write_bytes(text)
        config.stdin_file, config.stdout_file, config.stderr_file = "stdin", "stdout", "stderr"
        store = wasmtime.Store(engine)
        store.set_wasi(config)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        try:
            linker.instantiate(store, module).exports(store)["_start"](store)
            status = 0
        except wasmtime.ExitTrap as exit:
            status = exit.code
        return status, pathlib.Path("stdout").read_bytes(), pathlib.Path("stderr").read_bytes()

    return run


# The module


def test_it_imports_what_the_native_host_has_and_no_more(compiled):
    imported = [(item.module, item.name) for item in compiled[1].imports]
    table = re.findall(r'\{"(\w+)", "\w\([^)]*\)", \w+\}', HOST.read_text(encoding="utf-8"))
    assert sorted(imported) == sorted(("wasi_snapshot_preview1", name) for name in table)
    assert sorted(item.name for item in compiled[1].exports) == ["_start", "memory"]


def test_its_static_data_ends_before_the_engines_buffers(compiled):
    """The compiler puts messages and tables at the bottom of memory; memory.ts puts TEXT above them at a fixed address."""
    text = int(re.search(r"^export const TEXT: usize = (\d+);", LAYOUT.read_text(encoding="utf-8"), re.M).group(1))
    assert 0 < data_end(COMMAND.read_bytes()) <= text


def data_end(module):
    """The address after the last active data segment of a WebAssembly module."""

    def number(at):  # LEB128
        value, shift = 0, 0
        while True:
            byte = module[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return value, at

    at, end = 8, 0
    while at < len(module):
        section, at = number(at)
        size, at = number(at)
        following = at + size
        if section == 11:
            count, at = number(at)
            for _ in range(count):
                assert module[at : at + 2] == b"\x00\x41"  # memory 0, i32.const
                address, at = number(at + 2)
                assert module[at] == 0x0B  # end
                length, at = number(at + 1)
                end = max(end, address + length)
                at += length
        at = following
    return end


# Stories


@pytest.mark.parametrize("story", EXPECTED["stories"], ids=lambda story: str(story["sampling"]))
def test_golden_stories(run, story):
    names = {"temperature": "-t", "top_k": "-k", "top_p": "--top-p", "penalty": "--penalty", "seed": "-s"}
    flags = [text for key, value in {"top_k": 0, "seed": 1, **story["sampling"]}.items() for text in (names[key], str(value))]
    status, out, err = run("model.f6c", "-p", EXPECTED["prompt"], "-n", str(make_golden.STORY_TOKENS), *flags)
    assert (status, err) == (0, b"")
    assert out.decode("utf-8") == EXPECTED["prompt"] + story["text"] + "\n"


def test_selftest(run):
    status, out, _ = run("model.f6c", "--selftest", "-p", "-", text=make_golden.TEXT.read_bytes())
    assert status == 0 and out.decode().splitlines()[-1] == f"selftest {EXPECTED['all_digests']}"


@pytest.fixture(scope="module")
def tell():
    """tell(text, n, temperature) is what the reference tells: the bytes of each token. A text in parts is encoded part by part."""
    model = read_model(make_golden.MODEL)
    tokenizer, reference = Tokenizer(model.merges), Reference(model)

    def tell(*parts, n, temperature=0.8):
        prompt = [token for part in parts for token in (part if isinstance(part, list) else tokenizer.encode(part).tolist())]
        return list(generate(reference, prompt, n, Sampler(temperature, TOP_K, penalty=PENALTY)))

    return tell


def shown(tokens):
    return b"".join(text for _, text in tokens).decode("utf-8", "replace").encode("utf-8")


@pytest.mark.long
@pytest.mark.parametrize("size", [65535, 65536, 65537, 140000])
def test_a_long_prompt_is_read_in_parts_to_the_same_tokens(run, tell, size):
    text = (b"The happy afternoon was good, and everything was named Sorrel. " * 3000)[:size]
    status, out, err = run("model.f6c", "-p", "-", "-n", "20", text=text)
    assert (status, err) == (0, b"")
    assert out == text + shown(tell(text, n=20)) + b"\n"
    if size < 100000:
        assert run("model.f6c", "-p", text.decode(), "-n", "20") == (0, out, b"")


def test_a_word_that_is_too_long(run):
    status, out, err = run("model.f6c", "-p", "-", text=b"x" * 70000)
    assert (status, out) == (1, b"")
    assert err == b"fable6c: the text has 65536 bytes without a space, too long a word; shorten it\n"


def test_a_command_line_that_is_too_long(run):
    status, _, err = run("model.f6c", "-p", "word " * 60000)
    assert status == 2 and b"give the prompt on standard input, with -p -" in err


def test_an_empty_prompt_is_a_story_from_nothing(run, tell):
    assert run("model.f6c", "-p", "", "-n", "9") == (0, shown(tell("", n=9)) + b"\n", b"")


def test_chat_is_one_story(run, tell):
    """What -p would tell in eight tokens, four for the line and four for the empty line; a space in front of a line is not shown."""
    tokens = tell("The fox", n=8, temperature=0)
    first, second = (shown(half).removeprefix(b" ") for half in (tokens[:4], tokens[4:]))
    out = run("model.f6c", "-n", "4", "-t", "0", text=b"The fox\n\n")
    assert out == (0, b"> " + first + b"\n> " + second + b"\n> \n", b"")


def test_what_a_person_adds_is_a_new_word(run, tell):
    told = tell("The fox", n=1, temperature=0)
    assert told[0][1][-1:] not in (b" ", b"\n")
    more = tell("The fox", [told[0][0]], " ran", n=1, temperature=0)
    for line in (b"ran", b" ran"):
        out = run("model.f6c", "-n", "1", "-t", "0", text=b"The fox\n" + line + b"\n")[1]
        assert out == b"> " + shown(told).removeprefix(b" ") + b"\n> " + shown(more).removeprefix(b" ") + b"\n> \n"


def test_a_model_that_ends_its_stories(run):
    pathlib.Path("ends.f6c").write_bytes(encode_model(ending_model()))
    assert run("ends.f6c", "-t", "0", "-p", "abc") == (0, b"abc\n", b"")
    assert run("ends.f6c", "-t", "0", "-p", "") == (0, b"\n", b"")
    assert run("ends.f6c", "-t", "0", text=b"abc\n\nabc\n") == (0, b"> \n> \n> \n> \n", b"")
    status, out, _ = run("ends.f6c", "-t", "0", "--bench", "-n", "3")
    assert status == 0 and out.count(b"\n") == 5


# Mistakes


def test_usage_and_help(run):
    assert run()[0] == 2
    status, out, err = run("model.f6c", "--temp", "1")
    assert (status, out) == (2, b"") and err.startswith(b"fable6c: unknown option --temp;") and err.count(b"\n") == 1
    status, out, err = run("--help")
    assert (status, err) == (0, b"") and out.startswith(b"Tell stories")


def test_folders_of_the_runtime(run, tmp_path):
    """A path is looked for in the preopened folder whose name it begins with, the longest one, as wasi-libc does."""
    os.makedirs("a/b")
    shutil.copy("model.f6c", "a/b/m.f6c")
    here = str(tmp_path)
    found = [
        ("model.f6c", [(".", ".")]),
        ("./model.f6c", [(".", ".")]),
        (".//./model.f6c", [(".", "./")]),
        ("model.f6c", [(".", "")]),
        ("a/b/m.f6c", [(".", ".")]),
        ("a/b/m.f6c", [("a", "a")]),
        ("a/b/m.f6c", [("a/b", "a/b/")]),
        ("a/b/m.f6c", [(".", "."), ("a/b", "a/b")]),
        ("/m/model.f6c", [(".", "/m")]),
        ("/model.f6c", [(".", "/")]),
        (f"{here}/model.f6c", [(here, here)]),
        (f"{here}/a/b/m.f6c", [(here, here), ("/", "/")]),
        ("x/m.f6c", [("a", "."), ("a/b", "x")]),
        ("x/m.f6c", [("a/b", "x"), ("a", "./")]),
    ]
    story = run("model.f6c", "-p", "x", "-n", "3")[1]
    for path, folders in found:
        assert run(path, "-p", "x", "-n", "3", folders=folders) == (0, story, b""), (path, folders)

    outside = b"cannot read the model (it is outside the folders that the runtime was given, as by --dir)"
    for path, folders in [
        ("model.f6c", []),
        ("model.f6c", [(".", "/")]),
        ("/model.f6c", [(".", ".")]),
        ("ab/m.f6c", [("a", "a")]),
        ("../x", [(".", ".")]),
    ]:
        status, out, err = run(path, "-p", "x", folders=folders)
        assert (status, out) == (1, b"") and outside in err, (path, folders, err)


def test_files_that_are_not_models(run):
    os.mkdir("folder")
    for path in ("folder", ".", ""):
        assert b"cannot read the model (it is a folder); check the path" in run(path)[2]
    assert run("missing.f6c") == (1, b"", b"fable6c: missing.f6c: cannot read the model (there is no such file); check the path\n")
    pathlib.Path("empty.f6c").touch()
    assert b"empty.f6c: the file has 0 bytes" in run("empty.f6c")[2]
