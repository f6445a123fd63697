"""Pixels become a file's input by its own contract, or by one that its input tensor tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from tiny_models import Linear, float_onnx

from edgekit.artifact import TensorSpec
from edgekit.data.dataset import Dataset
from edgekit.errors import ModelError
from edgekit.evaluation.classifier import Classifier
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.task_model import default_contract, image_layout
from edgekit.inputs.contract import InputContract


def test_the_scores_are_those_of_the_layer(digit_files: dict[str, Path], linear: Linear, mnist: Dataset) -> None:
    images = mnist.test.images[:20]
    expected = images.reshape(20, -1).astype(np.float32) / 255 @ linear.weights + linear.bias
    for name, tolerance in (("onnx", 1e-5), ("tflite", 1e-5), ("int8.onnx", 0.05), ("int8.tflite", 0.05)):
        with Classifier(digit_files[name]) as classifier:
            assert classifier.classes == 10
            np.testing.assert_allclose(classifier.scores(images), expected, atol=tolerance)


def test_the_contract_is_the_one_that_the_file_carries(linear: Linear, tmp_path: Path, mnist: Dataset) -> None:
    save(float_onnx(linear, None), tmp_path / "bare.onnx")
    with Classifier(tmp_path / "bare.onnx") as classifier:
        assert classifier.contract == InputContract(28, 28, 1)
    darker = InputContract(28, 28, 1, mean=(0.5,), std=(0.5,))
    with Classifier(tmp_path / "bare.onnx", darker) as classifier:
        pixels = mnist.test.images[:1].reshape(1, -1).astype(np.float32) / 255
        np.testing.assert_allclose(
            classifier.scores(mnist.test.images[:1]), (pixels * 2 - 1) @ linear.weights + linear.bias, atol=1e-4
        )


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point"), [("int8", 1.0, -128), ("uint8", 1 / 127.5, 127), ("int8", 1 / 255, -128)]
)
def test_an_8_bit_input_without_a_contract_gets_the_bytes_themselves(dtype: str, scale: float, zero_point: int) -> None:
    spec = TensorSpec("image", (1, 4, 4, 3), dtype, scale, zero_point)
    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 4, 4, 3)
    stored = default_contract(spec, "NHWC", Path("model.tflite")).encode(images, spec, "NHWC")
    np.testing.assert_array_equal(stored.astype(int) - np.iinfo(dtype).min, images)


def test_the_layout_follows_the_channels_and_then_the_format() -> None:
    def layout(*shape: int, path: str) -> str:
        return image_layout(TensorSpec("image", shape, "float32"), Path(path))

    assert layout(1, 3, 8, 8, path="a.onnx") == layout(1, 1, 28, 28, path="a.tflite") == "NCHW"
    assert layout(1, 8, 8, 3, path="a.onnx") == layout(1, 28, 28, 1, path="a.tflite") == "NHWC"
    assert layout(1, 3, 3, 3, path="a.onnx") == "NCHW"
    assert layout(1, 3, 3, 3, path="a.tflite") == "NHWC"


def test_images_of_another_shape_are_refused(digit_files: dict[str, Path]) -> None:
    with Classifier(digit_files["tflite"]) as classifier, pytest.raises(ModelError, match="28x28x1, not 32x32x3"):
        classifier.scores(np.zeros((1, 32, 32, 3), np.uint8))


def test_a_contract_that_does_not_fit_the_file_is_refused(digit_files: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="not the"):
        Classifier(digit_files["tflite"], InputContract(32, 32, 3))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 5), "not one image"),
        ((8, 1, 28, 28), "not one image"),
        ((1, 1, 28, 28), "not one row of scores"),
        ((1, 1, -1, 28), r"leaves its input's size open; say it with --shape image=1x1x\?x28\.$"),
    ],
)
def test_a_model_that_is_no_classifier_of_one_image_of_fixed_size_is_refused(
    tmp_path: Path, shape: tuple[int, ...], message: str
) -> None:
    sizes = [size if size > 0 else "size" for size in shape]
    graph = helper.make_graph(
        [helper.make_node("Add", ["image", "one"], ["scores"])],
        "plus_one",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, sizes)],
        [numpy_helper.from_array(np.ones(1, np.float32), "one")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), tmp_path / "plus.onnx")
    with pytest.raises(ModelError, match=message):
        Classifier(tmp_path / "plus.onnx")


def test_the_size_that_a_classifier_leaves_open_is_given(tmp_path: Path, mnist: Dataset) -> None:
    names = ("image", "scores")
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *rest])
        for name, rest in zip(names, ([1, "h", "w"], [10]), strict=True)
    ]
    weights = numpy_helper.from_array(np.arange(10, dtype=np.float32).reshape(1, 10), "w")
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    graph = helper.make_graph(nodes, "any size", values[:1], values[1:], [weights])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), tmp_path / "open.onnx")
    images = mnist.test.images[:2]
    with Classifier(tmp_path / "open.onnx", options=InputOptions(shape={"image": (1, 1, 28, 28)})) as classifier:
        expected = images.mean(axis=(1, 2)) / 255 * np.arange(10)
        np.testing.assert_allclose(classifier.scores(images), expected, rtol=1e-4)


def test_scores_that_are_no_numbers_are_an_error(linear: Linear, tmp_path: Path, mnist: Dataset) -> None:
    save(float_onnx(Linear(linear.weights, np.full(10, np.nan, np.float32))), tmp_path / "nan.onnx")
    with Classifier(tmp_path / "nan.onnx") as classifier, pytest.raises(ModelError, match=r"nan\.onnx gives scores"):
        classifier.scores(mnist.test.images[:1])
