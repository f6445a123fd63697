// The golden example: a made-up input and what the model answered to it where it was made (edgekit/inputs/golden.py).

import {arrayOf, sizeOf} from "./tensors.js";

// Of a text: ids that come again and again.
const WORD = 8;

/** The input of a seed: byte i is the highest of MurmurHash3's finalizer of i + 2^24 * seed. */
export function goldenInput(tensor, seed) {
  const values = new (arrayOf(tensor.dtype))(sizeOf(tensor));
  for (let i = 0; i < values.length; i++) {
    let mixed = (tensor.dtype === "int32" ? i % WORD : i) + (seed << 24);
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    const byte = ((mixed ^ (mixed >>> 16)) >>> 24) & 255;
    values[i] = tensor.dtype === "float32" ? byte / 255 : tensor.dtype === "int8" ? byte - 128 : byte;
  }
  return values;
}

/** How an output differs from the golden one, as a part of a sentence; empty if it does not. */
export function complaintOf(golden, output) {
  const off = golden.output.map((expected, i) => Math.abs(output[golden.places ? golden.places[i] : i] - expected));
  const most = Math.max(...off);
  return most <= golden.limit ? "" : `a value is off by ${most}, where rounding explains ${golden.limit}`;
}
