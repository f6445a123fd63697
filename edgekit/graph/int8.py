"""The LiteRT 8-bit quantization specification as pure functions and records.

Specification: https://ai.google.dev/edge/litert/models/quantization_spec

``real = scale * (stored - zero_point)``. Activations are int8, asymmetric, per tensor. Filters of convolutions are
int8, symmetric (zero point 0) in [-127, 127], one scale per output channel; fully-connected weights have one scale for
the tensor, since per-channel ones are newer than the runtimes on many devices. Biases are int32 with the scale
``input scale * weight scale``. Scales are float32 everywhere, as the files store them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ModelError, UsageError

Reals = NDArray[np.float32]

INT8_MIN, INT8_MAX = -128, 127
INT16_MIN, INT16_MAX = -32768, 32767
WEIGHT_BITS = 8
SMALLEST_SCALE = 2.0**-40
"""Below it, products of scales leave float32's normal range."""

FAINTEST_CHANNEL = 2.0**-16
"""A channel whose largest weight is a smaller share than this of the tensor's largest is quantized as if it had it:
its own weights are invisible in the output, and a tinier scale would leave the range of a runtime's multipliers."""

BIAS_LIMIT = 2**28
"""Largest magnitude of a stored bias; the rest of int32 is left to the accumulated products."""


