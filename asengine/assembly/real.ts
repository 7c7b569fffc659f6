// The real functions of docs/numerics.md: single f32 operations in the written order, so that every machine gets the same bits.

import { LANES } from "./memory";

/** e^x for any x but NaN, which does not arise (numerics.md, "Nothing overflows"): n is within ±116, so the conversion cannot trap. */
// @ts-ignore: decorator
@inline export function exp(x: f32): f32 {
  let t: f32 = max<f32>(min<f32>(x, 80), -80) * <f32>1.4426950408889634;
  let n = nearest<f32>(t);
  let f = t - n;
  let p: f32 = <f32>0.00132647273 * f + <f32>0.00967151299;
  p = p * f + <f32>0.0555073358;
  p = p * f + <f32>0.240222424;
  p = p * f + <f32>0.693147004;
  p = p * f + 1;
  return p * reinterpret<f32>((<i32>n + 127) << 23);
}

// @ts-ignore: decorator
@inline export function sigmoid(x: f32): f32 {
  return <f32>1 / (<f32>1 + exp(<f32>0 - x));
}

/** Sum of squares of x[0 .. n) in sixteen lanes. */
export function sumOfSquares(x: usize, n: u32): f32 {
  let end = x + 4 * n;
  for (let lane: usize = 0; lane < 64; lane += 4) {
    let sum: f32 = 0;
    for (let at = x + lane; at < end; at += 64) {
      let value = load<f32>(at);
      sum += value * value;
    }
    store<f32>(LANES + lane, sum);
  }
  for (let fold: usize = 32; fold >= 4; fold >>= 1) {
    for (let lane: usize = 0; lane < fold; lane += 4) {
      store<f32>(LANES + lane, load<f32>(LANES + lane) + load<f32>(LANES + lane + fold));
    }
  }
  return load<f32>(LANES);
}
