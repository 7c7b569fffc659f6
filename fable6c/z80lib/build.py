"""Models + z80/assembly -> FABLE.COM and FABLE.TAP.

The weights are packed as network.asm reads them. The assembler is pyz80 from PyPI, a Python program: building needs nothing but pip.
"""

import ast
import functools
import operator
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

from fable6c.errors import UserError
from fable6c.z80lib import games
from fable6c.z80lib.model import EXPONENTIAL, HEATS, TOP, WIDTH, Model
from fable6c.z80lib.text import ALL, ANSWER, AT, LAST, LINE, PAIR, ROWS_OF_A_LINE, SAID, TWO, WORD
from fable6c.z80lib.things import ALL_THINGS

COM_LIMIT = 40_960  # what a floppy of the day and a patient person have to spare
SPECTRUM_ORIGIN = 24_576
NAME = 13  # bytes for the name of the person, with its end
FIRST_HEAT = 0  # the likeliest characters, until the person sets a temperature


def folder_of(name: str) -> str:
    """Where "assembly" or "models" is: installed beside this file, or in the checkout."""
    here = os.path.dirname(os.path.abspath(__file__))
    installed = os.path.join(here, name)
    return installed if os.path.isdir(installed) else os.path.join(here, os.pardir, os.pardir, "z80", name)


def released_models() -> list[str]:
    """The paths of the chat and the game that come with the project."""
    return [os.path.join(folder_of("models"), name) for name in ("chat.model", "game.model")]


# ---- weights as bytes


def pack_fives(weights: np.ndarray) -> bytes:
    """Rows (N, 48) of -1, 0, 1 as ten bytes each: five base-3 digits to a byte, the first the least."""
    digits = np.zeros((len(weights), 50), dtype=np.int64)
    digits[:, :WIDTH] = weights + 1
    return (digits.reshape(len(weights), 10, 5) @ 3 ** np.arange(5)).astype(np.uint8).tobytes()


def pack_threes(weights: np.ndarray) -> bytes:
    """Rows (N, 48) as sixteen bytes each: the three digits of a group, + 32 * (group modulo 8), where its sums lie."""
    digits = (weights.reshape(len(weights), 16, 3).astype(np.int64) + 1) @ 3 ** np.arange(3)
    return (digits + 32 * (np.arange(16) % 8)).astype(np.uint8).tobytes()


