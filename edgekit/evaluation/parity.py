"""Parity: the answers of two files or runtimes as integers on one scale, and how many steps lie between them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GRID_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Parity:
    """Outputs as integers on a common scale; ``differences`` counts values by their distance in steps."""

    differences: dict[int, int]
    equal_images: int

    @property
    def equal_share(self) -> float:
        """The share of output values that are equal."""
        return self.differences.get(0, 0) / sum(self.differences.values())

    @property
    def largest(self) -> int:
        """The largest difference, in steps."""
        return max(self.differences)

    def to_dict(self) -> dict[str, Any]:
        """Plain values with the derived ones, for JSON."""
        return {**asdict(self), "equal_share": self.equal_share, "largest": self.largest}

    def rows(self, images: int) -> list[tuple[str, str]]:
        """What a person reads of it."""
        return [
            ("equal integers", f"{self.equal_share:.3%}"),
            ("images with all equal", f"{self.equal_images} of {images}"),
            ("largest difference", f"{self.largest} steps"),
        ]


def parity_of(
    ours: NDArray[np.float32], theirs: NDArray[np.float32], scale: float | None, other_scale: float | None
) -> Parity | None:
    """Both sides, [N, values], in steps of the scale that they share; None if there is none.

    A float output counts if its values lie on the other's grid.
    """
    if scale is not None and other_scale is not None and not math.isclose(scale, other_scale, rel_tol=1e-6):
        return None
    step = scale or other_scale
    if step is None:
        return None
    exact = [ours / np.float64(step), theirs / np.float64(step)]
    if any(np.abs(values - np.rint(values)).max() > GRID_TOLERANCE for values in exact):
        return None
    distance = np.abs(np.rint(exact[0]) - np.rint(exact[1])).astype(np.int64)
    counts = Counter(distance.ravel().tolist())
    return Parity(dict(sorted(counts.items())), int((distance == 0).all(axis=1).sum()))
