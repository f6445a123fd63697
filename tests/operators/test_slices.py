"""Operators that take parts of a tensor: the float and the int8 .tflite give the values that ONNX Runtime gives."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lowered import assert_moved_exactly, operators_of
from onnx import helper
from small_graphs import bytes_for, graph_of, quantized, run_micro, run_onnx

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.errors import UnsupportedError
from edgekit.graph.prepare import prepare

node = helper.make_node
quick = settings(max_examples=25, deadline=None)


def slice_of(shape: tuple[int, ...], starts, ends, axes=None, steps=None) -> onnx.ModelProto:
    given_parts = {"s": starts, "e": ends, "a": axes, "t": steps}
    constants = {name: np.asarray(part, np.int64) for name, part in given_parts.items() if part is not None}
    names = [name if name in constants else "" for name in given_parts]
    return graph_of([node("Slice", ["x", *names], ["out"])], {"x": shape}, constants)


@st.composite
def slices(draw: st.DrawFn) -> onnx.ModelProto:
    shape = draw(st.sampled_from([(1, 4, 5, 6), (1, 7), (1, 4, 6), (1, 2, 3, 1)]))
    axes = sorted(draw(st.sets(st.integers(1, len(shape) - 1), min_size=1)))
    starts, ends, steps = [], [], []
    for axis in axes:
        first, last = sorted(draw(st.tuples(*[st.integers(0, shape[axis] - 1)] * 2)))
        step = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        edge = draw(st.booleans())
        if step > 0:
            starts.append(first - shape[axis] if draw(st.booleans()) else first)
            ends.append(2**63 - 1 if edge else last + 1)
        else:
            starts.append(last)
            ends.append(-(2**63) if edge or first == 0 else first - 1)
        steps.append(step)
    signed = [axis - len(shape) if draw(st.booleans()) else axis for axis in axes]
    return slice_of(shape, starts, ends, signed, steps)


@given(slices())
@quick
def test_slices_with_any_start_end_and_step(model: onnx.ModelProto) -> None:
    assert_moved_exactly(model)


def test_a_slice_of_an_image_without_steps_is_one_that_xnnpack_takes() -> None:
    model = slice_of((1, 4, 5, 6), [1, 2], [3, 5], [1, 3])
    assert operators_of(assert_moved_exactly(model)) == ["SLICE"]


def test_the_shortcut_of_a_cifar_resnet_takes_every_second_pixel_and_pads_channels() -> None:
    constants = {
        "s": np.asarray([0, 0]), "e": np.asarray([2**63 - 1] * 2), "a": np.asarray([2, 3]), "t": np.asarray([2, 2]),
        "p": np.asarray([0, 2, 0, 0, 0, 2, 0, 0]),
    }  # fmt: skip
    nodes = [node("Slice", ["x", "s", "e", "a", "t"], ["half"]), node("Pad", ["half", "p"], ["out"])]
    assert_moved_exactly(graph_of(nodes, {"x": (1, 4, 8, 8)}, constants))


def test_tflite_micro_slices_alike() -> None:
    for steps in (None, [2, 2]):
        model = quantized(prepare(slice_of((1, 4, 5, 6), [1, 2], [3, 5], [1, 3], steps)))
        stored = bytes_for(model)
        np.testing.assert_array_equal(run_micro(lower(model, Metadata()), *stored), run_onnx(model, *stored)[0])


def test_a_slice_at_a_computed_place_is_refused() -> None:
    nodes = [node("ArgMax", ["x"], ["s"], axis=1, keepdims=0), node("Slice", ["x", "s", "e", "a"], ["out"])]
    constants = {"e": np.asarray([4]), "a": np.asarray([1])}
    with pytest.raises(UnsupportedError, match="follows from the data"):
        lower(prepare(graph_of(nodes, {"x": (1, 4)}, constants)), Metadata())


@given(
    shape=st.sampled_from([(1, 6, 4, 6), (1, 6), (1, 4, 6)]),
    axis=st.integers(1, 3),
    parts=st.sampled_from([[2, 2, 2], [1, 3], [4], [3, 3]]),
)
@quick
def test_splits_into_equal_and_other_parts(shape: tuple[int, ...], axis: int, parts: list[int]) -> None:
    axis = min(axis, len(shape) - 1)
    sizes = (*shape[:axis], sum(parts), *shape[axis + 1 :])
    names = [f"out{position}" for position in range(len(parts))]
    split = node("Split", ["x", "parts"], names, axis=axis - len(shape))
    assert_moved_exactly(graph_of([split], {"x": sizes}, {"parts": np.asarray(parts, np.int64)}, names))
