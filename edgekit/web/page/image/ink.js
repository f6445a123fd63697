// Ink on paper: which pixels of a picture belong to the strokes of a digit, and how much; edgekit's ink.py step by
// step.
//
// Uneven light is a smooth surface that is fitted to the picture; ink is what differs from it, in the direction in
// which the picture differs most. Shadows are told from strokes by their breadth, dirt by its size, the table's edge
// by touching the picture's rim.

import {leastSquares, max, median, percentile, roundHalfEven, sum} from "./numbers.js";

// Ink must stand out of the paper by this many grey levels, and by this many times the paper's noise.
const MIN_CONTRAST = 12;
const MIN_CONTRAST_TO_NOISE = 3;
// A stroke's edge, as a share of full ink.
export const EDGE = 0.25;
// Spots with less ink than this share of the largest one are dirt.
const SPOT = 0.1;
// The digit is inside the picture if that much of all ink belongs to strokes that do not touch the rim.
const INSIDE = 0.1;
// A stroke is narrower than this share of the picture's longer side.
const BROADEST_STROKE = 0.35;
const BINS = 128;

/** How much ink is at each pixel of a grey picture of floats from 0 to 255: from 0 to 1, and 0 outside the strokes. */
export function findInk(grey) {
  const paper = background(grey);
  const difference = grey.data.map((value, i) => value - paper[i]);
  const dark = difference.map((value) => Math.max(-value, 0));
  const light = difference.map((value) => Math.max(value, 0));
  const darker = sum(dark.map((value) => value * value)) > sum(light.map((value) => value * value));
  const ink = withoutShadows({...grey, data: darker ? dark : light});
  const threshold = Math.max(otsu(ink), MIN_CONTRAST / 2);
  const strokes = ink.filter((value) => value > threshold);
  const spread = noise(grey.data);
  const full = strokes.length ? percentile(strokes, 75) : 0;
  if (full < Math.max(MIN_CONTRAST, MIN_CONTRAST_TO_NOISE * spread)) {
    throw new Error("No digit stands out of its background; take a sharper picture with more contrast.");
  }
  const low = Math.min(2.5 * spread, EDGE * full);
  const share = ink.map((value) => Math.min(1, Math.max(0, (value - low) / (full - low))));
  const mask = strokesOf({...grey, data: share});
  return {...grey, data: share.map((value, i) => (mask[i] ? value : 0))};
}

/**
 * The paper under uneven light: a quadratic surface fitted to the pixels that are not ink.
 *
 * The fit begins at the picture's rim, which is mostly paper, and goes on with all pixels close to the surface.
 */
function background({width, height, data}) {
  const terms = surfaceTerms(width, height);
  const [, x, y] = terms;
  const all = Int32Array.from(data.keys());
  const rim = all.filter((i) => Math.max(Math.abs(x[i]), Math.abs(y[i])) > 0.85);
  const level = median(gather(data, rim));
  const reach = 3 * median(gather(data, rim).map((value) => Math.abs(value - level))) + 4;
  let paper = rim.filter((i) => Math.abs(data[i] - level) <= reach);
  let surface;
  for (let round = 0; round < 4; round++) {
    surface = combine(terms, leastSquares(terms, data, paper));
    const distance = surface.map((value, i) => Math.abs(data[i] - value));
    const limit = 4 * median(gather(distance, paper)) + 4;
    paper = all.filter((i) => distance[i] <= limit);
  }
  return Float32Array.from(surface);
}

/** 1, x, y, xy, xx and yy at each pixel; x and y go from -1 to 1. */
function surfaceTerms(width, height) {
  const terms = Array.from({length: 6}, () => new Float64Array(width * height));
  const at = (i, size) => (size === 1 ? -1 : -1 + (2 * i) / (size - 1));
  for (let row = 0, i = 0; row < height; row++) {
    const y = at(row, height);
    for (let column = 0; column < width; column++, i++) {
      const x = at(column, width);
      terms[0][i] = 1;
      terms[1][i] = x;
      terms[2][i] = y;
      terms[3][i] = x * y;
      terms[4][i] = x * x;
      terms[5][i] = y * y;
    }
  }
  return terms;
}

function gather(values, places) {
  const result = new Float64Array(places.length);
  for (let i = 0; i < places.length; i++) result[i] = values[places[i]];
  return result;
}

function combine(terms, coefficients) {
  const result = new Float64Array(terms[0].length);
  terms.forEach((term, k) => {
    for (let i = 0; i < result.length; i++) result[i] += coefficients[k] * term[i];
  });
  return result;
}

