// Where everything lies in linear memory. The first part is fixed, sized for the largest model that the file format allows; its addresses
// are constants, which a load or store takes in for nothing. The second part is laid out once for each model, from the sizes in
// its header, by `layout`. Nothing else allocates.
//
//   0        the compiler's static data (messages, constant tables): a test checks that it ends before TEXT
//   TEXT     buffers of fixed size
//   ARENA    the model; before it is unpacked, the model file
//   content  the file's unpacked content: above the model and the file, whichever is longer
//
// A load or store whose address may be unaligned says so (its last argument): WebAssembly does not care, but wasm2js, which makes the
// JavaScript build for browsers without it, takes the alignment as a promise.

import { context, copyDim, dim, experts, layers, MAX_DIM, MAX_HIDDEN, MAX_TEXT_BYTES, MAX_VOCAB, taps, vocab } from "./layout";
import { placeExpert, placeLayer, placeShared } from "./tensors";

// ---- Text and tokens ----

export const TEXT: usize = 20480; // the prompt's bytes in, the story's bytes out
export const QUEUE: usize = TEXT + MAX_TEXT_BYTES; // u16 ids of the last text fed: the end mark and at most one id for each byte
const QUEUE_SIZE: usize = 2 * (MAX_TEXT_BYTES + 1) + 6;
export const PART_AT_FIRST: usize = QUEUE + QUEUE_SIZE; // u8: length of the part that begins at a byte of the piece
export const PART_AT_LAST: usize = PART_AT_FIRST + MAX_TEXT_BYTES; // u8: length of the part that ends there
export const HELD: usize = PART_AT_LAST + MAX_TEXT_BYTES; // the bytes of an unfinished character
export const MESSAGE: usize = HELD + 8;
const MESSAGE_SIZE: usize = 256;
export const HISTORY_LENGTH: u32 = 64;
export const HISTORY: usize = MESSAGE + MESSAGE_SIZE; // u16: the last 64 tokens, a ring
export const MAX_WISHES: u32 = 4; // three words and a name
export const WISH_TOKENS: u32 = 23;
export const WISHES: usize = HISTORY + 2 * HISTORY_LENGTH; // u16 (4, 24): for each wish the number of its tokens, and these
export const MAX_SPEECH: u32 = 64;
export const SPEECH: usize = WISHES + 2 * MAX_WISHES * (WISH_TOKENS + 1); // u16: tokens that have a quotation mark

// ---- One after the other: a large buffer that is free again when the function that uses it returns ----

export const HEAP: usize = SPEECH + 2 * MAX_SPEECH; // u32: the tokenizer's pairs, or the sampler's candidates
export const HEAP_SIZE: usize = 8 * MAX_TEXT_BYTES;
export const LITERALS: usize = HEAP; // u8: the literals of a zstd block, at most 128 KiB
export const SUMS: usize = HEAP; // i32 (4, max(3D, 2H)), or (V): what the ternary products give
export const SUMS_STRIDE: usize = 4 * 2 * MAX_HIDDEN; // bytes for one token

// ---- Activations: those of the up to four tokens that are run together ----

export const X: usize = HEAP + HEAP_SIZE; // f32 (4, D)
export const X_STRIDE: usize = 4 * MAX_DIM; // bytes for one token
export const WORK: usize = X + 4 * X_STRIDE; // f32 (max(D, H)): one token's vector, about to be quantized
export const QUANTIZED: usize = WORK + 4 * MAX_HIDDEN + 16; // i16 (columns in whole groups, 4): the tokens' int8 values
const QUANTIZED_SIZE: usize = 8 * (MAX_HIDDEN / 5 * 6 + 64);
export const SCALES: usize = QUANTIZED + QUANTIZED_SIZE; // f32 (4): with QUANTIZED
export const LANES: usize = SCALES + 16; // f32 (16): partial sums of squares; u16 (4): a row's sums of four tokens
export const LOGITS: usize = LANES + 64; // f32 (V)

// Ternary products go through tables of all sums of a group of five or six columns, 32 groups (a segment) at a time: a row's sum and
// its bias are then at most 2·32·6·127 = 48,768, so that four of them fit an i64.
export const SEGMENT_GROUPS = 32;
export const TABLE_SIZE = 8 * 729; // i64 (3^6)
export const TABLES: usize = LOGITS + 4 * MAX_VOCAB; // a table for each group of the segment

// ---- Loading ----

