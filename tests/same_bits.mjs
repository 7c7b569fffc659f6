// The engine under node, for tests/test_same_bits.py: reads {model, tokens, prompt, stories, count} as JSON from standard input and
// writes {digests, stories}: the XXH64 of the logits after each token, and the ids of the stories told after the prompt.
//
//   node tests/same_bits.mjs asengine/build/fable6c.wasm < request.json

import { readFileSync } from "node:fs";

const request = JSON.parse(readFileSync(0, "utf8"));
const module = new WebAssembly.Module(readFileSync(process.argv[2]));
const engine = new WebAssembly.Instance(module, {}).exports;

const model = readFileSync(request.model);
const address = engine.file_buffer(model.length);
new Uint8Array(engine.memory.buffer).set(model, address);
const code = engine.load(model.length, 0);
if (code !== 0) throw new Error(`load: ${code}`);

function hex(word) {
  return (word >>> 0).toString(16).padStart(8, "0");
}

const digests = request.tokens.map((id) => {
  engine.run(id);
  const low = engine.hash_low();
  return hex(engine.hash_high()) + hex(low);
});

const stories = request.stories.map(({ temperature, top_k = 0, top_p = 1, penalty, seed = 1 }) => {
  engine.reset();
  engine.sampling(temperature, top_k, top_p, penalty);
  engine.seed(seed);
  const prompt = new TextEncoder().encode(request.prompt);
  new Uint8Array(engine.memory.buffer).set(prompt, engine.text_buffer());
  engine.feed(prompt.length);
  while (engine.pending() > 0) engine.step();
  const ids = [];
  while (ids.length < request.count && engine.step() >= 0) ids.push(engine.token());
  return ids;
});

console.log(JSON.stringify({ digests, stories }));
