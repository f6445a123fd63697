"""Picture files to labels, arrays to labels or values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper, save
from PIL import Image
from small_graphs import graph_of, noise

from edgekit.data.dataset import Dataset
from edgekit.errors import DataError, ModelError, UsageError
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.predict import PredictOptions, predict


@pytest.fixture
def pictures(mnist: Dataset, tmp_path: Path) -> list[Path]:
    """The first ten test digits as dark ink on light paper, 112 pixels wide."""
    paths = []
    for index in range(10):
        ink = Image.fromarray(255 - mnist.test.images[index, :, :, 0]).resize((112, 112))
        paths.append(tmp_path / f"digit{index}.png")
        ink.convert("RGB").save(paths[-1])
    return paths


def test_dark_digits_on_light_paper_are_recognised(
    digit_files: dict[str, Path], pictures: list[Path], mnist: Dataset
) -> None:
    result = predict(PredictOptions(str(digit_files["int8.tflite"]), pictures))
    answers = [prediction.guesses[0].label for prediction in result.predictions]
    assert mnist.test.labels is not None
    right = [int(answer) == label for answer, label in zip(answers, mnist.test.labels[:10], strict=True)]
    assert sum(right) >= 8
    assert str(pictures[0]) in str(result)


def test_probabilities_fall_and_add_up(digit_files: dict[str, Path], pictures: list[Path]) -> None:
    (prediction,) = predict(PredictOptions(str(digit_files["onnx"]), pictures[:1], top=10)).predictions
    chances = np.array([guess.probability for guess in prediction.guesses])
    assert (np.diff(chances) <= 0).all()
    assert chances.sum() == pytest.approx(1, abs=1e-3)


def test_a_file_that_is_no_picture_is_named(digit_files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("a text file")
    with pytest.raises(DataError, match=r"note\.png"):
        predict(PredictOptions(str(digit_files["onnx"]), [tmp_path / "note.png"]))
    with pytest.raises(UsageError, match="No file was named"):
        predict(PredictOptions(str(digit_files["onnx"]), []))


def test_arrays_go_into_a_classifier_as_samples(tmp_path: Path) -> None:
    nodes = [helper.make_node("Flatten", ["mel"], ["f"]), helper.make_node("MatMul", ["f", "m"], ["scores"])]
    save(graph_of(nodes, {"mel": (1, 2, 3)}, {"m": noise(6, 4)}, outputs=["scores"]), tmp_path / "words.onnx")
    samples = noise(3, 2, 3)
    np.savez(tmp_path / "three.npz", mel=samples)
    np.save(tmp_path / "lone.npy", samples[0])
    result = predict(PredictOptions(str(tmp_path / "words.onnx"), (tmp_path / "three.npz", tmp_path / "lone.npy")))
    expected = (samples.reshape(3, 6) @ noise(6, 4)).argmax(axis=1)
    assert result.labels == tuple(f"class {index}" for index in (*expected, expected[0]))
    assert result.predictions[2].input.endswith("three.npz, sample 2")


@pytest.mark.parametrize("shape", [(0,), (1, 0)])
def test_an_output_without_values_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Slice", ["x", "none", "none", "axis"], ["z"]),
        helper.make_node("Reshape", ["z", "shape"], ["y"], allowzero=1),
    ]
    constants = {"none": np.array([0]), "axis": np.array([1]), "shape": np.array(shape)}
    save(graph_of(nodes, {"x": (1, 3)}, constants, outputs=["y"], opset=14), tmp_path / "nothing.onnx")
    np.save(tmp_path / "x.npy", noise(1, 3))
    with pytest.raises(ModelError, match=r"nothing\.onnx gives an empty 'y'; export it without that output\."):
        predict(PredictOptions(str(tmp_path / "nothing.onnx"), (tmp_path / "x.npy",)))


def test_of_many_samples_the_table_shows_the_first_and_the_document_all(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "m"], ["y"])]
    save(graph_of(nodes, {"x": (1, 3)}, {"m": np.eye(3, 4, dtype=np.float32)}, outputs=["y"]), tmp_path / "signs.onnx")
    np.save(tmp_path / "many.npy", np.tile(np.eye(3, dtype=np.float32)[[1, 1, 2]], (40, 1)))
    classes = predict(PredictOptions(str(tmp_path / "signs.onnx"), (tmp_path / "many.npy",)))
    assert "sample 49" in str(classes)
    assert "sample 50" not in str(classes)
    assert "the first 50 of 120, answered class 1 80 times, class 2 40 times; --json gives them all" in str(classes)
    assert len(classes.to_dict()["predictions"]) == 120
    values = predict(
        PredictOptions(str(tmp_path / "signs.onnx"), (tmp_path / "many.npy",), input=InputOptions(task="regression"))
    )
    assert str(values).endswith("\nthe first 50 of 120; --json gives them all")


def test_an_output_s_values_are_all_in_the_document_and_four_in_the_table(tmp_path: Path) -> None:
    save(graph_of([helper.make_node("Neg", ["x"], ["y"])], {"x": (1, 2, 3)}, {}, outputs=["y"]), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", -np.arange(6, dtype=np.float32).reshape(2, 3))
    result = predict(PredictOptions(str(tmp_path / "m.onnx"), (tmp_path / "x.npy",)))
    assert result.to_dict()["predictions"][0]["outputs"][0]["first"] == [0, 1, 2, 3, 4, 5]
    assert "0, 1, 2, 3, ..." in str(result)


def test_of_a_model_without_classes_each_output_is_shown(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])]
    save(graph_of(nodes, {"a": (1, 3), "b": (1, 3)}, {}, outputs=["sum", "difference"]), tmp_path / "two.onnx")
    np.savez(tmp_path / "pair.npz", a=np.float32([3, 2, 1]), b=np.float32([1, 1, 1]))
    result = predict(PredictOptions(str(tmp_path / "two.onnx"), (tmp_path / "pair.npz",)))
    found = [(values.output, values.first, values.low, values.high) for values in result.predictions[0].outputs]
    assert found == [("sum", (4, 3, 2), 2, 4), ("difference", (2, 1, 0), 0, 2)]
    np.save(tmp_path / "one.npy", np.zeros(3, np.float32))
    with pytest.raises(DataError, match=r"holds 'one', and the model takes 'a' \[1, 3\], 'b' \[1, 3\]"):
        predict(PredictOptions(str(tmp_path / "two.onnx"), (tmp_path / "one.npy",)))


def test_bytes_in_an_array_are_pixels_of_a_model_of_pictures(
    digit_files: dict[str, Path], mnist: Dataset, tmp_path: Path
) -> None:
    np.save(tmp_path / "digits.npy", mnist.test.images[:10])
    answers = predict(PredictOptions(str(digit_files["int8.tflite"]), (tmp_path / "digits.npy",))).labels
    assert mnist.test.labels is not None
    assert sum(int(answer) == label for answer, label in zip(answers, mnist.test.labels[:10], strict=True)) >= 8