export const CRC_TABLE: usize = TABLES + SEGMENT_GROUPS * TABLE_SIZE; // u32 (256)
export const LITERALS_LENGTH_TABLE: usize = CRC_TABLE + 4 * 256; // u32 (512): FSE decoding tables
export const OFFSET_TABLE: usize = LITERALS_LENGTH_TABLE + 4 * 512;
export const MATCH_LENGTH_TABLE: usize = OFFSET_TABLE + 4 * 512;
export const WEIGHT_TABLE: usize = MATCH_LENGTH_TABLE + 4 * 512;
export const FREQUENCIES: usize = WEIGHT_TABLE + 4 * 64; // i16 (64)
export const NEXT_STATES: usize = FREQUENCIES + 2 * 64; // u16 (64)
export const HUFFMAN_TABLE: usize = NEXT_STATES + 2 * 64; // u16 (2048)
export const WEIGHTS: usize = HUFFMAN_TABLE + 2 * 2048; // u8 (256)

export const ARENA: usize = WEIGHTS + 256;
export const FILE: usize = ARENA; // the model file, until it is unpacked

// ---- The model ----

export let TOKEN_BYTES: usize = 0; // 64 bytes for each token
export let TOKEN_LENGTHS: usize = 0; // u8 (V)
export let TOKEN_HASH: usize = 0; // u16 (tokenHashSize): ids, found by their bytes
export let tokenHashSize: u32 = 0; // a power of two ≥ 2·V

// The tensors lie where layout.ts has put them; what a model remembers of the text lies here:
export let keySize: usize = 0; // bytes of a query or key: C numbers, and zeros up to a multiple of four
export let QUERY: usize = 0; // f32 (C): of the last token
export let KEYS: usize = 0; // f32 (context, C): of the last tokens, a ring
export let NEXT: usize = 0; // u16 (context): the tokens after them
export let ODDS: usize = 0; // f32 (V): zeros, but while they are in use
export let LAYERS: usize = 0; // L times layerSize bytes: a layer's tensors, and
export let layerSize: usize = 0;
export let RING: usize = 0; // f32 (K, D): the last K values of v
export let MEMORY: usize = 0; // f32 (D): h
export let stateSize: usize = 0; // bytes of a layer's RING and MEMORY
export let expertSize: usize = 0; // bytes of an expert: its tensors outside the layers, and its layers; the addresses above are the first one's

let end: u64 = 0;

/** The address of the next `size` bytes, aligned for every type. Only for laying out, before any of it is used. */
export function place(size: u64): usize {
  let address = end;
  end = (end + size + 7) & ~7;
  return <usize>address;
}

// Larger groups need fewer look-ups for each row and longer tables for each product: six columns pay from some 320 rows on.
const MANY_ROWS: u32 = 400;

/** Columns in a group, for a ternary matrix of this many rows: 5 or 6. */
export function tritsFor(rows: u32): u32 {
  return rows < MANY_ROWS ? 5 : 6;
}

/** Groups in a row of n columns, rounded up to the eight that the loops take at a time. */
export function groupsOf(columns: u32, trits: u32): u32 {
  return ((columns + trits - 1) / trits + 7) & ~7;
}

/** Bytes of an unpacked ternary matrix. */
export function ternarySize(rows: u32, columns: u32): u64 {
  return 2 * <u64>rows * groupsOf(columns, tritsFor(rows));
}

/** Lays the model out from its dimensions. Returns the address after it, which may be more than 32 bits hold: then nothing may be used. */
export function layout(): u64 {
  let d: u64 = 4 * <u64>dim;
  end = ARENA;

  TOKEN_BYTES = place(64 * <u64>vocab);
  TOKEN_LENGTHS = place(vocab);
  tokenHashSize = 1024;
  while (tokenHashSize < 2 * vocab) tokenHashSize <<= 1;
  TOKEN_HASH = place(2 * tokenHashSize);

  placeShared();
  if (copyDim > 0) {
    keySize = (4 * copyDim + 15) & ~15;
    QUERY = place(keySize);
    KEYS = place(<u64>context * keySize);
    NEXT = place(2 * context);
    ODDS = place(4 * vocab);
  }

  let first = end;
  placeExpert();
  let layersStart = end;
  LAYERS = <usize>layersStart;
  end = 0; // addresses within a layer
  placeLayer();
  RING = place(d * taps);
  MEMORY = place(d);
  layerSize = <usize>end;
  stateSize = layerSize - RING;
  let size = layersStart - first + end * layers;
  expertSize = <usize>size;
  return first + size * experts; // not of addresses, which have 32 bits only
}

/** Grows memory so that addresses below `limit` exist. False if that cannot be. */
export function reserve(limit: u64): bool {
  let pages = (limit + 0xffff) >> 16;
  let missing = <i64>pages - memory.size();
  return missing <= 0 || (pages <= 65536 && memory.grow(<i32>missing) >= 0);
}
