"""build/scout, the scout in C alone: the same bits as Python's, for every kind of input; it resumes, and it refuses in one line."""

import json
import os
import pathlib
import pty
import subprocess
import sys

import numpy as np
import pytest
import zstandard

from fable6c.data.bpe import train_tokenizer
from fable6c.data.text import read_documents, read_pieces
from fable6c.mixing.reading import evaluate, generate, train
from fable6c.mixing.scout import SAVED, Scout
from fable6c.model.sampling import Sampler
from fable6c.model.tokenizer import Tokenizer
from scout_stories import stories

PROGRAM = str(pathlib.Path(__file__).parent.parent / "build" / "scout")
MEMORY = 160 << 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="build/scout is a program for Linux")


def program(*arguments, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, **options)


def same(first, second):
    """Whether two scouts hold the same."""
    assert first.tokenizer == second.tokenizer
    return [name for name in SAVED if not np.array_equal(first.arrays[name], second.arrays[name])] == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text with all that the rules of reading are about, its tokenizer, and the scout that the program makes of it."""
    folder = tmp_path_factory.mktemp("program")
    marks = ["\n<|endoftext|>\n", " \t<|endoftext|>  ", "\r\n\r\n", "\n\n\n"]
    text = "".join(story + marks[i % 4] for i, story in enumerate(stories(300))) + "Naïve caf\u00e9s — 東京, don't 1984!\tEnd"
    (folder / "text.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    train_tokenizer(read_pieces([str(folder / "text.txt")]), 340, progress=False).save(str(folder / "t.f6t"))
    done = program(*command(folder, "text.txt", "a.scout"))
    assert done.returncode == 0, done.stderr
    return folder


def command(folder, text, output, tier="normal"):
    source = text if text == "-" else folder / text
    return ["train", source, "-o", folder / output, "--tokenizer", folder / "t.f6t", "--memory", "160M", "--tier", tier]


def test_it_learns_the_same_bits_as_python(folder):
    tokenizer = Tokenizer.load(str(folder / "t.f6t"))
    for tier in ("fast", "normal"):
        assert program(*command(folder, "text.txt", "b.scout", tier), "--threads", "1").returncode == 0
        expected, _ = train(read_pieces([str(folder / "text.txt")]), tier, MEMORY, 1, tokenizer, progress=False)
        assert same(Scout.load(str(folder / "b.scout"), 1), expected)


def test_the_static_program_is_small(folder):
    """With a musl compiler it is static, for all processors of its kind, and at most 300 KB."""
    content = pathlib.Path(PROGRAM).read_bytes()
    if b"ld-linux" in content:
        pytest.skip("this compiler links the C library dynamically")
    assert len(content) <= 300_000


def test_it_learns_the_same_tokenizer_as_python(folder, tmp_path):
    """On text with many different words, so that 4,096 tokens come of it."""
    draw = np.random.default_rng(1)
    words = ["".join(map(chr, draw.integers(97, 123, draw.integers(2, 9)))) for _ in range(4000)]
    text = tmp_path / "words.txt"
    text.write_text("".join(" ".join(words[i] for i in draw.zipf(1.2, 60) % 4000) + ".\n" for _ in range(1500)))
    done = program("train", text, "-o", tmp_path / "c.scout", "--tier", "fast", "--memory", "160M")
    assert done.returncode == 0, done.stderr
    expected, figures = train(read_pieces([str(text)]), "fast", MEMORY, 1, progress=False)
    assert same(Scout.load(str(tmp_path / "c.scout"), 1), expected)
    assert f"{figures['characters']} characters ({figures['tokens']} tokens)" in done.stdout.decode()


def test_zstd_and_standard_input_and_threads_give_the_same_file(folder):
    expected, text = (folder / "a.scout").read_bytes(), (folder / "text.txt").read_bytes()
    for level in (1, 3, 19):
        packed = zstandard.ZstdCompressor(level=level, write_checksum=True).compress(text)
        half = zstandard.ZstdCompressor(level=level).compress(text[:10_000]) + zstandard.ZstdCompressor().compress(text[10_000:])
        for content in (packed, half):
            (folder / "text.txt.zst").write_bytes(content)
            assert program(*command(folder, "text.txt.zst", "b.scout")).returncode == 0
            assert (folder / "b.scout").read_bytes() == expected
    for piped in (text, packed):
        assert program(*command(folder, "-", "b.scout"), "--threads", "3", input=piped).returncode == 0
        assert (folder / "b.scout").read_bytes() == expected


def test_a_damaged_zstd_is_refused(folder):
    packed = zstandard.ZstdCompressor(write_checksum=True).compress((folder / "text.txt").read_bytes())
    for place in range(0, len(packed), len(packed) // 40):
        for content in (packed[:place], packed[:place] + bytes([packed[place] ^ 0x20]) + packed[place + 1 :]):
            (folder / "bad.txt.zst").write_bytes(content)
            done = program(*command(folder, "bad.txt.zst", "b.scout", "fast"), timeout=60)
            assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"bad.txt.zst: " in done.stderr, (place, done)


def test_it_reads_what_python_wrote_and_scores_the_same(folder):
    python = Scout.load(str(folder / "a.scout"), 1)
    python.save(str(folder / "python.scout"))
    for name in ("a.scout", "python.scout"):
        for frozen in ([], ["--frozen"]):
            done = program("evaluate", folder / name, "--text", folder / "text.txt", "--json", *frozen)
            expected = evaluate(
                Scout.load(str(folder / name), 1), read_documents([str(folder / "text.txt")]), None, not frozen, progress=False
            )
            found = json.loads(done.stdout)
            assert found["tokens"] == expected["tokens"] and found["chars"] == expected["chars"]
            assert found["bits_per_char"] == pytest.approx(expected["bits_per_char"], rel=1e-12)


@pytest.mark.parametrize("temperature", [0, 0.8, 1.5])
def test_it_writes_the_same_story(folder, temperature):
    scout, prompt = Scout.load(str(folder / "a.scout"), 1), "Once upon a time"
    told = b"".join(generate(scout, scout.tokenizer.encode(prompt).tolist(), 60, Sampler(temperature, seed=7)))
    done = program("generate", folder / "a.scout", "-p", prompt, "-n", 60, "-t", temperature, "-s", 7)
    assert done.stdout.decode() == prompt + told.decode("utf-8", "replace") + "\n"


def test_chat(folder):
    done = program("chat", folder / "a.scout", "-n", 40, "-t", 0, input=b"Once upon a time\n\n")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0 and len(lines) == 2 and lines[0].startswith(" there was a child named ")


def test_a_terminal_is_not_driven(folder, tmp_path):
    """The scout learned escape sequences by heart; a pipe gets them, a terminal does not."""
    text = tmp_path / "escapes.txt"
    text.write_text("One \x1b[31m two \u202e three \x07 four.\n" * 400)
    train_tokenizer([text.read_text()], 270, progress=False).save(str(tmp_path / "t.f6t"))
    assert program(*command(tmp_path, "escapes.txt", "s.scout", "fast")).returncode == 0
    words = [PROGRAM, "generate", str(tmp_path / "s.scout"), "-t", "0", "-n", "60"]
    assert b"\x1b" in subprocess.run(words, capture_output=True).stdout
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=theirs, stdin=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the program's end
                break
    os.close(ours)
    assert process.returncode == 0 and "\ufffd".encode() in shown
    assert b"\x1b" not in shown and b"\x07" not in shown and "\u202e".encode() not in shown


def test_bad_input_is_one_line(folder, tmp_path):
    latin, empty, short, binary, fifo = (tmp_path / name for name in ("latin.txt", "empty.txt", "short.txt", "binary.txt", "fifo"))
    latin.write_bytes(b"caf\xe9 au lait")
    empty.write_bytes(b"\n \n<|endoftext|>\n")
    short.write_text("A cat sat.")
    binary.write_bytes(b"A\0B")
    os.mkfifo(fifo)
    (tmp_path / "a.jsonl").write_text('{"text": "A cat."}\n')
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b\x08\0")
    (tmp_path / "a.txt.zst").write_bytes(b"A cat sat on the mat.")
    out, scout, text, tokenizer = tmp_path / "out.scout", folder / "a.scout", folder / "text.txt", folder / "t.f6t"
    for status, words, *arguments in [
        (1, "there is no such file", "train", tmp_path / "absent.txt", "-o", out),
        (1, "is a folder", "train", tmp_path, "-o", out),
        (1, "is a pipe or a device", "train", fifo, "-o", out),
        (1, "byte e9 at offset 3 is not UTF-8 (invalid continuation byte)", "train", latin, "-o", out),
        (1, "byte 00 at offset 1", "train", binary, "-o", out),
        (1, "holds no text (17 bytes", "train", empty, "-o", out),
        (1, "is JSON", "train", tmp_path / "a.jsonl", "-o", out),
        (1, "is a gzip file", "train", tmp_path / "a.gz", "-o", out),
        (1, "cannot be unpacked", "train", tmp_path / "a.txt.zst", "-o", out),
        (1, "too short", "train", short, "-o", out, "--tokenizer", tokenizer),
        (1, "too small for a vocabulary", "train", short, "-o", out),
        (1, "are too little", "train", text, "-o", out, "--tokenizer", tokenizer, "--memory", "64M"),
        (1, "MiB are free", "train", text, "-o", out, "--tokenizer", tokenizer, "--memory", "99999G"),
        (1, "is not a tokenizer", "train", text, "-o", out, "--tokenizer", text),
        (1, "cannot be written", "train", text, "-o", tmp_path / "no" / "out.scout", "--tokenizer", tokenizer),
        (1, "which is read for it", "train", text, "-o", text, "--tokenizer", tokenizer),
        (1, "which is read for it", "train", text, "-o", tokenizer, "--tokenizer", tokenizer),
        (1, "is not a scout", "evaluate", text, "--text", text),
        (1, "cannot be read", "evaluate", tmp_path / "absent.scout", "--text", text),
        (1, "is not UTF-8", "evaluate", scout, "--text", latin),
        (2, "give a size like 256M", "train", text, "-o", out, "--memory", "lots"),
        (2, "choose fast, normal or deep", "train", text, "-o", out, "--tier", "quick"),
        (2, "--chars: '0'", "evaluate", scout, "--text", text, "--chars", "0"),
        (2, "whole number from 1", "generate", scout, "-n", "0"),
        (2, "-t: give 0", "generate", scout, "-t", "0.001"),
        (2, "give a number from 0 to 100", "generate", scout, "-t", "."),
        (2, "--prune is not an option", "evaluate", scout, "--prune", "4M"),
        (2, "a value is missing", "generate", scout, "-n"),
        (2, "give a text", "train", "-o", out),
        (2, "give -o FILE", "train", text),
        (2, "give --text FILE", "evaluate", scout),
        (2, "give one SCOUT", "generate"),
        (2, "train, evaluate, generate, chat, ask"),
        (2, "train, evaluate, generate, chat, ask", "teach"),
    ]:  # fmt: skip
        done = program(*arguments, timeout=60)
        error = done.stderr.decode()
        assert done.returncode == status and done.stdout == b"" and error.count("\n") == 1 and words in error, (arguments, done)
    assert not out.exists() and os.listdir(tmp_path).count("out.scout.part") == 0


def test_a_damaged_scout_is_refused(folder):
    data = (folder / "a.scout").read_bytes()
    for place in [0, 9, 12, 20, 60, len(data) // 3, len(data) - 3]:
        for content in (data[:place], data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :]):
            (folder / "damaged.scout").write_bytes(content)
            done = program("evaluate", folder / "damaged.scout", "--text", folder / "text.txt")
            assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"damaged.scout: " in done.stderr, (place, done.stderr)


@pytest.mark.parametrize(
    "name, index, value", [("ring", 5, 60000), ("mixers", 3, np.nan), ("streams", 256, 70000), ("position", 0, -1), ("code", 1, 0)]
)
def test_a_scout_that_would_lead_out_of_the_arrays_is_refused(folder, name, index, value):
    scout = Scout.load(str(folder / "a.scout"), 1)
    scout.arrays[name][index] = value
    scout.save(str(folder / "crafted.scout"))
    done = program("evaluate", folder / "crafted.scout", "--text", folder / "text.txt")
    assert done.returncode == 1 and b"is damaged" in done.stderr


def test_help_names_every_option():
    help_text = program("--help").stdout.decode()
    source = (pathlib.Path(__file__).parent.parent / "fable6c" / "_scout_main.c").read_text()
    table = source[source.index("} options[] = ") :].split(";", 1)[0]
    for option in [word for word in table.split('"') if word.startswith("-")]:
        assert option == "--output" or option in help_text, option


@pytest.mark.slow
def test_it_resumes_where_it_was_stopped(folder, tmp_path):
    """The second text breaks the first command off after megabytes were saved. Mended, the same command ends with the same bits."""
    (tmp_path / "t.f6t").write_bytes((folder / "t.f6t").read_bytes())
    (tmp_path / "long.txt").write_text("\n".join(stories(30_000)))
    (tmp_path / "other.txt").write_bytes(b"caf\xe9")
    words = [*command(tmp_path, "long.txt", "a.scout", "fast"), tmp_path / "other.txt"]
    done = program(*words, "--save", "0")
    assert done.returncode == 1 and b"is not UTF-8" in done.stderr
    assert (tmp_path / "a.scout.part").exists() and not (tmp_path / "a.scout").exists()
    (tmp_path / "other.txt").write_text("\n".join(stories(300, seed=2)))
    broken = tmp_path / "changed.txt"
    broken.write_text("Changed. " + (tmp_path / "long.txt").read_text())
    changed = program(*[broken if word == tmp_path / "long.txt" else word for word in words])
    assert changed.returncode == 1 and b"was made from another text" in changed.stderr
    assert program(*words[:-2], "normal", words[-1]).returncode == 1  # another tier
    done = program(*words)
    assert done.returncode == 0 and b"resuming after " in done.stderr and not (tmp_path / "a.scout.part").exists()
    program(*[tmp_path / "b.scout" if word == tmp_path / "a.scout" else word for word in words])
    assert (tmp_path / "a.scout").read_bytes() == (tmp_path / "b.scout").read_bytes()


MEASURE = """
import resource, subprocess, sys
print(subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.slow
def test_the_memory_cap_is_a_hard_one(tmp_path):
    draw = np.random.default_rng(1)
    words = ["".join(map(chr, draw.integers(97, 113, draw.integers(2, 10)))) for _ in range(20_000)]
    with open(tmp_path / "text.txt", "w") as file:  # nothing repeats, so that every table fills up
        file.writelines(" ".join(words[i] for i in draw.integers(0, 20_000, 200)) + ".\n" for _ in range(1_000))
    for tier in ("fast", "normal"):
        # By a small process between: a child's figure begins with what its parent had before the fork.
        command = [PROGRAM, "train", tmp_path / "text.txt", "-o", tmp_path / "a.scout", "--memory", "192M", "--tier", tier]
        done = subprocess.run([sys.executable, "-c", MEASURE, *map(str, command)], stdout=subprocess.PIPE, text=True, check=True)
        status, kilobytes = map(int, done.stdout.splitlines()[-1].split())
        assert status == 0 and 1 << 14 < kilobytes <= 192 << 10
