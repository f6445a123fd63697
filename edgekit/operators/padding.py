"""Pad, in every mode: TFLite pads with a constant and by reflection; other modes are indices."""

from __future__ import annotations

import numpy as np

from edgekit.operators.indexing import gathered
from edgekit.operators.lowered import Options
from edgekit.operators.lowering import Lowering
from edgekit.operators.nodes import Node
from edgekit.operators.operator import TIED, Channels, Operator
from edgekit.operators.slices import emit_slice
from edgekit.scales import Array

REFLECT = 0
"""The schema's MirrorPadMode."""


def pad(low: Lowering, node: Node) -> None:
    """Pad with a constant → PAD or PADV2, by reflection → MIRROR_PAD, by the edge or around → GATHER.

    Negative padding → SLICE.
    """
    order = low.placed(node.inputs[0]).order
    table = _amounts(low, node)[list(order)]
    mode = node.attributes.get("mode", "constant")
    source = low.requantized(low.activation(node, order=order), low.tensor(node.outputs[0]).quant)
    target = low.result(node, order)
    grown = np.maximum(table, 0)
    if (table < 0).any():
        ranges = [
            range(max(-int(before), 0), size + min(int(after), 0))
            for size, (before, after) in zip(low.model.tensors[source].shape, table, strict=True)
        ]
        cropped = target
        if grown.any():
            cropped = low.scratch([len(part) for part in ranges], low.tensor(node.outputs[0]))
        emit_slice(low, source, cropped, ranges)
        source = cropped
    if source == target:
        return
    if mode == "constant":
        emit_pad(low, source, target, grown, _value(low, node, target))
    elif mode == "reflect":
        version = 2 if low.is_quantized(node) else 1
        amounts = low.constant(grown.astype(np.int32))
        low.emit("MIRROR_PAD", (source, amounts), target, Options("MirrorPadOptions", {"Mode": REFLECT}), version)
    elif mode in ("edge", "wrap"):
        _pad_indices(low, node, (source, target), grown, mode)
    else:
        raise low.refusal(node, f"pads by {mode}")


def emit_pad(low: Lowering, source: int, target: int, amounts: Array, value: Array | None = None) -> None:
    """Append a PAD with real 0, or a PADV2 with a value as ``target`` stores it; ``amounts`` [rank, 2]."""
    quant = low.model.tensors[target].quant
    operands, version = (source, low.constant(amounts.astype(np.int32))), 2 if quant else 1
    if value is None:
        low.emit("PAD", operands, target, Options("PadOptions"), version)
    else:
        low.emit("PADV2", (*operands, low.constant(value, quant)), target, Options("PadV2Options"), version)


def _amounts(low: Lowering, node: Node) -> Array:
    """int64 [rank, 2]: values added (or, negative, left out) before and after each ONNX axis."""
    rank = len(low.tensor(node.inputs[0]).shape)
    given = low.tensor(node.inputs[1]).data
    axes: Array | None = np.arange(rank)
    if len(node.inputs) > 3 and node.inputs[3]:
        axes = low.tensor(node.inputs[3]).data
    if given is None or axes is None:
        raise low.refusal(node, "pads by an amount that is computed")
    table = np.zeros((rank, 2), np.int64)
    table[axes.reshape(-1) % rank] = given.reshape(2, -1).T
    return table


def _value(low: Lowering, node: Node, target: int) -> Array | None:
    """What a Pad pads with, as ``target`` stores it; None for 0."""
    value = low.tensor(node.inputs[2]).data if len(node.inputs) > 2 and node.inputs[2] else np.zeros(1, np.float32)
    if value is None or value.size != 1:
        raise low.refusal(node, "pads with a value that is computed")
    if not value.any():
        return None
    record = low.model.tensors[target]
    return value.reshape(1).astype(record.dtype) if record.quant is None else record.quant.quantize(value.reshape(1))


def _pad_indices(low: Lowering, node: Node, ends: tuple[int, int], amounts: Array, mode: str) -> None:
    """Each padded axis is a GATHER of its own."""
    source, target = ends
    shape = list(low.model.tensors[source].shape)
    padded = [axis for axis in range(len(shape)) if amounts[axis].any()]
    for axis in padded:
        own, extra = np.arange(shape[axis]), tuple(amounts[axis])
        indices = np.pad(own, extra, mode="edge") if mode == "edge" else np.pad(own, extra, mode="wrap")
        shape[axis] = len(indices)
        result = target if axis == padded[-1] else low.scratch(shape, low.tensor(node.outputs[0]))
        gathered(low, source, result, axis, indices)
        source = result
    if not padded:
        low.reshape(source, target)


OPERATORS = (Operator("Pad", pad, TIED, linear=True, channels=Channels.PROPORTIONAL),)
