"""Any photo: cut to the model's aspect ratio around its centre and resized."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..decode import Pixels
from ..error import InputError


def fit(image: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """Fit a photo uint8 [h, w, c] to ``shape`` (H, W, C).

    The largest centred rectangle of the wanted aspect ratio is cut out and resized with an antialiased bilinear
    filter, so nothing is stretched: torchvision's ``Resize`` and ``CenterCrop`` without a margin. Colour becomes
    grey as ITU-R 601 luma, grey becomes colour by repetition.

    Raises:
        InputError: ``shape`` has neither one channel nor three.
    """
    height, width, channels = shape
    if image.shape == shape:
        return image
    if channels not in (1, 3):
        raise InputError(
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
