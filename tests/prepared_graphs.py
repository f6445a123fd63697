"""What the tests of preparing share."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper
from small_graphs import graph_of, noise, run_onnx

from edgekit.graph.prepare import prepare
from edgekit.operators.nodes import Graph


def operators(model: onnx.ModelProto) -> list[str]:
    return [item.op_type for item in model.graph.node]


def assert_same_answers(model: onnx.ModelProto, prepared: onnx.ModelProto, *inputs: np.ndarray) -> None:
    for expected, got in zip(run_onnx(model, *inputs), run_onnx(prepared, *inputs), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def kinds(graph: Graph) -> list[str]:
    return [item.op + item.activation for item in graph.nodes]


def convolution(last: str = "Relu") -> onnx.ModelProto:
    """A prepared convolution with a bias, and an operator behind it."""
    conv = helper.make_node("Conv", ["x", "w", "b"], ["a"], pads=[1, 1, 1, 1])
    nodes = [conv, helper.make_node(last, ["a"], ["out"])]
    return prepare(graph_of(nodes, {"x": (1, 2, 5, 5)}, {"w": noise(3, 2, 3, 3), "b": noise(3)}))