/** Standard deviation of the noise, from neighbours, which light and shadows hardly part. */
function noise(values) {
  const steps = values.subarray(1).map((value, i) => Math.abs(value - values[i]));
  return (1.4826 / Math.SQRT2) * median(steps);
}

/** Ink without what is broader than a stroke: a morphological opening finds that, and it is subtracted. */
function withoutShadows(ink) {
  const window = roundHalfEven(BROADEST_STROKE * Math.max(ink.width, ink.height)) | 1;
  const negative = (values) => values.map((value) => -value);
  const narrowest = negative(highestNear({...ink, data: negative(ink.data)}, window));
  const broad = highestNear({...ink, data: narrowest}, window);
  return ink.data.map((value, i) => value - broad[i]);
}

/** The highest value in a square window with an odd side around each pixel; the window ends where the picture ends. */
function highestNear({width, height, data}, window) {
  const half = window >> 1;
  const across = highestInLines(data, {length: width, step: 1, lines: height, stride: width}, half);
  return highestInLines(across, {length: height, step: width, lines: width, stride: 1}, half);
}

function highestInLines(data, {length, step, lines, stride}, half) {
  const result = new Float32Array(data.length);
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < length; i++) {
      const end = Math.min(length - 1, i + half);
      let highest = -Infinity;
      for (let j = Math.max(0, i - half); j <= end; j++) {
        const value = data[line * stride + j * step];
        if (value > highest) highest = value;
      }
      result[line * stride + i * step] = highest;
    }
  }
  return result;
}

/** The threshold that parts values into the two most compact groups (Otsu 1979). */
function otsu(values) {
  const [lowest, highest] = rangeOf(values);
  const edge = (i) => lowest + ((highest - lowest) * i) / BINS;
  const counts = new Float64Array(BINS);
  for (const value of values) {
    counts[Math.min(BINS - 1, Math.floor(((value - lowest) / (highest - lowest)) * BINS))]++;
  }
  const middle = (i) => (edge(i) + edge(i + 1)) / 2;
  const whole = sum(counts.map((count, i) => count * middle(i)));
  let best = {at: 1, gap: -Infinity};
  let below = 0;
  let mass = 0;
  for (let i = 0; i < BINS - 1; i++) {
    below += counts[i];
    mass += counts[i] * middle(i);
    const above = values.length - below;
    const gap = below * above * (mass / Math.max(below, 1) - (whole - mass) / Math.max(above, 1)) ** 2;
    if (gap > best.gap) best = {at: i + 1, gap};
  }
  return edge(best.at);
}

function rangeOf(values) {
  const highest = max(values);
  const lowest = -max(values.map((value) => -value));
  return highest > lowest ? [lowest, highest] : [lowest - 0.5, highest + 0.5];
}

/**
 * The connected strokes that are no spots, with their soft edges.
 *
 * What is cut off by the picture's rim is a table or a finger, unless nothing else is there.
 */
function strokesOf(ink) {
  let groups = groupsOf(ink);
  const within = groups.filter((group) => group.inside);
  const mass = (some) => sum(some.map((group) => group.mass));
  if (mass(within) >= INSIDE * mass(groups)) groups = within;
  const largest = max(groups.map((group) => group.mass));
  const mask = new Uint8Array(ink.data.length);
  for (const group of groups) {
    if (group.mass < SPOT * largest) continue;
    for (const place of group.places) for (const near of around(place, ink)) mask[near] = 1;
  }
  return mask;
}

/** The 8-connected groups of pixels with ink: their places, how much ink, and whether they keep off the rim. */
function groupsOf(ink) {
  const {width, height, data} = ink;
  const waiting = data.map((value) => value > EDGE);
  const groups = [];
  for (let start = 0; start < data.length; start++) {
    if (!waiting[start]) continue;
    waiting[start] = 0;
    const group = {places: [start], mass: 0, inside: true};
    for (const place of group.places) {
      const x = place % width;
      const y = Math.floor(place / width);
      group.mass += data[place];
      if (x === 0 || y === 0 || x === width - 1 || y === height - 1) group.inside = false;
      for (const near of around(place, ink)) {
        if (waiting[near]) group.places.push(near);
        waiting[near] = 0;
      }
    }
    groups.push(group);
  }
  return groups;
}

/** A pixel and its neighbours on every side. */
function around(place, {width, height}) {
  const x = place % width;
  const y = Math.floor(place / width);
  const places = [];
  for (let j = Math.max(0, y - 1); j <= Math.min(height - 1, y + 1); j++) {
    for (let i = Math.max(0, x - 1); i <= Math.min(width - 1, x + 1); i++) places.push(j * width + i);
  }
  return places;
}
