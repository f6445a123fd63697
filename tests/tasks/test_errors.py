"""Tasks that are judged by an error: numbers that ought to be given ones, and inputs that are given back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.artifact import TensorSpec
from edgekit.errors import DataError, UnknownNameError, UsageError
from edgekit.tasks import judged_by, task_of
from edgekit.tasks.classification import Classification
from edgekit.tasks.quality import MOST_DB
from edgekit.tasks.reconstruction import Anomalies, Detected, Reconstruction, area_under_curve
from edgekit.tasks.regression import Regressed, Regression

SPEC = TensorSpec("y", (1, 2), "float32")
TARGETS = np.array([[0, 0], [2, 2], [4, 4]], np.float32)
REGRESSION, RECONSTRUCTION = task_of([(1, 2)], name="regression"), task_of([(1, 2)], [(1, 2)], "reconstruction")


def test_labels_that_number_no_classes_make_scores_a_regression() -> None:
    scores = task_of([(1, 4)])
    assert isinstance(judged_by(scores, np.zeros((3, 4), np.float32)), Regression)
    assert isinstance(judged_by(scores, np.zeros(3, np.int64)), Classification)
    assert isinstance(judged_by(scores, None), Classification)


def test_what_comes_out_as_it_went_in_is_a_reconstruction_but_for_images() -> None:
    assert isinstance(task_of([(1, 640)], [(1, 640)]), Reconstruction)
    assert isinstance(task_of([(-1, 1, 400)], [(1, 1, 400)]), Reconstruction)
    assert not isinstance(task_of([(1, 3, 8, 8)], [(1, 3, 8, 8)]), Reconstruction)
    assert isinstance(task_of([(1, 10)], [(1, 40)]), Classification)


def test_an_unknown_task_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'regression'"):
        task_of([(1, 2)], name="regresion")


def test_a_model_that_gives_fewer_values_than_it_takes_reconstructs_nothing() -> None:
    with pytest.raises(UsageError, match=r"reconstruction does not fit a model of \[1, 40\] that gives \[1, 4\]"):
        task_of([(1, 4)], [(1, 40)], "reconstruction")
    assert isinstance(task_of([(1, 8, 8, 3)], [(1, 3, 8, 8)], "reconstruction"), Reconstruction)


def test_a_model_of_one_score_or_of_a_map_classifies_nothing() -> None:
    for shape in ((1, 1), (1, 21, 64, 64)):
        with pytest.raises(UsageError, match=r"classification does not fit a model of \[1, 40\] that gives"):
            task_of([shape], [(1, 40)], "classification")
    assert isinstance(task_of([(1, 3)], [(1, 3)], "classification"), Classification)


def test_one_value_is_no_plural() -> None:
    with pytest.raises(DataError, match="gives 1 value, and the labels have 2"):
        REGRESSION.check_labels(TARGETS[:, :2], [(1, 1)], "model.onnx")


def test_a_regression_loses_the_added_error_in_percent_of_the_targets_variance() -> None:
    worse = TARGETS + np.array([[1], [-1], [0]], np.float32)
    quality = REGRESSION.quality(worse, TARGETS, TARGETS)
    assert quality.accuracy == pytest.approx(2 / 3)
    assert quality.drop == pytest.approx(100 * (2 / 3) / (8 / 3))
    assert quality.headline() == "0.66667"
    assert quality.figures("test") == {"test_mean_squared_error": 0.666667}
    figures = REGRESSION.figures(worse, TARGETS, (), SPEC)
    assert isinstance(figures, Regressed)
    assert (figures.mean_squared_error, figures.explained) == (pytest.approx(2 / 3), pytest.approx(0.75))


def test_targets_are_as_many_as_values() -> None:
    REGRESSION.check_labels(TARGETS, [(1, 2)], "a.onnx")
    with pytest.raises(DataError, match=r"gives 3 values, and the labels have 2 .* a target for each value"):
        REGRESSION.check_labels(TARGETS, [(1, 3)], "a.onnx")


def test_without_labels_a_reconstruction_is_judged_by_its_error_to_the_inputs() -> None:
    truth = RECONSTRUCTION.truth(None, lambda: TARGETS)
    quality = RECONSTRUCTION.quality(TARGETS, TARGETS, truth)
    assert (quality.accuracy, quality.metric, quality.sqnr_db) == (0.0, "mean squared error", MOST_DB)


def test_with_labels_a_reconstruction_is_judged_by_whether_anomalies_come_back_worse() -> None:
    labels = np.array([0, 0, 1])
    truth = RECONSTRUCTION.truth(labels, lambda: TARGETS)
    good, bad = TARGETS.copy(), TARGETS.copy()
    good[2] += 5
    bad[0] += 5
    quality = RECONSTRUCTION.quality(bad, good, truth)
    assert (quality.accuracy, quality.metric, quality.drop) == (0.25, "AUC", 75.0)
    assert quality.headline() == "25.00%"
    figures = RECONSTRUCTION.figures(good, truth, (), SPEC)
    assert figures == Detected(3, 1, 1.0, 0.0, 25.0)
    assert isinstance(truth[:2], Anomalies)
    assert len(truth[:2]) == 2


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.ones(3, int), np.zeros((3, 2), np.float32)])
def test_labels_that_tell_nothing_apart_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(DataError, match="label samples 0, or 1 for an anomaly"):
        RECONSTRUCTION.check_labels(labels, [(1, 2)], "a.onnx")


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2))
def test_the_area_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([float(score) for score, _ in pairs]), np.array([is_one for _, is_one in pairs])
    if positive.all() or not positive.any():
        return
    wins = [float(one > other) + 0.5 * (one == other) for one in scores[positive] for other in scores[~positive]]
    assert area_under_curve(scores, positive) == pytest.approx(np.mean(wins))


def test_several_outputs_are_judged_one_by_one_and_lose_as_the_worst() -> None:
    numbers = task_of([(1, 3, 8, 8)])
    reference = np.array([[100.0, 1], [-100, -1]], np.float32)
    other = reference + np.array([[0, 0.1], [0, 0.1]], np.float32)
    quality = numbers.quality(other, reference, None, [1, 1])
    assert quality.by_output == (MOST_DB, 20.0)
    assert quality.drop == pytest.approx(10, abs=0.01)
    assert quality.to_dict()["sqnr_db_by_output"] == [MOST_DB, 20.0]
