"""Float models with small weights: constants stored in 8 or 16 bits, and a DEQUANTIZE in front of what reads them.

The model computes in float32. LiteRT and tflite-runtime unpack such constants once, when they open the file, and give
the operators behind them to XNNPACK as they do float ones. TFLite Micro does not: it has no DEQUANTIZE of float16, and
reads only the first of an int8 constant's scales.
"""

from __future__ import annotations

from dataclasses import replace

from edgekit.conversion.weights_only import FLOAT16, FLOAT32, INT8, on_grid, small_form
from edgekit.operators.lowered import ModelRecord, OperatorRecord, Options, TensorRecord
from edgekit.operators.operator import WEIGHTS

CHANNEL_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
"""Operators with weights, at input 1, and the axis of their output channels in TFLite's order."""
VERSIONS = {FLOAT16: 3, INT8: 5}
"""Of DEQUANTIZE, for float16 and for scales per channel."""


def with_stored_weights(model: ModelRecord, stored: str) -> ModelRecord:
    """A model with its weights ``stored`` as ``stored_weights`` says; float32 leaves a float model as it is.

    int8 are the weights of convolutions and fully-connected layers, with one scale per output channel; float16 all
    large constants. Operators that compute in float among others in integers have theirs in int8 if nothing is lost.
    """
    if stored == FLOAT32 and all(tensor.quant is None for tensor in model.tensors):
        return model
    axes = {item.inputs[WEIGHTS]: CHANNEL_AXES[item.code] for item in model.operators if item.code in CHANNEL_AXES}
    tensors, operators = list(model.tensors), []
    for index in range(len(model.tensors)) if stored == FLOAT16 else axes:
        tensor, axis = tensors[index], axes.get(index, 0)
        if tensor.data is None:
            continue
        found = on_grid(tensor.data, axis) if stored == FLOAT32 else small_form(tensor.data, stored, axis)
        if found is None:
            continue
        value, quantization = found
        tensors[index] = replace(tensor, data=None)
        tensors.append(TensorRecord(tensor.shape, value.dtype.name, value, quantization))
        place, options = len(tensors) - 1, Options("DequantizeOptions")
        operators.append(OperatorRecord("DEQUANTIZE", (place,), (index,), options, VERSIONS[value.dtype.name]))
    return replace(model, tensors=tensors, operators=operators + list(model.operators))
