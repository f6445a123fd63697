"""The layers of a .tflite file, from its shapes. Parses untrusted bytes: called inside a worker."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.devices.latency.workload import PRECISIONS, Layer, convolution, dense, plain_layer
from edgekit.errors import ModelError
from edgekit.modelfiles.tflite_contents import code_of, names_of, read_tflite

POOLS = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"})
KINDS = {
    "elementwise": {"ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"},
    "activation": {"RELU", "RELU6", "RELU_N1_TO_1", "PRELU", "LEAKY_RELU", "HARD_SWISH", "ABS", "NEG", "SQUARE"},
    "move": {
        *("CONCATENATION", "PAD", "PADV2", "MIRROR_PAD", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V"),
        *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "PACK", "UNPACK", "TILE"),
        *("QUANTIZE", "DEQUANTIZE", "CAST", "GATHER", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"),
    },
    "sort": {"CUSTOM", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "TOPK_V2"},
}
FREE = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SHAPE"})
LOOPS = frozenset(
    {
        *("WHILE", "IF", "CALL", "CALL_ONCE", "RNN", "LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"),
        *("BIDIRECTIONAL_SEQUENCE_RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "SVDF"),
    }
)
"""Control flow, and recurrences that are one operator, of which no latency and no count is known."""


def tflite_layers(path: Path) -> Iterator[tuple[str, Layer]]:
    """The layers of a .tflite file's main graph, each with its precision.

    Raises:
        ModelError: the file is broken, or its shapes do not tell what it costs.
    """
    read_tflite(path)  # every offset is checked before anything is taken from the file
    return _Graph(path).read()


class _Graph:
    def __init__(self, path: Path) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.path, self.schema = path, schema
        self.model = schema.Model.GetRootAsModel(path.read_bytes(), 0)
        self.graph = self.model.Subgraphs(0)
        self.names, self.types = names_of(schema.BuiltinOperator), names_of(schema.TensorType)
        self.readers: dict[int, list[str]] = defaultdict(list)
        for position in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(position)
            for index in range(operator.InputsLength()):
                self.readers[operator.Inputs(index)].append(self._name(operator))

    def _check_sizes(self) -> None:
        for number in range(self.graph.InputsLength()):
            tensor = self.graph.Tensors(self.graph.Inputs(number))
            if -1 in [tensor.ShapeSignature(axis) for axis in range(1, tensor.ShapeSignatureLength())]:
                raise ModelError(
                    f"{self.path} leaves sizes of its input '{tensor.Name().decode()}' open, so nothing tells what it "
                    "costs; measure it with --shape, or export it with fixed sizes."
                )

    def read(self) -> Iterator[tuple[str, Layer]]:
        self._check_sizes()
        folded: set[int] = set()
        for position in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(position)
            name = self._name(operator)
            reads = [operator.Inputs(index) for index in range(operator.InputsLength())]
            writes = [operator.Outputs(index) for index in range(operator.OutputsLength())]
            if name == "PAD" and self._is_part_of_a_convolution(writes[0]):
                continue
            # What only constants lead to is computed once, when the file is opened.
            if reads and all(index < 0 or index in folded or self._is_constant(index) for index in reads):
                folded.update(writes)
                continue
            if name in LOOPS:
                raise ModelError(
                    f"{self.path} holds the operator {name}, whose cost its shapes do not tell; measure it."
                )
            if name not in FREE:
                yield self._precision(reads, writes), self._layer(operator, name, reads, writes)

    def _is_part_of_a_convolution(self, index: int) -> bool:
        """True if only a convolution reads a tensor: XNNPACK then pads while it convolves."""
        return self.readers[index] in (["CONV_2D"], ["DEPTHWISE_CONV_2D"])

    def _name(self, operator: Any) -> str:
        return self.names[code_of(self.model.OperatorCodes(operator.OpcodeIndex()))]

    def _layer(self, operator: Any, name: str, reads: list[int], writes: list[int]) -> Layer:
        made = sum(self._size(index) for index in writes)
        variable = [index for index in reads if index >= 0 and not self._is_constant(index)]
        taken = sum(self._size(index) for index in variable)
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            weights, output, source = self._shape(reads[1]), self._shape(writes[0]), self._shape(reads[0])
            depth, columns, window = source[-1], output[-1], weights[1] * weights[2]
            # Filters are [channels out, height, width, channels in], depthwise ones [1, height, width, channels].
            groups = depth if name == "DEPTHWISE_CONV_2D" else max(1, depth // weights[3])
            layer = convolution(math.prod(output[:-1]), depth, columns, window, groups)
            return replace(layer, inputs=self._size(reads[0]))
        if name == "TRANSPOSE_CONV":
            weights, source = self._shape(reads[1]), self._shape(reads[2])
            layer = convolution(math.prod(source[:-1]), source[-1], weights[0], weights[1] * weights[2])
            return replace(layer, outputs=made)
        if name in ("FULLY_CONNECTED", "BATCH_MATMUL"):
            depth = self._shape(reads[1])[-1] if name == "FULLY_CONNECTED" else self._shape(reads[0])[-1]
            rows = max(1, self._size(reads[0]) // max(1, depth))
            return replace(dense(depth, max(1, made // rows), rows), constant=reads[1] not in variable)
        columns = next(iter(self._shape(writes[0])[-1:]), 1) if writes else 1
        if name in POOLS:
            return Layer("pool", made, taken, patches=max(taken, made * self._window(operator)), columns=columns)
        return plain_layer(name, made, taken, columns, KINDS)

    def _window(self, operator: Any) -> int:
        """The places that one output of a pool sees; 1 for a reduction, which sees all."""
        if operator.BuiltinOptionsType() != self.schema.BuiltinOptions.Pool2DOptions:
            return 1
        options = self.schema.Pool2DOptions()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        return int(options.FilterHeight() * options.FilterWidth())

    def _precision(self, reads: list[int], writes: list[int]) -> str:
        """That of what it makes, or of its weights where these have fewer bits."""
        kinds = [self.types[self.graph.Tensors(index).Type()].lower() for index in (*writes[:1], *reads) if index >= 0]
        if "int4" in kinds:
            return "int4"
        return kinds[0] if writes and kinds[0] in PRECISIONS else "float32"

    def _is_constant(self, index: int) -> bool:
        buffer = self.model.Buffers(self.graph.Tensors(index).Buffer())
        return bool(buffer.DataLength()) or buffer.Offset() > 1

    def _shape(self, index: int) -> list[int]:
        tensor = self.graph.Tensors(index)
        return [int(tensor.Shape(axis)) for axis in range(tensor.ShapeLength())]

    def _size(self, index: int) -> int:
        return math.prod(self._shape(index))
