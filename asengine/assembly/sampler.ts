// Choosing a token from the logits: docs/numerics.md, "Sampling".

import { vocab } from "./layout";
import { HEAP, HISTORY, HISTORY_LENGTH, LOGITS } from "./memory";
import { exp } from "./real";
import { tokenBytes, tokenLength } from "./tokenizer";

export let temperature: f32 = 0.8;
export let topK: u32 = 40;
export let topP: f32 = 1;
export let penalty: f32 = 2.5;

export function setSampling(t: f32, k: u32, p: f32, r: f32): void {
  temperature = t;
  topK = k;
  topP = p;
  penalty = r;
}

// ---- xoshiro128++ (Blackman and Vigna 2019), seeded by splitmix32 ----

let word0: u32 = 0;
let word1: u32 = 0;
let word2: u32 = 0;
let word3: u32 = 0;
let seedState: u32 = 0;

export function setSeed(seed: u32): void {
  seedState = seed;
  word0 = splitmix32();
  word1 = splitmix32();
  word2 = splitmix32();
  word3 = splitmix32();
}

function splitmix32(): u32 {
  seedState += 0x9e3779b9;
  let z = seedState;
  z = (z ^ (z >> 16)) * 0x85ebca6b;
  z = (z ^ (z >> 13)) * 0xc2b2ae35;
  return z ^ (z >> 16);
}

/** A number in [0, 1), a multiple of 2^-24. */
function uniform(): f32 {
  let next = rotl<u32>(word0 + word3, 7) + word0;
  let shifted = word1 << 9;
  word2 ^= word0;
  word3 ^= word1;
  word1 ^= word2;
  word0 ^= word3;
  word2 ^= shifted;
  word3 = rotl<u32>(word3, 11);
  return <f32>(next >> 8) * <f32>(1.0 / 16777216.0);
}

// ---- The last tokens, for the repetition penalty ----

let seen: u32 = 0; // tokens since clearHistory

export function clearHistory(): void {
  seen = 0;
}

export function remember(id: u32): void {
  store<u16>(HISTORY + 2 * (seen % HISTORY_LENGTH), id);
  seen++;
}

/** The token that was remembered so many tokens ago, at most HISTORY_LENGTH; 1 is the last one. */
export function recent(back: u32): u32 {
  return load<u16>(HISTORY + 2 * ((seen - back) % HISTORY_LENGTH));
}

function penalise(): void {
  for (let back: u32 = 1, count = min(seen, HISTORY_LENGTH); back <= count; back++) {
    let id = recent(back);
    if (closes(id)) return;
    if (!isWord(id) || isLater(back)) continue;
    let at = LOGITS + 4 * id;
    store<f32>(at, load<f32>(at) - penalty);
  }
}

/** Whether a sentence ends with this token. */
export function closes(id: u32): bool {
  let length = tokenLength(id);
  for (let at = tokenBytes(id), end = at + length; at < end; at++) {
    let byte: u32 = load<u8>(at);
    if (byte < 0x20 || byte == 0x2e || byte == 0x21 || byte == 0x3f) return true; // . ! ? and line ends
  }
  return length == 0;
}

/** Whether a token is a space and the first letters of a word: four at least, or of a name two. */
function isWord(id: u32): bool {
  let at = tokenBytes(id), length: u32 = tokenLength(id);
  if (length < 3 || load<u8>(at) != 0x20) return false;
  if (length < 5 && load<u8>(at + 1) - 0x41 >= 26) return false;
  for (let end = at + length; ++at < end;) if ((load<u8>(at) | 0x20) - 0x61 >= 26) return false;
  return true;
}

/** Whether a remembered token is also one of those after it. */
function isLater(back: u32): bool {
  for (let later: u32 = 1; later < back; later++) {
    if (recent(later) == recent(back)) return true;
  }
  return false;
}

// ---- Sampling ----

/** The next token, from LOGITS and the settings. LOGITS are not the model's any more. */
export function sample(): u32 {
  if (penalty != 0) penalise();
  return temperature == 0 ? largest() : draw(topK == 0 ? vocab : min(topK, vocab));
}

