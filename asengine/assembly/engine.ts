// The engine's life with a host: a file is loaded, text is fed, steps are taken. docs/engine.md describes each function.

import { xxh64 } from "./checksum";
import { clearMessage, fail, messageLength } from "./errors";
import { BAD_SAMPLING, dimensionAt, MAX_TEXT_BYTES, NO_MODEL, NO_SUCH_TOKEN, STILL_READING, TEXT_TOO_LONG, TOO_LARGE, vocab } from "./layout";
import { card, cardBytes, check, examineHeader, loadTensors, loadTokenizer, start, unpack } from "./load";
import { FILE, LOGITS, MESSAGE, QUEUE, reserve, TEXT } from "./memory";
import { clearState, runOutput, runTokens } from "./model";
import { clearWishes, follow, lean, letGo } from "./leaning";
import { expert as reading } from "./router";
import { candidate as listedAt, clearHistory, list, listOnly, remember, sample, setSampling, setSeed, shareOf } from "./sampler";
import { encode, tokenBytes, tokenLength } from "./tokenizer";
import { flushText, forgetText, pushByte } from "./utf8";

/** What step returns instead of a number of bytes when the story is over. */
export const END = -1;

const TOGETHER: u32 = 4; // tokens of a prompt that are run in one step

// ---- Loading ----

let fileCapacity: u32 = 0;
let loaded = false;

/** The address for a model file of `size` bytes, 0 if there is not enough memory. Whatever was loaded is gone. */
export function fileBuffer(size: u32): usize {
  loaded = false;
  listed = 0;
  part = NOT_LOADING;
  fileCapacity = 0;
  let end = <u64>FILE + size;
  if (!reserve(end)) {
    fail(TOO_LARGE, <u32>((end + 1023) >> 10));
    return 0;
  }
  fileCapacity = size;
  return FILE;
}

/** For a file of `size` bytes whose first 64 are in the buffer: the error code that they are enough for, else 0. */
export function examine(size: u32, limitKib: u32): i32 {
  clearMessage();
  return examineHeader(size, limitKib);
}

/** Loads the model from the first `size` bytes of the file buffer. Returns 0 or an error code. */
export function load_(size: u32, limitKib: u32): i32 {
  let code = loadStart(size, limitKib);
  if (code != 0) return code;
  let more: i32;
  do more = loadMore(); while (more > 0);
  return -more;
}

const NOT_LOADING: u32 = 4;
let part: u32 = NOT_LOADING; // of loading, that comes next

/** The same in parts, for a host that must not wait long: checks the header and makes room. Returns 0 or an error code. */
export function loadStart(size: u32, limitKib: u32): i32 {
  loaded = false;
  clearMessage();
  let code = start(min(size, fileCapacity), limitKib);
  fileCapacity = 0; // the model lies where the file was
  part = code == 0 ? 0 : NOT_LOADING;
  return code;
}

/** The next part: returns 1 while there is more to do, 0 when the model is loaded, or minus an error code. */
export function loadMore(): i32 {
  if (part == NOT_LOADING) return -fail(NO_MODEL);
  let code = part == 0 ? unpack() : part == 1 ? check() : part == 2 ? loadTokenizer() : loadTensors();
  part = code == 0 ? part + 1 : NOT_LOADING;
  if (code != 0) return -code;
  if (part < NOT_LOADING) return 1;
  loaded = true;
  setSampling(0.8, 40, 1, 2.5);
  setSeed(0);
  return reset();
}

export function message(): usize {
  return MESSAGE;
}

export function messageSize(): u32 {
  return messageLength;
}

export function cardAddress(): usize {
  return loaded ? card : 0;
}

export function cardLength(): u32 {
  return loaded ? cardBytes : 0;
}

/** A dimension by its place in the header: dim, layers, hidden, taps, vocab, context; 0 for any other. */
export function dimension(place: u32): u32 {
  return loaded ? dimensionAt(place) : 0;
}

// ---- Settings ----

/** Returns 0, or BAD_SAMPLING and leaves the settings as they were. */
export function sampling(temperature: f32, topK: u32, topP: f32, penalty: f32): i32 {
  // Comparisons with NaN are false.
  if (!(temperature == 0 || (temperature >= <f32>0.01 && temperature <= 100))) {
    return fail(BAD_SAMPLING, 0, "the temperature (0, or 0.01 to 100)");
  }
  if (!(topP > 0 && topP <= 1)) return fail(BAD_SAMPLING, 0, "top-p (above 0, at most 1)");
  if (!(penalty >= 0 && penalty <= 10)) return fail(BAD_SAMPLING, 0, "the repetition penalty (0 to 10)");
  setSampling(temperature, topK, topP, penalty);
  return 0;
}

export function seed(value: u32): void {
  setSeed(value);
}

// ---- Tokens ----

let markIsDue = true; // a text begins: the end mark goes before whatever is run next
let read: usize = QUEUE; // the queue's ids from here …
let queued: usize = QUEUE; // … to here are still to be run
let lastToken: u32 = 0;
let anyToken = false; // since the reset: there are logits
let logitsAreCurrent = false;
let endIsDue = false; // the story has ended, but what was held back had to be given out first

/** Forgets all text. Settings and the generator's position stay. */
export function reset(): i32 {
  if (!loaded) return fail(NO_MODEL);
  clearState();
  clearHistory();
  clearWishes();
  forgetText();
  read = queued = QUEUE;
  markIsDue = true;
  anyToken = false;
  endIsDue = false;
  listed = 0;
  return 0;
}

