"""Operators on two tensors, value by value, with broadcasting."""

from __future__ import annotations

from edgekit.conversion.tflite.lowering import Lowering, Order, default_order, fused, lowers
from edgekit.conversion.tflite.writer import Options
from edgekit.graph.ir import Node

ARITHMETIC = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV"}
EXTREMA = {"Max": "MAXIMUM", "Min": "MINIMUM"}
COMPARISONS = {"Equal": "EQUAL", "Greater": "GREATER", "Less": "LESS", "GreaterOrEqual": "GREATER_EQUAL",
               "LessOrEqual": "LESS_EQUAL"}  # fmt: skip


@lowers(*ARITHMETIC)
def arithmetic(low: Lowering, node: Node) -> None:
    """Add, Sub, Mul, Div → ADD, SUB, MUL, DIV with their activation function; DIV in float only."""
    if node.op == "Div" and low.is_quantized(node):
        raise low.refusal(node, "divides integers, which not every runtime can")
    order = common_order(low, node)
    operands = [low.operand(node, position, order) for position in range(2)]
    code, version = ARITHMETIC[node.op], 2 if low.is_quantized(node) else 1
    low.emit(code, operands, low.result(node, order), Options(f"{code.title()}Options", fused(node)), version)


@lowers(*EXTREMA)
def extremum(low: Lowering, node: Node) -> None:
    """Max, Min → MAXIMUM, MINIMUM, which compare integers of one scale only."""
    order, quant = common_order(low, node), low.tensor(node.outputs[0]).quant
    operands = [low.requantized(node, low.operand(node, position, order), quant) for position in range(2)]
    options = Options("MaximumMinimumOptions")
    low.emit(EXTREMA[node.op], operands, low.result(node, order), options, version=2 if quant else 1)


@lowers("Pow")
def power(low: Lowering, node: Node) -> None:
    """Pow → POW, in float only."""
    if low.is_quantized(node):
        raise low.refusal(node, "raises integers to a power")
    order = common_order(low, node)
    operands = [low.operand(node, position, order) for position in range(2)]
    low.emit("POW", operands, low.result(node, order), Options("PowOptions"))


@lowers(*COMPARISONS)
def comparison(low: Lowering, node: Node) -> None:
    """Equal, Greater, ... → EQUAL, GREATER, ... of floats or whole numbers."""
    order = common_order(low, node)
    operands = [low.operand(node, position, order) for position in range(2)]
    if any(low.model.tensors[index].quant is not None for index in operands):
        raise low.refusal(node, "compares quantized values")
    low.emit(COMPARISONS[node.op], operands, low.result(node, order))


@lowers("Where")
def where(low: Lowering, node: Node) -> None:
    """Where → SELECT_V2, of floats or whole numbers."""
    if low.is_quantized(node):
        raise low.refusal(node, "chooses between quantized values")
    order = common_order(low, node)
    operands = [low.operand(node, position, order) for position in range(3)]
    low.emit("SELECT_V2", operands, low.result(node, order), Options("SelectV2Options"))


def common_order(low: Lowering, node: Node) -> Order:
    """The order in memory in which a node's operands meet: that of an operand which needs no broadcasting.

    Raises:
        UnsupportedError: more than two operands, which preparation has made into a chain.
    """
    limit = 3 if node.op == "Where" else 2
    if len(node.inputs) != limit:
        raise low.refusal(node, f"has {len(node.inputs)} operands; prepare the model first")
    target = low.tensor(node.outputs[0])
    variable = [low.tensor(name) for name in node.inputs if low.tensor(name).data is None]
    alike = [tensor for tensor in variable if len(tensor.shape) == len(target.shape)]
    whole = [tensor for tensor in alike if tensor.shape == target.shape]
    chosen = next(iter(whole or alike), None)
    return default_order(target) if chosen is None else low.placed(chosen.name).order
