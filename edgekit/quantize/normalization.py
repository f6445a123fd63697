"""The normalization of the input, ``(pixel / 255 - mean) / std``, put into the first layer's weights.

The file then takes bytes as the camera gives them, and its input is stored without any rounding. Zero padding stands
for one common level instead of each channel's mean, so at the border the results move a little where the means differ:
less, on most networks, than rounding a normalized input to 8 bits moves them everywhere. Both are measured.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgekit.artifact import InputContract
from edgekit.evaluate.statistics import signal_to_noise_db
from edgekit.quantize.calibrate import RealInputs, outputs_of
from edgekit.quantize.layers import WeightedLayer, weighted_layers
from edgekit.quantize.scheme import input_affine
from edgekit.quantize.spec import dequantize, quantize

if TYPE_CHECKING:
    from onnx import ModelProto


def raw_input(
    model: ModelProto, contract: InputContract, inputs: RealInputs
) -> tuple[ModelProto, InputContract] | None:
    """The model that takes raw pixels less a common level, and its contract.

    None where that is not closer to the float model than storing the normalized input in 8 bits, or where the first
    layer cannot take it up.
    """
    name = model.graph.input[0].name
    readers = [node for node in model.graph.node if name in node.input]
    layers = [layer for layer in weighted_layers(model) if layer.node.input[0] == name]
    if contract.is_raw_pixels or len(model.graph.input) > 1 or len(readers) != 1 or len(layers) != 1:
        return None
    if layers[0].node.op_type != "Conv" or layers[0].groups != 1:
        return None
    level = round(float(np.mean(contract.mean)) * 255) / 255
    raw = replace(contract, mean=(level,) * contract.channels, std=(1.0,) * contract.channels)
    folded = _folded(model, layers[0], contract, level)
    affine = input_affine(contract)
    exact = outputs_of(model, list(inputs))
    rounded = outputs_of(model, [dequantize(quantize(image, affine), affine) for image in inputs])
    moved = outputs_of(folded, list(RealInputs(inputs.split, inputs.indices, raw)))
    return (folded, raw) if signal_to_noise_db(exact, moved) > signal_to_noise_db(exact, rounded) else None


def _folded(model: ModelProto, layer: WeightedLayer, contract: InputContract, level: float) -> ModelProto:
    from onnx import ModelProto as Proto
    from onnx import numpy_helper

    mean, std = (
        np.broadcast_to(np.asarray(values, np.float64), contract.channels) for values in (contract.mean, contract.std)
    )
    shape = (1, -1, *[1] * (layer.weights.ndim - 2))
    weights = layer.weights.astype(np.float64) / std.reshape(shape)
    shift = (weights * (mean - level).reshape(shape)).sum(axis=tuple(range(1, weights.ndim)))
    bias = (np.zeros(layer.outputs) if layer.bias is None else layer.bias) - shift
    result = Proto()
    result.CopyFrom(model)
    node = result.graph.node[layer.position]
    del node.input[1:]
    node.input.extend([f"{layer.weight_name} for raw pixels", f"{layer.name} bias for raw pixels"])
    for name, value in zip(node.input[1:], (weights, bias), strict=True):
        result.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    return result
