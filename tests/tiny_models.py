"""Real but tiny models: one fully-connected layer that reads MNIST digits, fitted in closed form, in four file forms.

The TFLite files are written with the schema's own object API, not with EdgeKit's writer, so that what is tested with
them does not rest on what is tested elsewhere. Tests of broken files change a field of ``tflite_model`` and pack it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgekit.artifact import METADATA_KEY, Metadata
from edgekit.data.dataset import Split
from edgekit.inputs.contract import InputContract

DIGITS = tuple("0123456789")
METADATA = Metadata(contract=InputContract(28, 28, 1, domain="digit"), labels=DIGITS, recipe="least squares")
PIXEL_SCALE, PIXEL_ZERO = 1 / 255, -128


@dataclass(frozen=True)
class Linear:
    """``logits = pixels @ weights + bias``: weights [784, 10], bias [10]."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True)
class Int8Linear:
    """The same under the LiteRT 8-bit spec: weights per tensor, bias in steps of input scale times weight scale."""

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    weight_scale: float
    output_scale: float


def fit_linear(split: Split, count: int) -> Linear:
    """Ridge regression of one-hot labels on pixels in [0, 1]."""
    rows = np.arange(count)
    assert split.labels is not None
    pixels = np.concatenate([split.images[rows].reshape(count, -1) / 255, np.ones((count, 1))], axis=1)
    solution = np.linalg.solve(
        pixels.T @ pixels + 20 * np.eye(pixels.shape[1]), pixels.T @ np.eye(10)[split.labels[rows]]
    )
    return Linear(solution[:-1].astype(np.float32), solution[-1].astype(np.float32))


def quantized(linear: Linear, output_range: float = 2.0) -> Int8Linear:
    """Symmetric weights and outputs; ``output_range`` bounds the logits' magnitude."""
    scale = float(np.abs(linear.weights).max() / 127)
    weights = np.rint(linear.weights / scale).astype(np.int8)
    bias = np.rint(linear.bias / (scale * PIXEL_SCALE)).astype(np.int32)
    return Int8Linear(weights, bias, scale, output_range / 128)


