"""Computers in memory for the tests of the Z80 program: a second emulator that checks the first, and a 48K Spectrum."""

import functools
import operator

from fable6c.errors import UserError
from fable6c.z80lib.machine import FOREVER, Fast

FRAME = 69_888  # T-states of a fiftieth of a second on the Spectrum
LD_BYTES = 0x0556  # the ROM's routine that loads a block
LAST_K, FLAGS, CHARS = 23560, 23611, 23606  # system variables
LOAD_TAPE = (0xEF, ord('"'), ord('"'), 13)  # the keys of LOAD ""


class Slow:
    """The packaged emulator `z80-python`, with the same methods."""

    def __init__(self):
        try:
            from z80_python.cpu import Z80CPU
        except ImportError:
            raise UserError("the second emulator is missing; install it with: pip install z80-python (Python 3.11 or newer)") from None
        self.memory = bytearray(65536)
        self.cpu = Z80CPU(self.memory.__getitem__, self.memory.__setitem__)
        self.ticks = 0
        self.watched = set()

    def watch(self, address):
        self.watched.add(address)

    def run(self, ticks=FOREVER):
        end, step, watched = self.ticks + ticks, self.cpu.step, self.watched
        while self.ticks < end:
            self.ticks += step()
            if self.cpu.pc in watched:
                return True
        return False

    def get(self, name):
        return self.cpu._read_pair(("bc", "de", "hl", "sp").index(name)) if name in ("de", "bc", "hl", "sp") else getattr(self.cpu, name)

    def set(self, name, value):
        setattr(self.cpu, name, value)


class Spectrum:
    """A 48K Spectrum with a ROM: boots it, types, loads tapes at once, reads the screen."""

    def __init__(self, rom, tape=b""):
        if len(rom) != 16384:
            raise UserError(f"the Spectrum's ROM has {len(rom)} bytes, not 16384; Debian has a free one in the package opense-basic")
        self.core = Fast()
        self.core.memory[0:16384] = rom
        self.core.cpu.set_input_callback(lambda port: 0xBF)  # no key is down
        self.core.watch(LD_BYTES)
        self.blocks = []
        while tape:
            length = int.from_bytes(tape[:2], "little")
            self.blocks.append(tape[2 : 2 + length])
            tape = tape[2 + length :]

    def run(self, frames, keys=()):
        """Fiftieths of a second, after as many as it takes to read the keys (codes as in LAST_K)."""
        memory, waiting = self.core.memory, list(keys)
        while frames > 0:
            if waiting and not memory[FLAGS] & 32:
                memory[LAST_K], memory[FLAGS] = waiting.pop(0), memory[FLAGS] | 32
            while self.core.run(FRAME):
                self._load()
            self.core.cpu.on_handle_active_int()
            frames -= not waiting

    def _load(self):
        """What the ROM's routine does with a tape: flag A, IX and DE the place and the length; carry: it went well."""
        cpu, memory = self.core.cpu, self.core.memory
        block = self.blocks.pop(0) if self.blocks else b""
        right = len(block) == cpu.de + 2 and block[0] == cpu.a and not functools.reduce(operator.xor, block)
        if right:
            memory[cpu.ix : cpu.ix + cpu.de] = block[1:-1]
            cpu.ix, cpu.de = (cpu.ix + cpu.de) & 0xFFFF, 0
        cpu.f = int(right)
        cpu.pc, cpu.sp = memory[cpu.sp] | memory[cpu.sp + 1] << 8, cpu.sp + 2

    def screen(self):
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
