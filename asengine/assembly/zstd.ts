// A strict Zstandard decoder, in the order of RFC 8878, whose sections the headings cite. fable6c/model/zstd.py decides as this one does;
// docs/model-file.md says what is taken where the RFC leaves a choice.
//
// Input that breaks a rule ends in `false` or BAD (a negative size), never in a trap or an access outside of the buffers: sizes
// are compared before anything is read or written, and bit streams are read through addresses below their end, where memory always
// exists (see readBits). The destination is the window: matches are copied within it.

import { xxh64 } from "./checksum";
import {
  ARENA, FREQUENCIES, HUFFMAN_TABLE, LITERALS, LITERALS_LENGTH_TABLE, MATCH_LENGTH_TABLE, NEXT_STATES, OFFSET_TABLE, WEIGHTS, WEIGHT_TABLE,
} from "./memory";

const BAD = -1;
const BLOCK_MAXIMUM: u32 = 128 * 1024;
const WINDOW_MAXIMUM: u64 = 1 << 30;

let destinationStart: usize = 0;
let destinationEnd: usize = 0;
let output: usize = 0; // the next byte to write
let windowSize: u64 = 0;
let blockMaximum: u32 = 0;

// ---- 3.1.1. Zstandard frames ----

/**
 * Unpacks the one frame that fills source[0 .. size). Only frames with a content size and a checksum, without a dictionary, are taken.
 * Returns the number of bytes written to destination, or BAD.
 */
export function decompress(source: usize, size: u32, destination: usize, capacity: u32): i32 {
  let memoryEnd = <u64>memory.size() << 16;
  if (min(source, destination) < ARENA || size < 9) return BAD;
  if (<u64>source + size > memoryEnd || <u64>destination + capacity > memoryEnd) return BAD;
  let end = source + size - 4; // of header and blocks; the checksum follows
  let header = frameHeader(source, end, capacity);
  if (header < 0) return BAD;
  let contentSize = <u32>contentSizeFound;
  destinationStart = destination;
  destinationEnd = destination + contentSize;
  output = destination;
  resetRepeats();

  // 3.1.1.2. Blocks
  let at = source + header;
  let last = false;
  while (!last) {
    if (at + 3 > end) return BAD;
    let block = <u32>load<u16>(at, 0, 1) | (<u32>load<u8>(at, 2) << 16);
    last = (block & 1) != 0;
    let type = (block >> 1) & 3;
    let blockSize = block >> 3;
    at += 3;
    let stored = type == 1 ? 1 : blockSize;
    if (blockSize > blockMaximum || at + stored > end || type == 3) return BAD;
    if (type == 2) {
      if (!compressedBlock(at, at + stored)) return BAD;
    } else {
      if (output + blockSize > destinationEnd) return BAD;
      if (type == 0) memory.copy(output, at, blockSize);
      else memory.fill(output, load<u8>(at), blockSize);
      output += blockSize;
    }
    at += stored;
  }
  if (at != end || output != destinationEnd) return BAD;
  return load<u32>(end, 0, 1) == <u32>xxh64(destination, contentSize) ? contentSize : BAD;
}

let contentSizeFound: u64 = 0;

// 3.1.1.1. Frame header. Returns its size or BAD.
function frameHeader(start: usize, end: usize, capacity: u32): i32 {
  if (load<u32>(start, 0, 1) != 0xfd2fb528) return BAD;
  let descriptor = load<u8>(start, 4);
  let singleSegment = (descriptor >> 5) & 1;
  let sizeFlag = descriptor >> 6;
  let hasChecksum = (descriptor >> 2) & 1;
  let reserved = (descriptor >> 3) & 1;
  if (reserved || !hasChecksum || (sizeFlag == 0 && !singleSegment)) return BAD;
  let dictionaryBytes: u32 = (1 << (descriptor & 3)) >> 1; // 0, 1, 2, 4
  let sizeBytes: u32 = 1 << sizeFlag;
  let at = start + 5;
  if (at + (1 - singleSegment) + dictionaryBytes + sizeBytes > end) return BAD;

  if (!singleSegment) {
    let exponent = load<u8>(at) >> 3, mantissa = load<u8>(at) & 7;
    windowSize = (<u64>1 << (10 + exponent)) / 8 * (8 + mantissa);
    at++;
  }
  for (; dictionaryBytes > 0; dictionaryBytes--, at++) {
    if (load<u8>(at) != 0) return BAD;
  }
  switch (sizeFlag) {
    case 0: contentSizeFound = load<u8>(at); break;
    case 1: contentSizeFound = <u64>load<u16>(at, 0, 1) + 256; break;
    case 2: contentSizeFound = load<u32>(at, 0, 1); break;
    default: contentSizeFound = load<u64>(at, 0, 1);
  }
  if (singleSegment) windowSize = contentSizeFound;
  if (windowSize > WINDOW_MAXIMUM) return BAD;
  if (contentSizeFound > capacity || contentSizeFound > 0x7fffffff) return BAD;
  blockMaximum = <u32>min<u64>(windowSize, BLOCK_MAXIMUM);
  return <i32>(at + sizeBytes - start);
}

