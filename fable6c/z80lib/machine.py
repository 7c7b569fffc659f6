"""A computer that exists in memory only: a CP/M 2.2 machine, around the packaged Z80 emulator `z80`, which counts T-states.

The tests hold it against a second emulator of another origin, and have a 48K Spectrum besides (tests/z80_computers.py).
"""

import sys
import time
from typing import Any, Callable, Optional

from fable6c.errors import UserError

TOP_OF_CPM = 0xDC06  # where the system's entry is on a machine of 64 KB
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
