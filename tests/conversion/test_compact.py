"""A compact QDQ file gives the answers of the plain one, from the same kernels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, helper, numpy_helper
from onnx.helper import make_node
from random_images import random_inputs
from residual_graphs import BLOCKS, minmax_plan, residual
from small_graphs import bytes_for, graph_of, noise, quantized, run_onnx, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.compact import FEWEST_TO_JOIN, compact
from edgekit.conversion.tflite import lower
from edgekit.graph.isolated import open_prepared
from edgekit.modelfiles.contents import read_contents
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.calibrate import open_session
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.runtimes.ort import EXACT_PRODUCTS
from edgekit.scales import Quantization

IMAGES = random_inputs(2)
DEEP = ("conv_relu", "depthwise", "clipped", "residual", "depthwise", "gate")


def written(blocks: tuple[str, ...] | list[str], io: str = "float32", **options: object) -> ModelProto:
    model = residual(blocks)
    return insert_qdq(model, minmax_plan(model, IMAGES, **options), io, "uint8")


def constants_of(model: ModelProto) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def kernels(model: ModelProto, folder: Path) -> Counter[str]:
    """Operators of the graph that ONNX Runtime makes of a model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.add_session_config_entry(*EXACT_PRODUCTS)
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


@settings(deadline=None, max_examples=12)
@given(st.lists(st.sampled_from(BLOCKS), max_size=6), st.sampled_from(["int8", "float32"]), st.booleans())
def test_the_answers_are_identical_with_and_without_optimization(blocks: list[str], io: str, per_tensor: bool) -> None:
    model = written(blocks, io, scheme=WeightScheme(per_tensor))
    small = compact(model)
    onnx.checker.check_model(small, full_check=True)
    (image,) = next(iter(IMAGES))
    if io == "int8":
        image = (image * 255 - 128).astype(np.int8)
    np.testing.assert_array_equal(run_onnx(small, image)[0], run_onnx(model, image)[0])
    exact = [open_session(item, optimize=False).run(None, {"image": image})[0] for item in (small, model)]
    np.testing.assert_array_equal(*exact)


def test_onnx_runtime_makes_the_same_kernels_of_it(tmp_path: Path) -> None:
    model = written(DEEP)
    found = kernels(compact(model), tmp_path)
    assert found == kernels(model, tmp_path)
    assert found["QLinearConv"] >= 7
    assert not {"Conv", "Split", "Mul", "Cast", "ConstantOfShape"} & set(found)


def test_scales_and_biases_of_all_layers_lie_in_one_tensor_of_each_kind() -> None:
    plain, small = written(DEEP), compact(written(DEEP))
    weights = [node for node in plain.graph.node if node.op_type == "Conv"]
    assert len(weights) >= FEWEST_TO_JOIN
    vectors = [value for value in constants_of(small).values() if value.ndim == 1]
    scales = [value for value in vectors if value.dtype == np.float32]
    biases = [value for value in vectors if value.dtype in (np.int16, np.int32)]
    channels = sum(constants_of(plain)[f"{node.input[2]}_int32"].size for node in weights)
    assert [value.size for value in scales] == [channels]
    assert len({value.dtype for value in biases}) == len(biases)
    assert sum(value.size for value in biases) == channels
    assert not [value for value in vectors if value.dtype == np.int8]
    assert small.ByteSize() < 0.6 * plain.ByteSize()


def test_every_layer_has_weights_zero_points_of_its_own() -> None:
    """ONNX Runtime replaces them one by one where it stores weights as uint8."""
    small = compact(written(DEEP))
    stored = constants_of(small)
    zeros = [
        node.input[2]
        for node in small.graph.node
        if node.op_type == "DequantizeLinear" and stored.get(node.input[0], np.empty(0)).dtype == np.int8
    ]
    assert len(set(zeros)) == len(zeros) >= FEWEST_TO_JOIN


def test_a_small_network_keeps_its_tensors_apart() -> None:
    assert "Split" not in {node.op_type for node in compact(written([])).graph.node}


