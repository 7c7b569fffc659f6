// How many wishes come true when the storyteller tries several stories, as the page does: docs/web-page.md, "Asking".
//
//   node asengine/web/measure_wishes.mjs release/small.f6c release/micro.f6c

import { readFileSync } from "node:fs";
import { Engine } from "../tests/engine.mjs";

const Wish = new Function(`${readFileSync(new URL("wish.js", import.meta.url), "utf8")}; return Wish;`)();
const LINES = [
  "a dragon, a spoon, a girl called Mia, a happy end",
  "a frog, a hat",
  "brave, Tom, a kite",
  "a bear, a cake, in the forest",
  "a robot called Bob, a flower",
  "a cat, a ball, a sad end",
  "a witch, an apple",
  "a pirate called Sam, a parrot, a shiny coin",
];
const FIRST_SEEDS = [100, 200, 300, 400, 500];
const TOKENS = 400;

for (const path of process.argv.slice(2)) {
  const engine = new Engine();
  if (engine.load(readFileSync(path)) !== 0) throw new Error(`${path}: ${engine.message()}`);
  for (const tries of [1, 6, 12, 24]) {
    let came = 0,
      asked = 0;
    for (const line of LINES) {
      const { prompt, wishes } = Wish.ask(line);
      for (const first of FIRST_SEEDS) {
        let best = -1;
        for (let i = 0; i < tries && best < wishes.length; i++) best = Math.max(best, score(engine, prompt, wishes, first + i));
        came += Math.floor(best);
        asked += wishes.length;
      }
    }
    console.log(`${path}  ${String(tries).padStart(2)} tries  ${((100 * came) / asked).toFixed(0)} % of ${asked} wishes`);
  }
}

/** Wishes that came true, and a half for a story that ends, as in page.js. */
function score(engine, prompt, wishes, seed) {
  engine.exports.reset();
  engine.exports.sampling(0.8, 40, 1, 2.5);
  engine.exports.seed(seed);
  engine.feed(prompt);
  engine.read();
  const { text, ended } = engine.make(TOKENS);
  const told = text.split(/\s+/);
  return wishes.filter(({ words }) => words.every((word) => told.some((other) => Wish.isForm(word, other)))).length + (ended ? 0.5 : 0);
}
