// The library module in node: the figures of `fable6c --bench`, or a story.
//
//   node benchmarks/engine_node.mjs fable6c.wasm MODEL PROMPT TOKENS [story]

import { readFileSync } from "node:fs";

const [module, path, prompt, tokens, story] = process.argv.slice(2);
const model = readFileSync(path);
const engine = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(module)), {}).exports;

function check(code) {
  if (code < 0 || code > 1e6) throw new Error(`the engine says ${code}`);
  return code;
}

function feed(text) {
  const bytes = new TextEncoder().encode(text);
  new Uint8Array(engine.memory.buffer).set(bytes, engine.text_buffer());
  const count = check(engine.feed(bytes.length));
  while (engine.pending() > 0) engine.step();
  return count;
}

let start = performance.now();
const address = engine.file_buffer(model.length);
new Uint8Array(engine.memory.buffer).set(model, address);
const code = engine.load(model.length, 1 << 20);
if (code !== 0) throw new Error(`load: ${code}`);
const loading = performance.now() - start;
engine.sampling(0.8, 40, 1, 2.5);
engine.seed(1);

if (story) {
  const decoder = new TextDecoder();
  let text = prompt;
  feed(prompt);
  for (let made = 0; made < tokens; made++) {
    const length = engine.step();
    if (length < 0) break;
    text += decoder.decode(new Uint8Array(engine.memory.buffer, engine.text_buffer(), length));
  }
  console.log(text + decoder.decode(new Uint8Array(engine.memory.buffer, engine.text_buffer(), engine.flush())));
} else {
  // As --bench does, which tells two short stories first. It is also what lets V8 compile the hot functions for good.
  for (let time = 0; time < 2; time++) {
    feed(prompt.slice(0, 124));
    for (let made = 0; made < 32; made++) if (engine.step() < 0) feed("");
  }
  engine.reset();
  start = performance.now();
  const count = feed(prompt);
  const reading = performance.now() - start;
  start = performance.now();
  for (let made = 0; made < tokens; made++) if (engine.step() < 0) feed(""); // and on with the next story
  const telling = performance.now() - start;
  console.log(`load ${loading} ms`);
  console.log(`prompt ${(1000 * count) / reading} tokens/s`);
  console.log(`story ${(1000 * tokens) / telling} tokens/s`);
  console.log(`linear memory ${engine.memory.buffer.byteLength / 1024} KiB`);
}
