"""Float models with small weights: constants stored in 8 or 16 bits, and a DEQUANTIZE in front of what reads them.

The model computes in float32. LiteRT and tflite-runtime unpack such constants once, when they open the file, and give
the operators behind them to XNNPACK as they do float ones. TFLite Micro does not: it has no DEQUANTIZE of float16, and
reads only the first of an int8 constant's scales.
"""

from __future__ import annotations

from dataclasses import replace

from edgekit.conversion.weights_only import FLOAT16, FLOAT32, INT8, WEIGHTS, small_form
from edgekit.operators.lowered import ModelRecord, OperatorRecord, Options, TensorRecord

CHANNEL_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
"""Operators with weights, at input 1, and the axis of their output channels in TFLite's order."""
VERSIONS = {FLOAT16: 3, INT8: 5}
"""Of DEQUANTIZE, for float16 and for scales per channel."""


def with_stored_weights(model: ModelRecord, stored: str) -> ModelRecord:
    """A float model with its weights ``stored`` as ``stored_weights`` says; float32 leaves it as it is.

    int8 are the weights of convolutions and fully-connected layers, with one scale per output channel; float16 all
    large constants.
    """
    if stored == FLOAT32:
        return model
    axes = {item.inputs[WEIGHTS]: CHANNEL_AXES[item.code] for item in model.operators if item.code in CHANNEL_AXES}
    tensors, operators = list(model.tensors), []
    for index in axes if stored == INT8 else range(len(model.tensors)):
        tensor = tensors[index]
        found = None if tensor.data is None else small_form(tensor.data, stored, axes.get(index, 0))
        if found is None:
            continue
        value, quantization = found
        tensors[index] = replace(tensor, data=None)
        tensors.append(TensorRecord(tensor.shape, stored, value, quantization))
        place, options = len(tensors) - 1, Options("DequantizeOptions")
        operators.append(OperatorRecord("DEQUANTIZE", (place,), (index,), options, VERSIONS[stored]))
    return replace(model, tensors=tensors, operators=operators + list(model.operators))
