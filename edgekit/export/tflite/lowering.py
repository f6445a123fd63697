"""The state of a lowering: which ONNX tensor has become which TFLite tensor, and in which order its axes lie in memory.

ONNX images are [N, C, H, W], TFLite's [N, H, W, C]. Each tensor remembers the order of its ONNX axes in memory, so that
a Transpose costs nothing, and no TRANSPOSE operator is ever needed between a model's image input and its logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import UnknownNameError, UnsupportedError
from edgekit.export.tflite.writer import ModelRecord, OperatorRecord, Options, TensorRecord
from edgekit.graph.draft import Array
from edgekit.graph.ir import Graph, Node, Quant, Tensor

Order = tuple[int, ...]
CHANNELS_LAST: Order = (0, 2, 3, 1)
ACTIVATIONS = {"": 0, "Relu": 1, "ReluN1": 2, "Relu6": 3}
"""The schema's ActivationFunctionType."""


@dataclass(frozen=True)
class Placed:
    """Where a tensor is: its TFLite index, the order of its ONNX axes in memory, and a flattened image's columns.

    ``columns[j]`` is the ONNX column that lies at position j of a flattened channels-last image; None if in order.
    """

    index: int
    order: Order
    columns: NDArray[np.int64] | None = None


class Lowering:
    """What the operators' lowering functions work with: they place inputs and constants, and emit operators."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.model = ModelRecord()
        self._placed: dict[str, Placed] = {}
        for name in graph.inputs:
            tensor = graph.tensors[name]
            order = _input_order(graph, tensor)
            self._placed[name] = Placed(self._add(tensor, order, name), order)
        self.model.inputs = [self._placed[name].index for name in graph.inputs]

    def tensor(self, name: str) -> Tensor:
        """The ONNX tensor of a name."""
        return self.graph.tensors[name]

    def placed(self, name: str) -> Placed:
        """Where an activation is.

        Raises:
            UnsupportedError: it is no activation but a constant.
        """
        if name not in self._placed:
            raise UnsupportedError(f"'{name}' is a constant where TFLite computes with values; change the model there.")
        return self._placed[name]

    def activation(self, node: Node, position: int = 0, order: Order | None = None) -> int:
        """The TFLite index of a node's input, with its axes in the given order (channels last for images).

        Raises:
            UnsupportedError: the axes lie otherwise, and bringing them in order would need a TRANSPOSE.
        """
        tensor = self.tensor(node.inputs[position])
        order = order or default_order(tensor)
        found = self.placed(tensor.name)
        if found.columns is not None:
            raise self.refusal(node, "reads a flattened image, which only a fully-connected layer can")
        if found.order == order:
            return found.index
        if _memory(tensor.shape, found.order) != _memory(tensor.shape, order):
            raise self.refusal(node, f"would need the axes of '{tensor.name}' transposed in memory")
        target = self._add(tensor, order)
        self.reshape(found.index, target)
        return target

    def result(self, node: Node, order: Order | None = None, columns: NDArray[np.int64] | None = None) -> int:
        """Place a node's output; by default images are channels last and all else is in ONNX's order."""
        tensor = self.tensor(node.outputs[0])
        order = order or default_order(tensor)
        name = tensor.name if tensor.name in self.graph.outputs else ""
        self._placed[tensor.name] = Placed(self._add(tensor, order, name), order, columns)
        return self._placed[tensor.name].index

    def alias(self, node: Node, placed: Placed) -> None:
        """Say that a node's output is in memory already."""
        self._placed[node.outputs[0]] = placed

    def scratch(self, shape: Sequence[int], like: Tensor) -> int:
        """A tensor between two operators that stand for one node, of another tensor's type and quantization."""
        self.model.tensors.append(TensorRecord(tuple(shape), like.dtype, quant=like.quant))
        return len(self.model.tensors) - 1

    def constant(self, data: Array, quant: Quant | None = None) -> int:
        """Place a constant, shaped and ordered as TFLite wants it."""
        self.model.tensors.append(TensorRecord(data.shape, data.dtype.name, data, quant))
        return len(self.model.tensors) - 1

    def emit(
        self, code: str, inputs: Sequence[int], output: int, options: Options | None = None, version: int = 1
    ) -> None:
        """Append an operator with one output."""
        self.model.operators.append(OperatorRecord(code, tuple(inputs), (output,), options, version))

    def reshape(self, source: int, target: int) -> None:
        """Append a RESHAPE to the shape of ``target``."""
        shape = self.constant(np.asarray(self.model.tensors[target].shape, np.int32))
        self.emit("RESHAPE", (source, shape), target, Options("ReshapeOptions"))

    def requantized(self, node: Node, source: int, quant: Quant | None) -> int:
        """``source`` itself if it has this quantization, or a copy in it."""
        record = self.model.tensors[source]
        if quant is None or record.quant is None or quant.same_as(record.quant):
            return source
        self.model.tensors.append(replace(record, quant=quant, name=""))
        target = len(self.model.tensors) - 1
        self.emit("QUANTIZE", (source,), target, Options("QuantizeOptions"), version=2)
        return target

    def refusal(self, node: Node, why: str) -> UnsupportedError:
        """The error to raise for a node that TFLite cannot do in this form."""
        return UnsupportedError(f"{node} has no TFLite form: it {why}; change that layer of the model.")

    def is_quantized(self, node: Node) -> bool:
        """True if a node's result is a quantized tensor."""
        return self.tensor(node.outputs[0]).quant is not None

    def finish(self) -> ModelRecord:
        """Close the model with its outputs.

        Raises:
            UnsupportedError: one lies in memory in another order than it would have to be given in.
        """
        for name in self.graph.outputs:
            placed, tensor = self.placed(name), self.tensor(name)
            if placed.columns is not None:
                raise UnsupportedError(
                    f"Output '{name}' is a flattened image; leave out the last Flatten of the model."
                )
            if placed.order not in (default_order(tensor), tuple(range(len(tensor.shape)))):
                raise UnsupportedError(
                    f"Output '{name}' would need its axes transposed in memory; leave out the model's last Transpose."
                )
            record = self.model.tensors[placed.index]
            self.model.tensors[placed.index] = replace(record, name=record.name or name)
            self.model.outputs.append(placed.index)
        return self.model

    def _add(self, tensor: Tensor, order: Order, name: str = "") -> int:
        shape = tuple(tensor.shape[axis] for axis in order)
        self.model.tensors.append(TensorRecord(shape, tensor.dtype, quant=tensor.quant, name=name))
        return len(self.model.tensors) - 1


