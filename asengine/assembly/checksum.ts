// CRC-32 as zlib computes it, and XXH64 (the xxHash specification, version 0.1.1) with seed 0.

import { CRC_TABLE } from "./memory";

export function crc32(address: usize, size: u32): u32 {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? 0xedb88320 : 0);
    store<u32>(CRC_TABLE + 4 * byte, value);
  }
  let crc: u32 = 0xffffffff;
  for (let end = address + size; address < end; address++) {
    crc = (crc >> 8) ^ load<u32>(CRC_TABLE + 4 * ((crc ^ load<u8>(address)) & 255));
  }
  return ~crc;
}

const PRIME1: u64 = 0x9e3779b185ebca87;
const PRIME2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME3: u64 = 0x165667b19e3779f9;
const PRIME4: u64 = 0x85ebca77c2b2ae63;
const PRIME5: u64 = 0x27d4eb2f165667c5;

// @ts-ignore: decorator
@inline function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * PRIME2, 31) * PRIME1;
}

// @ts-ignore: decorator
@inline function mergeRound(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME1 + PRIME4;
}

export function xxh64(address: usize, size: u32): u64 {
  let end = address + size;
  let hash = PRIME5;
  if (size >= 32) {
    let lane1 = PRIME1 + PRIME2, lane2 = PRIME2, lane3: u64 = 0, lane4: u64 = 0 - PRIME1;
    for (; address + 32 <= end; address += 32) {
      lane1 = round(lane1, load<u64>(address));
      lane2 = round(lane2, load<u64>(address, 8));
      lane3 = round(lane3, load<u64>(address, 16));
      lane4 = round(lane4, load<u64>(address, 24));
    }
    hash = rotl<u64>(lane1, 1) + rotl<u64>(lane2, 7) + rotl<u64>(lane3, 12) + rotl<u64>(lane4, 18);
    hash = mergeRound(mergeRound(mergeRound(mergeRound(hash, lane1), lane2), lane3), lane4);
  }
  hash += size;
  for (; address + 8 <= end; address += 8) hash = rotl<u64>(hash ^ round(0, load<u64>(address)), 27) * PRIME1 + PRIME4;
  for (; address + 4 <= end; address += 4) hash = rotl<u64>(hash ^ (load<u32>(address) * PRIME1), 23) * PRIME2 + PRIME3;
  for (; address < end; address++) hash = rotl<u64>(hash ^ (load<u8>(address) * PRIME5), 11) * PRIME1;
  hash = (hash ^ (hash >> 33)) * PRIME2;
  hash = (hash ^ (hash >> 29)) * PRIME3;
  return hash ^ (hash >> 32);
}
