// The ternary product: y = W q, W in {-1, 0, +1}, q int8, y exact in int32.
//
// A group of five columns of q has 3^5 = 243 signed sums, a group of six 729. They are tabulated once for each product; then a row's
// five or six weights cost one look-up. Weights are kept as what the look-up needs: the u16 offset into the tables of their segment,
// which holds the group's place and its pattern of trits. An interpreter pays for each operation that it dispatches: that is four for
// a look-up (two loads, an addition, putting the sum away), where a multiplication of each weight would take six times five.
//
// Weights lie segment by segment (32 groups), in it row by row, in it group by group; groups past the last column are zero.

import { groupsOf, patternsOf, QUANTISED, SEGMENT_GROUPS, SUMS, SUMS_STRIDE, TABLES, TABLES4, tritsFor } from "./memory";

// ---- Loading ----

/** Where the groups of `row` begin in segment `segment` of a matrix of `groups` groups to a row. */
// @ts-ignore: decorator
@inline function rowInSegment(weights: usize, rows: u32, groups: u32, row: u32, segment: u32): usize {
  let first = segment * SEGMENT_GROUPS;
  return weights + 2 * (first * rows + min<u32>(groups - first, SEGMENT_GROUPS) * row);
}

/** Bytes of a row of trits in the file, five to a byte. */
export function rowBytes(columns: u32): u32 {
  return (columns + 4) / 5;
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
  let trits = tritsFor(rows), groups = groupsOf(columns, trits), patterns = patternsOf(trits);
  for (let row: u32 = 0; row < rows; row++) {
    if (!readRow(source, columns, SUMS)) return false;
    source += rowBytes(columns);
    memory.fill(SUMS + 4 * columns, 0, 4 * (trits * groups - columns));
    let target: usize = 0, trit = SUMS;
    for (let group: u32 = 0; group < groups; group++, target += 2) {
      let place = group % SEGMENT_GROUPS;
      if (place == 0) target = rowInSegment(weights, rows, groups, row, group / SEGMENT_GROUPS);
      let pattern = 0;
      for (let power: i32 = 1, end: i32 = patterns; power < end; power *= 3, trit += 4) pattern += (load<i32>(trit) + 1) * power;
      store<u16>(target, 2 * (place * patterns + pattern));
    }
  }
  return true;
}

// ---- One token ----

const ONES: i64 = 0x0001000100010001;
const BIAS: i64 = 6 * 127; // keeps the sums in the tables positive, so that none borrows from its neighbour in the i64

/** The one token's sums, `rows` of them, to SUMS. */
export function product(weights: usize, rows: u32, columns: u32): void {
  let trits = tritsFor(rows), groups = groupsOf(columns, trits);
  let quantised = QUANTISED;
  for (let first: u32 = 0; first < groups; first += SEGMENT_GROUPS) {
    let count = min<u32>(groups - first, SEGMENT_GROUPS);
    sumTables(quantised, count, trits);
    addRows(weights, rows, count, first == 0);
    quantised += 8 * trits * SEGMENT_GROUPS;
    weights += 2 * rows * SEGMENT_GROUPS;
  }
}

// The trits of `place` (1, 3 or 9) in patterns 4k to 4k + 3, as four 16-bit numbers in an i64: constants after inlining.

// @ts-ignore: decorator
@inline function trit(pattern: i64, place: i64): i64 {
  return pattern / place % 3 - 1;
}

// @ts-ignore: decorator
@inline function fourTrits(k: i64, place: i64): i64 {
  return trit(4 * k, place) + (trit(4 * k + 1, place) << 16) + (trit(4 * k + 2, place) << 32) + (trit(4 * k + 3, place) << 48);
}

// @ts-ignore: decorator
@inline function fourSums(k: i64, x0: i64, x1: i64, x2: i64): i64 {
  return x0 * fourTrits(k, 1) + x1 * fourTrits(k, 3) + x2 * fourTrits(k, 9) + BIAS * ONES;
}

/**
 * Tabulates the sums of `count` groups: 27 sums of the first three columns as seven i64, nine times these, shifted by the next two columns;
 * and for six columns three times that.
 */
