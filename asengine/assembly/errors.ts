// The message of the last error. Codes and words stand in layout.ts.

import { template } from "./layout";
import { MESSAGE } from "./memory";

export let messageLength: u32 = 0;

export function clearMessage(): void {
  messageLength = 0;
}

/** Keeps the message for `code` with {} replaced by the number `value`, or by `name` where one is given. Returns `code`. */
export function fail(code: i32, value: u32 = 0, name: string = ""): i32 {
  let text = template(code);
  messageLength = 0;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) != 0x7b) { // {
      say(text.charCodeAt(i));
      continue;
    }
    i++;
    for (let j = 0; j < name.length; j++) say(name.charCodeAt(j));
    if (name.length == 0) sayNumber(value);
  }
  return code;
}

function say(character: i32): void {
  store<u8>(MESSAGE + messageLength, <u8>character);
  messageLength++;
}

function sayNumber(value: u32): void {
  if (value >= 10) sayNumber(value / 10);
  say(0x30 + value % 10);
}
