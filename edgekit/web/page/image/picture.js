// Pictures: {width, height, channels, data}, rows first, channels last; data is a Uint8Array.

/** A canvas's ImageData as an image of three channels; it must have no transparent pixels. */
export function fromImageData({width, height, data}) {
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0, j = 0; i < data.length; i += 4) {
    pixels[j++] = data[i];
    pixels[j++] = data[i + 1];
    pixels[j++] = data[i + 2];
  }
  return {width, height, channels: 3, data: pixels};
}

/** ITU-R 601 luma in Pillow's integers. */
export function toGrey(image) {
  if (image.channels === 1) return image;
  const {width, height, data} = image;
  const grey = new Uint8Array(width * height);
  for (let i = 0, j = 0; i < grey.length; i++, j += 3) {
    grey[i] = (data[j] * 19595 + data[j + 1] * 38470 + data[j + 2] * 7471 + 0x8000) >> 16;
  }
  return {width, height, channels: 1, data: grey};
}

/** Grey repeated in three channels. */
export function toColour(image) {
  if (image.channels === 3) return image;
  const {width, height, data} = image;
  const colour = new Uint8Array(3 * data.length);
  for (let i = 0; i < data.length; i++) colour.fill(data[i], 3 * i, 3 * i + 3);
  return {width, height, channels: 3, data: colour};
}
