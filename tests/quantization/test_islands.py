"""What follows a float operator value by value is computed before the conversion to integers, not behind it."""

from __future__ import annotations

import numpy as np
from lowered import operators_of, reference, run_as_onnx, signed_plan
from onnx import ModelProto, helper
from small_graphs import bytes_for, graph_of, noise

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.graph.prepare import prepare
from edgekit.quantization.islands import beside_islands
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.tensor_groups import stored_tensors

node = helper.make_node
CONSTANTS = {
    "w": noise(8, 3, 3, 3, seed=1),
    "k": noise(2, 8, 1, 1, seed=2),
    "scale": noise(8, seed=3),
    "bias": noise(8, seed=4),
    "column": noise(8, 1, 1, seed=5),
    "row": noise(8, seed=6),
    "square": noise(8, 8, 1, 1, seed=7),
}


def prepared(*nodes: object) -> ModelProto:
    return prepare(graph_of([*nodes], {"x": (1, 3, 8, 8)}, CONSTANTS, opset=21))


def operators_of_agreeing(model: ModelProto) -> list[str]:
    """Those of the int8 .tflite file, whose answers are at most a step from those of the ONNX file."""
    integers = insert_qdq(model, signed_plan(model, 4).with_floats(beside_islands(model)))
    data, stored = lower(integers, Metadata()), bytes_for(integers)
    (expected,) = reference(integers, *stored)
    (found,) = run_as_onnx(data, [expected], *stored)
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
    return operators_of(data)


def group_norm() -> ModelProto:
    return prepared(
        node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        node("GroupNormalization", ["y", "scale", "bias"], ["norm"], num_groups=2),
        node("Conv", ["norm", "k"], ["out"]),
    )


def test_scale_and_bias_of_a_group_norm_stay_with_it() -> None:
    model = group_norm()
    found = beside_islands(model)
    nodes = [item for item in model.graph.node if item.output[0] in found]
    assert [item.op_type for item in nodes] == ["Reshape", "Mul", "Add"]
    stored = set(stored_tensors(model))
    assert not stored & {item.input[0] for item in nodes}
    assert nodes[-1].output[0] in stored


def test_they_cost_one_conversion_and_both_files_agree() -> None:
    model = group_norm()
    operators = operators_of_agreeing(model)
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
    assert not beside_islands(read_twice)
    assert "norm" in stored_tensors(read_twice)


def test_the_sums_of_a_transformer_are_rounded_nowhere() -> None:
    nodes, last = [node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])], "y"
    for block in range(2):
        normal, part, total = (f"{name}{block}" for name in ("normal", "part", "total"))
        nodes += [
            node("LayerNormalization", [last, "row", "row"], [normal], axis=-1),
            node("Conv", [normal, "square"], [part]),
            node("Add", [last, part], [total]),
        ]
        last = total
    ending = [
        node("LayerNormalization", [last, "row", "row"], ["normal"], axis=-1),
        node("Conv", ["normal", "k"], ["out"]),
    ]
    model = prepared(*nodes, *ending)
    sums = {"total0", "total1"}
    assert beside_islands(model) == sums
    assert not sums & set(stored_tensors(model))
    operators_of_agreeing(model)


def test_sums_that_a_convolution_reads_too_stay_in_integers() -> None:
    model = prepared(
        node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        node("Conv", ["y", "square"], ["part"]),
        node("Add", ["y", "part"], ["total"]),
        node("LayerNormalization", ["total", "row", "row"], ["normal"], axis=-1),
        node("Conv", ["normal", "square"], ["through"]),
        node("Conv", ["total", "square"], ["beside"]),
        node("Add", ["beside", "through"], ["out"]),
    )
    assert not beside_islands(model)


def wide_block(window: int) -> ModelProto:
    """A block of a ConvNeXt: a depthwise window, a normalization of each pixel's channels, and a sum past both."""
    pad = window // 2
    depthwise = {f"d{window}": noise(8, 1, window, window, seed=8)}
    nodes = [
        node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        node("Conv", ["y", f"d{window}"], ["wide"], group=8, pads=[pad] * 4),
        node("Transpose", ["wide"], ["pixels"], perm=[0, 2, 3, 1]),
        node("LayerNormalization", ["pixels", "row", "row"], ["normal"], axis=-1),
        node("Transpose", ["normal"], ["image"], perm=[0, 3, 1, 2]),
        node("Conv", ["image", "k"], ["out"]),
    ]
    return prepare(graph_of(nodes, {"x": (1, 3, 8, 8)}, {**CONSTANTS, **depthwise}, opset=21))


def test_a_depthwise_window_without_a_fast_kernel_of_integers_stays_in_float_before_a_normalization() -> None:
    model = wide_block(7)
    assert beside_islands(model) == {"wide", "pixels"}
    assert not {"wide", "pixels"} & set(stored_tensors(model))
    operators = operators_of_agreeing(model)
    assert (operators.count("DEQUANTIZE"), operators.count("QUANTIZE")) == (1, 1)
    assert not beside_islands(wide_block(5))


def test_integers_go_on_in_integers() -> None:
    plain = prepared(
        node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        node("Relu", ["y"], ["r"]),
        node("Mul", ["r", "column"], ["scaled"]),
        node("Conv", ["scaled", "k"], ["out"]),
    )
    assert not beside_islands(plain)


def test_an_operator_of_several_results_behind_a_float_one_is_left_where_it_is() -> None:
    nodes = [
        node("LayerNormalization", ["x", "one", "none"], ["normal"]),
        node("Split", ["normal"], ["a", "b"], axis=1, num_outputs=2),
        node("Add", ["a", "b"], ["out"]),
    ]
    constants = {"one": np.ones(8, np.float32), "none": np.zeros(8, np.float32)}
    model = prepare(graph_of(nodes, {"x": (1, 6, 8)}, constants, opset=21))
    assert "a" not in beside_islands(model)
    insert_qdq(model, signed_plan(model, 4))
