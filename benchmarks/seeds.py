"""How sure a difference is that was measured with several seeds."""

from __future__ import annotations

from math import sqrt
from statistics import fmean, stdev
from typing import Any

T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Of Student's distribution with 1, 2, ... degrees of freedom."""
SEEDS = range(2, len(T975) + 2)
"""So many have an interval."""


def paired(own: list[float], others: list[float]) -> dict[str, Any]:
    """The mean difference of the accuracies [0, 1] of the same seeds, in points, with its 95% interval (Student)."""
    points = [100 * (one - other) for one, other in zip(own, others, strict=True)]
    n, mean = len(points), fmean(points)
    found = {"n": n, "points": round(mean, 3), "of_seeds": [round(point, 3) for point in points]}
    if n not in SEEDS:
        return found
    half = T975[n - 2] * stdev(points) / sqrt(n)
    return {**found, "low": round(mean - half, 3), "high": round(mean + half, 3)}
