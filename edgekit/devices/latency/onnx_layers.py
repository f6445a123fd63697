"""The layers of an .onnx file, from its shapes. Parses untrusted bytes: called inside a worker."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.devices.latency.workload import Layer, convolution, dense, plain_layer
from edgekit.errors import ModelError, naming
from edgekit.graph.draft import Draft
from edgekit.graph.inputs import fix_inputs
from edgekit.graph.messages import makers_of, replaceable, sizes_of
from edgekit.runtimes.runtime import Shapes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

POOLS = frozenset(
    {"AveragePool", "MaxPool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceSum", "ReduceMax", "LpPool"}
)
KINDS = {
    "elementwise": {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum"},
    "activation": {"Relu", "Clip", "LeakyRelu", "PRelu", "HardSwish", "HardSigmoid", "Abs", "Neg"},
    "move": {
        *("Concat", "Pad", "Transpose", "Slice", "Split", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth"),
        *("Gather", "Tile", "Expand", "Cast", "QuantizeLinear"),
    },
    "sort": {"NonMaxSuppression", "TopK"},
}
FREE = frozenset(
    {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Shape", "Constant", "DequantizeLinear"}
)
QDQ = frozenset({"QuantizeLinear", "DequantizeLinear"})
FUSED = frozenset({"Relu", "Clip"})
LOOPS = frozenset({"If", "Loop", "Scan", "LSTM", "GRU", "RNN"})


def onnx_layers(path: Path, shapes: Shapes) -> Iterator[tuple[str, Layer]]:
    """The layers of an .onnx file, each with its precision, once prepared (batch 1, folded, activations behind theirs).

    ``shapes`` are the sizes of inputs that the file leaves open; others are for another file.

    Raises:
        ModelError: the file is broken, or its shapes do not tell what it costs.
    """
    from edgekit.graph.constants import folded
    from edgekit.graph.isolated import is_quantized
    from edgekit.graph.load import check_onnx
    from edgekit.graph.prepare import prepare

    model = check_onnx(str(path))
    shapes = {value.name: shapes[value.name] for value in model.graph.input if value.name in shapes}
    constant = not replaceable(model)
    with naming(path):
        model = folded(_fixed(model, shapes)) if is_quantized(model) else prepare(model, shapes)
    return _Graph(model, path, constant).read()


def _fixed(model: ModelProto, shapes: Shapes) -> ModelProto:
    draft = Draft.from_model(model)
    fix_inputs(draft, shapes)
    return draft.to_model()


class _Graph:
    def __init__(self, model: ModelProto, path: Path, constant: bool) -> None:
        from onnx import shape_inference

        self.path, self.constant = path, constant
        self.graph = shape_inference.infer_shapes(model).graph
        self.constants = {tensor.name: list(tensor.dims) for tensor in self.graph.initializer}
        self.shapes: dict[str, list[int]] = dict(self.constants)
        self.shapes |= {name: [max(1, size) for size in sizes] for name, sizes in sizes_of(self.graph).items()}
        self.makers = makers_of(self.graph.node)
        self.uses = Counter(name for node in self.graph.node for name in node.input)

    def read(self) -> Iterator[tuple[str, Layer]]:
        for node in self.graph.node:
            if node.op_type in LOOPS:
                raise ModelError(
                    f"{self.path} holds the operator {node.op_type}, whose cost its shapes do not tell; measure it."
                )
            if not self._is_free(node):
                yield self._precision(node), self._layer(node)

    def _is_free(self, node: NodeProto) -> bool:
        if node.op_type in FREE or all(self._is_constant(name) for name in node.input):
            return True
        if node.op_type == "QuantizeLinear":  # of what is given, or stored in another way, it is a pass over the values
            maker = self.makers.get(node.input[0])
            return maker is not None and maker.op_type != "DequantizeLinear"
        maker = self.makers.get(node.input[0])
        weighted = maker is not None and maker.op_type in ("Conv", "Gemm", "ConvTranspose", "Add")
        return node.op_type in FUSED and weighted and self.uses[node.input[0]] == 1

    def _layer(self, node: NodeProto) -> Layer:
        made = sum(self._size(name) for name in node.output)
        taken = sum(self._size(name) for name in node.input if name and not self._is_constant(name))
        kind = node.op_type
        if kind in ("Conv", "ConvTranspose"):
            return self._convolution(node, made)
        if kind in ("Gemm", "MatMul"):
            depth = self._shape(node.input[0])[-1]
            rows = max(1, self._size(node.input[0]) // max(1, depth))
            layer = dense(depth, max(1, made // rows), rows)
            return replace(layer, constant=self.constant and self._is_constant(node.input[1]))
        shape = self._shape(node.output[0])
        columns = shape[1] if len(shape) > 2 else next(iter(shape[-1:]), 1)
        if kind in POOLS:
            return Layer("pool", made, taken, patches=max(taken, made * self._window(node)), columns=columns)
        return plain_layer(kind, made, taken, columns, KINDS)

    def _convolution(self, node: NodeProto, made: int) -> Layer:
        source, weights, output = (self._shape(name) for name in (node.input[0], node.input[1], node.output[0]))
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        is_plain = node.op_type == "Conv"
        rows = math.prod((output if is_plain else source)[2:])
        layer = convolution(rows, source[1], output[1], math.prod(weights[2:]), groups)
        return replace(layer, inputs=self._size(node.input[0]), outputs=made, constant=self.constant)

    def _window(self, node: NodeProto) -> int:
        return math.prod(next((a.ints for a in node.attribute if a.name == "kernel_shape"), ()))

    def _precision(self, node: NodeProto) -> str:
        """int8 if the layer's values come out of DequantizeLinear, and its weights as well."""
        sources = [self.makers.get(name) for name in node.input[:2] if name not in self.constants]
        return "int8" if all(item is not None and item.op_type in QDQ for item in sources) else "float32"

    def _is_constant(self, name: str) -> bool:
        if not name or name in self.constants:
            return True
        maker = self.makers.get(name)
        return maker is not None and maker.op_type in QDQ and self._is_constant(maker.input[0])

    def _shape(self, name: str) -> list[int]:
        if name not in self.shapes:
            raise ModelError(
                f"{self.path} has a tensor '{name}' whose shape is not known; fix its shapes, or measure it."
            )
        return self.shapes[name]

    def _size(self, name: str) -> int:
        return math.prod(self._shape(name)) if name else 0
