// The engine as a host uses it. That its logits are the reference's, bit by bit, is tests/test_same_bits.py's concern.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { END, Engine, expected, golden, goldenText } from "./engine.mjs";

const NO_MODEL = 32;
const TEXT_TOO_LONG = 33;
const STILL_READING = 34;
const NO_SUCH_TOKEN = 35;
const BAD_SAMPLING = 36;

test("the golden stories", () => {
  const engine = Engine.golden();
  for (const { sampling, text, tokens } of expected.stories) {
    const { temperature, top_k = 0, top_p = 1, penalty, seed = 1 } = sampling;
    engine.exports.reset();
    assert.equal(engine.exports.sampling(temperature, top_k, top_p, penalty), 0);
    engine.exports.seed(seed);
    engine.feed(expected.prompt);
    engine.read();
    assert.equal(engine.make(tokens).text, text, JSON.stringify(sampling));
  }
});

test("the golden digests, token by token", () => {
  const engine = Engine.golden();
  const ids = engine.queue(engine.feed(goldenText));
  assert.equal(ids.length, expected.positions);
  engine.exports.reset();
  const wanted = new Map(Object.entries(expected.digests));
  let compared = 0;
  ids.slice(0, 101).forEach((id, position) => {
    assert.equal(engine.exports.run(id), 0);
    assert.equal(engine.exports.token(), id);
    if (wanted.has(String(position))) {
      assert.equal(engine.hash(), wanted.get(String(position)), `position ${position}`);
      compared++;
    }
  });
  assert.ok(compared >= 4);
});

test("tokens read four at a time leave the same bits as one by one", () => {
  const together = Engine.golden(),
    single = Engine.golden();
  for (const length of [0, 1, 2, 3, 4, 5, 7, 8, 9, 30, 200, 201, 202, 203]) {
    for (const engine of [together, single]) engine.exports.reset();
    const ids = together.queue(together.feed(goldenText.subarray(0, length)));
    together.read();
    for (const id of ids) single.exports.run(id);
    assert.equal(together.hash(), single.hash(), `${ids.length} tokens`);
    assert.equal(together.make(5).text, single.make(5).text);
  }
});

test("a text in parts, cut before a space, is the text", () => {
  const whole = Engine.golden(),
    parts = Engine.golden();
  whole.feed("Once upon a time there was");
  whole.read();
  for (const part of ["Once upon", " a time", " there was"]) {
    parts.feed(part);
    parts.read();
  }
  assert.equal(parts.hash(), whole.hash());
});

// ---- Files that are not accepted ----

/** The messages of docs/model-file.md: name to {code, pattern}. */
function messages() {
  const table = readFileSync(new URL("../../docs/model-file.md", import.meta.url), "utf8");
  const rows = [...table.matchAll(/^\| (\d+) \| `(\w+)` \| (.*) \|$/gm)];
  return new Map(
    rows.map(([, code, name, text]) => {
      const pattern = text.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace("{}", "([a-z_]+|\\d+)");
      return [name, { code: Number(code), pattern: new RegExp(`^${pattern}$`) }];
    }),
  );
}

const attacks = new URL("../../tests/attacks/", import.meta.url);

test("each file in tests/attacks is rejected with the code and the words of docs/model-file.md", () => {
  const known = messages();
  const engine = new Engine();
  const names = readdirSync(attacks).filter((name) => name.endsWith(".f6c"));
  assert.ok(names.length > 50);
  for (const name of names) {
    const { code, pattern } = known.get(name.split("-")[0]);
    assert.equal(engine.load(readFileSync(new URL(name, attacks))), code, name);
    assert.match(engine.message(), pattern, name);
    assert.equal(engine.exports.card(), 0);
    assert.equal(engine.exports.step(), -NO_MODEL);
  }
  assert.equal(engine.load(golden), 0, "a good file after all the bad ones");
});

test("a file cut anywhere, or with a bit flipped anywhere, is an error and never a trap", () => {
  const engine = new Engine();
  let state = 1;
  const random = (below) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below;
  for (let i = 0; i < 150; i++) {
    const size = i < 70 ? i : random(golden.length);
    assert.notEqual(engine.load(golden.subarray(0, size)), 0, `${size} bytes`);
    const damaged = Buffer.from(golden);
    damaged[i < 70 ? i : random(golden.length)] ^= 1 << random(8);
    assert.notEqual(engine.load(damaged), 0);
  }
  assert.equal(engine.load(golden), 0);
});

