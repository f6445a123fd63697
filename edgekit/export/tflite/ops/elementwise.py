"""Operators that treat each value by itself, and Softmax."""

from __future__ import annotations

import numpy as np

from edgekit.export.tflite.lowering import Lowering, Order, fused, lowers
from edgekit.export.tflite.writer import Options
from edgekit.graph.draft import Array
from edgekit.graph.ir import Node, activation_kind

SOFTMAX_SCALE, SOFTMAX_ZERO_POINT = 1 / 256, -128
"""Fixed by the LiteRT 8-bit quantization specification."""


@lowers("Add")
def add(low: Lowering, node: Node) -> None:
    """Add → ADD, with broadcasting."""
    _binary(low, node, "ADD", "AddOptions")


@lowers("Mul")
def mul(low: Lowering, node: Node) -> None:
    """Mul → MUL, with broadcasting."""
    _binary(low, node, "MUL", "MulOptions")


@lowers("Relu", "Clip")
def relu(low: Lowering, node: Node) -> None:
    """A Relu, Clip(0, 6) or Clip(-1, 1) that could not be fused → RELU, RELU6 or RELU_N1_TO_1."""
    kind = activation_kind(low.graph, node)
    if not kind:
        raise low.refusal(node, "clips to other limits than [0, ∞), [0, 6] or [-1, 1]")
    placed = low.placed(node.inputs[0])
    target = low.result(node, placed.order, placed.columns)
    code = {"Relu": "RELU", "Relu6": "RELU6", "ReluN1": "RELU_N1_TO_1"}[kind]
    low.emit(code, (placed.index,), target, version=2 if low.is_quantized(node) else 1)


@lowers("Softmax")
def softmax(low: Lowering, node: Node) -> None:
    """Softmax over the axis that lies innermost in memory → SOFTMAX."""
    target = low.tensor(node.outputs[0])
    order = low.placed(node.inputs[0]).order
    if node.attributes.get("axis", -1) % len(order) != order[-1]:
        raise low.refusal(node, "normalises over an axis that is not the innermost in memory")
    quant = target.quant
    if quant is not None and (quant.scale, quant.zero_point) != (SOFTMAX_SCALE, SOFTMAX_ZERO_POINT):
        raise low.refusal(
            node, f"must have output scale 1/256 and zero point -128, not {quant.scale}, {quant.zero_point}"
        )
    source = low.activation(node, order=order)
    options = Options("SoftmaxOptions", {"Beta": 1.0})
    low.emit("SOFTMAX", (source,), low.result(node, order), options, version=2 if quant else 1)


def _binary(low: Lowering, node: Node, code: str, table: str) -> None:
    target = low.tensor(node.outputs[0])
    variable = [position for position, name in enumerate(node.inputs) if low.tensor(name).data is None]
    full = [position for position in variable if low.tensor(node.inputs[position]).shape == target.shape]
    if not full:
        raise low.refusal(node, "broadcasts its inputs to a shape that neither has")
    if any(len(low.tensor(node.inputs[position]).shape) != len(target.shape) for position in variable):
        raise low.refusal(node, "adds axes to one of its inputs")
    order = low.placed(node.inputs[full[0]]).order
    inputs = [
        low.activation(node, position, order) if position in variable else _constant(low, node, position, order)
        for position in range(2)
    ]
    low.emit(code, inputs, low.result(node, order), Options(table, fused(node)), version=2 if target.quant else 1)


def _constant(low: Lowering, node: Node, position: int, order: Order) -> int:
    """Place a constant operand with its axes in ``order``; axes that it lacks are broadcast."""
    tensor = low.tensor(node.inputs[position])
    assert tensor.data is not None
    shape = (1,) * (len(order) - tensor.data.ndim) + tensor.data.shape
    data: Array = np.ascontiguousarray(tensor.data.reshape(shape).transpose(order))
    return low.constant(data, tensor.quant)
