"""MatMul: the product of two values, or of a value with a stack of constant matrices."""

from __future__ import annotations

from edgekit.operators.lowered import Options
from edgekit.operators.lowering import Lowering
from edgekit.operators.nodes import Node
from edgekit.operators.operator import ARITHMETIC, Operator


def matmul(low: Lowering, node: Node) -> None:
    """MatMul → BATCH_MATMUL; a right operand whose last two axes lie swapped in memory is read as it is."""
    left, right = (low.tensor(name) for name in node.inputs)
    rank = max(len(left.shape), len(right.shape))
    if min(len(left.shape), len(right.shape)) < 2:
        raise low.refusal(node, "multiplies by a vector without a second axis")
    own = tuple(range(rank))
    swapped = (*own[:-2], own[-1], own[-2])
    turned = right.data is None and len(right.shape) == rank and low.placed(right.name).order == swapped
    inputs = (low.operand(node, 0, own), low.operand(node, 1, swapped if turned else own))
    fields = {"AdjX": False, "AdjY": turned}
    version = 2 if low.is_quantized(node) else 1
    low.emit("BATCH_MATMUL", inputs, low.result(node, own), Options("BatchMatMulOptions", fields), version)


OPERATORS = (Operator("MatMul", matmul, ARITHMETIC),)
