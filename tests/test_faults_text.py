"""What strangers' texts do to the commands: end marks, line ends, formats, floods, limits of memory, databases on odd disks."""

import gzip
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import zstandard

import make_golden
from fable6c import cli, generate, limits, native, progress
from fable6c.corpus import database, synth
from fable6c.corpus.clean import clean, read_records
from fable6c.corpus.filters import Settings
from fable6c.corpus.readers import PAGE_DEPTH, PageTooComplex, Raw, Unreadable, html_text, read
from fable6c.data import text as reading
from fable6c.data.formats import array_values
from fable6c.data.text import read_documents, read_pieces
from fable6c.errors import UserError
from fable6c.evaluation.bits import evaluate
from fable6c.files import locked
from fable6c.mixing.reading import _token_chunks
from fable6c.model.file import read_model
from fable6c.model.tokenizer import Tokenizer

MODEL = str(make_golden.MODEL)
ROOT = make_golden.MODEL.parent.parent.parent
MARK = "<|endoftext|>"
UNIX = pytest.mark.skipif(os.name == "nt", reason="limits, pipes and locks of Unix")
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS and OpenMP as on Linux")


@pytest.fixture(autouse=True)
def said_anew():
    progress.say_once.cache_clear()


def stories(count):
    made = synth.stories(4)
    return [next(made) for _ in range(count)]


def python(*arguments, **options):
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=300, **options)


# ---- end marks

MADE = stories(6)
FORMS = {
    "lf": "".join(f"{story}\n{MARK}\n" for story in MADE),
    "crlf": "".join(f"{story}\n{MARK}\n" for story in MADE).replace("\n", "\r\n"),
    "cr": "".join(f"{story}\n{MARK}\n" for story in MADE).replace("\n", "\r"),
    "blank after": "".join(f"{story}\n{MARK} \n" for story in MADE),
    "blanks around": "".join(f"{story}\n \t{MARK}\t \n\n" for story in MADE),
    "crlf, blanks": "".join(f"{story}\n{MARK}  \n" for story in MADE).replace("\n", "\r\n"),
    "no end": f"\n{MARK}\n".join(MADE),
    "inline": MARK.join(MADE),
    "inline, blanks": f" {MARK} ".join(MADE),
    "end of line": "".join(f"{story}{MARK}\n" for story in MADE),
    "start of line": "".join(f"{MARK}{story}\n" for story in MADE),
}
INLINE = {"inline": 5, "inline, blanks": 5, "end of line": 6, "start of line": 6}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_end_marks_and_line_ends_are_one_text(tmp_path, form, capsys, monkeypatch):
    path = tmp_path / "text.txt"
    path.write_bytes(FORMS[form].encode())
    for block in (7, 1 << 20):
        monkeypatch.setattr(reading, "BLOCK_BYTES", block)
        progress.say_once.cache_clear()
        assert list(read_documents([str(path)])) == MADE
        warned = capsys.readouterr().err
        assert warned.count("\n") == (form in INLINE)
        if form in INLINE:
            assert (
                warned
                == f"{path}: {INLINE[form]} of {FORMS[form].count(MARK)} end marks {MARK} are not alone on a line; each ends a document all the same\n"
            )
    progress.say_once.cache_clear()
    joined = "\n".join(reading.normalize(piece) for piece in read_pieces([str(path)]))
    assert reading.normalize(joined) == "\n".join(map(reading.normalize, MADE))
    assert capsys.readouterr().err == warned
    kept = [raw.content.decode().replace("\r\n", "\n").replace("\r", "\n").strip() for raw in read([str(path)], Settings())]
    assert kept == MADE
    assert capsys.readouterr().err.count("\n") == 0 if form not in INLINE else True


def test_a_form_changes_no_figure(tmp_path):
    """These forms of one text gave 1.107, 1.138, 1.538 and 1.468 bits once."""
    figures = set()
    for form, content in FORMS.items():
        path = tmp_path / "text.txt"
        path.write_bytes(content.encode())
        progress.say_once.cache_clear()
        result = evaluate(MODEL, read_documents([str(path)]), progress=False)
        figures.add((result["bits_per_char"], result["chars"], result["tokens"]))
    assert len(figures) == 1
    progress.say_once.cache_clear()
    (tmp_path / "text.jsonl").write_text("".join(json.dumps({"text": story}) + "\n" for story in MADE))
    result = evaluate(MODEL, read_documents([str(tmp_path / "text.jsonl")]), progress=False)
    assert figures == {(result["bits_per_char"], result["chars"], result["tokens"])}


