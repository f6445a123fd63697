"""Operators that take values at indices, constant or computed: Gather, GatherND; and TopK, which finds some."""

from __future__ import annotations

import numpy as np

from edgekit.operators import conversions
from edgekit.operators.lowered import Options, TensorRecord
from edgekit.operators.lowering import Lowering, Order
from edgekit.operators.nodes import Node
from edgekit.operators.operator import JOINING, TIED, Operator
from edgekit.operators.slices import emit_slice
from edgekit.scales import Array

FOUND = frozenset({"ArgMax", "ArgMin", "TopK"})
"""Operators whose indices count from the front."""


def gather(low: Lowering, node: Node) -> None:
    """Gather → SLICE at constant indices that follow each other, else GATHER; computed ones may need a FLOOR_MOD."""
    source, indices, target = (low.tensor(name) for name in (*node.inputs[:2], node.outputs[0]))
    own = tuple(range(len(source.shape)))
    order = own if source.data is not None else low.placed(source.name).order
    axis, rank = node.attributes.get("axis", 0) % len(order), len(indices.shape)
    place, size = order.index(axis), source.shape[axis]
    index = low.requantized(low.operand(node, 0, order), target.quant)
    given = None if indices.data is None else np.asarray(indices.data % size)
    if given is not None and rank == 1 and np.all(np.diff(given) == 1):
        ranges = [range(length) for length in low.model.tensors[index].shape]
        ranges[place] = range(int(given[0]), int(given[-1]) + 1)
        emit_slice(low, index, low.result(node, order), ranges)
        return
    result = low.result(node, _with_axes(order, axis, rank))
    if given is not None:
        gathered(low, index, result, place, given)
    else:
        _gather(low, index, _from_front(low, node, np.asarray(size)), result, place)


def gather_nd(low: Lowering, node: Node) -> None:
    """GatherND → GATHER_ND, of computed indices behind FLOOR_MOD."""
    if node.attributes.get("batch_dims", 0):
        raise low.refusal(node, "takes other values in each part of a batch; prepare the model first")
    source, indices, target = (low.tensor(name) for name in (*node.inputs, node.outputs[0]))
    index = low.requantized(low.operand(node, 0, tuple(range(len(source.shape)))), target.quant)
    sizes = np.asarray(source.shape[: indices.shape[-1]])
    if indices.data is None:
        where = _from_front(low, node, sizes)
    else:
        where = low.constant(np.asarray(indices.data % sizes, np.int32))
    result = low.result(node, tuple(range(len(target.shape))))
    low.emit("GATHER_ND", (index, where), result, Options("GatherNdOptions"))


def top_k(low: Lowering, node: Node) -> None:
    """TopK → TOPK_V2 over the axis that lies innermost in memory, and a CAST of its indices."""
    source, count, target = (low.tensor(name) for name in (*node.inputs, node.outputs[0]))
    given = low.placed(source.name).order
    axis = node.attributes.get("axis", -1) % len(given)
    if count.data is None or not node.attributes.get("largest", 1):
        raise low.refusal(node, "finds a computed number of values, or the smallest; prepare the model first")
    order = (*(other for other in given if other != axis), axis)
    index = low.requantized(low.activation(node, order=order), target.quant)
    values, places = low.result(node, order), low.result(node, order, position=1)
    found = low.add(TensorRecord(low.model.tensors[places].shape, "int32"))
    number = low.constant(np.asarray(count.data.item(), np.int32))
    low.emit("TOPK_V2", (index, number), (values, found), Options("TopKV2Options"), version=2 if target.quant else 1)
    conversions.emit_cast(low, found, places)


def gathered(low: Lowering, source: int, target: int, axis: int, indices: Array) -> None:
    """Append a GATHER of constant indices along an axis in memory."""
    _gather(low, source, low.constant(indices.astype(np.int32)), target, axis)


def _gather(low: Lowering, source: int, indices: int, target: int, axis: int) -> None:
    version = 2 if low.model.tensors[source].quant else 1
    low.emit("GATHER", (source, indices), target, Options("GatherOptions", {"Axis": axis}), version)


def _from_front(low: Lowering, node: Node, sizes: Array) -> int:
    """A node's computed indices as TFLite wants them, none below 0; ``sizes`` are those of the axes that they count."""
    name = node.inputs[1]
    index = low.in_order(name, tuple(range(len(low.tensor(name).shape))))
    if _counts_from_front(low, name):
        return index
    record = low.model.tensors[index]
    target = low.add(TensorRecord(record.shape, record.dtype))
    low.emit("FLOOR_MOD", (index, low.constant(sizes.astype(record.dtype))), target, Options("FloorModOptions"))
    return target


def _counts_from_front(low: Lowering, name: str) -> bool:
    """True for a text's ids and what an operator has found, also behind operators that only give them another form."""
    maker = low.graph.producer(name)
    if maker is None or maker.op in FOUND:
        return maker is not None or name in low.ids
    return (maker.op == "Cast" or low.row_of(maker.op).reshapes) and _counts_from_front(low, maker.inputs[0])


def _with_axes(order: Order, axis: int, count: int) -> Order:
    """The order in memory when several axes, or none, stand in the place of one."""
    found: list[int] = []
    for other in order:
        found += range(axis, axis + count) if other == axis else [other if other < axis else other + count - 1]
    return tuple(found)


OPERATORS = (
    Operator("Gather", gather, JOINING, linear=True),
    Operator("GatherND", gather_nd, JOINING, linear=True),
    Operator("TopK", top_k, TIED, linear=True),
)
