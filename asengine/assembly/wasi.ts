// The command line program, for every WASI preview-1 runtime and for the native program (../host), which is a small one itself.
//
//   fable6c MODEL -p TEXT    tells one story
//   fable6c MODEL            writes stories together with a person, line by line
//
// A story is written as it is made, token by token. The engine gives out whole characters only, so whoever reads along, or
// stops the program at any moment, never sees half of one.

import { xxh64 } from "./checksum";
import { nameExperts, noteExpert } from "./cli_experts";
import {
  argument, byte, bytes, complain, equals, exit, fail, hex, isTerminal, lengthOf, nanoseconds, number, openFile, fileSize, readByte, readFile,
  send, shown, text, write,
} from "./cli_host";
import { bench, model, penalty, prompt, readOptions, seed, selftest, temperature, tokens, topK, topP } from "./cli_options";
import { END, examine, feed, fileBuffer, flush, load_, logits, message, messageSize, pending, reset, run, sampling, seed as setSeed, step, token } from "./engine";
import { HEADER_BYTES, MAX_TEXT_BYTES, vocab } from "./layout";
import { QUEUE, TEXT } from "./memory";
import { asksOn, HEADER, isWish, wishOfLine, wishOfOptions } from "./wish";

const SPACE: u32 = 0x20, NEWLINE: u32 = 0x0a, RETURN: u32 = 0x0d, TAB: u32 = 0x09;
const BYTE_ORDER_MARK: u32 = 0xbfbbef; // in UTF-8, the first byte lowest
const MEMORY_LIMIT_KIB = 1 << 20;
const STORY_TOKENS: u32 = 1000; // far more than most stories have: they end where the model ends them
const TURN_TOKENS: u32 = 200; // of the model, when it writes with a person; also what --bench makes

let toTerminal = false; // a person sees what is written, not another program

export function _start(): void {
  readOptions();
  let before = nanoseconds();
  loadModel();
  let loading = nanoseconds() - before;
  toTerminal = isTerminal(1);
  sampling(temperature, topK, topP, penalty);
  setSeed(seed);
  if (bench) measure(loading);
  else if (selftest) digest();
  else if (prompt || isWish()) tell();
  else chat();
  exit(0);
}

function loadModel(): void {
  let fd = openFile(model);
  let size = fileSize(fd, model);
  if (size > u32.MAX_VALUE) {
    complain();
    shown(argument(model));
    text(": the file has ");
    number(size);
    text(" bytes, far more than a model; give a file made by `python -m fable6c.export`");
    fail(1);
  }
  // The header first: a large file that is no model is not read.
  let head = <u32>min<u64>(size, HEADER_BYTES);
  let address = fileBuffer(head);
  if (address != 0) {
    let read = readFile(fd, model, address, head);
    if (examine(<u32>size, MEMORY_LIMIT_KIB) == 0) {
      address = fileBuffer(<u32>size);
      if (address != 0 && load_(read + readFile(fd, model, address + read, <u32>size - read), MEMORY_LIMIT_KIB) == 0) return;
    }
  }
  complain();
  shown(argument(model));
  text(": ");
  bytes(message(), messageSize());
  fail(1);
}

// ---- Text for the engine ----
//
// A text of any length is collected in the text buffer and fed when the buffer is full or the text ends. In between it is cut
// before a space: a space only ever begins a piece for the tokenizer, so the tokens are those of the whole text.

// From standard input the text comes as the model knows text: without a byte order mark, its lines ended by LF.

let started = false; // whether the input's first bytes were looked at
let ahead: u32 = 0, aheadCount: u32 = 0; // bytes that were read on the way, the next one lowest
let afterReturn = false;

/** The next byte of the text, -1 at its end. */
function readText(): i32 {
  if (!started) {
    started = true;
    skipMark();
  }
  let value = nextByte();
  if (afterReturn && value == NEWLINE) value = nextByte(); // CR LF ends one line
  afterReturn = value == RETURN;
  return afterReturn ? NEWLINE : value;
}

function nextByte(): i32 {
  if (aheadCount == 0) return readByte();
  let value = ahead & 0xff;
  ahead >>= 8;
  aheadCount--;
  return value;
}

/** Reads over a byte order mark, EF BB BF; whatever else begins the text is kept. */
function skipMark(): void {
  for (let i: u32 = 0; i < 3; i++) {
    let value = readByte();
    if (value < 0) return;
    ahead |= value << (8 * aheadCount++);
    if (<u32>value != (BYTE_ORDER_MARK >> (8 * i) & 0xff)) return;
  }
  ahead = aheadCount = 0;
}

