from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from small_graphs import graph_of, noise, run_onnx, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.errors import ModelError, UnsupportedError
from edgekit.graph.prepare import prepare

node = helper.make_node


def operators(model: onnx.ModelProto) -> list[str]:
    return [item.op_type for item in model.graph.node]


def assert_same_answers(model: onnx.ModelProto, prepared: onnx.ModelProto, *inputs: np.ndarray) -> None:
    for expected, got in zip(run_onnx(model, *inputs), run_onnx(prepared, *inputs), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def batch_norm(source: str, target: str, channels: int) -> tuple[onnx.NodeProto, dict[str, np.ndarray]]:
    values = {
        "gamma": noise(channels, seed=1),
        "beta": noise(channels, seed=2),
        "mean": noise(channels, seed=3),
        "variance": noise(channels, seed=4) ** 2 + 0.1,
    }
    return node("BatchNormalization", [source, *values], [target], epsilon=1e-3), values


@given(with_bias=st.booleans(), group=st.sampled_from([1, 2, 4]), relu=st.booleans())
@settings(max_examples=8, deadline=None)
def test_batch_norm_goes_into_the_convolution_before_it(with_bias: bool, group: int, relu: bool) -> None:
    norm, values = batch_norm("a", "b", 8)
    constants = {"w": noise(8, 4 // group, 3, 3), "bias": noise(8), **values}
    conv = node("Conv", ["x", "w", *(["bias"] if with_bias else [])], ["a"], group=group)
    model = graph_of([conv, norm, node("Relu" if relu else "Identity", ["b"], ["out"])], {"x": (1, 4, 7, 7)}, constants)
    prepared = prepare(model)
    assert operators(prepared) == (["Conv", "Relu"] if relu else ["Conv"])
    assert_same_answers(model, prepared, noise(1, 4, 7, 7, seed=9))


def test_batch_norm_goes_into_a_fully_connected_layer() -> None:
    norm, values = batch_norm("a", "out", 5)
    gemm = node("Gemm", ["x", "w", "c"], ["a"], alpha=0.5, beta=2.0)
    model = graph_of([gemm, norm], {"x": (1, 6)}, {"w": noise(6, 5), "c": noise(1, 5), **values})
    prepared = prepare(model)
    assert operators(prepared) == ["Gemm"]
    assert_same_answers(model, prepared, noise(1, 6, seed=9))


def test_layers_that_are_computed_twice_have_their_weights_once() -> None:
    (left, values), (right, _) = batch_norm("a", "c", 8), batch_norm("b", "d", 8)
    convs = [node("Conv", [source, "w"], [target]) for source, target in (("x", "a"), ("y", "b"))]
    nodes = [*convs, left, right, node("Sub", ["c", "d"], ["out"])]
    model = graph_of(nodes, {"x": (1, 4, 7, 7), "y": (1, 4, 7, 7)}, {"w": noise(8, 4, 3, 3), **values})
    prepared = prepare(model)
    assert operators(prepared).count("Conv") == 2
    assert len({item.input[1] for item in prepared.graph.node if item.op_type == "Conv"}) == 1
    assert len([item for item in prepared.graph.initializer if len(item.dims) == 4]) == 1
    assert_same_answers(model, prepared, noise(1, 4, 7, 7, seed=8), noise(1, 4, 7, 7, seed=9))


def test_batch_norm_that_nothing_can_absorb_becomes_mul_and_add() -> None:
    norm, values = batch_norm("x", "out", 3)
    model = graph_of([norm], {"x": (1, 3, 4, 4)}, values)
    prepared = prepare(model)
    assert operators(prepared) == ["Mul", "Add"]
    assert_same_answers(model, prepared, noise(1, 3, 4, 4, seed=9))


def test_a_value_that_others_need_too_is_not_absorbed() -> None:
    norm, values = batch_norm("a", "b", 4)
    nodes = [node("Conv", ["x", "w"], ["a"]), norm, node("Add", ["a", "b"], ["out"])]
    model = graph_of(nodes, {"x": (1, 2, 5, 5)}, {"w": noise(4, 2, 1, 1), **values})
    prepared = prepare(model)
    assert operators(prepared) == ["Conv", "Mul", "Add", "Add"]
    assert_same_answers(model, prepared, noise(1, 2, 5, 5, seed=9))


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1), (1,)])
def test_arithmetic_per_channel_goes_into_the_convolution(operator: str, shape: tuple[int, ...]) -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node(operator, ["a", "c"], ["out"])]
    model = graph_of(nodes, {"x": (1, 2, 5, 5)}, {"w": noise(4, 2, 3, 3), "c": noise(*shape, seed=3)})
    prepared = prepare(model)
    assert operators(prepared) == ["Conv"]
    assert_same_answers(model, prepared, noise(1, 2, 5, 5, seed=9))


