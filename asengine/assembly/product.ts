// The ternary product: y = W q, W in {-1, 0, +1}, q int8, y exact in int32.
//
// A group of five columns of q has 3^5 = 243 signed sums, a group of six 729. They are tabulated once for each product; then a row's
// five or six weights cost one look-up. Weights are kept as what the look-up needs: the u16 offset into the tables of eight groups,
// which holds the group's place and its pattern of trits. An interpreter pays for each operation that it dispatches: that is four for
// a look-up (two loads, an addition, putting the sum away), where a multiplication of each weight would take six times five.
//
// A table's entry is an i64 of four 16-bit sums: those of four tokens, or of one token and the groups p, p + 8, p + 16 and p + 24. A
// look-up loads all of them or one.
//
// Weights lie segment by segment (32 groups), in it row by row, in it group by group; groups past the last column are zero.

import { rowBytes } from "./layout";
import { groupsOf, LANES, QUANTIZED, SEGMENT_GROUPS, SUMS, SUMS_STRIDE, TABLE_SIZE, TABLES, tritsFor } from "./memory";

// ---- Loading ----

/** Where the groups of `row` begin in segment `segment` of a matrix of `groups` groups to a row. */
// @ts-ignore: decorator
@inline function rowInSegment(weights: usize, rows: u32, groups: u32, row: u32, segment: u32): usize {
  let first = segment * SEGMENT_GROUPS;
  return weights + 2 * (first * rows + min<u32>(groups - first, SEGMENT_GROUPS) * row);
}

/** Unpacks a row of trits of the file to i32 at `target`. False if a byte is not allowed. */
export function readRow(source: usize, columns: u32, target: usize): bool {
  let digits: u32 = 0;
  for (let column: u32 = 0; column < columns; column++, target += 4) {
    if (column % 5 == 0) {
      digits = load<u8>(source++);
      if (digits > 242) return false;
    }
    store<i32>(target, <i32>(digits % 3) - 1);
    digits /= 3;
  }
  let rest = columns % 5; // trits past the last column are 0, their digits 1
  return rest == 0 || digits == (rest == 1 ? 40 : rest == 2 ? 13 : rest == 3 ? 4 : 1);
}

/** Unpacks a ternary matrix of the file. False if a byte is not allowed. */
export function unpackMatrix(source: usize, weights: usize, rows: u32, columns: u32): bool {
  let trits = tritsFor(rows), groups = groupsOf(columns, trits);
  for (let row: u32 = 0; row < rows; row++) {
    if (!readRow(source, columns, SUMS)) return false;
    source += rowBytes(columns);
    memory.fill(SUMS + 4 * columns, 0, 4 * (trits * groups - columns));
    let target: usize = 0, trit = SUMS;
    for (let group: u32 = 0; group < groups; group++, target += 2) {
      if (group % SEGMENT_GROUPS == 0) target = rowInSegment(weights, rows, groups, row, group / SEGMENT_GROUPS);
      let pattern = 0;
      for (let i: u32 = 0, power = 8; i < trits; i++, power *= 3, trit += 4) pattern += (load<i32>(trit) + 1) * power;
      store<u16>(target, group % 8 * TABLE_SIZE + pattern);
    }
  }
  return true;
}

// ---- Tables ----

const ONES: i64 = 0x0001000100010001;
const BIAS = 6 * 127; // keeps the sums in the tables positive, so that none borrows from its neighbour in the i64

/** Four i16 as a + b·2^16 + c·2^32 + d·2^48, which addition respects. */
// @ts-ignore: decorator
@inline function fourNumbers(a: usize, b: usize, c: usize, d: usize, offset: usize): i64 {
  return <i64>load<i16>(a + offset) + (<i64>load<i16>(b + offset) << 16) + (<i64>load<i16>(c + offset) << 32)
    + (<i64>load<i16>(d + offset) << 48);
}

