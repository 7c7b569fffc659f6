"""What strangers' files do where a stage expects its own: one line, or the work is done again; never a traceback, a hang or a crash."""

import contextlib
import hashlib
import importlib
import io
import json
import os
import pathlib
import pty
import shutil
import sqlite3
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import zstandard

import make_golden
from fable6c import cli, progress
from fable6c.corpus import database, dataset, sources, synth
from fable6c.corpus.clean import DOCUMENTS, OUTPUTS, clean, origin_of, read_records
from fable6c.corpus.filters import Settings
from fable6c.data.prepare import prepare
from fable6c.engine import Engine, EngineMissing, Instance, module_bytes
from fable6c.errors import UsageError, UserError
from fable6c.export import export
from fable6c.files import MAX_TEXT_BYTES, read_toml
from fable6c.model.file import ModelFileError, read_model, write_model
from fable6c.model.tokenizer import Tokenizer
from fable6c.training import checkpoint
from fable6c.training.config import Recipe
from fable6c.z80lib import model as z80_models
from fable6c.z80lib.machine import CPM
from fable6c.z80lib.text import read_examples
from made_runs import make_run, rewritten
from tiny_models import tiny_model
from z80_models import any_model

MODEL = str(make_golden.MODEL)
ROOT = make_golden.MODEL.parent.parent.parent
INPUTS = ROOT.parent / "shared" / "inputs"
UNIX = pytest.mark.skipif(os.name == "nt", reason="pipes and terminals of Unix")
DEEP = "[" * 200_000


def python(*arguments, **options):
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=120, **options)


def stories(count):
    made = synth.stories(4)
    return [next(made) for _ in range(count)]


# ---- a run's folder


def prepared(folder):
    return prepare(lambda: stories(40), str(folder), 300, "test", progress=False)


def edit_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


DAMAGE = {
    "ids beyond the vocabulary": lambda folder: tokens(folder / "train.bin", 300),
    "held-out ids beyond the vocabulary": lambda folder: tokens(folder / "valid.bin", 65535),
    "documents": lambda folder: edit_json(folder / "data.json", documents="many"),
    "valid_characters": lambda folder: edit_json(folder / "data.json", valid_characters="many"),
    "valid_characters 0": lambda folder: edit_json(folder / "data.json", valid_characters=0),
    "characters": lambda folder: edit_json(folder / "data.json", characters=1.5),
    "sha256": lambda folder: edit_json(folder / "data.json", sha256=None, source="another"),
    "no number": lambda folder: edit_json(folder / "data.json", vocab_size=True),
    "no table": lambda folder: (folder / "data.json").write_text("[]"),
    "deep": lambda folder: (folder / "data.json").write_text(DEEP),
    "long": lambda folder: (folder / "data.json").write_text(" " * (MAX_TEXT_BYTES + 1)),
    "digits": lambda folder: (folder / "data.json").write_text('{"format": ' + "1" * 5000 + "}"),
    "an odd size": lambda folder: (folder / "train.bin").write_bytes(b"123"),
    "empty": lambda folder: (folder / "valid.bin").write_bytes(b""),
}


def tokens(path, value):
    ids = np.fromfile(path, "<u2")
    ids[-1] = value
    ids.tofile(path)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_data_folder_is_made_again(tmp_path, damage):
    good = prepared(tmp_path / "good")
    prepared(tmp_path / "data")
    DAMAGE[damage](tmp_path / "data")
    again = prepared(tmp_path / "data")
    assert np.array_equal(again.train, good.train) and np.array_equal(again.valid, good.valid)
    assert again.description == good.description and again.valid_chars == good.valid_chars


@UNIX
@pytest.mark.parametrize("name", ["data.json", "tokenizer.f6t", "train.bin", "valid.bin"])
def test_a_pipe_in_a_data_folder_blocks_nothing(tmp_path, name):
    prepared(tmp_path)
    os.remove(tmp_path / name)
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match=f"{name}: is a pipe or a device"):
        prepared(tmp_path)


