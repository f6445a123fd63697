// A picture of one digit on any paper to the form of MNIST's images, as edgekit's digit.py does it.
//
// MNIST's digits are light on black, scaled to fit 20×20 pixels with their aspect ratio kept, and placed in 28×28 so
// that their centre of mass is in the middle (LeCun, Bottou, Bengio, Haffner 1998).

import {EDGE, findInk} from "./ink.js";
import {max, percentile, roundHalfEven} from "./numbers.js";
import {toGrey} from "./picture.js";
import {resize} from "./resize.js";

export const DIGIT_SIZE = 28;
const INNER_SIZE = 20;
const WORKING_SIZE = 112;
const MIN_SIZE = 8;
// A margin of which at most half is lighter than this grey level is black, also after a JPEG.
const BLACK = 8;

/** Find the digit in a picture, dark on light or light on dark: a 28×28 image of one channel. */
export function toDigit(image) {
  const bytes = toGrey(image);
  if (isMnist(bytes)) return bytes;
  if (Math.min(bytes.width, bytes.height) < MIN_SIZE) throw new Error("The picture is too small to show a digit.");
  let grey = {...bytes, data: Float32Array.from(bytes.data)};
  // The first look finds the digit in the whole picture, the second sees it at the best resolution.
  grey = around(grey, findInk(shrunk(grey)));
  const ink = findInk(shrunk(grey));
  return centred(fitted(cut(ink, boxOf(ink))));
}

function isMnist({width, height, data}) {
  if (width !== DIGIT_SIZE || height !== DIGIT_SIZE) return false;
  const margin = [];
  for (let i = 0; i < DIGIT_SIZE; i++) {
    const last = DIGIT_SIZE - 1;
    margin.push(data[i], data[last * width + i], data[i * width], data[i * width + last]);
  }
  return margin.filter((value) => value > BLACK).length <= margin.length / 2 && data.some((value) => value > 127);
}

/** At most WORKING_SIZE pixels a side, averaged: less noise and a bounded cost. */
function shrunk(grey) {
  return Math.max(grey.width, grey.height) > WORKING_SIZE ? scaledTo(grey, WORKING_SIZE) : grey;
}

/** A picture whose longer side has so many pixels. */
function scaledTo(picture, longer) {
  const scale = longer / Math.max(picture.width, picture.height);
  const size = (side) => Math.max(1, roundHalfEven(side * scale));
  return resize(picture, size(picture.width), size(picture.height));
}

/** Top, bottom, left and right of the strokes; bottom and right are exclusive. */
function boxOf({width, height, data}) {
  const box = {top: height, bottom: 0, left: width, right: 0};
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[y * width + x] <= EDGE) continue;
      box.top = Math.min(box.top, y);
      box.bottom = y + 1;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
    }
  }
  return box;
}

/** The part of a picture around the digit that was found in its shrunken copy, with some paper on each side. */
function around(grey, ink) {
  const scale = grey.height / ink.height;
  const {top, bottom, left, right} = boxOf(ink);
  const margin = 0.3 * Math.max(bottom - top, right - left) + 2;
  const from = (value) => Math.max(0, roundHalfEven((value - margin) * scale));
  const to = (value, end) => Math.min(end, roundHalfEven((value + margin) * scale));
  return cut(grey, {top: from(top), bottom: to(bottom, grey.height), left: from(left), right: to(right, grey.width)});
}

function cut({width, data}, {top, bottom, left, right}) {
  const result = new data.constructor((bottom - top) * (right - left));
  for (let y = top; y < bottom; y++) {
    result.set(data.subarray(y * width + left, y * width + right), (y - top) * (right - left));
  }
  return {width: right - left, height: bottom - top, channels: 1, data: result};
}

/** The strokes scaled so that the longer side has INNER_SIZE pixels and the darkest ink is full. */
function fitted(ink) {
  const small = scaledTo(ink, INNER_SIZE);
  const edge = Math.fround(EDGE * max(small.data));
  const full = Math.fround(percentile(small.data.filter((value) => value > edge), 75));
  return {...small, data: small.data.map((value) => Math.min(1, Math.max(0, value / full)))};
}

/** Strokes placed on black with their centre of mass in the middle. */
function centred({width, height, data}) {
  let total = 0;
  let down = 0;
  let across = 0;
  for (let i = 0; i < data.length; i++) {
    total += data[i];
    down += data[i] * Math.floor(i / width);
    across += data[i] * (i % width);
  }
  const place = (moment, size) =>
    Math.min(Math.max(roundHalfEven(DIGIT_SIZE / 2 - moment / total), 0), DIGIT_SIZE - size);
  const top = place(down, height);
  const left = place(across, width);
  const result = new Uint8Array(DIGIT_SIZE * DIGIT_SIZE);
  for (let i = 0; i < data.length; i++) {
    const at = (top + Math.floor(i / width)) * DIGIT_SIZE + left + (i % width);
    result[at] = roundHalfEven(Math.fround(data[i] * 255));
  }
  return {width: DIGIT_SIZE, height: DIGIT_SIZE, channels: 1, data: result};
}