/** Fills `count` tables from the columns of as many groups; the four numbers of a column lie `stride` bytes apart. */
function fillTables(columns: usize, stride: usize, count: u32, trits: u32): void {
  let table = TABLES, stop = TABLES + TABLE_SIZE * count;
  do {
    let b = columns + stride, c = b + stride, d = c + stride;
    let x0 = fourNumbers(columns, b, c, d, 0), x1 = fourNumbers(columns, b, c, d, 8), x2 = fourNumbers(columns, b, c, d, 16);
    let x3 = fourNumbers(columns, b, c, d, 24), x4 = fourNumbers(columns, b, c, d, 32);
    let x5: i64 = 0, shift = BIAS * ONES - x4;
    let at = table, end = table + 8 * 243;
    if (trits == 6) {
      x5 = fourNumbers(columns, b, c, d, 40);
      shift -= x5;
      end = table + 8 * 729;
    }
    x5 -= 3 * x4; // after three steps of x4
    do {
      for (let next = at + 8 * 243; at < next; shift += x4) {
        store27(at, 0, x0, x1, x2, shift - x3);
        store27(at, 216, x0, x1, x2, shift);
        store27(at, 432, x0, x1, x2, shift + x3);
        at += 8 * 81;
      }
      shift += x5;
    } while (at < end);
    columns += 8 * trits;
    table += TABLE_SIZE;
  } while (table < stop);
}

// @ts-ignore: decorator
@inline function store27(table: usize, offset: usize, x0: i64, x1: i64, x2: i64, sum: i64): void {
  let minus = sum - x2, plus = sum + x2;
  store9(table, offset, x0, x1, minus);
  store9(table, offset + 72, x0, x1, sum);
  store9(table, offset + 144, x0, x1, plus);
}

// @ts-ignore: decorator
@inline function store9(table: usize, offset: usize, x0: i64, x1: i64, sum: i64): void {
  let minus = sum - x1, plus = sum + x1;
  store<i64>(table + offset, minus - x0);
  store<i64>(table + offset + 8, minus);
  store<i64>(table + offset + 16, minus + x0);
  store<i64>(table + offset + 24, sum - x0);
  store<i64>(table + offset + 32, sum);
  store<i64>(table + offset + 40, sum + x0);
  store<i64>(table + offset + 48, plus - x0);
  store<i64>(table + offset + 56, plus);
  store<i64>(table + offset + 64, plus + x0);
}

// ---- One token ----

/** The one token's sums, `rows` of them, to SUMS. */
export function product(weights: usize, rows: u32, columns: u32): void {
  let trits = tritsFor(rows), groups = groupsOf(columns, trits);
  let quantized = QUANTIZED;
  for (let first: u32 = 0; first < groups; first += SEGMENT_GROUPS) {
    let count = min<u32>(groups - first, SEGMENT_GROUPS);
    fillTables(quantized, 64 * trits, 8, trits);
    addRows(weights, rows, count, first == 0);
    quantized += 8 * trits * SEGMENT_GROUPS;
    weights += 2 * rows * SEGMENT_GROUPS;
  }
}

// Offsets must be part of the load instructions: then an interpreter does not pay for them. Inlining makes constants of the small ones,
// but in an offset beside TABLES the compiler takes no parameter. So which eight of the 32 groups, 0 to 3, comes as a type, i8, i16, i32
// or i64, for alignof to tell.

// @ts-ignore: decorator
@inline function lookUp<Part>(weights: usize, offset: usize): u32 {
  return load<u16>(load<u16>(weights + (16 * alignof<Part>() + offset)), TABLES + 2 * alignof<Part>());
}

/** The sum of eight groups. Groups past the last column leave anything in later parts of the i64, which no earlier part sees. */
// @ts-ignore: decorator
@inline function sumOf8<Part>(weights: usize): u32 {
  return lookUp<Part>(weights, 0) + lookUp<Part>(weights, 2) + lookUp<Part>(weights, 4) + lookUp<Part>(weights, 6)
    + lookUp<Part>(weights, 8) + lookUp<Part>(weights, 10) + lookUp<Part>(weights, 12) + lookUp<Part>(weights, 14);
}

// @ts-ignore: decorator
@inline function sumOf32(weights: usize): u32 {
  return sumOf8<i8>(weights) + sumOf8<i16>(weights) + sumOf8<i32>(weights) + sumOf8<i64>(weights);
}

/**
 * Adds one segment's sums to SUMS, or sets them if it is the first. Here a token spends seven tenths of its time: about 3 ns for a
 * look-up in wasm3, 0.3 ns in node (x86-64 server core, `small`), 32 of them and 8 operations more for a row.
 */
