"""How good a model's outputs are: by the labels where there are some, and always against its original's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float32]

MOST_DB = 200.0
"""Signal to noise of outputs that are equal; float32 cannot be nearer without being so."""
COLUMNS = ("drop", "agreement", "signal to noise")
ERROR, AREA = "mean squared error", "AUC"
"""Metrics beside accuracy; an error is no share, and is better the smaller it is."""


@dataclass(frozen=True)
class Quality:
    """What the outputs of a model on some images are worth; shares are in [0, 1].

    Attributes:
        accuracy: what the labels say of the answers, by the task's ``metric``; None without labels or answers.
        agreement: the share of images with the original's answer; None for a model without answers.
        sqnr_db: signal to noise of the outputs against the original's, within MOST_DB.
        drop: points lost against the original, negative for a gain: of accuracy; of agreement where there are no
            labels; of a model without answers, the error of its outputs in percent of their size.
        metric: what accuracy is called in tables and documents.
        by_output: signal to noise of each output, where there are several.
    """

    accuracy: float | None
    agreement: float | None
    sqnr_db: float
    drop: float
    metric: str = "accuracy"
    by_output: tuple[float, ...] = ()

    @property
    def sqnr_if_differing(self) -> float | None:
        """Signal to noise in dB, None where the outputs are equal."""
        return None if self.sqnr_db == MOST_DB else self.sqnr_db

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        own = {self.metric: self.accuracy, "agreement": self.agreement, "sqnr_db": self.sqnr_if_differing}
        return own | ({"sqnr_db_by_output": list(self.by_output)} if self.by_output else {})

    def figures(self, split: str) -> dict[str, float]:
        """The figure that a model file carries, named after the split that it was measured on."""
        for name, value in ((self.metric, self.accuracy), ("agreement", self.agreement)):
            if value is not None:
                return {f"{split}_{name.replace(' ', '_')}": float(f"{value:.6g}")}
        return {} if self.sqnr_if_differing is None else {f"{split}_sqnr_db": round(self.sqnr_db, 2)}

    def cells(self) -> tuple[str, ...]:
        """Texts for the columns ``metric`` and COLUMNS; empty for what was not measured, and for equal outputs."""
        signal = "" if self.sqnr_if_differing is None else f"{self.sqnr_db:.1f} dB"
        return (self._figure(), f"{self.drop:.2f}", _share(self.agreement), signal)

    def headline(self) -> str:
        """The one figure that counts."""
        if self.accuracy is not None or self.agreement is not None:
            return self._figure() or f"{_share(self.agreement)} agreement"
        return "equal" if self.sqnr_if_differing is None else f"{self.sqnr_db:.1f} dB"

    def __str__(self) -> str:
        figures = ((_share(self.agreement), "agreement"), (self._figure(), self.metric))
        return "".join([f"{self.sqnr_db:.1f} dB", *(f", {text} {name}" for text, name in figures if text)])

    def _figure(self) -> str:
        """The metric, as a share or as a number."""
        if self.metric != ERROR:
            return _share(self.accuracy)
        return "" if self.accuracy is None else f"{self.accuracy:.5g}"


def signal_to_noise_db(reference: Reals, other: Reals) -> float:
    """``10 log10(Σ reference² / Σ (reference - other)²)``; infinite if they are equal."""
    signal = float(np.square(reference, dtype=np.float64).sum())
    noise = float(np.square(reference.astype(np.float64) - other).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def bounded_db(reference: Reals, other: Reals) -> float:
    """Signal to noise within MOST_DB."""
    return min(max(-MOST_DB, signal_to_noise_db(reference, other)), MOST_DB)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
