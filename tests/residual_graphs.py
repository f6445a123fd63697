"""Small prepared networks over images [1, 3, 8, 8] whose channels have very different ranges, block by block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from onnx.helper import make_node
from random_images import CONTRACT
from small_graphs import graph_of, session

from edgekit.graph.prepare import prepare
from edgekit.quantization.calibrate import RealInputs, calibrate
from edgekit.quantization.plan import Plan
from edgekit.quantization.tensor_groups import affines_by, tie_groups

WIDTH, CLASSES = 4, 5
BLOCKS = ("conv_relu", "clipped", "residual", "depthwise", "pool", "join", "shifted", "swish", "gate")


def residual(blocks: Sequence[str], seed: int = 0, spread: float = 2.0) -> ModelProto:
    """A first convolution, the ``blocks`` of BLOCKS, and five scores.

    Factors of the output channels are spread over [exp(-spread), exp(spread)], and undone where the channels are read.
    """
    return prepare(_Network(seed, spread).build(blocks))


def minmax_plan(model: ModelProto, inputs: RealInputs, **options: object) -> Plan:
    """All values that were seen, 8 bits."""
    groups = tie_groups(model, inputs.intake)
    histograms = calibrate(model, [name for group in groups for name in group.tensors], inputs)
    return Plan(affines_by("minmax", groups, histograms), **options)


def scores(model: ModelProto, inputs: RealInputs) -> NDArray[np.float32]:
    """The first output for every image, flattened."""
    opened = session(model)
    name = opened.get_inputs()[0].name
    return np.stack([opened.run(None, {name: image})[0].reshape(-1) for (image,) in inputs])


class _Network:
    def __init__(self, seed: int, spread: float) -> None:
        self.generator = np.random.default_rng(seed)
        self.factors = np.exp(np.linspace(-spread, spread, WIDTH))
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray] = {"low": np.float32(0), "high": np.float32(6)}

    def build(self, blocks: Sequence[str]) -> ModelProto:
        shape = [1, CONTRACT.channels, CONTRACT.height, CONTRACT.width]
        value = self.add("Relu", self.conv("image", read=np.ones(3)))
        for block in blocks:
            value = getattr(self, block)(value)
        value = self.add("Flatten", self.add("GlobalAveragePool", value))
        self.constants["head"] = (self.generator.normal(size=(CLASSES, WIDTH)) / self.factors).astype(np.float32)
        self.nodes.append(make_node("Gemm", [value, "head"], ["scores"], transB=1))
        return graph_of(self.nodes, {"image": shape}, self.constants, ["scores"], opset=20)

    def add(self, operator: str, *inputs: str, **options: object) -> str:
        name = f"value{len(self.nodes)}"
        self.nodes.append(make_node(operator, inputs, [name], **options))
        return name

    def conv(self, value: str, read: NDArray | None = None, size: int = 1, group: int = 1) -> str:
        read = self.factors if read is None else read
        weights = self.generator.normal(size=(WIDTH, len(read) // group, size, size)) / np.sqrt(len(read) // group)
        if group == 1:
            weights *= self.factors.reshape(-1, 1, 1, 1) / read.reshape(1, -1, 1, 1)
        names = f"w{len(self.nodes)}", f"b{len(self.nodes)}"
        bias = self.factors * self.generator.normal(size=WIDTH) / 4
        self.constants |= dict(zip(names, (weights.astype(np.float32), bias.astype(np.float32)), strict=True))
        return self.add("Conv", value, *names, pads=[size // 2] * 4, group=group)

    def conv_relu(self, value: str) -> str:
        return self.add("Relu", self.conv(value, size=3))

    def clipped(self, value: str) -> str:
        return self.add("Clip", self.conv(value), "low", "high")

    def residual(self, value: str) -> str:
        inner = self.conv(self.add("Relu", self.conv(value, size=3)))
        return self.add("Relu", self.add("Add", value, inner))

    def depthwise(self, value: str) -> str:
        return self.add("Relu", self.conv(value, size=3, group=WIDTH))

    def pool(self, value: str) -> str:
        return self.add("MaxPool", value, kernel_shape=[2, 2], pads=[0, 0, 1, 1])

    def join(self, value: str) -> str:
        joined = self.add("Concat", value, self.conv(value), axis=1)
        return self.conv(joined, read=np.concatenate([self.factors, self.factors]))

    def shifted(self, value: str) -> str:
        self.constants["shift"] = np.float32([0.5])
        return self.conv(self.add("Add", self.conv(value), "shift"))

    def swish(self, value: str) -> str:
        return self.conv(self.add("HardSwish", self.conv(value)))

    def gate(self, value: str) -> str:
        gate = self.add("Sigmoid", self.conv(self.add("GlobalAveragePool", value)))
        return self.conv(self.add("Mul", value, gate))
