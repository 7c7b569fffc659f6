// UTF-8 byte by byte (RFC 3629, section 4): complete characters come out, an unfinished one is held back, and what can never become
// a character becomes U+FFFD, one for each longest beginning of a character, as Python's errors="replace" and browsers do it.

import { HELD } from "./memory";

let held: u32 = 0; // bytes in HELD
let missing: u32 = 0; // bytes until the character is complete
let lowest: u32 = 0x80; // what the next byte may be
let highest: u32 = 0xbf;

export let replaced: u32 = 0; // characters replaced since the last forget

/** Drops an unfinished character. */
export function forgetText(): void {
  held = missing = replaced = 0;
}

/** Takes a byte and writes what it completes to `out`, at most 6 bytes. Returns the address after it. */
export function pushByte(byte: u32, out: usize): usize {
  if (missing > 0) {
    if (byte >= lowest && byte <= highest) {
      store<u8>(HELD + held, byte);
      held++;
      missing--;
      lowest = 0x80;
      highest = 0xbf;
      if (missing > 0) return out;
      for (let i: u32 = 0; i < held; i++) store<u8>(out + i, load<u8>(HELD + i));
      return out + held;
    }
    out = flushText(out); // and the byte is looked at anew
  }
  lowest = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
  highest = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
  if (byte < 0x80) {
    store<u8>(out, byte);
    return out + 1;
  }
  if (byte < 0xc2 || byte > 0xf4) return replacement(out);
  missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  held = 1;
  store<u8>(HELD, byte);
  return out;
}

/** Replaces an unfinished character, if there is one. Returns the address after it. */
export function flushText(out: usize): usize {
  if (missing == 0) return out;
  missing = 0;
  return replacement(out);
}

function replacement(out: usize): usize {
  replaced++;
  store<u16>(out, 0xbfef, 0, 1);
  store<u8>(out, 0xbd, 2);
  return out + 3;
}

export function isUtf8(address: usize, size: u32, scratch: usize): bool {
  forgetText();
  for (let end = address + size; address < end; address++) pushByte(load<u8>(address), scratch);
  let valid = replaced == 0 && missing == 0;
  forgetText();
  return valid;
}
