"""What strangers' files, streams and terminals do to the commands: one line, the right status, nothing lost."""

import contextlib
import os
import pty
import signal
import stat
import struct
import subprocess
import sys

import numpy as np
import pytest

import make_golden
from fable6c import cli
from fable6c.corpus import synth
from fable6c.engine import Engine, EngineMissing, split
from fable6c.errors import UserError
from fable6c.files import atomic_file, atomic_write, open_file
from fable6c.model.file import encode_model
from fable6c.model.tokenizer import find_pieces_of_bytes
from fable6c.training import checkpoint, plot
from fable6c.training.run import load_run
from made_runs import make_run, rewritten
from tiny_models import tiny_model

MODEL = str(make_golden.MODEL)
ROOT = make_golden.MODEL.parent.parent.parent
UNIX = pytest.mark.skipif(os.name == "nt", reason="pipes and devices of Unix")


def shell(line, **options):
    """A line of the shell, with $P for the Python that runs."""
    return subprocess.run(
        ["sh", "-c", line],
        cwd=ROOT,
        env={**os.environ, "P": sys.executable, "M": MODEL},
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


# ---- output paths


@UNIX
def test_a_pipe_or_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.symlink(tmp_path / "pipe", tmp_path / "link")
    for name in ("pipe", "link"):
        with pytest.raises(UserError, match=f"{name}: is a pipe or a device, which cannot hold the result; name a file"):
            atomic_write(str(tmp_path / name), b"x")
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode) and sorted(os.listdir(tmp_path)) == ["link", "pipe"]
    if os.geteuid() == 0:
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        with pytest.raises(UserError, match="null: is a pipe or a device"):
            atomic_write(str(tmp_path / "null"), b"x")
        assert stat.S_ISCHR(os.stat(tmp_path / "null").st_mode)


@UNIX
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "old").write_bytes(b"old")
    os.symlink("there/old", tmp_path / "link")
    os.symlink("there/new", tmp_path / "fresh")
    atomic_write(str(tmp_path / "link"), b"new")
    atomic_write(str(tmp_path / "fresh"), b"made")
    assert os.path.islink(tmp_path / "link") and (tmp_path / "there" / "old").read_bytes() == b"new"
    assert os.path.islink(tmp_path / "fresh") and (tmp_path / "there" / "new").read_bytes() == b"made"
    assert sorted(os.listdir(tmp_path / "there")) == ["new", "old"]


@UNIX
def test_permissions_stay(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o604)
    atomic_write(str(path), b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604 and path.read_bytes() == b"new"


@UNIX
def test_what_lies_in_the_place_of_the_temporary_file_stays(tmp_path):
    for name in ("file.tmp", "file.part", "file.new"):  # somebody's own
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / "other").write_bytes(b"untouched")
    os.symlink(tmp_path / "other", tmp_path / "file.fable6c-1.tmp")
    os.mkfifo(tmp_path / "file.fable6c-2.tmp")
    (tmp_path / "file.fable6c-3.tmp").mkdir()
    before = sorted(os.listdir(tmp_path))
    atomic_write(str(tmp_path / "file"), b"new")
    assert sorted(os.listdir(tmp_path)) == sorted([*before, "file"]) and (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "other").read_bytes() == b"untouched"
    assert all((tmp_path / name).read_bytes() == b"mine" for name in ("file.tmp", "file.part", "file.new"))


def test_what_a_killed_process_left_is_written_over(tmp_path):
    (tmp_path / "file.fable6c-1.tmp").write_bytes(b"half of something longer")
    atomic_write(str(tmp_path / "file"), b"new")
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_bytes() == b"new"


@UNIX
def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = str(tmp_path / "file")
    with atomic_file(path) as first:
        first.write(b"first" * 10000)
        atomic_write(path, b"second")
        assert open(path, "rb").read() == b"second"
    assert open(path, "rb").read() == b"first" * 10000 and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "name, advice",
    [
        ("folder", "Is a directory); name a file in it"),
        ("none/file", "No such file or directory); make its folder first, or choose another"),
        ("file/file", "Not a directory); a part of the path is a file; choose another folder"),
        ("n" * 300, "File name too long); choose a shorter name"),
    ],
)
def test_each_reason_has_its_advice(tmp_path, name, advice):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UserError) as caught:
        atomic_write(str(tmp_path / name), b"x")
    assert str(caught.value).endswith(f"cannot be written ({advice}") and sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_the_longest_name_can_be_written(tmp_path):
    for name in ("n" * 255, "ü" * 127):
        atomic_write(str(tmp_path / name), b"x")
        assert (tmp_path / name).read_bytes() == b"x"
    assert len(os.listdir(tmp_path)) == 2


