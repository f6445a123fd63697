// From a picture to the bytes of the student's input.
//
// Everything agrees with what EdgeKit's Python does to the same pixels.

import {toDigit} from "./digit.js";
import {roundHalfEven} from "./numbers.js";
import {toColour, toGrey} from "./picture.js";
import {resize} from "./resize.js";
import {arrayOf} from "./tensors.js";

const LIMITS = {int8: [-128, 127], uint8: [0, 255], int32: [-(2 ** 31), 2 ** 31 - 1]};

/** Any picture to the image that a model of this contract was trained on. */
export function prepare(image, contract) {
  return toPhoto(contract.domain === "digit" ? toDigit(image) : image, contract);
}

/** The largest centred rectangle of the wanted aspect ratio, resized; colour becomes luma, grey is repeated. */
export function toPhoto(image, {width, height, channels}) {
  if (image.width === width && image.height === height && image.channels === channels) return image;
  const picture = channels === 1 ? toGrey(image) : toColour(image);
  const scale = Math.min(picture.width / width, picture.height / height);
  const cutWidth = Math.min(scale * width, picture.width);
  const cutHeight = Math.min(scale * height, picture.height);
  const left = (picture.width - cutWidth) / 2;
  const top = (picture.height - cutHeight) / 2;
  return resize(picture, width, height, [left, top, left + cutWidth, top + cutHeight]);
}

/** A function from an image to the model's input tensor: one table lookup for each pixel. */
export function encoder({contract, input}) {
  const {channels} = contract;
  const tables = Array.from({length: channels}, (_, channel) => table(contract, input, channel));
  const area = contract.width * contract.height;
  return (image) => {
    const values = new (arrayOf(input.dtype))(area * channels);
    for (let i = 0; i < area; i++) {
      for (let c = 0; c < channels; c++) {
        const at = input.layout === "NCHW" ? c * area + i : i * channels + c;
        values[at] = tables[c][image.data[i * channels + c]];
      }
    }
    return values;
  };
}

/** What each of the 256 pixel values becomes, in 32-bit floating point as in Python. */
function table({mean, std}, input, channel) {
  const center = Math.fround(mean[channel % mean.length]);
  const spread = Math.fround(std[channel % std.length]);
  return Array.from({length: 256}, (_, pixel) => {
    const scaled = Math.fround(pixel / 255);
    return quantize(Math.fround(Math.fround(scaled - center) / spread), input);
  });
}

/** A real value to a tensor's type: rounded half to even, saturated. */
export function quantize(real, {dtype, scale, zero_point: zeroPoint}) {
  if (scale === null) return real;
  const [lowest, highest] = LIMITS[dtype];
  const steps = roundHalfEven(Math.fround(real / Math.fround(scale))) + zeroPoint;
  return Math.min(highest, Math.max(lowest, steps));
}
