"""The figures against values worked out elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.tasks.classification import confusion, probabilities, wilson_interval
from edgekit.tasks.quality import signal_to_noise_db


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (9940, 10_000, 0.9923, 0.9953)],
)
def test_wilson_interval_agrees_with_published_values(correct: int, count: int, low: float, high: float) -> None:
    assert wilson_interval(correct, count) == pytest.approx((low, high), abs=1e-4)


def test_nothing_is_known_from_no_images() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_confusion_counts_labels_in_rows_and_guesses_in_columns() -> None:
    counts = confusion(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 0]), 3)
    np.testing.assert_array_equal(counts, [[1, 0, 1], [0, 1, 0], [1, 0, 0]])


def test_a_tenth_of_the_amplitude_as_noise_is_20_db() -> None:
    signal = np.array([[3.0, 4.0]], np.float32)
    assert signal_to_noise_db(signal, signal * np.float32(1.1)) == pytest.approx(20, abs=1e-4)
    assert signal_to_noise_db(signal, signal) == math.inf


def test_logits_go_through_softmax_and_probabilities_stay_as_they_are() -> None:
    logits = np.array([[1000.0, 1000.0, -1000.0]], np.float32)
    np.testing.assert_allclose(probabilities(logits), [[0.5, 0.5, 0.0]])
    certain = np.array([[0.90234375, 0.09375, 0.0]], np.float32)
    np.testing.assert_allclose(probabilities(certain), certain / certain.sum(), rtol=1e-6)
