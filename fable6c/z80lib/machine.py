"""Computers that exist in memory only: a CP/M 2.2 machine and a 48K Spectrum, around a packaged Z80 emulator.

Two emulators of different origin serve: `z80` (C++, counts T-states, fast) and `z80-python` (Python, slow), which checks the other.
"""

import functools
import operator
import sys
import time
from collections.abc import Sequence
from typing import Any, Callable, Optional

from fable6c.errors import UserError

TOP_OF_CPM = 0xDC06  # where the system's entry is on a machine of 64 KB
FRAME = 69_888  # T-states of a fiftieth of a second on the Spectrum
HZ = 4_000_000
FOREVER = 1 << 31
MAX_LINE = 1 << 16  # characters that a person may type at once, of which the machine reads 255


class Fast:
    """The packaged emulator `z80`: runs until an address that is watched, or for some T-states."""

    def __init__(self) -> None:
        try:
            from z80 import Z80Machine
        except ImportError:
            raise UserError("the emulator is missing; install it with: pip install 'fable6c[z80]' (Python 3.10 or newer)") from None
        self.cpu = Z80Machine()
        self.memory: Any = self.cpu.memory
        self.ticks = 0
        self.watched: set = set()

    def watch(self, address: int) -> None:
        self.watched.add(address)
        self.cpu.set_breakpoint(address)

    def run(self, ticks: int = FOREVER) -> bool:
        """Go on; True if it came to a watched address, which is not executed yet."""
        self.cpu.ticks_to_stop = ticks
        if self.cpu.pc in self.watched:
            self.cpu.step_over_breakpoint()
            # It resets the count.
            self.ticks += 10
            self.cpu.ticks_to_stop = ticks
        self.cpu.run()
        self.ticks += ticks - self.cpu.ticks_to_stop
        return self.cpu.pc in self.watched

    def get(self, name: str) -> int:
        return getattr(self.cpu, name)

    def set(self, name: str, value: int) -> None:
        setattr(self.cpu, name, value)


class Slow:
    """The packaged emulator `z80-python`, with the same methods."""

    def __init__(self) -> None:
        try:
            from z80_python.cpu import Z80CPU
        except ImportError:
            raise UserError("the second emulator is missing; install it with: pip install z80-python (Python 3.11 or newer)") from None
        self.memory: Any = bytearray(65536)
        self.cpu = Z80CPU(self.memory.__getitem__, self.memory.__setitem__)
        self.ticks = 0
        self.watched: set = set()

    def watch(self, address: int) -> None:
        self.watched.add(address)

    def run(self, ticks: int = FOREVER) -> bool:
        end, step, watched = self.ticks + ticks, self.cpu.step, self.watched
        while self.ticks < end:
            self.ticks += step()
            if self.cpu.pc in watched:
                return True
        return False

    def get(self, name: str) -> int:
        return self.cpu._read_pair(("bc", "de", "hl", "sp").index(name)) if name in ("de", "bc", "hl", "sp") else getattr(self.cpu, name)

    def set(self, name: str, value: int) -> None:
        setattr(self.cpu, name, value)


class CPM:
    """A CP/M 2.2 machine that runs one program: console input and output, lines, the command tail."""

    def __init__(self, program: bytes, tail: str = "", core: Callable = Fast, top: int = TOP_OF_CPM):
        if not 0 < len(program) <= top - 256 - 6:
            raise UserError(f"the program has {len(program)} bytes; a .COM file for this machine has 1 to {top - 262}")
        self.core = core()
        memory = self.core.memory
        memory[0:3] = bytes([0xC3, 3, top - 6 >> 8])
        memory[5:8] = bytes([0xC3, top & 255, top >> 8])
        memory[top] = 0xC9  # back to the program, once the call was served from outside
        memory[256 : 256 + len(program)] = program
        tail = (" " + tail.upper() if tail else "")[:126]
        memory[128 : 129 + len(tail)] = bytes([len(tail)]) + tail.encode("ascii", "replace")
        stack = top - 6 - 256
        memory[stack : stack + 2] = b"\0\0"  # a final RET goes to address 0, the end of a program
        self.core.set("sp", stack)
        self.core.set("pc", 256)
        self.top = top
        self.core.watch(0)
        self.core.watch(top)
        self.ended = self.waiting = False
        self.input: list[str] = []
        self.shown: list[tuple[str, int]] = []  # each character and the T-states until it

    def run(self, show: Optional[Callable[[str], None]] = None, slice: int = FOREVER) -> None:
        """Go on until the program ends or waits for a line that nobody typed."""
        while not self.ended:
            if not self.waiting and not self.core.run(slice):
                if show:
                    show("")
                continue
            self.waiting = False
            if self.core.get("pc") == 0:
                self.ended = True
                return
            function, argument = self.core.get("c"), self.core.get("de")
            if function == 10:
                if not self.input:
                    self.waiting = True
                    return
                self._line(argument, self.input.pop(0))
            elif function == 9:
                for _ in range(65536):  # without an end it would show all of the memory for ever
                    if self.core.memory[argument] == ord("$"):
                        break
                    self._show(self.core.memory[argument], show)
                    argument = argument + 1 & 0xFFFF
            elif function == 2:
                self._show(self.core.get("e"), show)
            elif function == 1:
                if not self.input:
                    self.waiting = True
                    return
                self.input[0] = self.input[0].encode("ascii", "replace").decode("ascii") or "\r"
                self.core.set("a", ord(self.input[0][0]))
                self.input[0] = self.input[0][1:]
                if not self.input[0]:
                    del self.input[0]
            elif function == 11:
                self.core.set("a", 255 if self.input else 0)
            elif function == 0:
                self.ended = True
                return

    def type(self, line: str) -> str:
        """What the program shows from this line to its next question."""
        before = len(self.shown)
        self.input.append(line)
        self.run()
        return "".join(character for character, _ in self.shown[before:])

    def _line(self, buffer: int, line: str) -> None:
        room = self.core.memory[buffer]
        content = line.encode("ascii", "replace")[:room]
        for place, byte in enumerate(bytes([len(content)]) + content, buffer + 1):
            self.core.memory[place & 0xFFFF] = byte

    def _show(self, code: int, show: Optional[Callable]) -> None:
        character = chr(code & 127)
        self.shown.append((character, self.core.ticks))
        if show:
            show(character)


