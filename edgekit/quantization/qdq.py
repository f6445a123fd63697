"""Writing quantization into a graph: QuantizeLinear and DequantizeLinear around float operators (QDQ form).

A runtime that knows the form computes each DequantizeLinear → operator → QuantizeLinear island in integers; one that
does not computes the same in float, rounding where the integers would. Weights and biases are stored as integers.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import UnknownNameError
from edgekit.graph.draft import Draft
from edgekit.graph.messages import make_node
from edgekit.operators import UNKNOWN, row_of
from edgekit.quantization.plan import Plan
from edgekit.quantization.tensor_groups import float_operators
from edgekit.scales import Quantization, bias_quantization, range_quantization

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

IO_TYPES = ("int8", "uint8", "float32")
ACTIVATION_TYPES = ("int8", "uint8")
UINT8_SHIFT = 128


def insert_qdq(model: ModelProto, plan: Plan, io: str = "int8", activations: str = "int8") -> ModelProto:
    """The int8 form of a prepared float model.

    Args:
        model: prepared float ONNX, opset 13 or later.
        plan: how each value is stored.
        io: type of the model's inputs and outputs: ``int8``; ``uint8``, the same real values shifted by 128;
            ``float32``, quantized inside.
        activations: ``int8``, or ``uint8``: the same real values shifted by 128, which ONNX Runtime on x86 computes
            several times faster.

    Returns:
        A new model with 8-bit activations, int8 weights and int32 biases, and the same input and output names.
    """
    if io not in IO_TYPES:
        raise UnknownNameError("I/O type", io, IO_TYPES)
    if activations not in ACTIVATION_TYPES:
        raise UnknownNameError("activation type", activations, ACTIVATION_TYPES)
    return _Writer(model, plan, io, activations).write()


class _Writer:
    """Builds the new graph node by node, in the order of the old one."""

    def __init__(self, model: ModelProto, plan: Plan, io: str, activations: str) -> None:
        self.source, self.plan, self.affines = Draft.from_model(model), plan, plan.affines
        self.io, self.activations = io, activations
        self.floats = plan.floats | float_operators(model)
        self.reals = self.source.constants
        computed = {name for node in self.source.nodes for name in node.output}
        self.taken = {*self.reals, *computed, *(item.name for item in self.source.inputs)}
        self.weights: dict[str, Quantization] = {}
        self.constants: dict[str, NDArray[Any]] = {}
        self.nodes: list[NodeProto] = []
        self.stored: dict[str, str] = {}
        self.readable: dict[str, str] = {}
        self.real: dict[str, str] = {}
        self.unstored_floats: set[str] = set()

    def write(self) -> ModelProto:
        from onnx import helper

        inputs, outputs = self.source.inputs, self.source.outputs
        for item in inputs:
            self._graph_input(item.name)
        for node in self.source.nodes:
            self._operator(node)
        for item in (*inputs, *outputs):
            if item.name in self.affines:
                item.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(self.io))
        return Draft(self.nodes, self.constants, inputs, outputs, self.source.template).to_model()

    def _graph_input(self, name: str) -> None:
        if name not in self.affines:
            self.real[name] = name
            return
        affine = self.affines[name]
        if self.io == self.activations:
            self.stored[name] = name
        elif self.io == "float32":
            self.stored[name] = self._quantize(name, affine, self._new(f"{name}_int8"))
        else:
            camera = self._dequantize(name, affine, self._new(f"{name}_camera"), self.io)
            self.stored[name] = self._quantize(camera, affine, self._new(f"{name}_int8"))

    def _operator(self, node: NodeProto) -> None:
        copy = deepcopy(node)
        del copy.metadata_props[:]
        is_float = self._is_float(node)
        copy.input[:] = [self._operand(node, index, is_float) for index in range(len(node.input))]
        kept = [name for name in node.output if name in self.affines]
        if is_float:
            self.unstored_floats.update(name for name in node.output if name not in kept)
        copy.output[:] = [self._new(f"{name}_real") if name in kept else name for name in node.output]
        self.nodes.append(copy)
        for name in kept:
            if is_float:
                self._keep_float(name, copy)
            else:
                self._store(name, self._new(f"{name}_real"))

    def _is_float(self, node: NodeProto) -> bool:
        """True for what is left in float, and an activation that is part of such."""
        fused = node.input[0] in self.unstored_floats if node.input else False
        return fused or node.output[0] in self.floats

    def _keep_float(self, name: str, copy: NodeProto) -> None:
        """A float operator's result is quantized only for those who read integers."""
        self.real[name] = self._new(f"{name}_real")
        if self.source.is_output(name) and self.io == "float32":
            copy.output[list(copy.output).index(self.real[name])] = self.real[name] = name
        elif self.source.is_output(name) or not all(map(self._is_float, self.source.consumers(name))):
            # Behind a Max of nothing else: between a DequantizeLinear and a QuantizeLinear, ONNX Runtime quantizes
            # float weights by itself otherwise.
            held = self._new(f"{name}_held")
            self.nodes.append(make_node("Max", [self.real[name]], [held]))
            self._store(name, held)

    def _store(self, name: str, real: str) -> None:
        """Quantize an operator's result; a graph output then takes its type at the boundary."""
        affine, is_output = self.affines[name], self.source.is_output(name)
        bare = is_output and self.io == self.activations
        self.stored[name] = self._quantize(real, affine, name if bare else self._new(f"{name}_int8"))
        if is_output and self.io == "float32":
            self.readable[name] = self._dequantize(self.stored[name], affine, name)
        elif is_output and not bare:
            self._quantize(self._read(name), affine, name, self.io)

    def _operand(self, node: NodeProto, index: int, is_float: bool) -> str:
        """The name of the real tensor that stands for a node's input in the new graph."""
        name, row = str(node.input[index]), UNKNOWN if is_float else row_of(node.op_type)
        rule = row.int8
        if is_float and name in self.real:
            return self.real[name]
        if name in self.affines:
            target = self.affines.get(node.output[0])
            return self._read(name, target if rule and rule.ties else None)
        if name not in self.reals:
            return name
        if row.weights and index == 1:
            return self._weight(node)
        if row.weights and index == 2:
            return self._bias(node)
        if self.reals[name].dtype == np.float32 and rule and rule.constants:
            return self._constant_activation(name, self.affines.get(node.output[0]) if rule.ties else None)
        self.constants[name] = self.reals[name]
        return name

    def _read(self, name: str, target: Quantization | None = None) -> str:
        """The dequantized form of a stored tensor, requantized first if its reader's scale ``target`` differs."""
        affine = self.affines[name]
        if name not in self.readable:
            self.readable[name] = self._dequantize(self.stored[name], affine, self._new(f"{name}_dequantized"))
        if target is None or target == affine:
            return self.readable[name]
        again = self._new(f"{name}_again_{len(self.nodes)}")
        return self._dequantize(self._quantize(self.readable[name], target, self._new(f"{again}_int8")), target, again)

    def _weight(self, node: NodeProto) -> str:
        weights = self.plan.weights_of(node, self.reals)
        self.weights[node.output[0]] = weights.quantization
        return self._own_constant(f"{node.input[1]}_{node.output[0]}", weights.stored, weights.quantization)

    def _bias(self, node: NodeProto) -> str:
        own = bias_quantization(self.weights[node.output[0]], self.affines[node.input[0]])
        return self._own_constant(f"{node.input[2]}_{node.output[0]}", own.quantize(self.reals[node.input[2]]), own)

    def _constant_activation(self, name: str, affine: Quantization | None) -> str:
        """A constant operand: stored like an activation, with exactly its own range unless a scale is given."""
        value = self.reals[name]
        affine = affine or range_quantization(float(value.min()), float(value.max()))
        own = _as_type(affine, self.activations)
        return self._own_constant(self._new(f"{name}_own_{len(self.nodes)}"), own.quantize(value), own)

    def _own_constant(self, name: str, stored: NDArray[Any], own: Quantization) -> str:
        """A stored constant. Each has a zero point of its own: ONNX Runtime mishandles absent and shared ones."""
        inputs = [f"{name}_{stored.dtype}", f"{name}_scale", f"{name}_zero"]
        shape = () if own.axis is None else -1
        scales = np.asarray(own.scales, np.float32).reshape(shape)
        zeros = np.asarray(own.zero_points, own.dtype).reshape(shape)
        self.constants.update(zip(inputs, (stored, scales, zeros), strict=True))
        self.nodes.append(make_node("DequantizeLinear", inputs, [name], axis=own.axis))
        return name

    def _new(self, name: str) -> str:
        """A name like this one that no value of the float model has; the same for the same."""
        while name in self.taken:
            name += "_"
        return name

    def _quantize(self, real: str, affine: Quantization, output: str, dtype: str = "") -> str:
        return self._boundary("QuantizeLinear", real, _as_type(affine, dtype or self.activations), output)

    def _dequantize(self, stored: str, affine: Quantization, output: str, dtype: str = "") -> str:
        return self._boundary("DequantizeLinear", stored, _as_type(affine, dtype or self.activations), output)

    def _boundary(self, op_type: str, source: str, stored: Quantization, output: str) -> str:
        scale_name, zero_name = f"scale_{stored.scale!r}", f"zero_point_{stored.dtype}_{stored.zero_point}"
        self.constants[scale_name] = np.asarray(stored.scale, np.float32)
        self.constants[zero_name] = np.asarray(stored.zero_point, stored.dtype)
        self.nodes.append(make_node(op_type, [source, scale_name, zero_name], [output]))
        return output


def _as_type(affine: Quantization, dtype: str) -> Quantization:
    """The same real values as int8, or as uint8 shifted by 128."""
    shift = UINT8_SHIFT if dtype == "uint8" else 0
    return Quantization.per_tensor(affine.scale, affine.zero_point + shift, dtype)
