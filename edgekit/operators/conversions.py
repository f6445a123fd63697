"""Concat, and the conversions that stand alone: Q and DQ at the boundary, Cast."""

from __future__ import annotations

from edgekit.operators.lowered import Options
from edgekit.operators.lowering import Lowering, default_order
from edgekit.operators.nodes import Node
from edgekit.operators.operator import JOINING, Channels, Operator

TYPES = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "bool": 6}
"""The schema's TensorType."""


def concat(low: Lowering, node: Node) -> None:
    """Concat → CONCATENATION; inputs of another scale are brought to the result's first."""
    target = low.tensor(node.outputs[0])
    variable = [name for name in node.inputs if low.tensor(name).data is None]
    order = low.placed(variable[0]).order if variable else default_order(target)
    sources = [low.operand(node, position, order) for position in range(len(node.inputs))]
    inputs = [low.requantized(source, target.quant) for source in sources]
    axis = order.index(node.attributes["axis"] % len(order))
    options = Options("ConcatenationOptions", {"Axis": axis})
    low.emit("CONCATENATION", inputs, low.result(node, order), options, version=2 if target.quant else 1)


def quantize(low: Lowering, node: Node) -> None:
    """A Q that stands alone → QUANTIZE at a float input; between two scales a conversion."""
    source, target = low.in_place(node)
    if low.tensor(node.inputs[0]).quant is not None:
        low.rescale(source, target)
    else:
        low.emit("QUANTIZE", (source,), target, Options("QuantizeOptions"))


def dequantize(low: Lowering, node: Node) -> None:
    """A DQ that stands alone → DEQUANTIZE: at a float output."""
    source, target = low.in_place(node)
    low.emit("DEQUANTIZE", (source,), target, Options("DequantizeOptions"), version=2)


def cast(low: Lowering, node: Node) -> None:
    """Cast between floats, whole numbers and truth values → CAST."""
    source, target = low.in_place(node)
    kinds = [low.model.tensors[index].dtype for index in (source, target)]
    if low.model.tensors[source].quant is not None or not set(kinds) <= set(TYPES):
        raise low.refusal(node, f"turns {kinds[0]} into {kinds[1]}")
    emit_cast(low, source, target)


def emit_cast(low: Lowering, source: int, target: int) -> None:
    """Append a CAST to the type of ``target``."""
    kinds = [TYPES[low.model.tensors[index].dtype] for index in (source, target)]
    low.emit("CAST", (source,), target, Options("CastOptions", {"InDataType": kinds[0], "OutDataType": kinds[1]}))


OPERATORS = (
    Operator("Concat", concat, JOINING, linear=True, channels=Channels.PROPORTIONAL),
    Operator("QuantizeLinear", quantize, linear=True, per_value=True),
    Operator("DequantizeLinear", dequantize, per_value=True),
    Operator("Cast", cast, per_value=True),
)
