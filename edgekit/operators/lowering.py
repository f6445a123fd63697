"""The state of a lowering: which ONNX tensor has become which TFLite tensor, and in which order its axes lie in memory.

ONNX images are [N, C, H, W], TFLite's [N, H, W, C]. Each tensor remembers the order of its ONNX axes in memory, so that
a Transpose costs nothing, and no TRANSPOSE operator is needed between a usual model's image input and its logits. Where
an operator does need its axes in another order (a channel shuffle, attention), ``in_order`` appends the TRANSPOSE.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import UnsupportedError
from edgekit.operators.lowered import ModelRecord, OperatorRecord, Options, TensorRecord
from edgekit.operators.nodes import Graph, Node, Tensor
from edgekit.scales import Array, Quantization

if TYPE_CHECKING:
    from edgekit.operators.operator import Operator

Order = tuple[int, ...]
CHANNELS_LAST: Order = (0, 2, 3, 1)
IMAGE_CHANNELS = (1, 3)
SCALING = ("Add", "Sub", "Mul", "Div", "Cast")
"""What a model does to the pixels before it looks at them."""
ACTIVATIONS = {"": 0, "Relu": 1, "ReluN1": 2, "Relu6": 3}
"""The schema's ActivationFunctionType."""
ACTIVATION_LIMITS = {(0.0, math.inf): "Relu", (0.0, 6.0): "Relu6", (-1.0, 1.0): "ReluN1"}
"""To which values each of them clips."""
ARITHMETIC_OPTIONS = {
    **{code: f"{code.title()}Options" for code in ("ADD", "SUB", "MUL", "DIV")},
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), "MaximumMinimumOptions"),
}


@dataclass(frozen=True)
class Columns:
    """How the columns of a flattened image lie in memory: the image's shape in ONNX's order, and its axes' order."""

    shape: tuple[int, ...]
    order: Order

    @property
    def positions(self) -> NDArray[np.int64]:
        """``positions[j]`` is the ONNX column that lies at place j of the row in memory."""
        row = np.arange(int(np.prod(self.shape[1:]))).reshape(self.shape[1:])
        return row.transpose([axis - 1 for axis in self.order[1:]]).reshape(-1)


@dataclass(frozen=True)
class Placed:
    """Where a tensor is: its TFLite index, the order of its ONNX axes in memory, and a flattened image's columns.

    ``columns`` is None for everything but a flattened image whose values do not lie in ONNX's order.
    """

    index: int
    order: Order
    columns: Columns | None = None


