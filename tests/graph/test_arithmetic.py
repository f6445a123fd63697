"""Arithmetic in other forms gives the same values with fewer kinds of operators."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper
from small_graphs import graph_of, noise, run_onnx

from edgekit.graph.prepare import prepare

node = helper.make_node
SHAPE = (1, 3, 4, 5)


def prepared(model: onnx.ModelProto, *inputs: np.ndarray) -> list[str]:
    """The operators of the prepared model, which answers as the model does."""
    result = prepare(model)
    for expected, got in zip(run_onnx(model, *inputs), run_onnx(result, *inputs), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    return [made.op_type for made in result.graph.node]


@pytest.mark.parametrize(("operator", "made"), [("Sum", "Add"), ("Max", "Max"), ("Min", "Min")])
def test_several_operands_are_taken_two_at_a_time(operator: str, made: str) -> None:
    model = graph_of([node(operator, ["x", "y", "x", "c"], ["out"])], {"x": SHAPE, "y": (1, 3, 1, 1)}, {"c": noise(5)})
    assert prepared(model, noise(*SHAPE), noise(1, 3, 1, 1, seed=1)) == [made] * 3


def test_a_negative_is_a_product() -> None:
    assert prepared(graph_of([node("Neg", ["x"], ["out"])], {"x": SHAPE}), noise(*SHAPE)) == ["Mul"]


@pytest.mark.parametrize(("exponent", "made"), [(2.0, "Mul"), (0.5, "Sqrt"), (3.0, "Pow")])
def test_squares_and_square_roots(exponent: float, made: str) -> None:
    model = graph_of([node("Pow", ["x", "e"], ["out"])], {"x": SHAPE}, {"e": np.float32(exponent)})
    assert prepared(model, np.abs(noise(*SHAPE))) == [made]


@pytest.mark.parametrize(("slopes", "made"), [([0.2, 0.2, 0.2], "LeakyRelu"), ([0.2, 0.1, 0.2], "PRelu")])
def test_one_slope_for_all_channels(slopes: list[float], made: str) -> None:
    constants = {"s": np.asarray(slopes, np.float32).reshape(3, 1, 1)}
    assert prepared(graph_of([node("PRelu", ["x", "s"], ["out"])], {"x": SHAPE}, constants), noise(*SHAPE)) == [made]


@pytest.mark.parametrize("biased", [False, True])
def test_a_pixel_shuffle_is_sorted_in_the_weights_before_it(biased: bool) -> None:
    constants = {"w": noise(8, 3, 3, 3), **({"b": noise(8)} if biased else {})}
    nodes = [node("Conv", ["x", *constants], ["y"]), node("DepthToSpace", ["y"], ["out"], blocksize=2, mode="CRD")]
    model = graph_of(nodes, {"x": SHAPE}, constants)
    assert prepared(model, noise(*SHAPE)) == ["Conv", "DepthToSpace"]
    assert helper.get_attribute_value(prepare(model).graph.node[1].attribute[1]) in (b"DCR", 2)


def test_a_pixel_shuffle_that_others_see_before_stays() -> None:
    nodes = [node("Conv", ["x", "w"], ["y"]), node("DepthToSpace", ["y"], ["out"], blocksize=2, mode="CRD")]
    model = graph_of(nodes, {"x": SHAPE}, {"w": noise(8, 3, 3, 3)}, outputs=("out", "y"))
    options = [helper.get_attribute_value(item) for item in prepare(model).graph.node[1].attribute]
    prepared(model, noise(*SHAPE))
    assert b"CRD" in options


@pytest.mark.parametrize("alpha", [0.3, 2.0])
def test_an_elu_of_another_factor_is_made_of_what_has_integers(alpha: float) -> None:
    model = graph_of([node("Elu", ["x"], ["out"], alpha=alpha)], {"x": SHAPE})
    assert prepared(model, noise(*SHAPE)) == ["Elu", "Clip", "Mul", "Relu", "Add"]


@pytest.mark.parametrize("beta", [1.2, -0.1])
def test_a_hard_sigmoid_whose_offset_no_integer_can_hold_is_made_of_its_parts(beta: float) -> None:
    model = graph_of([node("HardSigmoid", ["x"], ["out"], beta=beta)], {"x": SHAPE})
    assert prepared(model, 5 * noise(*SHAPE)) == ["Mul", "Add", "Clip"]
