"""Pixels to the numbers that a model's input tensor takes, and the numbers of its output to probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SUM_TOLERANCE = 0.05


def real_pixels(images: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """uint8 [..., W, C] to float32 ``(pixel / 255 - mean) / std``, with one mean and std or one for each channel."""
    pixels = images.astype(np.float32, order="C")
    pixels /= np.float32(255)
    if set(mean) != {0.0} or set(std) != {1.0}:
        rows = pixels.reshape(*pixels.shape[:-2], -1)  # NumPy is slow where the last axis is as short as the channels
        rows -= np.resize(np.array(mean, np.float32), rows.shape[-1])
        rows /= np.resize(np.array(std, np.float32), rows.shape[-1])
    return pixels


def quantize(
    real: Array,
    dtype: str,
    scale: float | Array | None,
    zero_point: int | Array,
    limits: tuple[int, int] | None = None,
) -> Array:
    """Real values to a tensor's type: rounded half to even, saturated; a cast if ``scale`` is None.

    Scale and zero point are numbers, or arrays that broadcast with the values; ``limits`` are the type's own unless
    given. The division is made in float32, as runtimes do, and in float64 where the values are or the type is wide.
    """
    if scale is None:
        cast: Array = real.astype(dtype)
        return cast
    wide = real.dtype == np.float64 or np.dtype(dtype).itemsize > 2
    exact = real.astype(np.float64 if wide else np.float32)
    low, high = limits or (np.iinfo(dtype).min, np.iinfo(dtype).max)
    steps = np.rint(exact / np.asarray(scale, exact.dtype)) + np.asarray(zero_point, exact.dtype)
    stored: Array = np.clip(steps, low, high).astype(dtype)
    return stored


def dequantize(stored: Array, scale: float | Array | None, zero_point: int | Array) -> NDArray[np.float32]:
    """Stored values to real ones, ``scale * (q - zero_point)``; they are real already if ``scale`` is None."""
    if scale is None:
        return stored.astype(np.float32)
    real: NDArray[np.float32] = (stored.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
    return real


def in_layout(stored: Array, layout: str) -> Array:
    """[N, H, W, C] as a tensor of ``layout`` ``NHWC`` or ``NCHW`` lies in memory."""
    return np.ascontiguousarray(stored.transpose(0, 3, 1, 2)) if layout == "NCHW" else stored


def are_probabilities(scores: NDArray[Any]) -> bool:
    """Whether each row of scores [N, classes] is probabilities: of none below 0, with a sum of nearly 1."""
    return bool((scores >= 0).all() and (np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE).all())


def to_probabilities(scores: NDArray[np.float32], known: bool = False) -> NDArray[np.float64]:
    """Scores [N, classes] as probabilities: as they are if each row is one already, by softmax otherwise.

    With ``known`` they are known to be such, even where rounding many small ones to 0 has made their sum
    less than 1.
    """
    real = scores.astype(np.float64)
    if known:
        return np.asarray(real / np.maximum(real.sum(axis=1, keepdims=True), 1.0))
    if not are_probabilities(real):
        real = np.exp(real - real.max(axis=1, keepdims=True))
    return np.asarray(real / real.sum(axis=1, keepdims=True))