class Lowering:
    """What the operators' lowering functions work with: they place inputs and constants, and emit operators.

    ``node`` is the first output of the node that is lowered now. ``row_of`` says what is known of an operator. ``ids``
    are inputs that are rows of a table, counted from the front.
    """

    def __init__(self, graph: Graph, row_of: Callable[[str], Operator], ids: Collection[str] = ()) -> None:
        self.graph, self.row_of, self.ids = graph, row_of, ids
        self.model = ModelRecord()
        self.node = ""
        self._placed: dict[str, Placed] = {}
        self._copies: dict[tuple[str, Order], int] = {}
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
        """The TFLite index of a node's input, with its axes in the given order (channels last for images)."""
        name = node.inputs[position]
        return self.in_order(name, order or default_order(self.tensor(name)))

    def in_order(self, name: str, order: Order) -> int:
        """The TFLite index of an activation with its axes in the given order.

        That is the tensor itself if it lies so already; else a RESHAPE (if only axes of size 1 move) or a TRANSPOSE is
        appended, once for all readers that want the same order.
        """
        tensor, found = self.tensor(name), self.placed(name)
        if found.columns is None and found.order == order:
            return found.index
        if (name, order) not in self._copies:
            if found.columns is not None:
                found = self._unflattened(tensor, found, found.columns)
            self._copies[name, order] = self._rearranged(tensor, found, order)
        return self._copies[name, order]

    def operand(self, node: Node, position: int, order: Order) -> int:
        """A node's input for element-wise work with a result of more axes: an activation or a constant.

        ``order`` is of the result's axes; those that the input lacks in front are added with size 1.
        """
        tensor = self.tensor(node.inputs[position])
        missing = len(order) - len(tensor.shape)
        shape = (1,) * missing + tensor.shape
        if tensor.data is not None:
            return self.constant(np.ascontiguousarray(tensor.data.reshape(shape).transpose(order)), tensor.quant)
        source = self.in_order(tensor.name, tuple(axis - missing for axis in order if axis >= missing))
        if missing == 0:
            return source
        target = self.scratch([shape[axis] for axis in order], tensor)
        self.reshape(source, target)
        return target

    def result(self, node: Node, order: Order | None = None, columns: Columns | None = None, position: int = 0) -> int:
        """Place one of a node's outputs; by default images are channels last and all else is in ONNX's order."""
        tensor = self.tensor(node.outputs[position])
        order = order or default_order(tensor)
        name = tensor.name if tensor.name in self.graph.outputs else ""
        self._placed[tensor.name] = Placed(self._add(tensor, order, name), order, columns)
        return self._placed[tensor.name].index

    def in_place(self, node: Node) -> tuple[int, int]:
        """(input, result) of an operator that takes each value to one at its place, wherever that is in memory."""
        placed = self.placed(node.inputs[0])
        return placed.index, self.result(node, placed.order, placed.columns)

    def alias(self, node: Node, placed: Placed) -> None:
        """Say that a node's output is in memory already."""
        self._placed[node.outputs[0]] = placed

    def add(self, record: TensorRecord) -> int:
        """Take a tensor in; returns its index."""
        self.model.tensors.append(record)
        return len(self.model.tensors) - 1

    def scratch(self, shape: Sequence[int], like: Tensor) -> int:
        """A tensor between two operators that stand for one node, of another tensor's type and quantization."""
        return self.add(TensorRecord(tuple(shape), like.dtype, quant=like.quant))

    def alike(self, index: int, quant: Quantization | None = None) -> int:
        """A tensor between two operators, with the shape of another and, unless one is given, its quantization."""
        record = self.model.tensors[index]
        return self.add(TensorRecord(record.shape, record.dtype, quant=quant or record.quant))

    def constant(self, data: Array, quant: Quantization | None = None) -> int:
        """Place a constant, shaped and ordered as TFLite wants it."""
        return self.add(TensorRecord(data.shape, data.dtype.name, data, quant))

    def number(self, value: float) -> int:
        """Place one float32."""
        return self.constant(np.asarray(value, np.float32))

    def emit(
        self,
        code: str,
        inputs: Sequence[int],
        output: int | Sequence[int],
        options: Options | None = None,
        version: int = 1,
    ) -> None:
        """Append an operator with one output or several."""
        outputs = (output,) if isinstance(output, int) else tuple(output)
        self.model.operators.append(OperatorRecord(code, tuple(inputs), outputs, options, version, self.node))

    def compute(self, code: str, operands: Sequence[int], target: int, activation: str = "") -> None:
        """Append ADD, SUB, MUL, DIV, MINIMUM or MAXIMUM of two tensors, or what takes no options of one."""
        fields = {"FusedActivationFunction": ACTIVATIONS[activation]} if activation else {}
        options = Options(ARITHMETIC_OPTIONS[code], fields) if code in ARITHMETIC_OPTIONS else None
        version = 2 if options and self.model.tensors[target].quant else 1
        self.emit(code, operands, target, options, version)

    def reshape(self, source: int, target: int) -> None:
        """Append a RESHAPE to the shape of ``target``."""
        shape = self.constant(np.asarray(self.model.tensors[target].shape, np.int32))
        self.emit("RESHAPE", (source, shape), target, Options("ReshapeOptions"))

    def transpose(self, source: int, target: int, permutation: Sequence[int]) -> None:
        """Append a TRANSPOSE: axis i of ``target`` is axis ``permutation[i]`` of ``source``."""
        quant = self.model.tensors[source].quant
        axes = self.constant(np.asarray(permutation, np.int32))
        self.emit("TRANSPOSE", (source, axes), target, Options("TransposeOptions"), version=1 if quant is None else 2)

    def requantized(self, source: int, quant: Quantization | None) -> int:
        """``source`` itself if it has this quantization, or a copy in it."""
        record = self.model.tensors[source]
        if quant is None or record.quant is None or quant == record.quant:
            return source
        target = self.add(replace(record, quant=quant, name="", data=None))
        self.rescale(source, target)
        return target

    def rescale(self, source: int, target: int, activation: str = "") -> None:
        """Append a conversion to the scale of ``target``, clipped by an activation.

        For int8 it is ADD of 0, which gives the same integers everywhere: XNNPACK's QUANTIZE multiplies by 8 bits only
        and so misses the nearest integer in one of 25 values.
        """
        quant, kinds = self.model.tensors[target].quant, {self.model.tensors[index].dtype for index in (source, target)}
        if kinds != {"int8"} or quant is None:
            self.emit("QUANTIZE", (source,), target, Options("QuantizeOptions"), version=2)
            return
        zero = self.constant(np.asarray(0, np.int8), replace(quant, zero_points=(0,)))
        self.compute("ADD", (source, zero), target, activation)

    def refusal(self, node: Node, why: str) -> UnsupportedError:
        """The error to raise for a node that TFLite cannot do in this form."""
        return UnsupportedError(f"{node} has no TFLite form: it {why}; change that layer of the model.")

    def is_quantized(self, node: Node) -> bool:
        """True if a node's result is a quantized tensor."""
        return self.tensor(node.outputs[0]).quant is not None

    def finish(self) -> ModelRecord:
        """Close the model with its outputs: images channels last or as the model's last Transpose has them."""
        for name in self.graph.outputs:
            placed, tensor = self.placed(name), self.tensor(name)
            own = tuple(range(len(tensor.shape)))
            index = placed.index
            if placed.columns is not None or placed.order not in (default_order(tensor), own):
                index = self.in_order(name, own)
                self.model.tensors[placed.index] = replace(self.model.tensors[placed.index], name="")
            if index in (*self.model.outputs, *self.model.inputs):
                index = self._copied(index)
            self.model.tensors[index] = replace(self.model.tensors[index], name=name)
            self.model.outputs.append(index)
        return self.model

    def _copied(self, source: int) -> int:
        """A tensor of its own with the same values, where two results (or a result and an input) would be one."""
        target = self.add(replace(self.model.tensors[source], name=""))
        self.reshape(source, target)
        return target

    def _rearranged(self, tensor: Tensor, found: Placed, order: Order) -> int:
        if found.order == order:
            return found.index
        target = self._add(tensor, order)
        if _memory(tensor.shape, found.order) == _memory(tensor.shape, order):
            self.reshape(found.index, target)
        else:
            self.transpose(found.index, target, [found.order.index(axis) for axis in order])
        return target

    def _unflattened(self, tensor: Tensor, found: Placed, columns: Columns) -> Placed:
        """The row of a flattened image in ONNX's order."""
        own = tuple(range(len(columns.shape)))
        image = self.scratch([columns.shape[axis] for axis in columns.order], tensor)
        self.reshape(found.index, image)
        ordered = self.scratch(columns.shape, tensor)
        self.transpose(image, ordered, [columns.order.index(axis) for axis in own])
        row = self._add(tensor, tuple(range(len(tensor.shape))))
        self.reshape(ordered, row)
        return Placed(row, tuple(range(len(tensor.shape))))

    def _add(self, tensor: Tensor, order: Order, name: str = "") -> int:
        shape = tuple(tensor.shape[axis] for axis in order)
        return self.add(TensorRecord(shape, tensor.dtype, quant=tensor.quant, name=name))


