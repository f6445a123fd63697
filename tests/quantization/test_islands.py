"""What follows a float operator value by value is computed before the conversion to integers, not behind it."""

from __future__ import annotations

import numpy as np
from lowered import operators_of, reference, run_as_onnx, signed_plan
from onnx import ModelProto, helper
from small_graphs import bytes_for, graph_of, noise

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.graph.prepare import prepare
from edgekit.quantization.islands import going_on_in_float
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.tensor_groups import stored_tensors

node = helper.make_node
CONSTANTS = {
    "w": noise(8, 3, 3, 3, seed=1),
    "k": noise(2, 8, 1, 1, seed=2),
    "scale": noise(8, seed=3),
    "bias": noise(8, seed=4),
    "column": noise(8, 1, 1, seed=5),
}


def prepared(*nodes: object) -> ModelProto:
    return prepare(graph_of([*nodes], {"x": (1, 3, 8, 8)}, CONSTANTS, opset=21))


def group_norm() -> ModelProto:
    return prepared(
        node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        node("GroupNormalization", ["y", "scale", "bias"], ["norm"], num_groups=2),
        node("Conv", ["norm", "k"], ["out"]),
    )


def test_scale_and_bias_of_a_group_norm_stay_with_it() -> None:
    model = group_norm()
    found = going_on_in_float(model)
    nodes = [item for item in model.graph.node if item.output[0] in found]
    assert [item.op_type for item in nodes] == ["Reshape", "Mul", "Add"]
    stored = set(stored_tensors(model))
    assert not stored & {item.input[0] for item in nodes}
    assert nodes[-1].output[0] in stored


def test_they_cost_one_conversion_and_both_files_agree() -> None:
    model = group_norm()
    integers = insert_qdq(model, signed_plan(model, 4).with_floats(going_on_in_float(model)))
    data, stored = lower(integers, Metadata()), bytes_for(integers)
    (expected,) = reference(integers, *stored)
    (found,) = run_as_onnx(data, [expected], *stored)
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
    operators = operators_of(data)
    assert (operators.count("DEQUANTIZE"), operators.count("QUANTIZE")) == (1, 1)


def test_a_value_that_others_read_in_integers_is_stored() -> None:
    read_twice = prepared(
        node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        node("InstanceNormalization", ["y", "scale", "bias"], ["norm"]),
        node("Mul", ["norm", "column"], ["scaled"]),
        node("Conv", ["norm", "k"], ["beside"]),
        node("Conv", ["scaled", "k"], ["through"]),
        node("Add", ["beside", "through"], ["out"]),
    )
    assert not going_on_in_float(read_twice)
    assert "norm" in stored_tensors(read_twice)


def test_integers_go_on_in_integers() -> None:
    plain = prepared(
        node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        node("Relu", ["y"], ["r"]),
        node("Mul", ["r", "column"], ["scaled"]),
        node("Conv", ["scaled", "k"], ["out"]),
    )
    assert not going_on_in_float(plain)