def test_arithmetic_per_pixel_stays() -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Add", ["a", "c"], ["out"])]
    model = graph_of(nodes, {"x": (1, 2, 3, 3)}, {"w": noise(3, 2, 1, 1), "c": noise(3, 3)})
    prepared = prepare(model)
    assert operators(prepared) == ["Conv", "Add"]
    assert_same_answers(model, prepared, noise(1, 2, 3, 3, seed=9))


def test_a_constant_minus_a_convolution_is_not_mistaken_for_the_reverse() -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Sub", ["c", "a"], ["out"])]
    model = graph_of(nodes, {"x": (1, 2, 3, 3)}, {"w": noise(3, 2, 1, 1), "c": noise(3, 1, 1)})
    assert_same_answers(model, prepare(model), noise(1, 2, 3, 3, seed=9))


def test_padding_before_a_convolution_becomes_its_own() -> None:
    pads = np.asarray([0, 0, 1, 0, 0, 0, 2, 1], np.int64)
    nodes = [node("Pad", ["x", "pads"], ["a"]), node("Conv", ["a", "w"], ["out"], pads=[1, 1, 1, 1], strides=[2, 2])]
    model = graph_of(nodes, {"x": (1, 2, 9, 9)}, {"w": noise(3, 2, 3, 3), "pads": pads})
    prepared = prepare(model)
    assert operators(prepared) == ["Conv"]
    assert list(next(item.ints for item in prepared.graph.node[0].attribute if item.name == "pads")) == [2, 1, 3, 2]
    assert_same_answers(model, prepared, noise(1, 2, 9, 9, seed=9))


@pytest.mark.parametrize("value", [-np.inf, np.finfo(np.float32).min])
@pytest.mark.parametrize("shape", [(1, 2, 9, 8), (1, 2, 9)])
def test_padding_by_minus_infinity_before_a_maximum_becomes_its_own(value: float, shape: tuple[int, ...]) -> None:
    """As EfficientDet's pools with the padding of TensorFlow are exported by PyTorch."""
    rank = len(shape) - 2
    pads = np.asarray([0] * (2 + rank) + [0, 0] + [1] * rank, np.int64)
    window = {"kernel_shape": [3] * rank, "strides": [2] * rank}
    nodes = [
        node("Pad", ["x", "pads", "v"], ["a"]),
        node("MaxPool", ["a"], ["out"], **window),
        node("MaxPool", ["a"], ["other"], **window, pads=[1] * rank + [0] * rank),
    ]
    model = graph_of(nodes, {"x": shape}, {"pads": pads, "v": np.float32(value)}, ["out", "other"])
    prepared = prepare(model)
    assert "Pad" not in operators(prepared)
    assert_same_answers(model, prepared, noise(*shape, seed=9) - 5)


