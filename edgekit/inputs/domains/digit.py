"""A picture of one digit on any paper to the form of MNIST's images.

MNIST's digits are light on black, scaled to fit 20×20 pixels with their aspect ratio kept, and placed in 28×28 so
that their centre of mass is in the middle (LeCun, Bottou, Bengio, Haffner 1998).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..error import InputError
from ..ink import EDGE, Grey, find_ink
from . import photo

DIGIT_SIZE = 28
INNER_SIZE = 20
WORKING_SIZE = 112
MIN_SIZE = 8
# A margin of which at most half is lighter than this grey level is black, also after a JPEG.
BLACK = 8


def fit(image: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The digit in a picture uint8 [H, W, C] in MNIST's form, resized if ``shape`` is not MNIST's 28x28x1.

    Raises:
        InputError: see ``to_digit``.
    """
    return photo.fit(to_digit(image), shape)


def to_digit(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Find the digit in a picture uint8 [H, W, C], dark on light or light on dark: uint8 [28, 28, 1] as in MNIST.

    A 28×28 image with a black margin is one already and comes back unchanged.

    Raises:
        InputError: nothing stands out of the background, or the picture is smaller than 8 pixels.
    """
    grey = _luma(image)
    if _is_mnist(grey):
        return grey.round().astype(np.uint8)[..., None]
    if min(grey.shape) < MIN_SIZE:
        raise InputError(f"a picture of {grey.shape[0]}x{grey.shape[1]} pixels is too small to show a digit.")
    # The first look finds the digit in the whole picture, the second sees it at the best resolution.
    grey = _around(grey, find_ink(_shrunk(grey)))
    ink = find_ink(_shrunk(grey))
    top, bottom, left, right = _box(ink)
    return _centred(_fitted(ink[top:bottom, left:right]))


def _luma(image: NDArray[np.uint8]) -> Grey:
    """ITU-R 601 luma, float32 [H, W] of 0 to 255."""
    if image.shape[2] == 1:
        return image[..., 0].astype(np.float32)
    return np.array(Image.fromarray(image).convert("L"), np.float32)


def _is_mnist(grey: Grey) -> bool:
    if grey.shape != (DIGIT_SIZE, DIGIT_SIZE):
        return False
    margin = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return bool(np.count_nonzero(margin > BLACK) <= margin.size // 2 and grey.max() > 127)


def _shrunk(grey: Grey) -> Grey:
    """At most WORKING_SIZE pixels a side, averaged: less noise and a bounded cost."""
    height, width = grey.shape
    scale = WORKING_SIZE / max(height, width)
    if scale >= 1:
        return grey
    return _resized(grey, max(1, round(height * scale)), max(1, round(width * scale)))


def _resized(grey: Grey, height: int, width: int) -> Grey:
    return np.array(Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR))


def _box(ink: Grey) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the strokes; bottom and right are exclusive."""
    rows, columns = np.nonzero(ink > EDGE)
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


def _around(grey: Grey, ink: Grey) -> Grey:
    """The part of a picture around the digit that was found in its shrunken copy, with some paper on each side."""
    scale = grey.shape[0] / ink.shape[0]
    top, bottom, left, right = _box(ink)
    margin = 0.3 * max(bottom - top, right - left) + 2
    rows = slice(max(0, round((top - margin) * scale)), round((bottom + margin) * scale))
    columns = slice(max(0, round((left - margin) * scale)), round((right + margin) * scale))
    return grey[rows, columns]


def _fitted(ink: Grey) -> Grey:
    """The strokes scaled so that the longer side has INNER_SIZE pixels and the darkest ink is full."""
    height, width = ink.shape
    scale = INNER_SIZE / max(height, width)
    small = _resized(ink, max(1, round(height * scale)), max(1, round(width * scale)))
    full = np.percentile(small[small > EDGE * small.max()], 75)
    result: Grey = np.clip(small / full, 0, 1)
    return result


def _centred(ink: Grey) -> NDArray[np.uint8]:
    """Strokes placed on black with their centre of mass in the middle: uint8 [28, 28, 1]."""
    height, width = ink.shape
    total = ink.sum()
    middle = DIGIT_SIZE / 2
    top = round(middle - float((ink.sum(1) * np.arange(height)).sum() / total))
    left = round(middle - float((ink.sum(0) * np.arange(width)).sum() / total))
    top = min(max(top, 0), DIGIT_SIZE - height)
    left = min(max(left, 0), DIGIT_SIZE - width)
    result = np.zeros((DIGIT_SIZE, DIGIT_SIZE, 1), np.uint8)
    result[top : top + height, left : left + width, 0] = np.rint(ink * 255)
    return result
