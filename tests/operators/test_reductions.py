"""Means, sums and extrema over any axes, in float and in integers; the place of the largest value."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lowered import ALL_KERNELS, assert_float_agrees, assert_integers_agree, node
from onnx import TensorProto, helper
from small_graphs import OPTIMIZED, XNNPACK, graph_of, noise, run_onnx

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.errors import UnsupportedError
from edgekit.graph.prepare import prepare

quick = settings(max_examples=12, deadline=None)
shapes = st.sampled_from([(1, 3, 4, 5), (1, 7), (1, 4, 6)])
axis_sets = st.sets(st.integers(1, 3), min_size=1)


def reduction(operator: str, shape: tuple[int, ...], axes: set[int], keeps: bool) -> onnx.ModelProto:
    wanted = sorted({min(axis, len(shape) - 1) - len(shape) for axis in axes})
    sizes = {"axes": np.asarray(wanted, np.int64)}
    return graph_of([node(operator, ["x", "axes"], ["out"], keepdims=int(keeps))], {"x": shape}, sizes, opset=18)


@given(st.sampled_from(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"]), shapes, axis_sets, st.booleans())
@settings(max_examples=30, deadline=None)
def test_reductions_over_any_axes(operator: str, shape: tuple[int, ...], axes: set[int], keeps: bool) -> None:
    model = reduction(operator, shape, axes, keeps)
    assert_float_agrees(model, noise(*shape))
    # LiteRT's own reference kernel of SUM adds up the wrong integers; no runtime uses it.
    assert_integers_agree(model, kernels=(XNNPACK, OPTIMIZED) if operator == "ReduceSum" else ALL_KERNELS)


@given(st.sampled_from(["ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceProd"]), shapes, axis_sets, st.booleans())
@quick
def test_reductions_in_float(operator: str, shape: tuple[int, ...], axes: set[int], keeps: bool) -> None:
    assert_float_agrees(reduction(operator, shape, axes, keeps), noise(*shape))


def test_a_reduction_without_axes_goes_over_all() -> None:
    assert_float_agrees(graph_of([node("ReduceMax", ["x"], ["out"])], {"x": (1, 3, 4, 5)}), noise(1, 3, 4, 5))


def where_largest(operator: str, shape: tuple[int, ...], axis: int, **options) -> onnx.ModelProto:
    model = graph_of([node(operator, ["x"], ["out"], axis=axis, **options)], {"x": shape})
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    return model


@given(st.sampled_from(["ArgMax", "ArgMin"]), shapes, st.integers(1, 3), st.booleans())
@quick
def test_the_place_of_the_largest_value(operator: str, shape: tuple[int, ...], axis: int, keeps: bool) -> None:
    axis = min(axis, len(shape) - 1)
    assert_float_agrees(where_largest(operator, shape, axis - len(shape), keepdims=int(keeps)), noise(*shape))


def test_the_last_of_several_largest_values_is_refused() -> None:
    model = where_largest("ArgMax", (1, 5), 1, select_last_index=1)
    with pytest.raises(UnsupportedError, match="last of several"):
        lower(prepare(model), Metadata())


def test_the_answer_of_a_classifier_may_be_its_place() -> None:
    nodes = [node("Gemm", ["x", "w"], ["scores"], transB=1), node("ArgMax", ["scores"], ["out"], axis=1, keepdims=0)]
    model = graph_of(nodes, {"x": (1, 4)}, {"w": noise(6, 4)})
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("out", TensorProto.INT64, None))
    assert_float_agrees(model, noise(1, 4))
    assert run_onnx(model, noise(1, 4))[0].dtype == np.int64