# ---- checkpoints with right checksums


def headed(folder, head):
    """A checkpoint with this head, no arrays, and a right checksum."""
    text = json.dumps(head).encode()
    data = checkpoint.MAGIC + struct.pack("<Q", len(text)) + text
    folder.mkdir()
    (folder / checkpoint.NAME).write_bytes(data + hashlib.sha256(data).digest())


@pytest.mark.parametrize(
    "head",
    [{"version": 1}, {"version": 1, "arrays": []}, {"version": 1, "description": {}}, {"version": 1, "description": [], "arrays": []}],
)
def test_a_head_without_its_parts_is_one_line(tmp_path, head):
    headed(tmp_path / "run", head)
    with pytest.raises(UserError, match="is not a checkpoint that fable6c wrote"):
        export(str(tmp_path / "run"), str(tmp_path / "m.f6c"))


def test_a_head_of_a_newer_version_is_still_named(tmp_path):
    headed(tmp_path / "run", {"version": 7})
    with pytest.raises(UserError, match="has version 7, this build reads 1"):
        export(str(tmp_path / "run"), str(tmp_path / "m.f6c"))


def test_what_a_recipe_does_not_name_has_its_default(tmp_path):
    make_run(tmp_path / "run")
    rewritten(tmp_path / "run", lambda d, a: d["command"].update(train={}))
    assert export(str(tmp_path / "run"), str(tmp_path / "m.f6c"))["tokens_trained"] == 30 * Recipe.batch * Recipe.accumulate * 40


@pytest.mark.parametrize("where", ["preset", "corpus", "text_sha256"])
def test_a_lone_surrogate_in_a_card_is_a_question_mark(tmp_path, where):
    make_run(tmp_path / "run")
    rewritten(tmp_path / "run", lambda d, a: (d["command"] if where == "preset" else d).update({where: "a\ud800b\udcffc"}))
    export(str(tmp_path / "run"), str(tmp_path / "m.f6c"))
    assert read_model(tmp_path / "m.f6c").card[where] == "a?b?c"


def test_a_score_that_is_no_number_is_left_out_of_the_card(tmp_path):
    make_run(tmp_path / "run", bits_per_char=float("nan"))
    export(str(tmp_path / "run"), str(tmp_path / "m.f6c"))
    assert "bits_per_char" not in read_model(tmp_path / "m.f6c").card


# ---- configurations


@pytest.mark.parametrize(
    "content, says",
    [
        ("a = " + DEEP, "nested too deeply"),
        ("seed = " + "1" * 5000, "has a whole number of more than 64 bits"),
        ("a = [{b = 0x" + "f" * 5000 + "}]", "has a whole number of more than 64 bits"),
        ("a = 9223372036854775808", "has a whole number of more than 64 bits"),
        ("#" * (MAX_TEXT_BYTES + 1), "has more than 4 MiB"),
    ],
    ids=["deep", "digits", "hexadecimal", "65 bits", "long"],
)
def test_a_configuration_that_asks_too_much_is_one_line(tmp_path, content, says):
    (tmp_path / "c.toml").write_text(content)
    with pytest.raises(UsageError, match=says) as caught:
        read_toml(str(tmp_path / "c.toml"))
    assert str(caught.value).startswith(f"{tmp_path}/c.toml: ") and len(str(caught.value)) < 300
    (tmp_path / "c.toml").write_text("a = 9223372036854775807")
    assert read_toml(str(tmp_path / "c.toml")) == {"a": 2**63 - 1}


# ---- notes beside a text