class Source:
    """Assembly that is generated: its lines, and the bytes that they include as files, which is faster than `defb`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.files: dict[str, bytes] = {}

    def label(self, name: str, content: bytes) -> None:
        file = f"{len(self.files)}.bin"
        self.files[file] = content
        self.lines += [f"{name}:", f'        mdat "{file}"']

    def text(self, name: str, text: str) -> None:
        """A text that `print` prints."""
        self.label(name, text.replace("\n", "\r\n").encode("ascii") + b"\0")

    def model(self, name: str, model: Model) -> None:
        """The header that `use_model` copies, then the tables."""
        gates = f"{name}_gates" if model.secrets else "0"
        self.lines += [f"{name}:", f"        defw {name}_table,{name}_context,{gates},{name}_mix,{name}_output,{name}_alphabet"]
        mask = len(model.context) - 1
        heats = [0] + [model.multiplier(heat) for heat in range(1, HEATS)]
        counts = [len(model.table) // 256, mask & 255, mask >> 8, 1 + len(model.characters), int(model.memory)]
        self.label(f"{name}_counts", bytes(counts + heats))
        self.label(f"{name}_alphabet", model.characters.encode("ascii"))
        self.label(f"{name}_mix", pack_threes(model.mix.T))
        self.label(f"{name}_output", pack_threes(model.output.T))
        self.label(f"{name}_context", pack_fives(model.context))
        if model.secrets:
            self.label(gates, pack_fives(model.gates))
        self.label(f"{name}_table", pack_fives(model.table))


# ---- the program


def settings_of(models: Sequence[Model], spectrum: bool, check: bool) -> list[str]:
    """settings.asm: what the assembly and Python have to agree on."""
    game = len(models) == 2
    constants: dict[str, int] = {
        "GAME": int(game),
        "SPECTRUM": int(spectrum),
        "CHECK": int(check),
        "ORIGIN": SPECTRUM_ORIGIN if spectrum else 256,
        "TOP": TOP,
        "LINE": LINE,
        "ANSWER": ANSWER,
        "NAME": NAME,
        "ROWS_OF_A_LINE": ROWS_OF_A_LINE,
        "HASH_WORD": WORD,
        "HASH_PAIR": PAIR,
        "HASH_SAID": SAID,
        "HASH_SAID_2": 2 * SAID & 0xFFFF,
        "HASH_ALL": ALL,
        "HASH_AT_31": 31 * AT & 0xFFFF,
        "HASH_LAST_31": 31 * LAST & 0xFFFF,
        "HASH_TWO_961": 961 * TWO & 0xFFFF,
        "FIRST_HEAT": FIRST_HEAT,
        "GAME_BYTES": 256 if game else 0,
        "THINGS": len(ALL_THINGS),
        "THINGS_BYTES": -(-len(ALL_THINGS) // 4),
        "TRAITS": games.TRAITS_ASKED,
        "QUESTIONS_OF_A_GAME": games.QUESTIONS,
    }
    return [f"{name}: equ {value}" for name, value in constants.items()]


def source_of(models: Sequence[Model]) -> Source:
    """models.asm: what the program says, knows and computes with."""
    source, game = Source(), len(models) == 2
    source.text("banner", "FABLE: 20 QUESTIONS AND A CHAT. TYPE HELP.\n" if game else "FABLE. TYPE QUIT TO LEAVE.\n")
    source.text("prompt", "> ")
    source.text("options", "/T 0 TO /T 9 IS THE TEMPERATURE, /S 1 TO /S 65535 THE SEED.\n")
    source.text("word_quit", "quit")
    source.label("exponential", bytes(EXPONENTIAL.tolist()))
    if game:
        for label, text in games.texts():
            source.text(label, text)
        for label, texts in (("names", games.names()), ("questions", games.questions())):
            source.label(label, "".join(text + "\0" for text in texts).encode("ascii"))
        source.label("knowledge", games.packed())
    for label, model in zip(("first_model", "second_model"), models):
        source.model(label, model)
    return source


def assemble(models: Sequence[Model], spectrum: bool = False, check: bool = False) -> tuple[bytes, dict[str, int]]:
    """The program's bytes and its symbols, for one model to talk to or the chat's and the game's. UserError: the assembler is missing."""
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(folder_of("assembly")):
            if name.endswith(".asm"):
                shutil.copy(os.path.join(folder_of("assembly"), name), folder)
        source = source_of(models)
        files = {"settings.asm": settings_of(models, spectrum, check), "models.asm": source.lines}
        for name, content in {**{name: "\n".join(lines + [""]).encode("ascii") for name, lines in files.items()}, **source.files}.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        command = [sys.executable, "-m", "pyz80.pyz80", "--obj=program", "-s", ".", "--nozip", "--case", "--intdiv", "fable.asm"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if "No module named" in done.stderr:
            raise UserError("the assembler pyz80 is missing; install it with: pip install 'fable6c[z80]'")
        if done.returncode or not os.path.exists(os.path.join(folder, "program")):
            raise RuntimeError(f"pyz80: {done.stdout}{done.stderr}")
        with open(os.path.join(folder, "program"), "rb") as file:
            program = file.read()
        labels = ast.literal_eval(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return program, labels


# ---- the Spectrum's tape


def tape(program: bytes, memory_end: int) -> bytes:
    """A .TAP with a BASIC loader and the program. Raises UserError if program and workspace do not fit into 48 KB."""
    memory_end = max(memory_end, SPECTRUM_ORIGIN + len(program))
    if memory_end > 65_536:
        raise UserError(f"the program is {memory_end - 65_536} bytes too big for the 48K Spectrum; train with fewer --rows")
    number = lambda value: b"\xb0" + f'"{value}"'.encode("ascii")  # noqa: E731  # VAL "…" needs no binary form of the number
    line = (
        b"\xfd" + number(SPECTRUM_ORIGIN - 1)  # CLEAR
        + b':\xef""\xaf'  # LOAD ""CODE
        + b":\xf9\xc0" + number(SPECTRUM_ORIGIN)  # RANDOMIZE USR
        + b"\r"
    )  # fmt: skip
    basic = (10).to_bytes(2, "big") + len(line).to_bytes(2, "little") + line
    return _header(0, basic, 10, len(basic)) + _block(0xFF, basic) + _header(3, program, SPECTRUM_ORIGIN, 32_768) + _block(0xFF, program)


def _block(flag: int, content: bytes) -> bytes:
    content = bytes([flag]) + content
    return (len(content) + 1).to_bytes(2, "little") + content + bytes([functools.reduce(operator.xor, content)])


def _header(kind: int, content: bytes, first: int, second: int) -> bytes:
    numbers = b"".join(value.to_bytes(2, "little") for value in (len(content), first, second))
    return _block(0, bytes([kind]) + b"FABLE     " + numbers)


def build(models: Sequence[Model], path: str) -> bytes:
    """The file's content: a tape if the path ends in .tap, else a program for CP/M of at most COM_LIMIT bytes."""
    spectrum = path.lower().endswith(".tap")
    program, labels = assemble(models, spectrum)
    if spectrum:
        return tape(program, labels["WORK_END"])
    if len(program) > COM_LIMIT:
        raise UserError(
            f"the program would have {len(program):,} bytes, {len(program) - COM_LIMIT:,} more than fit; train with fewer --rows"
        )
    return program