// What blocks of a frame hand on to the next (3.1.1.3.2, 3.1.1.5, 4.2): decoding tables and the last three offsets.
let literalsLengthLog = -1; // accuracy logs of the FSE tables; -1: there is no table yet
let offsetLog = -1;
let matchLengthLog = -1;
let huffmanLog = 0; // 0: there is no table yet
let repeatedOffset1: u32 = 1;
let repeatedOffset2: u32 = 4;
let repeatedOffset3: u32 = 8;

function resetRepeats(): void {
  literalsLengthLog = offsetLog = matchLengthLog = -1;
  huffmanLog = 0;
  repeatedOffset1 = 1;
  repeatedOffset2 = 4;
  repeatedOffset3 = 8;
}

// ---- 3.1.1.3. Compressed blocks ----

let literals: usize = 0; // where the block's literals are: in LITERALS, or raw in the source
let literalsSize: u32 = 0;

function compressedBlock(start: usize, end: usize): bool {
  let section = literalsSection(start, end);
  if (section < 0) return false;
  return sequencesSection(start + section, end);
}

// 3.1.1.3.1. Literals section. Returns its size or BAD.
function literalsSection(start: usize, end: usize): i32 {
  if (start >= end) return BAD;
  let type = load<u8>(start) & 3; // 0 raw, 1 RLE, 2 compressed, 3 treeless
  let format = (load<u8>(start) >> 2) & 3;
  let headerSize: u32, compressedSize: u32 = 0;

  if (type < 2) { // 3.1.1.3.1.1: sizes of 5, 12 or 20 bits
    headerSize = format == 1 ? 2 : format == 3 ? 3 : 1;
    if (start + headerSize > end) return BAD;
    literalsSize = littleEndian(start, headerSize) >> (format & 1 ? 4 : 3);
  } else { // two sizes of 10, 10, 14 or 18 bits
    headerSize = format < 2 ? 3 : format + 2;
    if (start + headerSize > end) return BAD;
    let bits: u32 = format < 2 ? 10 : format == 2 ? 14 : 18;
    let sizes = ((<u64>load<u8>(start, 0) | (<u64>littleEndian(start + 1, headerSize - 1) << 8))) >> 4;
    literalsSize = <u32>sizes & ((1 << bits) - 1);
    compressedSize = <u32>(sizes >> bits) & ((1 << bits) - 1);
  }
  if (literalsSize > blockMaximum) return BAD;
  let at = start + headerSize;

  if (type == 0) {
    if (at + literalsSize > end) return BAD;
    literals = at;
    return <i32>(headerSize + literalsSize);
  }
  literals = LITERALS;
  if (type == 1) {
    if (at >= end) return BAD;
    memory.fill(LITERALS, load<u8>(at), literalsSize);
    return <i32>(headerSize + 1);
  }

  let stop = at + compressedSize;
  if (stop > end) return BAD;
  if (type == 2) {
    let description = huffmanTree(at, stop);
    if (description < 0) return BAD;
    at += description;
  } else if (huffmanLog == 0) {
    return BAD;
  }
  if (format == 0) {
    if (!huffmanStream(at, stop, LITERALS, literalsSize)) return BAD;
  } else if (!huffmanStreams(at, stop)) {
    return BAD;
  }
  return <i32>(headerSize + compressedSize);
}

