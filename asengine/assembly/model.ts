// Tokens through the model: docs/numerics.md, "A token through the model". Up to four tokens run together: their products
// share the look-ups, everything else is done for one after the other, and the bits are those of one at a time.
//
// Loops count bytes in `at`. A constant address is part of the load or store, load<f32>(at, WORK), and costs an interpreter nothing.

import { context, copyDim, dim, experts, hidden, layers, rowBytes, taps, vocab } from "./layout";
import { embedding } from "./load";
import {
  expertSize, groupsOf, KEYS, keySize, LAYERS, layerSize, LOGITS, MEMORY, NEXT, ODDS, QUANTIZED, QUERY, RING, SCALES, stateSize, SUMS, SUMS_STRIDE,
  WORK, X, X_STRIDE,
} from "./memory";
import { product, product4, readRow } from "./product";
import { exp, log, sigmoid, sumOfPowers, sumOfSquares } from "./real";
import { clearRouter, route } from "./router";
import {
  COPY_BIAS, COPY_IN, COPY_IN_SCALE, COPY_SENTINEL, EMBEDDING_SCALES, FORGET_BIAS, GLU_IN, GLU_IN_SCALE, GLU_OUT, GLU_OUT_SCALE, HEAD, HEAD_SCALES,
  MIX_IN, MIX_IN_SCALE, MIX_OUT, MIX_OUT_SCALE, NORM_COPY, NORM_GLU, NORM_IN, NORM_MIX, NORM_OUT, TAPS,
} from "./tensors";

const LARGEST_EXPONENT: f32 = 40; // in the odds of copying

let expert: usize = 0; // the bytes from the first expert to the one that reads
let ringSlot: u32 = 0; // of the next token, in every layer's ring of K values
let lastX: usize = 0; // the last token's x after all layers
let keySlot: u32 = 0; // of the next token, in the ring of keys
let lastKey: u32 = 0; // the slot of the last token
let places: u32 = 0; // whose keys and next tokens are known
let read: u32 = 0; // tokens since the state was cleared, as far as a header can begin or end
let inHeader = false;
let kept: u32 = 0; // slots before the ring, of the places of the text's header, which stay

/** Forgets all tokens: ring buffers and memories are zero. */
export function clearState(): void {
  expert = 0;
  clearRouter();
  for (let layer: u32 = 0; layer < layers; layer++) {
    let base = LAYERS + layer * layerSize;
    memory.fill(base + RING, 0, 4 * taps * dim);
    memory.fill(base + MEMORY, 0, 4 * dim);
  }
  ringSlot = 0;
  keySlot = places = read = kept = 0;
  inHeader = false;
}

/** Runs `count` tokens, 1 to 4, whose u16 ids, all below V, lie at `ids`; those that one expert reads together. */
export function runTokens(ids: usize, count: u32): void {
  let first: u32 = 0;
  for (let token: u32 = 0; experts > 1 && token < count; token++) {
    let chosen = route(load<u16>(ids + 2 * token)) * expertSize;
    if (chosen == expert) continue;
    if (token > first) runTogether(ids + 2 * first, token - first);
    first = token;
    for (let layer: u32 = 0; layer < layers; layer++) {
      let state = LAYERS + layer * layerSize + RING;
      memory.copy(chosen + state, expert + state, stateSize);
    }
    expert = chosen;
  }
  runTogether(ids + 2 * first, count - first);
}

