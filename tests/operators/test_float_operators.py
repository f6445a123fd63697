"""Every operator, with random shapes and parameters: the float .tflite answers as ONNX Runtime does."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper
from small_graphs import graph_of, interpreter, noise, run_onnx, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import check_lowerable, lower
from edgekit.errors import UnsupportedError
from edgekit.graph.prepare import prepare

node = helper.make_node
quick = settings(max_examples=12, deadline=None)
small = st.integers(1, 3)


def tflite_of(model: onnx.ModelProto) -> bytes:
    return lower(prepare(model), Metadata())


def operators_of(data: bytes) -> list[str]:
    details = interpreter(data)._get_ops_details()
    return [item["op_name"] for item in details if item["op_name"] != "DELEGATE"]


def assert_lowered_exactly(model: onnx.ModelProto, *inputs: np.ndarray) -> bytes:
    data = tflite_of(model)
    for expected, got in zip(run_onnx(model, *inputs), run_tflite(data, *inputs), strict=True):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    return data


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[onnx.ModelProto, tuple[int, ...]]:
    groups, per_group = draw(st.sampled_from([(1, 3), (1, 1), (2, 2), (4, 1)]))
    channels, outputs = groups * per_group, groups * draw(small)
    kernel = draw(st.tuples(small, small))
    options = {
        "strides": draw(st.tuples(small, small)),
        "dilations": draw(st.sampled_from([(1, 1), (2, 2), (1, 2)])),
        "pads": draw(st.tuples(*[st.integers(0, 2)] * 4)),
        "group": groups,
    }
    # The kernels of LiteRT have no strided dilated convolution.
    assume(max(options["strides"]) == 1 or max(options["dilations"]) == 1)
    shape = (1, channels, draw(st.integers(7, 11)), draw(st.integers(7, 11)))
    bias = {"b": noise(outputs)} if draw(st.booleans()) else {}
    constants = {"w": noise(outputs, per_group, *kernel), **bias}
    nodes = [
        node("Conv", ["x", "w", *bias], ["a"], **options),
        node(draw(st.sampled_from(["Relu", "Identity"])), ["a"], ["out"]),
    ]
    return graph_of(nodes, {"x": shape}, constants), shape


@given(convolutions())
@settings(max_examples=60, deadline=None)
def test_convolutions(case: tuple[onnx.ModelProto, tuple[int, ...]]) -> None:
    model, shape = case
    assert_lowered_exactly(model, noise(*shape, seed=9))


@given(
    operator=st.sampled_from(["MaxPool", "AveragePool"]),
    kernel=st.tuples(st.integers(2, 3), st.integers(2, 3)),
    strides=st.tuples(small, small),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
    size=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    ceil=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_pooling(operator, kernel, strides, pads, size, ceil) -> None:
    options = {"kernel_shape": kernel, "strides": strides, "pads": pads, "ceil_mode": int(ceil)}
    model = graph_of([node(operator, ["x"], ["out"], **options)], {"x": (1, 2, *size)})
    try:
        assert_lowered_exactly(model, noise(1, 2, *size) - 3)
    except UnsupportedError:
        assert operator == "AveragePool"
        assert any(pads) or ceil


@pytest.mark.parametrize("stride", [1, 2])
def test_a_mean_that_counts_padding(stride: int) -> None:
    """With stride 2 no window reaches the padding at the end."""
    options = {"kernel_shape": [3, 3], "strides": [stride, stride], "pads": [1, 1, 1, 1]}
    pool = node("AveragePool", ["x"], ["out"], count_include_pad=1, **options)
    assert_lowered_exactly(graph_of([pool], {"x": (1, 2, 6, 6)}), noise(1, 2, 6, 6))


@given(outputs=st.integers(1, 6), inputs=st.integers(1, 6), biased=st.booleans(), transposed=st.booleans())
@quick
def test_fully_connected_layers(outputs: int, inputs: int, biased: bool, transposed: bool) -> None:
    weights = noise(outputs, inputs) if transposed else noise(inputs, outputs)
    bias = {"b": noise(outputs)} if biased else {}
    gemm = node("Gemm", ["x", "w", *bias], ["out"], transB=int(transposed), alpha=0.5, beta=2.0)
    assert_lowered_exactly(graph_of([gemm], {"x": (1, inputs)}, {"w": weights, **bias}), noise(1, inputs, seed=9))


@given(channels=small, height=small, width=small, way=st.sampled_from(["Flatten", "Reshape"]))
@quick
def test_a_flattened_image_is_read_without_moving_it(channels: int, height: int, width: int, way: str) -> None:
    size = channels * height * width
    sizes = {"s": np.asarray([1, -1], np.int64)} if way == "Reshape" else {}
    nodes = [node("Relu", ["x"], ["a"]), node(way, ["a", *sizes], ["f"]), node("Relu", ["f"], ["g"]),
             node("MatMul", ["g", "w"], ["m"]), node("Add", ["m", "b"], ["out"])]  # fmt: skip
    shape = (1, channels, height, width)
    model = graph_of(nodes, {"x": shape}, {"w": noise(size, 4), "b": noise(4), **sizes})
    data = assert_lowered_exactly(model, noise(*shape, seed=9))
    assert "TRANSPOSE" not in operators_of(data)


def test_a_fully_connected_layer_takes_the_image_itself() -> None:
    nodes = [node("Flatten", ["x"], ["f"]), node("MatMul", ["f", "w"], ["out"])]
    data = assert_lowered_exactly(graph_of(nodes, {"x": (1, 2, 3, 3)}, {"w": noise(18, 4)}), noise(1, 2, 3, 3))
    assert operators_of(data) == ["FULLY_CONNECTED"]


@pytest.mark.parametrize("operator", ["Add", "Mul"])
@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (1, 3, 1, 1), (3, 1, 1), (4, 5), (5,), (1,), ()])
def test_arithmetic_with_a_broadcast_constant(operator: str, shape: tuple[int, ...]) -> None:
    nodes = [node(operator, ["x", "c"], ["a"]), node("Relu", ["a"], ["out"])]
    model = graph_of(nodes, {"x": (1, 3, 4, 5)}, {"c": noise(*shape)})
    assert_lowered_exactly(model, noise(1, 3, 4, 5, seed=9))


@pytest.mark.parametrize("operator", ["Add", "Mul"])
@pytest.mark.parametrize("other", [(1, 3, 4, 5), (1, 3, 1, 1), (1, 1, 4, 5)])
def test_arithmetic_between_two_images(operator: str, other: tuple[int, ...]) -> None:
    for names in (["x", "y"], ["y", "x"]):
        model = graph_of([node(operator, names, ["out"])], {"x": (1, 3, 4, 5), "y": other})
        assert_lowered_exactly(model, noise(1, 3, 4, 5), noise(*other, seed=1))


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "ReduceMean"])
def test_means_over_the_whole_image(operator: str) -> None:
    options = {"axes": [2, 3], "keepdims": 0} if operator == "ReduceMean" else {}
    model = graph_of([node(operator, ["x"], ["out"], **options)], {"x": (1, 3, 4, 5)})
    assert_lowered_exactly(model, noise(1, 3, 4, 5))


@pytest.mark.parametrize(("low", "high"), [(0, 6), (-1, 1)])
def test_activations_that_have_nothing_to_be_fused_into(low: float, high: float) -> None:
    constants = {"low": np.float32(low), "high": np.float32(high)}
    model = graph_of([node("Clip", ["x", "low", "high"], ["out"])], {"x": (1, 3, 4, 5)}, constants)
    assert_lowered_exactly(model, 8 * noise(1, 3, 4, 5))


@pytest.mark.parametrize("axis", [1, -1])
def test_softmax_over_a_row(axis: int) -> None:
    assert_lowered_exactly(graph_of([node("Softmax", ["x"], ["out"], axis=axis)], {"x": (1, 7)}), noise(1, 7))


def test_softmax_over_channels() -> None:
    model = graph_of([node("Softmax", ["x"], ["out"], axis=1)], {"x": (1, 5, 3, 4)})
    assert_lowered_exactly(model, noise(1, 5, 3, 4))


@pytest.mark.parametrize("axis", [1, 2, 3, -3])
def test_concatenation_of_images(axis: int) -> None:
    model = graph_of([node("Concat", ["x", "y"], ["out"], axis=axis)], {"x": (1, 2, 3, 3), "y": (1, 2, 3, 3)})
    assert_lowered_exactly(model, noise(1, 2, 3, 3), noise(1, 2, 3, 3, seed=1))


def test_padding_on_every_axis_of_an_image() -> None:
    pads = np.asarray([0, 1, 2, 0, 0, 0, 1, 3], np.int64)
    model = graph_of([node("Pad", ["x", "pads"], ["out"])], {"x": (1, 2, 3, 3)}, {"pads": pads})
    assert_lowered_exactly(model, noise(1, 2, 3, 3))


def test_a_detection_head_is_read_in_place() -> None:
    """Transpose to channels last, reshape to boxes, concatenate: no value moves."""
    sizes = {"s": np.asarray([1, -1, 2], np.int64)}
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Transpose", ["a"], ["t"], perm=[0, 2, 3, 1]),
             node("Reshape", ["t", "s"], ["r"]), node("Concat", ["r", "r"], ["c"], axis=1),
             node("Softmax", ["c"], ["out"], axis=2)]  # fmt: skip
    model = graph_of(nodes, {"x": (1, 3, 5, 5)}, {"w": noise(4, 3, 1, 1), **sizes})
    assert "TRANSPOSE" not in operators_of(assert_lowered_exactly(model, noise(1, 3, 5, 5, seed=9)))


def test_an_input_that_the_model_transposes_to_channels_first_stays_as_it_is() -> None:
    """As TensorFlow's models come as ONNX."""
    nodes = [node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]), node("Conv", ["t", "w"], ["out"])]
    model = graph_of(nodes, {"x": (1, 5, 6, 2)}, {"w": noise(3, 2, 3, 3)})
    opened = interpreter(tflite_of(model))
    image = noise(1, 5, 6, 2, seed=9)
    opened.set_tensor(opened.get_input_details()[0]["index"], image)
    opened.invoke()
    got = opened.get_tensor(opened.get_output_details()[0]["index"])
    np.testing.assert_allclose(got.transpose(0, 3, 1, 2), run_onnx(model, image)[0], rtol=1e-4, atol=1e-4)