// 3.1.1.3.1.6. Four streams behind a jump table
function huffmanStreams(at: usize, end: usize): bool {
  if (at + 6 > end || literalsSize < 6) return false; // six: erratum 7297 of the RFC
  let size = (literalsSize + 3) / 4;
  let jumpTable = at;
  let literal = LITERALS;
  at += 6;
  for (let stream: u32 = 0; stream < 3; stream++) {
    let stop = at + load<u16>(jumpTable + 2 * stream, 0, 1);
    if (stop > end || !huffmanStream(at, stop, literal, size)) return false;
    at = stop;
    literal += size;
  }
  return huffmanStream(at, end, literal, literalsSize - 3 * size);
}

// 3.1.1.3.2. Sequences section. Executes the block: the sequences and the literals left after them.
function sequencesSection(start: usize, end: usize): bool {
  if (start >= end) return false;
  let at = start + 1;
  let count: u32 = load<u8>(start);
  if (count >= 128) {
    let long = count == 255;
    at += long ? 2 : 1;
    if (at > end) return false;
    count = long ? <u32>load<u16>(start, 1, 1) + 0x7f00 : ((count - 128) << 8) + load<u8>(start, 1);
  }
  let blockEnd = min(output + blockMaximum, destinationEnd);
  if (count > 0) {
    if (at >= end) return false;
    let modes = load<u8>(at++);
    if (modes & 3) return false;
    at = sequenceTable(at, end, modes >> 6, LITERALS_LENGTH_TABLE, literalsLengthLog, 9, 36, LITERALS_LENGTH_DEFAULT, 6);
    if (at == 0) return false;
    literalsLengthLog = tableLog;
    at = sequenceTable(at, end, (modes >> 4) & 3, OFFSET_TABLE, offsetLog, 8, 32, OFFSET_DEFAULT, 5);
    if (at == 0) return false;
    offsetLog = tableLog;
    at = sequenceTable(at, end, (modes >> 2) & 3, MATCH_LENGTH_TABLE, matchLengthLog, 9, 53, MATCH_LENGTH_DEFAULT, 6);
    if (at == 0) return false;
    matchLengthLog = tableLog;
    if (!executeSequences(at, end, count, blockEnd)) return false;
  } else if (at != end) {
    return false;
  }
  if (literalsSize > blockEnd - output) return false;
  memory.copy(output, literals, literalsSize);
  output += literalsSize;
  return true;
}

// Codes to baselines and extra bits: tables 14 (literals lengths) and 15 (match lengths) of 3.1.1.3.2.1.1
const LITERALS_LENGTH_BASE = memory.data<u32>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024, 2048, 4096,
  8192, 16384, 32768, 65536,
]);
const LITERALS_LENGTH_BITS = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
]);
const MATCH_LENGTH_BASE = memory.data<u32>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34,
  35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539,
]);
const MATCH_LENGTH_BITS = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
]);

// 3.1.1.3.2.2. Default distributions
const LITERALS_LENGTH_DEFAULT = memory.data<i16>([
  4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
]);
const MATCH_LENGTH_DEFAULT = memory.data<i16>([
  1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
]);
const OFFSET_DEFAULT = memory.data<i16>([
  1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, 0, 0, 0,
]);

let tableLog = 0; // accuracy log of the table that sequenceTable or frequencies last made

/**
 * Makes one of the three tables by its compression mode (3.1.1.3.2.1): 0 predefined, 1 RLE, 2 FSE compressed, 3 repeat. Sets tableLog
 * and returns where the section goes on, 0 if the input is bad.
 */
function sequenceTable(
  at: usize, end: usize, mode: i32, table: usize, previousLog: i32, maximumLog: i32, codes: i32, defaults: usize, defaultLog: i32,
): usize {
  switch (mode) {
    case 0:
      memory.copy(FREQUENCIES, defaults, 2 * codes);
      tableLog = defaultLog;
      fseTable(table, codes);
      return at;
    case 1: {
      if (at >= end) return 0;
      let code = load<u8>(at);
      if (code >= <u8>codes) return 0;
      store<u32>(table, code); // the symbol; zero bits lead to state 0 again
      tableLog = 0;
      return at + 1;
    }
    case 2: {
      let size = frequencies(at, end, maximumLog, codes);
      if (size < 0) return 0;
      fseTable(table, codes);
      return at + size;
    }
    default:
      tableLog = previousLog;
      return previousLog < 0 ? 0 : at;
  }
}

