"""Operators that make one value of all along some axes: means, sums, extrema, and where the largest value is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.operators.conversions import TYPES
from edgekit.operators.lowered import Options
from edgekit.operators.lowering import Lowering, Order
from edgekit.operators.nodes import Node
from edgekit.operators.operator import PLAIN, TIED, Channels, Operator

REDUCTIONS = {
    "ReduceMean": "MEAN", "ReduceSum": "SUM", "ReduceMax": "REDUCE_MAX", "ReduceMin": "REDUCE_MIN",
    "ReduceProd": "REDUCE_PROD",
}  # fmt: skip


def reduce(low: Lowering, node: Node) -> None:
    """ReduceMean, ReduceSum, ReduceMax, ReduceMin → MEAN, SUM, REDUCE_MAX, REDUCE_MIN; ReduceProd in float only."""
    quant = low.tensor(node.outputs[0]).quant
    order, axes = low.placed(node.inputs[0]).order, _reduced_axes(low, node)
    source = low.activation(node, order=order)
    if low.row_of(node.op).int8 == TIED:
        source = low.requantized(source, quant)
    keeps = bool(node.attributes.get("keepdims", 1))
    where = low.constant(np.asarray(sorted(order.index(axis) for axis in axes), np.int32))
    target = low.result(node, order if keeps else without(order, axes))
    options = Options("ReducerOptions", {"KeepDims": keeps})
    low.emit(REDUCTIONS[node.op], (source, where), target, options, version=2 if quant else 1)


def norm(low: Lowering, node: Node) -> None:
    """ReduceL2, ReduceSumSquare, ReduceL1 → SUM of squares or magnitudes, in float only."""
    order, axes = low.placed(node.inputs[0]).order, _reduced_axes(low, node)
    source, tensor = low.activation(node, order=order), low.tensor(node.inputs[0])
    terms = low.scratch(low.model.tensors[source].shape, tensor)
    if node.op == "ReduceL1":
        low.emit("ABS", (source,), terms)
    else:
        low.compute("MUL", (source, source), terms)
    keeps = bool(node.attributes.get("keepdims", 1))
    where = low.constant(np.asarray(sorted(order.index(axis) for axis in axes), np.int32))
    target = low.result(node, order if keeps else without(order, axes))
    total = low.scratch(low.model.tensors[target].shape, tensor) if node.op == "ReduceL2" else target
    low.emit("SUM", (terms, where), total, Options("ReducerOptions", {"KeepDims": keeps}))
    if node.op == "ReduceL2":
        low.emit("SQRT", (total,), target)


def arg_max(low: Lowering, node: Node) -> None:
    """ArgMax, ArgMin → ARG_MAX, ARG_MIN: the first index of the largest value, as int64."""
    if node.attributes.get("select_last_index", 0):
        raise low.refusal(node, "asks for the last of several largest values")
    tensor, order = low.tensor(node.inputs[0]), low.placed(node.inputs[0]).order
    axis = node.attributes.get("axis", 0) % len(order)
    keeps = bool(node.attributes.get("keepdims", 1))
    source = low.activation(node, order=order)
    target = low.result(node, order if keeps else without(order, (axis,)))
    dtype = low.model.tensors[target].dtype
    found = target
    if keeps:
        shape = [tensor.shape[other] for other in order if other != axis]
        found = low.scratch(shape, low.tensor(node.outputs[0]))
    code = "ARG_MAX" if node.op == "ArgMax" else "ARG_MIN"
    table = "ArgMaxOptions" if node.op == "ArgMax" else "ArgMinOptions"
    where = low.constant(np.asarray(order.index(axis), np.int32))
    low.emit(code, (source, where), found, Options(table, {"OutputType": TYPES[dtype]}))
    if keeps:
        low.reshape(found, target)


def _reduced_axes(low: Lowering, node: Node) -> tuple[int, ...]:
    """The ONNX axes that a reduction goes over: given as an attribute or an input, else all.

    Raises:
        UnsupportedError: they are computed.
    """
    rank = len(low.tensor(node.inputs[0]).shape)
    axes: Sequence[int] | None = node.attributes.get("axes")
    if len(node.inputs) > 1 and node.inputs[1]:
        data = low.tensor(node.inputs[1]).data
        if data is None:
            raise low.refusal(node, f"goes over axes that '{node.inputs[1]}' computes")
        axes = [int(axis) for axis in data.reshape(-1)]
    if not axes:
        return () if node.attributes.get("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(axis % rank for axis in axes)


def without(order: Order, axes: Sequence[int]) -> Order:
    """The order in memory that is left when some ONNX axes are gone and the others are counted anew."""
    left = sorted(axis for axis in order if axis not in axes)
    return tuple(left.index(axis) for axis in order if axis in left)


OPERATORS = (
    Operator("ReduceMean", reduce, PLAIN, linear=True, channels=Channels.PROPORTIONAL),
    Operator("ReduceSum", reduce, PLAIN, linear=True),
    Operator("ReduceMax", reduce, TIED, linear=True, channels=Channels.PROPORTIONAL),
    Operator("ReduceMin", reduce, TIED, linear=True),
    Operator("ReduceProd", reduce),
    Operator("ReduceL1", norm),
    Operator("ReduceL2", norm),
    Operator("ReduceSumSquare", norm),
    Operator("ArgMax", arg_max),
    Operator("ArgMin", arg_max),
)
