// The library module: what a host sees. It imports nothing. docs/engine.md describes the functions.

import { MAX_TEXT_BYTES } from "./layout";
import { QUEUE, TEXT } from "./memory";

export {
  fileBuffer as file_buffer, load_ as load, loadStart as load_start, loadMore as load_more, message, messageSize as message_length, cardAddress as card, cardLength as card_length, dimension,
  sampling, seed, reset, feed, pending, run, step, flush, token, expert, logits, hashLow as hash_low, hashHigh as hash_high,
  candidates, candidate, share, tokenText as token_text,
} from "./engine";
export { decompress } from "./zstd";

export function text_buffer(): usize {
  return TEXT;
}

export function text_capacity(): u32 {
  return MAX_TEXT_BYTES;
}

export function queue(): usize {
  return QUEUE;
}
