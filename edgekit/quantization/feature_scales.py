"""Features of a table that a model scales one by one before anything else: integers begin behind that.

The file takes such inputs as they are, in float32. Where a model does not scale, ``rungs/scaled_features.py`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.graph.messages import constants_of, readers_of

if TYPE_CHECKING:
    from onnx import ModelProto

SCALING = ("Mul", "Div", "Add", "Sub")


def feature_scales(model: ModelProto) -> dict[str, tuple[str, ...]]:
    """By the name of an input [1, N] of features: the first outputs of the operators that scale each on its own."""
    constants, readers = constants_of(model), readers_of(model.graph.node)
    found = {}
    for item in model.graph.input:
        shape, name = item.type.tensor_type.shape.dim, str(item.name)
        scaling: list[str] = []
        while len(shape) == 2 and len(reading := readers.get(name, [])) == 1 and reading[0].op_type in SCALING:
            sizes = [constants[other].size for other in reading[0].input if other in constants]
            if not sizes or (not scaling and sizes[0] == 1):
                break
            name = str(reading[0].output[0])
            scaling.append(name)
        if scaling:
            found[str(item.name)] = tuple(scaling)
    return found
