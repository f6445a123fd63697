"""Accuracy and its neighbours, on real digits and real files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import Linear

from edgekit.data.dataset import Dataset, Split
from edgekit.errors import DataError, ModelError, UnknownNameError
from edgekit.evaluation.classifier import Classifier
from edgekit.evaluation.evaluate import EvaluateOptions, accuracy_of, evaluate


@pytest.fixture(scope="module")
def split(mnist: Dataset) -> Split:
    return mnist.test.take(np.arange(500))


def test_the_accuracy_is_the_share_of_right_answers(digit_files: dict[str, Path], linear: Linear, split: Split) -> None:
    guesses = (split.images[:].reshape(500, -1) / 255 @ linear.weights + linear.bias).argmax(axis=1)
    result = accuracy_of(digit_files["onnx"], split)
    assert result.correct == int((guesses == split.labels).sum())
    assert result.accuracy == result.correct / 500
    assert result.interval[0] < result.accuracy < result.interval[1]
    assert (result.images, result.classes) == (500, tuple("0123456789"))


def test_confusion_per_class_and_mistakes_tell_the_same_story(digit_files: dict[str, Path], split: Split) -> None:
    result = accuracy_of(digit_files["int8.tflite"], split)
    counts = np.array(result.confusion)
    assert counts.sum() == 500
    assert counts.trace() == result.correct
    np.testing.assert_allclose(np.array(result.per_class, float), counts.diagonal() / counts.sum(axis=1))
    assert split.labels is not None
    for mistake in result.mistakes:
        assert split.labels[mistake.index] == mistake.label != mistake.guess
    chances = [mistake.probability for mistake in result.mistakes]
    assert chances == sorted(chances, reverse=True)


def test_the_int8_files_keep_the_accuracy_of_the_float_file(digit_files: dict[str, Path], split: Split) -> None:
    accuracies = {name: accuracy_of(path, split).accuracy for name, path in digit_files.items()}
    assert accuracies["onnx"] == accuracies["tflite"] > 0.75
    assert accuracies["int8.onnx"] == pytest.approx(accuracies["onnx"], abs=0.01)
    assert accuracies["int8.tflite"] == pytest.approx(accuracies["onnx"], abs=0.01)


def test_a_class_without_images_has_no_accuracy(digit_files: dict[str, Path], split: Split) -> None:
    assert split.labels is not None
    result = accuracy_of(digit_files["onnx"], split.take(np.flatnonzero(split.labels == 3)))
    assert [share is not None for share in result.per_class] == [index == 3 for index in range(10)]


def test_the_command_measures_each_file_on_the_test_split(digit_files: dict[str, Path], small_mnist: Path) -> None:
    result = evaluate(
        EvaluateOptions((str(digit_files["onnx"]), f"{digit_files['int8.tflite']}@tflm"), str(small_mnist))
    )
    assert [item.runtime for item in result.evaluations] == ["ort", "tflm"]
    assert {item.figures.images for item in result.evaluations} == {300}
    assert (
        json.loads(json.dumps(result.to_dict()))["evaluations"][1]["accuracy"] == result.evaluations[1].figures.accuracy
    )
    assert result.evaluations[0].figures.cells()[0] in str(result)


def test_test_images_alone_suffice(digit_files: dict[str, Path], split: Split, tmp_path: Path) -> None:
    np.savez(tmp_path / "test.npz", x_test=split.images[:], y_test=split.labels)
    options = EvaluateOptions((str(digit_files["onnx"]),), str(tmp_path / "test.npz"))
    (found,) = evaluate(options).evaluations
    assert found.figures == accuracy_of(digit_files["onnx"], split)


def test_unlabelled_empty_or_foreign_data_are_refused(digit_files: dict[str, Path], split: Split) -> None:
    images = split.images[:3]
    for bad, message in (
        (Split(images), "no labels"),
        (Split(images[:0], np.zeros(0, np.int64)), "no images"),
        (Split(images, np.array([0, 1, 10])), "have a class 10"),
    ):
        with pytest.raises(DataError, match=message):
            accuracy_of(digit_files["onnx"], bad)


def test_a_file_and_a_runtime_that_do_not_belong_together_are_refused(digit_files: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match=r"has no \.tflite file, which TFLite Micro needs"):
        evaluate(EvaluateOptions((str(digit_files["onnx"]),), "mnist", "tflm"))
    with pytest.raises(UnknownNameError, match="did you mean 'tflm'"):
        evaluate(EvaluateOptions((f"{digit_files['tflite']}@tflmm",), "mnist"))


def test_classes_must_be_those_of_the_file_unless_the_data_only_count_them(
    digit_files: dict[str, Path], mnist: Dataset
) -> None:
    with Classifier(digit_files["onnx"]) as classifier:
        names = tuple(f"digit {index}" for index in range(10))
        with pytest.raises(DataError, match=r"knows the classes 0, 1, 2, 3, 4, \.\.\. \(10\)"):
            classifier.class_names(replace(mnist, classes=names))
        classifier.metadata = replace(classifier.metadata, labels=names)
        assert classifier.class_names(mnist) == names
