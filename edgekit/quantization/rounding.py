"""Rounding written into a float graph, to see what storing a tensor in 8 bits does to what comes after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.scales import Quantization

if TYPE_CHECKING:
    from onnx import GraphProto


def round_in_graph(graph: GraphProto, name: str, affine: Quantization, prefix: str = "") -> str:
    """Append a rounding of the tensor ``name`` to what it stores; return the name of the result."""
    from onnx import helper, numpy_helper

    parts = ("scale", "zero", "stored", "rounded")
    scale, zero, stored, rounded = (f"{prefix or name}/{part}" for part in parts)
    graph.initializer.append(numpy_helper.from_array(np.asarray(affine.scale, np.float32), scale))
    graph.initializer.append(numpy_helper.from_array(np.asarray(affine.zero_point, affine.dtype), zero))
    graph.node.append(helper.make_node("QuantizeLinear", [name, scale, zero], [stored]))
    graph.node.append(helper.make_node("DequantizeLinear", [stored, scale, zero], [rounded]))
    return rounded
