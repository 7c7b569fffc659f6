// node z80/host/play.mjs FABLE.COM <lines: what the program shows for these lines; with --ticks, also the T-states.

import { readFileSync } from "node:fs";
import { Computer } from "./cpm.js";

const [program, ticks] = process.argv.slice(2);
const computer = new Computer(readFileSync(program), (character) => process.stdout.write(character));
for (const line of readFileSync(0, "utf8").split("\n").slice(0, -1)) computer.type(line);
computer.run();
if (ticks === "--ticks") process.stderr.write(`${computer.ticks}\n`);