function sumTables(columns: usize, count: u32, trits: u32): void {
  let table = TABLES;
  let stop = TABLES + 2 * patternsOf(trits) * count;
  do {
    let x0: i64 = load<i16>(columns), x1: i64 = load<i16>(columns, 8), x2: i64 = load<i16>(columns, 16);
    let x3 = <i64>load<i16>(columns, 24) * ONES, x4 = <i64>load<i16>(columns, 32) * ONES;
    let s0 = fourSums(0, x0, x1, x2), s1 = fourSums(1, x0, x1, x2), s2 = fourSums(2, x0, x1, x2), s3 = fourSums(3, x0, x1, x2);
    let s4 = fourSums(4, x0, x1, x2), s5 = fourSums(5, x0, x1, x2), s6 = fourSums(6, x0, x1, x2);
    let plus = x4 + x3, minus = x4 - x3;
    let end = table + 486;
    let x5: i64 = 0, shift: i64 = 0;
    if (trits == 6) {
      x5 = <i64>load<i16>(columns, 40) * ONES;
      shift = 0 - x5;
      end = table + 1458;
    }
    columns += 8 * trits;
    do {
      storeSums(table, 0, s0, s1, s2, s3, s4, s5, s6, shift - plus);
      storeSums(table, 54, s0, s1, s2, s3, s4, s5, s6, shift - x4);
      storeSums(table, 108, s0, s1, s2, s3, s4, s5, s6, shift - minus);
      storeSums(table, 162, s0, s1, s2, s3, s4, s5, s6, shift - x3);
      storeSums(table, 216, s0, s1, s2, s3, s4, s5, s6, shift);
      storeSums(table, 270, s0, s1, s2, s3, s4, s5, s6, shift + x3);
      storeSums(table, 324, s0, s1, s2, s3, s4, s5, s6, shift + minus);
      storeSums(table, 378, s0, s1, s2, s3, s4, s5, s6, shift + x4);
      storeSums(table, 432, s0, s1, s2, s3, s4, s5, s6, shift + plus);
      table += 486;
      shift += x5;
    } while (table < end);
  } while (table < stop);
}

/** Stores 27 sums and one too many, which the next 27 overwrite. */
// @ts-ignore: decorator
@inline function storeSums(table: usize, offset: usize, s0: i64, s1: i64, s2: i64, s3: i64, s4: i64, s5: i64, s6: i64, shift: i64): void {
  store<i64>(table + offset, s0 + shift, 0, 2);
  store<i64>(table + offset + 8, s1 + shift, 0, 2);
  store<i64>(table + offset + 16, s2 + shift, 0, 2);
  store<i64>(table + offset + 24, s3 + shift, 0, 2);
  store<i64>(table + offset + 32, s4 + shift, 0, 2);
  store<i64>(table + offset + 40, s5 + shift, 0, 2);
  store<i64>(table + offset + 48, s6 + shift, 0, 2);
}

// The offsets below are constants after inlining, part of the load instructions: an interpreter does not pay for them.

// @ts-ignore: decorator
@inline function lookUp(weights: usize, offset: usize): u32 {
  return load<u16>(load<u16>(weights + offset), TABLES);
}

// @ts-ignore: decorator
@inline function sumOf8(weights: usize, offset: usize): u32 {
  return lookUp(weights, offset) + lookUp(weights, offset + 2) + lookUp(weights, offset + 4) + lookUp(weights, offset + 6)
    + lookUp(weights, offset + 8) + lookUp(weights, offset + 10) + lookUp(weights, offset + 12) + lookUp(weights, offset + 14);
}

// @ts-ignore: decorator
@inline function sumOf32(weights: usize): u32 {
  return sumOf8(weights, 0) + sumOf8(weights, 16) + sumOf8(weights, 32) + sumOf8(weights, 48);
}

/**
 * Adds one segment's sums to SUMS, or sets them if it is the first. Here a token spends seven tenths of its time: about 3 ns for a
 * look-up in wasm3, 0.3 ns in node (x86-64 server core, `small`), 32 of them and 8 operations more for a row.
 */
function addRows(weights: usize, rows: u32, count: u32, isFirst: bool): void {
  let at: usize = 0, end: usize = 4 * rows;
  let bias = <u32>BIAS * count;
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
    let sum = (isFirst ? 0 : load<u32>(at, SUMS)) - bias;
    let stop = weights + 2 * count;
    do {
      sum += sumOf8(weights, 0);
      weights += 16;
    } while (weights < stop);
    store<u32>(at, sum, SUMS);
    at += 4;
  } while (at < end);
}

// ---- Four tokens at a time ----
//
// The same with i64 tables of four tokens' sums: one look-up serves all four. A number stands for its four parts as
// a + b·2^16 + c·2^32 + d·2^48 with signed a … d, which addition respects; only `addRows4` takes it apart.

