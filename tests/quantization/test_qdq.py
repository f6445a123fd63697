"""A float graph written in QDQ form computes what integers would, to within one step."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, numpy_helper
from onnx.helper import make_node
from small_graphs import bytes_for, graph_of, noise, quantized, run_onnx, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.errors import UnknownNameError
from edgekit.graph.prepare import prepare
from edgekit.quantization.calibrate import open_session
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.scales import Quantization

PIXELS = Quantization.per_tensor(1 / 255, -128)


def conv_relu(channels: int = 3, bias: bool = True) -> ModelProto:
    inputs = ["image", "w", "b"] if bias else ["image", "w"]
    constants = {"w": noise(4, channels, 3, 3), "b": noise(4, seed=1)}
    nodes = [make_node("Conv", inputs, ["sum"]), make_node("Relu", ["sum"], ["out"])]
    return graph_of(nodes, {"image": [1, channels, 6, 6]}, {name: constants[name] for name in inputs[1:]})


def constants_of(model: ModelProto) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def integer_conv_relu(model: ModelProto, image: np.ndarray, output: Quantization) -> np.ndarray:
    """The specification in int64: products of stored values less zero points, plus bias, rescaled once, saturated."""
    stored = constants_of(model)
    weights = next(value for value in stored.values() if value.ndim == 4 and value.dtype == np.int8)
    bias = next(value for name, value in stored.items() if value.dtype == np.int32 and not name.endswith("zero"))
    scales = stored[next(name for name, value in stored.items() if value is bias).replace("int32", "scale")]
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(np.int64) + 128, (3, 3), axis=(2, 3))
    sums = np.einsum("nchwij,ocij->nohw", windows, weights.astype(np.int64)) + bias.reshape(1, -1, 1, 1)
    steps = np.rint(sums * (scales.astype(np.float64) / output.scale).reshape(1, -1, 1, 1)) + output.zero_point
    return np.clip(steps, -128, 127).astype(int)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.floats(0.05, 8))
def test_a_convolution_gives_the_integers_of_the_specification(seed: int, high: float) -> None:
    output = Quantization.per_tensor(high / 255, -128)
    model = insert_qdq(conv_relu(), Plan({"image": PIXELS, "out": output}))
    (image,) = bytes_for(model, seed)
    (result,) = run_onnx(model, image)
    expected = integer_conv_relu(model, image, output)
    assert np.abs(result.astype(int) - expected).max() <= 1
    assert (result == expected).mean() > 0.98


def test_all_io_types_store_the_same_integers() -> None:
    scales = Plan({"image": PIXELS, "out": Quantization.per_tensor(0.05, -128)})
    models = {io: insert_qdq(conv_relu(), scales, io) for io in ("int8", "uint8", "float32")}
    for model in models.values():
        onnx.checker.check_model(model, full_check=True)
    (image,) = bytes_for(models["int8"])
    shifted = (image.astype(np.int16) + 128).astype(np.uint8)
    (int8,) = run_unfused(models["int8"], image)
    (uint8,) = run_unfused(models["uint8"], shifted)
    (real,) = run_unfused(models["float32"], shifted.astype(np.float32) / 255)
    assert (int8.dtype, uint8.dtype, real.dtype) == (np.int8, np.uint8, np.float32)
    np.testing.assert_array_equal(uint8, int8.astype(int) + 128)
    np.testing.assert_allclose(real, (int8.astype(np.float32) + 128) * 0.05, rtol=1e-6)


def run_unfused(model: ModelProto, image: np.ndarray) -> list[np.ndarray]:
    """As written: on x86 without VNNI, ONNX Runtime's own fused kernels saturate unless told otherwise."""
    return open_session(model, optimize=False).run(None, {model.graph.input[0].name: image})


def test_inputs_and_outputs_keep_their_names_and_weights_are_int8() -> None:
    model = insert_qdq(conv_relu(), Plan({"image": PIXELS, "out": Quantization.per_tensor(0.1, 0)}))
    assert [item.name for item in (*model.graph.input, *model.graph.output)] == ["image", "out"]
    dtypes = {value.dtype.name for value in constants_of(model).values() if value.size >= 4 and value.ndim}
    assert dtypes == {"int8", "int32", "float32"}
    assert all(value.size <= 4 for value in constants_of(model).values() if value.dtype == np.float32)


def test_a_convolution_without_bias_stays_without() -> None:
    model = insert_qdq(conv_relu(bias=False), Plan({"image": PIXELS, "out": Quantization.per_tensor(0.1, 0)}))
    assert all(value.dtype != np.int32 for value in constants_of(model).values())
    assert run_onnx(model, *bytes_for(model))[0].shape == (1, 4, 4, 4)


def test_a_bias_that_is_left_out_by_an_empty_name_is_none() -> None:
    model = conv_relu(bias=False)
    model.graph.node[0].input.append("")
    assert run_onnx(
        insert_qdq(model, Plan({"image": PIXELS, "out": Quantization.per_tensor(0.1, 0)})),
        np.zeros((1, 3, 6, 6), np.int8),
    )