@pytest.mark.parametrize(
    "content, origin",
    [
        ('{"name": 5, "licence": ["MIT"]}', ("text", "unknown")),
        ('{"name": {"a": 1}, "licence": "MIT"}', ("text", "MIT")),
        ('{"name": "a\\ud800", "licence": "\\udfff"}', ("a?", "?")),
        (DEEP, ("text", "unknown")),
        ('"' + "x" * (MAX_TEXT_BYTES + 1) + '"', ("text", "unknown")),
        ("7", ("text", "unknown")),
        ('{"name": "b", "licence": "c"}', ("b", "c")),
    ],
    ids=["numbers", "tables", "surrogates", "deep", "long", "a number", "well"],
)
def test_a_note_that_somebody_else_wrote(tmp_path, content, origin):
    (tmp_path / "text.txt").write_text(stories(1)[0])
    (tmp_path / "source.json").write_text(content)
    assert origin_of(str(tmp_path / "text.txt"), "", "") == origin
    assert origin_of(str(tmp_path / "text.txt"), "a\udcff", "\udcfe") == ("a?", "?")


@UNIX
def test_pipes_where_a_text_or_a_note_is_expected(tmp_path, capsys):
    os.mkfifo(tmp_path / "source.json")
    (tmp_path / "text.txt").write_text(stories(1)[0])
    assert origin_of(str(tmp_path / "text.txt"), "", "") == ("text", "unknown")
    os.mkfifo(tmp_path / "in.fifo")
    pipe = str(tmp_path / "in.fifo")
    for call in (lambda: read_examples(pipe), lambda: z80_models.load(pipe), lambda: list(read_records(pipe))):
        with pytest.raises(UserError, match="in.fifo: is a pipe or a device"):
            call()
    assert synth.main(["--stats", "--bytes", "10k", "--compare", pipe]) == 1
    assert "in.fifo: is a pipe or a device" in capsys.readouterr().err
    source = sources.Source("x", "X", "MIT", "", ["http://127.0.0.1:1/a"], "")
    with pytest.raises(UserError, match="source.json: is a pipe or a device"):
        sources.get(source, str(tmp_path), sources.Downloader())


@pytest.mark.parametrize("files", ['{"a": 5}', "[1]", '{"a": {}}', '{"a": {"bytes": "x"}}', "7"])
def test_a_note_of_downloads_that_is_none_is_one_line(tmp_path, files):
    (tmp_path / "source.json").write_text('{"name": "x", "files": ' + files + "}")
    source = sources.Source("x", "X", "MIT", "", ["http://127.0.0.1:1/a"], "")
    with pytest.raises(UserError, match="source.json: cannot be read"):
        sources.get(source, str(tmp_path), sources.Downloader())


@UNIX
@pytest.mark.parametrize("name", OUTPUTS)
def test_a_pipe_in_the_folder_of_clean_stays(tmp_path, name):
    (tmp_path / "text.txt").write_text(stories(1)[0])
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / name)
    with pytest.raises(UserError, match=f"{name}: is a pipe or a device, which cannot hold the result"):
        clean([str(tmp_path / "text.txt")], str(tmp_path / "out"), progress=False)
    assert pathlib.Path(tmp_path / "out" / name).is_fifo() and os.listdir(tmp_path / "out") == [name]


RECORD = {
    "document": 0, "chunk": 0, "chunks": 1, "source": "s", "licence": "l", "origin": "o", "place": 0, "part": 0, "quality": {"words": 3.0}, "filters": "",
    "text": "one two three",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"text": None}, {"text": "\ud800"}, {"chunk": "0"}, {"chunks": 0}, {"chunk": 5}, {"quality": []}, {"quality": {"words": "many"}},
        {"quality": {"words": float("nan")}}, {"place": 2**70}, {"place": -1}, {"source": 5}, {"document": True},
    ],
    ids=str,
)  # fmt: skip
def test_records_that_clean_did_not_write_are_one_line(tmp_path, change):
    def written(record):
        (tmp_path / DOCUMENTS).write_bytes(zstandard.compress(b"0\t" + json.dumps(record).encode() + b"\n"))
        return str(tmp_path / DOCUMENTS)

    assert list(read_records(written(RECORD))) == [RECORD]
    for record in ({**RECORD, **change}, {key: value for key, value in RECORD.items() if key not in change}, [1], 7):
        with pytest.raises(UserError, match="is damaged or not made by"):
            list(read_records(written(record)))