let collected: u32 = 0;
let echo = false; // the story's beginning is shown before the engine reads it

/** Adds a byte to the text. Returns whether the engine ran, so that whatever lay in HEAP is gone. */
function collect(value: u32): bool {
  let full = collected == MAX_TEXT_BYTES;
  if (full) {
    if (selftest) tooLongToDigest();
    let cut = MAX_TEXT_BYTES - 1;
    while (cut > 0 && load<u8>(TEXT + cut) != SPACE) cut--;
    if (cut == 0) {
      complain();
      text("the text has ");
      number(MAX_TEXT_BYTES);
      text(" bytes without a space, too long a word; shorten it");
      fail(1);
    }
    feedPart(cut);
    collected = MAX_TEXT_BYTES - cut;
    memory.copy(TEXT, TEXT + cut, collected);
  }
  store<u8>(TEXT + collected++, value);
  return full;
}

function collectPrompt(): void {
  let address = argument(prompt);
  if (equals(address, "-")) {
    for (let value = readText(); value >= 0; value = readText()) collect(value);
  } else {
    for (let i: u32 = 0, length = lengthOf(address); i < length; i++) {
      if (collect(load<u8>(address + i))) address = argument(prompt);
    }
  }
}

/** Feeds the end of the text; a story that begins gets its end mark in front, even if there is no text. */
function finishText(): void {
  feedPart(collected);
  collected = 0;
}

/** Puts the header that wish.ts has written, of so many bytes, in place of the text. */
function collectHeader(length: u32): void {
  collected = 0;
  for (let i: u32 = 0; i < length; i++) collect(load<u8>(HEADER + i));
}

function feedPart(length: u32): void {
  if (echo) show(TEXT, length);
  feed(length);
  while (pending() > 0) step();
}

// ---- Stories ----

let ended = false; // the model ended its story
let last: u32 = NEWLINE; // the last byte that the model wrote

/** Writes what the model makes in up to `count` tokens; a space in front only if `leading`. */
function makeTokens(count: u32, leading: bool): void {
  ended = false;
  while (count--) {
    let length = step();
    ended = length == END;
    if (ended) break;
    noteExpert();
    leading = put(length, leading);
  }
  put(flush(), leading);
}

/** Writes the first `length` bytes of the text buffer. Returns whether a space may come next: always, once there was any text. */
function put(length: i32, leading: bool): bool {
  if (length == 0) return leading;
  let skipped = !leading && load<u8>(TEXT) == SPACE;
  last = load<u8>(TEXT + length - 1);
  show(TEXT + <i32>skipped, length - <i32>skipped);
  return true;
}

const REPLACEMENT: usize = memory.data<u8>([0xef, 0xbf, 0xbd]); // U+FFFD

/** Writes text. On a terminal, characters that would drive it (controls but newline and tab, DEL, C1) or turn its text around
 * (Unicode's bidirectional marks) become U+FFFD; whoever reads a pipe gets the bytes as they are. */
function show(from: usize, length: u32): void {
  if (!toTerminal) {
    write(from, length);
    return;
  }
  let end = from + length, good = from;
  for (let at = from; at < end;) {
    let bad = driving(at, end);
    if (bad > 0) {
      write(good, <u32>(at - good));
      write(REPLACEMENT, 3);
      good = at + bad;
    }
    at += max<u32>(bad, 1);
  }
  write(good, <u32>(end - good));
}

/** The length of the character at this address if it is one that drives a terminal, else 0. */
function driving(at: usize, end: usize): u32 {
  let a: u32 = load<u8>(at), b: u32 = at + 1 < end ? load<u8>(at, 1) : 0, c: u32 = at + 2 < end ? load<u8>(at, 2) : 0;
  if (a < 0x20) return u32(a != NEWLINE && a != TAB);
  if (a == 0x7f) return 1;
  if (a == 0xc2) return b >= 0x80 && b < 0xa0 ? 2 : 0; // U+0080 to U+009F
  if (a == 0xd8) return b == 0x9c ? 2 : 0; // U+061C
  if (a != 0xe2) return 0;
  let isMark = b == 0x80 ? c == 0x8e || c == 0x8f || (c >= 0xaa && c <= 0xae) : b == 0x81 && c >= 0xa6 && c <= 0xa9;
  return isMark ? 3 : 0; // U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069
}

function tell(): void {
  if (isWish()) {
    collectHeader(wishOfOptions());
    feedPart(collected);
    collected = 0;
  }
  echo = true;
  if (prompt) collectPrompt();
  finishText();
  makeTokens(tokens || STORY_TOKENS, true);
  byte(NEWLINE);
  send();
  nameExperts();
}

