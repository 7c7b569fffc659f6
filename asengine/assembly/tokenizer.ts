// Byte-level BPE, as docs/tokenizer.md says.

import { vocab } from "./layout";
import { HEAP, PART_AT_FIRST, PART_AT_LAST, TOKEN_BYTES, TOKEN_HASH, TOKEN_LENGTHS, tokenHashSize } from "./memory";

const LONGEST: u32 = 64;
const NONE: u32 = 0xffff; // the end mark can have this id, but is not found by its bytes

// @ts-ignore: decorator
@inline export function tokenBytes(id: u32): usize {
  return TOKEN_BYTES + LONGEST * id;
}

// @ts-ignore: decorator
@inline export function tokenLength(id: u32): u32 {
  return load<u8>(TOKEN_LENGTHS + id);
}

// ---- The vocabulary ----

// A file can be made so that all its tokens meet in one part of the hash table. It cannot for many hashes at once: the next one is
// tried when a look-up has taken more than MAX_PROBES on average, where a few are to be expected.
const HASHES: u32 = 8;
const MAX_PROBES: u32 = 32;
const CROWDED: u32 = 0xffffffff;
let hashStart: u32 = 0;
let probes: u32 = 0;

/** Expands the merges {u16 left, u16 right}. Returns 0, or the id of the first token that is not allowed. */
export function loadTokens(merges: usize): u32 {
  hashStart = 0x811c9dc5; // FNV-1a's own
  let bad = expandMerges(merges, MAX_PROBES * 2 * vocab);
  for (let i: u32 = 1; bad == CROWDED; i++) {
    hashStart = hashStart * 0x9e3779b1 + 1;
    bad = expandMerges(merges, i < HASHES ? MAX_PROBES * 2 * vocab : u32.MAX_VALUE);
  }
  return bad;
}

function expandMerges(merges: usize, mostProbes: u32): u32 {
  probes = 0;
  memory.fill(TOKEN_HASH, 0xff, 2 * tokenHashSize);
  for (let byte: u32 = 0; byte < 256; byte++) {
    store<u8>(tokenBytes(byte), byte);
    addToken(byte, 1);
  }
  for (let id: u32 = 256; id < vocab - 1; id++, merges += 4) {
    let left: u32 = load<u16>(merges, 0, 1), right: u32 = load<u16>(merges, 2, 1);
    if (left >= id || right >= id) return id;
    let length = tokenLength(left) + tokenLength(right);
    if (length > LONGEST) return id;
    memory.copy(tokenBytes(id), tokenBytes(left), tokenLength(left));
    memory.copy(tokenBytes(id) + tokenLength(left), tokenBytes(right), tokenLength(right));
    if (findToken(tokenBytes(id), length) != NONE) return id;
    addToken(id, length);
    if (probes > mostProbes) return CROWDED;
  }
  store<u8>(TOKEN_LENGTHS + vocab - 1, 0); // the end mark
  return 0;
}

function addToken(id: u32, length: u32): void {
  store<u8>(TOKEN_LENGTHS + id, length);
  store<u16>(cellOf(tokenBytes(id), length), id);
}

/** The id of the token with these bytes, or NONE. */
function findToken(bytes: usize, length: u32): u32 {
  return load<u16>(cellOf(bytes, length));
}

/** The cell of the hash table that holds the token with these bytes, or the empty one where it belongs. */
function cellOf(bytes: usize, length: u32): usize {
  let hash = hashStart;
  for (let i: u32 = 0; i < length; i++) hash = (hash ^ load<u8>(bytes + i)) * 0x01000193;
  hash ^= hash >> 15;
  while (true) {
    let cell = TOKEN_HASH + 2 * (hash & (tokenHashSize - 1));
    let id: u32 = load<u16>(cell);
    if (id == NONE) return cell;
    if (tokenLength(id) == length && sameBytes(tokenBytes(id), bytes, length)) return cell;
    hash++;
    probes++;
  }
}

function sameBytes(a: usize, b: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(a + i) != load<u8>(b + i)) return false;
  }
  return true;
}

// ---- Step 1: pieces ----

// @ts-ignore: decorator
@inline function isLetter(byte: u32): bool {
  return byte >= 0x80 || (byte | 0x20) - 0x61 < 26;
}

// @ts-ignore: decorator
@inline function isDigit(byte: u32): bool {
  return byte - 0x30 < 10;
}

// @ts-ignore: decorator
@inline function isBreak(byte: u32): bool { // white space, but not a space
  return byte - 0x09 < 5;
}

