"""Reshape and Transpose in any order of axes: the .tflite answers as ONNX Runtime does, moving only what it must."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from small_graphs import bytes_for, graph_of, interpreter, noise, quantized, run_onnx

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.graph.prepare import prepare
from edgekit.operators.layout import split_axes

node = helper.make_node


def answers(data: bytes, *inputs: np.ndarray) -> list[np.ndarray]:
    """As the file gives them; 4-D inputs are given channels last."""
    opened = interpreter(data)
    for detail, value in zip(opened.get_input_details(), inputs, strict=True):
        opened.set_tensor(detail["index"], value.transpose(0, 2, 3, 1) if value.ndim == 4 else value)
    opened.invoke()
    return [opened.get_tensor(detail["index"]) for detail in opened.get_output_details()]


def operators_of(data: bytes) -> list[str]:
    return [item["op_name"] for item in interpreter(data)._get_ops_details() if item["op_name"] != "DELEGATE"]


def lowered(nodes: Sequence[onnx.NodeProto], shape: tuple[int, ...], sizes: dict[str, Sequence[int]]) -> list[str]:
    """Lower a graph of an image, compare with ONNX Runtime in float and in int8, and return the operators."""
    constants = {name: np.asarray(value, np.int64) for name, value in sizes.items()}
    model = prepare(graph_of(nodes, {"x": shape}, constants))
    image = noise(*shape)
    (expected,) = run_onnx(model, image)
    data = lower(model, Metadata())
    (got,) = answers(data, image)
    np.testing.assert_array_equal(got if got.shape == expected.shape else got.transpose(0, 3, 1, 2), expected)
    stored = quantized(model)
    inputs = bytes_for(stored)
    (expected,) = run_onnx(stored, *inputs)
    (got,) = answers(lower(stored, Metadata()), *inputs)
    np.testing.assert_array_equal(got if got.shape == expected.shape else got.transpose(0, 3, 1, 2), expected)
    return operators_of(data)


@given(
    axes=st.permutations(range(4)),
    first=st.sampled_from([(1, 12, 10), (1, 4, 3, 10), (1, 2, 6, 10), (6, 20), (1, 6, 2, 2, 5), (12, 1, 2, 5), (120,)]),
    second=st.sampled_from([(1, 120), (2, 60), (30, 4), (1, 5, 24), (4, 5, 6)]),
)
@settings(max_examples=30, deadline=None)
def test_any_chain_of_reshapes_and_transposes(axes: list[int], first: tuple[int, ...], second: tuple[int, ...]) -> None:
    turned = list(reversed(range(len(first))))
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=axes),
        node("Reshape", ["b", "first"], ["c"]),
        node("Transpose", ["c"], ["d"], perm=turned),
        node("Reshape", ["d", "second"], ["out"]),
    ]
    lowered(nodes, (1, 6, 4, 5), {"first": first, "second": second})


def test_a_channel_shuffle_is_one_transpose() -> None:
    nodes = [
        node("Reshape", ["x", "groups"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["b", "image"], ["c"]),
        node("Relu", ["c"], ["out"]),
    ]
    found = lowered(nodes, (1, 6, 4, 5), {"groups": [1, 2, 3, 4, 5], "image": [1, 6, 4, 5]})
    assert found == ["RESHAPE", "TRANSPOSE", "RESHAPE", "RELU"]


def test_an_image_becomes_a_sequence_of_tokens_without_moving() -> None:
    nodes = [node("Reshape", ["x", "tokens"], ["a"]), node("Transpose", ["a"], ["out"], perm=[0, 2, 1])]
    assert lowered(nodes, (1, 6, 4, 5), {"tokens": [1, 6, 20]}) == ["RESHAPE"]


def test_a_flattened_image_that_is_a_result_is_in_onnxs_order() -> None:
    assert lowered([node("Flatten", ["x"], ["out"])], (1, 2, 3, 4), {}) == ["TRANSPOSE", "RESHAPE"]


def test_two_readers_of_the_same_order_share_a_transpose() -> None:
    nodes = [
        node("Flatten", ["x"], ["a"]),
        node("Flatten", ["x"], ["b"]),
        node("Add", ["a", "b"], ["out"]),
    ]
    assert lowered(nodes, (1, 2, 3, 4), {}).count("TRANSPOSE") == 1


def test_one_value_may_be_a_result_under_two_names() -> None:
    nodes = [node("Relu", ["x"], ["a"]), node("Transpose", ["a"], ["b"], perm=[0, 2, 3, 1])]
    model = prepare(graph_of(nodes, {"x": (1, 2, 3, 4)}, outputs=("a", "b")))
    image = noise(1, 2, 3, 4)
    channels_last, transposed = answers(lower(model, Metadata()), image)
    expected = run_onnx(model, image)
    np.testing.assert_array_equal(channels_last.transpose(0, 3, 1, 2), expected[0])
    np.testing.assert_array_equal(transposed, expected[1])


@pytest.mark.parametrize(
    ("source", "target", "groups"),
    [
        ((1, 6, 4, 5), (1, 2, 3, 4, 5), [((1,), (1, 2)), ((2,), (3,)), ((3,), (4,))]),
        ((1, 6, 4, 5), (1, 6, 20), [((1,), (1,)), ((2, 3), (2,))]),
        ((1, 6, 4, 5), (8, 15), [((1, 2, 3), (0, 1))]),
        ((2, 1, 3), (1, 2, 3, 1), [((0,), (1,)), ((2,), (2,))]),
        ((1, 1), (1,), []),
    ],
)
def test_a_reshape_splits_and_merges_the_smallest_groups_of_axes(source, target, groups) -> None:
    assert split_axes(source, target) == groups
    for ours, theirs in groups:
        assert math.prod(source[axis] for axis in ours) == math.prod(target[axis] for axis in theirs)
