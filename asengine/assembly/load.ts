// Reading the model file: docs/model-file.md, in its order. What a step relies on was checked by the steps before it.

import { crc32 } from "./checksum";
import {
  BAD_CARD, BAD_DIMENSION, BAD_FRAME, BAD_SIZE, BAD_TENSOR, BAD_TOKENIZER, CONTENT_CHECKSUM, fail, HEADER_CHECKSUM, NEWER_VERSION, NOT_A_MODEL,
  TEXT_MODE, TOO_LARGE, TOO_SHORT, TRAILING_BYTES, TRUNCATED, WEB_PAGE,
} from "./errors";
import {
  ARENA, context, COPY_BIAS, COPY_IN, COPY_IN_SCALE, COPY_RIVAL, copyDim, dim, EMBEDDING_SCALES, FORGET_BIAS, GLU_IN, GLU_IN_SCALE, GLU_OUT,
  GLU_OUT_SCALE, HEAD, HEAD_SCALES, hidden, keySize, LAYERS, layers, layerSize, layout, MIX_IN, MIX_IN_SCALE, MIX_OUT, MIX_OUT_SCALE, NORM_COPY, NORM_GLU,
  NORM_IN, NORM_MIX, NORM_OUT, ODDS, QUERY, reserve, setDimensions, SUMS, TAPS, taps, TEXT, vocab,
} from "./memory";
import { readRow, rowBytes, unpackMatrix } from "./product";
import { loadTokens } from "./tokenizer";
import { isUtf8 } from "./utf8";
import { decompress } from "./zstd";

const HEADER_BYTES: u32 = 64;
const MAGIC: u64 = 0x0a1a0a0d43364689; // 89 46 36 43 0D 0A 1A 0A
const MAXIMUM_RAW_BYTES: u64 = 1 << 30;
// A frame of p bytes holds at most this and 16·p: what a file's content may cost to load stays in proportion to the file.
const FREE_BYTES: u64 = 1 << 20;
const DEFAULT_LIMIT_KIB: u32 = 1 << 20;

export const FILE: usize = ARENA;
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
  if (version > 2) return fail(NEWER_VERSION, version);
  if (crc32(FILE, 60) != load<u32>(FILE, 60)) return fail(HEADER_CHECKSUM);
  return 0;
}

function checkHeader(size: u32): i32 {
  setDimensions(
    load<u32>(FILE, 12), load<u32>(FILE, 16), load<u32>(FILE, 20), load<u32>(FILE, 24), load<u32>(FILE, 28), load<u32>(FILE, 32),
    load<u32>(FILE, 8) == 2,
  );
  if (dim - 1 >= 4096) return fail(BAD_DIMENSION, 0, "dim");
  if (layers - 1 >= 64) return fail(BAD_DIMENSION, 0, "layers");
  if (hidden - 1 >= 16384) return fail(BAD_DIMENSION, 0, "hidden");
  if (taps - 1 >= 32) return fail(BAD_DIMENSION, 0, "taps");
  if (vocab - 257 >= 65536 - 256) return fail(BAD_DIMENSION, 0, "vocab");
  if (context - 1 >= 1 << 20) return fail(BAD_DIMENSION, 0, "context");

  cardBytes = load<u32>(FILE, 36);
  let tokenizerBytes = load<u32>(FILE, 40), tensorBytes = load<u32>(FILE, 44), rawBytes = load<u32>(FILE, 48);
  if (cardBytes - 2 >= 65535) return fail(BAD_SIZE, 0, "card_bytes");
  if (tokenizerBytes != 4 * (vocab - 257)) return fail(BAD_SIZE, 0, "tokenizer_bytes");
  if (tensorBytes != tensorBytesOf()) return fail(BAD_SIZE, 0, "tensor_bytes");
  let sum = <u64>cardBytes + tokenizerBytes + tensorBytes;
  if (rawBytes != sum || rawBytes > MAXIMUM_RAW_BYTES) return fail(BAD_SIZE, 0, "raw_bytes");

  let packedBytes: u64 = load<u32>(FILE, 52);
  if (rawBytes > FREE_BYTES + 16 * packedBytes) return fail(BAD_SIZE, 0, "packed_bytes");

  let expected = HEADER_BYTES + packedBytes;
  if (size < expected) return fail(TRUNCATED, <u32>(expected - size));
  if (size > expected) return fail(TRAILING_BYTES, <u32>(size - expected));
  return 0;
}

