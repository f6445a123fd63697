"""Writing quantization into a graph: QuantizeLinear and DequantizeLinear around float operators (QDQ form).

A runtime that knows the form computes each DequantizeLinear → operator → QuantizeLinear island in integers; one that
does not computes the same in float, rounding where the integers would. Weights and biases are stored as integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import UnknownNameError
from edgekit.quantize import spec
from edgekit.quantize.spec import OPERATORS, Affine

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

IO_TYPES = ("int8", "uint8", "float32")
UINT8_SHIFT = 128
ELEMENTWISE = ("Add", "Mul", "Concat")


def insert_qdq(model: ModelProto, affines: Mapping[str, Affine], io: str = "int8") -> ModelProto:
    """The int8 form of a prepared float model.

    Args:
        model: prepared float ONNX, opset 13 or later.
        affines: scale and zero point of each stored tensor (``scheme.affines``).
        io: type of the model's inputs and outputs: ``int8``; ``uint8``, the same real values shifted by 128;
            ``float32``, quantized inside.

    Returns:
        A new model with int8 activations, int8 weights and int32 biases, and the same input and output names.
    """
    if io not in IO_TYPES:
        raise UnknownNameError("I/O type", io, IO_TYPES)
    return _Writer(model, affines, io).write()


class _Writer:
    """Builds the new graph node by node, in the order of the old one."""

    def __init__(self, model: ModelProto, affines: Mapping[str, Affine], io: str) -> None:
        from onnx import numpy_helper

        self.model, self.affines, self.io = model, affines, io
        self.reals = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
        self.outputs = {item.name for item in model.graph.output}
        self.constants: dict[str, NDArray[Any]] = {}
        self.nodes: list[NodeProto] = []
        self.stored: dict[str, str] = {}
        self.readable: dict[str, str] = {}

    def write(self) -> ModelProto:
        import onnx

        for item in self.model.graph.input:
            self._graph_input(item.name)
        for node in self.model.graph.node:
            self._operator(node)
        result = onnx.ModelProto()
        result.CopyFrom(self.model)
        graph = result.graph
        del graph.node[:], graph.initializer[:], graph.value_info[:], graph.metadata_props[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in self.constants.items())
        for item in (*graph.input, *graph.output):
            item.type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(self.io))
        return result

    def _graph_input(self, name: str) -> None:
        affine = self.affines[name]
        if self.io == "int8":
            self.stored[name] = name
        elif self.io == "float32":
            self.stored[name] = self._quantize(name, affine, f"{name}_int8")
        else:
            camera = self._dequantize(name, affine, f"{name}_camera", "uint8")
            self.stored[name] = self._quantize(camera, affine, f"{name}_int8")

    def _operator(self, node: NodeProto) -> None:
        import onnx

        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        del copy.metadata_props[:]
        copy.input[:] = [self._operand(node, index) for index in range(len(node.input))]
        name = node.output[0]
        if name in self.affines:
            copy.output[0] = f"{name}_real"
        self.nodes.append(copy)
        if name in self.affines:
            self._store(name, f"{name}_real")

    def _store(self, name: str, real: str) -> None:
        """Quantize an operator's result; a graph output then takes its type at the boundary."""
        affine, is_output = self.affines[name], name in self.outputs
        bare = is_output and self.io == "int8"
        self.stored[name] = self._quantize(real, affine, name if bare else f"{name}_int8")
        if is_output and self.io == "float32":
            self._dequantize(self.stored[name], affine, name)
        if is_output and self.io == "uint8":
            self._quantize(self._read(name), affine, name, "uint8")

    def _operand(self, node: NodeProto, index: int) -> str:
        """The name of the real tensor that stands for a node's input in the new graph."""
        name, rule = str(node.input[index]), OPERATORS[node.op_type]
        if name in self.affines:
            target = self.affines.get(node.output[0])
            return self._read(name, target if rule.ties else None)
        if name not in self.reals:
            return name
        if rule.weight and index == 1:
            return self._weight(node, rule.channel_axis)
        if rule.weight and index == 2:
            return self._bias(node, rule.channel_axis)
        if self.reals[name].dtype == np.float32 and node.op_type in ELEMENTWISE:
            return self._constant_activation(name)
        self.constants[name] = self.reals[name]
        return name

    def _read(self, name: str, target: Affine | None = None) -> str:
        """The dequantized form of a stored tensor, requantized first if its reader's scale ``target`` differs."""
        affine = self.affines[name]
        if name not in self.readable:
            self.readable[name] = self._dequantize(self.stored[name], affine, f"{name}_dequantized")
        if target is None or target == affine:
            return self.readable[name]
        again = f"{name}_{len(self.nodes)}"
        return self._dequantize(self._quantize(self.readable[name], target, f"{again}_int8"), target, again)

    def _weight(self, node: NodeProto, axis: int | None) -> str:
        scales = self._weight_scales(node, axis)
        stored = spec.quantize_weights(self.reals[node.input[1]], scales, axis)
        return self._dequantized_constant(f"{node.input[1]}_{node.output[0]}", stored, scales, axis)

    def _bias(self, node: NodeProto, axis: int | None) -> str:
        scales = self._weight_scales(node, axis) * np.float32(self.affines[node.input[0]].scale)
        stored = spec.quantize_bias(self.reals[node.input[2]], scales)
        bias_axis = None if axis is None else 0
        return self._dequantized_constant(f"{node.input[2]}_{node.output[0]}", stored, scales, bias_axis)

    def _weight_scales(self, node: NodeProto, axis: int | None) -> spec.Reals:
        bias = self.reals[node.input[2]] if len(node.input) > 2 and node.input[2] else None
        return spec.weight_scales(self.reals[node.input[1]], axis, bias, self.affines[node.input[0]].scale)

    def _constant_activation(self, name: str) -> str:
        """A constant operand of an element-wise operator: stored like an activation with exactly its own range."""
        value = self.reals[name]
        affine = spec.activation_affine(float(value.min()), float(value.max()))
        self.constants[f"{name}_int8"] = spec.quantize(value, affine)
        return self._dequantize(f"{name}_int8", affine, f"{name}_{len(self.nodes)}")

    def _dequantized_constant(self, name: str, stored: NDArray[Any], scales: spec.Reals, axis: int | None) -> str:
        """A symmetric constant. Each has a zero point of its own: ONNX Runtime mishandles absent and shared ones."""
        import onnx

        scales = scales.reshape(()) if axis is None else scales
        inputs = [f"{name}_{stored.dtype}", f"{name}_scale", f"{name}_zero"]
        self.constants.update(zip(inputs, (stored, scales, np.zeros(scales.shape, stored.dtype)), strict=True))
        node = onnx.helper.make_node("DequantizeLinear", inputs, [name])
        if axis is not None:
            node.attribute.append(onnx.helper.make_attribute("axis", axis))
        self.nodes.append(node)
        return name

    def _quantize(self, real: str, affine: Affine, output: str, dtype: str = "int8") -> str:
        return self._boundary("QuantizeLinear", real, affine, output, dtype)

    def _dequantize(self, stored: str, affine: Affine, output: str, dtype: str = "int8") -> str:
        return self._boundary("DequantizeLinear", stored, affine, output, dtype)

    def _boundary(self, op_type: str, source: str, affine: Affine, output: str, dtype: str) -> str:
        import onnx

        zero_point = affine.zero_point + (UINT8_SHIFT if dtype == "uint8" else 0)
        scale_name, zero_name = f"scale_{affine.scale!r}", f"zero_point_{dtype}_{zero_point}"
        self.constants[scale_name] = np.asarray(affine.scale, np.float32)
        self.constants[zero_name] = np.asarray(zero_point, dtype)
        self.nodes.append(onnx.helper.make_node(op_type, [source, scale_name, zero_name], [output]))
        return output
