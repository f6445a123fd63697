// From a text to the ids of the student's input.

import {ngrams} from "./ngrams.js";
import {wordpiece} from "./wordpiece.js";

const TOKENIZERS = {ngrams, wordpiece};
// Its first ids came with the tokenizer (edgekit/inputs/text.py).
const SAMPLE = "It's a charming, naïve — and never dull — journey; don't miss it! 我 😀";

/** A text as the student takes it: one that says something. */
export function prepare(text) {
  if (!text.trim()) throw new Error("Write a sentence.");
  return text;
}

/** A function from a text to the model's input tensor. */
export function encoder({contract: {length, tokenizer, sample}}) {
  const encode = TOKENIZERS[tokenizer.name](tokenizer, length);
  const made = encode(SAMPLE);
  if (sample.some((id, place) => made[place] !== id)) throw new Error("This page makes other ids; deploy it again.");
  return encode;
}
