"""TrivialAugment (Müller and Hutter 2021): one random operation of random strength, and nothing to tune."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

if TYPE_CHECKING:
    from edgekit.data.dataset import Images

OPERATIONS = (
    "rotate",
    "shear_x",
    "shear_y",
    "move_x",
    "move_y",
    "Brightness",
    "Color",
    "Contrast",
    "Sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)


def trivially_changed(picture: Images, number: int) -> Images:
    """One picture uint8 [H, W, C] after the operation that ``number`` draws; 0 leaves it alone.

    The strengths are those of the paper's wide set, but moves and rotations are limited to a quarter of the side and to
    60 degrees, because what is pushed out of a small picture is gone.
    """
    if number == 0:
        return picture
    rng = np.random.default_rng(number)
    operation, strength = OPERATIONS[rng.integers(len(OPERATIONS))], rng.uniform(-1, 1)
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    return np.asarray(_changed(image, operation, strength), np.uint8).reshape(picture.shape)


def _changed(image: Image.Image, operation: str, strength: float) -> Image.Image:
    """``strength`` in [-1, 1]."""
    affine = {
        "shear_x": (1, strength, -strength * image.height / 2, 0, 1, 0),
        "shear_y": (1, 0, 0, strength, 1, -strength * image.width / 2),
        "move_x": (1, 0, strength * image.width / 4, 0, 1, 0),
        "move_y": (1, 0, 0, 0, 1, strength * image.height / 4),
    }
    if operation in affine:
        bilinear = Image.Resampling.BILINEAR
        return image.transform(image.size, Image.Transform.AFFINE, affine[operation], resample=bilinear)
    match operation:
        case "rotate":
            return image.rotate(60 * strength, resample=Image.Resampling.BILINEAR)
        case "posterize":
            return ImageOps.posterize(image, 8 - round(6 * abs(strength)))
        case "solarize":
            return ImageOps.solarize(image, 255 - round(255 * abs(strength)))
        case "autocontrast":
            return ImageOps.autocontrast(image)
        case "equalize":
            return ImageOps.equalize(image)
    enhance: ImageEnhance._Enhance = getattr(ImageEnhance, operation)(image)
    return enhance.enhance(1 + 0.95 * strength)
