"""Three ways to turn what calibration saw of a tensor into the range that its int8 values will cover.

``minmax`` keeps every value, ``percentile`` gives up the rarest on each side, ``mse`` weighs clipping against rounding
by the mean squared error over the histogram (as in Banner et al. 2019). None is best everywhere, so the ladder tries
each on the whole network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgekit.quantization.histogram import Histogram
from edgekit.scales import range_quantization

Range = tuple[float, float]

PERCENTILE = 99.99
"""Share of the values, in percent, that stay inside the range on each side."""

SHRINKAGES = tuple(1 - step / 50 for step in range(41))
"""The shares of the full range that ``mse`` tries on each side."""


def minmax(histogram: Histogram) -> Range:
    """Every value that was seen, and zero."""
    return min(histogram.low, 0.0), max(histogram.high, 0.0)


def percentile(histogram: Histogram) -> Range:
    """All but the rarest values on each side."""
    low, high = minmax(histogram)
    centres, counts = histogram.occupied()
    if not counts.size:
        return low, high
    below = np.cumsum(counts) / counts.sum()
    inner = centres[np.searchsorted(below, 1 - PERCENTILE / 100)], centres[np.searchsorted(below, PERCENTILE / 100)]
    return min(float(inner[0]), 0.0), max(float(inner[1]), 0.0)


def mse(histogram: Histogram) -> Range:
    """The range with the least mean squared error: both ends shrunk together, then each on its own."""
    low, high = minmax(histogram)
    centres, counts = histogram.occupied()
    if low == high or not counts.size:
        return low, high
    error = partial(squared_error, centres, counts)
    best = min(((low * share, high * share) for share in SHRINKAGES), key=error)
    best = min(((low * share, best[1]) for share in SHRINKAGES), key=error)
    return min(((best[0], high * share) for share in SHRINKAGES), key=error)


METHODS: Mapping[str, Callable[[Histogram], Range]] = {"mse": mse, "minmax": minmax, "percentile": percentile}
AUTO = "auto"
RANGE_METHODS = (AUTO, *METHODS)


def squared_error(values: NDArray[np.float64], counts: NDArray[np.int64], candidate: Range) -> float:
    """Mean squared difference between the values and what int8 over the range ``candidate`` keeps of them."""
    affine = range_quantization(*candidate)
    lowest, highest = (limit - affine.zero_point for limit in affine.limits)
    kept = np.clip(np.rint(values / affine.scale), lowest, highest) * affine.scale
    return float(np.square(values - kept) @ counts / counts.sum())