def test_padding_by_zeros_before_a_maximum_stays() -> None:
    pads = np.asarray([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    nodes = [node("Pad", ["x", "pads"], ["a"]), node("MaxPool", ["a"], ["out"], kernel_shape=[3, 3])]
    model = graph_of(nodes, {"x": (1, 2, 4, 4)}, {"pads": pads})
    assert_same_answers(model, prepare(model), noise(1, 2, 4, 4, seed=9) - 5)


@given(mode=st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]), size=st.integers(5, 12), stride=st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_automatic_padding_is_spelled_out(mode: str, size: int, stride: int) -> None:
    conv = node("Conv", ["x", "w"], ["out"], auto_pad=mode, strides=[stride, stride])
    model = graph_of([conv], {"x": (1, 2, size, size)}, {"w": noise(3, 2, 3, 2)})
    prepared = prepare(model)
    assert "auto_pad" not in {item.name for item in prepared.graph.node[0].attribute}
    assert_same_answers(model, prepared, noise(1, 2, size, size, seed=9))


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("opset", [13, 18])
def test_a_mean_over_height_and_width_is_global_average_pooling(keepdims: int, opset: int) -> None:
    if opset < 18:
        mean, constants = node("ReduceMean", ["x"], ["out"], axes=[-1, -2], keepdims=keepdims), {}
    else:
        constants = {"axes": np.asarray([2, 3], np.int64)}
        mean = node("ReduceMean", ["x", "axes"], ["out"], keepdims=keepdims)
    model = graph_of([mean], {"x": (1, 3, 4, 5)}, constants, opset=opset)
    prepared = prepare(model)
    assert operators(prepared)[0] == "GlobalAveragePool"
    assert_same_answers(model, prepared, noise(1, 3, 4, 5))


def test_matmul_and_add_are_one_fully_connected_layer() -> None:
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["c", "a"], ["out"])]
    model = graph_of(nodes, {"x": (1, 6)}, {"w": noise(6, 3), "c": noise(3)})
    prepared = prepare(model)
    assert operators(prepared) == ["Gemm"]
    assert_same_answers(model, prepared, noise(1, 6, seed=9))


def test_what_does_nothing_at_inference_disappears() -> None:
    nodes = [node("Identity", ["x"], ["a"]), node("Dropout", ["a"], ["b"]), node("Relu", ["b"], ["c"]),
             node("Identity", ["c"], ["out"])]  # fmt: skip
    prepared = prepare(graph_of(nodes, {"x": (1, 4)}))
    assert operators(prepared) == ["Relu"]
    assert prepared.graph.output[0].name == "out"


def test_a_clip_without_an_upper_limit_is_a_relu() -> None:
    model = graph_of([node("Clip", ["x", "zero"], ["out"])], {"x": (1, 4)}, {"zero": np.float32(0)})
    assert operators(prepare(model)) == ["Relu"]


@pytest.mark.parametrize("limit", [None, np.inf, np.finfo(np.float32).max])
def test_a_clip_without_limits_is_nothing(limit: float | None) -> None:
    constants = {} if limit is None else {"low": np.float32(-limit), "high": np.float32(limit)}
    nodes = [node("Clip", ["x", *constants], ["clipped"]), node("Sigmoid", ["clipped"], ["out"])]
    assert operators(prepare(graph_of(nodes, {"x": (1, 4)}, constants))) == ["Sigmoid"]


def test_shape_arithmetic_of_exporters_is_computed_once() -> None:
    """x.view(x.size(0), -1), as the TorchScript exporter writes it, with an open batch."""
    constants = {
        "zero": np.asarray(0, np.int64),
        "minus": np.asarray([-1], np.int64),
        "axis": np.asarray([0], np.int64),
    }
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"]),
        node("Unsqueeze", ["batch", "axis"], ["first"]),
        node("Concat", ["first", "minus"], ["sizes"], axis=0),
        node("Reshape", ["x", "sizes"], ["out"]),
    ]
    prepared = prepare(graph_of(nodes, {"x": ("N", 2, 3, 3)}, constants))
    assert operators(prepared) == ["Reshape"]
    shape = prepared.graph.output[0].type.tensor_type.shape
    assert [dim.dim_value for dim in shape.dim] == [1, 18]