// @ts-ignore: decorator
@inline function isOther(byte: u32): bool {
  return byte != 0x20 && !isLetter(byte) && !isDigit(byte) && !isBreak(byte);
}

/** The end of the piece that starts at `start` < end. */
function pieceEnd(start: usize, end: usize): usize {
  let at = start;
  if (load<u8>(at) == 0x20) {
    at++;
    if (at == end) return at;
  }
  let byte: u32 = load<u8>(at);
  if (isLetter(byte)) {
    do {
      at++;
      if (at + 1 < end && load<u8>(at) == 0x27 && isLetter(load<u8>(at, 1))) at++; // an apostrophe within a word
    } while (at < end && isLetter(load<u8>(at)));
    return at;
  }
  if (isDigit(byte)) return at + 1;
  if (isOther(byte)) {
    do at++; while (at < end && isOther(load<u8>(at)));
    return at;
  }
  if (at > start) return at; // the space alone
  do at++; while (at < end && isBreak(load<u8>(at)));
  return at;
}

/** Writes the ids of text[0 .. length) to `ids`. Returns the address after them. */
export function encode(text: usize, length: u32, ids: usize): usize {
  let end = text + length;
  while (text < end) {
    let next = pieceEnd(text, end);
    ids = encodePiece(text, <u32>(next - text), ids);
    text = next;
  }
  return ids;
}

// ---- Step 2: tokens of a piece ----
//
// A heap holds every pair of adjacent parts that is a token as id << 16 | start, so that its least element is the lowest id, leftmost.
// A pair that has changed since it was pushed stays in the heap and is skipped when it comes up: its start no longer begins a
// part, or the two parts there are not as long as the token. Joining n bytes takes n·log n steps, whatever they are.

let heapSize: u32 = 0;

function encodePiece(piece: usize, length: u32, ids: usize): usize {
  let whole = length <= LONGEST ? findToken(piece, length) : NONE;
  if (whole != NONE) {
    store<u16>(ids, whole);
    return ids + 2;
  }

  memory.fill(PART_AT_FIRST, 1, length);
  memory.fill(PART_AT_LAST, 1, length);
  heapSize = 0;
  for (let start: u32 = 0; start + 1 < length; start++) pushPair(piece, start, 2);
  while (heapSize > 0) {
    let pair = popLeast();
    let start = pair & 0xffff;
    let first: u32 = load<u8>(PART_AT_FIRST + start);
    let middle = start + first;
    if (first == 0 || middle == length) continue;
    let joined = first + load<u8>(PART_AT_FIRST + middle);
    if (joined != tokenLength(pair >> 16)) continue;

    let end = start + joined;
    store<u8>(PART_AT_FIRST + middle, 0);
    store<u8>(PART_AT_FIRST + start, joined);
    store<u8>(PART_AT_LAST + end - 1, joined);
    if (start > 0) {
      let before: u32 = load<u8>(PART_AT_LAST + start - 1);
      pushPair(piece, start - before, before + joined);
    }
    if (end < length) pushPair(piece, start, joined + load<u8>(PART_AT_FIRST + end));
  }

  for (let start: u32 = 0; start < length;) {
    let part: u32 = load<u8>(PART_AT_FIRST + start);
    store<u16>(ids, findToken(piece + start, part));
    ids += 2;
    start += part;
  }
  return ids;
}

/** Adds the pair that together is piece[start .. start + length) if it is a token. */
function pushPair(piece: usize, start: u32, length: u32): void {
  if (length > LONGEST) return;
  let id = findToken(piece + start, length);
  if (id == NONE) return;
  let pair = (id << 16) | start;
  let hole = heapSize++;
  while (hole > 0) {
    let parent = (hole - 1) >> 1;
    let above = load<u32>(HEAP + 4 * parent);
    if (above <= pair) break;
    store<u32>(HEAP + 4 * hole, above);
    hole = parent;
  }
  store<u32>(HEAP + 4 * hole, pair);
}

function popLeast(): u32 {
  let least = load<u32>(HEAP);
  let moved = load<u32>(HEAP + 4 * --heapSize);
  let hole: u32 = 0;
  while (true) {
    let child: u32 = 2 * hole + 1;
    if (child >= heapSize) break;
    let below = load<u32>(HEAP + 4 * child);
    if (child + 1 < heapSize && load<u32>(HEAP + 4 * child, 4) < below) below = load<u32>(HEAP + 4 * ++child);
    if (moved <= below) break;
    store<u32>(HEAP + 4 * hole, below);
    hole = child;
  }
  store<u32>(HEAP + 4 * hole, moved);
  return least;
}
