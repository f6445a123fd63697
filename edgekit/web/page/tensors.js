// A tensor as the page has it: {dtype, shape}, its values in a typed array.

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