# ---- input that blocks or never ends


@UNIX
def test_pipes_and_devices_are_refused_before_they_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "checkpoint.f6k")
    with pytest.raises(UserError, match="is a pipe or a device"):
        open_file(str(tmp_path / "pipe"))
    for command in (
        "generate {0}/pipe -p x",
        "generate /dev/zero -p x",
        "inspect {0}/pipe",
        "evaluate {0}/pipe --text README.md",
        f"evaluate {MODEL} --text {{0}}/pipe",
        "tokenizer show {0}/pipe",
        "tokenizer train {0}/pipe -o {0}/t",
        "scout evaluate {0}/pipe --text README.md",
        "train --config {0}/pipe --corpus README.md --out {0}/out",
        "export {0}/run -o {0}/m",
    ):
        done = shell(f"$P -m fable6c.{command}".format(tmp_path))
        assert done.returncode in (1, 2) and done.stderr.count("\n") == 1 and "is a pipe or a device" in done.stderr, (command, done.stderr)


@UNIX
@pytest.mark.parametrize("host", ["fable6c", "fable6c-aot"])
def test_a_pipe_as_a_model_of_the_native_programs(tmp_path, host):
    os.mkfifo(tmp_path / "pipe")
    done = subprocess.run([*program(host), str(tmp_path / "pipe"), "-p", "x"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "this is a pipe or device" in done.stderr


@UNIX
def test_a_pipe_in_a_folder_of_texts_is_a_line_of_the_report(tmp_path):
    (tmp_path / "in").mkdir()
    made = synth.stories(1)
    (tmp_path / "in" / "good.txt").write_text("\n<|endoftext|>\n".join(next(made) for _ in range(5)))
    os.mkfifo(tmp_path / "in" / "pipe.txt")
    done = shell(f"$P -m fable6c.corpus clean {tmp_path}/in -o {tmp_path}/out")
    assert done.returncode == 0, done.stderr
    assert "pipe or a device" in (tmp_path / "out" / "report.json").read_text()


# ---- streams


@UNIX
@pytest.mark.parametrize(
    "redirection, status, said",
    [
        (">&-", 1, "the output cannot be written"),
        (">/dev/full", 1, "the output cannot be written"),
        ("2>&-", 0, ""),
        ("<&-", 0, None),
        ("-p - <&-", 1, "the input not read"),
        ("<&- >&- 2>&-", 1, ""),
    ],
)
def test_streams_that_are_closed_or_full(redirection, status, said):
    done = shell(f"$P -m fable6c.generate $M -p x -n 3 {redirection}")
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr + done.stdout and "Exception ignored" not in done.stderr
    if said is not None:
        assert said in done.stderr


@UNIX
@pytest.mark.parametrize("command", ["inspect $M", "corpus list", "train --help", "", "evaluate --help"])
@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_output_that_cannot_be_written_is_one_line(command, redirection):
    module = f"fable6c.{command}" if command else "fable6c"
    done = shell(f"$P -m {module} {redirection}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "the output cannot be written" in done.stderr, done.stderr


@UNIX
@pytest.mark.parametrize("command", ["train", "generate", "corpus"])
def test_ctrl_c_while_python_still_imports_is_no_traceback(command, tmp_path):
    """A module that stops in the middle of the imports stands for a slow disk."""
    (tmp_path / "numpy.py").write_text("import os, time\nos.write(1, b'here\\n')\ntime.sleep(60)\n")
    arguments = [sys.executable, "-m", f"fable6c.{command}", *(["clean", "x", "-o", "y"] if command == "corpus" else [])]
    process = subprocess.Popen(
        arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 130) and "Traceback" not in errors, errors


def test_a_command_run_as_a_file_says_how_to_run_it():
    for name in ("fable6c/train.py", "fable6c/inspect.py", "corpus/synth.py"):
        done = shell(f"$P {name}")
        module = name[:-3].replace("/", ".").replace("corpus.", "fable6c.corpus.")
        assert done.returncode == 1 and done.stderr.startswith(f"run this as a module: python -m {module}") and done.stderr.count("\n") == 1


# ---- a side show must not end the show


@pytest.mark.parametrize("backend", ["module://no_such_backend", "bogus"])
def test_a_backend_of_another_environment_is_not_asked_for(tmp_path, backend):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "elapsed": 1.0, "loss": 5.0}\n')
    script = f"from fable6c.training.plot import draw_loss; import os; draw_loss({str(tmp_path)!r}); print(os.environ['MPLBACKEND'])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "MPLBACKEND": backend}, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout == backend + "\n" and done.stderr == ""
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_whatever_the_picture_says_is_one_line(tmp_path, capsys):
    plot.say_once.cache_clear()
    (tmp_path / "log.jsonl").write_text("not JSON\n")
    plot.draw_loss(str(tmp_path))
    plot.draw_loss(str(tmp_path))
    line = capsys.readouterr().err
    assert line.startswith("loss.png is not drawn: Expecting value") and line.count("\n") == 1


@UNIX
def test_a_folder_whose_name_is_not_utf8_has_its_picture(tmp_path):
    folder = os.fsdecode(os.fsencode(str(tmp_path)) + b"/run\xff$")
    os.mkdir(folder)
    with open(os.path.join(folder, "log.jsonl"), "w") as file:
        file.write('{"step": 1, "elapsed": 1.0, "loss": 5.0}\n')
    plot.draw_loss(folder)
    assert os.path.exists(os.path.join(folder, "loss.png"))


# ---- checkpoints with right checksums and wrong content


WRONG = {
    "step": lambda d, a: d.update(step=-1),
    "window": lambda d, a: d.update(window=10**16),
    "epoch": lambda d, a: d.update(epoch="0"),
    "elapsed": lambda d, a: d.update(elapsed=float("nan")),
    "finished": lambda d, a: d.pop("finished"),
    "tokenizer": lambda d, a: d.update(tokenizer=17),
    "bits_per_char": lambda d, a: d.update(bits_per_char=[]),
    "best": lambda d, a: d.update(best=[0, 1.0]),
    "best ": lambda d, a: d.update(best={"step": 1}),
    "shortened": lambda d, a: d.update(shortened=1),
    "command": lambda d, a: d.update(command={}),
    "command ": lambda d, a: d["command"]["model"].update(dim=10**9),
    "command  ": lambda d, a: d["command"]["train"].update(batch="many"),
    "parameters": lambda d, a: a.pop("parameters"),
    "first": lambda d, a: a.update(first=a["first"][1:]),
    "second": lambda d, a: a["second"].__setitem__(0, np.nan),
}


@pytest.mark.parametrize("part", WRONG)
def test_a_checkpoint_with_wrong_content_is_one_line(tmp_path, part):
    make_run(tmp_path / "run")
    assert load_run(str(tmp_path / "run")) is not None
    rewritten(tmp_path / "run", WRONG[part])
    with pytest.raises(UserError, match="is not a checkpoint that fable6c wrote") as caught:
        load_run(str(tmp_path / "run"))
    assert part.strip() in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "head",
    [
        b"{",
        b"[]",
        b'{"version": "1"}',
        b'{"version": 1, "description": {}, "arrays": 3}',
        b'{"version": 1, "description": {}, "arrays": [{}]}',
    ],
)
def test_a_head_that_is_wrong_is_one_line(tmp_path, head):
    import hashlib

    data = checkpoint.MAGIC + struct.pack("<Q", len(head)) + head
    (tmp_path / checkpoint.NAME).write_bytes(data + hashlib.sha256(data).digest())
    with pytest.raises(UserError, match="is not a checkpoint that fable6c wrote"):
        checkpoint.load(str(tmp_path))


# ---- a model's text must not drive the terminal


def test_what_would_drive_a_terminal_is_shown():
    assert cli.harmless("a\x1b]0;title\x07b\x7f\x9bc\u202ed\u2066e\r") == "a\ufffd]0;title\ufffdb\ufffd\ufffdc\ufffdd\ufffde\ufffd"
    assert cli.harmless("one\ttwo\nthree é 日本 🦊") == "one\ttwo\nthree é 日本 🦊"


def escaping_model():
    """Tells ESC bytes: the highest row scale and all weights 1, as in story_models."""
    model = tiny_model(dim=8, vocab=300)
    for tensor in model.tensors.values():
        getattr(tensor, "weight", tensor)[...] = 1
    model.tensors["head"].scale[:] = 0.5
    model.tensors["head"].scale[0x1B] = 1
    return encode_model(model)


def program(host):
    """The command that tells stories, by the name of its host."""
    if host == "python":
        return [sys.executable, "-m", "fable6c.generate"]
    path = ROOT / "build" / host
    if not path.exists():
        pytest.skip(f"build/{host} is not built: make native, make aot")
    return [str(path)]


HOSTS = pytest.mark.parametrize("host", ["python", "fable6c", "fable6c-aot"])


@UNIX
@HOSTS
def test_a_story_on_a_terminal_and_into_a_pipe(tmp_path, host):
    (tmp_path / "escape.f6c").write_bytes(escaping_model())
    arguments = [*program(host), str(tmp_path / "escape.f6c"), "-p", "x", "-n", "3", "-t", "0"]
    piped = subprocess.run(arguments, cwd=ROOT, capture_output=True)
    assert piped.stdout == b"x\x1b\x1b\x1b\n"
    master, slave = pty.openpty()
    subprocess.run(arguments, cwd=ROOT, stdout=slave, stderr=subprocess.DEVNULL, check=True)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal without a writer ends
        while part := os.read(master, 1000):
            shown += part
    os.close(master)
    assert shown == "x\ufffd\ufffd\ufffd\r\n".encode()


# ---- the engine in Python


@pytest.fixture(scope="module")
def engine():
    try:
        return Engine(MODEL)
    except EngineMissing as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("seed", [2**32, 2**32 + 1, -1])
def test_seeds_out_of_range(engine, seed):
    with pytest.raises(UserError, match=f"seed = {seed} is out of range; give a whole number from 0 to 4294967295"):
        engine.seed(seed)


def test_settings_of_the_wrong_kind(engine):
    with pytest.raises(UserError, match="top_k = -1 is out of range"):
        engine.sampling(top_k=-1)
    for call in (
        lambda: engine.seed(1.5),
        lambda: engine.sampling(top_k=1.5),
        lambda: engine.seed("1"),
        lambda: engine.sampling(temperature="hot"),
    ):
        with pytest.raises(TypeError):
            call()
    engine.sampling(temperature=1, top_k=np.int64(3))
    with pytest.raises(UserError, match=r"a lone surrogate U\+D800 at character 1"):
        engine.feed("a\ud800")


@pytest.mark.long
def test_a_long_text_without_spaces_is_cut_between_pieces(engine):
    text = "日本語。don't! ".replace(" ", "").encode() * 9000
    assert len(text) > 2 * 65536 and b" " not in text
    parts, rest = [], text
    while rest:
        part, rest = split(rest, 65536)
        parts.append(part)
    assert b"".join(parts) == text and len(parts) > 2
    assert [piece for part in parts for piece in find_pieces_of_bytes(part)] == find_pieces_of_bytes(text)
    engine.reset()
    engine.feed(text[:70000])


# ---- options, the same in all hosts

OPTIONS = [
    (["-p", "-Hello"], 0), (["-p", "--help"], 0), (["-p", "-n"], 0), (["-t", ".8"], 0), (["-t", "1."], 0), (["-n", "007"], 0),
    (["-n", "+5"], 2), (["-n", "1_0"], 2), (["-n", " 5"], 2), (["-n", "5.0"], 2), (["-t", "1e-1"], 2), (["-t", "+1"], 2), (["-t", "0.12345678"], 2),
    (["-t", "inf"], 2), (["-t", "."], 2), (["-s", "-1"], 2), (["-k", "0x10"], 2), (["-k", "\u0663"], 2), (["--top-p", "1e0"], 2),
]  # fmt: skip


@HOSTS
@pytest.mark.parametrize("options, status", OPTIONS, ids=str)
def test_options_mean_the_same_in_every_host(host, options, status):
    prompt = [] if options[0] == "-p" else ["-p", "x"]
    length = [] if options[0] == "-n" else ["-n", "2"]
    done = subprocess.run([*program(host), MODEL, *prompt, *length, *options], cwd=ROOT, capture_output=True)
    assert done.returncode == status, done.stderr
    if status == 0:
        assert done.stdout.startswith(options[1].encode() if options[0] == "-p" else b"x")
    else:
        assert done.stderr.count(b"\n") == 1 and b"Traceback" not in done.stderr


@HOSTS
@pytest.mark.parametrize("text", ["The fox\r\nran", "The fox\rran", "\ufeffThe fox\nran"])
def test_a_prompt_from_a_file_is_plain_lines(host, text):
    done = subprocess.run([*program(host), MODEL, "-p", "-", "-n", "5"], cwd=ROOT, input=text.encode(), capture_output=True)
    plain = subprocess.run([*program(host), MODEL, "-p", "The fox\nran", "-n", "5"], cwd=ROOT, capture_output=True)
    assert done.stdout == plain.stdout and done.returncode == 0
