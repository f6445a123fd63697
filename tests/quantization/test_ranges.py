"""What is remembered of a tensor in constant memory, and the ranges made from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgekit.errors import ModelError
from edgekit.quantization.histogram import HALF, MAX_SAMPLES, Glance, Histogram
from edgekit.quantization.ranges import METHODS, minmax, mse, percentile, squared_error

values32 = st.floats(-(2.0**20), 2.0**20, width=32, allow_subnormal=False)
batches = st.lists(arrays(np.float32, st.integers(1, 20), elements=values32), min_size=1, max_size=6)


def seen(*values: np.ndarray) -> Histogram:
    histogram = Histogram("tensor")
    for turn, value in enumerate(values):
        histogram.update(Glance.at(value, turn))
    return histogram


@given(batches)
def test_extremes_and_counts_are_exact_however_the_bins_grow(values: list[np.ndarray]) -> None:
    histogram, everything = seen(*values), np.concatenate(values)
    assert (histogram.low, histogram.high) == (everything.min(), everything.max())
    if everything.any():
        first = next(index for index, value in enumerate(values) if value.any())
        rest = np.concatenate(values[first:])
        assert histogram.counts.sum() == rest.size
        assert histogram.counts[:HALF].sum() == (rest < 0).sum()


def test_memory_does_not_grow_with_the_data() -> None:
    histogram, generator = Histogram("tensor"), np.random.default_rng(0)
    before = histogram.counts.nbytes
    for power in range(40):
        histogram.update(Glance.at(generator.normal(size=1000) * 2.0**power, power))
    assert histogram.counts.nbytes == before


def test_bins_stay_finer_than_an_eighth_of_an_int8_step() -> None:
    histogram = seen(*(np.array([value], np.float32) for value in (1.0, 1.001, 17.0, 900.0)))
    assert histogram.width <= 900 / 255 / 8 * 1.01


def test_of_a_large_tensor_every_extreme_but_only_a_sample_is_taken() -> None:
    values = np.linspace(0, 1, 5 * MAX_SAMPLES + 3)
    histogram = seen(values)
    assert histogram.high == 1
    assert 0.8 * MAX_SAMPLES <= histogram.counts.sum() <= MAX_SAMPLES
    assert abs(np.average(histogram.centres, weights=histogram.counts) - 0.5) < 1e-3


def test_values_that_are_no_numbers_are_refused_with_the_tensors_name() -> None:
    with pytest.raises(ModelError, match="'tensor'"):
        seen(np.array([0.0, np.nan]))


@given(batches, st.sampled_from(sorted(METHODS)))
def test_every_range_holds_zero_and_nothing_beyond_the_extremes(values: list[np.ndarray], method: str) -> None:
    histogram = seen(*values)
    low, high = METHODS[method](histogram)
    assert min(histogram.low, 0) <= low <= 0 <= high <= max(histogram.high, 0)


@given(batches)
def test_mse_is_never_worse_than_minmax_on_what_it_saw(values: list[np.ndarray]) -> None:
    histogram = seen(*values)
    centres, counts = histogram.occupied()
    if counts.size:
        assert squared_error(centres, counts, mse(histogram)) <= squared_error(centres, counts, minmax(histogram))


def test_percentile_and_mse_give_up_a_lone_outlier() -> None:
    values = np.random.default_rng(0).normal(size=(40, 8000))
    histogram = seen(*values, np.array([12.0]))
    assert minmax(histogram)[1] == 12
    assert percentile(histogram)[1] == pytest.approx(np.percentile(values, 99.99), rel=0.02)
    assert mse(histogram)[1] < 8


def test_a_tensor_of_zeros_has_an_empty_range_by_every_method() -> None:
    assert {method(seen(np.zeros(4))) for method in METHODS.values()} == {(0.0, 0.0)}
