"""A judge of candidates: how close a quantized model's scores stay to the float model's, on a few images."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import InputContract
from edgekit.data.dataset import Split
from edgekit.evaluate.statistics import signal_to_noise_db
from edgekit.quantize.calibrate import RealInputs, Reals, open_session
from edgekit.quantize.plan import Plan
from edgekit.quantize.qdq import insert_qdq

if TYPE_CHECKING:
    from onnx import ModelProto

MOST_DB = 200.0
"""Reported for scores that are equal."""


@dataclass(frozen=True)
class Verdict:
    """``sqnr_db`` and ``agreement`` compare with the float model; ``accuracy`` is None without labels.

    ``drop`` is in points: of accuracy, or of agreement where there are no labels.
    """

    sqnr_db: float
    agreement: float
    accuracy: float | None
    drop: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {name: value if value is None else round(value, 6) for name, value in asdict(self).items()}

    def __str__(self) -> str:
        accuracy = "" if self.accuracy is None else f", {self.accuracy:.2%} accuracy"
        return f"{self.sqnr_db:.1f} dB, {self.agreement:.2%} agreement{accuracy}"


class Judge:
    """Judges on the images ``indices`` of a split; the float model answers once."""

    def __init__(self, model: ModelProto, contract: InputContract, split: Split, indices: NDArray[np.int64]) -> None:
        self.split, self.indices = split, indices
        self.labels = None if split.labels is None else np.asarray(split.labels)[indices]
        self.scores = self._scores(model, contract)
        self.accuracy = self._accuracy(self.scores)

    def first(self, count: int) -> Judge:
        """A judge on the first of these images only."""
        few = copy(self)
        few.indices, few.scores = self.indices[:count], self.scores[:count]
        few.labels = None if self.labels is None else self.labels[:count]
        few.accuracy = few._accuracy(few.scores)
        return few

    def judge(self, model: ModelProto, plan: Plan, contract: InputContract) -> Verdict:
        """Run the file that would be written, with real values at its ends."""
        scores = self._scores(insert_qdq(model, plan, "float32", "uint8"), contract)
        sqnr = min(signal_to_noise_db(self.scores, scores), MOST_DB)
        agreement = float(np.mean(scores.argmax(axis=1) == self.scores.argmax(axis=1)))
        accuracy = self._accuracy(scores)
        lost = 1 - agreement if accuracy is None or self.accuracy is None else self.accuracy - accuracy
        return Verdict(sqnr if math.isfinite(sqnr) else -MOST_DB, agreement, accuracy, 100 * lost)

    def _scores(self, model: ModelProto, contract: InputContract) -> Reals:
        """The first output for every image, flattened [images, scores]."""
        session = open_session(model, optimize=True)
        name = model.graph.input[0].name
        inputs = RealInputs(self.split, self.indices, contract)
        return np.stack([session.run(None, {name: image})[0].reshape(-1) for image in inputs])

    def _accuracy(self, scores: Reals) -> float | None:
        return None if self.labels is None else float(np.mean(scores.argmax(axis=1) == self.labels))
