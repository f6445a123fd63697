"""Convolutions, transposed convolutions, pools and matrix products of any form, in float and in integers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lowered import assert_float_agrees, assert_integers_agree, operators_of
from onnx import helper
from small_graphs import graph_of, noise

node = helper.make_node
small = st.integers(1, 3)


def agree(model: onnx.ModelProto) -> list[str]:
    """The model's file answers as ONNX Runtime does in float, and within a step in int8; returns the operators."""
    shapes = [[dim.dim_value for dim in item.type.tensor_type.shape.dim] for item in model.graph.input]
    data = assert_float_agrees(model, *(noise(*shape, seed=index) for index, shape in enumerate(shapes)))
    assert_integers_agree(model)
    return operators_of(data)


@st.composite
def convolutions(draw: st.DrawFn) -> onnx.ModelProto:
    rank = draw(st.sampled_from([1, 2, 2]))
    groups, per_group = draw(st.sampled_from([(1, 3), (1, 1), (2, 2), (4, 1), (3, 4)]))
    outputs = groups * draw(small)
    options = {
        "strides": [draw(small) for _ in range(rank)],
        "dilations": [draw(st.sampled_from([1, 1, 2])) for _ in range(rank)],
        "pads": [draw(st.integers(0, 2)) for _ in range(2 * rank)],
        "group": groups,
    }
    shape = (1, groups * per_group, *(draw(st.integers(7, 10)) for _ in range(rank)))
    kernel = [draw(small) for _ in range(rank)]
    nodes = [node("Conv", ["x", "w", "b"], ["a"], **options), node("Relu", ["a"], ["out"])]
    return graph_of(nodes, {"x": shape}, {"w": noise(outputs, per_group, *kernel), "b": noise(outputs)})


@given(convolutions())
@settings(max_examples=25, deadline=None)
def test_convolutions_grouped_dilated_and_over_lines(model: onnx.ModelProto) -> None:
    assert set(agree(model)) <= {"CONV_2D", "DEPTHWISE_CONV_2D", "PAD", "RESHAPE", "TRANSPOSE"}


@st.composite
def transposed_convolutions(draw: st.DrawFn) -> onnx.ModelProto:
    groups, per_group, outputs = draw(st.sampled_from([(1, 2, 3), (1, 1, 1), (2, 2, 1), (3, 1, 2)]))
    kernel = [draw(st.integers(1, 4)) for _ in range(2)]
    strides = [draw(small) for _ in range(2)]
    options = {
        "strides": strides,
        "group": groups,
        "pads": [draw(st.integers(0, min(size - 1, 2))) for size in [*kernel, *kernel]],
        "output_padding": [draw(st.integers(0, stride - 1)) for stride in strides],
    }
    shape = (1, groups * per_group, draw(st.integers(3, 5)), draw(st.integers(3, 5)))
    constants = {"w": noise(shape[1], outputs, *kernel), "b": noise(groups * outputs)}
    return graph_of([node("ConvTranspose", ["x", "w", "b"], ["out"], **options)], {"x": shape}, constants)


@given(transposed_convolutions())
@settings(max_examples=25, deadline=None)
def test_transposed_convolutions(model: onnx.ModelProto) -> None:
    assume(all(dim.dim_value > 0 for dim in model.graph.output[0].type.tensor_type.shape.dim))
    agree(model)


@pytest.mark.parametrize(
    ("kernel", "options", "expected"),
    [
        (2, {}, ["TRANSPOSE_CONV"]),
        (4, {"pads": [1, 1, 1, 1]}, ["TRANSPOSE_CONV"]),
        (3, {"pads": [1, 1, 1, 1], "output_padding": [1, 1]}, ["TRANSPOSE_CONV", "SLICE"]),
    ],
)
def test_usual_ways_of_doubling_an_image(kernel: int, options: dict, expected: list[str]) -> None:
    conv = node("ConvTranspose", ["x", "w"], ["out"], strides=[2, 2], **options)
    assert agree(graph_of([conv], {"x": (1, 3, 5, 6)}, {"w": noise(3, 2, kernel, kernel)})) == expected


