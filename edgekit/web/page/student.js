// The student as the page sees it: samples in, as pictures, probabilities out.

import {complaintOf, goldenInput} from "./golden.js";
import {encoder, prepare} from "./preprocess.js";
import {load} from "./session.js";
import {probabilities} from "./scores.js";

/**
 * Open the bundle's model. look(sample) gives {probabilities, output, ms}: one number for each of `labels`, the output
 * tensor's values as they are stored, and how long the runtime took. `complaint` says how this device answers
 * differently than the machine where the model was made; it is empty if it does not.
 */
export async function openStudent() {
  const description = await (await fetch("./model.json")).json();
  const session = await load(`./${description.file}`, description);
  const encode = encoder(description);
  const {golden} = description;
  // The first run is slow, and better now than under somebody's finger.
  const first = await session.run(goldenInput(description.input, golden?.seed ?? 0));
  const complaint = golden ? complaintOf(golden, first) : "";

  async function look(sample) {
    const input = encode(prepare(sample, description.contract));
    const began = performance.now();
    const output = await session.run(input);
    const ms = performance.now() - began;
    return {probabilities: probabilities(output, description.output), output, ms};
  }

  return {description, look, complaint};
}
