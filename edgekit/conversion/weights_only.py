"""Models that compute in float, with weights stored in fewer bits: int8 per output channel, or float16.

In ONNX, weights of convolutions and matrix products are int8 behind a DequantizeLinear, or all large constants float16
behind a Cast. ``lower`` turns either into TFLite with the same stored values. Neither needs calibration; neither is
faster than float, but a quarter or half of its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ModelError
from edgekit.graph.draft import Draft
from edgekit.graph.layers import OUTPUT_AXES
from edgekit.graph.messages import attributes, make_node, readers_of
from edgekit.operators.operator import WEIGHTS
from edgekit.scales import INT8_MAX, Quantization, Reals

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

FLOAT32, INT8, FLOAT16 = "float32", "int8", "float16"
"""How weights may be stored."""
CHANNEL_AXES = OUTPUT_AXES | {"MatMul": -1}
"""Operators with weights, at input 1, and the axis of their output channels in a prepared model."""
SMALLEST = 256
"""Constants of fewer values stay as they are: unpacking them would cost more bytes than it saves."""
SAME = 1e-4
"""How far from an integer a weight in steps of a grid may be, for float32's rounding."""
TINIEST = 2.0**-100
"""Scale of a channel whose weights are all zero."""


def with_small_weights(model: ModelProto, stored: str) -> ModelProto:
    """The model with weights of INT8 (symmetric, one scale per output channel, nearest rounding) or FLOAT16.

    Args:
        model: prepared float ONNX, opset 13 or later.
        stored: INT8 or FLOAT16.

    Raises:
        ModelError: a weight is not a finite number.
    """
    draft, axes = Draft.from_model(model), _channel_axes(model)
    unpacking = []
    for name in list(axes if stored == INT8 else draft.constants):
        data = draft.constants.get(name)
        found = None if data is None else small_form(data, stored, axes.get(name, 0))
        if found is None:
            continue
        value, quantization = found
        parts: dict[str, NDArray[Any]] = {f"{name}_stored": value}
        if quantization is None:
            unpacking.append(make_node("Cast", parts, [name], to=1))
        else:
            scales = np.asarray(quantization.scales, np.float32)
            parts |= {f"{name}_scale": scales, f"{name}_zero": np.zeros(scales.shape, np.int8)}
            unpacking.append(make_node("DequantizeLinear", parts, [name], axis=quantization.axis))
        draft.constants.update(parts)
        del draft.constants[name]
    for node in reversed(unpacking):
        draft.prepend(node)
    return draft.to_model()


def small_form(data: NDArray[Any], stored: str, axis: int) -> tuple[NDArray[Any], Quantization | None] | None:
    """A constant as it is ``stored``, of int8 with its scales along ``axis``; None where it stays float32.

    Raises:
        ModelError: a weight is not a finite number.
    """
    if data.dtype != np.float32 or data.size < SMALLEST:
        return None
    if stored == FLOAT16:
        return (data.astype(np.float16), None) if np.abs(data).max() <= np.finfo(np.float16).max else None
    quantization = channel_quantization(data, axis % data.ndim)
    return quantization.quantize(data, INT8_MAX), quantization


def on_grid(data: NDArray[Any], axis: int) -> tuple[NDArray[Any], Quantization] | None:
    """The INT8 form of weights that lose nothing by it, since they were rounded to a grid before; None of others.

    The largest weight of a channel along ``axis`` is up to 127 of its steps.
    """
    if data.dtype != np.float32 or data.size < SMALLEST:
        return None
    rows = np.moveaxis(data, axis, 0).reshape(data.shape[axis], -1).astype(np.float64)
    scales, left = np.full(len(rows), TINIEST), np.flatnonzero(rows.any(axis=1))
    for most in range(INT8_MAX, 0, -1):
        steps = np.abs(rows[left]).max(axis=1, initial=0.0) / most
        counts = rows[left] / steps[:, None]
        fits = (np.abs(counts - np.rint(counts)) < SAME).all(axis=1)
        scales[left[fits]], left = steps[fits], left[~fits]
    quantization = Quantization.symmetric(scales, axis)
    return None if left.size else (quantization.quantize(data, INT8_MAX), quantization)


def stored_weights(model: ModelProto) -> tuple[str, ModelProto]:
    """How a model stores its weights (FLOAT32, INT8 or FLOAT16), and the model with float32 weights again.

    A model with quantized activations, or of plain float32, comes back as it is.
    """
    named = {item.name for item in model.graph.initializer}
    unpacking = {
        node.output[0]: node
        for node in model.graph.node
        if node.op_type in ("DequantizeLinear", "Cast") and set(node.input) <= named
    }
    others = [node for node in model.graph.node if node.output[0] not in unpacking]
    if not unpacking or {node.op_type for node in others} & {"QuantizeLinear", "DequantizeLinear"}:
        return FLOAT32, model
    draft = Draft.from_model(model)
    for name in unpacking:
        if node := draft.producer(name):
            draft.constants[name] = _unpacked(node, [draft.constants[part] for part in node.input])
            draft.remove(node)
    draft.drop_unused()
    is_int8 = any(node.op_type == "DequantizeLinear" for node in unpacking.values())
    return INT8 if is_int8 else FLOAT16, draft.to_model()


def channel_quantization(weights: Reals, axis: int) -> Quantization:
    """A symmetric scale for each index along an axis: the largest magnitude there becomes 127.

    Raises:
        ModelError: a weight is not a finite number.
    """
    if not np.isfinite(weights).all():
        raise ModelError("A weight tensor holds values that are not finite; train or export the model again.")
    others = tuple(place for place in range(weights.ndim) if place != axis)
    scales = np.maximum(np.abs(weights).max(axis=others) / np.float32(INT8_MAX), np.float32(TINIEST))
    return Quantization.symmetric(scales, axis)


def _channel_axes(model: ModelProto) -> dict[str, int]:
    """The weights that have a single axis of output channels, for all that read them, and which it is."""
    readers = readers_of(model.graph.node)
    found: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type not in CHANNEL_AXES:
            continue
        if node.op_type == "ConvTranspose" and attributes(node).get("group", 1) > 1:
            continue  # its output channels are on two axes
        name = node.input[WEIGHTS]
        if len({(reader.op_type, list(reader.input).index(name)) for reader in readers[name]}) == 1:
            found.setdefault(name, CHANNEL_AXES[node.op_type])
    return found


def _unpacked(node: NodeProto, arrays: list[NDArray[Any]]) -> Reals:
    if node.op_type == "Cast":
        return arrays[0].astype(np.float32)
    stored, scales = arrays[0], arrays[1].reshape(-1)
    zeros = arrays[2].reshape(-1) if len(arrays) > 2 else np.zeros(scales.shape, np.int8)
    axis = attributes(node).get("axis", 1) % max(stored.ndim, 1)
    values = tuple(scales.astype(np.float32).tolist()), tuple(zeros.astype(np.int64).tolist())
    return Quantization(*values, axis if scales.size > 1 else None, stored.dtype.name).dequantize(stored)