def test_sizes_that_inference_finds_late_are_waited_for() -> None:
    """Shape of a reshaped value, whose sizes come of a division, which ONNX's inference does not follow."""
    constants = {
        "divisor": np.asarray([1, 2], np.int64),
        "two": np.asarray([2], np.int64),
        "first": np.asarray([0], np.int64),
        "minus": np.asarray([-1], np.int64),
    }
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Div", ["shape", "divisor"], ["halved"]),
        node("Concat", ["halved", "two"], ["sizes"], axis=0),
        node("Reshape", ["x", "sizes"], ["pairs"]),
        node("Relu", ["pairs"], ["positive"]),
        node("Shape", ["pairs"], ["pairs_shape"]),
        node("Gather", ["pairs_shape", "first"], ["batch"]),
        node("Concat", ["batch", "minus"], ["row"], axis=0),
        node("Reshape", ["positive", "row"], ["out"]),
    ]
    model = graph_of(nodes, {"x": ("N", 6)}, constants)
    prepared = prepare(model)
    assert operators(prepared) == ["Reshape", "Relu", "Reshape"]
    assert_same_answers(model, prepared, noise(1, 6))


def test_a_function_in_the_file_is_what_its_nodes_compute_whatever_it_is_called() -> None:
    """Here it is called Relu and turns the sign."""
    opset = [helper.make_opsetid("", 13)]
    odd = helper.make_function("local", "Relu", ["v"], ["w"], [node("Neg", ["v"], ["w"])], opset)
    model = graph_of([node("Relu", ["x"], ["out"])], {"x": (1, 4)})
    model.graph.node[0].domain = "local"
    model.functions.append(odd)
    model.opset_import.append(helper.make_opsetid("local", 1))
    prepared = prepare(model)
    assert operators(prepared) == ["Mul"]
    assert_same_answers(model, prepared, noise(1, 4))


def test_an_operator_of_another_set_is_not_taken_for_onnxs_own() -> None:
    model = graph_of([node("Relu", ["x"], ["out"], name="mine")], {"x": (1, 4)})
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(UnsupportedError, match=r"Relu 'mine' .*'com\.example'"):
        prepare(model)


def test_control_flow_is_refused() -> None:
    branch = helper.make_graph(
        [node("Identity", ["x"], ["y"])], "branch", [], [helper.make_empty_tensor_value_info("y")]
    )
    choice = node("If", ["condition"], ["out"], then_branch=branch, else_branch=branch)
    with pytest.raises(UnsupportedError, match="control flow"):
        prepare(graph_of([choice], {"x": (1, 4)}, {"condition": np.asarray(True)}))


def test_a_clip_with_limits_that_are_no_scalars_is_left_alone() -> None:
    model = graph_of([node("Clip", ["x", "zeros"], ["out"])], {"x": (1, 3)}, {"zeros": np.zeros(3, np.float32)})
    assert operators(prepare(model)) == ["Clip"]


def test_folding_does_not_blow_a_small_file_up() -> None:
    nodes = [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["out"])]
    prepared = prepare(graph_of(nodes, {"x": (1, 1)}, {"s": np.asarray([1, 20_000_000], np.int64)}))
    assert prepared.ByteSize() < 1000


def test_an_open_batch_becomes_one_and_every_shape_is_known() -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Relu", ["a"], ["out"])]
    prepared = prepare(graph_of(nodes, {"x": ("batch", 2, 5, 5)}, {"w": noise(3, 2, 3, 3)}))
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
              for value in (*prepared.graph.input, *prepared.graph.value_info, *prepared.graph.output)}  # fmt: skip
    assert shapes == {"x": [1, 2, 5, 5], "a": [1, 3, 3, 3], "out": [1, 3, 3, 3]}
    assert prepared.ir_version == 10


def test_an_open_image_size_is_refused() -> None:
    model = graph_of([node("Relu", ["x"], ["out"])], {"x": ("N", 3, "H", "W")})
    with pytest.raises(ModelError, match=r"Input 'x' leaves dimension 2 open; say .* --shape x=1x3x\?x\? .* or export"):
        prepare(model)


def test_sizes_that_depend_on_the_data_are_refused() -> None:
    nodes = [node("NonZero", ["x"], ["where"]), node("Cast", ["where"], ["out"], to=onnx.TensorProto.FLOAT)]
    with pytest.raises(UnsupportedError, match="The size of 'where'"):
        prepare(graph_of(nodes, {"x": (1, 4)}))


