// Reading the model file: docs/model-file.md, in its order. What a step relies on was checked by the steps before it.

import { crc32 } from "./checksum";
import { fail } from "./errors";
import {
  BAD_CARD, BAD_DIMENSION, BAD_FRAME, BAD_SIZE, BAD_TENSOR, BAD_TOKENIZER, badDimension, CONTENT_CHECKSUM, CONTENT_RATIO, copyDim, experts, FREE_BYTES,
  HEADER_BYTES, HEADER_CHECKSUM, MAGIC, MAX_CARD_BYTES, MAX_EXPERTS, MAX_MAGNITUDE, MAX_RAW_BYTES, NEWER_VERSION, NEWEST_VERSION, NOT_A_MODEL,
  readDimensions, ROUTED_VERSION, ROUTER_PAIRS, rowBytes, setExperts, TEXT_MODE, TOO_LARGE, TOO_SHORT, TRAILING_BYTES, TRUNCATED, vocab, WEB_PAGE,
} from "./layout";
import { expertSize, FILE, keySize, layout, ODDS, QUERY, reserve, SUMS, TEXT } from "./memory";
import { readRow, unpackMatrix } from "./product";
import { expertBytes, readExpert, readShared, sharedBytes } from "./tensors";
import { loadTokens } from "./tokenizer";
import { isUtf8 } from "./utf8";
import { decompress } from "./zstd";

const DEFAULT_LIMIT_KIB: u32 = 1 << 20;

export let card: usize = 0;
export let cardBytes: u32 = 0;

/** Checks the header of the model file at FILE[0 .. size) and makes room for all the rest. Returns 0, or the code of the first error,
 * whose message is kept; so does each part of the rest, in this order: unpack, check, loadTokenizer, loadTensors. */
export function start(size: u32, limitKib: u32): i32 {
  let code = checkAll(size, limitKib);
  if (code != 0) return code;
  return reserve(end) ? 0 : fail(TOO_LARGE, kib(end));
}

/** The same checks for a file of `size` bytes when only its first 64 are at FILE: 0 if they show nothing wrong. */
export function examineHeader(size: u32, limitKib: u32): i32 {
  let isBlank = afterBlanks(HEADER_BYTES) == FILE + HEADER_BYTES; // as before a web page; only the rest shows what it is
  return size < HEADER_BYTES || isBlank ? 0 : checkAll(size, limitKib);
}

function checkAll(size: u32, limitKib: u32): i32 {
  let code = checkStart(size);
  if (code == 0) code = checkHeader(size);
  if (code == 0) code = checkMemory(limitKib == 0 ? DEFAULT_LIMIT_KIB : limitKib);
  return code;
}

/** The first of the file's bytes that is no white space, FILE + size if there is none. */
function afterBlanks(size: u32): usize {
  let at = FILE;
  while (at < FILE + size && (load<u8>(at) == 0x20 || load<u8>(at) - 0x09 < <u8>5)) at++;
  return at;
}

function checkStart(size: u32): i32 {
  let at = afterBlanks(size);
  if (at < FILE + size && load<u8>(at) == 0x3c) return fail(WEB_PAGE);
  if (size >= 8 && load<u64>(FILE) != MAGIC) return fail(load<u32>(FILE) == <u32>MAGIC ? TEXT_MODE : NOT_A_MODEL);
  if (size < HEADER_BYTES) return fail(TOO_SHORT, size);
  let version = load<u32>(FILE, 8);
  if (version == 0) return fail(NOT_A_MODEL);
  if (version > NEWEST_VERSION) return fail(NEWER_VERSION, version);
  if (crc32(FILE, 60) != load<u32>(FILE, 60)) return fail(HEADER_CHECKSUM);
  return 0;
}

function checkHeader(size: u32): i32 {
  readDimensions(FILE);
  let bad = badDimension();
  if (bad.length > 0) return fail(BAD_DIMENSION, 0, bad);

  cardBytes = load<u32>(FILE, 36);
  let tokenizerBytes = load<u32>(FILE, 40), allTensors = load<u32>(FILE, 44), rawBytes = load<u32>(FILE, 48);
  if (cardBytes - 2 > MAX_CARD_BYTES - 2) return fail(BAD_SIZE, 0, "card_bytes");
  if (tokenizerBytes != 4 * (vocab - 257)) return fail(BAD_SIZE, 0, "tokenizer_bytes");
  if (!countExperts(allTensors)) return fail(BAD_SIZE, 0, "tensor_bytes");
  let sum = <u64>cardBytes + tokenizerBytes + allTensors;
  if (rawBytes != sum || rawBytes > MAX_RAW_BYTES) return fail(BAD_SIZE, 0, "raw_bytes");

  let packedBytes: u64 = load<u32>(FILE, 52);
  if (rawBytes > FREE_BYTES + CONTENT_RATIO * packedBytes) return fail(BAD_SIZE, 0, "packed_bytes");

  let expected = HEADER_BYTES + packedBytes;
  if (size < expected) return fail(TRUNCATED, <u32>(expected - size));
  if (size > expected) return fail(TRAILING_BYTES, <u32>(size - expected));
  return 0;
}