def test_clean_gives_the_same_documents_for_every_form(tmp_path):
    found = []
    for form, content in FORMS.items():
        (tmp_path / "text.txt").write_bytes(content.encode())
        clean([str(tmp_path / "text.txt")], str(tmp_path / form), Settings(), "off", progress=False)
        found.append([record["text"] for record in read_records(str(tmp_path / form / "documents.jsonl.zst"))])
    assert found[0] and all(one == found[0] for one in found)


def test_train_says_how_many_documents(tmp_path):
    made = stories(400)
    (tmp_path / "text.txt").write_text(MARK.join(made))
    done = python(
        "-m", "fable6c.train", "--corpus", tmp_path / "text.txt", "--out", tmp_path / "run", "--tokens", 1000, "--config", tiny(tmp_path), "--threads", 1
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "text.txt: 400 documents, " in done.stdout
    assert done.stderr.count("399 of 399 end marks <|endoftext|> are not alone on a line") == 1


def tiny(folder):
    """A configuration that trains in a second."""
    path = folder / "tiny.toml"
    path.write_text("[model]\ndim = 32\nlayers = 1\nhidden = 32\nvocab = 300\ncontext = 32\n[train]\nbatch = 2\naccumulate = 1\n")
    return path


def test_a_long_document_is_read_in_parts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reading, "DOCUMENT_CHARACTERS", 100)
    text = "\n\n".join(f"Paragraph {n} is short." for n in range(30)) + "x" * 250
    (tmp_path / "text.txt").write_text(text)
    documents = list(read_documents([str(tmp_path / "text.txt")]))
    assert max(map(len, documents)) <= 100 and "".join(documents).replace("\n", "") == text.replace("\n", "")
    assert documents[0].endswith(" is short.") and capsys.readouterr().err.count("is read in parts") == 1


# ---- formats


def tiny_stories(entries):
    """As TinyStories ships data00.json."""
    return json.dumps(
        [{"story": story, "instruction": {"prompt:": "Write", "words": ["a"]}, "summary": "s", "source": "GPT-4"} for story in entries]
    )


@pytest.mark.parametrize("name", ["data00.json", "data00.json.zst"])
def test_the_array_of_tiny_stories(tmp_path, name, monkeypatch):
    content = tiny_stories([*MADE, f"One.{MARK}Two.\r\nThree."]).encode()
    path = tmp_path / name
    path.write_bytes(zstandard.compress(content) if name.endswith(".zst") else content)
    for block in (11, 1 << 20):
        monkeypatch.setattr(reading, "BLOCK_BYTES", block)
        assert list(read_documents([str(path)])) == [*MADE, "One.", "Two.\nThree."]
    found = list(read([str(path)], Settings()))
    assert [raw.content if isinstance(raw.content, str) else raw.content.decode() for raw in found] == [*MADE, "One.", "Two.\r\nThree."]
    assert [raw.place for raw in found] == [1, 2, 3, 4, 5, 6, 7, 7]


def test_arrays_are_read_one_entry_at_a_time():
    value = [{"text": "a\\u00e9]"}, 12, "x", [1, [2]], None, True, {}]
    text = json.dumps(value, indent=1)
    for size in (1, 2, 3, 1000):
        assert list(array_values(text[start : start + size] for start in range(0, len(text), size))) == value
    assert list(array_values(["[", "]"])) == [] == list(array_values([" [ ] "]))

    def endless():
        yield "["
        while True:
            yield '"x",'

    assert next(array_values(endless())) == "x"


@pytest.mark.parametrize(
    "content, says",
    [
        ('{"name": "x"}', "starts with '{', not with an array"),
        ('["a", "b"', "ends after entry 2"),
        ('["a" "b"]', "after entry 1"),
        ('["a"] x', "after entry 1"),
        ("", "ends early"),
        ('[{"title": "x"}]', "entry 1 has no text in a field `text` or `story`"),
        ('["\\ud800"]', "entry 1 has a lone surrogate"),
        ("[" * 5000, "is not a whole JSON array"),
        ('[{"text": "abc', "entry 1 is damaged, cut off or too long"),
    ],
)
def test_json_that_holds_no_texts_is_one_line(tmp_path, content, says):
    path = tmp_path / "data.json"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        list(read_documents([str(path)]))
    assert says in str(caught.value) and "\n" not in str(caught.value) and str(caught.value).startswith(str(path))


