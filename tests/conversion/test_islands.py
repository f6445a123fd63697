"""Float operators inside an integer graph answer the same in ONNX Runtime and LiteRT."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from lowered import operators_of, reference
from onnx.helper import make_node
from random_images import random_inputs
from residual_graphs import BLOCKS, minmax_plan, residual
from small_graphs import graph_of, noise, run_tflite, static_plan

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.graph.prepare import prepare
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq

INPUTS = random_inputs(4)
WEIGHTS = {"w": noise(4, 3, 1, 1), "b": noise(4), "v": noise(4, 4, 1, 1), "one": np.float32([1])}


def between(*operators: str) -> onnx.ModelProto:
    """A convolution, some operators of one input behind a Relu and an addition, and another convolution."""
    nodes = [
        make_node("Conv", ["x", "w", "b"], ["a"]),
        make_node("Relu", ["a"], ["r"]),
        make_node("Add", ["r", "one"], ["value0"]),
        *(make_node(name, [f"value{index}"], [f"value{index + 1}"]) for index, name in enumerate(operators)),
        make_node("Conv", [f"value{len(operators)}", "v"], ["out"]),
    ]
    return prepare(graph_of(nodes, {"x": [1, 3, 8, 8]}, WEIGHTS, opset=20))


def assert_same_answers(model: onnx.ModelProto, plan: Plan, steps: float = 1) -> bytes:
    """Both files, with real values at their ends, differ by steps of rounding at most; returns the .tflite file."""
    file = insert_qdq(model, plan, "float32")
    data = lower(file, Metadata())
    step = plan.affines[model.graph.output[0].name].scale
    for (image,) in INPUTS:
        expected = reference(file, image)[0]
        np.testing.assert_allclose(run_tflite(data, image)[0], expected, atol=steps * 1.01 * step)
    return data


@pytest.mark.parametrize("operators", [("Log",), ("Sqrt", "Log", "Exp"), ("Softplus", "Abs", "Reciprocal")])
def test_operators_without_an_int8_form_stay_in_float_between_integers(operators: tuple[str, ...]) -> None:
    model = between(*operators)
    found = operators_of(assert_same_answers(model, static_plan(model), steps=3))
    assert found.count("CONV_2D") == 2
    assert "DEQUANTIZE" in found
    assert "QUANTIZE" in found


def test_between_float_operators_nothing_is_rounded() -> None:
    model = between("Log", "Exp", "Log")
    found = operators_of(lower(insert_qdq(model, static_plan(model), "int8"), Metadata()))
    assert (found.count("DEQUANTIZE"), found.count("QUANTIZE")) == (1, 1)


@pytest.mark.parametrize("position", range(4))
def test_any_layer_may_be_left_in_float(position: int) -> None:
    model = residual(["residual", "depthwise"], spread=0.5)
    layers = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    plan = minmax_plan(model, INPUTS).with_floats([layers[position]])
    assert_same_answers(model, plan, steps=6)


def test_a_network_all_in_float_gives_the_float_answers() -> None:
    model = residual(BLOCKS, spread=0.5)
    plan = minmax_plan(model, INPUTS).with_floats(node.output[0] for node in model.graph.node)
    file = insert_qdq(model, plan, "float32")
    for (image,) in INPUTS:
        np.testing.assert_allclose(reference(file, image)[0], reference(model, image)[0], rtol=1e-3, atol=1e-4)
    assert_same_answers(model, plan)


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_a_float_operator_at_each_end_hands_over_the_type_that_was_asked_for(io: str) -> None:
    nodes = [
        make_node("Sqrt", ["x"], ["root"]),
        make_node("Conv", ["root", "w", "b"], ["a"]),
        make_node("Softplus", ["a"], ["out"]),
    ]
    model = prepare(graph_of(nodes, {"x": [1, 3, 8, 8]}, {"w": WEIGHTS["w"], "b": WEIGHTS["b"]}))
    plan = static_plan(model)
    file = insert_qdq(model, plan, io)
    data = lower(file, Metadata())
    generator = np.random.default_rng(0)
    image = generator.random((1, 3, 8, 8), np.float32)
    if io != "float32":
        image = generator.integers(np.iinfo(io).min, np.iinfo(io).max + 1, (1, 3, 8, 8)).astype(io)
    expected, found = reference(file, image)[0], run_tflite(data, image)[0]
    assert found.dtype == expected.dtype == np.dtype(io)
    step = 1.0 if io != "float32" else plan.affines["a"].scale
    np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=1.01 * step)
