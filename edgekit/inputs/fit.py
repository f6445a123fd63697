"""Pixels of any size to the size and channels that a model takes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .decode import Pixels
from .digit import DIGIT_SIZE, to_digit
from .error import PictureError

Shape = tuple[int, int, int]


def fit(image: Pixels, shape: Shape, domain: str) -> Pixels:
    """A picture uint8 [h, w, c] to the uint8 [H, W, C] that a model was trained on.

    ``domain`` is ``photo``, or ``digit`` for MNIST's form.

    Raises:
        PictureError: it shows no digit where the domain is digits, or ``shape`` is of no picture.
    """
    if domain == "photo":
        return to_photo(image, shape)
    digit = to_digit(image)
    return digit if shape == (DIGIT_SIZE, DIGIT_SIZE, 1) else to_photo(digit, shape)


def to_photo(image: Pixels, shape: Shape) -> Pixels:
    """Fit a photo uint8 [h, w, c] to ``shape`` (H, W, C).

    The largest centred rectangle of the wanted aspect ratio is cut out and resized with an antialiased bilinear
    filter, so nothing is stretched: torchvision's ``Resize`` and ``CenterCrop`` without a margin. Colour becomes
    grey as ITU-R 601 luma, grey becomes colour by repetition.

    Raises:
        PictureError: ``shape`` has neither one channel nor three.
    """
    height, width, channels = shape
    if image.shape == shape:
        return image
    if channels not in (1, 3):
        raise PictureError(
            f"A photo has 1 or 3 channels and {channels} are wanted; use a model of grey or colour images."
        )
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    picture = picture.convert("L" if channels == 1 else "RGB")
    scale = min(picture.width / width, picture.height / height)
    # Rounding must not make the rectangle larger than the picture: Pillow refuses that.
    cut_width, cut_height = min(scale * width, picture.width), min(scale * height, picture.height)
    left, top = (picture.width - cut_width) / 2, (picture.height - cut_height) / 2
    # One axis after the other: which one Pillow takes first depends on its version, and a grey level on that.
    box = (left, 0, left + cut_width, picture.height)
    across = picture.resize((width, picture.height), Image.Resampling.BILINEAR, box=box)
    resized = across.resize((width, height), Image.Resampling.BILINEAR, box=(0, top, width, top + cut_height))
    return np.array(resized, np.uint8).reshape(shape)