/** Queues the tokens of the text buffer's first `length` bytes. Returns how many are queued, or minus an error code. */
export function feed(length: u32): i32 {
  if (!loaded) return -fail(NO_MODEL);
  if (length > MAX_TEXT_BYTES) return -fail(TEXT_TOO_LONG, length);
  if (read < queued) return -fail(STILL_READING, pending());
  forgetText();
  letGo();
  endIsDue = false;
  listed = 0;
  read = queued = QUEUE;
  if (markIsDue) queueMark();
  queued = encode(TEXT, length, queued);
  return pending();
}

function queueMark(): void {
  read = QUEUE;
  store<u16>(QUEUE, vocab - 1);
  queued = QUEUE + 2;
  markIsDue = false;
}

/** How many ids are still to be run. */
export function pending(): u32 {
  return loaded ? <u32>(queued - read) / 2 : 0;
}

/** Runs one token, past the queue. Returns 0 or an error code. */
export function run(id: u32): i32 {
  if (!loaded) return fail(NO_MODEL);
  if (id >= vocab) return fail(NO_SUCH_TOKEN, id);
  markIsDue = false;
  endIsDue = false;
  letGo();
  runOne(id);
  return 0;
}

const SINGLE: usize = QUEUE + 2 * (MAX_TEXT_BYTES + 1); // the place behind the queue's last id

function runOne(id: u32): void {
  store<u16>(SINGLE, id);
  runIds(SINGLE, 1);
}

function runIds(ids: usize, count: u32): void {
  runTokens(ids, count);
  for (let i: u32 = 0; i < count; i++) {
    remember(load<u16>(ids + 2 * i));
    follow(load<u16>(ids + 2 * i));
  }
  lastToken = load<u16>(ids + 2 * (count - 1));
  anyToken = true;
  logitsAreCurrent = false;
  listed = 0;
}

/**
 * Reads up to four queued ids and returns 0; or, when none is queued, makes the next token and returns how many bytes of text it
 * put into the text buffer. END at the end of the story, minus an error code if no model is loaded.
 */
export function step(): i32 {
  if (!loaded) return -fail(NO_MODEL);
  if (endIsDue) {
    endIsDue = false;
    return END;
  }
  if (read == queued && markIsDue) queueMark();
  if (read < queued) {
    let count = min(pending(), TOGETHER);
    runIds(read, count);
    read += 2 * count;
    return 0;
  }
  logits();
  let leaned = lean(), id = leaned < 0 ? sample() : <u32>leaned;
  logitsAreCurrent = false; // the sampler may have changed them
  listed = 0;
  if (id != vocab - 1) {
    runOne(id);
    return give(id);
  }
  markIsDue = true;
  let flushed = flush();
  endIsDue = flushed > 0;
  return endIsDue ? flushed : END;
}

/** Puts the token's bytes into the text buffer, as far as they are whole characters. Returns their number. */
function give(id: u32): i32 {
  let out = TEXT;
  let bytes = tokenBytes(id);
  for (let end = bytes + tokenLength(id); bytes < end; bytes++) out = pushByte(load<u8>(bytes), out);
  return <i32>(out - TEXT);
}

/** Gives out the bytes held back as U+FFFD: for a host that stops before the story's end. Returns the number of bytes, 0 or 3. */
export function flush(): i32 {
  return <i32>(flushText(TEXT) - TEXT);
}

/** The id of the last token run. */
export function token(): u32 {
  return lastToken;
}

/** The expert that read the last token, or will read the first one; 0 where there is only one. */
export function expert(): u32 {
  return loaded ? reading : 0;
}

/** The address of the V f32 logits after the last token, 0 if no token was run since the reset. */
export function logits(): usize {
  if (!loaded || !anyToken) return 0;
  if (!logitsAreCurrent) runOutput();
  logitsAreCurrent = true;
  return LOGITS;
}

let listed: u32 = 0; // candidates in HEAP, until something is run or fed

/** Lists the tokens that the next step would draw among, the likeliest first, and draws none. Returns their number; 0 before any token. */
export function candidates(): i32 {
  if (!loaded) return -fail(NO_MODEL);
  if (logits() == 0) return 0;
  logitsAreCurrent = false; // the sampler may have changed them
  let leaned = lean();
  listed = leaned < 0 ? list() : listOnly(leaned);
  return listed;
}

/** The id of the i-th candidate; 0 for any other i. */
export function candidate(i: u32): u32 {
  return i < listed ? listedAt(i) : 0;
}

/** The share, 0 to 1, with which the i-th candidate would be drawn; 0 for any other i. */
export function share(i: u32): f32 {
  return i < listed ? shareOf(i) : 0;
}

/** Puts the token's own bytes into the text buffer, whole characters or not. Returns their number, or minus an error code. */
export function tokenText(id: u32): i32 {
  if (!loaded) return -fail(NO_MODEL);
  if (id >= vocab) return -fail(NO_SUCH_TOKEN, id);
  memory.copy(TEXT, tokenBytes(id), tokenLength(id));
  return tokenLength(id);
}

let digest: u64 = 0;

/** XXH64 (seed 0) of the logits' bytes, the low half; 0 if there are none. */
export function hashLow(): u32 {
  digest = logits() == 0 ? 0 : xxh64(LOGITS, 4 * vocab);
  return <u32>digest;
}

/** The high half of the digest that hashLow computed. */
export function hashHigh(): u32 {
  return <u32>(digest >> 32);
}