def test_old_operator_sets_and_weights_among_the_inputs_are_brought_up_to_date() -> None:
    pad = node("Pad", ["x"], ["a"], pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="constant")
    model = graph_of([pad, node("Conv", ["a", "w"], ["out"])], {"x": (1, 1, 4, 4)}, {"w": noise(2, 1, 3, 3)}, opset=9)
    model.ir_version = 3
    model.graph.input.append(helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, (2, 1, 3, 3)))
    prepared = prepare(model)
    assert operators(prepared) == ["Conv"]
    assert [item.name for item in prepared.graph.input] == ["x"]
    assert prepared.opset_import[0].version >= 13


def test_half_precision_becomes_single() -> None:
    model = graph_of([node("Conv", ["x", "w"], ["out"])], {"x": (1, 2, 5, 5)}, {"w": noise(3, 2, 3, 3)})
    expected = run_onnx(model, noise(1, 2, 5, 5, seed=9))[0]
    weights = model.graph.initializer[0]
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights).astype(np.float16), "w"))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    np.testing.assert_allclose(run_onnx(prepare(model), noise(1, 2, 5, 5, seed=9))[0], expected, atol=2e-2)


def test_the_argument_is_left_as_it_was() -> None:
    norm, values = batch_norm("a", "out", 4)
    nodes = [node("Identity", ["x"], ["i"]), node("Conv", ["i", "w"], ["a"], auto_pad="SAME_UPPER"), norm]
    model = graph_of(nodes, {"x": ("N", 2, 5, 5)}, {"w": noise(4, 2, 3, 3), **values})
    before = model.SerializeToString()
    prepare(model)
    assert model.SerializeToString() == before


def test_preparing_twice_changes_nothing_more() -> None:
    norm, values = batch_norm("a", "b", 4)
    nodes = [node("Conv", ["x", "w"], ["a"]), norm, node("Flatten", ["b"], ["f"]), node("MatMul", ["f", "m"], ["out"])]
    once = prepare(graph_of(nodes, {"x": (1, 2, 3, 3)}, {"w": noise(4, 2, 3, 3), "m": noise(4, 2), **values}))
    assert prepare(once) == once


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize(
    ("opset", "scales"),
    [(7, (2.0, 2.0)), (9, (2.0, 2.0)), (9, (1.5, 3.0)), (10, (2.0, 2.0)), (10, (1.5, 3.0)), (10, (0.5, 0.6))],
)
def test_a_picture_is_resized_on_the_grid_of_its_operator_set(
    mode: str, opset: int, scales: tuple[float, float]
) -> None:
    given = {"scales": np.array([1, 1, *scales], np.float32)} if opset > 7 else {}
    usual = {} if given else {"scales": [1.0, 1.0, *scales]}
    made = node("Resize" if opset == 10 else "Upsample", ["x", *given], ["out"], mode=mode, **usual)
    model = graph_of([made], {"x": (1, 2, 10, 10)}, given, opset=opset)
    assert_same_answers(model, prepare(model), noise(1, 2, 10, 10, seed=3))


@pytest.mark.parametrize("nodes", [[("Clip", ["ids", "low", "high"])], [("Max", ["ids", "low"])], [("Relu", ["ids"])]])
def test_whole_numbers_are_clipped_as_such(nodes: list[tuple[str, list[str]]]) -> None:
    """TFLite has no RELU of them, and ONNX no limits of another type."""
    made = [node("Cast", ["x"], ["ids"], to=onnx.TensorProto.INT32)]
    made += [node(operator, inputs, ["kept"]) for operator, inputs in nodes]
    made.append(node("Cast", ["kept"], ["out"], to=onnx.TensorProto.FLOAT))
    model = graph_of(made, {"x": (1, 6)}, {"low": np.int32(0), "high": np.int32(4)}, opset=14)
    prepared, values = prepare(model), np.arange(-2, 10, 2, np.float32)[None]
    assert_same_answers(model, prepared, values)
    (expected,), (found,) = run_onnx(model, values), run_tflite(lower(prepared, Metadata()), values)
    np.testing.assert_array_equal(found, expected)
