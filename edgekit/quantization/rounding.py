"""Rounding written into a float graph, to see what storing a tensor in 8 or 16 bits does to what comes after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.draft import opset_version
from edgekit.graph.int8 import Affine

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OPSET_OF_INT16 = 21
"""The first operator set whose QuantizeLinear gives int16."""


def with_opset(model: ModelProto) -> ModelProto:
    """A copy of a prepared model in an operator set that can round to 16 bits."""
    copy = type(model)()
    copy.CopyFrom(model)
    version = max(OPSET_OF_INT16, opset_version(model))
    del copy.opset_import[:]
    copy.opset_import.add(version=version)
    return copy


def round_in_graph(graph: GraphProto, name: str, affine: Affine, prefix: str = "") -> str:
    """Append a rounding of the tensor ``name`` to what it stores; return the name of the result."""
    from onnx import helper, numpy_helper

    dtype = np.int8 if affine.bits == 8 else np.int16
    parts = ("scale", "zero", "stored", "rounded")
    scale, zero, stored, rounded = (f"{prefix or name}/{part}" for part in parts)
    graph.initializer.append(numpy_helper.from_array(np.asarray(affine.scale, np.float32), scale))
    graph.initializer.append(numpy_helper.from_array(np.asarray(affine.zero_point, dtype), zero))
    graph.node.append(helper.make_node("QuantizeLinear", [name, scale, zero], [stored]))
    graph.node.append(helper.make_node("DequantizeLinear", [stored, scale, zero], [rounded]))
    return rounded