// @ts-ignore: decorator
@inline function logitOf(id: u32): f32 {
  return load<f32>(4 * id, LOGITS);
}

function largest(): u32 {
  let best: u32 = 0;
  let logit = logitOf(0);
  for (let at: usize = 0, size: usize = 4 * vocab; at < size; at += 4) {
    if (load<f32>(at, LOGITS) > logit) {
      best = <u32>at / 4;
      logit = logitOf(best);
    }
  }
  return best;
}

// @ts-ignore: decorator
@inline export function candidate(i: u32): u32 {
  return load<u32>(4 * i, HEAP);
}

// @ts-ignore: decorator
@inline function weightOf(i: u32): f32 { // e_i
  return load<f32>(HEAP + 4 * vocab + 4 * i);
}

let allWeights: f32 = 0;

/** Draws among the `count` best tokens. */
function draw(count: u32): u32 {
  count = weigh(count);
  let target = uniform() * allWeights;
  let sum: f32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    sum += weightOf(i);
    if (sum > target) return candidate(i);
  }
  return candidate(count - 1);
}

/** Sorts and weighs the `count` best tokens. Returns how many of them top-p leaves. */
function weigh(count: u32): u32 {
  sortBest(count);
  let weights = HEAP + 4 * vocab;
  let highest = logitOf(candidate(0));
  let inverse: f32 = <f32>1 / temperature;
  let total: f32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    let weight = exp((logitOf(candidate(i)) - highest) * inverse);
    store<f32>(weights + 4 * i, weight);
    total += weight;
  }
  if (topP < 1) {
    let enough = topP * total;
    total = 0;
    for (let i: u32 = 0; i < count; i++) {
      total += weightOf(i);
      if (total >= enough) count = i + 1;
    }
  }
  allWeights = total;
  return count;
}

/** Lists the tokens that `sample` would draw among, and draws none. Returns their number. LOGITS are not the model's any more. */
export function list(): u32 {
  if (penalty != 0) penalise();
  return temperature == 0 ? listOnly(largest()) : weigh(topK == 0 ? vocab : min(topK, vocab));
}

/** Lists a token that comes without a draw. */
export function listOnly(id: u32): u32 {
  store<u32>(HEAP, id);
  store<f32>(HEAP + 4 * vocab, 1);
  allWeights = 1;
  return 1;
}

/** The share of the i-th in that list: how likely it is to be drawn. */
export function shareOf(i: u32): f32 {
  return weightOf(i) / allWeights;
}

/** The `count` best ids in falling order of their logits, the lower id first on a tie, to HEAP: a heap with the worst on top, then heap sort. */
function sortBest(count: u32): void {
  for (let i: u32 = 0; i < count; i++) store<u32>(HEAP + 4 * i, i);
  for (let i = count >> 1; i > 0; i--) sink(i - 1, candidate(i - 1), count);
  let threshold = logitOf(candidate(0));
  for (let at: usize = 4 * count, size: usize = 4 * vocab; at < size; at += 4) {
    if (load<f32>(at, LOGITS) > threshold) { // an equal one is worse: its id is higher than all in the heap
      sink(0, <u32>at / 4, count);
      threshold = logitOf(candidate(0));
    }
  }
  for (let last = count - 1; last > 0; last--) {
    let worst = candidate(0);
    sink(0, candidate(last), last);
    store<u32>(HEAP + 4 * last, worst);
  }
}

// @ts-ignore: decorator
@inline function isWorse(a: u32, b: u32): bool {
  return logitOf(a) < logitOf(b) || (logitOf(a) == logitOf(b) && a > b);
}

/** Puts `id` at `hole` of the heap of `size` candidates, or below, where it belongs. */
function sink(hole: u32, id: u32, size: u32): void {
  while (true) {
    let child: u32 = 2 * hole + 1;
    if (child >= size) break;
    if (child + 1 < size && isWorse(candidate(child + 1), candidate(child))) child++;
    if (!isWorse(candidate(child), id)) break;
    store<u32>(HEAP + 4 * hole, candidate(child));
    hole = child;
  }
  store<u32>(HEAP + 4 * hole, id);
}
