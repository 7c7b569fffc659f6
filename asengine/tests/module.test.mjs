// The built modules, as binaries: what they ask of a runtime.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Engine, moduleBytes } from "./engine.mjs";
import { parse } from "./wasm.mjs";

const library = parse(moduleBytes);
const commandBytes = readFileSync(new URL("../build/fable6c-wasi.wasm", import.meta.url));
const command = parse(commandBytes); // throws for any instruction or type that is not WebAssembly 1.0

const MAX_BYTES = 48 * 1024;

test("the library imports nothing and exports what docs/engine.md lists", () => {
  assert.deepEqual(library.import ?? [], []);
  const names = library.export.map(({ name }) => name).sort();
  assert.deepEqual(names, [
    "candidate",
    "candidates",
    "card",
    "card_length",
    "decompress",
    "dimension",
    "expert",
    "feed",
    "file_buffer",
    "flush",
    "hash_high",
    "hash_low",
    "load",
    "load_more",
    "load_start",
    "logits",
    "memory",
    "message",
    "message_length",
    "pending",
    "queue",
    "reset",
    "run",
    "sampling",
    "seed",
    "share",
    "step",
    "text_buffer",
    "text_capacity",
    "token",
    "token_text",
  ]);
  const text = readFileSync(new URL("../../docs/engine.md", import.meta.url), "utf8");
  for (const name of names) assert.match(text, new RegExp(`\`${name}[\`(]`), `docs/engine.md does not describe ${name}`);
});

test("exported are functions and the memory, no mutable global", () => {
  for (const { name, kind } of library.export) assert.equal(kind, name === "memory" ? "memory" : "function");
});

test("the command imports WASI preview 1 and nothing else", () => {
  assert.ok(command.import.length > 0);
  for (const { module, name } of command.import) assert.equal(module, "wasi_snapshot_preview1", name);
  assert.ok(command.export.some(({ name }) => name === "_start"));
});

test("there is no 64-bit float in either module", () => {
  const f64 = (opcode) =>
    [0x2b, 0x39, 0x44].includes(opcode) ||
    (opcode >= 0x61 && opcode <= 0x66) ||
    (opcode >= 0x99 && opcode <= 0xa6) ||
    [0xaa, 0xab, 0xb0, 0xb1, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb, 0xbd, 0xbf].includes(opcode);
  for (const module of [library, command]) {
    for (const opcodes of module.code) assert.deepEqual([...opcodes].filter(f64), []);
  }
});

test("the modules are small", () => {
  assert.ok(moduleBytes.length <= MAX_BYTES, `fable6c.wasm: ${moduleBytes.length} bytes`);
  assert.ok(commandBytes.length <= MAX_BYTES, `fable6c-wasi.wasm: ${commandBytes.length} bytes`);
});

test("static data ends before the first buffer, and memory starts large enough for all of fixed size", () => {
  const engine = new Engine();
  for (const module of [library, command]) {
    const dataEnd = Math.max(...module.data.map(({ end }) => end));
    assert.ok(dataEnd <= engine.exports.text_buffer(), `static data ends at ${dataEnd}`);
    assert.ok(module.memory[0].minimum * 65536 >= engine.exports.file_buffer(0));
    assert.equal(module.memory[0].maximum, undefined);
  }
});

test("the reader of these tests notices what is not WebAssembly 1.0", () => {
  const module = (section, ...content) => Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, section, content.length, ...content);
  const body = (...code) => module(10, 1, code.length + 2, 0, ...code, 0x0b);
  parse(body(0x41, 0, 0x1a));
  assert.throws(() => parse(body(0x41, 0, 0xc0, 0x1a)), /opcode 0xc0/); // i32.extend8_s
  assert.throws(() => parse(body(0x43, 0, 0, 0, 0, 0xfc, 0, 0x1a)), /opcode 0xfc/); // i32.trunc_sat_f32_s
  assert.throws(() => parse(body(0xd0, 0x70, 0x1a)), /opcode 0xd0/); // ref.null
  assert.throws(() => parse(body(0xfd, 0x0c)), /opcode 0xfd/); // v128
  assert.throws(() => parse(body(0x02, 0x00, 0x0b)), /several values/);
  assert.throws(() => parse(module(1, 1, 0x60, 0, 2, 0x7f, 0x7f)), /several results/);
  assert.throws(() => parse(module(5, 1, 3, 1, 1)), /shared/);
  assert.throws(() => parse(module(12, 0)), /section/);
});
