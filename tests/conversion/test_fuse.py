"""Activation functions become part of the operator before them."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from prepared_graphs import kinds
from small_graphs import graph_of, noise

from edgekit.conversion.tflite.fuse import fuse_activations
from edgekit.graph.prepare import prepare
from edgekit.graph.read import read_graph

node = helper.make_node


def test_an_activation_is_fused_only_if_nothing_else_needs_the_value_before_it() -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Relu", ["a"], ["r"]), node("Add", ["a", "r"], ["out"])]
    model = prepare(graph_of(nodes, {"x": (1, 2, 5, 5)}, {"w": noise(3, 2, 3, 3)}))
    assert kinds(fuse_activations(read_graph(model))) == ["Conv", "Relu", "Add"]


def test_an_activation_is_fused_only_into_operators_that_take_one() -> None:
    nodes = [node("ReduceSum", ["x"], ["a"]), node("Relu", ["a"], ["out"])]
    model = prepare(graph_of(nodes, {"x": (1, 2, 5, 5)}))
    assert kinds(fuse_activations(read_graph(model))) == ["ReduceSum", "Relu"]


@pytest.mark.parametrize(("limits", "kind"), [((0, 6), "ConvRelu6"), ((-1, 1), "ConvReluN1"), ((0, 5), "Conv")])
def test_a_clip_is_an_activation_if_its_limits_are(limits: tuple[float, float], kind: str) -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Clip", ["a", "low", "high"], ["out"])]
    constants = {"w": noise(3, 2, 3, 3), "low": np.float32(limits[0]), "high": np.float32(limits[1])}
    model = prepare(graph_of(nodes, {"x": (1, 2, 5, 5)}, constants))
    assert kinds(fuse_activations(read_graph(model)))[0] == kind