def test_plots_are_no_reason_to_lose_what_was_cleaned(tmp_path, capsys, monkeypatch):
    (tmp_path / "text.txt").write_text(stories(1)[0])

    def page(folder, source):
        progress.say_once.cache_clear()
        clean([str(tmp_path / "text.txt")], str(tmp_path / folder), Settings(), "off", source=source, progress=False)
        return (tmp_path / folder / "report.html").read_text()

    monkeypatch.setenv("MPLBACKEND", "bogus")
    assert "data:image/png" in page("odd", "$\\foo$ \x1b]0;title\x07") and capsys.readouterr().err == ""
    monkeypatch.setattr("fable6c.corpus.report.figure", lambda **options: 1 / 0)
    assert "data:image/png" not in page("none", "x")
    assert capsys.readouterr().err == "the report has no plots: division by zero\n"


# ---- databases


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "text.txt").write_text("\n<|endoftext|>\n".join(stories(60)))
    clean([str(folder / "text.txt")], str(folder / "clean"), Settings(), "off", progress=False)
    database.build(str(folder / "corpus.db"), [str(folder / "clean")], 0.2, progress=False)
    database.tokenize(str(folder / "corpus.db"), 300, progress=False)
    return folder


def trained(path):
    data = dataset.open_dataset(path, 300, 1, {"text": 1.0}, "words")
    keys = data.starts(32, 1, 0)
    for start in range(0, len(keys), 8):
        data.batch(keys[start : start + 8], 32)


FORGED = [
    ("chunk", "characters", (None, "many", b"\xff")), ("tokens", "count", (None, "many", -1, 2**62, 1.5)), ("tokens", "ids", (None, "many", b"", 7)),
    ("tokens", "checksum", (None, "x")), ("document", "source", (None, "x", 99)), ("document", "words", ("x", b"")), ("document", "characters", (None, float("inf"))),
    ("source", "name", (None, b"\xff")), ("tokenizer", "merges", (None, "x", 7, b"")), ("chunk", "packed", (None, "x", 7)),
]  # fmt: skip


@pytest.mark.parametrize("table, column, values", FORGED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_forged_row_is_one_line(corpus, tmp_path, table, column, values):
    trained(str(corpus / "corpus.db"))
    for value in values:
        path = str(tmp_path / "forged.db")
        shutil.copy(corpus / "corpus.db", path)
        with contextlib.closing(sqlite3.connect(path)) as forger, forger:
            forger.execute(f"UPDATE {table} SET {column} = ?", (value,))
        assert database.verify(path, progress=False), value
        read = (
            [trained]
            if column != "packed"
            else [lambda path: database.sample(path, 1, "1", 1), lambda path: database.export(path, str(tmp_path / "t"), "1")]
        )
        for call in read:
            with pytest.raises(UserError) as caught:
                call(path)
            assert str(caught.value).startswith(path) and "\n" not in str(caught.value), value


@UNIX
def test_a_database_is_a_file(corpus, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "b.fifo")
    for name, says in (("folder", "Is a directory); name a file in it"), ("b.fifo", "is a pipe or a device, which cannot hold the result")):
        with pytest.raises(UserError) as caught:
            database.build(str(tmp_path / name), [str(corpus / "clean")], progress=False)
        assert says in str(caught.value) and "disk" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["b.fifo", "folder"] and (tmp_path / "b.fifo").is_fifo()


# ---- what is printed on a terminal


def shown_on_a_terminal(arguments):
    """What a command prints there, output and errors."""
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", *map(str, arguments)], cwd=ROOT, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal without a writer ends
        while part := os.read(master, 1000):
            shown += part
    os.close(master)
    process.wait()
    return shown


@UNIX
@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["fable6c.corpus", "db", "sample", "{0}/c.db"],
        ["fable6c.corpus", "db", "stats", "{0}/c.db", "--sql", "SELECT name, licence FROM source"],
        ["fable6c.inspect", "{0}/\x1b]0;title\x07"],
        ["fable6c.train", "--corpus", "{0}/\x1b]0;title\x07", "--out", "{0}/run"],
        ["fable6c.corpus", "\x1b]0;title\x07"],
    ],
    ids=lambda words: " ".join(words[:3]).encode("unicode_escape").decode(),
)
def test_no_text_drives_a_terminal(tmp_path, words):
    (tmp_path / "text.txt").write_text(stories(1)[0])
    if "db" in words:
        clean([str(tmp_path / "text.txt")], str(tmp_path / "clean"), Settings(), "off", source="a\x1b]0;title\x07", progress=False)
        database.build(str(tmp_path / "c.db"), [str(tmp_path / "clean")], 0, progress=False)
    shown = shown_on_a_terminal([word.format(tmp_path) for word in words])
    assert b"\x1b" not in shown and "\ufffd]0;title\ufffd".encode() in shown