LoweringFunction = Callable[[Lowering, Node], None]
_FUNCTIONS: dict[str, LoweringFunction] = {}


def lowers(*operators: str) -> Callable[[LoweringFunction], LoweringFunction]:
    """Register a function as the lowering of ONNX operators."""

    def register(function: LoweringFunction) -> LoweringFunction:
        _FUNCTIONS.update(dict.fromkeys(operators, function))
        return function

    return register


def lowering_of(operator: str) -> LoweringFunction:
    """The function that lowers an ONNX operator."""
    if operator not in _FUNCTIONS:
        raise UnknownNameError("operator with a TFLite form", operator, _FUNCTIONS)
    return _FUNCTIONS[operator]


def known_operators() -> tuple[str, ...]:
    """The ONNX operators that have a TFLite form, sorted."""
    return tuple(sorted(_FUNCTIONS))


def default_order(tensor: Tensor) -> Order:
    """Channels last for an image [N, C, H, W], ONNX's own order for everything else."""
    return CHANNELS_LAST if len(tensor.shape) == 4 else tuple(range(len(tensor.shape)))


def _input_order(graph: Graph, tensor: Tensor) -> Order:
    """The default, but an input that the model itself transposes to channels first has them last already."""
    readers = graph.users(tensor.name)
    transposed = [node.op == "Transpose" and tuple(node.attributes.get("perm", ())) == (0, 3, 1, 2) for node in readers]
    return (0, 1, 2, 3) if transposed and all(transposed) else default_order(tensor)


def is_in_order(shape: Sequence[int], order: Order) -> bool:
    """True if the values lie in memory as ONNX's own order would have them (axes of size 1 do not matter)."""
    return _memory(shape, order) == _memory(shape, tuple(range(len(shape))))


def fused(node: Node) -> dict[str, Any]:
    """The options field for a node's fused activation; nothing if it has none."""
    return {"FusedActivationFunction": ACTIVATIONS[node.activation]} if node.activation else {}


def _memory(shape: Sequence[int], order: Order) -> list[int]:
    return [axis for axis in order if shape[axis] != 1]
