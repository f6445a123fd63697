"""Operators that move values without computing: Concat, Pad; Q/DQ at the boundary."""

from __future__ import annotations

import numpy as np

from edgekit.export.tflite.lowering import Lowering, lowers
from edgekit.export.tflite.ops.windows import pad as emit_pad
from edgekit.export.tflite.writer import Options
from edgekit.graph.ir import Node


@lowers("Concat")
def concat(low: Lowering, node: Node) -> None:
    """Concat → CONCATENATION; inputs of another scale are brought to the result's first."""
    target = low.tensor(node.outputs[0])
    order = low.placed(node.inputs[0]).order
    sources = [low.activation(node, position, order) for position in range(len(node.inputs))]
    inputs = [low.requantized(node, source, target.quant) for source in sources]
    axis = order.index(node.attributes["axis"] % len(order))
    options = Options("ConcatenationOptions", {"Axis": axis})
    low.emit("CONCATENATION", inputs, low.result(node, order), options, version=2 if target.quant else 1)


@lowers("Pad")
def pad(low: Lowering, node: Node) -> None:
    """A constant zero Pad → PAD."""
    amounts = low.tensor(node.inputs[1]).data
    rank = len(low.tensor(node.inputs[0]).shape)
    value = low.tensor(node.inputs[2]).data if len(node.inputs) > 2 and node.inputs[2] else np.zeros(1)
    has_axes = len(node.inputs) > 3 and node.inputs[3]
    if amounts is None or value is None or has_axes or value.any() or amounts.min() < 0:
        raise low.refusal(node, "is not padding with constant zeros")
    if node.attributes.get("mode", "constant") != "constant":
        raise low.refusal(node, f"pads by {node.attributes['mode']}")
    order = low.placed(node.inputs[0]).order
    table = amounts.reshape(2, rank).T[list(order)]
    source = low.activation(node, order=order)
    emit_pad(low, low.requantized(node, source, low.tensor(node.outputs[0]).quant), low.result(node, order), table)


@lowers("QuantizeLinear")
def quantize(low: Lowering, node: Node) -> None:
    """A Q that stands alone → QUANTIZE: at a float input, or between two scales."""
    placed = low.placed(node.inputs[0])
    version = 2 if low.is_quantized(node) and low.tensor(node.inputs[0]).quant is not None else 1
    target = low.result(node, placed.order, placed.columns)
    low.emit("QUANTIZE", (placed.index,), target, Options("QuantizeOptions"), version)


@lowers("DequantizeLinear")
def dequantize(low: Lowering, node: Node) -> None:
    """A DQ that stands alone → DEQUANTIZE: at a float output."""
    placed = low.placed(node.inputs[0])
    target = low.result(node, placed.order, placed.columns)
    low.emit("DEQUANTIZE", (placed.index,), target, Options("DequantizeOptions"), version=2)