def default_order(tensor: Tensor) -> Order:
    """Channels last for an image [N, C, H, W], ONNX's own order for everything else."""
    return CHANNELS_LAST if len(tensor.shape) == 4 else tuple(range(len(tensor.shape)))


def _input_order(graph: Graph, tensor: Tensor) -> Order:
    """The default, but ONNX's own for an image whose channels are last already."""
    return (0, 1, 2, 3) if _has_channels_last(graph, tensor) else default_order(tensor)


def _has_channels_last(graph: Graph, tensor: Tensor) -> bool:
    """True if the model transposes an image to channels first, be it scaled before, or takes a square one as a row."""
    readers = graph.users(tensor.name)
    if len(tensor.shape) != 4 or not readers:
        return False
    _, height, width, channels = tensor.shape
    looks_so = channels in IMAGE_CHANNELS and height == width and height not in IMAGE_CHANNELS

    def is_so(node: Node) -> bool:
        result = graph.tensors[node.outputs[0]]
        if node.op == "Pad" or (node.op in SCALING and result.shape == tensor.shape):
            return _has_channels_last(graph, result)
        is_transposed = node.op == "Transpose" and tuple(node.attributes.get("perm", ())) == (0, 3, 1, 2)
        # As tf2onnx writes the same of one channel.
        first = tuple(tensor.shape[axis] for axis in (0, 3, 1, 2))
        is_moved = node.op == "Reshape" and result.shape == first and is_in_order(tensor.shape, (0, 3, 1, 2))
        is_row = node.op in ("Flatten", "Reshape") and len(result.shape) < 4
        return is_transposed or is_moved or (looks_so and is_row)

    return all(map(is_so, readers))


def is_in_order(shape: Sequence[int], order: Order) -> bool:
    """True if the values lie in memory as ONNX's own order would have them (axes of size 1 do not matter)."""
    return _memory(shape, order) == _memory(shape, tuple(range(len(shape))))


def fused(node: Node) -> dict[str, Any]:
    """The options field for a node's fused activation; nothing if it has none."""
    return {"FusedActivationFunction": ACTIVATIONS[node.activation]} if node.activation else {}


def _memory(shape: Sequence[int], order: Order) -> list[int]:
    return [axis for axis in order if shape[axis] != 1]
