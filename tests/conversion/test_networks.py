"""The building blocks of well-known networks, from exporters' forms to .tflite: same answers, no odd operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from lowered import assert_float_agrees, operators_of, run_as_onnx
from onnx import helper
from small_graphs import bytes_for, graph_of, noise, quantized, run_onnx

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.graph.prepare import prepare

node = helper.make_node


class Network:
    """A graph that is written down as a program: each call adds an operator and names its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def __call__(self, operator: str, *inputs: str | np.ndarray, outputs: int = 1, **options) -> str:
        names = [self.constant(value) if isinstance(value, np.ndarray) else value for value in inputs]
        made = [f"v{len(self.nodes)}"] + [f"v{len(self.nodes)}_{index}" for index in range(1, outputs)]
        self.nodes.append(node(operator, names, made, **options))
        return made[0]

    def constant(self, value: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def conv(self, source: str, inputs: int, outputs: int, kernel: int = 3, **options) -> str:
        groups, seed = options.get("group", 1), len(self.nodes)
        weights = noise(outputs, inputs // groups, kernel, kernel, seed=seed) / np.sqrt(inputs // groups * kernel**2)
        pads = [kernel // 2] * 4
        return self("Conv", source, weights.astype(np.float32), noise(outputs, seed=seed) / 4, pads=pads, **options)

    def model(self, results: Sequence[str], shape: tuple[int, ...] = (1, 3, 16, 16)) -> onnx.ModelProto:
        return graph_of(self.nodes, {"x": shape}, self.constants, outputs=results)


def whole(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


def agree(model: onnx.ModelProto, steps: int = 2) -> list[str]:
    """Compare in float and in int8, where each further operator may add to a difference; return the operators."""
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    data = assert_float_agrees(model, noise(*shape))
    integers = quantized(prepare(model))
    stored = bytes_for(integers)
    expected = run_onnx(integers, *stored)
    for want, got in zip(expected, run_as_onnx(lower(integers, Metadata()), expected, *stored), strict=True):
        assert np.abs(want.astype(int) - got.astype(int)).max() <= steps
    return operators_of(data)


def test_a_mobilenet_v3_block_with_squeeze_and_excitation() -> None:
    net = Network()
    three, zero, six = np.float32(3), np.float32(0), np.float32(6)
    x = net.conv("x", 3, 8, strides=[2, 2])
    clipped = net("Clip", net("Add", x, np.asarray(three)), np.asarray(zero), np.asarray(six))
    x = net("Div", net("Mul", x, clipped), np.asarray(six))
    y = net.conv(x, 8, 8, group=8)
    s = net("Relu", net.conv(net("GlobalAveragePool", y), 8, 4, 1))
    s = net("HardSigmoid", net.conv(s, 4, 8, 1), alpha=1 / 6)
    x = net("Add", x, net.conv(net("Mul", y, s), 8, 8, 1))
    found = agree(net.model([net("Gemm", net("Flatten", net("GlobalAveragePool", x)), noise(8, 5))]))
    assert "HARD_SWISH" in found
    assert "TRANSPOSE" not in found


@pytest.mark.parametrize("halves", ["Split", "Slice", "Gather"])
def test_shufflenet_blocks(halves: str) -> None:
    net = Network()
    x = net.conv("x", 3, 8)
    for _ in range(2):
        if halves == "Split":
            kept = net("Split", x, outputs=2, axis=1)
            turned = f"{kept}_1"
        elif halves == "Slice":
            kept, turned = (net("Slice", x, whole(start), whole(start + 4), whole(1)) for start in (0, 4))
        else:
            pairs = net(
                "Reshape", net("Transpose", net("Reshape", x, whole(4, 2, 256)), perm=[1, 0, 2]), whole(2, 1, 4, 16, 16)
            )
            kept, turned = (net("Gather", pairs, np.asarray(index)) for index in (0, 1))
        y = net("Relu", net.conv(turned, 4, 4, 1))
        y = net("Relu", net.conv(net.conv(y, 4, 4, group=4), 4, 4, 1))
        x = net("Concat", kept, y, axis=1)
        if halves != "Gather":
            x = net("Transpose", net("Reshape", x, whole(1, 2, 4, 16, 16)), perm=[0, 2, 1, 3, 4])
            x = net("Reshape", x, whole(1, 8, 16, 16))
    found = agree(net.model([net.conv(x, 8, 6, 1, group=2)]))
    assert found.count("TRANSPOSE") == (0 if halves == "Gather" else 2)


def test_a_u_net_with_skip_connections() -> None:
    net = Network()
    top = net("Relu", net.conv("x", 3, 4))
    low = net("Relu", net.conv(net("MaxPool", top, kernel_shape=[2, 2], strides=[2, 2]), 4, 8))
    up = net("ConvTranspose", low, noise(8, 4, 2, 2) / 4, strides=[2, 2])
    joined = net("Concat", up, top, axis=1)
    found = agree(net.model([net.conv(net("Relu", net.conv(joined, 8, 4)), 4, 2, 1)]))
    assert sorted(set(found)) == ["CONCATENATION", "CONV_2D", "MAX_POOL_2D", "TRANSPOSE_CONV"]


def test_an_ssd_head_with_two_results() -> None:
    net = Network()
    scales = [net("Relu", net.conv("x", 3, 8, strides=[2, 2]))]
    scales.append(net("Relu", net.conv(scales[0], 8, 8, strides=[2, 2])))
    parts: dict[int, list[str]] = {4: [], 3: []}
    for scale in scales:
        for width, found in parts.items():
            boxes = net("Transpose", net.conv(scale, 8, 2 * width), perm=[0, 2, 3, 1])
            found.append(net("Reshape", boxes, whole(1, -1, width)))
    boxes, scores = (net("Concat", *found, axis=1) for found in parts.values())
    operators = agree(net.model([net("Sigmoid", boxes), net("Softmax", scores, axis=-1)]))
    assert "TRANSPOSE" not in operators


def test_the_first_shortcut_of_a_cifar_resnet() -> None:
    """Every second pixel, and new channels that are 0: option A of He et al. 2016."""
    net = Network()
    x = net("Relu", net.conv("x", 3, 8))
    shortcut = net("Slice", x, whole(0, 0), whole(99, 99), whole(2, 3), whole(2, 2))
    shortcut = net("Pad", shortcut, whole(0, 4, 0, 0, 0, 4, 0, 0))
    y = net.conv(net("Relu", net.conv(x, 8, 16, strides=[2, 2])), 16, 16)
    agree(net.model([net("Relu", net("Add", y, shortcut))]))


def test_a_network_over_a_line() -> None:
    net = Network()
    x = net("Relu", net("Conv", "x", noise(8, 3, 5) / 4, noise(8) / 4, pads=[2, 2], strides=[2]))
    x = net("Conv", x, noise(8, 1, 3) / 2, noise(8) / 4, pads=[2, 2], dilations=[2], group=8)
    x = net("MaxPool", x, kernel_shape=[2], strides=[2])
    logits = net("Gemm", net("Flatten", net("GlobalAveragePool", x)), noise(8, 5))
    found = agree(net.model([logits], (1, 3, 40)))
    assert found.count("RESHAPE") + found.count("TRANSPOSE") <= 2


def test_an_attention_block() -> None:
    net = Network()
    tokens = net("Reshape", net("Conv", "x", noise(8, 3, 4, 4) / 7, strides=[4, 4]), whole(1, 8, 16))
    tokens = net("Transpose", tokens, perm=[0, 2, 1])
    heads = net("Reshape", net("MatMul", tokens, noise(8, 24) / 3), whole(1, 16, 3, 2, 4))
    heads = net("Transpose", heads, perm=[2, 0, 3, 1, 4])
    queries, keys, values = (net("Gather", heads, np.asarray(index)) for index in range(3))
    weights = net("Softmax", net("MatMul", queries, net("Transpose", keys, perm=[0, 1, 3, 2])), axis=-1)
    mixed = net("Reshape", net("Transpose", net("MatMul", weights, values), perm=[0, 2, 1, 3]), whole(1, 16, 8))
    agree(net.model([net("Add", tokens, net("MatMul", mixed, noise(8, 8) / 3))]), steps=4)
