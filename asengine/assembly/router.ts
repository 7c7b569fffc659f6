// Which of a model's experts reads: docs/numerics.md, "Routing".

import { experts, MAX_EXPERTS, ROUTER_FADING, ROUTER_MARGIN, ROUTER_PAIRS, ROUTER_SPREAD, vocab } from "./layout";
import { router } from "./load";

const SCORES: usize = memory.data(4 * MAX_EXPERTS, 4); // i32, one for each expert

export let expert: u32 = 0; // the one that reads

let previous: u32 = 0; // the token before

export function clearRouter(): void {
  memory.fill(SCORES, 0, 4 * MAX_EXPERTS);
  expert = previous = 0;
}

/** Takes in the next token. Returns the expert that reads it. */
export function route(id: u32): u32 {
  let one = router + experts * id, two = router + experts * (vocab + pair(previous, id));
  previous = id;
  let best: u32 = 0, highest = i32.MIN_VALUE;
  for (let candidate: u32 = 0; candidate < experts; candidate++) {
    let place = SCORES + 4 * candidate;
    let score = load<i32>(place);
    score += <i32>load<i8>(one + candidate) + <i32>load<i8>(two + candidate) - (score >> ROUTER_FADING);
    store<i32>(place, score);
    if (score > highest) {
      best = candidate;
      highest = score;
    }
  }
  for (let place = SCORES, end = SCORES + 4 * experts; place < end; place += 4) {
    store<i32>(place, max(load<i32>(place), highest - ROUTER_SPREAD));
  }
  if (highest - load<i32>(SCORES + 4 * expert) > ROUTER_MARGIN) expert = best;
  return expert;
}

/** The row of a token after another one, behind the rows of the tokens. */
function pair(before: u32, id: u32): u32 {
  let hash = before * 0x85ebca6b + id * 0x9e3779b1;
  hash = (hash ^ (hash >> 15)) * 0x2c1b3c6d;
  return (hash ^ (hash >> 16)) & (ROUTER_PAIRS - 1);
}