function runTogether(ids: usize, count: u32): void {
  for (let token: u32 = 0; token < count; token++) embed(load<u16>(ids + 2 * token), X + X_STRIDE * token);
  for (let layer: u32 = 0; layer < layers; layer++) {
    let base = expert + LAYERS + layer * layerSize;
    for (let token: u32 = 0; token < count; token++) {
      normalize(X + X_STRIDE * token, base + NORM_MIX, WORK);
      quantize(dim, token);
    }
    linear(base + MIX_IN, 3 * dim, dim, count);
    for (let token: u32 = 0; token < count; token++) {
      mix(base, token, scaleOf(token, base + MIX_IN_SCALE), (ringSlot + token) % taps);
      quantize(dim, token);
    }
    linear(base + MIX_OUT, dim, dim, count);
    for (let token: u32 = 0; token < count; token++) {
      addSums(token, scaleOf(token, base + MIX_OUT_SCALE));
      normalize(X + X_STRIDE * token, base + NORM_GLU, WORK);
      quantize(dim, token);
    }
    linear(base + GLU_IN, 2 * hidden, dim, count);
    for (let token: u32 = 0; token < count; token++) {
      gate(token, scaleOf(token, base + GLU_IN_SCALE));
      quantize(hidden, token);
    }
    linear(base + GLU_OUT, dim, hidden, count);
    for (let token: u32 = 0; token < count; token++) addSums(token, scaleOf(token, base + GLU_OUT_SCALE));
  }
  ringSlot = (ringSlot + count) % taps;
  lastX = X + X_STRIDE * (count - 1);
  if (copyDim > 0) keepKeys(ids, count);
}

/** Puts the tokens' keys and, for the places before them, the tokens themselves into their rings; QUERY is the last token's. */
function keepKeys(ids: usize, count: u32): void {
  for (let token: u32 = 0; token < count; token++) {
    normalize(X + X_STRIDE * token, expert + NORM_COPY, WORK);
    quantize(dim, token);
  }
  linear(expert + COPY_IN, 2 * copyDim, dim, count);
  let size: usize = 4 * copyDim;
  for (let token: u32 = 0; token < count; token++) {
    let id: u32 = load<u16>(ids + 2 * token);
    if (read > 0) {
      store<u16>(NEXT + 2 * lastKey, id);
      if (places < context - 1) places++;
    }
    followHeader(id);
    let scale = scaleOf(token, expert + COPY_IN_SCALE);
    let sums = SUMS + SUMS_STRIDE * token, key = KEYS + keySize * keySlot;
    store<i64>(key + keySize - 16, 0); // what follows the C numbers
    store<i64>(key + keySize - 8, 0);
    for (let at: usize = 0; at < size; at += 4) {
      store<f32>(QUERY + at, <f32>load<i32>(sums + at) * scale);
      store<f32>(key + at, <f32>load<i32>(sums + size + at) * scale);
    }
    lastKey = keySlot;
    keySlot = keySlot + 1 == context ? kept : keySlot + 1;
  }
}

/** A header begins with a text's second token, byte 1, and ends with byte 2. If it is less than half of the context, its places stay. */
function followHeader(id: u32): void {
  if (read == 1) inHeader = id == 1;
  else if (inHeader && id == 2) {
    if (read < context / 2) kept = read;
    inHeader = false;
  }
  if (read < context) read++;
  else inHeader = false;
}

/** LOGITS after the last token. Not part of runTokens, because only the last token of a prompt needs them. */
export function runOutput(): void {
  normalize(lastX, expert + NORM_OUT, WORK);
  quantize(dim, 0);
  product(expert + HEAD, vocab, dim);
  let scale = load<f32>(SCALES), rowScales = expert + HEAD_SCALES;
  let at: usize = 0, size: usize = 4 * vocab;
  do {
    store<f32>(at, <f32>load<i32>(at, SUMS) * (scale * load<f32>(rowScales + at)), LOGITS);
    at += 4;
  } while (at < size);
  if (places > 0) mixCopies();
}