@dataclass(frozen=True)
class Affine:
    """The scale and zero point of an activation tensor of 8 bits, or of 16: these are symmetric, with zero point 0."""

    scale: float
    zero_point: int
    bits: int = 8

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise UsageError(f"A quantization scale must be positive and finite, not {self.scale}.")
        if self.bits not in (8, 16) or (self.bits == 16 and self.zero_point != 0):
            raise UsageError("Activations have 8 bits, or 16 bits and the zero point 0.")
        if not INT8_MIN <= self.zero_point <= INT8_MAX:
            raise UsageError(f"An int8 zero point must be in [{INT8_MIN}, {INT8_MAX}], not {self.zero_point}.")

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value that can be stored."""
        return (INT8_MIN, INT8_MAX) if self.bits == 8 else (INT16_MIN, INT16_MAX)

    @property
    def low(self) -> float:
        """The smallest real value that can be stored."""
        return self.scale * (self.limits[0] - self.zero_point)

    @property
    def high(self) -> float:
        """The largest real value that can be stored."""
        return self.scale * (self.limits[1] - self.zero_point)


PIXELS = Affine(float(np.float32(1 / 255)), INT8_MIN)
"""Raw pixels, real values in [0, 1]: the stored value is ``byte - 128``, exactly."""


@dataclass(frozen=True)
class OperatorRule:
    """What the specification asks of one ONNX operator.

    ``weight``: input 1 holds constant weights and input 2 the bias. ``channel_axis``: the weights' output channels,
    None for one scale per tensor. ``constants``: a constant input is stored like an activation. ``ties``: inputs and
    output share one scale and zero point. ``output``: fixed ones.
    """

    weight: bool = False
    channel_axis: int | None = None
    constants: bool = False
    ties: bool = False
    output: Affine | None = None


_PLAIN, _TIED = OperatorRule(), OperatorRule(ties=True)
_ARITHMETIC, _JOINING = OperatorRule(constants=True), OperatorRule(constants=True, ties=True)

OPERATORS: Mapping[str, OperatorRule] = {
    "Conv": OperatorRule(weight=True, channel_axis=0),
    "ConvTranspose": OperatorRule(weight=True, channel_axis=1),
    "Gemm": OperatorRule(weight=True),
    **dict.fromkeys(("Softmax", "Sigmoid", "HardSigmoid"), OperatorRule(output=Affine(1 / 256, INT8_MIN))),
    "LogSoftmax": OperatorRule(output=Affine(16 / 256, INT8_MAX)),
    "Tanh": OperatorRule(output=Affine(1 / 128, 0)),
    **dict.fromkeys(("Add", "Sub", "Mul", "MatMul", "PRelu"), _ARITHMETIC),
    **dict.fromkeys(("Relu", "Clip", "LeakyRelu", "Elu", "HardSwish", "Gelu", "Abs"), _PLAIN),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "GlobalAveragePool"), _PLAIN),
    **dict.fromkeys(("Max", "Min", "Concat"), _JOINING),
    **dict.fromkeys(("MaxPool", "AveragePool", "ReduceMax", "ReduceMin", "Pad"), _TIED),
    **dict.fromkeys(("Resize", "DepthToSpace", "SpaceToDepth", "Split", "Slice", "Gather"), _TIED),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"), _TIED),
}
"""An operator that is not here has no int8 form in every runtime and stays in float."""

FUSED_ACTIVATIONS = ("Relu", "Clip")
FUSING = ("Conv", "Gemm", "Add", "Sub", "Mul")
"""A runtime computes an activation function inside the operator before it, so no rounding happens in between."""


def activation_affine(low: float, high: float) -> Affine:
    """The int8 scale and zero point for real values in [low, high], widened so that zero is stored exactly.

    Raises:
        ModelError: the range is not finite or is empty.
    """
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise ModelError(f"An activation range of [{low}, {high}] cannot be quantized; the model computes no numbers.")
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return Affine(1 / 128, 0)
    scale = float(np.float32(max((high - low) / (INT8_MAX - INT8_MIN), SMALLEST_SCALE)))
    zero_point = round(INT8_MIN - low / scale)
    return Affine(scale, min(max(zero_point, INT8_MIN), INT8_MAX))


def wide_affine(low: float, high: float) -> Affine:
    """The int16 scale for real values in [low, high]: symmetric, as 16x8 operators ask.

    Raises:
        ModelError: the range is not finite or is empty.
    """
    narrow = activation_affine(low, high)
    return Affine(float(np.float32(max(-narrow.low, narrow.high, INT16_MAX * SMALLEST_SCALE) / INT16_MAX)), 0, bits=16)


def quantize(real: NDArray[Any], affine: Affine) -> NDArray[Any]:
    """Real values to int8 (or int16): divided by the scale in float32, rounded half to even, saturated."""
    steps = np.rint(real.astype(np.float32) / np.float32(affine.scale)) + affine.zero_point
    saturated: NDArray[Any] = np.clip(steps, *affine.limits).astype(np.int8 if affine.bits == 8 else np.int16)
    return saturated


def dequantize(stored: NDArray[Any], affine: Affine) -> Reals:
    """Stored values to real float32 ones."""
    return (stored.astype(np.float32) - np.float32(affine.zero_point)) * np.float32(affine.scale)


def weight_max(bits: int) -> int:
    """The largest magnitude of a stored weight of so many bits: 127 for 8.

    Raises:
        UsageError: not 2 to 8 bits.
    """
    if not 2 <= bits <= WEIGHT_BITS:
        raise UsageError(f"Stored weights have 2 to 8 bits, not {bits}.")
    return (1 << (bits - 1)) - 1


def weight_scales(weights: Reals, channel_axis: int | None, bits: int = WEIGHT_BITS) -> Reals:
    """Symmetric scales of a weight tensor, float32 [channels], or [1] for one scale per tensor."""
    if not np.isfinite(weights).all():
        raise ModelError("A weight tensor holds values that are not finite; it cannot be quantized.")
    kept = tuple(axis for axis in range(weights.ndim) if axis != channel_axis)
    largest = np.abs(weights).max(axis=kept if channel_axis is not None else None, initial=0.0).reshape(-1)
    overall = float(largest.max(initial=0.0)) or 1.0
    scales = np.maximum(largest.astype(np.float64), overall * FAINTEST_CHANNEL) / weight_max(bits)
    stored: Reals = np.maximum(scales, SMALLEST_SCALE).astype(np.float32)
    return stored


def scales_for_bias(scales: Reals, bias: Reals, input_scale: float) -> Reals:
    """The weight scales, raised where the bias of a channel would otherwise not fit into BIAS_LIMIT steps."""
    needed = np.abs(bias.astype(np.float64)).reshape(-1) / (input_scale * BIAS_LIMIT)
    raised: Reals = np.maximum(scales, needed if scales.size > 1 else needed.max(initial=0.0)).astype(np.float32)
    return raised


def quantize_weights(
    weights: Reals, scales: Reals, channel_axis: int | None, bits: int = WEIGHT_BITS
) -> NDArray[np.int8]:
    """Weights to int8 in [-127, 127], or fewer bits, with zero point 0."""
    steps = np.rint(weights / along(scales, channel_axis, weights.ndim))
    saturated: NDArray[np.int8] = np.clip(steps, -weight_max(bits), weight_max(bits)).astype(np.int8)
    return saturated


def dequantize_weights(stored: NDArray[np.int8], scales: Reals, channel_axis: int | None) -> Reals:
    """int8 weights to real float32 values."""
    return stored.astype(np.float32) * along(scales, channel_axis, stored.ndim)


def quantize_bias(bias: Reals, scales: Reals) -> NDArray[np.int32]:
    """A bias to int32 with ``scales = input scale * weight scales``, float32 [channels] or [1]."""
    steps = np.rint(bias.astype(np.float64) / scales.astype(np.float64))
    return np.clip(steps, -(2**31) + 1, 2**31 - 1).astype(np.int32)


def along(scales: Reals, channel_axis: int | None, rank: int) -> Reals:
    """Scales shaped to broadcast along the channel axis."""
    if channel_axis is None:
        return scales.reshape((1,) * rank)
    return scales.reshape(tuple(-1 if axis == channel_axis else 1 for axis in range(rank)))
