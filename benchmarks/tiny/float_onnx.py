"""A float ONNX file of a .tflite network of convolutions, as tf2onnx would write it: channels last, one Transpose.

Weights that are stored as integers become the real values that they stand for, so that a network of which only the int8
file was published has a float file too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

TYPES = {0: np.float32, 2: np.int32, 4: np.int64, 9: np.int8}
ACTIVATIONS = {1: "Relu", 3: "Clip"}
PADDINGS = {0: "SAME_UPPER", 1: "VALID"}
OPERATORS = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


def float_onnx(path: Path) -> ModelProto:
    """Read a .tflite file of one input into a float model, opset 13."""
    return _Reader(path).model()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.file = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
        self.graph = self.file.subgraphs[0]
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.names: dict[int, str] = {}

    def model(self) -> ModelProto:
        ends = [self.graph.tensors[index] for index in (self.graph.inputs[0], self.graph.outputs[0])]
        names = [tensor.name.decode() for tensor in ends]
        self.names[self.graph.inputs[0]] = names[0]
        if len(ends[0].shape) == 4:
            self.names[self.graph.inputs[0]] = self.add("Transpose", [names[0]], perm=[0, 3, 1, 2])
        for operator in self.graph.operators:
            self.operator(operator)
        self.nodes[-1].output[0] = names[1]
        infos = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [int(size) for size in tensor.shape])
            for name, tensor in zip(names, ends, strict=True)
        ]
        constants = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = helper.make_graph(self.nodes, "float", infos[:1], infos[1:], constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=10)

    def operator(self, operator: Any) -> None:
        code = self.file.operatorCodes[operator.opcodeIndex]
        kind, options = OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)], operator.builtinOptions
        sources = operator.inputs
        x = self.names[sources[0]]
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            weights, groups = self.real(sources[1]).transpose(0, 3, 1, 2), 1
            if kind == "DEPTHWISE_CONV_2D":
                weights = weights.transpose(1, 0, 2, 3)
                groups = len(weights)
            strides = [options.strideH, options.strideW]
            details = {"strides": strides, "auto_pad": PADDINGS[options.padding], "group": groups}
            made = self.add("Conv", [x, self.keep(weights), self.keep(self.real(sources[2]))], **details)
        elif kind == "FULLY_CONNECTED":
            made = self.add("Gemm", [x, self.keep(self.real(sources[1])), self.keep(self.real(sources[2]))], transB=1)
        elif kind == "ADD":
            made = self.add("Add", [x, self.names[sources[1]]])
        elif kind == "AVERAGE_POOL_2D":
            kernel, strides = [options.filterHeight, options.filterWidth], [options.strideH, options.strideW]
            made = self.add("AveragePool", [x], kernel_shape=kernel, strides=strides)
        elif kind == "RESHAPE":  # behind a pool that leaves one pixel
            made = self.add("Flatten", [x])
        elif kind == "SOFTMAX":
            made = self.add("Softmax", [x], axis=-1)
        else:
            raise SystemExit(f"{kind} is not read here")
        if activation := ACTIVATIONS.get(getattr(options, "fusedActivationFunction", 0)):
            limits = [self.keep(np.float32(limit)) for limit in (0, 6)] if activation == "Clip" else []
            made = self.add(activation, [made, *limits])
        self.names[operator.outputs[0]] = made

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def keep(self, array: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(array, np.float32)
        return name

    def real(self, index: int) -> NDArray[Any]:
        tensor = self.graph.tensors[index]
        data = np.asarray(self.file.buffers[tensor.buffer].data, np.uint8).tobytes()
        stored = np.frombuffer(data, TYPES[tensor.type]).reshape(tensor.shape)
        if stored.dtype == np.float32:
            return stored
        scales = np.asarray(tensor.quantization.scale, np.float64)
        shape = [1] * stored.ndim
        shape[tensor.quantization.quantizedDimension if len(scales) > 1 else 0] = len(scales)
        return stored * scales.reshape(shape)