// 3.1.1.3.2.1.2. Decoding sequences, each executed at once (3.1.1.4)
function executeSequences(start: usize, end: usize, count: u32, blockEnd: usize): bool {
  if (!openBits(start, end)) return false;
  let literalsLengthState = readBits(literalsLengthLog);
  let offsetState = readBits(offsetLog);
  let matchLengthState = readBits(matchLengthLog);
  while (true) {
    let literalsLengthEntry = load<u32>(LITERALS_LENGTH_TABLE + 4 * literalsLengthState);
    let offsetEntry = load<u32>(OFFSET_TABLE + 4 * offsetState);
    let matchLengthEntry = load<u32>(MATCH_LENGTH_TABLE + 4 * matchLengthState);

    let offsetCode = symbolOf(offsetEntry);
    let offsetValue = (<u32>1 << offsetCode) + readBits(offsetCode);
    let matchLengthCode = symbolOf(matchLengthEntry);
    let matchLength = load<u32>(MATCH_LENGTH_BASE + 4 * matchLengthCode) + readBits(load<u8>(MATCH_LENGTH_BITS + matchLengthCode));
    let literalsLengthCode = symbolOf(literalsLengthEntry);
    let literalsLength = load<u32>(LITERALS_LENGTH_BASE + 4 * literalsLengthCode)
      + readBits(load<u8>(LITERALS_LENGTH_BITS + literalsLengthCode));

    count--;
    if (count > 0) {
      literalsLengthState = nextState(literalsLengthEntry);
      matchLengthState = nextState(matchLengthEntry);
      offsetState = nextState(offsetEntry);
    }
    if (bitsLeft < 0) return false;

    let offset = offsetOf(offsetValue, literalsLength);
    if (literalsLength > literalsSize || <u64>literalsLength + matchLength > <u64>(blockEnd - output)) return false;
    memory.copy(output, literals, literalsLength);
    literals += literalsLength;
    literalsSize -= literalsLength;
    output += literalsLength;

    if (offset == 0 || offset > <u32>(output - destinationStart) || offset > windowSize) return false;
    // Byte by byte: a match may overlap its own output, which repeats it.
    for (let stop = output + matchLength; output < stop; output++) store<u8>(output, load<u8>(output - offset));
    if (count == 0) return bitsLeft == 0;
  }
}

// 3.1.1.5. Repeat offsets
function offsetOf(value: u32, literalsLength: u32): u32 {
  let offset: u32;
  if (value > 3) {
    offset = value - 3;
  } else {
    let which = literalsLength == 0 ? value + 1 : value;
    if (which == 1) return repeatedOffset1;
    offset = which == 2 ? repeatedOffset2 : which == 3 ? repeatedOffset3 : repeatedOffset1 - 1;
    if (which == 2) {
      repeatedOffset2 = repeatedOffset1;
      repeatedOffset1 = offset;
      return offset;
    }
  }
  repeatedOffset3 = repeatedOffset2;
  repeatedOffset2 = repeatedOffset1;
  repeatedOffset1 = offset;
  return offset;
}

// ---- 4.1. FSE ----

/** Bytes start[0 .. count), count ≤ 4, as a number. */
function littleEndian(start: usize, count: u32): u32 {
  let value: u32 = 0;
  for (let i: u32 = 0; i < count; i++) value |= <u32>load<u8>(start + i) << (8 * i);
  return value;
}

let forwardStart: usize = 0; // of a forward bit stream
let forwardEnd: usize = 0;
let forwardBit: u32 = 0;

/** The next bits (at most 16) of the forward stream, zeros past its end. */
function peekForward(bits: u32): u32 {
  let at = forwardStart + (forwardBit >> 3);
  let available = at < forwardEnd ? <u32>min<usize>(forwardEnd - at, 4) : 0;
  return (littleEndian(at, available) >> (forwardBit & 7)) & ((1 << bits) - 1);
}

