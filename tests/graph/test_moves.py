"""Operators that move nothing go, and chains of movements become one; pools have one form."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import helper
from prepared_graphs import assert_same_answers, operators
from small_graphs import graph_of, noise

from edgekit.graph.prepare import prepare

node = helper.make_node


def whole(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


def prepared_from(nodes: list[onnx.NodeProto], shape: tuple[int, ...], **constants: np.ndarray) -> list[str]:
    """Prepare a graph over ``x``, compare its answers, and return its operators."""
    model = graph_of(nodes, {"x": shape}, constants)
    prepared = prepare(model)
    assert_same_answers(model, prepared, noise(*shape, seed=9))
    return operators(prepared)


@pytest.mark.parametrize(
    ("operator", "constants", "options"),
    [
        ("Reshape", {"c": whole(1, 2, 3, 4)}, {}),
        ("Expand", {"c": whole(1, 1, 3, 4)}, {}),
        ("Tile", {"c": whole(1, 1, 1, 1)}, {}),
        ("Transpose", {}, {"perm": [0, 1, 2, 3]}),
        ("Slice", {"c": whole(0), "d": whole(9), "e": whole(2)}, {}),
        ("Pad", {"c": whole(*[0] * 8)}, {}),
        ("Mul", {"c": np.float32(1)}, {}),
        ("Sub", {"c": np.zeros((3, 4), np.float32)}, {}),
    ],
)
def test_what_does_nothing_goes(operator: str, constants: dict[str, np.ndarray], options: dict) -> None:
    nodes = [
        node("Relu", ["x"], ["a"]),
        node(operator, ["a", *constants], ["b"], **options),
        node("Abs", ["b"], ["out"]),
    ]
    assert prepared_from(nodes, (1, 2, 3, 4), **constants) == ["Relu", "Abs"]


@pytest.mark.parametrize(
    ("operator", "constants", "options"),
    [
        ("Reshape", {"c": whole(1, 3, 2, 4)}, {}),
        ("Transpose", {}, {"perm": [0, 1, 3, 2]}),
        ("Slice", {"c": whole(-1), "d": whole(-9), "e": whole(2), "f": whole(-1)}, {}),
        ("Mul", {"c": np.ones((2, 1, 1, 1), np.float32)}, {}),
    ],
)
def test_what_does_something_stays(operator: str, constants: dict[str, np.ndarray], options: dict) -> None:
    nodes = [
        node("Relu", ["x"], ["a"]),
        node(operator, ["a", *constants], ["b"], **options),
        node("Abs", ["b"], ["out"]),
    ]
    assert prepared_from(nodes, (1, 2, 3, 3 if operator == "Transpose" else 4), **constants) == [
        "Relu",
        operator,
        "Abs",
    ]


def test_slices_of_height_and_width_are_one_pool() -> None:
    """As PyTorch exports ``x[:, :, ::2, ::2]``, the shortcut of CIFAR ResNets; that is a pool over single pixels."""
    constants = {"zero": whole(0), "end": whole(2**63 - 1), "two": whole(2), "h": whole(2), "w": whole(-1)}
    nodes = [
        node("Slice", ["x", "zero", "end", "h", "two"], ["a"]),
        node("Slice", ["a", "zero", "end", "w", "two"], ["out"]),
    ]
    assert prepared_from(nodes, (1, 2, 5, 6), **constants) == ["MaxPool"]


def test_a_slice_of_two_axes_that_is_not_of_the_whole_image_stays_a_slice() -> None:
    constants = {"one": whole(1), "end": whole(9), "two": whole(2), "h": whole(2), "w": whole(3)}
    nodes = [node("Slice", ["x", "one", "end", "h", "two"], ["a"]), node("Slice", ["a", "one", "end", "w"], ["out"])]
    assert prepared_from(nodes, (1, 2, 5, 6), **constants) == ["Slice"]


def test_slices_of_one_axis_stay_apart() -> None:
    constants = {"one": whole(1), "end": whole(9), "w": whole(3), "minus": whole(-1)}
    nodes = [node("Slice", ["x", "one", "end", "w"], ["a"]), node("Slice", ["a", "one", "end", "minus"], ["out"])]
    assert prepared_from(nodes, (1, 2, 5, 6), **constants) == ["Slice", "Slice"]


def test_transposes_and_reshapes_in_a_row_are_one() -> None:
    nodes = [node("Transpose", ["x"], ["a"], perm=[0, 2, 3, 1]), node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3]),
             node("Flatten", ["b"], ["c"]), node("Reshape", ["c", "s"], ["out"])]  # fmt: skip
    assert prepared_from(nodes, (1, 2, 3, 4), s=whole(4, 6)) == ["Transpose", "Reshape"]


def test_a_gather_of_all_places_in_order_is_a_reshape() -> None:
    """As torch exports a pool over the image after a 1×1 convolution whose weights lie channels last."""
    nodes = [node("Relu", ["x"], ["a"]), node("Reshape", ["a", "flat"], ["b"]), node("Gather", ["b", "places"], ["c"]),
             node("Reshape", ["c", "row"], ["d"]), node("Abs", ["d"], ["out"])]  # fmt: skip
    shapes = {"flat": whole(-1), "row": whole(1, 6)}
    in_order = np.arange(6).reshape(1, 6, 1, 1)
    for places in (in_order, in_order - 6):
        assert prepared_from(nodes, (1, 6, 1, 1), places=places, **shapes) == ["Relu", "Reshape", "Abs"]
    assert "Gather" in prepared_from(nodes, (1, 6, 1, 1), places=in_order[:, ::-1].copy(), **shapes)


def test_a_sum_of_several_is_a_chain_of_additions() -> None:
    nodes = [node("Relu", ["x"], ["a"]), node("Abs", ["x"], ["b"]), node("Sum", ["a", "b", "x"], ["out"])]
    assert prepared_from(nodes, (1, 4))[2:] == ["Add", "Add"]


@given(
    operator=st.sampled_from(["AveragePool", "MaxPool"]),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    size=st.tuples(st.integers(4, 8), st.integers(4, 8)),
    flags=st.tuples(st.booleans(), st.booleans()),
)
@example("AveragePool", (2, 1), (2, 1), (0, 0, 1, 0), (6, 5), (True, True))
@settings(max_examples=40, deadline=None)
def test_pools_with_any_padding(operator, kernel, strides, pads, size, flags) -> None:
    pads = [min(amount, kernel[axis % 2] // 2) for axis, amount in enumerate(pads)]
    options = {"kernel_shape": kernel, "strides": strides, "pads": pads, "ceil_mode": int(flags[0])}
    if operator == "AveragePool":
        options["count_include_pad"] = int(flags[1])
    prepared_from([node(operator, ["x"], ["out"], **options)], (1, 2, *size))


def test_a_global_maximum_is_a_pool_over_the_image() -> None:
    assert prepared_from([node("GlobalMaxPool", ["x"], ["out"])], (1, 2, 3, 4)) == ["MaxPool"]
