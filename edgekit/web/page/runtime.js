// The one door between the page and whatever executes the student.
//
//   const session = await load(url, description)   description: what model.json says of the file
//   const output = await session.run(input)        typed arrays of the types that the description names
//   session.close()
//
// A runtime is a module runtime-NAME.js that exports open(bytes, description) and returns such a session. Only the one
// that the bundle was built with is in it.

const ARRAYS = {float32: Float32Array, int8: Int8Array, uint8: Uint8Array, int32: Int32Array};

/** The typed array class that holds a tensor of a dtype. */
export function arrayOf(dtype) {
  const found = ARRAYS[dtype];
  if (!found) throw new Error(`A page has no tensors of ${dtype}; deploy a float32, int8 or uint8 model.`);
  return found;
}

/** Number of values in a tensor; a dimension that the file leaves open is a batch of one. */
export function sizeOf(tensor) {
  return shapeOf(tensor).reduce((size, dimension) => size * dimension, 1);
}

/** The shape that is really used. */
export function shapeOf(tensor) {
  return tensor.shape.map((dimension) => (dimension < 1 ? 1 : dimension));
}

/** Fetch a model file and open it in the runtime that its description names. */
export async function load(url, description) {
  const [runtime, bytes] = await Promise.all([import(`./runtime-${description.runtime}.js`), fetchBytes(url)]);
  return runtime.open(bytes, description);
}

async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be fetched: ${response.status} ${response.statusText}.`);
  return new Uint8Array(await response.arrayBuffer());
}