/** 4.1.1. FSE table description: sets FREQUENCIES for all `symbols` symbols, and tableLog. Returns its size or BAD. */
function frequencies(start: usize, end: usize, maximumLog: i32, symbols: u32): i32 {
  forwardStart = start;
  forwardEnd = end;
  forwardBit = 4;
  if (start >= end) return BAD;
  tableLog = (load<u8>(start) & 15) + 5;
  if (tableLog > maximumLog) return BAD;
  memory.fill(FREQUENCIES, 0, 2 * symbols);

  let remaining: i32 = 1 << tableLog;
  let symbol: u32 = 0;
  while (remaining > 0 && symbol < symbols) {
    let bits = 32 - clz(<u32>remaining + 1); // enough for 0 … remaining + 1
    let value = peekForward(bits);
    let short = (<u32>1 << (bits - 1)) - 1;
    let shortValues = ((<u32>1 << bits) - 1) - (<u32>remaining + 1); // this many low values take a bit less
    forwardBit += bits;
    if ((value & short) < shortValues) {
      forwardBit--;
      value &= short;
    } else if (value > short) {
      value -= shortValues;
    }
    let frequency = <i32>value - 1; // -1: "less than one"
    store<i16>(FREQUENCIES + 2 * symbol, <i16>frequency);
    symbol++;
    remaining -= abs(frequency);
    if (frequency == 1 << tableLog) return BAD; // there are two symbols at least
    if (frequency == 0) {
      let repeat: u32;
      do { // runs of zeros in steps of three
        repeat = peekForward(2);
        forwardBit += 2;
        symbol += repeat;
      } while (repeat == 3 && symbol < symbols);
    }
  }
  let size = (forwardBit + 7) >> 3;
  return remaining == 0 && symbol <= symbols && start + size <= end ? <i32>size : BAD;
}

// An entry of an FSE table: symbol | bits << 8 | baseline << 16.

// @ts-ignore: decorator
@inline function symbolOf(entry: u32): u32 {
  return entry & 255;
}

// @ts-ignore: decorator
@inline function nextState(entry: u32): u32 {
  return (entry >> 16) + readBits((entry >> 8) & 255);
}

/** 4.1.2. The decoding table for FREQUENCIES and tableLog, which sum to its size. */
function fseTable(table: usize, symbols: u32): void {
  let size: u32 = 1 << tableLog;
  let high = size; // the cells for "less than one" are taken from the end
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    let frequency = load<i16>(FREQUENCIES + 2 * symbol);
    if (frequency < 0) store<u32>(table + 4 * --high, symbol);
    store<u16>(NEXT_STATES + 2 * symbol, <u16>abs(<i32>frequency));
  }
  let step = (size >> 1) + (size >> 3) + 3;
  let cell: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    for (let i: i32 = load<i16>(FREQUENCIES + 2 * symbol); i > 0; i--) {
      store<u32>(table + 4 * cell, symbol);
      do cell = (cell + step) & (size - 1); while (cell >= high);
    }
  }
  for (cell = 0; cell < size; cell++) {
    let symbol = load<u32>(table + 4 * cell);
    let state: u32 = load<u16>(NEXT_STATES + 2 * symbol);
    store<u16>(NEXT_STATES + 2 * symbol, <u16>(state + 1));
    let bits = <u32>tableLog - (31 - clz(state));
    store<u32>(table + 4 * cell, symbol | (bits << 8) | (((state << bits) - size) << 16));
  }
}

// Backward bit streams (4.1: "reads bits in backward direction")

let bitsStart: usize = 0;
let bitsLeft: i32 = 0; // bits not read yet; negative when more were read than there are

/** Opens the stream start .. end: its last byte ends with a 1 bit and padding. */
function openBits(start: usize, end: usize): bool {
  if (start >= end || load<u8>(end - 1) == 0) return false;
  bitsStart = start;
  bitsLeft = <i32>(8 * (end - start)) + 23 - <i32>clz<u32>(load<u8>(end - 1)); // without the 1 bit and the zeros above it
  return true;
}

/**
 * The next `count` ≤ 32 bits. The word is loaded from below its last byte: the addresses below every stream are memory (the source is
 * above ARENA), those above may not be. Bits before the stream's start are garbage: callers look at bitsLeft before they use it.
 */
