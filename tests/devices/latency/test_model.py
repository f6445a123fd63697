"""A fitted model gives back the rates that made its data, and its interval covers what it says."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.devices.latency.model import LatencyTable, features, fit_rates, least_squares
from edgekit.devices.latency.workload import Layer, Workload, convolution, dense
from edgekit.errors import EdgekitError

NAMES = ("pointwise.macs", "depthwise.macs", "values", "layers")


def network(size: int, width: int, repeats: int) -> Workload:
    """Separable blocks of ``width`` channels on size × size positions, some of them added, and a classifier."""
    rows = size * size
    block = (convolution(rows, width, width, 9, width), convolution(rows, width, width))
    added = (Layer("elementwise", rows * width, 2 * rows * width),) * (repeats // 2)
    return Workload("float32", (convolution(rows, 3, width, 9), *block * repeats, *added, dense(width, 1000)))


NETWORKS = [network(size, width, repeats) for size in (12, 28, 56) for width in (16, 64, 160) for repeats in (2, 9)]


def _table(**values):
    known = {
        "runtime": "litert",
        "precision": "float32",
        "threads": 1,
        "coefficients": {"conv.macs": 0.1},
        "fitted_on": "a test",
        "rows": 5,
        "families": 2,
        "median_error": 0.1,
        "p90_error": 0.2,
        "low": 0.8,
        "high": 1.25,
    }
    return LatencyTable(**{**known, **values})


def test_rates_come_back_from_the_latencies_that_they_made():
    matrix = np.array([features(item, NAMES) for item in NETWORKS])
    rates = np.array([0.1, 0.9, 0.7, 30_000.0])
    assert fit_rates(matrix, matrix @ rates, strength=1e-9) == pytest.approx(rates, rel=1e-3)


def test_no_rate_is_below_zero_whatever_the_data():
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert (least_squares(rng.standard_normal((12, 6)), rng.standard_normal(12)) >= 0).all()


def test_least_squares_above_zero_meets_the_conditions_of_a_minimum():
    rng = np.random.default_rng(1)
    for _ in range(50):
        matrix, goal = rng.standard_normal((12, 6)), rng.standard_normal(12)
        x = least_squares(matrix, goal)
        slope = matrix.T @ (goal - matrix @ x)
        assert slope[x > 0] == pytest.approx(0, abs=1e-8)
        assert (slope[x == 0] <= 1e-8).all()


def test_a_prediction_shows_its_interval_and_what_it_is():
    workload = Workload("float32", (convolution(rows=9_000, depth=100, columns=68, window=9),))
    prediction = _table().predict(workload)
    assert str(prediction) == "55 ms (44–69, predicted)"
    assert prediction.to_dict()["provenance"] == "predicted"


@pytest.mark.parametrize(
    ("latency", "low", "high", "text"),
    [
        (1234.2, 0.95, 1.05, "1230 ms (1170–1300, predicted)"),
        (12.34, 0.95, 1.05, "12.3 ms (11.7–13.0, predicted)"),
        (0.1234, 0.95, 1.05, "0.123 ms (0.117–0.130, predicted)"),
        (1234.2, 0.7, 1.3, "1200 ms (860–1600, predicted)"),
        (9.97, 0.7, 1.3, "10 ms (7.0–13, predicted)"),
        (0.293, 0.7, 1.3, "0.29 ms (0.21–0.38, predicted)"),
    ],
)
def test_a_prediction_shows_as_many_digits_as_its_interval_leaves(latency, low, high, text):
    workload = NETWORKS[0]
    rate = latency * 1e6 / workload.macs
    rates = dict.fromkeys(("conv.macs", "pointwise.macs", "depthwise.macs", "dense.macs"), rate)
    assert str(_table(coefficients=rates, low=low, high=high).predict(workload)) == text


def test_an_interval_is_as_wide_as_what_the_network_consists_of_is_doubtful():
    table = _table(
        coefficients={"conv.macs": 0.1, "layers": 1e6}, doubt={"layers": 0.5}, low=1 / 1.2, high=1.2, threads=4
    )
    large, small = convolution(rows=90_000, depth=100, columns=68, window=9), convolution(10, 8, 8, 9)
    plain, doubtful = (table.predict(Workload("float32", (layer,))) for layer in (large, small))
    assert plain.high_ms / plain.latency_ms == pytest.approx(1.2, rel=0.01)
    assert doubtful.high_ms / doubtful.latency_ms == pytest.approx(np.exp(np.hypot(np.log(1.2), 0.5)), rel=0.01)
    assert doubtful.latency_ms / doubtful.low_ms == pytest.approx(doubtful.high_ms / doubtful.latency_ms)


@pytest.mark.parametrize(
    "wrong", [{"low": 1.1}, {"high": 0.9}, {"coefficients": {}}, {"coefficients": {"conv.macs": -1.0}}]
)
def test_a_table_that_cannot_be_true_is_refused(wrong):
    with pytest.raises(EdgekitError):
        _table(**wrong)


def test_a_table_round_trips_through_plain_values():
    for table in (_table(), _table(median_error=None, p90_error=None)):
        assert LatencyTable.from_dict(table.to_dict(), "here") == table