export function product4(weights: usize, rows: u32, columns: u32): void {
  let trits = tritsFor(rows), groups = groupsOf(columns, trits);
  let quantised = QUANTISED;
  for (let first: u32 = 0; first < groups; first += SEGMENT_GROUPS) {
    let count = min<u32>(groups - first, SEGMENT_GROUPS);
    sumTables4(quantised, count, trits);
    addRows4(weights, rows, count, first == 0);
    quantised += 8 * trits * SEGMENT_GROUPS;
    weights += 2 * rows * SEGMENT_GROUPS;
  }
}

/** Four i16 as the one number that stands for them. */
// @ts-ignore: decorator
@inline function fourTokens(columns: usize, offset: usize): i64 {
  return (load<i64>(columns + offset) ^ (0x8000 * ONES)) - 0x8000 * ONES;
}

function sumTables4(columns: usize, count: u32, trits: u32): void {
  let table = TABLES4, stop = TABLES4 + 8 * patternsOf(trits) * count;
  do {
    let x0 = fourTokens(columns, 0), x1 = fourTokens(columns, 8), x2 = fourTokens(columns, 16);
    let x3 = fourTokens(columns, 24), x4 = fourTokens(columns, 32);
    let x5: i64 = 0, shift = 0 - x4;
    let end = table + 8 * 243;
    if (trits == 6) {
      x5 = fourTokens(columns, 40);
      shift -= x5;
      end = table + 8 * 729;
    }
    x5 -= 3 * x4; // after three steps of x4
    columns += 8 * trits;
    do {
      for (let next = table + 8 * 243; table < next; shift += x4) {
        store27(table, 0, x0, x1, x2, shift - x3);
        store27(table, 216, x0, x1, x2, shift);
        store27(table, 432, x0, x1, x2, shift + x3);
        table += 8 * 81;
      }
      shift += x5;
    } while (table < end);
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

// @ts-ignore: decorator
@inline function lookUp4(weights: usize, offset: usize): i64 {
  return load<i64>(<usize>load<u16>(weights + offset) << 2, TABLES4);
}

// @ts-ignore: decorator
@inline function sumOf8x4(weights: usize, offset: usize): i64 {
  return lookUp4(weights, offset) + lookUp4(weights, offset + 2) + lookUp4(weights, offset + 4) + lookUp4(weights, offset + 6)
    + lookUp4(weights, offset + 8) + lookUp4(weights, offset + 10) + lookUp4(weights, offset + 12) + lookUp4(weights, offset + 14);
}

// @ts-ignore: decorator
@inline function sumOf32x4(weights: usize): i64 {
  return sumOf8x4(weights, 0) + sumOf8x4(weights, 16) + sumOf8x4(weights, 32) + sumOf8x4(weights, 48);
}

/** Like addRows: about 5 ns in wasm3 for a look-up that serves four tokens, 0.5 ns in node. */
function addRows4(weights: usize, rows: u32, count: u32, isFirst: bool): void {
  let at: usize = 0, end: usize = 4 * rows;
  do {
    let sum: i64 = 0x8000 * ONES; // each part becomes an unsigned 16-bit number
    if (count == SEGMENT_GROUPS) {
      sum += sumOf32x4(weights);
      weights += 64;
    } else {
      let stop = weights + 2 * count;
      do {
        sum += sumOf8x4(weights, 0);
        weights += 16;
      } while (weights < stop);
    }
    let low = <u32>sum, high = <u32>(sum >>> 32);
    if (isFirst) {
      store<u32>(at, (low & 0xffff) - 0x8000, SUMS);
      store<u32>(at, (low >>> 16) - 0x8000, SUMS + SUMS_STRIDE);
      store<u32>(at, (high & 0xffff) - 0x8000, SUMS + 2 * SUMS_STRIDE);
      store<u32>(at, (high >>> 16) - 0x8000, SUMS + 3 * SUMS_STRIDE);
    } else {
      store<u32>(at, load<u32>(at, SUMS) + (low & 0xffff) - 0x8000, SUMS);
      store<u32>(at, load<u32>(at, SUMS + SUMS_STRIDE) + (low >>> 16) - 0x8000, SUMS + SUMS_STRIDE);
      store<u32>(at, load<u32>(at, SUMS + 2 * SUMS_STRIDE) + (high & 0xffff) - 0x8000, SUMS + 2 * SUMS_STRIDE);
      store<u32>(at, load<u32>(at, SUMS + 3 * SUMS_STRIDE) + (high >>> 16) - 0x8000, SUMS + 3 * SUMS_STRIDE);
    }
    at += 4;
  } while (at < end);
}
