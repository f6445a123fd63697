"""Layers with weights take up what is linear around them, and have one form each; the answers stay the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper
from prepared_graphs import assert_same_answers, operators
from small_graphs import graph_of, noise

from edgekit.graph.messages import attributes
from edgekit.graph.prepare import prepare

node = helper.make_node


def prepared_from(
    nodes: list[onnx.NodeProto], shape: tuple[int, ...], constants: dict[str, np.ndarray], opset: int = 13
) -> list[str]:
    """Prepare a graph over ``x``, compare its answers, and return its operators."""
    model = graph_of(nodes, {"x": shape}, constants, opset=opset)
    prepared = prepare(model)
    assert_same_answers(model, prepared, noise(*shape, seed=9))
    return operators(prepared)


NORM = {
    "gamma": noise(4, seed=1),
    "beta": noise(4, seed=2),
    "mean": noise(4, seed=3),
    "var": noise(4, seed=4) ** 2 + 0.1,
}


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_batch_norm_in_front_goes_into_a_convolution_that_pads_nothing(groups: int) -> None:
    nodes = [node("BatchNormalization", ["x", *NORM], ["n"]), node("Conv", ["n", "w", "b"], ["out"], group=groups)]
    constants = {**NORM, "w": noise(8, 4 // groups, 3, 3), "b": noise(8)}
    assert prepared_from(nodes, (1, 4, 6, 6), constants) == ["Conv"]


def test_a_shift_in_front_of_a_convolution_that_pads_stays() -> None:
    nodes = [node("BatchNormalization", ["x", *NORM], ["n"]), node("Conv", ["n", "w"], ["out"], pads=[1, 1, 1, 1])]
    assert prepared_from(nodes, (1, 4, 6, 6), {**NORM, "w": noise(8, 4, 3, 3)}) == ["Mul", "Add", "Conv"]


def test_a_factor_in_front_of_a_convolution_goes_into_its_weights_even_if_it_pads() -> None:
    nodes = [node("Div", ["x", "c"], ["n"]), node("Conv", ["n", "w"], ["out"], pads=[1, 1, 1, 1])]
    constants = {"c": np.asarray([2, 3, 4, 5], np.float32).reshape(4, 1, 1), "w": noise(8, 4, 3, 3)}
    assert prepared_from(nodes, (1, 4, 6, 6), constants) == ["Conv"]


def test_a_batch_norm_behind_a_transposed_convolution_goes_into_it() -> None:
    nodes = [
        node("ConvTranspose", ["x", "w"], ["t"], strides=[2, 2]),
        node("BatchNormalization", ["t", *NORM], ["out"]),
    ]
    assert prepared_from(nodes, (1, 3, 5, 5), {**NORM, "w": noise(3, 4, 2, 2)}) == ["ConvTranspose"]


def test_division_by_constants_is_multiplication_and_subtraction_addition() -> None:
    nodes = [node("Div", ["x", "c"], ["a"]), node("Relu", ["a"], ["b"]), node("Sub", ["b", "c"], ["out"])]
    assert prepared_from(nodes, (1, 4), {"c": noise(4) + 5}) == ["Mul", "Relu", "Add"]


@pytest.mark.parametrize("bias", [(5,), (1, 5), (1, 1, 5)])
def test_a_matrix_product_over_a_stack_of_rows_is_one_fully_connected_layer(bias: tuple[int, ...]) -> None:
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["out"])]
    assert prepared_from(nodes, (2, 3, 4), {"w": noise(4, 5), "b": noise(*bias)}) == ["Reshape", "Gemm", "Reshape"]


@given(
    turned=st.tuples(st.booleans(), st.booleans()),
    factors=st.sampled_from([(1.0, 1.0), (0.5, 2.0)]),
    bias=st.booleans(),
)
@settings(max_examples=8, deadline=None)
def test_a_gemm_of_two_values_is_a_matrix_product(turned, factors, bias: bool) -> None:
    shapes = [(4, 3) if turned[0] else (3, 4), (5, 4) if turned[1] else (4, 5)]
    options = {"transA": turned[0], "transB": turned[1], "alpha": factors[0], "beta": factors[1]}
    gemm = node("Gemm", ["x", "y", *(["z"] if bias else [])], ["out"], **options)
    model = graph_of([gemm], {"x": shapes[0], "y": shapes[1], **({"z": (3, 5)} if bias else {})})
    prepared = prepare(model)
    assert "Gemm" not in operators(prepared)
    assert_same_answers(model, prepared, *(noise(*shape) for shape in [*shapes, *([(3, 5)] if bias else [])]))


def test_a_transposed_operand_of_a_fully_connected_layer_is_a_transpose() -> None:
    gemm = node("Gemm", ["x", "w"], ["out"], transA=1)
    assert prepared_from([gemm], (4, 3), {"w": noise(4, 5)}) == ["Transpose", "Gemm"]


@st.composite
def transposed_convolutions(draw: st.DrawFn) -> tuple[onnx.ModelProto, tuple[int, ...]]:
    groups, per_group, outputs = draw(st.sampled_from([(1, 2, 3), (2, 2, 1), (3, 1, 2)]))
    kernel = [draw(st.integers(1, 4)) for _ in range(2)]
    strides = [draw(st.integers(1, 3)) for _ in range(2)]
    options = {"strides": strides, "group": groups}
    if draw(st.booleans()):
        options["dilations"] = draw(st.sampled_from([[1, 1], [2, 1], [2, 3]]))
        options["pads"] = [draw(st.integers(0, min(size - 1, 2))) for size in [*kernel, *kernel]]
        options["output_padding"] = [draw(st.integers(0, stride - 1)) for stride in strides]
    else:
        options["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    shape = (1, groups * per_group, draw(st.integers(3, 5)), draw(st.integers(3, 5)))
    conv = node("ConvTranspose", ["x", "w", "b"], ["out"], **options)
    constants = {"w": noise(shape[1], outputs, *kernel), "b": noise(groups * outputs)}
    return graph_of([conv], {"x": shape}, constants), shape


@given(transposed_convolutions())
@settings(max_examples=25, deadline=None)
def test_transposed_convolutions_have_one_form(case: tuple[onnx.ModelProto, tuple[int, ...]]) -> None:
    model, shape = case
    assume(all(dim.dim_value > 0 for dim in model.graph.output[0].type.tensor_type.shape.dim))
    prepared = prepare(model)
    assert_same_answers(model, prepared, noise(*shape, seed=9))
    for item in prepared.graph.node:
        options = attributes(item)
        assert options.get("auto_pad", "NOTSET") == "NOTSET"
        assert item.op_type != "ConvTranspose" or max(options.get("group", 1), *options.get("dilations", [1])) == 1


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("size", [11, 12, 13])
def test_a_transposed_convolution_to_a_wanted_size_is_padded_as_onnx_says(rank: int, mode: str, size: int) -> None:
    options = {"strides": [2] * rank, "dilations": [2] * rank, "auto_pad": mode, "output_shape": [size] * rank}
    conv, shape = node("ConvTranspose", ["x", "w"], ["out"], **options), (1, 2, *[5] * rank)
    model = graph_of([conv], {"x": shape}, {"w": noise(2, 3, *[3] * rank)})
    assert_same_answers(model, prepare(model), noise(*shape, seed=9))


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool"])
def test_layers_over_lines_are_layers_over_images_of_height_one(operator: str) -> None:
    options: dict[str, list[int]] = {} if operator == "GlobalAveragePool" else {"strides": [2], "pads": [1, 1]}
    if "Pool" in operator and options:
        options["kernel_shape"] = [3]
    names = ["w", "b"] if "Conv" in operator else []
    nodes = [node(operator, ["x", *names], ["a"], **options), node("Relu", ["a"], ["out"])]
    found = prepared_from(nodes, (1, 4, 9), {"w": noise(4, 4, 3), "b": noise(4)} if names else {})
    assert found[0] == "Unsqueeze"
    assert found[-2:] == ["Relu", "Squeeze"]


def test_a_network_over_lines_is_unsqueezed_once() -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], ["a"], pads=[1, 1]),
        node("BatchNormalization", ["a", *NORM], ["n"]),
        node("Relu", ["n"], ["r"]),
        node("Conv", ["r", "w", "b"], ["c"], pads=[1, 1]),
        node("Add", ["c", "r"], ["s"]),
        node("MaxPool", ["s"], ["p"], kernel_shape=[2], strides=[2]),
        node("GlobalAveragePool", ["p"], ["g"]),
        node("Flatten", ["g"], ["out"]),
    ]
    found = prepared_from(nodes, (1, 4, 8), {**NORM, "w": noise(4, 4, 3), "b": noise(4)})
    assert found == ["Unsqueeze", "Conv", "Relu", "Conv", "Add", "MaxPool", "GlobalAveragePool", "Reshape"]
