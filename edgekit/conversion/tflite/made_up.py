"""An int8 .tflite file that does not exist yet: that of the float model with made-up scales.

A file's size depends on shapes, and on which scales, zero points and constants are equal, since equal ones are written
once. Made-up ones differ wherever they may, so the file is as large as calibration can make it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from edgekit.artifact import Metadata
from edgekit.conversion.tflite.fuse import fuse_activations
from edgekit.conversion.tflite.islands import with_conversions
from edgekit.conversion.tflite.shared_scales import unit_scales
from edgekit.conversion.tflite.standard_metadata import described_file
from edgekit.conversion.tflite.tidy import tidy
from edgekit.graph.families import Families
from edgekit.graph.read import read_graph
from edgekit.operators import row_of
from edgekit.operators.lowering import ACTIVATION_LIMITS, Lowering
from edgekit.operators.nodes import Graph, Node, Tensor
from edgekit.operators.operator import BIAS, WEIGHTS, Int8
from edgekit.operators.weight_scheme import EIGHT_BITS, WeightScheme
from edgekit.scales import (
    INT8_MAX,
    Quantization,
    bias_quantization,
    range_quantization,
)

if TYPE_CHECKING:
    from onnx import ModelProto

PIXELS = (0.0, 1.0)
LIMITS = {"": (-math.inf, math.inf), **{name: limits for limits, name in ACTIVATION_LIMITS.items()}}


def made_up_int8(model: ModelProto, metadata: Metadata, scheme: WeightScheme = EIGHT_BITS) -> bytes:
    """An int8 .tflite file with the layers and the size of that which ``edgekit quantize`` makes of a prepared model.

    Raises:
        UnsupportedError: see ``lower``.
    """
    graph = unit_scales(with_conversions(_with_scales(fuse_activations(read_graph(model)), scheme)))
    lowering = Lowering(graph, row_of)
    for node in graph.nodes:
        row_of(node.op).lower(lowering, node)
    return described_file(tidy(lowering.finish()), metadata)


def _with_scales(graph: Graph, scheme: WeightScheme) -> Graph:
    """What the 8-bit specification stores as integers, with scales that differ wherever they may."""
    tensors = dict(graph.tensors)
    nodes = [(node, rule) for node in graph.nodes if (rule := row_of(node.op).int8) is not None]
    for name, scale in _activations(graph, nodes).items():
        tensors[name] = replace(tensors[name], dtype="int8", quant=scale)
    for node, rule in nodes:
        is_weighted = row_of(node.op).weights is not None
        for position, name in enumerate(node.inputs):
            constant = tensors.get(name)
            if constant is None or constant.data is None or constant.dtype != "float32":
                continue
            if is_weighted and position == BIAS:
                source, weights = (tensors[other].quant for other in node.inputs[:BIAS])
                assert source is not None
                assert weights is not None
                tensors[name] = _stored(constant, bias_quantization(weights, source))
            elif is_weighted and position == WEIGHTS:
                tensors[name] = _stored(constant, scheme.quantization(node.op, constant.data), scheme.most(node.op))
            elif rule.constants:
                own = range_quantization(float(constant.data.min()), float(constant.data.max()))
                tensors[name] = _stored(constant, own)
    return replace(graph, tensors=tensors)


def _activations(graph: Graph, nodes: list[tuple[Node, Int8]]) -> dict[str, Quantization]:
    """A scale for each value that is stored: one for all that are tied, and the usual ones where limits fix them."""
    ties = Families(name for name, item in graph.tensors.items() if item.data is None and item.dtype == "float32")
    for node, _ in (pair for pair in nodes if pair[1].ties):
        for name in filter(ties.__contains__, node.inputs):
            ties.join(node.outputs[0], name)
    scales: dict[str, Quantization] = {}
    found = {}
    for place, (node, rule) in enumerate(nodes, 1):
        share = place / (len(nodes) + 1)
        top = 5.0 + 0.7 * share
        for name in filter(ties.__contains__, (*node.inputs, *node.outputs)):
            low, high = PIXELS if name in graph.inputs else LIMITS[node.activation if name in node.outputs else ""]
            made_up = range_quantization(max(low, -share * top), min(high, top))
            found[name] = scales.setdefault(ties.head(name), rule.output or made_up)
    return found


def _stored(constant: Tensor, scale: Quantization, most: int = INT8_MAX) -> Tensor:
    assert constant.data is not None
    limit = most if scale.dtype == "int8" else None
    return replace(constant, dtype=scale.dtype, data=scale.quantize(constant.data, limit), quant=scale)
