// Pillow's antialiased bilinear resize, number for number: what a student saw when it was trained is what it sees here.
//
// Each output pixel is the triangle-weighted mean of the input pixels around it; the triangle grows with the reduction.
// The horizontal pass comes first and its result is rounded, as in Pillow.

// Bits behind the point of Pillow's integer weights for 8-bit pixels.
const PRECISION = 22;

/**
 * Resize an image {width, height, channels, data}, rows first, channels last: data is a Uint8Array (rounded to bytes
 * after each pass) or a Float32Array. box: [left, top, right, bottom] in input pixels, fractions allowed.
 */
export function resize(image, width, height, box = [0, 0, image.width, image.height]) {
  // Pillow holds the box in 32-bit floats.
  const [left, top, right, bottom] = box.map(Math.fround);
  const wide = width === image.width && left === 0 && right === image.width
    ? image
    : pass(image, weights(image.width, left, right, width, image.data), true);
  return height === image.height && top === 0 && bottom === image.height
    ? wide
    : pass(wide, weights(image.height, top, bottom, height, image.data), false);
}

/** For each of `size` output pixels: where its input pixels begin, and their weights. */
function weights(inputSize, from, to, size, data) {
  const scale = Math.fround(to - from) / size;
  const support = Math.max(scale, 1);
  const all = [];
  for (let i = 0; i < size; i++) {
    const center = from + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const last = Math.min(inputSize, Math.trunc(center + support + 0.5));
    const row = new Float64Array(last - first);
    let total = 0;
    for (let j = 0; j < row.length; j++) {
      row[j] = Math.max(0, 1 - Math.abs((j + first - center + 0.5) * (1 / support)));
      total += row[j];
    }
    for (let j = 0; j < row.length; j++) {
      if (total !== 0) row[j] /= total;
      if (data instanceof Uint8Array) row[j] = Math.trunc(0.5 + row[j] * (1 << PRECISION));
    }
    all.push({first, row});
  }
  return all;
}

/** One direction of the resize. */
function pass(image, all, horizontal) {
  const {channels, data} = image;
  const width = horizontal ? all.length : image.width;
  const height = horizontal ? image.height : all.length;
  const rounds = data instanceof Uint8Array;
  const result = new data.constructor(width * height * channels);
  const step = horizontal ? channels : image.width * channels;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const {first, row} = all[horizontal ? x : y];
      const start = horizontal ? (y * image.width + first) * channels : (first * image.width + x) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = rounds ? 1 << (PRECISION - 1) : 0;
        for (let j = 0, at = start + c; j < row.length; j++, at += step) sum += data[at] * row[j];
        result[(y * width + x) * channels + c] = rounds ? Math.min(255, sum >> PRECISION) : sum;
      }
    }
  }
  return {width, height, channels, data: result};
}
