"""Inner tensors counted in steps of their own scale: the integers of a file stay what they were."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from lowered import OPTIMIZED, XNNPACK, node, reference, run_as_onnx, signed
from small_graphs import bytes_for, graph_of, noise, run_micro, run_onnx

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower, lower_model
from edgekit.graph.prepare import prepare
from edgekit.operators import operators_that

INNER: dict[str, list[onnx.NodeProto]] = {
    "Abs": [node("Abs", ["a"], ["b"])],
    "Add": [node("Add", ["a", "c"], ["b"])],
    "Clip": [node("Clip", ["a", "low", "high"], ["b"])],
    "Concat": [node("Concat", ["a", "c"], ["b"], axis=1)],
    "DepthToSpace": [node("DepthToSpace", ["a"], ["b"], blocksize=2)],
    "Gather": [node("Gather", ["a", "i"], ["b"], axis=1)],
    "HardSwish": [node("HardSwish", ["a"], ["b"])],
    "LeakyRelu": [node("LeakyRelu", ["a"], ["b"])],
    "Max": [node("Max", ["a", "c"], ["b"])],
    "Min": [node("Min", ["a", "c"], ["b"])],
    "Mul": [node("Mul", ["a", "c"], ["b"])],
    "Pad": [node("Pad", ["a", "pads", "value"], ["b"])],
    "PRelu": [node("PRelu", ["a", "c"], ["b"])],
    "ReduceMax": [node("ReduceMax", ["a", "axes"], ["b"])],
    "ReduceMean": [node("ReduceMean", ["a", "axes"], ["b"])],
    "ReduceMin": [node("ReduceMin", ["a", "axes"], ["b"])],
    "ReduceSum": [node("ReduceSum", ["a", "axes"], ["b"])],
    "Relu": [node("Relu", ["a"], ["r"]), node("MaxPool", ["r"], ["b"], kernel_shape=[2, 2])],
    "Resize": [node("Resize", ["a", "", "scales"], ["b"])],
    "Sigmoid": [node("Sigmoid", ["a"], ["b"])],
    "Slice": [node("Slice", ["a", "i", "ends", "axes"], ["b"])],
    "SpaceToDepth": [node("SpaceToDepth", ["a"], ["b"], blocksize=2)],
    "Split": [node("Split", ["a"], ["b", "d"], axis=1, num_outputs=2)],
    "Sub": [node("Sub", ["c", "a"], ["b"])],
}
CONSTANTS = {
    "c": noise(1, 4, 6, 6, seed=3), "i": np.asarray([0, 2]), "ends": np.asarray([5, 6]), "axes": np.asarray([2, 3]),
    "low": np.float32(-0.3), "high": np.float32(0.8), "pads": np.asarray([0, 0, 1, 1, 0, 0, 1, 1]),
    "value": np.float32(0.7), "scales": np.asarray([1, 1, 2, 2], np.float32),
}  # fmt: skip


def between_convolutions(nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    channels = {"Concat": 8, "DepthToSpace": 1, "SpaceToDepth": 16, "Split": 2, "Gather": 2}.get(nodes[0].op_type, 4)
    used = {name: value for name, value in CONSTANTS.items() if any(name in made.input for made in nodes)}
    weights = {"w1": 0.1 * noise(4, 3, 3, 3), "w2": noise(5, channels, 1, 1, seed=1), "bias": noise(4, seed=2)}
    chain = [node("Conv", ["x", "w1", "bias"], ["a"]), *nodes, node("Conv", ["b", "w2"], ["out"])]
    return graph_of(chain, {"x": (1, 3, 8, 8)}, {**weights, **used}, opset=18)


@pytest.mark.parametrize("operator", INNER)
def test_the_integers_do_not_depend_on_the_units(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    integers = signed(prepare(between_convolutions(INNER[operator])), 1.0)
    stored = bytes_for(integers)
    expected = run_onnx(integers, *stored)
    in_units = lower(integers, Metadata())
    monkeypatch.setattr(lower_model, "unit_scales", lambda graph: graph)
    as_given = lower(integers, Metadata())
    for kernels in (XNNPACK, OPTIMIZED):
        answers = [
            run_as_onnx(data, expected, *stored, kernels=kernels)[0].astype(int) for data in (in_units, as_given)
        ]
        assert np.abs(answers[0] - answers[1]).max() <= 1
        assert np.mean(answers[0] != answers[1]) < 0.02


@pytest.mark.parametrize("operator", INNER)
def test_tflite_micro_computes_the_same(operator: str) -> None:
    integers = signed(prepare(between_convolutions(INNER[operator])), 1.0)
    stored = bytes_for(integers)
    (expected,) = reference(integers, *stored)
    assert np.abs(run_micro(lower(integers, Metadata()), *stored).astype(int) - expected).max() <= 1


def test_every_linear_operator_that_computes_is_among_them() -> None:
    moving = {"Flatten", "GatherND", "Reshape", "Squeeze", "TopK", "Transpose", "Unsqueeze", "QuantizeLinear"}
    pooling = {"AveragePool", "GlobalAveragePool", "MaxPool"}
    assert set(INNER) >= operators_that(lambda row: row.linear) - moving - pooling