def test_an_input_that_cannot_share_its_readers_scale_is_requantized() -> None:
    nodes = [make_node("Softmax", ["image"], ["soft"]), make_node("Concat", ["image", "soft"], ["out"], axis=1)]
    model = quantized(graph_of(nodes, {"image": [1, 2, 3, 3]}))
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    scales = {
        node.input[1]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.output[0] in concat.input
    }
    assert len(scales) == 1


def test_a_constant_operand_is_stored_with_its_own_range() -> None:
    nodes = [make_node("Mul", ["image", "factor"], ["out"])]
    factor = np.linspace(-1, 3, 2, dtype=np.float32).reshape(1, 2, 1, 1)
    model = quantized(graph_of(nodes, {"image": [1, 2, 3, 3]}, {"factor": factor}), "float32")
    image = np.random.default_rng(1).random((1, 2, 3, 3), np.float32)
    np.testing.assert_allclose(run_onnx(model, image)[0], image * factor, atol=0.03)


@pytest.mark.parametrize("operator", ["Concat", "Max"])
def test_a_constant_that_is_joined_has_the_scale_of_the_result(operator: str) -> None:
    options = {"axis": 1} if operator == "Concat" else {}
    constant = np.linspace(-1, 3, 18, dtype=np.float32).reshape(1, 2, 3, 3)
    model = quantized(
        graph_of([make_node(operator, ["image", "c"], ["out"], **options)], {"image": [1, 2, 3, 3]}, {"c": constant})
    )
    joined = next(node for node in model.graph.node if node.op_type == operator)
    quantize = next(node for node in model.graph.node if node.op_type == "QuantizeLinear" and "out" in node.output)
    read = [node for node in model.graph.node if node.output[0] in joined.input]
    stored = constants_of(model)
    assert {stored[node.input[1]].item() for node in read} == {stored[quantize.input[1]].item()}


def test_each_part_of_a_split_is_stored_with_the_scale_of_the_whole() -> None:
    nodes = [make_node("Split", ["image"], ["a", "b"], axis=1)]
    model = quantized(graph_of(nodes, {"image": [1, 2, 3, 3]}, outputs=("a", "b")))
    (image,) = bytes_for(model)
    np.testing.assert_array_equal(np.concatenate(run_onnx(model, image), axis=1), image)


def test_a_value_that_is_output_and_read_again_is_stored_once() -> None:
    nodes = [make_node("Relu", ["image"], ["middle"]), make_node("Relu", ["middle"], ["out"])]
    model = quantized(graph_of(nodes, {"image": [1, 1, 2, 2]}, outputs=("middle", "out")), "uint8")
    (image,) = bytes_for(model)
    middle, out = run_onnx(model, image)
    np.testing.assert_array_equal(middle, out)


def test_results_that_are_called_as_those_that_are_made_keep_their_names() -> None:
    nodes = [
        make_node("Relu", ["image"], ["sum"]),
        make_node("Sin", ["sum"], ["sum_real"]),
        make_node("Cos", ["sum_real"], ["sum_int8"]),
        make_node("Add", ["sum", "sum_int8"], ["out"]),
    ]
    model = prepare(graph_of(nodes, {"image": [1, 1, 2, 2]}))
    plan = Plan({"image": PIXELS, "sum": PIXELS, "out": Quantization.per_tensor(0.02, -128)})
    written = insert_qdq(model, plan)
    onnx.checker.check_model(written, full_check=True)
    run_onnx(written, *bytes_for(written))


def test_an_unknown_io_type_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'int8'"):
        insert_qdq(conv_relu(), Plan({"image": PIXELS, "out": Quantization.per_tensor(0.1, 0)}), "int")


def test_a_float_operator_between_integers_keeps_its_float_weights_in_onnx_runtime() -> None:
    """Left to itself, ONNX Runtime quantizes them with one scale for the whole tensor."""
    weights = noise(4, 3, 3, 3) * np.array([10, 1, 0.1, 0.01], np.float32).reshape(4, 1, 1, 1)
    nodes = [
        make_node("Conv", ["image", "w"], ["sum"], pads=[1] * 4),
        make_node("MaxPool", ["sum"], ["out"], kernel_shape=[2, 2]),
    ]
    model = graph_of(nodes, {"image": [1, 3, 6, 6]}, {"w": weights})
    plan = Plan(
        dict.fromkeys(("sum", "out"), Quantization.per_tensor(0.5, 0)) | {"image": PIXELS}, floats=frozenset({"sum"})
    )
    written = insert_qdq(model, plan, "float32", "uint8")
    image = np.random.default_rng(0).random((1, 3, 6, 6), np.float32)
    exact, optimized = (open_session(written, optimize).run(None, {"image": image})[0] for optimize in (False, True))
    np.testing.assert_array_equal(exact, optimized)
    (lowered,) = run_tflite(lower(insert_qdq(model, plan, "float32"), Metadata()), image)
    np.testing.assert_allclose(lowered, exact, atol=0.5)
