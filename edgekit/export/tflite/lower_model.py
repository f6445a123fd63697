"""The lowering as a whole: read the graph, fuse activations, lower node by node, write the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.artifact import METADATA_KEY, Metadata
from edgekit.errors import UnsupportedError
from edgekit.export.tflite.lowering import Lowering
from edgekit.export.tflite.ops import known_operators, lowering_of
from edgekit.export.tflite.units import unit_scales
from edgekit.export.tflite.writer import write_model
from edgekit.graph.ir import Graph, fuse_activations, read_graph

if TYPE_CHECKING:
    from onnx import ModelProto

FUSING = frozenset({"Conv", "Gemm", "Add", "Mul", "MaxPool", "AveragePool"})
"""Operators whose TFLite form takes an activation along."""
CONVERSIONS = frozenset({"QuantizeLinear", "DequantizeLinear"})


def lower(model: ModelProto, metadata: Metadata) -> bytes:
    """Turn a prepared float model into a float32 .tflite file, or a QDQ model into an int8 one.

    Inputs and outputs keep their ONNX names and types; images are [N, H, W, C] in the file. ``metadata`` is stored
    under the name ``edgekit``.

    Raises:
        UnsupportedError: an operator, or the form of one, does not exist in TFLite.
    """
    graph = unit_scales(_readable(model))
    lowering = Lowering(graph)
    for node in graph.nodes:
        lowering_of(node.op)(lowering, node)
    record = lowering.finish()
    record.metadata[METADATA_KEY] = metadata.to_json().encode()
    return write_model(record)


def check_lowerable(model: ModelProto) -> None:
    """Raise what ``lower`` would raise for the kinds of operators in a model, before any long work on it.

    Raises:
        UnsupportedError: an operator has no TFLite form, or works on quantized and float values at once.
    """
    _readable(model)


def _readable(model: ModelProto) -> Graph:
    graph = fuse_activations(read_graph(model), FUSING)
    known = known_operators()
    for node in graph.nodes:
        if node.op not in known:
            raise UnsupportedError(
                f"{node} has no TFLite form yet (known: {', '.join(known)}); replace that layer of the model."
            )
        if node.op in CONVERSIONS:
            continue
        floats = [graph.tensors[name] for name in (*node.inputs, *node.outputs) if name]
        kinds = {tensor.quant is not None for tensor in floats if tensor.data is None}
        if len(kinds) > 1:
            raise UnsupportedError(f"{node} has both quantized and float values; quantize the whole model.")
    return graph
