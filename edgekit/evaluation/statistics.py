"""Figures of a classifier, as pure functions of its scores."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """The 95% confidence interval of a share ``correct / count`` (Wilson 1927); (0, 1) if nothing was counted."""
    if count == 0:
        return (0.0, 1.0)
    share, z2 = correct / count, Z_95**2
    centre = share + z2 / (2 * count)
    reach = Z_95 * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return (max(0.0, (centre - reach) / (1 + z2 / count)), min(1.0, (centre + reach) / (1 + z2 / count)))


def confusion(labels: NDArray[np.int64], guesses: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts [classes, classes]: row = label, column = guess."""
    counts = np.bincount(labels * classes + guesses, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def signal_to_noise_db(reference: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """``10 log10(Σ reference² / Σ (reference - other)²)``; infinite if they are equal."""
    signal = float(np.square(reference, dtype=np.float64).sum())
    noise = float(np.square(reference.astype(np.float64) - other).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf
