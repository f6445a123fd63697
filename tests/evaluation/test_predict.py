"""Picture files to labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data.dataset import Dataset
from edgekit.errors import DataError, UsageError
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
    with pytest.raises(UsageError, match="No picture was named"):
        predict(PredictOptions(str(digit_files["onnx"]), []))