function addRows(weights: usize, rows: u32, count: u32, isFirst: bool): void {
  let at: usize = 0, end: usize = 4 * rows;
  let bias = BIAS * count;
  if (count == SEGMENT_GROUPS) {
    if (isFirst) {
      do {
        store<u32>(at, sumOf32(weights) - bias, SUMS);
        weights += 64;
        at += 4;
      } while (at < end);
    } else {
      do {
        store<u32>(at, load<u32>(at, SUMS) + sumOf32(weights) - bias, SUMS);
        weights += 64;
        at += 4;
      } while (at < end);
    }
    return;
  }
  do {
    let sum = (isFirst ? 0 : load<u32>(at, SUMS)) - bias + sumOf8<i8>(weights);
    if (count > 8) sum += sumOf8<i16>(weights);
    if (count > 16) sum += sumOf8<i32>(weights);
    weights += 2 * count;
    store<u32>(at, sum, SUMS);
    at += 4;
  } while (at < end);
}

// ---- Four tokens at a time ----

/** The sums of four tokens, `rows` of each, to SUMS. */
export function product4(weights: usize, rows: u32, columns: u32): void {
  let trits = tritsFor(rows), groups = groupsOf(columns, trits);
  let quantized = QUANTIZED;
  for (let first: u32 = 0; first < groups; first += SEGMENT_GROUPS) {
    let count = min<u32>(groups - first, SEGMENT_GROUPS);
    fillTables(quantized, 2, count, trits);
    addRows4(weights, rows, count, first == 0);
    quantized += 8 * trits * SEGMENT_GROUPS;
    weights += 2 * rows * SEGMENT_GROUPS;
  }
}

// @ts-ignore: decorator
@inline function lookUp4<Part>(weights: usize, offset: usize): i64 {
  return load<i64>(load<u16>(weights + (16 * alignof<Part>() + offset)), TABLES + 8 * TABLE_SIZE * alignof<Part>());
}

// @ts-ignore: decorator
@inline function sumOf8x4<Part>(weights: usize): i64 {
  return lookUp4<Part>(weights, 0) + lookUp4<Part>(weights, 2) + lookUp4<Part>(weights, 4) + lookUp4<Part>(weights, 6)
    + lookUp4<Part>(weights, 8) + lookUp4<Part>(weights, 10) + lookUp4<Part>(weights, 12) + lookUp4<Part>(weights, 14);
}

// @ts-ignore: decorator
@inline function sumOf32x4(weights: usize): i64 {
  return sumOf8x4<i8>(weights) + sumOf8x4<i16>(weights) + sumOf8x4<i32>(weights) + sumOf8x4<i64>(weights);
}

/** Like addRows: about 5 ns in wasm3 for a look-up that serves four tokens, 0.5 ns in node. Memory takes the four sums apart. */
function addRows4(weights: usize, rows: u32, count: u32, isFirst: bool): void {
  let at: usize = 0, end: usize = 4 * rows;
  let bias = BIAS * count;
  do {
    if (count == SEGMENT_GROUPS) {
      store<i64>(LANES, sumOf32x4(weights));
    } else {
      let sum = sumOf8x4<i8>(weights);
      if (count > 8) sum += sumOf8x4<i16>(weights);
      if (count > 16) sum += sumOf8x4<i32>(weights);
      store<i64>(LANES, sum);
    }
    weights += 2 * count;
    if (isFirst) {
      store<u32>(at, load<u16>(LANES) - bias, SUMS);
      store<u32>(at, load<u16>(LANES + 2) - bias, SUMS + SUMS_STRIDE);
      store<u32>(at, load<u16>(LANES + 4) - bias, SUMS + 2 * SUMS_STRIDE);
      store<u32>(at, load<u16>(LANES + 6) - bias, SUMS + 3 * SUMS_STRIDE);
    } else {
      store<u32>(at, load<u32>(at, SUMS) + load<u16>(LANES) - bias, SUMS);
      store<u32>(at, load<u32>(at, SUMS + SUMS_STRIDE) + load<u16>(LANES + 2) - bias, SUMS + SUMS_STRIDE);
      store<u32>(at, load<u32>(at, SUMS + 2 * SUMS_STRIDE) + load<u16>(LANES + 4) - bias, SUMS + 2 * SUMS_STRIDE);
      store<u32>(at, load<u32>(at, SUMS + 3 * SUMS_STRIDE) + load<u16>(LANES + 6) - bias, SUMS + 3 * SUMS_STRIDE);
    }
    at += 4;
  } while (at < end);
}
