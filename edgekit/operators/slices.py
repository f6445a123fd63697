"""Operators that take parts of a tensor: Slice, Split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.operators.lowered import Options
from edgekit.operators.lowering import Lowering
from edgekit.operators.nodes import Node
from edgekit.operators.operator import TIED, Channels, Operator
from edgekit.scales import Array


def slice_(low: Lowering, node: Node) -> None:
    """Slice → SLICE, which XNNPACK takes; with steps other than 1 → STRIDED_SLICE."""
    source, target = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    order = low.placed(source.name).order
    ranges = [_range(low, node, axis) for axis in order]
    index = low.requantized(low.activation(node, order=order), target.quant)
    emit_slice(low, index, low.result(node, order), ranges)


def split(low: Lowering, node: Node) -> None:
    """Split → SPLIT into equal parts, SLICE into others: XNNPACK has no SPLIT_V."""
    order = low.placed(node.inputs[0]).order
    axis = node.attributes.get("axis", 0) % len(order)
    if "" in node.outputs:
        raise low.refusal(node, "leaves one of its results without a name")
    targets = [low.result(node, order, position=position) for position in range(len(node.outputs))]
    where = low.constant(np.asarray(order.index(axis), np.int32))
    source = low.activation(node, order=order)
    own = low.model.tensors[source].quant
    records = [low.model.tensors[target] for target in targets]
    parts = [
        target if own is None or own == record.quant else low.scratch(record.shape, low.tensor(node.inputs[0]))
        for target, record in zip(targets, records, strict=True)
    ]
    sizes = [low.tensor(name).shape[axis] for name in node.outputs]
    count, version = {"NumSplits": len(sizes)}, 2 if own else 1
    if len(set(sizes)) == 1:
        low.emit("SPLIT", (where, source), parts, Options("SplitOptions", count), version)
    else:
        place, start = order.index(axis), 0
        ranges = [range(length) for length in low.model.tensors[source].shape]
        for part, size in zip(parts, sizes, strict=True):
            ranges[place], start = range(start, start + size), start + size
            emit_slice(low, source, part, ranges)
    for part, target in zip(parts, targets, strict=True):
        if part != target:
            low.rescale(part, target)


def _range(low: Lowering, node: Node, axis: int) -> range:
    """The indices along one axis that a Slice takes."""
    source = low.tensor(node.inputs[0])
    starts, ends, axes, steps = (_whole_numbers(low, node, position) for position in range(1, 5))
    assert starts is not None
    assert ends is not None
    where = np.arange(len(starts)) if axes is None else axes % len(source.shape)
    found = np.flatnonzero(where == axis)
    if not found.size:
        return range(source.shape[axis])
    position = found[0]
    step = 1 if steps is None else int(steps[position])
    part = slice(int(starts[position]), int(ends[position]), step)
    return range(*part.indices(source.shape[axis]))


def _whole_numbers(low: Lowering, node: Node, position: int) -> Array | None:
    """The constant vector at an input position, None where the input is absent."""
    if position >= len(node.inputs) or not node.inputs[position]:
        return None
    data = low.tensor(node.inputs[position]).data
    if data is None:
        raise low.refusal(node, f"takes a part whose place, '{node.inputs[position]}', is computed")
    return data.reshape(-1)


def emit_slice(low: Lowering, source: int, target: int, ranges: Sequence[range]) -> None:
    """Append a SLICE, or a STRIDED_SLICE where steps ask for it, of the indices along each axis in memory."""
    quantized = low.model.tensors[source].quant is not None
    begin = low.constant(np.asarray([part.start for part in ranges], np.int32))
    if all(part.step == 1 for part in ranges):
        size = low.constant(np.asarray([len(part) for part in ranges], np.int32))
        low.emit("SLICE", (source, begin, size), target, Options("SliceOptions"), version=2 if quantized else 1)
        return
    # Going backwards through index 0, the end would be -1, which means the last index: the mask says "to the edge".
    to_edge = sum(1 << axis for axis, part in enumerate(ranges) if part.stop < 0)
    end = low.constant(np.asarray([part.stop for part in ranges], np.int32))
    steps = low.constant(np.asarray([part.step for part in ranges], np.int32))
    options = Options("StridedSliceOptions", {"EndMask": to_edge} if to_edge else {})
    low.emit("STRIDED_SLICE", (source, begin, end, steps), target, options, version=2 if quantized else 1)


OPERATORS = (
    Operator("Slice", slice_, TIED, linear=True, channels=Channels.PASSED),
    Operator("Split", split, TIED, linear=True),
)
