"""fable6c/engine.py and `python -m fable6c.generate`. What the engine computes is tested in tests/test_same_bits.py."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import make_golden
from fable6c import engine as engine_module
from fable6c import generate
from fable6c.engine import Engine, EngineError, EngineMissing, module_bytes, split
from fable6c.errors import UserError
from fable6c.model.file import encode_model, read_model, write_model
from fable6c.model.reference import Reference
from fable6c.model.tokenizer import MAX_PIECE_BYTES
from story_models import ending_model, endless_model
from tiny_models import tiny_model

ROOT = pathlib.Path(__file__).parent.parent
PROGRAM = ROOT / "build" / "fable6c"
MODEL = str(make_golden.MODEL)
EXPECTED = json.loads(make_golden.EXPECTED.read_text(encoding="utf-8"))

try:
    Engine()
except EngineMissing as error:
    pytest.skip(str(error), allow_module_level=True)


@pytest.fixture(scope="module")
def shared():
    return Engine(MODEL)


@pytest.fixture
def engine(shared):
    """The golden model at the start of everything, with the documented settings."""
    shared.load(MODEL)
    shared.sampling()
    shared.seed(1)
    return shared


def told(engine, prompt, n):
    return "".join(engine.generate(prompt, n))


def shell(*arguments, **options):
    command = [sys.executable, "-m", "fable6c.generate", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, **options)


# Engine


def test_a_model_by_path_and_by_bytes(engine):
    story = told(engine, "The fox", 20)
    for model in (make_golden.MODEL.read_bytes(), make_golden.MODEL):
        engine.load(model)
        engine.seed(1)
        assert told(engine, "The fox", 20) == story
    assert json.loads(engine.card) == read_model(MODEL).card


def test_models_one_after_another(engine):
    """Loading a larger model moves the memory; the golden one works as before afterwards."""
    story = told(engine, "The fox", 20)
    engine.load(encode_model(tiny_model(dim=64, hidden=128, vocab=9000)))
    engine.feed("abc")
    assert engine.logits().shape == (9000,)
    engine.load(MODEL)
    engine.seed(1)
    assert told(engine, "The fox", 20) == story


def test_logits_are_a_copy_of_the_references(engine):
    engine.feed("The fox")
    tokens = [read_model(MODEL).dimensions.end_mark, *engine.encode("The fox")]
    engine.feed("The fox")
    logits = engine.logits()
    expected, _ = Reference(read_model(MODEL)).forward(np.array([tokens]))
    assert logits.dtype == np.float32 and logits.tobytes() == expected[0, -1].tobytes()
    engine.feed(" ran")
    assert logits.tobytes() == expected[0, -1].tobytes()


def test_text_continues_until_reset(engine):
    whole = told(engine, "The fox ran", 20)
    engine.reset()
    engine.seed(1)
    engine.feed("The fox")
    assert told(engine, " ran", 20) == whole
    engine.seed(1)
    assert told(engine, "The fox ran", 20) != whole


def test_seeds_beyond_31_bits(engine):
    stories = []
    for seed in (0, 1, 2**31, 2**32 - 1):
        engine.reset()
        engine.seed(seed)
        stories.append(told(engine, "The fox", 20))
    assert len(set(stories)) == 4


def test_the_end_of_a_story_and_the_next_one(shared):
    shared.load(encode_model(ending_model()))
    shared.sampling(temperature=0)
    assert list(shared.generate("abc", 5)) == []
    assert shared.logits().argmax() == 299
    assert list(shared.generate("", 5)) == []
    assert shared.step() == ""  # reads the end mark that begins the next story
    assert shared.step() is None


def test_pieces_are_whole_characters(shared):
    shared.load(encode_model(endless_model()))
    shared.sampling()
    pieces = list(shared.generate("The fox", 300))
    assert 100 < len(pieces) <= 301 and all(pieces)
    assert "\ufffd" in "".join(pieces)  # the model is random: it makes impossible bytes too


@pytest.mark.parametrize("text", [b"\xff\xfe\xf0\x9f", "日本 🦊", "\udcff", "", "x\0y"])
def test_any_text_is_read(engine, text):
    engine.feed(text)
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    logits = engine.logits()
    engine.reset()
    engine.feed(data)
    assert engine.logits().tobytes() == logits.tobytes()


def test_a_long_text_is_cut_before_a_space():
    for size in (10, 11, 13, 25):
        text, parts = b"aaa bb cccccc  dd e", []
        rest = text
        while rest:
            part, rest = split(rest, size)
            assert 0 < len(part) <= size and (not rest or rest.startswith(b" "))
            parts.append(part)
        assert b"".join(parts) == text
    # A word longer than any piece is cut where docs/tokenizer.md cuts it.
    assert split(b"x" * (MAX_PIECE_BYTES + 5), MAX_PIECE_BYTES) == (b"x" * MAX_PIECE_BYTES, b"xxxxx")


def test_a_text_of_more_than_one_part(engine, monkeypatch):
    text = "The happy afternoon was good,  and everything was named Sorrel. " * 3
    engine.feed(text)
    whole = engine.logits()
    engine.reset()
    parts = []
    monkeypatch.setattr(engine_module, "split", lambda text, size: parts.append(text) or split(text, 13))
    engine.feed(text)
    assert len(parts) > 10 and engine.logits().tobytes() == whole.tobytes()


def test_mistakes(engine, tmp_path):
    with pytest.raises(UserError, match="missing.f6c: cannot read the model"):
        engine.load(tmp_path / "missing.f6c")
    bad = tmp_path / "bad.f6c"
    bad.write_bytes(b"<html>")
    with pytest.raises(EngineError, match="bad.f6c: .*web page") as caught:
        engine.load(bad)
    assert caught.value.code == 2
    for call in (lambda: engine.feed("x"), engine.step, engine.reset, engine.generate("x").__next__):
        with pytest.raises(EngineError, match="no model is loaded"):
            call()
    engine.load(MODEL)
    for settings in (dict(temperature=-1), dict(temperature=float("nan")), dict(top_p=0), dict(penalty=11)):
        with pytest.raises(EngineError, match="out of range"):
            engine.sampling(**settings)
    with pytest.raises(UserError, match="feed some text first"):
        engine.logits()
    with pytest.raises(EngineError, match="no token 65535"):
        engine.run(65535)


def test_a_checkout_without_the_module(monkeypatch):
    monkeypatch.setattr(engine_module, "MODULE", "absent.wasm")
    with pytest.raises(EngineMissing, match="make wasm"):
        Engine()


def test_without_an_engine_the_reference_tells_the_story_and_says_so(capfdbinary, monkeypatch):
    generate.main([MODEL, "-p", "The fox", "-n", "9"])
    by_engine = capfdbinary.readouterr()
    assert by_engine.err == b"told by wasm3\n"
    monkeypatch.setattr(engine_module, "MODULE", "absent.wasm")
    generate.main([MODEL, "-p", "The fox", "-n", "9"])
    by_reference = capfdbinary.readouterr()
    assert by_reference.out == by_engine.out
    assert by_reference.err.startswith(b"told by the NumPy reference: the engine is not built") and by_reference.err.count(b"\n") == 1
    with pytest.raises(EngineMissing):
        generate.main([MODEL, "-p", "The fox", "-n", "9", "--runtime", "wasm3"])


@pytest.mark.long
def test_instances_are_freed():
    """A page of memory is 64 KiB: a hundred engines that stayed would be seen."""
    resource = pytest.importorskip("resource")
    Engine(MODEL)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(100):
        Engine(MODEL)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB; kept, they would be over 100,000


@pytest.mark.long
def test_one_engine_in_many_threads(engine):
    """C calls let other threads run: the lock keeps each from memory that another one moves."""

    def work(_):
        for _ in range(20):
            try:
                engine.load(MODEL)
                engine.feed("The fox")
                engine.step()
            except UserError:
                pass  # another thread has begun to load

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    engine.load(MODEL)
    engine.seed(1)
    assert told(engine, EXPECTED["prompt"], 5)


def test_a_wrong_call_and_a_trap_are_no_crash():
    instance = engine_module.Instance(module_bytes())
    with pytest.raises(TypeError, match="seed: expected 1 arguments, got 2"):
        instance.call("seed", 1, 2)
    with pytest.raises(UserError, match="the wasm3 interpreter stopped .*function lookup failed"):
        instance.call("absent")
    with pytest.raises(UserError, match="the wasm3 interpreter stopped"):
        engine_module.Instance(b"not a module")


# generate


@pytest.mark.parametrize("runtime", ["wasm3", "reference"])
@pytest.mark.parametrize("story", EXPECTED["stories"], ids=lambda story: str(story["sampling"]))
def test_golden_stories(capfdbinary, runtime, story):
    names = {"temperature": "-t", "top_k": "-k", "top_p": "--top-p", "penalty": "--penalty", "seed": "-s"}
    flags = [text for key, value in {"top_k": 0, "seed": 1, **story["sampling"]}.items() for text in (names[key], str(value))]
    generate.main([MODEL, "-p", EXPECTED["prompt"], "-n", str(make_golden.STORY_TOKENS), *flags, "--runtime", runtime])
    assert capfdbinary.readouterr().out.decode("utf-8") == EXPECTED["prompt"] + story["text"] + "\n"


@pytest.mark.skipif(not PROGRAM.exists(), reason="build/fable6c is not built: make native")
@pytest.mark.parametrize("options", [[], ["-p", ""], ["-t", "1.3", "-s", "7"], ["-n", "9", "--top-p", "0.5"]], ids=str)
def test_the_defaults_are_those_of_the_native_program(capfdbinary, options):
    prompt = [] if "-p" in options else ["-p", "The fox"]
    native = subprocess.run([str(PROGRAM), MODEL, *prompt, *options], stdout=subprocess.PIPE, check=True).stdout
    for runtime in ("wasm3", "reference"):
        generate.main([MODEL, *prompt, *options, "--runtime", runtime])
        assert capfdbinary.readouterr().out == native


def test_a_prompt_of_bytes_and_from_standard_input():
    argument = shell(MODEL, "-n", "9", "-p", os.fsdecode(b"\xff\xf0\x9f fox"))
    assert argument.returncode == 0 and argument.stdout.startswith(b"\xff\xf0\x9f fox")
    assert shell(MODEL, "-n", "9", "-p", "-", input=b"\xff\xf0\x9f fox").stdout == argument.stdout


def test_a_terminal_without_utf8():
    plain = shell(MODEL, "-p", "日本", "-n", "9").stdout
    assert shell(MODEL, "-p", "日本", "-n", "9", env={**os.environ, "PYTHONIOENCODING": "ascii"}).stdout == plain


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "MODEL"),
        ([MODEL, "-n", "0"], "'0': give a whole number from 1 to 1000000"),
        ([MODEL, "-n", "many"], "'many': give a whole number"),
        ([MODEL, "-k", "65537"], "from 0 to 65536"),
        ([MODEL, "-s", "4294967296"], "from 0 to 4294967295"),
        ([MODEL, "-t", "0.009"], "'0.009': give 0, or a number from 0.01 to 100"),
        ([MODEL, "-t", "nan"], "'nan': give 0, or a number"),
        ([MODEL, "--top-p", "0"], "to 1"),
        ([MODEL, "--penalty", "11"], "from 0 to 10"),
        ([MODEL, "--temperature", "1"], "--temperature"),
        ([MODEL, "--runtime", "node"], "wasm3"),
    ],
    ids=str,
)
def test_usage_mistakes(arguments, words):
    with pytest.raises(UserError) as caught:
        generate.main(arguments)
    assert caught.value.status == 2 and words in str(caught.value) and "\n" not in str(caught.value)


def test_as_a_process():
    done = shell("missing.f6c", "-p", "x")
    assert (done.returncode, done.stdout) == (1, b"") and done.stderr.count(b"\n") == 1 and b"missing.f6c" in done.stderr
    assert shell("--help").returncode == 0
    piped = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m fable6c.generate "{MODEL}" -p x -n 100000 | head -c 30'],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert len(piped.stdout) == 30 and piped.stderr == b"told by wasm3\n"


def test_a_story_streams(tmp_path):
    write_model(tmp_path / "endless.f6c", endless_model())
    arguments = [str(tmp_path / "endless.f6c"), "-p", "x", "-n", "100000"]
    program = subprocess.Popen([sys.executable, "-m", "fable6c.generate", *arguments], stdout=subprocess.PIPE, cwd=ROOT)
    first = os.read(program.stdout.fileno(), 100)
    assert first.startswith(b"x") and program.poll() is None
    program.kill()
    program.communicate()
