"""How real numbers are stored as integers: the record of a scale and zero point, and the LiteRT 8-bit specification.

Specification: https://ai.google.dev/edge/litert/models/quantization_spec

``real = scale * (stored - zero_point)``. Activations are int8, asymmetric, per tensor. Filters of convolutions are
int8, symmetric (zero point 0) in [-127, 127], one scale per output channel; fully-connected weights have one scale for
the tensor, since per-channel ones are newer than the runtimes on many devices. Biases are int32 with the scale
``input scale * weight scale``. Scales are float32 everywhere, as the files store them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ModelError, UsageError
from edgekit.inputs import tensors

Array = NDArray[Any]
Reals = NDArray[np.float32]

INT8_MIN, INT8_MAX = -128, 127
WEIGHT_BITS = 8
SMALLEST_SCALE = 2.0**-40
"""Below it, products of scales leave float32's normal range."""

FAINTEST_CHANNEL = 2.0**-16
"""A channel whose largest weight is a smaller share than this of the tensor's largest is quantized as if it had it:
its own weights are invisible in the output, and a tinier scale would leave the range of a runtime's multipliers."""

BIAS_LIMIT = 2**28
"""Largest magnitude of a stored bias; the rest of int32 is left to the accumulated products."""


@dataclass(frozen=True)
class Quantization:
    """How a tensor is stored: ``real = scale * (stored - zero_point)``, for all of it or each index along ``axis``.

    Attributes:
        scales: float32 numbers, one or as many as the axis is long.
        zero_points: one for each scale.
        axis: None where one scale serves the whole tensor.
        dtype: NumPy's name of the stored type.

    Raises:
        ModelError: numbers that no file may hold.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None
    dtype: str = "int8"

    def __post_init__(self) -> None:
        if len(self.scales) != len(self.zero_points) or not self.scales:
            raise ModelError("A quantized tensor has one zero point for each of its scales.")
        if not all(math.isfinite(scale) and scale > 0 for scale in self.scales):
            raise ModelError("A quantization scale must be positive and finite; quantize the float model again.")
        low, high = self.limits if self.dtype in ("int8", "uint8") else (-math.inf, math.inf)
        if not low <= min(self.zero_points) <= max(self.zero_points) <= high:
            raise ModelError(f"A zero point of {self.dtype} must be in [{low}, {high}].")

    @classmethod
    def per_tensor(cls, scale: float, zero_point: int = 0, dtype: str = "int8") -> Quantization:
        """One scale, rounded to float32, and one zero point."""
        return cls((float(np.float32(scale)),), (int(zero_point),), None, dtype)

    @classmethod
    def symmetric(cls, scales: Array, axis: int | None, dtype: str = "int8") -> Quantization:
        """Scales [channels] along an axis, or [1], with the zero point 0."""
        return cls(tuple(scales.astype(np.float32).tolist()), (0,) * len(scales), axis, dtype)

    @property
    def scale(self) -> float:
        """The scale of a tensor that has only one."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor that has only one."""
        return self.zero_points[0]

    @property
    def bits(self) -> int:
        """The size of a stored value."""
        return 8 * np.dtype(self.dtype).itemsize

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value that can be stored."""
        limits = np.iinfo(self.dtype)
        return int(limits.min), int(limits.max)

    @property
    def low(self) -> float:
        """The smallest real value that can be stored."""
        return self.scale * (self.limits[0] - self.zero_point)

    @property
    def high(self) -> float:
        """The largest real value that can be stored."""
        return self.scale * (self.limits[1] - self.zero_point)

    def scaled(self, factor: float) -> Quantization:
        """The same stored values for real ones that are ``factor`` times as large."""
        scales = np.asarray(self.scales, np.float64) * factor
        return replace(self, scales=tuple(scales.astype(np.float32).tolist()))

    def along(self, rank: int) -> tuple[Reals, NDArray[np.int64]]:
        """Scales and zero points, shaped to broadcast with a tensor of so many axes."""
        shape = [-1 if axis == self.axis else 1 for axis in range(rank)]
        return np.asarray(self.scales, np.float32).reshape(shape), np.asarray(self.zero_points, np.int64).reshape(shape)

    def quantize(self, real: Array, limit: int | None = None) -> Array:
        """Real values as they are stored: rounded half to even, saturated, at ±``limit`` if that is given."""
        scales, zeros = self.along(np.ndim(real))
        return tensors.quantize(real, self.dtype, scales, zeros, None if limit is None else (-limit, limit))

    def dequantize(self, stored: Array) -> Reals:
        """Stored values as real float32 ones."""
        return tensors.dequantize(stored, *self.along(np.ndim(stored)))


PIXELS = Quantization.per_tensor(1 / 255, INT8_MIN)
"""Raw pixels, real values in [0, 1]: the stored value is ``byte - 128``, exactly."""


def range_quantization(low: float, high: float) -> Quantization:
    """The int8 scale and zero point for real values in [low, high], widened so that zero is stored exactly.

    Raises:
        ModelError: the range is not finite or is empty.
    """
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise ModelError(f"An activation range of [{low}, {high}] cannot be quantized; the model computes no numbers.")
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return Quantization.per_tensor(1 / 128)
    scale = float(np.float32(max((high - low) / (INT8_MAX - INT8_MIN), SMALLEST_SCALE)))
    zero_point = round(INT8_MIN - low / scale)
    return Quantization.per_tensor(scale, min(max(zero_point, INT8_MIN), INT8_MAX))


def weight_max(bits: int) -> int:
    """The largest magnitude of a stored weight of so many bits: 127 for 8.

    Raises:
        UsageError: not 2 to 8 bits.
    """
    if not 2 <= bits <= WEIGHT_BITS:
        raise UsageError(f"Stored weights have 2 to 8 bits, not {bits}.")
    return (1 << (bits - 1)) - 1


def weight_quantization(weights: Reals, channel_axis: int | None, bits: int = WEIGHT_BITS) -> Quantization:
    """Symmetric scales of a weight tensor: one per index along an axis, or one per tensor.

    Raises:
        ModelError: a weight is not a finite number.
    """
    if not np.isfinite(weights).all():
        raise ModelError("A weight tensor holds values that are not finite; it cannot be quantized.")
    kept = tuple(axis for axis in range(weights.ndim) if axis != channel_axis)
    largest = np.abs(weights).max(axis=kept if channel_axis is not None else None, initial=0.0).reshape(-1)
    overall = float(largest.max(initial=0.0)) or 1.0
    scales = np.maximum(largest.astype(np.float64), overall * FAINTEST_CHANNEL) / weight_max(bits)
    return Quantization.symmetric(np.maximum(scales, SMALLEST_SCALE), channel_axis)


def raised_for_bias(weights: Quantization, bias: Reals, source: Quantization) -> Quantization:
    """The weights' scales, raised where a channel's bias would not fit into BIAS_LIMIT steps with the input's scale."""
    needed = np.abs(bias.astype(np.float64)).reshape(-1) / (source.scale * BIAS_LIMIT)
    one_for_all = len(weights.scales) == 1
    raised = np.maximum(np.asarray(weights.scales, np.float32), needed.max(initial=0.0) if one_for_all else needed)
    return Quantization.symmetric(raised, weights.axis)


def bias_quantization(weights: Quantization, source: Quantization) -> Quantization:
    """How a bias is stored: int32 in steps of the input's scale times the weights'."""
    axis = None if weights.axis is None else 0
    return Quantization.symmetric(np.asarray(weights.scaled(source.scale).scales), axis, "int32")
