// Stories for benchmarks/wishes.py, by the engine under Node: a line of JSON in, {prompt, seed, tokens}, and one out, {text, ended}.
// A prompt may be {line}, a wish in words: then it is the opening that the page makes of it.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Engine } from "../asengine/tests/engine.mjs";

const Wish = new Function(`${readFileSync(new URL("../asengine/web/wish.js", import.meta.url), "utf8")}; return Wish;`)();
const engine = new Engine();
if (engine.load(readFileSync(process.argv[2])) !== 0) throw new Error(`${process.argv[2]}: ${engine.message()}`);

for await (const line of createInterface({ input: process.stdin })) {
  const { prompt, seed, tokens } = JSON.parse(line);
  const opening = typeof prompt === "string" ? prompt : Wish.ask(prompt.line).prompt;
  engine.exports.reset();
  engine.exports.sampling(0.8, 40, 1, 2.5);
  engine.exports.seed(seed);
  engine.feed(opening);
  engine.read();
  const { text, ended } = engine.make(tokens);
  console.log(JSON.stringify({ opening, text, ended }));
}