@pytest.mark.parametrize(("size", "stored"), [(1, "int16"), (1e-3, "int32")])
def test_biases_take_16_bits_where_they_fit(size: float, stored: str) -> None:
    """In the unit of a bias, which is that of the weights times that of the input, small weights make it large."""
    nodes, constants, value = [], {}, "image"
    for layer in range(FEWEST_TO_JOIN):
        constants |= {f"w{layer}": noise(3, 3, 1, 1, seed=layer) * np.float32(size)}
        constants |= {f"b{layer}": np.full(3, 0.1, np.float32)}
        nodes.append(make_node("Conv", [value, f"w{layer}", f"b{layer}"], [f"c{layer}"]))
        value = f"c{layer}"
    nodes[-1].output[0] = "out"
    model = quantized(graph_of(nodes, {"image": [1, 3, 2, 2]}, constants))
    small = compact(model)
    kinds = {value.dtype.name for value in constants_of(small).values() if value.shape == (3 * FEWEST_TO_JOIN,)}
    assert kinds == {"float32", stored}
    image = np.arange(12, dtype=np.int8).reshape(1, 3, 2, 2)
    np.testing.assert_array_equal(run_onnx(small, image)[0], run_onnx(model, image)[0])


@pytest.mark.parametrize(("high", "kept"), [(0.5, False), (6, False), (6.5, True)])
def test_a_clip_stays_only_where_the_stored_range_is_wider(high: float, kept: bool) -> None:
    constants = {"w": noise(4, 3, 1, 1), "low": np.float32(0), "high": np.float32(6)}
    nodes = [make_node("Conv", ["image", "w"], ["sum"]), make_node("Clip", ["sum", "low", "high"], ["out"])]
    model = graph_of(nodes, {"image": [1, 3, 2, 2]}, constants)
    pixels = Quantization.per_tensor(1 / 255, -128)
    plan = Plan({"image": pixels, "out": Quantization.per_tensor(high / 255, -128)})
    small = compact(insert_qdq(model, plan, "float32", "uint8"))
    assert ("Clip" in {node.op_type for node in small.graph.node}) == kept


def test_a_relu_stays_where_negative_values_are_stored() -> None:
    nodes = [make_node("Conv", ["image", "w"], ["sum"]), make_node("Relu", ["sum"], ["out"])]
    model = graph_of(nodes, {"image": [1, 3, 2, 2]}, {"w": noise(4, 3, 1, 1)})
    plan = Plan({"image": Quantization.per_tensor(1 / 255, -128), "out": Quantization.per_tensor(0.1, -100)})
    assert "Relu" in {node.op_type for node in compact(insert_qdq(model, plan, activations="uint8")).graph.node}


def test_only_attributes_that_say_something_are_kept() -> None:
    options = {"dilations": [1, 1], "group": 1, "kernel_shape": [3, 3], "pads": [1] * 4, "strides": [1, 1]}
    nodes = [
        make_node("Conv", ["image", "w"], ["conv"], **options),
        make_node("MaxPool", ["conv"], ["out"], kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4),
    ]
    model = compact(quantized(graph_of(nodes, {"image": [1, 3, 4, 4]}, {"w": noise(4, 3, 3, 3)})))
    said = {
        node.op_type: {item.name: helper.get_attribute_value(item) for item in node.attribute}
        for node in model.graph.node
        if node.op_type in ("Conv", "MaxPool")
    }
    assert said == {"Conv": {"pads": [1] * 4}, "MaxPool": {"kernel_shape": [2, 2], "strides": [2, 2]}}


def test_a_compact_file_is_lowered_to_tflite_like_the_plain_one(tmp_path: Path) -> None:
    plain, answers = insert_qdq(residual(DEEP), minmax_plan(residual(DEEP), IMAGES)), []
    for model in (plain, compact(plain)):
        onnx.save(model, tmp_path / "model.int8.onnx")
        data = lower(open_prepared(tmp_path / "model.int8.onnx"), Metadata())
        answers.append(run_tflite(data, *bytes_for(model))[0])
    np.testing.assert_array_equal(*answers)


def test_operators_that_run_once_are_not_counted_when_the_file_is_inspected(tmp_path: Path) -> None:
    model = written(DEEP)
    for name, item in (("plain", model), ("small", compact(model))):
        onnx.save(item, tmp_path / f"{name}.onnx")
    plain, small = (read_contents(tmp_path / f"{name}.onnx") for name in ("plain", "small"))
    assert set(plain.operators) - set(small.operators) <= {"Relu", "Clip"}
    assert set(small.operators) <= set(plain.operators)
    assert set(small.computed) == set(plain.computed)


def test_the_model_itself_is_left_as_it_was() -> None:
    model = written(DEEP)
    before = model.SerializeToString(deterministic=True)
    compact(model)
    assert model.SerializeToString(deterministic=True) == before
