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

/** The natural logarithm of a positive, normal x. */
export function log(x: f32): f32 {
  let bits = reinterpret<i32>(x);
  let n = (bits - 0x3f2aaaab) >> 23;
  let f = reinterpret<f32>(bits - (n << 23));
  let t = (f - 1) / (f + 1);
  let r = t * t;
  let p: f32 = r * (<f32>1 / 9) + <f32>1 / 7;
  p = p * r + <f32>1 / 5;
  p = p * r + <f32>1 / 3;
  p = p * r + 1;
  return <f32>n * <f32>0.693147182 + (t + t) * p;
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
  return foldLanes();
}

/** Sum of exp(x - largest) of x[0 .. n) in sixteen lanes. */
export function sumOfPowers(x: usize, n: u32, largest: f32): f32 {
  let end = x + 4 * n;
  for (let lane: usize = 0; lane < 64; lane += 4) {
    let sum: f32 = 0;
    for (let at = x + lane; at < end; at += 64) sum += exp(load<f32>(at) - largest);
    store<f32>(LANES + lane, sum);
  }
  return foldLanes();
}

function foldLanes(): f32 {
  for (let fold: usize = 32; fold >= 4; fold >>= 1) {
    for (let lane: usize = 0; lane < fold; lane += 4) {
      store<f32>(LANES + lane, load<f32>(LANES + lane) + load<f32>(LANES + lane + fold));
    }
  }
  return load<f32>(LANES);
}
