"""The network, in the Z80's integers.

    q = gate * (sum of the rows that the line selects)            once a line, -95 … 95
    x = clamp((q + 8 * sum of 4 context rows) >> 1)               once a character; clamp(v) = min(max(v, 0), 20)
    h = clamp(x + (mix x >> 3))
    logits = output h                                             character 0 is the end

All weights are -1, 0 or 1; >> rounds down. The context rows are chosen by the place in the reply, its last character, its last two
and all of it. `gate` is a row of signs for the thing that the program thinks of (1 where it thinks of none): one question has other answers
for other things. Nothing can overflow: |q| <= 95, |q + 8c| <= 127, |mix x| and |logits| <= 48 * 20 = 960.

A model with `memory` also sees its last two replies (text.py).
"""

import dataclasses
import io
import math
import zipfile
import zlib
from collections.abc import Sequence
from typing import Optional

import numpy as np

from fable6c.errors import UserError
from fable6c.files import atomic_write, open_file
from fable6c.z80lib.text import ALL, ANSWER, AT, LAST, TWO, Memory, hashed, rows

WIDTH = 48
TOP = 20  # the largest activation: the sum of six, doubled to be positive, must fit into a byte
CONTEXTS = 4
HEATS = 10  # temperatures 0, 0.2 … 1.8; 0 takes the likeliest character
EXPONENTIAL = np.rint(255 * np.exp(-np.arange(64) / 10)).astype(int)  # the sampler's table
CHARACTERS = 63  # at most, beside the end
MAX_ROWS, MAX_SECRETS = 8192, 128
MAX_BYTES = 1 << 20  # of a model's arrays, unpacked; its weights take 0.5 MB at most
CONTEXT_SIZES = (16, 32, 64, 128, 256, 512, 1024)


def clamp(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, TOP)


def context(reply: str, count: int) -> list[int]:
    """The rows of a table of `count` (a power of two) that the reply so far selects."""
    last = ("\0\0" + reply)[-2:]
    found = [hashed(AT, chr(len(reply))), hashed(LAST, last[1]), hashed(TWO, last), hashed(ALL, reply)]
    return [((value >> 8) ^ value) & (count - 1) for value in found]


def random_bits(state: int) -> int:
    """The next state of a 16-bit xorshift generator (7, 9, 8), which is also what it gives. 0 stays 0."""
    state ^= state << 7 & 0xFFFF
    state ^= state >> 9
    return state ^ (state << 8 & 0xFFFF)


@dataclasses.dataclass
class Model:
    """Weights int8: table (rows, 48), context (rows, 48), gates (secrets, 48), mix (48 from, 48 to), output (48, 1 + characters)."""

    characters: str
    table: np.ndarray
    context: np.ndarray
    gates: np.ndarray
    mix: np.ndarray
    output: np.ndarray
    heat: float = 0.1  # nats for each unit of a logit
    secrets: tuple[str, ...] = ()
    memory: bool = False

    def question(self, line: str, secret: int = 0, memory: Optional[Memory] = None) -> np.ndarray:
        """q (48,): what stays the same for all characters of the reply."""
        chosen = rows(line, len(self.table), memory if self.memory else None)
        return self.table[chosen].sum(axis=0, dtype=np.int64) * self.gates[secret]

    def logits(self, question: np.ndarray, reply: str) -> np.ndarray:
        """(1 + characters,) int64, for the character after `reply`."""
        near = self.context[context(reply, len(self.context))].sum(axis=0, dtype=np.int64)
        x = clamp((question + 8 * near) >> 1)
        h = clamp(x + ((x @ self.mix.astype(np.int64)) >> 3))
        return h @ self.output.astype(np.int64)

    def reply(self, line: str, secret: int = 0, memory: Optional[Memory] = None, heat: int = 0, seed: int = 1) -> tuple[str, int]:
        """The reply, and the generator's state after it. heat / 5 is the temperature."""
        question, said = self.question(line, secret, memory), ""
        while len(said) < ANSWER:
            logits = self.logits(question, said)
            if heat:
                chosen, seed = self.sample(logits, heat, seed)
            else:
                chosen = int(logits.argmax())
            if chosen == 0:
                break
            said += self.characters[chosen - 1]
        return said, seed

    def multiplier(self, heat: int) -> int:
        """What turns a logit's distance from the largest into sixteenths of a step in the sampler's table."""
        return min(max(round(16 * 10 * self.heat * 5 / heat), 1), 255)

    def sample(self, logits: np.ndarray, heat: int, seed: int) -> tuple[int, int]:
        steps = (logits.max() - logits).clip(0, 255) * self.multiplier(heat) >> 4
        weights = np.where(steps < 64, EXPONENTIAL[np.minimum(steps, 63)], 0)
        seed = random_bits(seed)
        return int((np.cumsum(weights) <= (seed * int(weights.sum()) >> 16)).argmin()), seed

    def replies(self, lines: Sequence[str], secrets: Sequence[int], memories: Sequence[Optional[Memory]]) -> list[str]:
        """The greedy replies to many lines, the same as `reply` gives one by one."""
        if not len(lines):
            return []
        questions = np.stack([self.question(*each) for each in zip(lines, secrets, memories)]).astype(np.float32)
        near, mix, output = (weights.astype(np.float32) for weights in (self.context, self.mix, self.output))
        said, open_ = [""] * len(lines), np.arange(len(lines))
        for _ in range(ANSWER):
            chosen_rows = np.array([context(said[each], len(near)) for each in open_])
            x = clamp(np.floor((questions[open_] + 8 * near[chosen_rows].sum(axis=1)) / 2))
            h = clamp(x + np.floor(x @ mix / 8))
            chosen = (h @ output).argmax(axis=1)
            for each, character in zip(open_, chosen):
                said[each] += self.characters[character - 1] if character else ""
            open_ = open_[chosen > 0]
            if not len(open_):
                break
        return said

    # ---- files

    def save(self, path: str) -> None:
        content = io.BytesIO()
        np.savez_compressed(
            content,
            format=np.array(FORMAT),
            characters=np.array(self.characters),
            secrets=np.array(self.secrets, dtype=np.str_),
            memory=np.array(self.memory),
            heat=np.array(self.heat),
            **{name: getattr(self, name).astype(np.int8) for name in WEIGHTS},
        )
        atomic_write(path, content.getvalue())


