"""The program for the Z80, run on emulated machines: it says what Python says, in every character, fast and small enough."""

import gzip
import importlib.util
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("z80._machine", reason="the Z80 emulator is missing: pip install 'fable6c[z80]' (Python 3.10 or newer)")
if importlib.util.find_spec("pyz80") is None:  # it runs when it is imported
    pytest.skip("the Z80 assembler is missing: pip install 'fable6c[z80]'", allow_module_level=True)

import z80_computers
from fable6c import z80
from fable6c.errors import UserError
from fable6c.z80lib import build, chatter, games, machine, things
from fable6c.z80lib import model as models
from fable6c.z80lib.text import LINE, Memory, normalize, parse_examples
from z80_guesser import Guesser
from z80_models import any_model

FREE_ROM = "/usr/share/spectrum-roms/opense.rom"


@pytest.fixture(scope="module")
def released():
    """The chat and the game that come with the project."""
    return [models.load(path) for path in build.released_models()]


@pytest.fixture(scope="module")
def fable(released):
    return build.build(released, "FABLE.COM")


@pytest.fixture(scope="module")
def checked(released):
    """The same program with a check at every sum."""
    return build.assemble(released, check=True)


def started(program, *lines, **options):
    computer = machine.CPM(program, **options)
    computer.run()
    for line in lines:
        computer.type(line)
    return computer


def screen(computer):
    return "".join(character for character, _ in computer.shown)


def reply(computer, line):
    return machine.reply_of(computer.type(line))


def spoken(said, line, name):
    """What the machine shows of a reply: `=` keeps the line's last word as the name, `@` is the name."""
    if "=" in said:
        name = normalize(line).split()[-1][:12].upper()
    return said.replace("=", "").replace("@", name), name


# ---- the same answers


def compare_chat(model, computer, lines):
    memory, name = Memory(), chatter.UNNAMED
    for line in lines:
        said = model.reply(line, memory=memory)[0]
        memory = memory.after(said)
        shown, name = spoken(said, line, name)
        assert reply(computer, line) == shown, line


