// The student as the page sees it: pictures in, probabilities out.

import {encoder, prepare, probabilities} from "./preprocess.js";
import {arrayOf, load, sizeOf} from "./runtime.js";

/**
 * Open the bundle's model. look(image) gives {probabilities, output, ms}: one number for each of `labels`, the output
 * tensor's values as they are stored, and how long the runtime took.
 */
export async function openStudent() {
  const description = await (await fetch("./model.json")).json();
  const session = await load(`./${description.file}`, description);
  const encode = encoder(description);
  // The first run is slow, and better now than under somebody's finger.
  await session.run(new (arrayOf(description.input.dtype))(sizeOf(description.input)));

  async function look(image) {
    const input = encode(prepare(image, description.contract));
    const began = performance.now();
    const output = await session.run(input);
    const ms = performance.now() - began;
    return {probabilities: probabilities(output, description.output), output, ms};
  }

  return {description, look};
}
