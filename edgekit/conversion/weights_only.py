"""Float models with small weights, in ONNX: int8 per output channel, or half precision. All computation stays float32.

``weights_only`` stores the weights of convolutions and matrix products as int8 behind a DequantizeLinear,
``half`` all large constants as float16 behind a Cast. ``lower`` turns either into TFLite with the same stored values.
Neither needs calibration; neither is faster than float, but a quarter or half of its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ModelError
from edgekit.operators import OPERATORS
from edgekit.scales import INT8_MAX, Quantization, Reals

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

WEIGHTS_ONLY_INT8, WEIGHTS_ONLY_HALF = "weight_only_wi8_af32", "weight_only_wf16_af32"
"""Recipes: the type of the stored weights, and of the activations."""
STORED = {"": "float32", WEIGHTS_ONLY_INT8: "int8", WEIGHTS_ONLY_HALF: "float16"}

CHANNEL_AXES = {row.name: row.weights.axis for row in OPERATORS.values() if row.weights is not None} | {"MatMul": -1}
"""Operators with weights, at input 1, and the axis of their output channels in a prepared model."""
WEIGHTS = 1
SMALLEST = 256
"""Constants of fewer values stay as they are: unpacking them would cost more bytes than it saves."""
TINIEST = 2.0**-100
"""Scale of a channel whose weights are all zero."""


def weights_only(model: ModelProto) -> ModelProto:
    """The model with int8 weights: symmetric, one scale per output channel, nearest rounding, float computation.

    Args:
        model: prepared float ONNX, opset 13 or later.

    Raises:
        ModelError: a weight is not a finite number.
    """
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    pack = _Packing(model)
    for node in model.graph.node:
        name = node.input[WEIGHTS] if node.op_type in CHANNEL_AXES else ""
        data = pack.candidates.get(name)
        # Weights that another operator reads in another role have no single channel axis.
        alike = {(reader.op_type, list(reader.input).index(name)) for reader in readers.get(name, ())}
        if data is None or name in pack.nodes or len(alike) > 1 or _is_grouped_transpose(node):
            continue
        axis = CHANNEL_AXES[node.op_type] % data.ndim
        quantization = channel_quantization(data, axis)
        scales = np.asarray(quantization.scales, np.float32)
        constants = (quantization.quantize(data, INT8_MAX), scales, np.zeros(scales.shape, np.int8))
        pack.unpack(name, "DequantizeLinear", constants, axis=axis)
    return pack.finish()


def half(model: ModelProto) -> ModelProto:
    """The model with all large float32 constants in half precision, except those with values beyond its range.

    Args:
        model: prepared float ONNX, opset 13 or later.
    """
    from onnx import TensorProto

    pack = _Packing(model)
    for name, data in pack.candidates.items():
        if np.abs(data).max() <= np.finfo(np.float16).max:
            pack.unpack(name, "Cast", (data.astype(np.float16),), to=TensorProto.FLOAT)
    return pack.finish()


def stored_weights(model: ModelProto) -> tuple[str, ModelProto]:
    """How a model stores its weights (a value of STORED), and the model with float32 weights again.

    A model with quantized activations, or of plain float32, comes back as it is.
    """
    import onnx
    from onnx import numpy_helper

    constants = {item.name: item for item in model.graph.initializer}
    unpacking = [
        node
        for node in model.graph.node
        if node.op_type in ("DequantizeLinear", "Cast") and set(node.input) <= set(constants)
    ]
    quantizing = {node.op_type for node in model.graph.node if node not in unpacking}
    if not unpacking or quantizing & {"QuantizeLinear", "DequantizeLinear"}:
        return STORED[""], model
    values: dict[str, Any] = {}
    for node in unpacking:
        arrays = [numpy_helper.to_array(constants[name]) for name in node.input]
        values[node.output[0]] = _unpacked(node, arrays)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph, packed = result.graph, {name for node in unpacking for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(node for node in model.graph.node if node not in unpacking)
    still_read = {name for node in graph.node for name in node.input}
    graph.initializer.extend(item for name, item in constants.items() if name not in packed or name in still_read)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    is_int8 = any(node.op_type == "DequantizeLinear" for node in unpacking)
    return STORED[WEIGHTS_ONLY_INT8 if is_int8 else WEIGHTS_ONLY_HALF], result


def channel_quantization(weights: Reals, axis: int) -> Quantization:
    """A symmetric scale for each index along an axis: the largest magnitude there becomes 127.

    Raises:
        ModelError: a weight is not a finite number.
    """
    if not np.isfinite(weights).all():
        raise ModelError("A weight tensor holds values that are not finite; train or export the model again.")
    others = tuple(place for place in range(weights.ndim) if place != axis % weights.ndim)
    scales = np.maximum(np.abs(weights).max(axis=others) / np.float32(INT8_MAX), np.float32(TINIEST))
    return Quantization.symmetric(scales, axis)


class _Packing:
    """Collects the nodes that unpack constants, then puts them in front of a copy of the model."""

    def __init__(self, model: ModelProto) -> None:
        from onnx import TensorProto, numpy_helper

        self.model = model
        self.nodes: dict[str, NodeProto] = {}
        self.constants: dict[str, NDArray[Any]] = {}
        self.candidates = {
            item.name: numpy_helper.to_array(item)
            for item in model.graph.initializer
            if item.data_type == TensorProto.FLOAT and np.prod(item.dims) >= SMALLEST
        }

    def unpack(self, name: str, operator: str, constants: tuple[NDArray[Any], ...], **attributes: int) -> None:
        """Let a node compute the constant ``name`` from stored ones."""
        from onnx import helper

        names = [f"{name}_{part}" for part in ("stored", "scale", "zero")[: len(constants)]]
        self.constants.update(zip(names, constants, strict=True))
        self.nodes[name] = helper.make_node(operator, names, [name])
        self.nodes[name].attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())

    def finish(self) -> ModelProto:
        import onnx
        from onnx import numpy_helper

        result = onnx.ModelProto()
        result.CopyFrom(self.model)
        graph = result.graph
        kept = [item for item in graph.initializer if item.name not in self.nodes]
        del graph.node[:], graph.initializer[:]
        graph.node.extend([*self.nodes.values(), *self.model.graph.node])
        graph.initializer.extend(kept)
        graph.initializer.extend(numpy_helper.from_array(data, name) for name, data in self.constants.items())
        return result


def _unpacked(node: NodeProto, arrays: list[NDArray[Any]]) -> Reals:
    if node.op_type == "Cast":
        return arrays[0].astype(np.float32)
    stored, scales = arrays[0], arrays[1].reshape(-1)
    zeros = arrays[2].reshape(-1) if len(arrays) > 2 else np.zeros(scales.shape, np.int8)
    axis = next((item.i for item in node.attribute if item.name == "axis"), 1) % max(stored.ndim, 1)
    values = tuple(scales.astype(np.float32).tolist()), tuple(zeros.astype(np.int64).tolist())
    return Quantization(*values, axis if scales.size > 1 else None, stored.dtype.name).dequantize(stored)


def _is_grouped_transpose(node: NodeProto) -> bool:
    """A grouped ConvTranspose has its output channels on two axes."""
    return node.op_type == "ConvTranspose" and any(item.name == "group" and item.i > 1 for item in node.attribute)
