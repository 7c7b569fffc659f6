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
from typing import Dict, List, Sequence, Tuple

import numpy as np

from fable6c.errors import UserError
from fable6c.z80lib import games
from fable6c.z80lib.model import EXPONENTIAL, HEATS, TOP, WIDTH, Model
from fable6c.z80lib.text import ALL, ANSWER, AT, LAST, LINE, PAIR, ROWS_OF_A_LINE, SAID, TWO, WORD

COM_LIMIT = 40_960  # what a floppy of the day and a patient person have to spare
SPECTRUM_ORIGIN = 24_576
NAME = 13  # bytes for the name of the person, with its end
FIRST_HEAT = 3  # of the chat; one model alone begins greedy


def folder_of(name: str) -> str:
    """Where "assembly" or "models" is: installed beside this file, or in the checkout."""
    here = os.path.dirname(os.path.abspath(__file__))
    installed = os.path.join(here, name)
    return installed if os.path.isdir(installed) else os.path.join(here, os.pardir, os.pardir, "z80", name)


def released_models() -> List[str]:
    """The paths of the chat and the game that come with the project."""
    return [os.path.join(folder_of("models"), name) for name in ("chat.model", "game.model")]


# ---- weights as bytes


def pack_fives(weights: np.ndarray) -> bytes:
    """Rows (N, 48) of -1, 0, 1 as ten bytes each: five base-3 digits to a byte, the first the least."""
    digits = np.zeros((len(weights), 50), dtype=np.int64)
    digits[:, :WIDTH] = weights + 1
    return (digits.reshape(len(weights), 10, 5) @ 3 ** np.arange(5)).astype(np.uint8).tobytes()


def unpack_fives(data: bytes) -> np.ndarray:
    """The inverse of `pack_fives`."""
    digits = np.frombuffer(data, np.uint8).reshape(-1, 10)[:, :, None] // 3 ** np.arange(5) % 3
    return digits.reshape(-1, 50)[:, :WIDTH].astype(np.int8) - 1


def pack_threes(weights: np.ndarray) -> bytes:
    """Rows (N, 48) as sixteen bytes each: the three digits of a group, + 32 * (group modulo 8), where its sums lie."""
    digits = (weights.reshape(len(weights), 16, 3).astype(np.int64) + 1) @ 3 ** np.arange(3)
    return (digits + 32 * (np.arange(16) % 8)).astype(np.uint8).tobytes()


def model_lines(model: Model, label: str) -> List[str]:
    """A model as assembly: the header that `use_model` copies, then the tables."""
    gated = bool(model.secrets)
    heats = [0] + [model.multiplier(heat) for heat in range(1, HEATS)]
    mask = len(model.context) - 1
    counts = (len(model.table) // 256, mask & 255, mask >> 8, 1 + len(model.characters), int(model.memory))
    lines = [
        f"{label}:",
        f"        defw {label}_table,{label}_context,{f'{label}_gates' if gated else 0},{label}_mix,{label}_output,{label}_alphabet",
        defb([*counts, *heats]),
        f"{label}_alphabet:",
        defb(model.characters.encode("ascii")),
        f"{label}_mix:",
        defb(pack_threes(model.mix.T)),
        f"{label}_output:",
        defb(pack_threes(model.output.T)),
        f"{label}_context:",
        defb(pack_fives(model.context)),
    ]
    if gated:
        lines += [f"{label}_gates:", defb(pack_fives(model.gates))]
    return lines + [f"{label}_table:", defb(pack_fives(model.table))]


def defb(values: Sequence[int]) -> str:
    values = [str(int(value)) for value in values]
    return "\n".join("        defb " + ",".join(values[start : start + 32]) for start in range(0, len(values), 32))


def text_lines(label: str, text: str) -> List[str]:
    """A text that `print` prints."""
    return [f"{label}:", defb([*text.replace("\n", "\r\n").encode("ascii"), 0])]


# ---- the program


def game_lines() -> List[str]:
    """What the games know and say."""
    lines = [line for label, text in games.texts() for line in text_lines(label, text)]
    for label, texts in (("names", games.names()), ("questions", games.questions())):
        lines += [f"{label}:", defb("".join(text + "\0" for text in texts).encode("ascii"))]
    return lines + ["knowledge:", defb(games.packed())]


def program_lines(models: Sequence[Model], spectrum: bool, check: bool) -> Tuple[List[str], List[str]]:
    """settings.asm and models.asm."""
    game = len(models) == 2
    constants: Dict[str, int] = {
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
        "FIRST_HEAT": FIRST_HEAT if game else 0,
        "GAME_BYTES": 256 if game else 0,
        "THINGS": len(games.ALL_THINGS),
        "THINGS_BYTES": -(-len(games.ALL_THINGS) // 4),
        "TRAITS": games.TRAITS_ASKED,
        "QUESTIONS_OF_A_GAME": games.QUESTIONS,
    }
    settings = [f"{name}: equ {value}" for name, value in constants.items()]
    banner = "FABLE: 20 QUESTIONS AND A CHAT. TYPE HELP.\n" if game else "FABLE. TYPE QUIT TO LEAVE.\n"
    lines = text_lines("banner", banner) + text_lines("prompt", "> ")
    lines += text_lines("options", "/T 0 TO /T 9 IS THE TEMPERATURE, /S 1 TO /S 65535 THE SEED.\n") + text_lines("word_quit", "quit")
    lines += ["exponential:", defb(EXPONENTIAL)] + (game_lines() if game else [])
    for label, model in zip(("first_model", "second_model"), models):
        lines += model_lines(model, label)
    return settings, lines


def assemble(models: Sequence[Model], spectrum: bool = False, check: bool = False) -> Tuple[bytes, Dict[str, int]]:
    """One model to talk to, or the chat's and the game's: the program's bytes and the addresses of its labels. Raises UserError if it does not fit or the assembler is missing."""
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(folder_of("assembly")):
            if name.endswith(".asm"):
                shutil.copy(os.path.join(folder_of("assembly"), name), folder)
        for name, lines in zip(("settings.asm", "models.asm"), program_lines(models, spectrum, check)):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write("\n".join(lines) + "\n")
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
    return (
        _header(0, basic, 10, len(basic)) + _block(0xFF, basic) + _header(3, program, SPECTRUM_ORIGIN, 32_768) + _block(0xFF, program)
    )


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
        raise UserError(f"the program would have {len(program):,} bytes, {len(program) - COM_LIMIT:,} more than fit; train with fewer --rows")
    return program