def test_a_terminal_is_written_to_harmlessly():
    stream = io.StringIO()
    terminal = cli.Terminal(stream)
    print("a\x1b[2J\tb\r", file=terminal)
    assert stream.getvalue() == "a\ufffd[2J\tb\ufffd\n" and terminal.getvalue() == stream.getvalue()


# ---- the engine in Python


@pytest.fixture(scope="module")
def engine():
    try:
        return Engine(MODEL)
    except EngineMissing as error:
        pytest.skip(str(error))


def test_numbers_that_no_model_has(engine):
    for token in (-1, 65536, 2**32, 10**5000):
        with pytest.raises(UserError, match="^token = .* is out of range; give a whole number from 0 to 65535$"):
            engine.run(token)
    with pytest.raises(UserError, match="the model has no token 65535"):
        engine.run(65535)
    for temperature in (10**400, -(10**400), float("nan"), float("inf"), 1e300):
        with pytest.raises(UserError, match="the temperature .* is out of range"):
            engine.sampling(temperature)
    with pytest.raises(UserError, match="n = -1 is out of range"):
        list(engine.generate("x", -1))
    with pytest.raises(UserError, match="seed = a number of 16610 bits is out of range"):
        engine.seed(10**5000)


def test_kinds_of_text(engine):
    ids = engine.encode("The fox")
    assert engine.encode(bytearray(b"The fox")) == engine.encode(memoryview(b"The fox")) == engine.encode(b"The fox") == ids
    for text in (None, 5, ["a"]):
        for call in (engine.feed, engine.encode, Tokenizer(read_model(MODEL).merges).encode):
            with pytest.raises(TypeError, match="text: expected str or bytes, got "):
                call(text)
    engine.load(bytearray(pathlib.Path(MODEL).read_bytes()))


# ---- the Z80's files