/** The size of all tensors in the file. */
function tensorBytesOf(): u64 {
  let d: u64 = dim, h: u64 = hidden;
  let row: u64 = rowBytes(dim);
  let layer = 4 * (2 * d + d * taps + d + 4) // norms, taps, forget bias, four scales
    + (3 * d + d + 2 * h) * row + d * rowBytes(hidden);
  let embedding = <u64>vocab * (4 + 2 * row), head = <u64>vocab * (4 + row);
  let copying = copyDim > 0 ? 4 * d + 4 + 2 * copyDim * row + 4 * copyDim + 4 : 0;
  return embedding + 4 * d + layer * layers + 4 * d + head + copying;
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

let source: usize = 0; // the next tensor in the content
let tensor: u32 = 0; // its place in the list of docs/model-file.md

export function loadTensors(): i32 {
  tensor = 0;
  let good = loadEmbedding() && loadVector(NORM_IN, dim);
  for (let layer: u32 = 0; good && layer < layers; layer++) {
    let base = LAYERS + layer * layerSize;
    good = loadVector(base + NORM_MIX, dim)
      && loadMatrix(base + MIX_IN, base + MIX_IN_SCALE, 1, 3 * dim, dim)
      && loadTaps(base + TAPS)
      && loadVector(base + FORGET_BIAS, dim)
      && loadMatrix(base + MIX_OUT, base + MIX_OUT_SCALE, 1, dim, dim)
      && loadVector(base + NORM_GLU, dim)
      && loadMatrix(base + GLU_IN, base + GLU_IN_SCALE, 1, 2 * hidden, dim)
      && loadMatrix(base + GLU_OUT, base + GLU_OUT_SCALE, 1, dim, hidden);
  }
  good = good && loadVector(NORM_OUT, dim) && loadMatrix(HEAD, HEAD_SCALES, vocab, vocab, dim);
  if (copyDim > 0) {
    good = good
      && loadVector(NORM_COPY, dim)
      && loadMatrix(COPY_IN, COPY_IN_SCALE, 1, 2 * copyDim, dim)
      && loadVector(COPY_RIVAL, copyDim)
      && loadVector(COPY_BIAS, 1);
    memory.fill(QUERY, 0, keySize);
    memory.fill(ODDS, 0, 4 * vocab);
  }
  return good ? 0 : fail(BAD_TENSOR, tensor);
}

// Each of these takes one tensor from the source; false if it holds a value that is not allowed.

function loadEmbedding(): bool {
  if (!loadReals(EMBEDDING_SCALES, vocab)) return false;
  embedding = source;
  for (let row: u32 = 0; row < 2 * vocab; row++) {
    if (!readRow(source, dim, SUMS)) return false;
    source += rowBytes(dim);
  }
  tensor++;
  return true;
}

function loadVector(target: usize, count: u32): bool {
  if (!loadReals(target, count)) return false;
  tensor++;
  return true;
}

function loadMatrix(weights: usize, scales: usize, scaleCount: u32, rows: u32, columns: u32): bool {
  if (!loadReals(scales, scaleCount) || !unpackMatrix(source, weights, rows, columns)) return false;
  source += rows * rowBytes(columns);
  tensor++;
  return true;
}

function loadTaps(target: usize): bool {
  for (let channel: u32 = 0; channel < dim; channel++) {
    for (let k: u32 = 0; k < taps; k++, source += 4) {
      if (!isAllowed(load<f32>(source, 0, 1))) return false;
      store<f32>(target + 4 * (k * dim + channel), load<f32>(source, 0, 1));
    }
  }
  tensor++;
  return true;
}

function loadReals(target: usize, count: u32): bool {
  for (let end = target + 4 * count; target < end; target += 4, source += 4) {
    if (!isAllowed(load<f32>(source, 0, 1))) return false;
    store<f32>(target, load<f32>(source, 0, 1));
  }
  return true;
}

function isAllowed(value: f32): bool {
  return abs(value) <= 1024; // false for NaN
}
