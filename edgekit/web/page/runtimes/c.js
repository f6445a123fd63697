// The model itself, compiled to WebAssembly: there is no runtime. The program says where its input and output lie.

import {arrayOf, sizeOf} from "./tensors.js";

export async function open(bytes, description) {
  const {instance: {exports}} = await WebAssembly.instantiate(bytes);
  const find = (kind, name) =>
    Object.entries(exports).find(([key, value]) => value instanceof kind && name.test(key))[1];
  const infer = find(Function, /_run$/);
  const input = find(WebAssembly.Global, /^input_/).value;
  const output = find(WebAssembly.Global, /^output_/).value;
  const view = (tensor, place) => new (arrayOf(tensor.dtype))(exports.memory.buffer, place, sizeOf(tensor));

  async function run(values) {
    view(description.input, input).set(values);
    infer(input, output);
    return view(description.output, output).slice();
  }

  return {run, close: () => {}};
}
