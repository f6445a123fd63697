"""Features of a table, brought to one size before they are rounded: the file takes them as they are, in float32.

Metres, years and counts have nothing in common that one scale of 8 bits could keep. What each is divided by and what is
taken off goes into the first layer's weights, so the model computes what it did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import make_node, readers_of, sizes_of
from edgekit.quantization.calibrate import RealInputs
from edgekit.quantization.weighted_layers import weighted_layers

if TYPE_CHECKING:
    from onnx import ModelProto


def scaled_features(model: ModelProto, inputs: RealInputs) -> ModelProto | None:
    """A model whose only input [1, N] one matrix reads, with its features scaled to mean 0 and deviation 1 before.

    None for any other model.
    """
    (first, *others), sizes = model.graph.input, sizes_of(model.graph)
    name = str(first.name)
    readers = readers_of(model.graph.node).get(name, [])
    layer = next((one for one in weighted_layers(model) if one.node.input[0] == name), None)
    if others or layer is None or len(readers) != 1 or len(sizes.get(name, ())) != 2:
        return None
    rows = np.concatenate([feed[0] for feed in inputs]).astype(np.float64)
    mean, deviation = rows.mean(0), rows.std(0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    draft = Draft.from_model(model)
    bias = 0.0 if layer.bias is None else layer.bias
    layer.give(draft, layer.weights * deviation, bias + layer.weights.astype(np.float64) @ mean)
    draft.redirect(name, f"{name} scaled")
    by, off = (
        draft.add_constant(f"{name} {kind}", values.astype(np.float32)[None])
        for kind, values in (("factors", 1 / deviation), ("shifts", -mean / deviation))
    )
    draft.add(make_node("Mul", [name, by], [f"{name} multiplied"]))
    draft.add(make_node("Add", [f"{name} multiplied", off], [f"{name} scaled"]))
    return draft.to_model()