def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"words"))
    return out.getvalue()


def zipped(name="a.txt", content=b"words", method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr(name, content)
    return out.getvalue()


FOREIGN = {
    "a.txt.gz": (gzip.compress(b"words"), "a gzip file"),
    "a.tar": (tar(), "a tar archive"),
    "a.zip": (zipped(), "a zip archive"),
    "a.docx": (zipped("word/document.xml"), "a zip archive"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7-Zip archive"),
    "a.rar": (b"Rar!\x1a\x07\0", "a RAR archive"),
    "a.bz2": (b"BZh91AY", "a bzip2 file"),
    "a.xz": (b"\xfd7zXZ\0\0\4", "an xz file"),
    "a.pdf": (b"%PDF-1.4\n", "a PDF"),
    "a.csv": (b"text,label\nwords,1\n", "CSV, a table"),
    "a.tsv": (b"text\tlabel\n", "TSV, a table"),
    "a.csv.zst": (zstandard.compress(b"text,label\n"), "CSV, a table"),
    "zstd.txt": (zstandard.compress(b"words"), "a zstd file; give it a name that ends in .zst"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_formats_are_named(tmp_path, name):
    content, what = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    for reader in (read_documents, read_pieces):
        with pytest.raises(UserError) as caught:
            list(reader([str(tmp_path / name)]))
        assert str(caught.value).startswith(f"{tmp_path / name}: is {what}") and "\n" not in str(caught.value)
    if name not in ("a.txt.gz", "a.zip"):  # which `clean` reads
        (found,) = read([str(tmp_path / name)], Settings())
        assert isinstance(found, Unreadable) and found.reason.startswith(
            f"is {what.partition(',')[0].partition(';')[0]}, which is not read"
        )


def test_a_tar_in_gzip_is_named(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar()))
    (found,) = read([str(tmp_path / "a.tar.gz")], Settings())
    assert isinstance(found, Unreadable) and found.reason.startswith("is a tar archive")


# ---- floods


def rle_frame(byte, mebibytes, start=b""):
    """A zstd frame of blocks that repeat one byte: 128 KiB of text in four bytes."""
    blocks = [struct.pack("<I", len(start) << 3)[:3] + start] if start else []
    for left in range(8 * mebibytes - 1, -1, -1):
        blocks.append(struct.pack("<I", (left == 0) | 1 << 1 | (128 << 10) << 3)[:3] + byte)
    return b"\x28\xb5\x2f\xfd\x00\x38" + b"".join(blocks)


@pytest.mark.parametrize("byte", [b"a", b" ", b"\n"])
def test_output_bounds_each_step_of_unpacking(byte):
    frame = rle_frame(byte, 256, b"Once")
    assert len(frame) < 9000
    total, most = 0, 0
    for block in reading.zstd_blocks(io.BytesIO(frame)):
        total, most = total + len(block), max(most, len(block))
    assert total == (256 << 20) + 4 and most <= reading.BLOCK_BYTES


MEASURED = """
import resource, sys
from fable6c import cli
from importlib import import_module
def main(argv):
    import_module("fable6c." + sys.argv[1]).main(sys.argv[2:])
try:
    main(None)
except Exception as error:
    print(type(error).__name__, error, file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize(
    "command, max_mib",
    [
        ("tokenizer train {0} --vocab 270 -o {1}/t", 450),
        ("scout train {0} --tier fast --memory 256M --tokenizer " + MODEL + " -o {1}/s", 500),
        ("corpus.clean {0} -o {1}/clean", 450),
        ("train --corpus {0} --out {1}/run --tokens 100", 600),
    ],
)
def test_a_flood_takes_bounded_memory(tmp_path, command, max_mib):
    """17 KB that become 511 MiB."""
    (tmp_path / "flood.txt.zst").write_bytes(rle_frame(b"a", 511, b"Once upon a time.\n" * 50))
    words = command.format(tmp_path / "flood.txt.zst", tmp_path).split()
    if words[0] == "scout":
        (tmp_path / "flood.txt.zst").write_bytes(rle_frame(b"a", 40, b"".join(story.encode() + b"\n" for story in stories(20))))
    done = python("-c", MEASURED, *words)
    assert int(done.stdout.split()[-1]) < max_mib, done
    assert "MemoryError" not in done.stderr


def test_a_long_text_is_encoded_as_it_comes():
    """What `scout evaluate` reads, and does not keep."""
    tokenizer = Tokenizer(read_model(MODEL).merges)
    parts = ["\n" + story for story in stories(30)] + ["\tx\t", "\n\t", "\nno'", "\nspaces" * 9]
    chunks = list(_token_chunks(tokenizer, parts))
    assert np.concatenate(chunks).tolist() == tokenizer.encode("".join(parts)).tolist()


@LINUX
def test_too_little_memory_is_one_line(tmp_path):
    (tmp_path / "text.jsonl.zst").write_bytes(rle_frame(b"a", 100, b'{"text": "'))
    script = (
        "import resource, sys\nfrom fable6c import cli, tokenizer\n"
        "sys.argv[1:] = ['train', sys.argv[1], '-o', sys.argv[1] + '.f6t']\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * 4096 + (12 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))\ncli.run(tokenizer.main)\n"
    )
    done = python("-c", script, tmp_path / "text.jsonl.zst")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr


def test_a_memory_error_is_one_line(capsys):
    def main(argv):
        raise MemoryError

    with pytest.raises(SystemExit) as caught:
        cli.run(main)
    assert caught.value.code == 1
    assert capsys.readouterr().err == cli.NO_MEMORY + "\n"


@LINUX
def test_a_line_without_spaces_can_be_interrupted(tmp_path):
    """20 MB of one piece: Ctrl-C is heard while it is encoded."""
    (tmp_path / "dna.txt").write_text("".join(np.random.default_rng(1).choice(list("ACGT"), 20_000_000)))
    code = (
        "import sys\nfrom fable6c import cli\nfrom fable6c.model.file import read_model\nfrom fable6c.model.tokenizer import Tokenizer\n"
        f"def main(argv):\n    tokenizer = Tokenizer(read_model({MODEL!r}).merges)\n    text = open({str(tmp_path / 'dna.txt')!r}).read()\n"
        "    print('here', flush=True)\n    while True:\n        tokenizer.encode(text)\ncli.run(main)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and errors == "\nstopped\n"


HTML = {
    "div": ("<div>" * 100_000 + "x", "deep"),
    "li in dd": ("<li><dd>" * 50_000 + "x", "deep"),
    "table": ("<table><tr><td>" * 50_000 + "x", "deep"),
    "formatting": ("<b><i>" * 50_000 + "x", "deep"),
    "tags": ("<b>x</b>" * 300_000, "more than 200,000 tags"),
}


@pytest.mark.parametrize("kind", HTML)
def test_pages_that_would_take_for_ever(tmp_path, kind):
    html, why = HTML[kind]
    with pytest.raises(PageTooComplex, match=why):
        html_text(html)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "page.html").write_text(html)
    (tmp_path / "in" / "story.txt").write_text(stories(1)[0])
    report = clean([str(tmp_path / "in")], str(tmp_path / "out"), Settings(), "off", progress=False)
    assert report["kept"]["documents"] == 1 and report["unreadable"]["count"] == 1 and why in report["unreadable"]["listed"][0]["reason"]


@pytest.mark.parametrize(
    "html, text",
    [
        ("<p " + " ".join(f"a{n}=1" for n in range(200_000)) + ">one<p>two", "one\n\ntwo"),
        ("<ul>" + "<li>x" * 2000 + "</ul>", "\n\n".join(["x"] * 2000)),
        ("<table>" + "<tr><td>a<td>b" * 600 + "</table>", "\n\n".join(["a b"] * 600)),
        ("<p>" * 3 + "<p title='a > b' data-x=\"</p><script>\">one</p>", "one"),
        (
            "<p>I don't <b class=x>know</b>.<!-- <div> --><script>if (a<b) '<div>'</script><style>p{}</style> It's < 5 &lt;",
            "I don't know. It's < 5 <",
        ),
        ("one<!-- two", "one"),
        ("one<br/>two<hr>three", "one\ntwo\n\nthree"),
        ("<svg><path d='M'/><path/><title>no</title></svg>one", "one"),
        ("one<a href='x", "one"),
        ("<title>a <b> title</title><body>one", "one"),
    ],
)
def test_pages_are_read_as_before(html, text):
    assert html_text(html) == text


def test_archives_in_archives_end(tmp_path):
    content, name = b"words", "a.txt"
    for _ in range(400):
        content, name = zipped(name, content), "a.zip"
    (tmp_path / "deep.zip").write_bytes(content)
    (found,) = read([str(tmp_path / "deep.zip")], Settings())
    assert isinstance(found, Unreadable) and "4 deep; at most 3 are opened" in found.reason
    two = zipped("b.zip", zipped())
    (tmp_path / "two.zip").write_bytes(two)
    (found,) = read([str(tmp_path / "two.zip")], Settings())
    assert isinstance(found, Raw) and found.content == b"words"


def test_a_method_of_zip_without_a_bound(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped(content=b"a" * 1000, method=zipfile.ZIP_BZIP2))
    (found,) = read([str(tmp_path / "a.zip")], Settings())
    assert isinstance(found, Unreadable) and "another method" in found.reason


# ---- kernels after a fork

FORKED = """
import os, signal
import numpy as np
from fable6c import kernels
inp, gain = np.random.default_rng(1).standard_normal((4096, 256), np.float32), np.ones(256, np.float32)
out, rstd = np.empty_like(inp), np.empty(4096, np.float32)
assert kernels.set_threads(2) == 2
call = kernels.bind("rmsnorm_forward", out, rstd, inp, gain)
call()
expected = out.copy()
child = os.fork()
if child == 0:
    signal.alarm(100)
    out[:] = 0
    call()
    assert kernels.threads() == 1 and kernels.set_threads(2) == 1
    call()
    os._exit(0 if (out == expected).all() else 1)
assert os.waitpid(child, 0)[1] == 0
assert kernels.threads() == 2
print("well")
"""
FORKED_SCOUT = """
import os, signal
from fable6c.corpus import synth
from fable6c.mixing.reading import evaluate, train
made = synth.stories(4)
documents = [next(made) for _ in range(100)]
from fable6c.data.bpe import train_tokenizer
tokenizer = train_tokenizer(documents, 400, progress=False)
scout, _ = train(documents, "fast", 200 << 20, 2, tokenizer, progress=False)
child = os.fork()
if child == 0:
    signal.alarm(100)
    os._exit(0 if evaluate(scout, documents[:3], progress=False)["bits_per_char"] > 0 else 1)
assert os.waitpid(child, 0)[1] == 0
print("well")
"""


@LINUX
@pytest.mark.parametrize("script", [FORKED, FORKED_SCOUT], ids=["kernels", "scout"])
def test_a_forked_child_does_not_wait_for_threads_that_it_does_not_have(script):
    done = python("-c", script)
    assert done.stdout == "well\n", done.stderr


def test_a_library_that_only_the_child_loads_has_its_threads():
    assert native.max_threads("kernels", 2) == 2


# ---- what the system lets a process have


def system(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return str(folder)


MEMINFO = {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 8000000 kB\n"}
MIB = 1 << 20


@pytest.mark.parametrize(
    "files, free",
    [
        ({}, 8_000_000 * 1024),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{120 * MIB}\n", "sys/fs/cgroup/memory.current": f"{20 * MIB}\n"}, 100 * MIB),
        (
            {
                "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/memory.current": "5\n",
                "sys/fs/cgroup/a/memory.max": f"{300 * MIB}\n", "sys/fs/cgroup/a/memory.current": f"{290 * MIB}\n",
                "sys/fs/cgroup/a/memory.stat": f"anon 5\nactive_file {100 * MIB}\ninactive_file {50 * MIB}\n",
            },
            160 * MIB,
        ),
        (
            {
                "proc/self/cgroup": "7:memory:/docker/0123\n3:cpu,cpuacct:/x\n0::/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{120 * MIB}\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{100 * MIB}\n",
                "sys/fs/cgroup/memory/memory.stat": f"total_active_file {10 * MIB}\ntotal_inactive_file 0\n",
            },
            30 * MIB,
        ),
        (
            {"proc/self/cgroup": "7:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "5\n"},
            8_000_000 * 1024,
        ),
    ],
    ids=["no groups", "version 2", "version 2, above", "version 1, container", "version 1, unlimited"],
)  # fmt: skip
def test_memory_that_a_container_leaves(tmp_path, files, free):
    assert limits.free_memory(system(tmp_path, {**MEMINFO, **files})) == free


@pytest.mark.parametrize(
    "files, count",
    [
        ({}, 64),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 64),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "5000 100000\n"}, 1),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/x\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            64,
        ),
    ],
)
def test_processors_that_a_container_leaves(tmp_path, monkeypatch, files, count):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert limits.processors(system(tmp_path, files)) == count


@LINUX
def test_base_in_a_small_container_is_refused(tmp_path):
    script = (
        "import sys\nfrom fable6c import cli, limits, train\nfrom fable6c.training import memory\n"
        "root = sys.argv[1]\nmemory.free_memory = lambda: limits.free_memory(root)\n"
        "cli.run(lambda argv: train.main(['--preset', 'base', '--out', root + '/run']))\n"
    )
    groups = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{120 * MIB}\n", "sys/fs/cgroup/memory.current": f"{90 * MIB}\n"}
    done = python("-c", script, system(tmp_path, groups))
    assert (
        done.returncode == 1 and done.stderr.startswith("the run needs ") and "MiB are free" in done.stderr and done.stderr.count("\n") == 1
    ), done.stderr
    assert not (tmp_path / "run").exists()


@LINUX
def test_the_limit_of_ulimit_counts():
    script = "import resource\nfrom fable6c import limits\nresource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\nprint(limits.free_memory())"
    assert 0 < int(python("-c", script).stdout) < 1 << 30


def test_a_scout_that_does_not_fit_is_refused(monkeypatch):
    from fable6c.mixing import reading as mixing
    from fable6c.mixing import scout

    monkeypatch.setattr(scout, "free_memory", lambda: 100 << 20)
    with pytest.raises(UserError, match="the scout takes 200 MiB of memory, 100 MiB are free; .*--memory"):
        mixing.train(stories(100), "fast", 200 << 20, 1, Tokenizer(read_model(MODEL).merges), progress=False)


def test_a_scout_advises_options_that_it_has(tmp_path):
    (tmp_path / "short.txt").write_text("One short text.\n" * 3)
    done = python("-m", "fable6c.scout", "train", tmp_path / "short.txt", "-o", tmp_path / "s")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    help_text = python("-m", "fable6c.scout", "train", "--help").stdout
    advised = [word.strip(";,.()`") for word in done.stderr.split() if word.startswith(("--", "(--", "`--"))]
    assert advised and all(option in help_text for option in advised)


# ---- databases


@pytest.fixture(scope="module")
def made_database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("database")
    (folder / "text.txt").write_text(f"\n{MARK}\n".join(stories(60)))
    clean([str(folder / "text.txt")], str(folder / "clean"), Settings(), "off", progress=False)
    database.build(str(folder / "corpus.db"), [str(folder / "clean")], 0.1, progress=False)
    return folder


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && '


@LINUX
def test_a_database_on_read_only_media(made_database, tmp_path):
    path = tmp_path / "corpus.db"
    shutil.copy(made_database / "corpus.db", path)
    if subprocess.run(["unshare", "-rm", "sh", "-c", READ_ONLY + "true", str(tmp_path)], capture_output=True).returncode:
        pytest.skip("a folder cannot be made read-only here: unshare -rm and mount --bind are not allowed")

    def command(words):
        line = f'{READ_ONLY} "$1" -m fable6c.{words}'
        return subprocess.run(["unshare", "-rm", "sh", "-c", line, str(tmp_path), sys.executable], cwd=ROOT, capture_output=True, text=True)

    for words in ("corpus db verify {}", "corpus db stats {}", "corpus db sample {} -n 1 --where \"split = 'valid'\""):
        done = command(words.format(path))
        assert done.returncode == 0 and done.stdout, done.stderr
    (tmp_path / "corpus.db-wal").write_bytes(b"changes")
    done = command(f"corpus db stats {path}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and f"its last changes are still in {path}-wal" in done.stderr
    done = command(f"corpus db tokenize {path} --vocab 300")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "damaged" not in done.stderr, done.stderr


def test_a_typo_makes_no_database(tmp_path):
    done = python("-m", "fable6c.corpus", "db", "tokenize", tmp_path / "typo.db")
    assert done.returncode == 1 and "there is no such database" in done.stderr and done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []


@LINUX
def test_names_and_queries_that_are_no_utf8(made_database, tmp_path):
    folder, path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff"), str(tmp_path / "corpus.db")
    shutil.copytree(made_database / "clean", folder)
    for _ in range(2):  # the second build finds the input in it
        database.build(path, [folder], 0.1, progress=False)
    with database.Database(path) as opened:
        assert opened.execute("SELECT path FROM input").fetchall() == [(f"{tmp_path}/\\xff/documents.jsonl.zst",)]
    for call in (
        lambda: database.stats(path, "SELECT '\udcff'"),
        lambda: database.sample(path, 1, "origin = '\udcff'", 1),
        lambda: database.export(path, str(tmp_path / "x.txt"), "origin = '\udcff'"),
    ):
        with pytest.raises(UserError, match="corpus.db: the query has bytes that are not UTF-8; write it anew$"):
            call()


@UNIX
def test_a_second_clean_into_one_folder_is_refused(tmp_path):
    (tmp_path / "text.txt").write_text(stories(1)[0])
    (tmp_path / "out").mkdir()
    with locked(str(tmp_path / "out")):
        done = python("-m", "fable6c.corpus", "clean", tmp_path / "text.txt", "-o", tmp_path / "out")
    assert (
        done.returncode == 1
        and done.stderr.count("\n") == 1
        and "another clean is running there" in done.stderr
        and "with -o" in done.stderr
    )
    assert os.listdir(tmp_path / "out") == []
    assert clean([str(tmp_path / "text.txt")], str(tmp_path / "out"), progress=False)["kept"]["documents"] == 1


@LINUX
@pytest.mark.parametrize("before", [False, True])
def test_a_full_disk_is_named_and_left_clean(made_database, tmp_path, before):
    path = tmp_path / "new.db"
    if before:
        database.build(str(path), [str(made_database / "clean")], 0.1, progress=False)
        shutil.copytree(made_database / "clean", tmp_path / "more")
    inputs = str(tmp_path / "more" if before else made_database / "clean")
    script = (
        "import resource, sys\nfrom fable6c import cli\nfrom fable6c.corpus.database import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\ncli.run(lambda argv: main(sys.argv[1:]))"
    )
    done = python("-c", script, "build", inputs, "-o", path, "--valid", 0.1)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert f"{path}: the disk is full or fails" in done.stderr and "query" not in done.stderr
    assert path.exists() == before and (before or os.listdir(tmp_path) == [])
    if before:
        assert database.verify(str(path), progress=False) == []
        assert python("-m", "fable6c.corpus", "db", "build", inputs, "-o", path, "--valid", 0.1).returncode == 0


# ---- benchmarks


def test_a_record_names_files_without_their_folders():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from common import without_folders
    finally:
        sys.path.pop(0)
    folder = "/" + "tmp"
    before = f'"benchmarks/run.sh train --json {folder}/a/b.json --corpus {folder}/my texts/c" at 3 tokens/s, [METHOD.md](../../METHOD.md), https://x.org/a/b'
    after = '"benchmarks/run.sh train --json b.json --corpus my texts/c" at 3 tokens/s, [METHOD.md](../../METHOD.md), https://x.org/a/b'
    assert without_folders(before) == after and without_folders(after) == after


def test_depth_is_what_people_write():
    assert html_text("<div>" * PAGE_DEPTH + "x") == "x"


def test_a_prompt_from_standard_input_has_an_end():
    half = generate.MAX_PROMPT_BYTES // 2
    longest = b"\xef\xbb\xbf" + b"x\r\n" * half
    assert generate.read_prompt(io.BytesIO(longest)) == b"x\n" * half

    class Endless:
        def read(self, size):
            assert 0 < size < 3 * generate.MAX_PROMPT_BYTES
            return b"x" * size

    for file in io.BytesIO(longest + b"x"), Endless():
        with pytest.raises(UserError, match="more than 1048576 bytes; shorten it"):
            generate.read_prompt(file)