def test_a_row_becomes_an_image_of_one_channel() -> None:
    sizes = {"s": np.asarray([1, 1, 4, 4], np.int64)}
    nodes = [node("Reshape", ["x", "s"], ["a"]), node("Conv", ["a", "w"], ["out"])]
    assert_lowered_exactly(graph_of(nodes, {"x": (1, 16)}, {"w": noise(2, 1, 3, 3), **sizes}), noise(1, 16))


@pytest.mark.parametrize("way", ["Squeeze", "Flatten", "Reshape"])
def test_axes_of_size_one_come_and_go(way: str) -> None:
    constant = {"Squeeze": [2, 3], "Reshape": [1, 5], "Flatten": None}[way]
    extra = {} if constant is None else {"s": np.asarray(constant, np.int64)}
    nodes = [node("GlobalAveragePool", ["x"], ["a"]), node(way, ["a", *extra], ["out"])]
    assert_lowered_exactly(graph_of(nodes, {"x": (1, 5, 3, 3)}, extra), noise(1, 5, 3, 3))


def test_an_operator_that_is_not_known_is_named_with_its_node_before_any_work() -> None:
    model = prepare(graph_of([node("Erf", ["x"], ["out"], name="gelu")], {"x": (1, 4)}))
    with pytest.raises(UnsupportedError, match="Erf 'gelu' has no TFLite form"):
        check_lowerable(model)


@pytest.mark.parametrize(
    ("nodes", "shape", "reason"),
    [
        ([node("MaxPool", ["x"], ["out"], kernel_shape=[2, 2], dilations=[2, 2])], (1, 2, 6, 6), "dilated"),
    ],
)
def test_forms_that_tflite_lacks_are_refused_with_the_reason(nodes, shape: tuple[int, ...], reason: str) -> None:
    constants = {
        "low": np.float32(-3),
        "high": np.float32(2),
        "w2": noise(4, 2),
        "w3": noise(4, 9),
        "pads": np.asarray([0, 1, 0, 1]),
    }
    with pytest.raises(UnsupportedError, match=reason):
        tflite_of(graph_of(nodes, {"x": shape}, constants))