function chat(): void {
  let terminal = isTerminal(0);
  if (terminal) {
    text("Begin a story and press Enter. An empty line lets the model go on; Ctrl-D ends.\n");
    send();
  }
  let begun = false;
  while (true) {
    text("> ");
    send();
    let value = readText();
    if (value < 0) break;
    // What the person adds is a new word of the story.
    if (begun && last > SPACE && value != SPACE && value != NEWLINE) collect(SPACE);
    for (; value >= 0 && value != NEWLINE; value = readText()) collect(value);
    if (begun && asksOn(TEXT, collected)) collected = 0;
    if (!begun) {
      let asked = wishOfLine(TEXT, collected);
      if (asked > 0) collectHeader(asked);
    }
    finishText();
    makeTokens(tokens || TURN_TOKENS, false);
    begun = !ended;
    if (ended) reset();
    text(ended && terminal ? "\n(The story ends here; the next line begins a new one.)\n" : "\n");
    send();
    nameExperts();
  }
  byte(NEWLINE);
  send();
}

// ---- Checks and measurements ----

// Our own words, for figures and digests that can be compared between machines.
const SAMPLE = "Once upon a time, in 1984, a small fox found a red kite. \"May I fly it?\" he asked. They flew it all day, and nobody was sad.";

function collectSample(): void {
  for (let i = 0; i < SAMPLE.length; i++) collect(SAMPLE.charCodeAt(i));
}

const DIGESTS: usize = TEXT; // 16 hex digits for each token: the text itself is not needed once it is encoded
const MAX_DIGESTS: u32 = MAX_TEXT_BYTES / 16;

/**
 * Prints `position token digest` for each token of the text, the digest being XXH64 of the logits' bytes, and last XXH64 of all
 * those digests' digits. They are the same on every machine.
 */
function digest(): void {
  if (prompt) collectPrompt();
  else collectSample();
  if (collected >= MAX_DIGESTS) tooLongToDigest();
  feed(collected);
  let count = pending();
  reset(); // the queue is only read here: each token is run alone, for its logits
  for (let i: u32 = 0; i < count; i++) {
    let id: u32 = load<u16>(QUEUE + 2 * i);
    run(id);
    number(i);
    byte(SPACE);
    number(id);
    byte(SPACE);
    memory.copy(DIGESTS + 16 * i, hex(xxh64(logits(), 4 * vocab)), 16);
    byte(NEWLINE);
    send();
  }
  text("selftest ");
  hex(xxh64(DIGESTS, 16 * count));
  byte(NEWLINE);
  send();
}

function tooLongToDigest(): void {
  complain();
  text("the text of a selftest can have ");
  number(MAX_DIGESTS - 1);
  text(" bytes; shorten it");
  fail(2);
}

const SECOND: u64 = 1000000000;
const STORY: usize = memory.data(64);

function measure(loading: u64): void {
  let story = shortStory();
  if (shortStory() != story) {
    complain();
    text("the same seed told two stories; this machine or runtime computes wrongly");
    fail(1);
  }

  reset();
  for (let i = 0; i < 8; i++) collectSample();
  let reading = feed(collected);
  collected = 0;
  let started = nanoseconds();
  while (pending() > 0) step();
  let readingTime = nanoseconds() - started;

  let count = tokens || TURN_TOKENS;
  started = nanoseconds();
  for (let made: u32 = 0; made < count; made++) {
    if (step() == END) finishText(); // and on with the next story
  }
  let tellingTime = nanoseconds() - started;

  figure("load          ", loading / (SECOND / 10000), " ms\n");
  figure("prompt        ", rate(reading, readingTime), " tokens/s\n");
  figure("story         ", rate(count, tellingTime), " tokens/s\n");
  figure("linear memory ", <u64>memory.size() * 640, " KiB\n");
  text("verified      ");
  hex(story);
  byte(NEWLINE);
  send();
}

/** The digest of the ids of the 32 tokens that follow the sample text. */
function shortStory(): u64 {
  reset();
  setSeed(seed);
  collectSample();
  finishText();
  for (let i = 0; i < 32; i++) {
    if (step() == END) finishText();
    store<u16>(STORY + 2 * i, token());
  }
  return xxh64(STORY, 64);
}

/** Tenths of tokens per second. */
function rate(count: u32, time: u64): u64 {
  return 10 * SECOND * count / max<u64>(time, 1);
}

/** A line with a number given in tenths. */
function figure(name: string, tenths: u64, unit: string): void {
  text(name);
  number(tenths / 10);
  byte(0x2e);
  number(tenths % 10);
  text(unit);
}
