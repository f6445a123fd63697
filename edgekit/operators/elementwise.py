"""Operators on two tensors, value by value, with broadcasting."""

from __future__ import annotations

from edgekit.operators.lowered import Options
from edgekit.operators.lowering import Lowering, Order, default_order
from edgekit.operators.nodes import Node
from edgekit.operators.operator import ARITHMETIC, JOINING, Channels, Operator

CODES = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV"}
EXTREMA = {"Max": "MAXIMUM", "Min": "MINIMUM"}
COMPARISONS = {"Equal": "EQUAL", "Greater": "GREATER", "Less": "LESS", "GreaterOrEqual": "GREATER_EQUAL",
               "LessOrEqual": "LESS_EQUAL"}  # fmt: skip


def arithmetic(low: Lowering, node: Node) -> None:
    """Add, Sub, Mul, Div → ADD, SUB, MUL, DIV with their activation function; DIV in float only."""
    order = _common_order(low, node)
    operands = [low.operand(node, position, order) for position in range(2)]
    low.compute(CODES[node.op], operands, low.result(node, order), node.activation)


def extremum(low: Lowering, node: Node) -> None:
    """Max, Min → MAXIMUM, MINIMUM, which compare integers of one scale only."""
    order, quant = _common_order(low, node), low.tensor(node.outputs[0]).quant
    operands = [low.requantized(low.operand(node, position, order), quant) for position in range(2)]
    low.compute(EXTREMA[node.op], operands, low.result(node, order))


def power(low: Lowering, node: Node) -> None:
    """Pow → POW, in float only."""
    order = _common_order(low, node)
    operands = [low.operand(node, position, order) for position in range(2)]
    low.emit("POW", operands, low.result(node, order), Options("PowOptions"))


def comparison(low: Lowering, node: Node) -> None:
    """Equal, Greater, ... → EQUAL, GREATER, ... of floats or whole numbers."""
    order = _common_order(low, node)
    operands = [low.operand(node, position, order) for position in range(2)]
    low.emit(COMPARISONS[node.op], operands, low.result(node, order))


def where(low: Lowering, node: Node) -> None:
    """Where → SELECT_V2, of floats or whole numbers."""
    order = _common_order(low, node)
    operands = [low.operand(node, position, order) for position in range(3)]
    low.emit("SELECT_V2", operands, low.result(node, order), Options("SelectV2Options"))


def _common_order(low: Lowering, node: Node) -> Order:
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


OPERATORS = (
    Operator("Add", arithmetic, ARITHMETIC, takes_activation=True, linear=True, channels=Channels.PASSED),
    Operator("Sub", arithmetic, ARITHMETIC, takes_activation=True, linear=True, channels=Channels.PASSED),
    Operator("Mul", arithmetic, ARITHMETIC, takes_activation=True),
    Operator("Div", arithmetic, takes_activation=True),
    Operator("Max", extremum, JOINING, linear=True),
    Operator("Min", extremum, JOINING, linear=True),
    Operator("Pow", power),
    Operator("Equal", comparison),
    Operator("Greater", comparison),
    Operator("Less", comparison),
    Operator("GreaterOrEqual", comparison),
    Operator("LessOrEqual", comparison),
    Operator("Where", where),
)
