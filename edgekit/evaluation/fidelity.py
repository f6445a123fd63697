"""How near the values of one file are to another's.

Parity counts integers: on 8-bit outputs of the same scale, how many are equal and by how many steps the others
differ. Fidelity takes the first as the reference: signal to noise and largest error of the real values.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgekit.console import counted
from edgekit.tasks.quality import signal_to_noise_db

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
            ("samples with all equal", f"{self.equal_images} of {images}"),
            ("largest difference", counted(self.largest, "steps")),
        ]


@dataclass(frozen=True)
class Fidelity:
    """How near real values are to those of a reference.

    ``sqnr_db`` is None where they are equal, or those of the reference all zero; ``parity`` is None unless both lie on
    one 8-bit scale.
    """

    sqnr_db: float | None
    largest_error: float
    parity: Parity | None

    @classmethod
    def of(
        cls, ours: NDArray[np.float32], theirs: NDArray[np.float32], scale: float | None, other_scale: float | None
    ) -> Self:
        """Of both sides, [N, values], whose stored values have these scales; None for float ones."""
        sqnr = signal_to_noise_db(ours, theirs)
        largest = float(np.abs(ours - theirs).max(initial=0.0))
        return cls(sqnr if math.isfinite(sqnr) else None, largest, parity_of(ours, theirs, scale, other_scale))

    def rows(self, images: int) -> list[tuple[str, str]]:
        """What a person reads of it."""
        signal = "no signal" if self.largest_error else "equal"
        facts = [
            ("signal to noise", signal if self.sqnr_db is None else f"{self.sqnr_db:.1f} dB"),
            ("largest error", f"{self.largest_error:.6g}"),
        ]
        return facts + (self.parity.rows(images) if self.parity else [])


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
