"""Normalisation by the statistics of the values themselves: several TFLite operators each, in float."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.operators.lowered import Options, TensorRecord
from edgekit.operators.lowering import CHANNELS_LAST, Lowering
from edgekit.operators.nodes import Node
from edgekit.operators.operator import Operator
from edgekit.scales import Array


def layer_norm(low: Lowering, node: Node) -> None:
    """LayerNormalization over the last axes → MEAN, SUB, MUL, RSQRT, and MUL and ADD by its weights."""
    if len([name for name in node.outputs if name]) > 1:
        raise low.refusal(node, "also returns its statistics")
    order = low.placed(node.inputs[0]).order
    first = node.attributes.get("axis", -1) % len(order)
    source = low.activation(node, order=order)
    where = [position for position, axis in enumerate(order) if axis >= first]
    operands = [low.operand(node, position, order) for position in (1, 2) if _has(node, position)]
    _finish(low, (source, low.result(node, order)), where, node.attributes.get("epsilon", 1e-5), operands)


def instance_norm(low: Lowering, node: Node) -> None:
    """InstanceNormalization over height and width → the same operators as LayerNormalization."""
    tensor, order = low.tensor(node.inputs[0]), low.placed(node.inputs[0]).order
    source = low.activation(node, order=order)
    where = [position for position, axis in enumerate(order) if axis > 1]
    shape = [tensor.shape[axis] if axis == 1 else 1 for axis in order]
    operands = [low.constant(_weights(low, node, position).reshape(shape)) for position in (1, 2)]
    _finish(low, (source, low.result(node, order)), where, node.attributes.get("epsilon", 1e-5), operands)


def lp_norm(low: Lowering, node: Node) -> None:
    """LpNormalization with p = 2 → SUM of squares, RSQRT, MUL."""
    if node.attributes.get("p", 2) != 2:
        raise low.refusal(node, "divides by another norm than the square root of the sum of squares")
    order = low.placed(node.inputs[0]).order
    source = low.activation(node, order=order)
    where = order.index(node.attributes.get("axis", -1) % len(order))
    inverse = _inverse_root(low, "SUM", source, [where], 1e-24)
    low.compute("MUL", (source, inverse), low.result(node, order))


def local_response(low: Lowering, node: Node) -> None:
    """LRN of an image over an odd number of channels → LOCAL_RESPONSE_NORMALIZATION."""
    size = node.attributes["size"]
    if size % 2 == 0 or len(low.tensor(node.inputs[0]).shape) != 4:
        raise low.refusal(node, f"goes over {size} channels of {len(low.tensor(node.inputs[0]).shape)} axes")
    fields = {
        "Radius": size // 2,
        "Bias": node.attributes.get("bias", 1.0),
        "Alpha": node.attributes.get("alpha", 1e-4) / size,
        "Beta": node.attributes.get("beta", 0.75),
    }
    source, target = low.activation(node, order=CHANNELS_LAST), low.result(node, CHANNELS_LAST)
    options = Options("LocalResponseNormalizationOptions", fields)
    low.emit("LOCAL_RESPONSE_NORMALIZATION", (source,), target, options)


def _finish(
    low: Lowering, ends: tuple[int, int], where: Sequence[int], epsilon: float, operands: Sequence[int]
) -> None:
    """Append ``(x - mean) / sqrt(variance + epsilon)`` over axes in memory, times and plus the operands."""
    source, target = ends
    mean = _reduced(low, "MEAN", source, where)
    centred = low.alike(source)
    low.compute("SUB", (source, mean), centred)
    inverse = _inverse_root(low, "MEAN", centred, where, epsilon)
    steps = [("MUL", inverse), *zip(("MUL", "ADD"), operands, strict=False)]
    for position, (code, operand) in enumerate(steps):
        result = target if position == len(steps) - 1 else low.alike(source)
        low.compute(code, (centred, operand), result)
        centred = result


def _inverse_root(low: Lowering, code: str, source: int, where: Sequence[int], epsilon: float) -> int:
    """``1 / sqrt(epsilon + mean or sum of squares)``."""
    squares = low.alike(source)
    low.compute("MUL", (source, source), squares)
    total = _reduced(low, code, squares, where)
    shifted, inverse = low.alike(total), low.alike(total)
    low.compute("ADD", (total, low.number(epsilon)), shifted)
    low.emit("RSQRT", (shifted,), inverse)
    return inverse


def _reduced(low: Lowering, code: str, source: int, where: Sequence[int]) -> int:
    record = low.model.tensors[source]
    shape = tuple(1 if axis in where else size for axis, size in enumerate(record.shape))
    target = low.add(TensorRecord(shape, record.dtype))
    axes = low.constant(np.asarray(sorted(where), np.int32))
    low.emit(code, (source, axes), target, Options("ReducerOptions", {"KeepDims": True}))
    return target


def _weights(low: Lowering, node: Node, position: int) -> Array:
    data = low.tensor(node.inputs[position]).data
    if data is None:
        raise low.refusal(node, f"has weights, '{node.inputs[position]}', that are computed")
    return data


def _has(node: Node, position: int) -> bool:
    return position < len(node.inputs) and bool(node.inputs[position])


OPERATORS = (
    Operator("LayerNormalization", layer_norm),
    Operator("InstanceNormalization", instance_norm),
    Operator("LpNormalization", lp_norm),
    Operator("LRN", local_response),
)
