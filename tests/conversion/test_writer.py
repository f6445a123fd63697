"""What is in a .tflite file, read back with the schema's own code."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import helper
from small_graphs import graph_of, noise, quantized

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.conversion.tflite.writer import DATA_ALIGNMENT
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract

node = helper.make_node
METADATA = Metadata(InputContract(28, 28, 1), tuple("0123456789"), "static_wi8_ai8", {"accuracy": 99.4})


def separable(name: str, source: str, inputs: int, outputs: int) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """A depthwise and a pointwise convolution, each with ReLU."""
    constants = {
        f"{name}_dw": noise(inputs, 1, 3, 3),
        f"{name}_dwb": noise(inputs),
        f"{name}_pw": noise(outputs, inputs, 1, 1),
        f"{name}_pwb": noise(outputs),
    }
    nodes = [
        node("Conv", [source, f"{name}_dw", f"{name}_dwb"], [f"{name}_a"], group=inputs, pads=[1, 1, 1, 1]),
        node("Relu", [f"{name}_a"], [f"{name}_b"]),
        node("Conv", [f"{name}_b", f"{name}_pw", f"{name}_pwb"], [f"{name}_c"]),
        node("Relu", [f"{name}_c"], [f"{name}_out"]),
    ]
    return nodes, constants


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    """A student of twelve operators: a convolution, four separable blocks, pooling twice, a layer of ten classes."""
    nodes = [
        node("Conv", ["image", "w", "b"], ["a"], strides=[2, 2], pads=[2, 2, 2, 2]),
        node("Relu", ["a"], ["s0_out"]),
    ]
    constants = {"w": noise(16, 1, 6, 6), "b": noise(16)}
    for index, (inputs, outputs) in enumerate([(16, 16), (16, 32), (32, 32), (32, 32)]):
        block, weights = separable(f"s{index + 1}", f"s{index}_out", inputs, outputs)
        nodes += block
        constants |= weights
    nodes += [
        node("MaxPool", ["s4_out"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["p"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "head", "bias"], ["logits"], transB=1),
    ]
    constants |= {"head": noise(10, 32), "bias": noise(10)}
    return prepare(graph_of(nodes, {"image": (1, 1, 28, 28)}, constants, outputs=["logits"]))


@pytest.fixture(scope="module")
def file(network: onnx.ModelProto) -> bytes:
    return lower(quantized(network), METADATA)


def opened(data: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf(data)


def test_the_file_says_what_it_is(file: bytes) -> None:
    assert schema.Model.ModelBufferHasIdentifier(file, 0)
    assert opened(file).version == 3


def test_metadata_come_back(file: bytes) -> None:
    """EdgeKit's own description leaves out the labels, which the label file holds."""
    model = opened(file)
    (own,) = (entry for entry in model.metadata if entry.name == b"edgekit")
    text = bytes(model.buffers[own.buffer].data).decode()
    assert Metadata.from_json(text, "file") == replace(METADATA, labels=())
    assert "labels" not in json.loads(text)


def test_all_constants_are_aligned(file: bytes) -> None:
    root = schema.Model.GetRootAs(file, 0)
    for index in range(root.BuffersLength()):
        data = root.Buffers(index)
        if data.DataLength():
            start = data._tab.Vector(data._tab.Offset(4))
            assert start % DATA_ALIGNMENT == 0


def test_the_gaps_that_alignment_leaves_are_filled(file: bytes) -> None:
    """Small vectors lie between the constants, so that almost no byte of padding is left there."""
    root = schema.Model.GetRootAs(file, 0)
    places = []
    for index in range(root.BuffersLength()):
        data = root.Buffers(index)
        if data.DataLength():
            places.append((data._tab.Vector(data._tab.Offset(4)), data.DataLength()))
    padding = 0
    for start, length in places:
        behind = file[start + length : start + length + DATA_ALIGNMENT]
        padding += len(behind) - len(behind.lstrip(b"\0"))
    assert padding <= DATA_ALIGNMENT * 2


def test_only_inputs_and_outputs_have_names(file: bytes) -> None:
    (graph,) = opened(file).subgraphs
    named = {index: tensor.name for index, tensor in enumerate(graph.tensors) if tensor.name}
    assert named == {graph.inputs[0]: b"image", graph.outputs[0]: b"logits"}


def test_there_is_nothing_but_the_networks_own_operators(file: bytes) -> None:
    model = opened(file)
    names = {value: key for key, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    used = [names[model.operatorCodes[item.opcodeIndex].builtinCode] for item in model.subgraphs[0].operators]
    separable_blocks = ["DEPTHWISE_CONV_2D", "CONV_2D"] * 4
    assert used == ["CONV_2D", *separable_blocks, "MAX_POOL_2D", "MEAN", "FULLY_CONNECTED"]
    assert all(code.deprecatedBuiltinCode == code.builtinCode for code in model.operatorCodes)


def test_the_overhead_over_the_weights_is_small(file: bytes) -> None:
    """Twelve operators with 250 channels, whose scales alone take 1.4 kB, and both descriptions."""
    model = opened(file)
    held = {tensor.buffer for tensor in model.subgraphs[0].tensors if model.buffers[tensor.buffer].data is not None}
    weights = sum(len(model.buffers[index].data) for index in held)
    assert len(file) - weights <= 4900


def test_equal_constants_are_stored_once() -> None:
    shared = noise(4, 4, 3, 3)
    nodes = [node("Conv", ["x", "w1"], ["a"], pads=[1, 1, 1, 1]), node("Conv", ["a", "w2"], ["out"])]
    model = prepare(graph_of(nodes, {"x": (1, 4, 6, 6)}, {"w1": shared, "w2": shared.copy()}))
    buffers = opened(lower(model, Metadata())).buffers
    assert sum(buffer.data is not None and len(buffer.data) == shared.nbytes for buffer in buffers) == 1


def test_the_scales_follow_the_8_bit_specification(file: bytes) -> None:
    """A bias has scale input x weights and zero point 0; weights have zero point 0 and lie in [-127, 127]."""
    model = opened(file)
    (graph,) = model.subgraphs
    codes = schema.BuiltinOperator
    for operator in graph.operators:
        kind = model.operatorCodes[operator.opcodeIndex].builtinCode
        if kind not in (codes.CONV_2D, codes.DEPTHWISE_CONV_2D, codes.FULLY_CONNECTED):
            continue
        source, weights, bias = (graph.tensors[index] for index in operator.inputs)
        assert weights.quantization.quantizedDimension == (3 if kind == codes.DEPTHWISE_CONV_2D else 0)
        assert bias.quantization.quantizedDimension == 0
        expected = np.float32(source.quantization.scale[0]) * weights.quantization.scale
        np.testing.assert_allclose(bias.quantization.scale, expected, rtol=1e-6)
        assert not np.any(weights.quantization.zeroPoint)
        assert not np.any(bias.quantization.zeroPoint)
        assert np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8).min() >= -127


def test_the_same_model_gives_the_same_bytes(network: onnx.ModelProto, file: bytes) -> None:
    assert lower(quantized(network), METADATA) == file