/** Mixes into LOGITS what followed the earlier places. */
function mixCopies(): void {
  let size: usize = 4 * copyDim;
  let own = load<f32>(expert + COPY_BIAS), sentinel = expert + COPY_SENTINEL;
  for (let at: usize = 0; at < size; at += 4) own += load<f32>(QUERY + at) * load<f32>(sentinel + at);

  memory.copy(WORK, QUERY, keySize); // to an address that is a constant
  // From the oldest to the newest, after those that stay. The newest key is the last token's own, which nothing has followed yet.
  let oldest = places < context - 1 ? kept : keySlot, first = kept > 0 ? 0 : oldest;
  for (let place: u32 = 0, slot = first; place < places; place++) {
    let key = KEYS + keySize * slot;
    let score: f32 = 0, at: usize = 0;
    do {
      score += load<f32>(at, WORK) * load<f32>(key);
      score += load<f32>(at, WORK + 4) * load<f32>(key, 4);
      score += load<f32>(at, WORK + 8) * load<f32>(key, 8);
      score += load<f32>(at, WORK + 12) * load<f32>(key, 12);
      key += 16;
      at += 16;
    } while (at < keySize);
    let next = ODDS + 4 * <usize>load<u16>(NEXT + 2 * slot);
    store<f32>(next, load<f32>(next) + exp(min<f32>(score - own, LARGEST_EXPONENT)));
    slot = slotAfter(slot, oldest);
  }

  let largest = load<f32>(LOGITS);
  for (let at: usize = 4, end: usize = 4 * vocab; at < end; at += 4) largest = max<f32>(largest, load<f32>(at, LOGITS));
  let sum = sumOfPowers(LOGITS, vocab, largest);
  for (let place: u32 = 0, slot = first; place < places; place++) {
    let at = 4 * <usize>load<u16>(NEXT + 2 * slot);
    let odds = load<f32>(ODDS + at);
    if (odds > 0) { // not yet done
      store<f32>(at, largest + log(exp(load<f32>(at, LOGITS) - largest) + sum * odds), LOGITS);
      store<f32>(ODDS + at, 0);
    }
    slot = slotAfter(slot, oldest);
  }
}

/** The slot of the place after this one's: after the last one that stays comes the oldest of the others. */
function slotAfter(slot: u32, oldest: u32): u32 {
  slot++;
  return slot == kept ? oldest : slot == context ? kept : slot;
}

/** x = rmsnorm of the token's row of the embedding. */
function embed(id: u32, x: usize): void {
  let low = SUMS + 4 * dim;
  readRow(embedding + rowBytes(dim) * id, dim, SUMS);
  readRow(embedding + rowBytes(dim) * (vocab + id), dim, low);
  let scale = load<f32>(EMBEDDING_SCALES + 4 * id);
  for (let at: usize = 0, size: usize = 4 * dim; at < size; at += 4) {
    let value = 3 * load<i32>(at, SUMS) + load<i32>(low + at);
    store<f32>(at, <f32>value * scale, WORK);
  }
  normalize(WORK, NORM_IN, x);
}

/** target = rmsnorm(x, gain). */
function normalize(x: usize, gain: usize, target: usize): void {
  let r: f32 = <f32>1 / sqrt<f32>(sumOfSquares(x, dim) / <f32>dim + <f32>1e-5);
  let at: usize = 0, size: usize = 4 * dim;
  do {
    store<f32>(target + at, load<f32>(x + at) * r * load<f32>(gain + at));
    at += 4;
  } while (at < size);
}