test("the memory limit is checked before memory is taken", () => {
  const engine = new Engine();
  engine.exports.file_buffer(golden.length);
  const before = engine.exports.memory.buffer.byteLength;
  assert.equal(engine.load(golden, 2000), 11);
  const needed = Number(engine.message().match(/needs (\d+) KiB/)[1]);
  assert.equal(engine.exports.memory.buffer.byteLength, before);
  assert.equal(engine.load(golden, needed - 1), 11);
  assert.equal(engine.load(golden, needed), 0);
  assert.ok(engine.exports.memory.buffer.byteLength <= Math.ceil(needed / 64) * 65536);
});

test("a file buffer that no memory has room for", () => {
  const engine = new Engine();
  assert.equal(engine.exports.file_buffer(-1), 0); // 2^32 - 1 bytes
  assert.match(engine.message(), /^the model needs 41\d{5} KiB of memory/);
  assert.equal(engine.load(golden), 0);
});

test("load reads no more than the file buffer", () => {
  const engine = new Engine();
  assert.equal(engine.exports.load(1000, 0), 1);
  assert.match(engine.message(), /^the file has 0 bytes/);
  const address = engine.exports.file_buffer(100);
  engine.bytes(address, 100).set(golden.subarray(0, 100));
  assert.equal(engine.exports.load(golden.length, 0), 9);
  assert.equal(engine.exports.load(100, 0), 1, "the buffer is used up");
});

test("another model takes the first one's place, and its text", () => {
  const engine = Engine.golden();
  engine.feed("Once upon a time");
  engine.read();
  engine.exports.sampling(0, 0, 1, 0);
  assert.equal(engine.load(golden), 0);
  assert.equal(engine.exports.pending(), 0);
  assert.equal(engine.exports.logits(), 0);
  const fresh = Engine.golden();
  for (const each of [engine, fresh]) each.feed("The dog");
  assert.equal(engine.make(30).text, fresh.make(30).text); // default settings and seed again
});

// ---- What a loaded model tells about itself ----

test("card and dimensions", () => {
  const engine = Engine.golden();
  const card = new TextDecoder().decode(engine.bytes(engine.exports.card(), engine.exports.card_length()));
  assert.equal(JSON.parse(card).name, "golden");
  const header = new DataView(golden.buffer, golden.byteOffset);
  for (let i = 0; i < 6; i++) assert.equal(engine.exports.dimension(i), header.getUint32(12 + 4 * i, true));
  assert.equal(engine.exports.dimension(6), 0);
  assert.equal(engine.exports.dimension(-1), 0);
});

// ---- Text ----

test("without a model nothing runs", () => {
  const engine = new Engine();
  assert.equal(engine.exports.feed(0), -NO_MODEL);
  assert.equal(engine.exports.step(), -NO_MODEL);
  assert.equal(engine.exports.run(0), NO_MODEL);
  assert.equal(engine.exports.reset(), NO_MODEL);
  assert.equal(engine.message(), "no model is loaded; load one first");
  assert.equal(engine.exports.logits(), 0);
  assert.equal(engine.exports.hash_low(), 0);
});

test("a file buffer ends the loaded model: a host that waits for pending tokens does not wait forever", () => {
  const engine = Engine.golden();
  assert.ok(engine.feed("Once upon a time") > 0);
  engine.exports.file_buffer(100);
  assert.equal(engine.exports.pending(), 0);
  assert.equal(engine.exports.step(), -NO_MODEL);
  assert.equal(engine.exports.card_length(), 0);
});

test("feed says what it does not take", () => {
  const engine = Engine.golden();
  assert.equal(engine.exports.feed(65537), -TEXT_TOO_LONG);
  assert.match(engine.message(), /65537 bytes.*65536/);
  assert.ok(engine.feed("Once upon a time") > 0);
  assert.equal(engine.feed("more"), -STILL_READING);
  engine.read();
  assert.ok(engine.feed(" there") > 0);
  assert.equal(engine.exports.run(engine.exports.dimension(4)), NO_SUCH_TOKEN);
});

test("a fresh text begins with the end mark, whether something is fed or not", () => {
  const engine = Engine.golden();
  const mark = engine.exports.dimension(4) - 1;
  assert.deepEqual(engine.queue(engine.feed("")), [mark]);
  engine.read();
  const digest = engine.hash();
  engine.exports.reset();
  assert.equal(engine.exports.step(), 0);
  assert.equal(engine.exports.token(), mark);
  assert.equal(engine.hash(), digest);
});

