// Who told a story, where the model has several experts: their names, as its card has them.

import { byte, number, text, warn } from "./cli_host";
import { cardAddress, cardLength, expert } from "./engine";
import { MAX_EXPERTS } from "./layout";

const NAMES = "\"experts\": [\""; // how the card begins to name them
const QUOTE: u32 = 0x22, BACKSLASH: u32 = 0x5c;
const TOLD: usize = memory.data(MAX_EXPERTS); // u8: those that did, the first one first
let count: u32 = 0;

/** Remembers who made the last token. */
export function noteExpert(): void {
  let made = expert();
  for (let i: u32 = 0; i < count; i++) {
    if (load<u8>(TOLD + i) == made) return;
  }
  store<u8>(TOLD + count++, <u8>made);
}

/** Says on standard error who did, and forgets them. Nothing where the card names no experts. */
export function nameExperts(): void {
  let names = firstName();
  for (let i: u32 = 0; names != 0 && i < count; i++) {
    text(i == 0 ? "experts: " : ", ");
    nameOf(load<u8>(TOLD + i), names);
  }
  if (names != 0 && count > 0) warn();
  count = 0;
}

/** The address after the quotation mark before the first name; 0 if there is none. */
function firstName(): usize {
  let length = <usize>NAMES.length;
  for (let at = cardAddress(), end = at + cardLength(); at + length <= end; at++) {
    let i: usize = 0;
    while (i < length && load<u8>(at + i) == <u8>NAMES.charCodeAt(<i32>i)) i++;
    if (i == length) return at + length;
  }
  return 0;
}

/** The name of an expert in visible ASCII, whatever the card has there; its number if the list ends before it. */
function nameOf(wanted: u32, names: usize): void {
  let at = names, end = cardAddress() + cardLength();
  for (let skipped: u32 = 0; skipped < wanted; skipped++) {
    at = afterName(at, end);
    if (at + 4 > end || load<u8>(at, 1) != 0x2c || load<u8>(at, 3) != QUOTE) { // ", " between two names
      number(wanted);
      return;
    }
    at += 4;
  }
  for (let close = afterName(at, end); at < close; at++) {
    let c = load<u8>(at);
    byte(c < 0x20 || c > 0x7e ? 0x3f : c);
  }
}

/** The address of the quotation mark that ends the name here. */
function afterName(at: usize, end: usize): usize {
  while (at < end && load<u8>(at) != QUOTE) at += load<u8>(at) == BACKSLASH ? 2 : 1;
  return min(at, end);
}