/** QUANTIZED = WORK[0 .. n) as int8, in the 16 bits of `token`, and zeros up to whole groups. Its scale to SCALES. */
function quantize(n: u32, token: u32): void {
  // Four at a time: the last ones may be zeros behind WORK[n - 1].
  let size: usize = 4 * n;
  store<f32>(size, 0, WORK);
  store<f32>(size, 0, WORK + 4);
  store<f32>(size, 0, WORK + 8);

  let largest: f32 = 0;
  let at: usize = 0;
  do {
    largest = max<f32>(largest, abs<f32>(load<f32>(at, WORK)));
    largest = max<f32>(largest, abs<f32>(load<f32>(at, WORK + 4)));
    largest = max<f32>(largest, abs<f32>(load<f32>(at, WORK + 8)));
    largest = max<f32>(largest, abs<f32>(load<f32>(at, WORK + 12)));
    at += 16;
  } while (at < size);
  let isZero = largest < <f32>1e-30;
  let inverse: f32 = isZero ? 0 : <f32>127 / largest;
  store<f32>(SCALES + 4 * token, isZero ? 0 : largest / 127);

  // |x · inverse| ≤ 127 but for a rounding: nothing overflows in the conversion.
  let target = QUANTIZED + 2 * token;
  at = 0;
  do {
    store<i16>(target, <i32>nearest<f32>(load<f32>(at, WORK) * inverse));
    store<i16>(target, <i32>nearest<f32>(load<f32>(at, WORK + 4) * inverse), 8);
    store<i16>(target, <i32>nearest<f32>(load<f32>(at, WORK + 8) * inverse), 16);
    store<i16>(target, <i32>nearest<f32>(load<f32>(at, WORK + 12) * inverse), 24);
    target += 32;
    at += 16;
  } while (at < size);
  for (let end = QUANTIZED + 8 * 6 * groupsOf(n, 5); target < end; target += 8) store<i16>(target, 0);
}

/** SUMS of each token = the ternary matrix times its part of QUANTIZED. */
function linear(weights: usize, rows: u32, columns: u32, count: u32): void {
  if (count == 1) product(weights, rows, columns);
  else product4(weights, rows, columns);
}

function scaleOf(token: u32, weightScale: usize): f32 {
  return load<f32>(SCALES + 4 * token) * load<f32>(weightScale);
}

/** WORK = the token mixer: convolution over the ring, gated recurrence. */
function mix(base: usize, token: u32, scale: f32, slot: u32): void {
  let size: usize = 4 * dim;
  let sums = SUMS + SUMS_STRIDE * token;
  let ring = base + RING;

  let newest = ring + slot * size;
  let at: usize = 0;
  do {
    store<f32>(newest + at, <f32>load<i32>(sums + at) * scale);
    at += 4;
  } while (at < size);

  let tap = base + TAPS;
  for (let k: u32 = 0; k < taps; k++, tap += size) { // from the oldest value to the newest
    slot = slot + 1 == taps ? 0 : slot + 1;
    let values = ring + slot * size;
    at = 0;
    if (k == 0) {
      do {
        store<f32>(at, load<f32>(tap + at) * load<f32>(values + at), WORK);
        at += 4;
      } while (at < size);
    } else {
      do {
        store<f32>(at, load<f32>(at, WORK) + load<f32>(tap + at) * load<f32>(values + at), WORK);
        at += 4;
      } while (at < size);
    }
  }

  let forget = sums + size, gates = forget + size;
  let forgetBias = base + FORGET_BIAS, state = base + MEMORY;
  at = 0;
  do {
    let f = sigmoid(<f32>load<i32>(forget + at) * scale + load<f32>(forgetBias + at));
    let c = load<f32>(at, WORK);
    let h = c + f * (load<f32>(state + at) - c);
    store<f32>(state + at, h);
    store<f32>(at, h * sigmoid(<f32>load<i32>(gates + at) * scale), WORK);
    at += 4;
  } while (at < size);
}

/** WORK = silu(a) · b, the gated linear unit. */
function gate(token: u32, scale: f32): void {
  let size: usize = 4 * hidden;
  let a = SUMS + SUMS_STRIDE * token, b = a + size;
  let at: usize = 0;
  do {
    let value = <f32>load<i32>(a + at) * scale;
    store<f32>(at, value * sigmoid(value) * (<f32>load<i32>(b + at) * scale), WORK);
    at += 4;
  } while (at < size);
}

/** x += SUMS · scale. */
function addSums(token: u32, scale: f32): void {
  let x = X + X_STRIDE * token, sums = SUMS + SUMS_STRIDE * token;
  let at: usize = 0, size: usize = 4 * dim;
  do {
    store<f32>(x + at, load<f32>(x + at) + <f32>load<i32>(sums + at) * scale);
    at += 4;
  } while (at < size);
}