def reply_of(shown: str) -> str:
    """The reply in what `CPM.type` returned: an end of line, the reply, an end of line, the next prompt."""
    return shown[2:].split("\r\n")[0]


def talk(program: bytes, tail: str = "", full_speed: bool = False) -> None:
    """Play a program in the terminal, at the speed of a 4 MHz machine or as fast as it goes."""
    machine = CPM(program, tail)
    machine.core.set("r", time.monotonic_ns() & 127)  # on a real machine it counts while the person types; here nothing runs meanwhile
    started = time.monotonic()
    skipped = 0  # characters that end the line which the terminal has ended already

    def show(character: str) -> None:
        nonlocal skipped
        if not full_speed:
            sys.stdout.flush()
            time.sleep(max(0.0, machine.core.ticks / HZ - (time.monotonic() - started)))
        if skipped and character:
            skipped -= 1
        elif character != "\r":
            sys.stdout.write(character)

    while True:
        machine.run(show, HZ // 50)
        if machine.ended:
            break
        sys.stdout.flush()
        try:
            line = sys.stdin.buffer.readline(MAX_LINE).decode("utf-8", "replace")
        except OSError:  # it was closed before the program began
            line = ""
        if not line:
            print()
            break
        if sys.stdin.isatty():
            skipped = 2
        else:
            sys.stdout.write(line.rstrip("\r\n"))
        machine.input.append(line.rstrip("\r\n"))
        started = time.monotonic() - machine.core.ticks / HZ  # the machine did not compute while the person was typing
    sys.stdout.flush()


class Spectrum:
    """A 48K Spectrum with a ROM: boots it, types, loads tapes at once, reads the screen."""

    def __init__(self, rom: bytes, tape: bytes = b""):
        if len(rom) != 16384:
            raise UserError(f"the Spectrum's ROM has {len(rom)} bytes, not 16384; Debian has a free one in the package opense-basic")
        self.core = Fast()
        self.core.memory[0:16384] = rom
        self.core.cpu.set_input_callback(lambda port: 0xBF)  # no key is down
        self.core.watch(LD_BYTES)
        self.blocks: list[bytes] = []
        while tape:
            length = int.from_bytes(tape[:2], "little")
            self.blocks.append(tape[2 : 2 + length])
            tape = tape[2 + length :]

    def run(self, frames: int, keys: Sequence[int] = ()) -> None:
        """Fiftieths of a second, after as many as it takes to read the keys (codes as in LAST_K)."""
        memory, waiting = self.core.memory, list(keys)
        while frames > 0:
            if waiting and not memory[FLAGS] & 32:
                memory[LAST_K], memory[FLAGS] = waiting.pop(0), memory[FLAGS] | 32
            while self.core.run(FRAME):
                self._load()
            self.core.cpu.on_handle_active_int()
            frames -= not waiting

    def _load(self) -> None:
        """What the ROM's routine does with a tape: flag A, IX and DE the place and the length; carry: it went well."""
        cpu, memory = self.core.cpu, self.core.memory
        block = self.blocks.pop(0) if self.blocks else b""
        right = len(block) == cpu.de + 2 and block[0] == cpu.a and not functools.reduce(operator.xor, block)
        if right:
            memory[cpu.ix : cpu.ix + cpu.de] = block[1:-1]
            cpu.ix, cpu.de = (cpu.ix + cpu.de) & 0xFFFF, 0
        cpu.f = int(right)
        cpu.pc, cpu.sp = memory[cpu.sp] | memory[cpu.sp + 1] << 8, cpu.sp + 2

    def screen(self) -> list[str]:
        """The 24 lines of 32 characters, as the ROM's font draws them; "?" for other pictures."""
        memory = self.core.memory
        font = (memory[CHARS] | memory[CHARS + 1] << 8) + 256
        letters = {bytes(memory[font + 8 * code : font + 8 * code + 8]): chr(32 + code) for code in range(95)}
        lines = []
        for row in range(24):
            start = 16384 + (row >> 3) * 2048 + (row & 7) * 32
            cells = [bytes(memory[start + column + 256 * line] for line in range(8)) for column in range(32)]
            lines.append("".join(letters.get(cell, "?") for cell in cells).rstrip())
        return lines


LD_BYTES = 0x0556  # the ROM's routine that loads a block
LAST_K, FLAGS, CHARS = 23560, 23611, 23606  # system variables
LOAD_TAPE = (0xEF, ord('"'), ord('"'), 13)  # the keys of LOAD ""