FORMAT = "fable6c z80 model 1"
WEIGHTS = ("table", "context", "gates", "mix", "output")


def load(path: str) -> Model:
    """Read what `Model.save` wrote. Raises UserError, naming the path, for a file that is missing, foreign or damaged."""
    hint = "give a file made by `python -m fable6c.z80 train`"
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())  # zipfile gives no more than it promises
        if unpacked > MAX_BYTES:
            raise UserError(f"{path}: would unpack to {unpacked:,} bytes, a model has at most {MAX_BYTES:,}; {hint}")
        with open_file(path) as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["format"]) != FORMAT:
                raise UserError(f"{path}: is of format {str(stored['format'])!r}, this program reads {FORMAT!r}; {hint}")
            model = Model(
                str(stored["characters"]),
                *(stored[name] for name in WEIGHTS),  # type: ignore[misc]
                heat=float(stored["heat"]),
                secrets=tuple(map(str, stored["secrets"])),
                memory=bool(stored["memory"]),
            )
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); {hint}") from None
    except (ValueError, KeyError, EOFError, TypeError, MemoryError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error):
        raise UserError(f"{path}: is not a model for the Z80, or damaged; {hint}") from None
    problem = contradiction(model)
    if problem:
        raise UserError(f"{path}: {problem}; {hint}")
    return model


def contradiction(model: Model) -> str:
    """What is wrong with a model that was read, or nothing."""
    count = len(model.characters) + 1
    shapes = {"mix": (WIDTH, WIDTH), "output": (WIDTH, count), "gates": (max(len(model.secrets), 1), WIDTH)}
    for name in WEIGHTS:
        weights = getattr(model, name)
        if weights.ndim != 2 or weights.dtype != np.int8 or shapes.get(name, (len(weights), WIDTH)) != weights.shape:
            return f"{name} is {weights.dtype} {weights.shape}"
        if not np.isin(weights, (-1, 0, 1)).all():
            return f"{name} has weights beside -1, 0 and 1"
    if len(model.table) % 256 or not 256 <= len(model.table) <= MAX_ROWS:
        return f"the table has {len(model.table)} rows, not a multiple of 256 up to {MAX_ROWS}"
    if len(model.context) not in CONTEXT_SIZES:
        return f"there are {len(model.context)} context rows, not a power of two from 16 to 1024"
    if not 1 <= len(model.characters) <= CHARACTERS or len(set(model.characters)) < len(model.characters):
        return f"it has {len(model.characters)} characters, not 1 to {CHARACTERS} different ones"
    if not all(" " <= character <= "~" for character in model.characters):
        return f"it has the characters {model.characters!r}, and the machine has ASCII only"
    if not 0 < model.heat < math.inf:
        return f"its unit of a logit is {model.heat} nats"
    if len(model.secrets) > MAX_SECRETS:
        return f"it knows {len(model.secrets)} things, more than {MAX_SECRETS}"
    return ""
