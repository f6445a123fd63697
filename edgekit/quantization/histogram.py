"""What is kept of an activation tensor while calibration images stream by: its extremes and a histogram.

The histogram has a fixed number of bins around zero. When a value falls outside, neighbouring bins are merged in pairs
and the bin width doubles until it fits: counts stay exact and memory stays constant, whatever the order of the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ModelError

HALF = 4096
"""Bins on each side of zero. After a doubling at least half of them are in use: 8 bins per int8 step."""

MAX_SAMPLES = 1 << 13
"""Values per image and tensor that enter the histogram; the extremes are taken over all of them."""

SMALLEST_REACH = 2.0**-60
"""Values below it are as good as zero, and narrower bins would leave float32's normal range."""


@dataclass(frozen=True)
class Glance:
    """What a histogram takes of one array: its extremes and at most MAX_SAMPLES of its values, evenly spread."""

    low: float
    high: float
    sample: NDArray[Any]

    @classmethod
    def at(cls, values: NDArray[Any], turn: int) -> Glance:
        """Look at an array of any shape; the first value sampled moves on with ``turn``, so that all are seen."""
        flat = values.reshape(-1)
        stride = -(-flat.size // MAX_SAMPLES)
        return cls(float(flat.min()), float(flat.max()), flat[turn % stride :: stride].copy())


class Histogram:
    """Running minimum, maximum and histogram of the values of the tensor called ``name``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.low, self.high = math.inf, -math.inf
        self.counts = np.zeros(2 * HALF, np.int64)
        self.width = 0.0

    def update(self, seen: Glance) -> None:
        """Take in what was seen of one more array.

        Raises:
            ModelError: a value is not finite.
        """
        low, high = seen.low, seen.high
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ModelError(f"Tensor '{self.name}' takes values that are not finite; check the model and its input.")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._cover(max(-self.low, self.high))
        if self.width:
            bins = np.floor(seen.sample / self.width).astype(np.int32) + HALF
            self.counts += np.bincount(np.minimum(bins, 2 * HALF - 1), minlength=2 * HALF)

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of each bin, kept inside the extremes that were seen."""
        middles = (np.arange(-HALF, HALF) + 0.5) * self.width
        return np.clip(middles, self.low, self.high)

    def occupied(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(centres, counts) of the bins that hold anything."""
        filled = np.flatnonzero(self.counts)
        return self.centres[filled], self.counts[filled]

    def _cover(self, reach: float) -> None:
        """Widen the bins until they span [-reach, reach]."""
        if reach == 0:
            return
        if self.width == 0:
            self.width = max(reach, SMALLEST_REACH) / HALF
        while reach > self.width * HALF:
            merged = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.concatenate([np.zeros(HALF // 2, np.int64), merged, np.zeros(HALF // 2, np.int64)])
            self.width *= 2
