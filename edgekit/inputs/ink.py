"""Ink on paper: which pixels of a picture belong to the strokes of a digit, and how much.

Uneven light is a smooth surface that is fitted to the picture; ink is what differs from it, in the direction in
which the picture differs most. Shadows are told from strokes by their breadth, dirt by its size, the table's edge
by touching the picture's rim.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .error import InputError

# Ink must stand out of the paper by this many grey levels, and by this many times the paper's noise.
MIN_CONTRAST = 12.0
MIN_CONTRAST_TO_NOISE = 3.0
# A stroke's edge, as a share of full ink.
EDGE = 0.25
# Spots with less ink than this share of the largest one are dirt.
SPOT = 0.1
# The digit is inside the picture if that much of all ink belongs to strokes that do not touch the rim.
INSIDE = 0.1
# A stroke is narrower than this share of the picture's longer side.
BROADEST_STROKE = 0.35

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]
# Rows and columns of pixels.
Places = tuple[NDArray[np.int64], NDArray[np.int64]]


def find_ink(grey: Grey) -> Grey:
    """How much ink is at each pixel of a picture [H, W] of 0 to 255: float32 from 0 to 1, and 0 outside the strokes.

    Raises:
        InputError: nothing stands out of the background.
    """
    difference = grey - _background(grey)
    dark, light = np.maximum(-difference, 0), np.maximum(difference, 0)
    ink = _without_shadows(dark if np.square(dark).sum() > np.square(light).sum() else light)
    strokes = ink > max(_otsu(ink), MIN_CONTRAST / 2)
    noise = _noise(grey)
    full = float(np.percentile(ink[strokes], 75)) if strokes.any() else 0.0
    if full < max(MIN_CONTRAST, MIN_CONTRAST_TO_NOISE * noise):
        raise InputError("no digit stands out of its background; take a sharper picture with more contrast.")
    low = min(2.5 * noise, EDGE * full)
    ink = np.clip((ink - low) / (full - low), 0, 1)
    return np.where(_strokes(ink), ink, np.float32(0))


def _background(grey: Grey) -> Grey:
    """The paper under uneven light: a quadratic surface fitted to the pixels that are not ink.

    The fit begins at the picture's rim, which is mostly paper, and goes on with all pixels close to the surface.
    """
    height, width = grey.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1).reshape(-1, 6)
    values = grey.reshape(-1)
    rim = np.maximum(np.abs(x), np.abs(y)).reshape(-1) > 0.85
    level = np.median(values[rim])
    surface = np.full_like(values, level)
    paper = rim & (np.abs(values - level) <= 3 * np.median(np.abs(values[rim] - level)) + 4)
    for _ in range(4):
        chosen = terms[paper]  # normal equations of six unknowns, which cost a tenth of the whole matrix
        coefficients = np.linalg.lstsq(chosen.T @ chosen, chosen.T @ values[paper], rcond=None)[0]
        surface = terms @ coefficients
        distance = np.abs(values - surface)
        spread = np.median(distance[paper])
        paper = distance <= 4 * spread + 4
    return surface.reshape(height, width).astype(np.float32)


def _noise(grey: Grey) -> float:
    """Standard deviation of the noise, from neighbours, which light and shadows hardly part."""
    return 1.4826 / math.sqrt(2) * float(np.median(np.abs(np.diff(grey.ravel()))))


def _without_shadows(ink: Grey) -> Grey:
    """Ink without what is broader than a stroke: a morphological opening finds that, and it is subtracted."""
    window = round(BROADEST_STROKE * max(ink.shape)) | 1
    narrowest = _sliding(np.min, ink, window)
    return ink - _sliding(np.max, narrowest, window)


def _sliding(reduce: Callable[..., Grey], grey: Grey, window: int) -> Grey:
    """A separable filter over a square window with an odd side."""
    for axis in (0, 1):
        margin = [(0, 0), (0, 0)]
        margin[axis] = (window // 2, window // 2)
        grey = reduce(sliding_window_view(np.pad(grey, margin, mode="edge"), window, axis=axis), axis=-1)
    return grey


def _otsu(values: Grey) -> float:
    """The threshold that parts values into the two most compact groups (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * centres)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1:-1][np.argmax(below * above * (mean_above - mean_below) ** 2)])


def _strokes(ink: Grey) -> Mask:
    """The connected strokes that are no spots, with their soft edges.

    What is cut off by the picture's rim is a table or a finger, unless nothing else is there.
    """
    groups = _groups(ink > EDGE)
    masses = np.array([ink[group].sum() for group in groups])
    inside = np.array([_is_inside(group, ink.shape) for group in groups])
    if masses[inside].sum() < INSIDE * masses.sum():
        inside[:] = True
    mask = np.zeros(ink.shape, bool)
    for index in np.flatnonzero(inside & (masses >= SPOT * masses[inside].max())):
        mask[groups[index]] = True
    return _grown(mask)


def _is_inside(group: Places, shape: tuple[int, ...]) -> bool:
    """True if a group of pixels does not touch the picture's rim."""
    return all(group[axis].min() > 0 and group[axis].max() < shape[axis] - 1 for axis in (0, 1))


def _grown(mask: Mask) -> Mask:
    """The mask and its eight neighbours on every side."""
    height, width = mask.shape
    padded = np.pad(mask, 1)
    grown = np.zeros_like(mask)
    for i in range(3):
        for j in range(3):
            grown |= padded[i : i + height, j : j + width]
    return grown


def _groups(mask: Mask) -> list[Places]:
    """The 8-connected groups of set pixels, each as its rows and columns."""
    waiting = set(map(tuple, np.argwhere(mask).tolist()))
    groups = []
    while waiting:
        group = [waiting.pop()]
        for row, column in group:
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & waiting
            waiting -= near
            group += near
        places = np.array(group)
        groups.append((places[:, 0], places[:, 1]))
    return groups