def test_an_image_as_wide_as_a_colour_is_deep_keeps_its_channels_first() -> None:
    """Zeros are put between its pixels by a Reshape, which takes no row of an image with channels last."""
    conv = node("ConvTranspose", ["x", "w"], ["out"], strides=[1, 2], group=2)
    agree(graph_of([conv], {"x": (1, 4, 4, 3)}, {"w": noise(4, 1, 1, 1)}))


@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(small, small),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
    size=st.tuples(st.integers(5, 8), st.integers(5, 8)),
    kind=st.sampled_from(["maximum", "mean", "mean that counts padding"]),
)
@settings(max_examples=25, deadline=None)
def test_pools(kernel, strides, pads, size, kind: str) -> None:
    pads = [min(amount, kernel[axis % 2] // 2) for axis, amount in enumerate(pads)]
    options = {"kernel_shape": kernel, "strides": strides, "pads": pads, "ceil_mode": 1}
    if kind == "maximum":
        agree(graph_of([node("MaxPool", ["x"], ["out"], **options)], {"x": (1, 2, *size)}))
        return
    counted = int(kind.endswith("padding"))
    model = graph_of([node("AveragePool", ["x"], ["out"], count_include_pad=counted, **options)], {"x": (1, 2, *size)})
    assert_float_agrees(model, noise(1, 2, *size))


def test_the_usual_first_pool_of_a_resnet_stays_on_the_accelerated_path() -> None:
    """XNNPACK has no PADV2; behind a Relu nothing is below 0, so PAD does."""
    pool = node("MaxPool", ["a"], ["out"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    assert agree(graph_of([node("Relu", ["x"], ["a"]), pool], {"x": (1, 3, 8, 8)})) == ["RELU", "PAD", "MAX_POOL_2D"]


def test_every_second_pixel_is_taken_by_a_convolution_with_ones() -> None:
    """XNNPACK takes neither strided slices nor pools over one pixel."""
    pool = node("MaxPool", ["x"], ["out"], kernel_shape=[1, 1], strides=[2, 3])
    assert agree(graph_of([pool], {"x": (1, 5, 7, 8)})) == ["DEPTHWISE_CONV_2D"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((1, 2, 3, 4), (1, 2, 4, 5)),
        ((2, 3, 4), (4, 5)),
        ((1, 2, 3, 4), (2, 4, 5)),
    ],
)
def test_products_of_two_values(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    relus = [node("Relu", ["x"], ["a"]), node("Relu", ["y"], ["b"])]
    shapes = [shape if len(shape) != 4 else (1, *shape[1:]) for shape in (one, other)]
    model = graph_of([*relus, node("MatMul", ["a", "b"], ["out"])], dict(zip("xy", shapes, strict=True)))
    assert agree(model).count("BATCH_MATMUL") == 1


def test_a_product_with_a_transposed_value_moves_nothing() -> None:
    """As the keys of attention are."""
    nodes = [node("Transpose", ["y"], ["t"], perm=[0, 2, 1]), node("MatMul", ["x", "t"], ["out"])]
    assert agree(graph_of(nodes, {"x": (2, 3, 4), "y": (2, 5, 4)})) == ["BATCH_MATMUL"]


def test_a_fully_connected_layer_over_rows_reads_and_writes_them_in_place() -> None:
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["out"])]
    found = agree(graph_of(nodes, {"x": (1, 6, 4)}, {"w": noise(4, 5), "b": noise(5)}))
    assert found == ["RESHAPE", "FULLY_CONNECTED", "RESHAPE"]


def test_a_row_becomes_an_image_and_is_upsampled() -> None:
    """The start of a generator."""
    nodes = [
        node("Gemm", ["x", "w"], ["g"], transB=1),
        node("Reshape", ["g", "s"], ["i"]),
        node("ConvTranspose", ["i", "k"], ["t"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", ["t"], ["out"]),
    ]
    constants = {"w": noise(32, 4), "s": np.asarray([1, 2, 4, 4]), "k": noise(2, 3, 4, 4)}
    assert "TRANSPOSE_CONV" in agree(graph_of(nodes, {"x": (1, 4)}, constants))