/** Takes the number of experts from the size of all tensors and the router. False if no number has this size. */
function countExperts(size: u32): bool {
  let shared = sharedBytes(), own = expertBytes(), count: u64 = 1;
  if (load<u32>(FILE, 8) == ROUTED_VERSION) {
    own += vocab + ROUTER_PAIRS;
    count = size < shared ? 0 : (size - shared) / own;
    if (count - 2 > MAX_EXPERTS - 2) return false;
  }
  setExperts(<u32>count);
  return size == shared + count * own;
}

let end: u64 = 0; // of the memory that the model takes, which every reader compares with its limit

/** Lays out the memory: the content is unpacked above the file; then the model takes the file's place. */
function checkMemory(limitKib: u32): i32 {
  let packedBytes = load<u32>(FILE, 52), rawBytes = load<u32>(FILE, 48);
  let content = (max<u64>(layout(), FILE + HEADER_BYTES + <u64>packedBytes) + 7) & ~7;
  end = content + rawBytes;
  card = <usize>content;
  return kib(end) > limitKib ? fail(TOO_LARGE, kib(end)) : 0;
}

function kib(bytes: u64): u32 {
  return <u32>((bytes + 1023) >> 10);
}

export function unpack(): i32 {
  let rawBytes = load<u32>(FILE, 48);
  return decompress(FILE + HEADER_BYTES, load<u32>(FILE, 52), card, rawBytes) == rawBytes ? 0 : fail(BAD_FRAME);
}

export function check(): i32 {
  if (crc32(card, load<u32>(FILE, 48)) != load<u32>(FILE, 56)) return fail(CONTENT_CHECKSUM);
  return isUtf8(card, cardBytes, TEXT) ? 0 : fail(BAD_CARD);
}

export function loadTokenizer(): i32 {
  source = card + cardBytes;
  let badToken = loadTokens(source);
  source += 4 * (vocab - 257);
  return badToken == 0 ? 0 : fail(BAD_TOKENIZER, badToken);
}

/** The embedding's high plane in the content; the low plane follows. */
export let embedding: usize = 0;
export let router: usize = 0; // i8 (vocab + ROUTER_PAIRS, experts), in the content

let source: usize = 0; // the next tensor in the content
let tensor: u32 = 0; // its place in the list of docs/model-file.md

export function loadTensors(): i32 {
  tensor = 0;
  let good = readShared();
  for (let expert: u32 = 0; good && expert < experts; expert++) good = readExpert(expert * expertSize);
  router = source;
  if (copyDim > 0) {
    memory.fill(QUERY, 0, keySize);
    memory.fill(ODDS, 0, 4 * vocab);
  }
  return good ? 0 : fail(BAD_TENSOR, tensor);
}

// layout.ts calls these in the order of the file. Each takes one tensor from the source; false if it holds a value that is not allowed.

/** A table of nine levels, which stays in the content. There is one: the embedding. */
export function readTable(scales: usize, rows: u32, columns: u32): bool {
  if (!readReals(scales, rows)) return false;
  embedding = source;
  for (let row: u32 = 0; row < 2 * rows; row++) {
    if (!readRow(source, columns, SUMS)) return false;
    source += rowBytes(columns);
  }
  tensor++;
  return true;
}

export function readVector(target: usize, count: u32): bool {
  if (!readReals(target, count)) return false;
  tensor++;
  return true;
}

export function readMatrix(weights: usize, scales: usize, scaleCount: u32, rows: u32, columns: u32): bool {
  if (!readReals(scales, scaleCount) || !unpackMatrix(source, weights, rows, columns)) return false;
  source += rows * rowBytes(columns);
  tensor++;
  return true;
}

/** A matrix of reals that lies in memory by columns, so that the loop over its rows is the inner one. */
export function readTransposed(target: usize, rows: u32, columns: u32): bool {
  for (let row: u32 = 0; row < rows; row++) {
    for (let column: u32 = 0; column < columns; column++, source += 4) {
      if (!isAllowed(load<f32>(source, 0, 1))) return false;
      store<f32>(target + 4 * (column * rows + row), load<f32>(source, 0, 1));
    }
  }
  tensor++;
  return true;
}

function readReals(target: usize, count: u32): bool {
  for (let end = target + 4 * count; target < end; target += 4, source += 4) {
    if (!isAllowed(load<f32>(source, 0, 1))) return false;
    store<f32>(target, load<f32>(source, 0, 1));
  }
  return true;
}

function isAllowed(value: f32): bool {
  return abs(value) <= MAX_MAGNITUDE; // false for NaN
}
