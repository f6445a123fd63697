"""What a task says of outputs: which models are its own, what is lost, and which figures a file carries."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.tasks import task_of
from edgekit.tasks.classification import Classification
from edgekit.tasks.outputs import Outputs
from edgekit.tasks.quality import COLUMNS, MOST_DB

CLASSIFIER, NUMBERS = task_of([(1, 3)]), task_of([(1, 3, 8, 8)])
SCORES = np.array([[3.0, 1, 0], [0, 2, 1], [0, 1, 4], [5, 0, 0]], np.float32)
OTHER = SCORES.copy()
OTHER[3] = [1, 2, 0]
LABELS = np.array([0, 1, 2, 1])


@pytest.mark.parametrize("shapes", [[(1, 10)], [(-1, 10)], [(1, 1, 1, 10)], [(10,)]])
def test_one_row_of_scores_is_a_classifiers(shapes: list[tuple[int, ...]]) -> None:
    assert isinstance(task_of(shapes), Classification)


@pytest.mark.parametrize("shapes", [[(1, 10), (1, 10)], [(1, 1)], [(2, 10)], [(1, 8, 8, 3)], [()], []])
def test_anything_else_is_numbers(shapes: list[tuple[int, ...]]) -> None:
    assert type(task_of(shapes)) is Outputs


def test_a_classifier_with_labels_loses_points_of_accuracy() -> None:
    quality = CLASSIFIER.quality(OTHER, SCORES, LABELS)
    assert (quality.accuracy, quality.agreement, quality.drop) == (1.0, 0.75, -25.0)
    assert quality.figures("test") == {"test_accuracy": 1.0}
    assert quality.headline() == "100.00%"


def test_a_classifier_without_labels_loses_points_of_agreement() -> None:
    quality = CLASSIFIER.quality(OTHER, SCORES)
    assert (quality.accuracy, quality.agreement, quality.drop) == (None, 0.75, 25.0)
    assert quality.figures("train") == {"train_agreement": 0.75}
    assert quality.headline() == "75.00% agreement"


def test_numbers_lose_their_error_in_percent_of_their_size() -> None:
    quality = NUMBERS.quality(SCORES * np.float32(1.01), SCORES, LABELS)
    assert (quality.accuracy, quality.agreement) == (None, None)
    assert quality.sqnr_db == pytest.approx(40, abs=1e-3)
    assert quality.drop == pytest.approx(1, abs=1e-3)
    assert quality.figures("test") == {"test_sqnr_db": 40.0}
    assert quality.headline() == str(quality) == "40.0 dB"


def test_equal_outputs_lose_nothing_and_have_no_ratio_in_documents() -> None:
    quality = NUMBERS.quality(SCORES, SCORES)
    assert (quality.sqnr_db, quality.drop, quality.headline()) == (MOST_DB, 0.0, "equal")
    assert quality.to_dict() == {"accuracy": None, "agreement": None, "sqnr_db": None}
    assert quality.figures("test") == {}


def test_an_original_that_gives_nothing_but_zeros_is_not_called_equal() -> None:
    quality = NUMBERS.quality(SCORES, 0 * SCORES)
    assert quality.sqnr_db == -MOST_DB
    assert quality.drop > 100


def test_there_is_a_cell_for_each_column() -> None:
    quality = CLASSIFIER.quality(OTHER, SCORES, LABELS)
    assert len(quality.cells()) == len((quality.metric, *COLUMNS))
    figures = CLASSIFIER.figures(SCORES, LABELS, ("a", "b", "c"), None)
    assert len(figures.cells()) == len(figures.columns)
    assert figures.cells() == ("75.00%", "30.06% to 95.44%", "1", "b (50.0%)")


def test_labels_and_names_of_another_task_are_refused() -> None:
    with pytest.raises(DataError, match=r"m\.onnx gives 3 scores, but the data have a class 3"):
        CLASSIFIER.check_labels(np.array([3]), [(1, 3)], "m.onnx")
    with pytest.raises(DataError, match=r"m\.onnx knows the classes a, b, but d has c, d"):
        CLASSIFIER.class_names(("a", "b"), ("c", "d"), "m.onnx", "d")
    assert CLASSIFIER.class_names(("a", "b"), ("0", "1"), "m.onnx", "d") == ("a", "b")
    assert NUMBERS.class_names(("a",), ("0", "1"), "m.onnx", "d") == ("a",)