def saved(folder, **changes):
    """A model's file with other entries."""
    path = str(folder / "z.model")
    any_model().save(path)
    with np.load(path) as stored:
        np.savez_compressed(path, **{**stored, **changes})
    os.replace(path + ".npz", path)
    return path


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"heat": np.array(np.nan)}, "its unit of a logit is nan nats"),
        ({"heat": np.array(0.0)}, "its unit of a logit is 0.0 nats"),
        ({"characters": np.array("AB\u00e9")}, "ASCII only"),
        ({"characters": np.array("AB\x1b")}, "ASCII only"),
        ({"table": np.zeros((1 << 21, 1), np.int8)}, "would unpack to"),
        ({"table": np.zeros((3, 3), np.int8)}, "table is int8"),
        ({"secrets": np.array(5)}, "is not a model for the Z80"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_models_for_the_z80_that_no_training_made(tmp_path, changes, says):
    with pytest.raises(UserError, match=says):
        z80_models.load(saved(tmp_path, **changes))


def test_archives_that_are_no_models_for_the_z80(tmp_path):
    path = tmp_path / "z.model"
    any_model().save(str(path))
    good = path.read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:  # the array says that it is far longer than it is
        archive.writestr(
            "format.npy",
            b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<U9999999', 'fortran_order': False, 'shape': (99999999,), }".ljust(117) + b"\n",
        )
    encrypted = bytearray(good)
    encrypted[6] |= 1
    encrypted[good.rindex(b"PK\x01\x02") + 8] |= 1
    for content in (
        b"",
        good[:100],
        good[: len(good) // 2],
        out.getvalue(),
        bytes(encrypted),
        b"\x93NUMPY\x01\x00",
        b"PK\x05\x06" + bytes(18),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is not a model for the Z80, or damaged"):
            z80_models.load(str(path))


def test_a_program_that_prints_without_an_end_or_reads_past_memory():
    pytest.importorskip("z80")
    unending = bytes([0x0E, 9, 0x11, 0, 0, 0xCD, 5, 0, 0xC3, 0, 0])  # LD C,9; LD DE,0; CALL 5; JP 0: there is no "$" in memory
    machine = CPM(unending)
    machine.run()
    assert machine.ended and len(machine.shown) == 65536
    reads_past = bytes([0x3E, 200, 0x32, 0xFE, 0xFF, 0x0E, 10, 0x11, 0xFE, 0xFF, 0xCD, 5, 0, 0xC3, 0, 0])  # a line of 200 at 0xFFFE
    machine = CPM(reads_past)
    machine.type("HELLO")
    assert machine.core.memory[0xFFFF] == 5 and bytes(machine.core.memory[0:3]) == b"HEL"


# ---- one verdict


@pytest.mark.skipif(not INPUTS.is_dir(), reason="../shared/inputs is not here")
def test_known_files_have_one_verdict(engine):
    """What the reader in Python and the engine say of each file that once divided them."""
    files = sorted(INPUTS.glob("*.f6c"))
    assert files
    for path in files:
        try:
            read_model(path)
            code = 0
        except ModelFileError as error:
            code = error.code
        data = path.read_bytes()
        instance = Instance(module_bytes())
        address = instance.call("file_buffer", len(data))
        instance.write(address, data)
        assert (instance.call("load", len(data), 1 << 20) if address else 11) == code, path.name


# ---- results in the place of what they are made of


@pytest.mark.parametrize(
    "module, arguments",
    [
        ("tokenizer", ["train", "text.txt", "-o", "text.txt"]),
        ("scout", ["train", "text.txt", "-o", "link"]),
        ("z80", ["train", "text.txt", "-o", "text.txt"]),
        ("z80", ["build", "text.txt", "-o", "text.txt"]),
        ("inspect", ["model.f6c", "--weights", "model.f6c"]),
        ("merge", ["model.f6c", "other.f6c", "--text", "text.txt", "-o", "model.f6c"]),
        ("exchange", ["update", "run", "--base", "update.f6u", "-o", "update.f6u"]),
        ("exchange", ["combine", "model.f6c", "update.f6u", "--text", "text.txt", "-o", "model.f6c"]),
        ("card", ["measure", "model.f6c", "-o", "model.f6c"]),
    ],
)
def test_no_result_takes_the_place_of_what_it_is_made_of(module, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("model.f6c", "other.f6c"):
        write_model(name, tiny_model())
    pathlib.Path("text.txt").write_text("A fox | YES\n" * 400)
    pathlib.Path("update.f6u").write_bytes(b"an update")
    pathlib.Path("link").symlink_to("text.txt")
    before = {path: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    with pytest.raises(UserError, match="which is read for it; choose another name for the result"):
        importlib.import_module(f"fable6c.{module}").main(arguments)
    assert {path: path.read_bytes() for path in sorted(tmp_path.iterdir())} == before
