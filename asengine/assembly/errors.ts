// What can be wrong, in the words of docs/model-file.md (codes 1 to 16, the same in the Python reader) and docs/engine.md (32 and up).

import { MESSAGE } from "./memory";

export const TOO_SHORT = 1;
export const WEB_PAGE = 2;
export const NOT_A_MODEL = 3;
export const TEXT_MODE = 4;
export const NEWER_VERSION = 5;
export const HEADER_CHECKSUM = 6;
export const BAD_DIMENSION = 7;
export const BAD_SIZE = 8;
export const TRUNCATED = 9;
export const TRAILING_BYTES = 10;
export const TOO_LARGE = 11;
export const BAD_FRAME = 12;
export const CONTENT_CHECKSUM = 13;
export const BAD_CARD = 14;
export const BAD_TOKENIZER = 15;
export const BAD_TENSOR = 16;

export const NO_MODEL = 32;
export const TEXT_TOO_LONG = 33;
export const STILL_READING = 34;
export const NO_SUCH_TOKEN = 35;
export const BAD_SAMPLING = 36;

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

function template(code: i32): string {
  switch (code) {
    case TOO_SHORT: return "the file has {} bytes, less than the 64 of a model's header: it is empty or truncated; copy or download it again";
    case WEB_PAGE: return "the file starts with \"<\": this is a web page, not a model; download the raw file";
    case NOT_A_MODEL: return "the file does not start as a .f6c model does; give a file made by `python -m fable6c.export`";
    case TEXT_MODE: return "the file was changed by a text-mode transfer (line ends rewritten); transfer it as binary";
    case NEWER_VERSION: return "the model has format version {}, this build reads 1 and 2; get a newer fable6c";
    case HEADER_CHECKSUM: return "the header is damaged (its checksum does not match); copy or download the file again";
    case BAD_DIMENSION: return "the header's {} is out of range; the file is damaged or not made by fable6c";
    case BAD_SIZE: return "the sizes in the header contradict each other ({}); the file is damaged or not made by fable6c";
    case TRUNCATED: return "the file ends early: {} bytes are missing; copy or download it again";
    case TRAILING_BYTES: return "the file has {} bytes after its end; copy or download it again";
    case TOO_LARGE: return "the model needs {} KiB of memory, more than is allowed here; use a smaller model or allow more";
    case BAD_FRAME: return "the compressed part is damaged (not a valid zstd frame with a right checksum); copy or download the file again";
    case CONTENT_CHECKSUM: return "the unpacked content is damaged (its checksum does not match); copy or download the file again";
    case BAD_CARD: return "the model card is not valid UTF-8 text; the file is damaged or not made by fable6c";
    case BAD_TOKENIZER: return "the tokenizer is damaged at token {}; the file is damaged or not made by fable6c";
    case BAD_TENSOR: return "tensor {} holds a value that is not allowed; the file is damaged or not made by fable6c";
    case NO_MODEL: return "no model is loaded; load one first";
    case TEXT_TOO_LONG: return "the text has {} bytes, more than the 65536 that can be read at once; shorten it";
    case STILL_READING: return "{} tokens of the last text are still to be read; step until none is pending";
    case NO_SUCH_TOKEN: return "the model has no token {}";
    case BAD_SAMPLING: return "{} is out of range";
    default: return "";
  }
}

function say(character: i32): void {
  store<u8>(MESSAGE + messageLength, <u8>character);
  messageLength++;
}

function sayNumber(value: u32): void {
  if (value >= 10) sayNumber(value / 10);
  say(0x30 + value % 10);
}
