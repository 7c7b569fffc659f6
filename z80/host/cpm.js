// A CP/M 2.2 machine in JavaScript, for a page or node: runs FABLE.COM on the Z80 of the npm package z80-emulator.
// fable6c/z80lib/machine.py is the same in Python.

import { Z80 } from "z80-emulator";

const TOP = 0xdc06; // the system's entry on a machine of 64 KB

export class Computer {
  /** program: Uint8Array of a .COM file; show(character): called for each character on the screen. */
  constructor(program, show) {
    const memory = new Uint8Array(65536);
    this.memory = memory;
    this.show = show;
    this.lines = [];
    this.ended = false;
    memory.set([0xc3, 3, (TOP - 6) >> 8]);
    memory.set([0xc3, TOP & 255, TOP >> 8], 5);
    memory[TOP] = 0xc9;
    memory.set(program, 256);
    this.z80 = new Z80({
      tStateCount: 0,
      readMemory: (address) => memory[address],
      writeMemory: (address, value) => {
        memory[address] = value;
      },
      contendMemory: () => {},
      readPort: () => 255,
      writePort: () => {},
      contendPort: () => {},
    });
    this.z80.reset();
    this.z80.regs.pc = 256;
    this.z80.regs.sp = TOP - 262; // two zeros lie there: a final RET goes to address 0
  }

  /** T-states since the start. */
  get ticks() {
    return this.z80.hal.tStateCount;
  }

  /** A line that the person typed; `run` gives it to the program. */
  type(line) {
    this.lines.push(line);
  }

  /** Go on for so many T-states at most; true while there is something to do, false when a line is awaited or the program has ended. */
  run(ticks = Infinity) {
    const { regs } = this.z80;
    const end = this.ticks + ticks;
    while (this.ticks < end) {
      if (regs.pc === 0) this.ended = true;
      if (this.ended || (regs.pc === TOP && !this.serve())) return false;
      this.z80.step();
    }
    return true;
  }

  /** The system's call in C; false if it has to wait for a line. */
  serve() {
    const { memory } = this;
    const { regs } = this.z80;
    const de = regs.de;
    if (regs.c === 2) {
      this.show(String.fromCharCode(regs.e & 127));
    } else if (regs.c === 9) {
      for (let at = de; memory[at] !== 36; at = (at + 1) & 0xffff) this.show(String.fromCharCode(memory[at] & 127));
    } else if (regs.c === 10) {
      if (this.lines.length === 0) return false;
      const line = Array.from(this.lines.shift().slice(0, memory[de]), (letter) =>
        letter.charCodeAt(0) < 128 ? letter.charCodeAt(0) : 63,
      );
      memory.set([line.length, ...line], de + 1);
    } else if (regs.c === 0) {
      this.ended = true;
    }
    return true;
  }
}