test("reset forgets the text and keeps settings and the random numbers' place", () => {
  const engine = Engine.golden();
  const tell = () => {
    engine.exports.reset();
    engine.feed("Once upon a time");
    engine.read();
    return engine.make(40).text;
  };
  engine.exports.sampling(1, 0, 1, 0);
  engine.exports.seed(5);
  const first = tell(),
    second = tell();
  assert.notEqual(first, second);
  engine.exports.seed(5);
  assert.equal(tell(), first);
  assert.equal(tell(), second);
});

test("settings out of range are refused and change nothing", () => {
  const engine = Engine.golden();
  engine.exports.sampling(0, 0, 1, 0);
  engine.feed("Once");
  engine.read();
  const greedy = engine.make(20).text;
  const bad = [
    [-1, 0, 1, 1],
    [0.001, 0, 1, 1],
    [101, 0, 1, 1],
    [NaN, 0, 1, 1],
    [Infinity, 0, 1, 1],
    [1, 0, 0, 1],
    [1, 0, -0.5, 1],
    [1, 0, 1.5, 1],
    [1, 0, NaN, 1],
    [1, 0, 1, -0.5],
    [1, 0, 1, 11],
    [1, 0, 1, NaN],
  ];
  for (const settings of bad) {
    assert.equal(engine.exports.sampling(...settings), BAD_SAMPLING, String(settings));
    assert.match(engine.message(), / is out of range$/);
  }
  engine.exports.reset();
  engine.feed("Once");
  engine.read();
  assert.equal(engine.make(20).text, greedy);
});

/** Runs noisy stories until `wanted` of them have ended. */
function* noisySteps(engine, wanted) {
  engine.exports.sampling(100, 0, 1, 0);
  for (let ends = 0; ends < wanted;) {
    const length = engine.exports.step();
    if (length === END) ends++;
    yield { length, bytes: length > 0 ? Buffer.from(engine.bytes(engine.exports.text_buffer(), length)) : Buffer.alloc(0) };
  }
}

test("after the end mark a new text begins with the mark, in the same state", () => {
  const engine = Engine.golden();
  const mark = engine.exports.dimension(4) - 1;
  for (const { length } of noisySteps(engine, 1)) assert.ok(length >= END);
  assert.equal(engine.exports.pending(), 0);
  assert.notEqual(engine.exports.token(), mark, "the sampled mark was not run yet");
  const count = engine.feed("The cat");
  assert.equal(engine.queue(count)[0], mark);
  engine.read();
  const digest = engine.hash();
  engine.exports.reset();
  engine.feed("The cat");
  engine.read();
  assert.notEqual(engine.hash(), digest, "the state was kept");
});

test("only whole characters come out", () => {
  const engine = Engine.golden();
  const strict = new TextDecoder("utf-8", { fatal: true });
  let heldBack = 0;
  for (const { length, bytes } of noisySteps(engine, 5)) {
    strict.decode(bytes); // throws at half a character
    if (length === 0) heldBack++;
  }
  assert.ok(heldBack > 5);
});

test("a host that stops in the middle of a character can flush it, and a new text drops it", () => {
  const engine = Engine.golden();
  engine.exports.sampling(100, 0, 1, 0);
  const untilHeldBack = () => {
    do engine.exports.step();
    while (engine.exports.token() < 0xc2 || engine.exports.token() > 0xf4); // a first byte of several
  };
  untilHeldBack();
  assert.equal(engine.exports.flush(), 3);
  assert.deepEqual([...engine.bytes(engine.exports.text_buffer(), 3)], [0xef, 0xbf, 0xbd]);
  assert.equal(engine.exports.flush(), 0);
  untilHeldBack();
  engine.feed("a");
  engine.read();
  assert.equal(engine.exports.flush(), 0);
});

test("no memory is taken after loading", () => {
  const engine = Engine.golden();
  const before = engine.exports.memory.buffer;
  engine.feed(Buffer.alloc(65536, "word and "));
  for (let i = 0; i < 200; i++) engine.exports.step();
  engine.exports.reset();
  engine.feed(goldenText);
  engine.read();
  engine.make(300);
  assert.equal(engine.exports.memory.buffer, before); // growing would detach it
});

