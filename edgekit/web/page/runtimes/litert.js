// LiteRT compiled to WebAssembly, for .tflite files.
//
// The package's own JavaScript API knows no int8 tensors, so this drives the same bindings one level below it. The
// build is the one with plain SIMD: it runs on every browser, and relaxed SIMD may round differently from phone to
// phone.

import {arrayOf, shapeOf, sizeOf} from "./tensors.js";

const GLUE = new URL("./litert/litert_wasm_compat_internal.js", import.meta.url);
// litert::ElementType
const ELEMENT_TYPES = {float32: 1, int32: 2, uint8: 3, int8: 9};

export async function open(bytes, description) {
  const wasm = await litert();
  const environment = wasm.LiteRtEnvironment.create(null);
  const place = wasm._malloc(bytes.byteLength);
  wasm.HEAPU8.set(bytes, place);
  const model = wasm.loadModel(environment, place, bytes.byteLength);
  const options = {environment, accelerator: "wasm", cpuOptions: {numThreads: 1}, gpuOptions: {}, webNNOptions: {}};
  const compiled = await wasm.compileModel(environment, model, options);
  const input = makeBuffer(wasm, environment, description.input);

  async function run(values) {
    write(wasm, input, values);
    const outputs = await compiled.run(0, [input]);
    const result = read(wasm, outputs[0], description.output);
    for (const output of outputs) output.delete();
    return result;
  }

  function close() {
    for (const thing of [input, compiled, model, environment]) thing.delete();
    wasm._free(place);
  }

  return {run, close};
}

let loading;

/** The WebAssembly module, loaded once. Its glue is a classic script, which a page can only load with a tag. */
function litert() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = GLUE.href;
    script.onload = () => resolve(globalThis.ModuleFactory({print: () => {}, printErr: () => {}}));
    script.onerror = () => reject(new Error(`${GLUE.pathname} cannot be loaded.`));
    document.head.append(script);
  });
  return loading;
}

function makeBuffer(wasm, environment, tensor) {
  const dimensions = new wasm.VectorInt32();
  for (const size of shapeOf(tensor)) dimensions.push_back(size);
  const layout = wasm.LiteRtLayout.create(dimensions);
  const type = wasm.LiteRtRankedTensorType.create({value: ELEMENT_TYPES[tensor.dtype]}, layout);
  const memory = wasm.LiteRtTensorBufferType.HOST_MEMORY;
  const buffer = wasm.LiteRtTensorBuffer.createManaged(environment, memory, type, type.bytes());
  for (const thing of [type, layout, dimensions]) thing.delete();
  return buffer;
}

function write(wasm, buffer, values) {
  const place = buffer.lock(wasm.LiteRtTensorBufferLockMode.WRITE);
  wasm.HEAPU8.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), place);
  buffer.unlock();
}

function read(wasm, buffer, tensor) {
  const Values = arrayOf(tensor.dtype);
  const place = buffer.lock(wasm.LiteRtTensorBufferLockMode.READ);
  const bytes = wasm.HEAPU8.slice(place, place + sizeOf(tensor) * Values.BYTES_PER_ELEMENT);
  buffer.unlock();
  return new Values(bytes.buffer);
}
