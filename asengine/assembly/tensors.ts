// Generated from the tables in fable6c/model/ by `python -m fable6c.model.layout`; do not edit.
//
// Where the tensors of a model lie in memory, and how they are read from the file.

import {
  copyDim, dim, experts, hidden, layers, rowBytes, taps, vocab,
} from "./layout";
import { readMatrix, readTable, readTransposed, readVector } from "./load";
import { LAYERS, layerSize, place, ternarySize } from "./memory";

export let EMBEDDING_SCALES: usize = 0; // f32 (V)
export let NORM_IN: usize = 0; // f32 (D)
export let NORM_OUT: usize = 0; // f32 (D)
export let HEAD: usize = 0; // ternary (V, D)
export let HEAD_SCALES: usize = 0; // f32 (V)
// In a model that copies:
export let NORM_COPY: usize = 0; // f32 (D)
export let COPY_IN: usize = 0; // ternary (2C, D)
export let COPY_IN_SCALE: usize = 0; // f32
export let COPY_SENTINEL: usize = 0; // f32 (C)
export let COPY_BIAS: usize = 0; // f32 (1)
// In each layer, from its first address on:
export let NORM_MIX: usize = 0; // f32 (D)
export let MIX_IN: usize = 0; // ternary (3D, D)
export let MIX_IN_SCALE: usize = 0; // f32
export let TAPS: usize = 0; // f32 (K, D)
export let FORGET_BIAS: usize = 0; // f32 (D)
export let MIX_OUT: usize = 0; // ternary (D, D)
export let MIX_OUT_SCALE: usize = 0; // f32
export let NORM_GLU: usize = 0; // f32 (D)
export let GLU_IN: usize = 0; // ternary (2H, D)
export let GLU_IN_SCALE: usize = 0; // f32
export let GLU_OUT: usize = 0; // ternary (D, H)
export let GLU_OUT_SCALE: usize = 0; // f32

/** Bytes in the file of the tensors that all experts share. */
export function sharedBytes(): u64 {
  let size: u64 = 0;
  size += 4 * vocab + 2 * <u64>vocab * rowBytes(dim);
  size += 4 * <u64>dim;
  return size;
}

/** Bytes of those that an expert has of its own. */
export function expertBytes(): u64 {
  let size: u64 = 0;
  size += 4 * <u64>dim;
  size += 4 * 1 + <u64>3 * dim * rowBytes(dim);
  size += 4 * <u64>dim * taps;
  size += 4 * <u64>dim;
  size += 4 * 1 + <u64>dim * rowBytes(dim);
  size += 4 * <u64>dim;
  size += 4 * 1 + <u64>2 * hidden * rowBytes(dim);
  size += 4 * 1 + <u64>dim * rowBytes(hidden);
  size *= layers;
  size += 4 * <u64>dim;
  size += 4 * vocab + <u64>vocab * rowBytes(dim);
  if (copyDim > 0) {
    size += 4 * <u64>dim;
    size += 4 * 1 + <u64>2 * copyDim * rowBytes(dim);
    size += 4 * <u64>copyDim;
    size += 4 * <u64>1;
  }
  return size;
}

/** Gives each tensor that all experts share its place. */
export function placeShared(): void {
  EMBEDDING_SCALES = place(4 * vocab);
  NORM_IN = place(4 * <u64>dim);
}

/** The same for those of an expert outside the layers. */
export function placeExpert(): void {
  NORM_OUT = place(4 * <u64>dim);
  HEAD = place(ternarySize(vocab, dim));
  HEAD_SCALES = place(4 * vocab);
  if (copyDim > 0) {
    NORM_COPY = place(4 * <u64>dim);
    COPY_IN = place(ternarySize(2 * copyDim, dim));
    COPY_IN_SCALE = place(4 * 1);
    COPY_SENTINEL = place(4 * <u64>copyDim);
    COPY_BIAS = place(4 * <u64>1);
  }
}

/** The same for those of a layer. */
export function placeLayer(): void {
  NORM_MIX = place(4 * <u64>dim);
  MIX_IN = place(ternarySize(3 * dim, dim));
  MIX_IN_SCALE = place(4 * 1);
  TAPS = place(4 * <u64>dim * taps);
  FORGET_BIAS = place(4 * <u64>dim);
  MIX_OUT = place(ternarySize(dim, dim));
  MIX_OUT_SCALE = place(4 * 1);
  NORM_GLU = place(4 * <u64>dim);
  GLU_IN = place(ternarySize(2 * hidden, dim));
  GLU_IN_SCALE = place(4 * 1);
  GLU_OUT = place(ternarySize(dim, hidden));
  GLU_OUT_SCALE = place(4 * 1);
}

/** Reads the tensors that all experts share, in the order of the file. False at the first that holds a value that is not allowed. */
export function readShared(): bool {
  return true
    && readTable(EMBEDDING_SCALES, vocab, dim)
    && readVector(NORM_IN, dim);
}

/** The same for an expert that lies so many bytes after the first. */
export function readExpert(expert: usize): bool {
  let good = true;
  for (let layer: u32 = 0; good && layer < layers; layer++) {
    let base = expert + LAYERS + layer * layerSize;
    good = true
      && readVector(base + NORM_MIX, dim)
      && readMatrix(base + MIX_IN, base + MIX_IN_SCALE, 1, 3 * dim, dim)
      && readTransposed(base + TAPS, dim, taps)
      && readVector(base + FORGET_BIAS, dim)
      && readMatrix(base + MIX_OUT, base + MIX_OUT_SCALE, 1, dim, dim)
      && readVector(base + NORM_GLU, dim)
      && readMatrix(base + GLU_IN, base + GLU_IN_SCALE, 1, 2 * hidden, dim)
      && readMatrix(base + GLU_OUT, base + GLU_OUT_SCALE, 1, dim, hidden);
  }
  good = good
    && readVector(expert + NORM_OUT, dim)
    && readMatrix(expert + HEAD, expert + HEAD_SCALES, vocab, vocab, dim);
  if (copyDim == 0) return good;
  return good
    && readVector(expert + NORM_COPY, dim)
    && readMatrix(expert + COPY_IN, expert + COPY_IN_SCALE, 1, 2 * copyDim, dim)
    && readVector(expert + COPY_SENTINEL, copyDim)
    && readVector(expert + COPY_BIAS, 1);
}
