"""The normalization of the input, ``(pixel / 255 - mean) / std``, put into the first layer's weights.

The file then takes bytes as the camera gives them, and its input is stored without any rounding: as pixels less one
level that all channels share, since a tensor has one zero point. Zero padding then stands for that level instead of
each channel's mean. Where that moves the results at the border too far, the image gets one more channel: a constant,
which the padding around it tells apart from zero, so that the layer's weights for it add what is missing there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.data.intake import Pictures
from edgekit.graph.draft import Draft
from edgekit.graph.messages import make_node, readers_of
from edgekit.inputs.contract import InputContract
from edgekit.quantization.calibrate import RealInputs, outputs_of
from edgekit.quantization.tensor_groups import input_affine
from edgekit.quantization.weighted_layers import WeightedLayer, weighted_layers
from edgekit.tasks.quality import signal_to_noise_db

if TYPE_CHECKING:
    from onnx import ModelProto

CLOSE_DB = 45.0
"""What moves the outputs less than this is a thirtieth of the noise of a good int8 network, or less."""


def raw_input(model: ModelProto, intake: Pictures, inputs: RealInputs) -> tuple[ModelProto, Pictures] | None:
    """The model that takes raw pixels less a common level, and its intake.

    None where storing the normalized input in 8 bits is as close to the float model, or where the first layer cannot
    take the normalization up.
    """
    contract, name = intake.contract, model.graph.input[0].name
    readers = readers_of(model.graph.node).get(name, ())
    layers = [layer for layer in weighted_layers(model) if layer.node.input[0] == name]
    if contract.is_raw_pixels or len(model.graph.input) > 1 or len(readers) != 1 or len(layers) != 1:
        return None
    if layers[0].node.op_type != "Conv" or layers[0].groups != 1:
        return None
    level = round(float(np.mean(contract.mean)) * 255) / 255
    raw = replace(intake, contract=replace(contract, mean=(level,) * contract.channels, std=(1.0,) * contract.channels))
    first = _Folded(layers[0], contract, level)
    exact = outputs_of(model, list(inputs))
    plain = first.without_channel(model)
    moved = signal_to_noise_db(exact, outputs_of(plain, list(RealInputs(inputs.split, inputs.indices, raw))))
    if moved >= CLOSE_DB:
        return plain, raw
    affine = input_affine(contract)
    rounded = outputs_of(model, [(affine.dequantize(affine.quantize(image)),) for (image,) in inputs])
    return None if signal_to_noise_db(exact, rounded) >= CLOSE_DB else (first.with_channel(model), raw)


class _Folded:
    """The first convolution for pixels less ``level``: weights, bias, and what each channel's mean is off the level."""

    def __init__(self, layer: WeightedLayer, contract: InputContract, level: float) -> None:
        shape = (1, -1, *[1] * (layer.weights.ndim - 2))
        mean, std = (
            np.broadcast_to(np.asarray(values, np.float64), contract.channels).reshape(shape)
            for values in (contract.mean, contract.std)
        )
        self.layer, self.level = layer, level
        self.weights = layer.weights.astype(np.float64) / std
        self.bias = np.zeros(layer.outputs) if layer.bias is None else layer.bias.astype(np.float64)
        self.shift = (self.weights * (mean - level)).sum(axis=1, keepdims=True)
        """[O, 1, ...]: what each position of the kernel adds too much, inside the image only."""

    def without_channel(self, model: ModelProto) -> ModelProto:
        """The shift taken off the bias, at the border too."""
        around = tuple(range(1, self.weights.ndim))
        return self._written(model, self.weights, self.bias - self.shift.sum(axis=around)).to_model()

    def with_channel(self, model: ModelProto) -> ModelProto:
        """The shift taken off by a channel that is one value inside the image, zero in the padding."""
        inside = 1 - self.level
        weights = np.concatenate([self.weights, -self.shift / inside], axis=1)
        draft = self._written(model, weights, self.bias)
        name, rank = self.layer.node.input[0], self.weights.ndim
        amounts = np.zeros(2 * rank, np.int64)
        amounts[rank + 1] = 1
        more = draft.add_constant(f"{name} one channel more", amounts)
        value = draft.add_constant(f"{name} inside", np.asarray(inside, np.float32))
        draft.redirect(name, f"{name} with inside")
        draft.add(make_node("Pad", [name, more, value], [f"{name} with inside"]))
        return draft.to_model()

    def _written(self, model: ModelProto, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> Draft:
        draft = Draft.from_model(model)
        self.layer.give(draft, weights, bias)
        return draft
