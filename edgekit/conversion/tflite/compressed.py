"""Float models with small weights: constants stored in 8 or 16 bits, and a DEQUANTIZE in front of what reads them.

The model computes in float32. LiteRT and tflite-runtime unpack such constants once, when they open the file, and give
the operators behind them to XNNPACK as they do float ones. TFLite Micro does not: it has no DEQUANTIZE of float16, and
reads only the first of an int8 constant's scales.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgekit.conversion.weights_only import SMALLEST, WEIGHTS, channel_quantization
from edgekit.operators.lowered import ModelRecord, OperatorRecord, Options, TensorRecord
from edgekit.scales import INT8_MAX

CHANNEL_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
"""Operators with weights, at input 1, and the axis of their output channels in TFLite's order."""
VERSION_OF_FLOAT16, VERSION_OF_CHANNELS = 3, 5
"""Versions of DEQUANTIZE."""


def with_stored_weights(model: ModelRecord, stored: str) -> ModelRecord:
    """A float model with its weights stored as ``int8`` or ``float16``; any other type leaves it as it is."""
    if stored == "int8":
        return with_int8_weights(model)
    return with_float16_weights(model) if stored == "float16" else model


def with_int8_weights(model: ModelRecord) -> ModelRecord:
    """Weights of convolutions and fully-connected layers in int8, symmetric, with one scale per output channel."""
    axes = {item.inputs[WEIGHTS]: CHANNEL_AXES[item.code] for item in model.operators if item.code in CHANNEL_AXES}
    packed: dict[int, TensorRecord] = {}
    for index, axis in axes.items():
        data = model.tensors[index].data
        if data is None or data.dtype != np.float32 or data.size < SMALLEST:
            continue
        quant = channel_quantization(data, axis)
        packed[index] = TensorRecord(data.shape, "int8", quant.quantize(data, INT8_MAX), quant)
    return _unpacked_first(model, packed, VERSION_OF_CHANNELS)


def with_float16_weights(model: ModelRecord) -> ModelRecord:
    """All large float constants in half precision, except those with values beyond its range."""
    packed = {}
    for index, tensor in enumerate(model.tensors):
        data = tensor.data
        if data is None or data.dtype != np.float32 or data.size < SMALLEST:
            continue
        if np.abs(data).max() <= np.finfo(np.float16).max:
            packed[index] = TensorRecord(tensor.shape, "float16", data.astype(np.float16))
    return _unpacked_first(model, packed, VERSION_OF_FLOAT16)


def _unpacked_first(model: ModelRecord, packed: dict[int, TensorRecord], version: int) -> ModelRecord:
    """The model with the packed constants appended, and the tensors that they replace computed from them."""
    tensors, operators = list(model.tensors), []
    for index, constant in packed.items():
        tensors[index] = replace(tensors[index], data=None)
        tensors.append(constant)
        options = Options("DequantizeOptions")
        operators.append(OperatorRecord("DEQUANTIZE", (len(tensors) - 1,), (index,), options, version))
    return replace(model, tensors=tensors, operators=operators + list(model.operators))
