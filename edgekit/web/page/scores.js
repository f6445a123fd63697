// From the bytes of the student's output to probabilities, as edgekit's Python has them.

import {max, sum} from "./numbers.js";

// How far the sum of scores may be from 1 if they are probabilities.
const SUM_TOLERANCE = 0.05;

/** The output tensor's values as probabilities, one for each label. */
export function probabilities(values, {scale, zero_point: zeroPoint, probabilities: given}) {
  const real = Array.from(values, (value) =>
    scale === null ? value : Math.fround(Math.fround(value - zeroPoint) * Math.fround(scale)));
  if (!real.every(Number.isFinite)) throw new Error("The model gives scores that are not finite numbers.");
  const total = sum(real);
  if (given) return real.map((value) => value / Math.max(total, 1));
  if (real.every((value) => value >= 0) && Math.abs(total - 1) <= SUM_TOLERANCE) {
    return real.map((value) => value / total);
  }
  const highest = max(real);
  const powers = real.map((value) => Math.exp(value - highest));
  const all = sum(powers);
  return powers.map((value) => value / all);
}
