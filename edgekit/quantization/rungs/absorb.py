"""High-bias absorption (Nagel et al. 2019, section 4.1.3): what a channel never falls below moves into the next layer.

Behind a Relu, values that are always at least ``c`` may be stored less ``c``: the bias before gives it up, the bias of
the layer that reads them takes it on. The range that 8 bits must span becomes narrower by ``c``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.graph.draft import Draft
from edgekit.graph.messages import attributes
from edgekit.quantization.channel_statistics import Channels
from edgekit.quantization.weighted_layers import WeightedLayer, weighted_layers

if TYPE_CHECKING:
    from onnx import ModelProto

CAUTION = 0.9
"""Of the smallest value seen: other images may fall somewhat lower."""


def absorb_high_biases(model: ModelProto, channels: Mapping[str, Channels]) -> tuple[ModelProto, int]:
    """(the model with high biases moved on, how many channels): the same function on data within ``channels``.

    Only where the reader sees every value and no padding: padded zeros would have to become ``c`` as well. Biases must
    not be shared (see ``layers.with_own_constants``).
    """
    draft = Draft.from_model(model)
    layers = {layer.name: layer for layer in weighted_layers(model)}
    absorbed = 0
    for relu in draft.nodes:
        maker = layers.get(relu.input[0]) if relu.op_type == "Relu" else None
        user = draft.only_use(relu.output[0])
        reader = layers.get(user.output[0]) if user else None
        if maker is None or reader is None or draft.only_use(maker.name) is None:
            continue
        surplus = np.maximum(CAUTION * channels[relu.output[0]].low, 0.0)
        if maker.bias is None or reader.bias is None or not surplus.any():
            continue
        if reader.node.op_type != "Conv" or any(attributes(reader.node).get("pads", ())):
            continue
        draft.constants[maker.bias_name] = draft.constants[maker.bias_name] - surplus.astype(np.float32)
        draft.constants[reader.bias_name] = draft.constants[reader.bias_name] + _response(reader, surplus)
        absorbed += int(np.count_nonzero(surplus))
    return draft.to_model(), absorbed


def _response(layer: WeightedLayer, surplus: NDArray[np.float64]) -> NDArray[np.float32]:
    """What a layer computes from a constant ``surplus`` [C] in each channel: [O]."""
    per_group = np.repeat(surplus.reshape(layer.groups, 1, -1), layer.kernel_size, axis=2)
    response: NDArray[np.float32] = (layer.rows * per_group).sum(axis=2).reshape(-1).astype(np.float32)
    return response
