import numpy as np
import pytest

from edgekit.profiling.statistics import exact_ranks, median_interval, summarize, variance_inflation


def test_the_interval_of_50_samples_has_the_published_ranks():
    """Le Boudec 2010, table A.1: the 18th and the 33rd of 50."""
    assert median_interval(np.arange(1.0, 51.0)) == (18, 33)


@pytest.mark.parametrize(("n", "ranks"), [(1, (1, 1)), (5, (1, 5)), (6, (1, 6)), (14, (3, 12)), (50, (18, 33))])
def test_few_samples_have_the_exact_ranks(n, ranks):
    assert exact_ranks(n) == ranks


def test_the_interval_never_leaves_the_samples():
    assert median_interval(np.array([3.0, 1.0, 2.0])) == (1, 3)


def independent(rng: np.random.Generator) -> np.ndarray:
    return rng.lognormal(size=200)


def alike_neighbours(rng: np.random.Generator) -> np.ndarray:
    """An autoregressive series with median 0: each sample is mostly the one before."""
    noise = rng.normal(size=3000)
    series = np.empty_like(noise)
    series[0] = noise[0]
    for index in range(1, len(noise)):
        series[index] = 0.7 * series[index - 1] + noise[index]
    return series


@pytest.mark.parametrize(("draw", "median"), [(independent, 1.0), (alike_neighbours, 0.0)])
def test_the_interval_holds_the_true_median_about_95_times_in_100(draw, median):
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        samples = draw(rng)
        low, high = median_interval(samples, variance_inflation(samples))
        hits += low <= median <= high
    assert hits >= 184


def test_samples_that_resemble_their_neighbours_count_for_less():
    rng = np.random.default_rng(2)
    assert variance_inflation(alike_neighbours(rng)) > 2
    assert variance_inflation(independent(rng)) < 2


def test_the_summary_describes_the_samples():
    statistics = summarize(range(1, 102))
    assert (statistics.n, statistics.min_ns, statistics.p50_ns, statistics.p90_ns, statistics.p99_ns) == (
        *(101, 1, 51, 91, 100),
    )
    assert statistics.max_ns == 101
    assert statistics.p50_low_ns < 51 < statistics.p50_high_ns


def test_slow_runs_are_counted_as_outliers_and_stay_in():
    statistics = summarize([*range(100, 200), 10_000])
    assert (statistics.n, statistics.outliers, statistics.max_ns) == (101, 1, 10_000)
    assert 199 < statistics.outlier_limit_ns < 10_000


def test_throughput_is_runs_per_second_of_the_whole_sampling():
    assert summarize([1_000_000, 3_000_000]).per_second == 500


@pytest.mark.parametrize("samples", [[7], [7] * 100])
def test_equal_samples_have_an_interval_of_no_width(samples):
    statistics = summarize(samples)
    assert statistics.p50_low_ns == statistics.p50_ns == statistics.p50_high_ns == 7
