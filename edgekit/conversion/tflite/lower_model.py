"""The lowering as a whole: read the graph, fuse activations, lower node by node, write the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.artifact import Metadata
from edgekit.conversion.tflite.compressed import with_stored_weights
from edgekit.conversion.tflite.float_part import float_part
from edgekit.conversion.tflite.fuse import fuse_activations
from edgekit.conversion.tflite.islands import CONVERSIONS, with_conversions
from edgekit.conversion.tflite.shared_scales import unit_scales
from edgekit.conversion.tflite.standard_metadata import described_file
from edgekit.conversion.tflite.tidy import tidy
from edgekit.conversion.tflite.writer import write_model
from edgekit.conversion.weights_only import stored_weights
from edgekit.errors import EdgekitError, UnsupportedError
from edgekit.graph.metadata import read_metadata
from edgekit.graph.read import read_graph
from edgekit.inputs.text import TextContract
from edgekit.operators import row_of
from edgekit.operators.lowered import ModelRecord
from edgekit.operators.lowering import Lowering
from edgekit.operators.nodes import Graph, Node
from edgekit.operators.operator import BIAS
from edgekit.scales import Quantization, bias_quantization

if TYPE_CHECKING:
    from onnx import ModelProto


def lower(model: ModelProto, metadata: Metadata) -> bytes:
    """Turn a prepared float model into a float32 .tflite file, or a QDQ model into an int8 one.

    Weights that are stored in fewer bits alone (``edgekit.conversion.weights_only``) are stored so in the file too.

    Inputs and outputs keep their ONNX names and types; images are [N, H, W, C] in the file. ``metadata`` is
    stored under the name ``edgekit`` and as standard TFLite metadata.

    Raises:
        UnsupportedError: an operator, or the form of one, does not exist in TFLite.
    """
    stored, lowered = lowered_record(model)
    return described_file(with_stored_weights(lowered, stored), metadata)


def lower_float_part(model: ModelProto) -> bytes | None:
    """The operators of a QDQ model that compute in float, as a .tflite file of their own; None if there are none."""
    part = float_part(lowered_record(model)[1])
    return None if part is None else write_model(part)


def operator_nodes(model: ModelProto) -> tuple[str, ...]:
    """For each operator of the file that ``lower`` writes, the first output of the node that it belongs to."""
    stored, lowered = lowered_record(model)
    return tuple(operator.node for operator in with_stored_weights(lowered, stored).operators)


def check_lowerable(model: ModelProto) -> None:
    """Raise what ``lower`` would raise, before any long work on a model.

    Raises:
        UnsupportedError: see ``lower``.
    """
    lowered_record(model)


def lowered_record(model: ModelProto) -> tuple[str, ModelRecord]:
    """How the weights are stored, and the model in TFLite's operators, with float32 weights if they are all float.

    Lowerings take for granted that shapes, types and attributes fit together. What a damaged file brings instead, and
    neither ONNX's inference nor ``read_graph`` has seen, ends here.
    """
    place = "The model"
    try:
        stored, floats = stored_weights(model)
        graph = unit_scales(_readable(floats))
        lowering = Lowering(graph, row_of, _ids(model))
        for node in graph.nodes:
            place = str(node)
            lowering.node = node.outputs[0]
            row_of(node.op).lower(lowering, node)
        return stored, tidy(lowering.finish())
    except EdgekitError:
        raise
    except Exception as exc:
        raise UnsupportedError(
            f"{place} has shapes, types or attributes that do not fit together ({type(exc).__name__}: {exc}); export "
            "the model again."
        ) from exc


def _ids(model: ModelProto) -> tuple[str, ...]:
    """The input of a model of text, whose ids no tokenizer lets be negative."""
    is_text = isinstance(read_metadata(model, "The model").contract, TextContract)
    return tuple(item.name for item in model.graph.input) if is_text else ()


def _readable(model: ModelProto) -> Graph:
    graph = with_conversions(fuse_activations(read_graph(model)))
    for node in graph.nodes:
        if node.op not in CONVERSIONS:
            _check_quantization(graph, node)
    return graph


def _check_quantization(graph: Graph, node: Node) -> None:
    """Raise unless a node's integers are those of the LiteRT 8-bit specification, as other tools' may not be."""
    row = row_of(node.op)
    fixed = row.int8.output if row.int8 is not None else None
    for position, name in enumerate((*node.inputs, *node.outputs)):
        tensor = graph.tensors.get(name)
        if tensor is None or tensor.quant is None:
            continue
        quant, weights = tensor.quant, row.weights if tensor.data is not None else None
        if quant.dtype != ("int32" if weights and position == BIAS else "int8"):
            fault = f"is stored as {quant.dtype}"
        elif len(quant.scales) > 1 and not (weights and quant.axis == (0 if position == BIAS else weights.axis)):
            fault = f"has one scale for each index of axis {quant.axis}"
        elif weights and any(quant.zero_points):
            fault = "has a zero point other than 0"
        elif weights and position == BIAS and not _is_product(graph, node, quant):
            fault = "has another scale than its input and weights together"
        elif fixed is not None and name in node.outputs and quant != fixed:
            fault = f"has another scale than 1/{1 / fixed.scale:.0f}, or another zero point than {fixed.zero_point}"
        else:
            continue
        raise UnsupportedError(
            f"{node}: '{name}' {fault}, which TFLite does not compute with; quantize the float model with EdgeKit."
        )


def _is_product(graph: Graph, node: Node, bias: Quantization) -> bool:
    source, weights = (graph.tensors[name].quant for name in node.inputs[:2])
    if source is None or weights is None or len(bias.scales) not in (1, len(weights.scales)):
        return False
    return bool(np.allclose(bias.scales, bias_quantization(weights, source).scales, rtol=1e-4, atol=0))