test("penalty changes what is sampled, never the logits that a host reads", () => {
  const engine = Engine.golden();
  engine.exports.sampling(0, 0, 1, 10);
  engine.feed(expected.prompt);
  engine.read();
  const before = engine.hash();
  const size = 4 * engine.exports.dimension(4);
  const logits = Buffer.from(engine.bytes(engine.exports.logits(), size));
  engine.exports.step();
  const chosen = engine.exports.token();
  assert.notEqual(engine.hash(), before);
  engine.exports.reset();
  engine.exports.sampling(0, 0, 1, 0);
  engine.feed(expected.prompt);
  engine.read();
  assert.equal(engine.hash(), before);
  assert.deepEqual(Buffer.from(engine.bytes(engine.exports.logits(), size)), logits);
  assert.ok(chosen >= 0);
});

// ---- Candidates ----

/** What candidates() lists: [[id, share], …]. */
function candidatesOf({ exports }) {
  return Array.from({ length: exports.candidates() }, (_, i) => [exports.candidate(i), exports.share(i)]);
}

test("candidates are the tokens that may be drawn, with the shares that the logits give them", () => {
  const engine = Engine.golden();
  engine.exports.sampling(0.8, 40, 1, 0);
  engine.feed("Once upon a time");
  engine.read();
  const logits = new Float32Array(engine.exports.memory.buffer, engine.exports.logits(), engine.exports.dimension(4)).slice();
  const best = Array.from(logits.keys())
    .sort((a, b) => logits[b] - logits[a] || a - b)
    .slice(0, 40);
  const weights = best.map((id) => Math.exp((logits[id] - logits[best[0]]) / 0.8));
  const total = weights.reduce((a, b) => a + b);
  const listed = candidatesOf(engine);
  assert.deepEqual(
    listed.map(([id]) => id),
    best,
  );
  listed.forEach(([, share], i) => assert.ok(Math.abs(share - weights[i] / total) < 1e-6, `${share} for ${weights[i] / total}`));
  const half = listed.findIndex((_, i) => listed.slice(0, i + 1).reduce((sum, [, share]) => sum + share, 0) >= 0.5) + 1;
  engine.exports.sampling(0.8, 40, 0.5, 0);
  assert.equal(engine.exports.candidates(), half);
  engine.exports.sampling(0, 40, 1, 0);
  assert.deepEqual(candidatesOf(engine), [[best[0], 1]]);
});

test("asking for candidates changes neither the story nor the logits", () => {
  const engine = Engine.golden();
  const tell = (ask) => {
    engine.exports.reset();
    engine.exports.sampling(0.8, 40, 0.95, 2);
    engine.exports.seed(5);
    engine.feed("Tom");
    engine.read();
    const story = [];
    for (let i = 0; i < 40; i++) {
      const listed = ask ? candidatesOf(engine).map(([id]) => id) : null;
      engine.exports.step();
      const id = engine.exports.token();
      if (listed) assert.ok(listed.includes(id));
      story.push(id, engine.hash());
    }
    return story;
  };
  assert.deepEqual(tell(true), tell(false));
});

test("candidates are gone once something is fed or run", () => {
  const engine = Engine.golden();
  assert.equal(engine.exports.candidates(), 0); // nothing was read
  for (const move of [() => engine.feed("Tom"), () => engine.exports.run(65), () => engine.exports.step(), () => engine.exports.reset()]) {
    engine.feed("Tom");
    engine.read();
    assert.ok(engine.exports.candidates() > 1 && engine.exports.share(1) > 0);
    move();
    assert.equal(engine.exports.share(0), 0);
    assert.equal(engine.exports.candidate(0), 0);
    engine.read();
  }
  assert.equal(new Engine().exports.candidates(), -NO_MODEL);
});

test("token_text gives a token's own bytes", () => {
  const engine = Engine.golden();
  const bytes = (id) => Buffer.from(engine.bytes(engine.exports.text_buffer(), engine.exports.token_text(id)));
  assert.deepEqual(bytes(0xc3), Buffer.of(0xc3)); // half a character
  const count = engine.feed(goldenText);
  const ids = engine.queue(count);
  assert.deepEqual(Buffer.concat(ids.map(bytes)), goldenText); // the first is the end mark: no bytes
  assert.equal(engine.exports.token_text(engine.exports.dimension(4)), -NO_SUCH_TOKEN);
  assert.equal(new Engine().exports.token_text(0), -NO_MODEL);
});