function readBits(count: u32): u32 {
  let word = load<u64>(bitsStart + ((bitsLeft + 7) >> 3) - 8, 0, 1);
  let above = -bitsLeft & 7; // bits of the last byte that were read already
  bitsLeft -= count;
  return <u32>((word << above) >> 1 >> (63 - count));
}

// ---- 4.2. Huffman coding ----

/** 4.2.1. Huffman tree description: sets HUFFMAN_TABLE and huffmanLog. Returns its size or BAD. */
function huffmanTree(start: usize, end: usize): i32 {
  huffmanLog = 0;
  if (start >= end) return BAD;
  let header: u32 = load<u8>(start);
  let size = header < 128 ? header : (header - 126) >> 1;
  let at = start + 1;
  if (at + size > end) return BAD;
  let count = header < 128 ? compressedWeights(at, at + size) : directWeights(at, header - 127);
  if (count < 0 || !huffmanTable(count)) return BAD;
  return <i32>(1 + size);
}

/** 4.2.1.1. Weights of four bits each. */
function directWeights(at: usize, count: u32): i32 {
  for (let i: u32 = 0; i < count; i++) {
    let pair = load<u8>(at + (i >> 1));
    store<u8>(WEIGHTS + i, i & 1 ? pair & 15 : pair >> 4);
  }
  return count;
}

/** 4.2.1.2. Weights as symbols of two FSE states that take turns until the stream runs out of bits. Returns their number or BAD. */
function compressedWeights(at: usize, end: usize): i32 {
  let description = frequencies(at, end, 6, 12); // no weight exceeds 11
  if (description < 0) return BAD;
  fseTable(WEIGHT_TABLE, 12);
  if (!openBits(at + description, end)) return BAD;
  let state = readBits(tableLog);
  let other = readBits(tableLog);
  if (bitsLeft < 0) return BAD;
  for (let count = 0; count < 254;) {
    let entry = load<u32>(WEIGHT_TABLE + 4 * state);
    store<u8>(WEIGHTS + count++, symbolOf(entry));
    state = nextState(entry);
    if (bitsLeft < 0) {
      store<u8>(WEIGHTS + count++, symbolOf(load<u32>(WEIGHT_TABLE + 4 * other)));
      return count;
    }
    let turn = state;
    state = other;
    other = turn;
  }
  return BAD;
}

/** 4.2.1.3. The decoding table from `count` ≤ 255 weights; the last symbol's weight is what is missing to a power of two. */
function huffmanTable(count: u32): bool {
  let sum: u32 = 0, longest: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    let weight: u32 = load<u8>(WEIGHTS + i);
    sum += (1 << weight) >> 1;
    if (weight == 1) longest++;
  }
  // The longest codes have weight 1. The last symbol's code alone cannot be one of them: their number is even.
  if (longest == 0) return false;
  let log = 32 - clz(sum);
  let missing = (<u32>1 << log) - sum;
  if (log > 11 || popcnt(missing) != 1) return false;
  store<u8>(WEIGHTS + count, 32 - clz(missing));

  let cell = HUFFMAN_TABLE;
  for (let weight: u32 = 1; weight <= <u32>log; weight++) { // the longest codes first
    let bits = log + 1 - weight;
    for (let symbol: u32 = 0; symbol <= count; symbol++) {
      if (load<u8>(WEIGHTS + symbol) != weight) continue;
      for (let stop = cell + ((<usize>1 << weight) >> 1) * 2; cell < stop; cell += 2) store<u16>(cell, <u16>(symbol | (bits << 8)));
    }
  }
  huffmanLog = log;
  return true;
}

/** 4.2.2. Huffman-coded stream of exactly `count` literals. */
function huffmanStream(start: usize, end: usize, literal: usize, count: u32): bool {
  if (!openBits(start, end)) return false;
  let left = bitsLeft;
  let shift: u64 = 64 - huffmanLog;
  for (let stop = literal + count; literal < stop; literal++) {
    // As in readBits. The bits below a stream that is almost empty do no harm: a code that reaches into them makes `left` negative.
    let word = load<u64>(start + ((left + 7) >> 3) - 8, 0, 1) << (-left & 7);
    let entry = load<u16>(HUFFMAN_TABLE + 2 * <usize>(word >> shift));
    store<u8>(literal, <u8>entry);
    left -= entry >> 8;
    if (left < 0) return false;
  }
  return left == 0;
}
