"""From ONNX to the records that lowerings read, in which a quantized tensor is one tensor, not a chain of nodes.

In a QDQ model each quantized value is written as float → QuantizeLinear → int8 → DequantizeLinear → float. Reading
collapses the chain: the nodes in between work on tensors that carry their ``Quantization``. What remains of the two
operators are real conversions: at the boundary of the model, or between two different scales.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import UnsupportedError
from edgekit.graph.messages import attributes, constants_of
from edgekit.operators import row_of
from edgekit.operators.nodes import Graph, Node, Tensor
from edgekit.scales import Quantization

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto


def read_graph(model: ModelProto) -> Graph:
    """Read a prepared float model or a QDQ model; shapes are inferred where the file does not give them.

    Raises:
        UnsupportedError: a shape is not static, or scales are computed instead of constant.
    """
    return _Reader(model).read()


class _Reader:
    """Walks the nodes once and keeps track of which tensor stands behind each ONNX value."""

    def __init__(self, model: ModelProto) -> None:
        from onnx import shape_inference

        self.graph = graph = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.makers: dict[str, int] = {}
        self.alias: dict[str, str] = {}
        for name, data in constants_of(model).items():
            self.tensors[name] = Tensor(name, data.shape, data.dtype.name, data)
        for value in (*graph.input, *graph.value_info, *graph.output):
            if value.name not in self.tensors:
                self.tensors[value.name] = _described(value)
        self.inputs = tuple(value.name for value in graph.input if self.tensors[value.name].data is None)
        self.outputs = tuple(value.name for value in graph.output)
        self.uses = Counter((*self.outputs, *(name for node in graph.node for name in node.input)))

    def read(self) -> Graph:
        for node in self.graph.node:
            if node.op_type == "DequantizeLinear":
                self._dequantize(node)
            elif node.op_type == "QuantizeLinear":
                self._quantize(node)
            elif node.op_type == "Max" and len(node.input) == 1:
                self.alias[node.output[0]] = self._resolve(node.input[0])
            else:
                names = tuple(self._resolve(name) for name in node.input)
                self._append(Node(node.op_type, node.name, names, tuple(node.output), attributes(node)))
        used = {name for node in self.nodes for name in (*node.inputs, *node.outputs)}
        for name in used - {""}:
            self._tensor(name)
        for node in self.nodes:
            self._check_sizes(node)
        kept = used.union(self.inputs, self.outputs)
        tensors = {name: tensor for name, tensor in self.tensors.items() if name in kept}
        return Graph(tensors, tuple(self.nodes), self.inputs, self.outputs)

    def _check_sizes(self, node: Node) -> None:
        """What only gives values other axes has as many before as after; ONNX's inference does not look at that."""
        if row_of(node.op).reshapes:
            source, target = (self.tensors[name].shape for name in (node.inputs[0], node.outputs[0]))
            if math.prod(source) != math.prod(target):
                raise UnsupportedError(f"{node} cannot bring the shape {source} to {target}; export the model again.")

    def _append(self, node: Node) -> None:
        self.makers.update(dict.fromkeys(node.outputs, len(self.nodes)))
        self.nodes.append(node)

    def _resolve(self, name: str) -> str:
        while name in self.alias:
            name = self.alias[name]
        return name

    def _tensor(self, name: str) -> Tensor:
        """The tensor of a name; inference leaves out what it cannot tell the type of."""
        if name not in self.tensors:
            raise UnsupportedError(f"The type of '{name}' is not known; export the model with standard operators only.")
        return self.tensors[name]

    def _dequantize(self, node: NodeProto) -> None:
        source = self._resolve(node.input[0])
        tensor = self._tensor(source)
        quant = self._quant_of(node, tensor.dtype, tensor.shape)
        if tensor.quant is None:
            self.tensors[source] = replace(tensor, quant=quant)
        elif tensor.quant != quant:
            raise UnsupportedError(
                f"'{source}' is dequantized with two different scales; quantize the float model again."
            )
        if node.output[0] in self.outputs:
            self._append(Node("DequantizeLinear", node.name, (source,), (node.output[0],)))
        self.alias[node.output[0]] = source

    def _quantize(self, node: NodeProto) -> None:
        source, target = self._resolve(node.input[0]), node.output[0]
        tensor = self._tensor(source)
        quant = self._quant_of(node, self._tensor(target).dtype, tensor.shape)
        self.tensors[target] = replace(self.tensors[target], quant=quant)
        maker = self.makers.get(source)
        if tensor.quant == quant and target not in self.outputs:
            self.alias[target] = source
        elif tensor.quant is None and maker is not None and self.uses[node.input[0]] == self.uses[source] == 1:
            made = self.nodes[maker]
            outputs = tuple(target if name == source else name for name in made.outputs)
            self.nodes[maker] = replace(made, outputs=outputs)
            self.makers[target] = maker
        else:
            self._append(Node("QuantizeLinear", node.name, (source,), (target,)))

    def _quant_of(self, node: NodeProto, dtype: str, shape: tuple[int, ...]) -> Quantization:
        scales = self._tensor(self._resolve(node.input[1])).data
        if scales is None:
            raise UnsupportedError(f"The scale of '{node.output[0]}' is not constant; quantize with static ranges.")
        zero_points = np.zeros(scales.shape, np.int64)
        if len(node.input) > 2 and node.input[2]:
            constant = self._tensor(self._resolve(node.input[2])).data
            if constant is None:
                raise UnsupportedError(f"The zero point of '{node.output[0]}' is not constant; use static ranges.")
            zero_points = constant.astype(np.int64)
        axis = int(attributes(node).get("axis", 1)) % max(len(shape), 1) if scales.ndim else None
        if scales.ndim > 1 or (scales.size != 1 and (axis is None or not shape or scales.size != shape[axis])):
            raise UnsupportedError(
                f"'{node.output[0]}' has {scales.size} scales for the shape {shape}; quantize per tensor or channel."
            )
        values = tuple(scales.reshape(-1).astype(np.float32).tolist()), tuple(zero_points.reshape(-1).tolist())
        return Quantization(*values, axis if scales.size > 1 else None, dtype)


def _described(value: ValueInfoProto) -> Tensor:
    from onnx import helper

    tensor = value.type.tensor_type
    dims = tensor.shape.dim
    if not tensor.HasField("shape") or any(dim.dim_value < 1 for dim in dims):
        raise UnsupportedError(f"The size of '{value.name}' is not fixed; export the model with a fixed input size.")
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return Tensor(value.name, tuple(dim.dim_value for dim in dims), dtype)
