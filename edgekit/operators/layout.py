"""Operators that only say anew which axes the values have: Reshape and its kind, Transpose.

A Transpose costs nothing: it renames axes. A Reshape of a channels-last image costs a RESHAPE as long as each of its
axes is split or merged by itself, in whatever order the axes lie; only where it merges axes that are not neighbours in
memory (the channels of a channel shuffle, an image into a row) do the values move, in one TRANSPOSE.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.operators.lowering import CHANNELS_LAST, Columns, Lowering, Order, Placed, is_in_order
from edgekit.operators.nodes import Node
from edgekit.operators.operator import TIED, Channels, Operator


def reshape(low: Lowering, node: Node) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze → RESHAPE to the shape that inference found."""
    source, target = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    if _is_row_for_gemm(low, node):
        _flatten_in_place(low, node)
        return
    groups = split_axes(source.shape, target.shape)
    placed = low.placed(source.name)
    start = placed.order if placed.columns is None else tuple(range(len(source.shape)))
    wanted, order = _carried(start, groups)
    index = low.in_order(source.name, _with_unit_axes(wanted, source.shape, prefer=start))
    index = low.requantized(index, target.quant)
    order = _with_unit_axes(order, target.shape, prefer=CHANNELS_LAST)
    if low.model.tensors[index].shape == tuple(target.shape[axis] for axis in order):
        low.alias(node, Placed(index, order))
        return
    low.reshape(index, low.result(node, order))


def transpose(low: Lowering, node: Node) -> None:
    """Transpose only changes which axis is which: the values stay where they are in memory."""
    source, target = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    rank = len(source.shape)
    permutation = node.attributes.get("perm", tuple(reversed(range(rank))))
    placed = low.placed(source.name)
    if placed.columns is not None:
        placed = Placed(low.in_order(source.name, tuple(range(rank))), tuple(range(rank)))
    order = tuple(permutation.index(axis) for axis in placed.order)
    low.alias(node, Placed(low.requantized(placed.index, target.quant), order))


def split_axes(source: Sequence[int], target: Sequence[int]) -> list[tuple[Order, Order]]:
    """The groups of axes that a reshape splits and merges by themselves: (axes of source, axes of target).

    All sizes of a group have the same product on both sides. Axes of size 1 are in no group.
    """
    left = [axis for axis, size in enumerate(source) if size != 1]
    right = [axis for axis, size in enumerate(target) if size != 1]
    groups: list[tuple[Order, Order]] = []
    while left and right:
        ours, theirs = [left.pop(0)], [right.pop(0)]
        product, other = source[ours[0]], target[theirs[0]]
        while product != other:
            if product < other:
                ours.append(left.pop(0))
                product *= source[ours[-1]]
            else:
                theirs.append(right.pop(0))
                other *= target[theirs[-1]]
        groups.append((tuple(ours), tuple(theirs)))
    return groups


def _carried(order: Order, groups: Sequence[tuple[Order, Order]]) -> tuple[Order, Order]:
    """(order that the source must have, order that the target then has): groups stay where their first axis lies."""
    sorted_groups = sorted(groups, key=lambda group: min(order.index(axis) for axis in group[0]))
    wanted = tuple(axis for ours, _ in sorted_groups for axis in ours)
    return wanted, tuple(axis for _, theirs in sorted_groups for axis in theirs)


def _with_unit_axes(order: Order, shape: Sequence[int], prefer: Order) -> Order:
    """An order of all axes, given that of those larger than 1: the preferred one or ONNX's own where they agree."""
    for whole in (prefer, tuple(range(len(shape)))):
        if len(whole) == len(shape) and tuple(axis for axis in whole if shape[axis] != 1) == order:
            return whole
    full = list(order)
    for axis, size in enumerate(shape):
        if size == 1:
            full.insert(full.index(axis - 1) + 1 if axis > 0 else 0, axis)
    return tuple(full)


def _is_row_for_gemm(low: Lowering, node: Node) -> bool:
    """True if an image becomes the rows of fully-connected layers, which take its values in any order."""
    source, target = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    placed = low.placed(source.name)
    is_flattened = len(source.shape) > 1 and len(target.shape) == 2 and target.shape[0] == source.shape[0]
    return is_flattened and placed.order[0] == 0 and placed.columns is None and _only_feeds_gemm(low, target.name)


def _only_feeds_gemm(low: Lowering, name: str) -> bool:
    if name in low.graph.outputs:
        return False
    readers = low.graph.users(name)
    return all(
        reader.inputs.index(name) == 0
        and (reader.op == "Gemm" or (low.row_of(reader.op).per_value and _only_feeds_gemm(low, reader.outputs[0])))
        for reader in readers
    )


def _flatten_in_place(low: Lowering, node: Node) -> None:
    source, target = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    placed = low.placed(source.name)
    columns = None if is_in_order(source.shape, placed.order) else Columns(source.shape, placed.order)
    index = low.requantized(placed.index, target.quant)
    # A FULLY_CONNECTED takes a single image for the row of its values.
    if source.shape[0] == 1 and all(reader.op == "Gemm" for reader in low.graph.users(target.name)):
        low.alias(node, Placed(index, (0, 1), columns))
    else:
        low.reshape(index, low.result(node, (0, 1), columns))


OPERATORS = (
    Operator("Reshape", reshape, TIED, linear=True, reshapes=True, channels=Channels.PROPORTIONAL),
    Operator("Flatten", reshape, TIED, linear=True, reshapes=True, channels=Channels.PASSED),
    Operator("Squeeze", reshape, TIED, linear=True, reshapes=True, channels=Channels.PROPORTIONAL),
    Operator("Unsqueeze", reshape, TIED, linear=True, reshapes=True),
    Operator("Transpose", transpose, TIED, linear=True),
)
