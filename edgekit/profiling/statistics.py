"""What a list of timings says, without assuming that they are normally distributed or independent.

The interval of the median is the non-parametric one from order statistics: of n independent samples, the ranks
n/2 ± 1.96 · sqrt(n/4) enclose the true median with 95% (J.-Y. Le Boudec, Performance Evaluation of Computer and
Communication Systems, 2010, theorem 2.1). Timings that follow each other are alike, so n is divided by the variance
inflation of "above the median", estimated by batch means (R. W. Conway, Management Science 10(1), 1963; batches of
sqrt(n) samples as in Flegal and Jones, Annals of Statistics 38(2), 2010).

Slow runs stay in: an outlier is counted, never left out. It is what lies beyond the third quartile by more than three
times the distance between the quartiles ("far out", J. W. Tukey, Exploratory Data Analysis, 1977).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959964
MIN_BATCHES = 5
FAR_OUT = 3


@dataclass(frozen=True)
class LatencyStatistics:
    """Times of single runs in nanoseconds; ``p50_low_ns`` to ``p50_high_ns`` is the median's 95% interval.

    ``outliers`` of the ``n`` took longer than ``outlier_limit_ns``. ``inflation`` >= 1: so many dependent samples
    count as one independent one.
    """

    n: int
    p50_ns: float
    p50_low_ns: float
    p50_high_ns: float
    p90_ns: float
    p99_ns: float
    min_ns: float
    max_ns: float
    mean_ns: float
    inflation: float
    outliers: int
    outlier_limit_ns: float

    @property
    def per_second(self) -> float:
        """Throughput: runs per second over the whole sampling."""
        return 1e9 / self.mean_ns


def summarize(samples_ns: Sequence[int]) -> LatencyStatistics:
    """Statistics of at least one sample."""
    times = np.asarray(samples_ns, np.float64)
    inflation = variance_inflation(times)
    low, high = median_interval(times, inflation)
    p25, p50, p75, p90, p99 = np.quantile(times, (0.25, 0.5, 0.75, 0.9, 0.99))
    limit = float(p75 + FAR_OUT * (p75 - p25))
    return LatencyStatistics(
        n=len(times),
        p50_ns=float(p50),
        p50_low_ns=low,
        p50_high_ns=high,
        p90_ns=float(p90),
        p99_ns=float(p99),
        min_ns=float(times.min()),
        max_ns=float(times.max()),
        mean_ns=float(times.mean()),
        inflation=inflation,
        outliers=int((times > limit).sum()),
        outlier_limit_ns=limit,
    )


def median_interval(times: NDArray[np.float64], inflation: float = 1.0) -> tuple[float, float]:
    """The 95% confidence interval of the median of samples, as two of the samples."""
    ordered = np.sort(times)
    n = len(ordered)
    half_width = Z95 * math.sqrt(n * inflation) / 2
    low = max(0, math.floor(n / 2 - half_width) - 1)
    high = min(n - 1, math.ceil(n / 2 + 1 + half_width) - 1)
    return float(ordered[low]), float(ordered[high])


def exact_ranks(n: int) -> tuple[int, int]:
    """The ranks, from 1, of the two of n independent samples that enclose the median with at least 95%.

    Below six samples none do: then the first and the last.
    """
    outside, rank = 1 / 2**n, 1
    while rank < n / 2 and 2 * (more := outside + math.comb(n, rank) / 2**n) <= 0.05:
        outside, rank = more, rank + 1
    return rank, n + 1 - rank


def variance_inflation(times: NDArray[np.float64]) -> float:
    """Variance of the mean of "above the median" over what it would be for independent samples; at least 1."""
    size = math.isqrt(len(times))
    batches = len(times) // size if size else 0
    if batches < MIN_BATCHES:
        return 1.0
    above = (times > np.median(times)).astype(np.float64)
    variance = above.var()
    if variance == 0:
        return 1.0
    means = above[: batches * size].reshape(batches, size).mean(axis=1)
    return max(1.0, float(size * means.var(ddof=1) / variance))