def float_onnx(linear: Linear, metadata: Metadata | None = METADATA) -> onnx.ModelProto:
    """Flatten and Gemm, NCHW."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["pixels"]),
        helper.make_node("Gemm", ["pixels", "weights", "bias"], ["logits"]),
    ]
    constants = {"weights": linear.weights, "bias": linear.bias}
    return _onnx(nodes, constants, TensorProto.FLOAT, metadata)


def int8_onnx(model: Int8Linear) -> onnx.ModelProto:
    """The QDQ form, with int8 tensors at both ends."""
    constants = {
        "image_scale": np.float32(PIXEL_SCALE),
        "image_zero": np.int8(PIXEL_ZERO),
        "weights": model.weights,
        "weight_scale": np.float32(model.weight_scale),
        "bias": model.bias,
        "bias_scale": np.float32(model.weight_scale * PIXEL_SCALE),
        "logit_scale": np.float32(model.output_scale),
        "logit_zero": np.int8(0),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["image", "image_scale", "image_zero"], ["real_image"]),
        helper.make_node("Flatten", ["real_image"], ["pixels"]),
        helper.make_node("DequantizeLinear", ["weights", "weight_scale"], ["real_weights"]),
        helper.make_node("DequantizeLinear", ["bias", "bias_scale"], ["real_bias"]),
        helper.make_node("Gemm", ["pixels", "real_weights", "real_bias"], ["real_logits"]),
        helper.make_node("QuantizeLinear", ["real_logits", "logit_scale", "logit_zero"], ["logits"]),
    ]
    return _onnx(nodes, constants, TensorProto.INT8, METADATA)


@dataclass(frozen=True)
class Tensor:
    """A TFLite tensor: shape, type of the schema, constant bytes, (scale, zero point), name."""

    shape: tuple[int, ...]
    kind: int = schema.TensorType.FLOAT32
    data: bytes = b""
    scale: tuple[float, int] | None = None
    name: str = ""


@dataclass(frozen=True)
class Operator:
    """A TFLite operator: its name in the schema, tensor indices, and the name and fields of its options."""

    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: str = ""
    fields: Mapping[str, int] = field(default_factory=dict)
    version: int = 1


def tflite_model(model: Int8Linear | Linear) -> schema.ModelT:
    """One FULLY_CONNECTED operator, NHWC; its tensors are image, weights, bias and logits."""
    weights, bias = model.weights.T.tobytes(), model.bias.tobytes()
    if isinstance(model, Linear):
        tensors = [
            Tensor((1, 28, 28, 1), name="image"),
            Tensor((10, 784), data=weights),
            Tensor((10,), data=bias),
            Tensor((1, 10), name="logits"),
        ]
    else:
        int8, int32 = schema.TensorType.INT8, schema.TensorType.INT32
        tensors = [
            Tensor((1, 28, 28, 1), int8, scale=(PIXEL_SCALE, PIXEL_ZERO), name="image"),
            Tensor((10, 784), int8, weights, (model.weight_scale, 0)),
            Tensor((10,), int32, bias, (model.weight_scale * PIXEL_SCALE, 0)),
            Tensor((1, 10), int8, scale=(model.output_scale, 0), name="logits"),
        ]
    operator = Operator("FULLY_CONNECTED", (0, 1, 2), (3,), "FullyConnectedOptions", version=4)
    result = tflite_graph(tensors, [operator], [0], [3])
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_KEY, len(result.buffers)
    result.metadata = [entry]
    result.buffers.append(_buffer(METADATA.to_json().encode()))
    return result


def tflite_graph(
    tensors: Sequence[Tensor], operators: Sequence[Operator], inputs: Sequence[int], outputs: Sequence[int]
) -> schema.ModelT:
    """A model of one graph; tensor i has its data in buffer i + 1."""
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(tensor, index + 1) for index, tensor in enumerate(tensors)]
    graph.operators = [_operator(operator, index) for index, operator in enumerate(operators)]
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    result = schema.ModelT()
    result.version, result.subgraphs = 3, [graph]
    result.operatorCodes = [_code(operator) for operator in operators]
    result.buffers = [_buffer(b""), *(_buffer(tensor.data) for tensor in tensors)]
    return result


def lstm_model(steps: int, values: int, units: int) -> schema.ModelT:
    """An LSTM as TensorFlow writes it: one operator whose states are variables. It gives them all."""
    rng = np.random.default_rng(0)
    gates = [*[(units, values)] * 4, *[(units, units)] * 4, *[(units,)] * 4]
    weights = [Tensor(shape, data=rng.standard_normal(shape, np.float32).tobytes()) for shape in gates]
    ends = [Tensor((1, steps, values), name="in"), Tensor((1, steps, units), name="out")]
    states = [Tensor((1, units)), Tensor((1, units))]
    inputs = (0, *range(4, 12), *[-1] * 3, *range(12, 16), -1, -1, 2, 3, *[-1] * 4)  # -1: left out
    operator = Operator(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        inputs,
        (1,),
        "UnidirectionalSequenceLSTMOptions",
        {"fusedActivationFunction": 4},
    )
    result = tflite_graph([*ends, *states, *weights], [operator], [0], [1])
    for state in result.subgraphs[0].tensors[2:4]:
        state.isVariable = True
    return result


def packed(model: schema.ModelT) -> bytes:
    """The FlatBuffer of a model object."""
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _onnx(
    nodes: list[onnx.NodeProto], constants: dict[str, NDArray[np.generic]], kind: int, metadata: Metadata | None
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("image", kind, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("logits", kind, [1, 10])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    if metadata is not None:
        model.metadata_props.add(key=METADATA_KEY, value=metadata.to_json())
    return model


def _buffer(data: bytes) -> schema.BufferT:
    buffer = schema.BufferT()
    if data:
        buffer.data = np.frombuffer(data, np.uint8)
    return buffer


def _tensor(tensor: Tensor, buffer: int) -> schema.TensorT:
    result = schema.TensorT()
    result.name, result.shape, result.type, result.buffer = tensor.name, list(tensor.shape), tensor.kind, buffer
    if tensor.scale is not None:
        result.quantization = schema.QuantizationParametersT()
        result.quantization.scale, result.quantization.zeroPoint = [tensor.scale[0]], [tensor.scale[1]]
    return result


def _operator(operator: Operator, code: int) -> schema.OperatorT:
    result = schema.OperatorT()
    result.opcodeIndex, result.inputs, result.outputs = code, list(operator.inputs), list(operator.outputs)
    if operator.options:
        result.builtinOptionsType = getattr(schema.BuiltinOptions, operator.options)
        result.builtinOptions = getattr(schema, f"{operator.options}T")()
        for name, value in operator.fields.items():
            setattr(result.builtinOptions, name, value)
    return result


def _code(operator: Operator) -> schema.OperatorCodeT:
    result = schema.OperatorCodeT()
    result.builtinCode = result.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, operator.code)
    result.version = operator.version
    return result