def chat_lines(seed, count):
    made = (each.line for each in parse_examples(chatter.lines(seed, count // 6 + 1), "chat"))
    return list(itertools.islice(made, count))


def test_the_chat_says_what_python_says(released, checked):
    computer = started(checked[0], "/t 0")
    compare_chat(released[0], computer, chat_lines(11, 60))
    assert "OVERFLOW" not in screen(computer)


@pytest.mark.slow
def test_the_chat_says_what_python_says_in_a_thousand_lines(released, fable):
    compare_chat(released[0], started(fable, "/t 0"), chat_lines(12, 1000))


def compare_game(model, computer, seed, lines):
    """One secret after another, drawn as games.asm draws them."""
    for line in lines:
        seed = models.random_bits(seed)
        secret = (seed >> 8) * len(things.ALL_THINGS) >> 8
        computer.type("play")
        said = model.reply(line, secret)[0]
        assert reply(computer, line) == said, (things.ALL_THINGS[secret].name, line)
        if said != "WIN":
            assert things.ALL_THINGS[secret].name in computer.type("stop")


def game_lines(seed, count):
    return [each.line for each in parse_examples(things.lines(seed, count), "game", secrets=True)]


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_game_says_what_python_says(released, checked, count):
    computer = started(checked[0], "/s 77", "/t 0")
    compare_game(released[1], computer, 77, game_lines(count, count))
    assert "OVERFLOW" not in screen(computer)


def test_a_temperature_draws_the_same_characters(released, fable):
    computer, seed, memory, different = started(fable, "/t 4", "/s 4711"), 4711, Memory(), 0
    name = chatter.UNNAMED
    for line in chat_lines(13, 30):
        said, seed = released[0].reply(line, memory=memory, heat=4, seed=seed)
        different += said != released[0].reply(line, memory=memory)[0]
        memory = memory.after(said)
        shown, name = spoken(said, line, name)
        assert reply(computer, line) == shown
    assert different > 0  # else a temperature would do nothing


@pytest.mark.parametrize("seed", [1, 2])
def test_models_of_all_sizes_and_odd_lines_agree(seed):
    draw = random.Random(seed)
    model = any_model("".join(map(chr, range(33, 33 + draw.choice([1, 40, 63])))), 256 * seed, 16 << 5 * (seed - 1), memory=True, seed=seed)
    program = build.assemble([model], check=True)[0]
    computer, memory = started(program), Memory()
    letters = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789 '  -?!,.@[`{~"
    lines = ["'''a", "x" * LINE, "a b " * 20, " - ", *("".join(draw.choices(letters, k=draw.randint(1, LINE))) for _ in range(20))]
    for line in lines:
        if not normalize(line) or line[0] == "/":
            assert computer.type(line) == "\n\r> "
            continue
        said = model.reply(line, memory=memory)[0]
        memory = memory.after(said)
        assert reply(computer, line) == said, line
    assert "OVERFLOW" not in screen(computer)


def extreme(sign):
    model = any_model()
    for name in models.WEIGHTS:
        getattr(model, name)[:] = 1
    model.table[:] = sign
    return model


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_do_not_overflow(sign):
    computer = started(build.assemble([extreme(sign)], check=True)[0])
    assert reply(computer, "a" * LINE) == extreme(sign).reply("a" * LINE)[0]
    assert "OVERFLOW" not in screen(computer)


def test_the_check_can_fail(monkeypatch):
    monkeypatch.setattr(build, "ROWS_OF_A_LINE", 140)
    computer = started(build.assemble([extreme(1)], check=True)[0])
    assert "OVERFLOW" in computer.type("a b " * 20)


# ---- size and speed


def test_the_program_is_small_enough(released, fable):
    assert len(fable) <= build.COM_LIMIT
    assert f"a program of {len(fable):,} bytes" in (pathlib.Path(__file__).resolve().parent.parent / "docs" / "z80.md").read_text(
        encoding="utf-8"
    )
    assert build.build(released, "FABLE.TAP")


def test_too_big_a_program_is_refused():
    chat = any_model(rows=8192)
    with pytest.raises(UserError, match="more than fit; train with fewer --rows"):
        build.build([chat], "BIG.COM")
    with pytest.raises(UserError, match="too big for the 48K Spectrum"):
        build.build([chat], "big.tap")


def test_a_character_is_fast_enough(fable):
    """In T-states, which the emulator counts: no clock."""
    computer = started(fable, "/t 0")
    for line in ("hello", "tell me a story", "w" * LINE, "a b " * 20):
        before = len(computer.shown)
        computer.type(line)
        times = [ticks for character, ticks in computer.shown[before + 1 : -4]]
        gaps = [after - start for start, after in zip(times, times[1:])]
        assert gaps[0] <= machine.HZ  # a second to the first
        assert max(gaps[1:]) <= 120_000


# ---- what a person does


def test_a_talk(fable):
    computer = started(fable, "/t 0")
    assert screen(computer).startswith("FABLE: 20 QUESTIONS AND A CHAT.")
    assert "SAM" in computer.type("my name is sam")
    assert "SAM" in computer.type("what is my name")
    assert "PLAY: I THINK OF A THING" in computer.type("help")
    for wrong in ("/t 12", "/t", "/tea", "/x", "/s 0", "/s 65536", "/s 99999", "/s 12a", "/s 123456789"):
        assert "/T 0 TO /T 9" in computer.type(wrong), wrong
    for right in ("/t 9", "/T0", "/s 65535", "/s  00001"):
        assert computer.type(right) == "\n\r> ", right
    assert computer.type("") == "\n\r> "
    computer.type("Quit")
    assert computer.ended


def test_a_name_is_cut_to_its_room(fable):
    computer = started(fable, "/t 0")
    shown = computer.type("my name is abcdefghijklmnopqrstuvwxyz")
    assert "ABCDEFGHIJKL" in shown and "ABCDEFGHIJKLM" not in shown


def test_one_reply_and_back(fable):
    computer = started(fable, tail="HELLO")
    assert computer.ended
    assert screen(computer).strip()
    assert computer.core.get("sp") > computer.top - 300  # the stack that CP/M gave


def test_without_a_seed_the_clock_decides(fable):
    """Two people do not type in the same rhythm: the refresh counter differs."""
    first, second = started(fable), started(fable)
    second.core.cpu.r = 99
    assert [computer.type("play") and computer.type("stop") for computer in (first, second)][0] != screen(second)
    thing = [re.search("IT WAS: (.*)\r", screen(computer)).group(1) for computer in (first, second)]
    assert thing[0] != thing[1]


def test_twenty_questions_and_the_thing_is_said(fable):
    computer = started(fable, "/s 5", "play")
    for _ in range(games.QUESTIONS):
        shown = computer.type("is it a yacht")
    assert "IT WAS: " in shown
    assert "> " in computer.type("hello")


def test_what_is_no_question_does_not_count(fable):
    computer = started(fable, "/s 5", "play")
    assert computer.type("tell me the answer").endswith("ASK WHAT CAN BE ANSWERED BY YES OR NO.\r\n1> ")


def guess(computer, number):
    """Play GUESS honestly, thinking of thing `number`; True if the program found it."""
    asked = {games.spoken(trait): trait for trait in things.asked(games.TRAITS_ASKED)}
    thing, guesser, shown = things.ALL_THINGS[number], Guesser(), computer.type("guess")
    while True:
        line = shown.replace("\r", "").split("\n")[-1]
        found = re.fullmatch(r"(\d+) (.*\?) ", line)
        if not found:
            assert guesser.ask() is None or "I WON" in shown
            return "I WON" in shown
        kind, value = guesser.ask()
        question = found.group(2)
        expected = games.spoken(guesser.traits[value]) if kind == "trait" else f"IS IT: {things.ALL_THINGS[value].name}?"
        assert question == expected
        if kind == "trait":
            answer = ("NO", "YES", "MAYBE").index(thing.traits.get(asked[question], "NO"))
        else:
            answer = int(question == f"IS IT: {thing.name}?")
        guesser.answer(answer)
        shown = computer.type(("no", "yes", "maybe")[answer])


def test_it_guesses_as_python_does(fable):
    computer = started(fable)
    assert all(guess(computer, number) for number in (0, 7, 31, 50, len(things.ALL_THINGS) - 1))


@pytest.mark.slow
def test_it_guesses_every_thing(fable):
    computer = started(fable)
    assert all(guess(computer, number) for number in range(len(things.ALL_THINGS)))


def test_it_gives_up_on_what_it_does_not_know(fable):
    computer = started(fable)
    shown = computer.type("guess")
    for _ in range(games.QUESTIONS):
        shown = computer.type("no")
    assert "YOU WON" in shown


def test_stop_ends_both_games(fable):
    computer = started(fable, "play", "stop", "guess", "stop")
    assert computer.type("/t 0") == "\n\r> "


# ---- machines that are too small


def test_too_little_memory_is_said(fable):
    computer = started(fable, top=0xA006)
    assert computer.ended and "FABLE needs more memory" in screen(computer)


def test_an_8080_is_told(fable):
    """On an 8080 `sub a` leaves even parity where a Z80 says that nothing overflowed."""
    import z80 as emulator

    cpu = emulator.I8080Machine()
    cpu.memory[256 : 256 + len(fable)] = fable
    cpu.memory[5] = 0xC9
    cpu.pc, cpu.sp = 256, 0xF000
    cpu.set_breakpoint(5)
    cpu.ticks_to_stop = 1000
    cpu.run()
    text = bytes(cpu.memory[cpu.de : cpu.de + 40])
    assert (cpu.pc, cpu.c) == (5, 9) and text.startswith(b"FABLE needs a Z80")


# ---- a second emulator, the Spectrum, the terminal


def test_a_second_emulator_agrees_in_every_t_state(fable):
    pytest.importorskip("z80_python", reason="the second emulator is missing: pip install z80-python (Python 3.11 or newer)")
    computers = [started(fable, "/s 3", core=core) for core in (machine.Fast, z80_computers.Slow)]
    for line in ("hello", "do you like cats?", "/t 5", "why"):
        assert computers[0].type(line) == computers[1].type(line)
    assert computers[0].shown == computers[1].shown


def test_the_machine_in_javascript_agrees_in_every_t_state(tmp_path, fable):
    root = pathlib.Path(__file__).resolve().parent.parent
    if not (root / "node_modules" / "z80-emulator").exists():
        pytest.skip("the emulator for JavaScript is missing: npm ci")
    (tmp_path / "FABLE.COM").write_bytes(fable)
    lines = ["/s 3", "hello there", "play", "is it alive?", "stop", "/t 4", "do you like cats", "caf\u00e9", "quit"]
    command = ["node", str(root / "z80" / "host" / "play.mjs"), str(tmp_path / "FABLE.COM"), "--ticks"]
    done = subprocess.run(command, input="\n".join([*lines, ""]).encode("utf-8"), capture_output=True, check=True)
    computer = started(fable, *lines)
    assert computer.ended
    assert done.stdout.decode("ascii") == screen(computer)
    assert int(done.stderr) == computer.core.ticks


def test_the_tape_loads_and_talks_on_a_spectrum(released):
    if not os.path.exists(FREE_ROM):
        pytest.skip("a ROM for the Spectrum is missing: apt install opense-basic")
    with open(FREE_ROM, "rb") as file:
        spectrum = z80_computers.Spectrum(file.read(), build.build(released, "FABLE.TAP"))
    spectrum.run(150)
    spectrum.run(150, z80_computers.LOAD_TAPE)
    assert any("20 QUESTIONS" in line for line in spectrum.screen())
    spectrum.run(20, [*b"/t 0", 13])
    expected = released[0].reply("how are you")[0]
    spectrum.run(300, [12, *b"how are yx", 12, *b"ou", 13])  # DELETE on nothing, and on the x
    assert [line for line in spectrum.screen() if line][-3:-1] == ["> how are you", expected]
    spectrum.run(50, [*b"guess", 13])
    spectrum.run(200, [*b"quit", 13])  # in the middle of a game, from a routine
    assert any(line.startswith(("OK", "0 OK")) for line in spectrum.screen())  # back in BASIC


def test_a_wrong_rom_is_said():
    with pytest.raises(UserError, match="has 3 bytes, not 16384"):
        z80_computers.Spectrum(b"abc")


def test_run_in_the_terminal(tmp_path, fable):
    program = tmp_path / "FABLE.COM"
    program.write_bytes(fable)
    command = [sys.executable, "-m", "fable6c.z80", "run", str(program), "--full-speed"]
    done = subprocess.run(command, input="/t 0\nhello\nquit\n", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("FABLE: 20 QUESTIONS") and "\n> hello\n" in done.stdout
    done = subprocess.run([*command, "--say", "hello"], capture_output=True, text=True)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1


def test_run_on_a_terminal(tmp_path, fable):
    """The terminal shows what is typed and begins a new line itself: no empty line between, and no echo from us."""
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    (tmp_path / "FABLE.COM").write_bytes(fable)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "fable6c.z80", "run", str(tmp_path / "FABLE.COM"), "--full-speed"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    for line in (b"my name is sam\n", b"quit\n"):
        while not shown.endswith(b"> "):
            shown += os.read(ours, 1000)
        os.write(ours, line)
        shown += os.read(ours, 1)
    try:
        while True:
            shown += os.read(ours, 1000)
    except OSError:  # the other end was closed
        pass
    os.close(ours)
    assert process.wait() == 0
    assert re.search(rb"\n> my name is sam\r\n[^\r\n]*SAM[^\r\n]*\r\n> quit\r\n$", shown)


def test_build_and_evaluate_on_the_machine(tmp_path, capsys):
    any_model("ABC").save(str(tmp_path / "a.model"))
    text = tmp_path / "lines.txt"
    text.write_text("is it red|NO\nis it blue|YES\n")
    z80.main(["build", str(tmp_path / "a.model"), "-o", str(tmp_path / "A.COM")])
    assert (tmp_path / "A.COM").stat().st_size < 8192
    z80.main(["evaluate", str(tmp_path / "a.model"), str(text), "--machine", "2"])
    assert "0 of 2 replies differ" in capsys.readouterr().out


@pytest.mark.parametrize("models_given, words", [(["game"], "needs the chat's before it"), (["chat", "chat"], "knows 0 secrets, the game")])
def test_wrong_models_for_a_program(tmp_path, models_given, words):
    paths = dict(zip(("chat", "game"), build.released_models()))
    with pytest.raises(UserError, match=words):
        z80.main(["build", *(paths[name] for name in models_given), "-o", str(tmp_path / "x.com")])


def test_a_program_that_cannot_be(tmp_path):
    (tmp_path / "empty.com").write_bytes(b"")
    with pytest.raises(UserError, match="the program has 0 bytes"):
        z80.main(["run", str(tmp_path / "empty.com")])
    with pytest.raises(UserError, match="cannot be read"):
        z80.main(["run", str(tmp_path / "none.com")])


def test_the_games_tables_fit_their_bytes():
    assert len(things.ALL_THINGS) <= 128 and games.TRAITS_ASKED <= 64  # games.asm's room
    assert len(games.packed()) == games.TRAITS_ASKED * -(-len(things.ALL_THINGS) // 4)
    assert np.array_equal(sorted(set(games.packed()))[:1], [0])


@pytest.mark.slow
def test_the_benchmark_runs(tmp_path):
    root = pathlib.Path(__file__).resolve().parent.parent
    for name in ("guess", "tinychat"):
        with gzip.open(tmp_path / f"{name}.txt.gz", "wt") as file:
            file.writelines(f"{line}|{answer}\n" for line, answer in (each.split("|")[1:] for each in things.lines(1, 300)))
    command = [
        "bash",
        str(root / "benchmarks" / "run.sh"),
        "z80",
        "--quick",
        "--texts",
        str(tmp_path),
        "--json",
        str(tmp_path / "z80.json"),
    ]
    subprocess.run(command, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, check=True)
    figures = json.loads((tmp_path / "z80.json").read_text())
    assert figures["quick"] and figures["guess"]["rows"][0]["different"] == 0
    done = subprocess.run(
        [*command[:-2], "--texts", "nowhere"], env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True
    )
    assert done.returncode == 1 and "name the folder of the peer's texts with --texts" in done.stderr and "Traceback" not in done.stderr
