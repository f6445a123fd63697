"""Operators that only say anew which axes the values have: Reshape and its kind, Transpose."""

from __future__ import annotations

from edgekit.export.tflite.lowering import CHANNELS_LAST, Columns, Lowering, Placed, is_in_order, lowers
from edgekit.graph.ir import Node


@lowers("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(low: Lowering, node: Node) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze → RESHAPE to the shape that inference found."""
    source, target = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    placed = low.placed(source.name)
    columns = None
    if placed.columns is not None or not is_in_order(source.shape, placed.order):
        keeps_rows = len(target.shape) == 2 and target.shape[0] == source.shape[0] and placed.order[0] == 0
        if placed.columns is not None or not keeps_rows:
            raise low.refusal(node, f"reads '{source.name}' in another order than it has in memory")
        columns = Columns(source.shape, placed.order)
    order = tuple(range(len(target.shape)))
    if len(order) == 4 and is_in_order(target.shape, CHANNELS_LAST):
        order = CHANNELS_LAST
    index = low.requantized(node, placed.index, target.quant)
    if _only_feeds_gemm(low, node):
        low.alias(node, Placed(index, order, columns))
        return
    low.reshape(index, low.result(node, order, columns))


def _only_feeds_gemm(low: Lowering, node: Node) -> bool:
    """True if every reader is a FULLY_CONNECTED, which takes an image for the row of its values."""
    source, target = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    readers = low.graph.users(target.name)
    is_row = len(target.shape) == 2 and target.shape[0] == source.shape[0] == 1
    return is_row and target.name not in low.graph.outputs and all(reader.op == "Gemm" for reader in readers)


@lowers("Transpose")
def transpose(low: Lowering, node: Node) -> None:
    """Transpose only changes which axis is which: the values stay where they are in memory."""
    placed = low.placed(node.inputs[0])
    rank = len(low.tensor(node.inputs[0]).shape)
    permutation = node.attributes.get("perm", tuple(reversed(range(rank))))
    order = tuple(permutation.index(axis) for axis in placed.order)
    if placed.columns is not None:
        raise low.refusal(node, "transposes a flattened image")
    target = low.tensor(node.outputs[0])
    low.alias(node, Placed(low.requantized(node, placed.index, target.quant), order))
