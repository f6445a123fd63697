// ONNX Runtime compiled to WebAssembly, for .onnx files: its build without WebGL, WebGPU and WebNN, on one thread.
//
// Threads need cross-origin isolation and run out of memory on iOS, and students are too small to gain by them.

import * as ort from "./ort/ort.wasm.bundle.min.mjs";

import {shapeOf} from "./tensors.js";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = {wasm: new URL("./ort/ort-wasm-simd-threaded.wasm", import.meta.url).href};
ort.env.logLevel = "error";

export async function open(bytes, description) {
  const options = {executionProviders: ["wasm"], graphOptimizationLevel: "all"};
  const session = await ort.InferenceSession.create(bytes, options);
  const shape = shapeOf(description.input);
  const [input] = session.inputNames;
  const [output] = session.outputNames;

  async function run(values) {
    const results = await session.run({[input]: new ort.Tensor(description.input.dtype, values, shape)});
    return results[output].data;
  }

  return {run, close: () => session.release()};
}
