// The library module as a JavaScript host uses it, for the tests.

import { readFileSync } from "node:fs";

export const moduleBytes = readFileSync(new URL("../build/fable6c.wasm", import.meta.url));
export const golden = readFileSync(new URL("../../tests/golden/model.f6c", import.meta.url));
export const goldenText = readFileSync(new URL("../../tests/golden/text.txt", import.meta.url));
export const expected = JSON.parse(readFileSync(new URL("../../tests/golden/expected.json", import.meta.url), "utf8"));

export const END = -1;

const compiled = new WebAssembly.Module(moduleBytes);

export class Engine {
  constructor() {
    this.exports = new WebAssembly.Instance(compiled, {}).exports;
  }

  static golden() {
    const engine = new Engine();
    const code = engine.load(golden);
    if (code !== 0) throw new Error(engine.message());
    return engine;
  }

  bytes(address, length) {
    return new Uint8Array(this.exports.memory.buffer, address, length);
  }

  load(file, limitKib = 0) {
    const address = this.exports.file_buffer(file.length);
    if (address === 0) throw new Error(this.message());
    this.bytes(address, file.length).set(file);
    return this.exports.load(file.length, limitKib);
  }

  message() {
    return new TextDecoder().decode(this.bytes(this.exports.message(), this.exports.message_length()));
  }

  /** Feeds a string or bytes; returns what feed returns. */
  feed(text) {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    this.bytes(this.exports.text_buffer(), bytes.length).set(bytes);
    return this.exports.feed(bytes.length);
  }

  /** The ids of the last text fed. */
  queue(count) {
    return Array.from(new Uint16Array(this.exports.memory.buffer, this.exports.queue(), count));
  }

  read() {
    while (this.exports.pending() > 0) this.exports.step();
  }

  /** Makes up to `count` tokens. Returns their text and number, and whether the story ended. */
  make(count) {
    const parts = [];
    for (let tokens = 0; tokens < count; tokens++) {
      const length = this.exports.step();
      if (length === END) return { text: Buffer.concat(parts).toString(), tokens, ended: true };
      parts.push(Buffer.from(this.bytes(this.exports.text_buffer(), length)));
    }
    return { text: Buffer.concat(parts).toString(), tokens: count, ended: false };
  }

  /** The digest of the logits, as expected.json has it. */
  hash() {
    const low = this.exports.hash_low() >>> 0;
    const high = this.exports.hash_high() >>> 0;
    return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
  }
}
