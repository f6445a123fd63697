"""Values at indices: the float and the int8 .tflite give the values that ONNX Runtime gives."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lowered import assert_float_agrees, assert_moved_exactly, operators_of
from onnx import helper
from small_graphs import graph_of, noise

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.errors import UnsupportedError
from edgekit.graph.prepare import prepare

node = helper.make_node
quick = settings(max_examples=25, deadline=None)


@given(
    shape=st.sampled_from([(1, 3, 4, 5), (1, 7), (1, 4, 6)]),
    axis=st.integers(1, 3),
    indices=st.sampled_from([[0, 2], [1, 2], [-1], [2, 0, 0], [-1, -2], 1, -1]),
)
@quick
def test_gathers_at_constant_indices(shape: tuple[int, ...], axis: int, indices: list[int] | int) -> None:
    axis = min(axis, len(shape) - 1)
    gather = node("Gather", ["x", "i"], ["out"], axis=axis)
    assert_moved_exactly(graph_of([gather], {"x": shape}, {"i": np.asarray(indices, np.int64)}))


def test_values_that_follow_each_other_are_gathered_by_a_slice() -> None:
    gather = node("Gather", ["x", "i"], ["out"], axis=1)
    data = assert_moved_exactly(graph_of([gather], {"x": (1, 4, 5, 5)}, {"i": np.asarray([1, 2], np.int64)}))
    assert operators_of(data) == ["SLICE"]


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (1, 6), (1, 4, 6)])
@pytest.mark.parametrize("axis", [1, -1])
def test_gathers_at_indices_of_several_axes(shape: tuple[int, ...], axis: int) -> None:
    indices = np.asarray([[0, 2, 1], [-1, -2, 0]], np.int64)
    gather = node("Gather", ["x", "i"], ["out"], axis=axis)
    assert_float_agrees(graph_of([gather], {"x": shape}, {"i": indices}), noise(*shape))
    flat = [gather, node("Reshape", ["out", "s"], ["row"])]
    assert_moved_exactly(graph_of(flat, {"x": shape}, {"i": indices, "s": np.asarray([1, -1])}, ["row"]))


def computed(where: str, count: int, to: int = onnx.TensorProto.INT64) -> list[onnx.NodeProto]:
    """Whole numbers in [-count, count) that follow from an input of real values between -1 and 1."""
    return [
        node("Mul", [where, "count"], ["many"]),
        node("Floor", ["many"], ["whole"]),
        node("Cast", ["whole"], ["i"], to=to),
    ]


@pytest.mark.parametrize("kind", [onnx.TensorProto.INT64, onnx.TensorProto.INT32])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3), (2, 3, 4)])
def test_gathers_at_computed_indices_also_from_the_end(shape: tuple[int, ...], kind: int) -> None:
    nodes = [*computed("y", 3, kind), node("Gather", ["x", "i"], ["out"], axis=1)]
    places = np.float32([[0.9, -0.9], [-0.1, 0.4]])
    model = graph_of(nodes, {"x": shape, "y": places.shape}, {"count": np.float32(3)})
    data = assert_float_agrees(model, noise(*shape), places)
    assert operators_of(data).count("FLOOR_MOD") == 1


def test_an_embedding_takes_rows_of_a_constant_table() -> None:
    nodes = [*computed("x", 9), node("Gather", ["table", "i"], ["out"], axis=0)]
    model = graph_of(nodes, {"x": (1, 4)}, {"count": np.float32(9), "table": noise(9, 6)})
    assert_float_agrees(model, np.float32([[0.1, -0.5, 0.99, -0.99]]))
    nodes = [node("ArgMax", ["x"], ["i"], axis=1, keepdims=0), node("Gather", ["table", "i"], ["out"])]
    assert_moved_exactly(graph_of(nodes, {"x": (3, 9)}, {"table": noise(9, 6)}))


def test_what_was_found_counts_from_the_front_already() -> None:
    nodes = [node("ArgMax", ["y"], ["i"], axis=1, keepdims=0), node("Gather", ["x", "i"], ["out"], axis=1)]
    data = assert_moved_exactly(graph_of(nodes, {"x": (1, 5, 2), "y": (1, 5)}))
    assert "FLOOR_MOD" not in operators_of(data)


@pytest.mark.parametrize("batch", [0, 1])
def test_gathers_at_constant_and_computed_places(batch: int) -> None:
    constant = np.asarray([[[0, 1], [-1, -2]], [[1, 0], [1, 1]]], np.int64)
    gather = node("GatherND", ["x", "i"], ["out"], batch_dims=batch)
    assert_float_agrees(graph_of([gather], {"x": (2, 3, 4, 5)}, {"i": constant}), noise(2, 3, 4, 5))
    nodes = [*computed("y", 2), gather]
    places = noise(2, 3, 2).clip(-0.9, 0.9)
    model = graph_of(nodes, {"x": (2, 3, 4), "y": (2, 3, 2)}, {"count": np.float32(2)})
    assert_float_agrees(model, noise(2, 3, 4), places)


@pytest.mark.parametrize("axis", [1, -1])
def test_gathers_elements_along_an_axis(axis: int) -> None:
    gather = node("GatherElements", ["x", "i"], ["out"], axis=axis)
    indices = np.asarray([[[0, 1, -1], [2, 2, 0]]], np.int64)
    assert_moved_exactly(graph_of([gather], {"x": (1, 4, 3)}, {"i": indices}))
    nodes = [node("TopK", ["x", "k"], ["v", "i"], axis=axis), gather]
    assert_float_agrees(graph_of(nodes, {"x": (1, 4, 3)}, {"k": np.asarray([2])}), noise(1, 4, 3))


@pytest.mark.parametrize("largest", [1, 0])
@pytest.mark.parametrize(("shape", "axis"), [((1, 3, 4, 5), 1), ((1, 7), -1), ((2, 4, 6), 1)])
def test_finds_the_largest_and_the_smallest_values(shape: tuple[int, ...], axis: int, largest: int) -> None:
    top = node("TopK", ["x", "k"], ["out", "i"], axis=axis, largest=largest)
    places = node("Cast", ["i"], ["places"], to=onnx.TensorProto.FLOAT)
    constants = {"k": np.asarray([2], np.int64)}
    assert_float_agrees(graph_of([top, places], {"x": shape}, constants, ["out", "places"]), noise(*shape))
    assert_moved_exactly(graph_of([top], {"x": shape}, constants))


@pytest.mark.parametrize(
    "indices",
    [
        np.stack(np.meshgrid([0], [0, 1, 2], [1, 2], indexing="ij"), -1),
        np.stack(np.meshgrid([0], [0, 2], [1, 2, 0], indexing="ij"), -1),
        np.asarray([[[0, 2], [0, -3]]]),
        np.asarray([[0]]),
    ],
    ids=["a part of one axis", "places of values", "rows, from the end too", "everything"],
)
def test_scatters_at_constant_indices(indices: np.ndarray) -> None:
    shape = (1, 3, 4)
    updates = (*indices.shape[:-1], *shape[indices.shape[-1] :])
    scatter = node("ScatterND", ["x", "i", "y"], ["out"])
    model = graph_of([scatter], {"x": shape, "y": updates}, {"i": indices.astype(np.int64)})
    data = assert_moved_exactly(model)
    if indices.shape == (1, 3, 2, 3):
        assert operators_of(data) == ["SLICE", "SLICE", "CONCATENATION"]


@pytest.mark.parametrize("axis", [1, -1])
def test_scatters_elements_along_an_axis(axis: int) -> None:
    indices = np.asarray([[[0, 2, -1, 1]]], np.int64) if axis == 1 else np.asarray([[[3], [0], [-2]]], np.int64)
    scatter = node("ScatterElements", ["x", "i", "y"], ["out"], axis=axis)
    assert_moved_exactly(graph_of([scatter], {"x": (1, 3, 4), "y": indices.shape}, {"i": indices}))


def test_scatters_into_a_constant() -> None:
    scatter = node("ScatterND", ["c", "i", "x"], ["out"])
    assert_float_agrees(graph_of([scatter], {"x": (1, 4)}, {"c": noise(3, 4), "i": np.asarray([[1]])}), noise(1, 4))


def test_scattering_sums_or_at_computed_places_is_refused_by_name() -> None:
    nodes = [node("ScatterND", ["x", "i", "y"], ["out"], "scatter", reduction="add")]
    model = graph_of(nodes, {"x": (3, 4), "y": (1, 4)}, {"i": np.asarray([[1]])}, opset=16)
    with pytest.raises(UnsupportedError, match="ScatterND 'scatter' has no TFLite form"):
        lower(prepare(model), Metadata())
