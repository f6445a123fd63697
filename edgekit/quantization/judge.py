"""A judge of candidates: how close a quantized model's scores stay to the float model's, on a few images."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.dataset import Split
from edgekit.evaluation.statistics import signal_to_noise_db
from edgekit.inputs.contract import InputContract
from edgekit.quantization.calibrate import RealInputs, Reals, outputs_of
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.quality import points_lost

if TYPE_CHECKING:
    from onnx import ModelProto

MOST_DB = 200.0
"""Reported for scores that are equal."""


@dataclass(frozen=True)
class Verdict:
    """``sqnr_db`` and ``agreement`` compare with the float model; ``accuracy`` is None without labels.

    ``agreement`` is None for a model that does not answer with one row of scores. ``drop`` is in points, as that of
    the files (``measure.points_lost``).
    """

    sqnr_db: float
    agreement: float | None
    accuracy: float | None
    drop: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {name: value if value is None else round(value, 6) for name, value in asdict(self).items()}

    def __str__(self) -> str:
        accuracy = "" if self.accuracy is None else f", {self.accuracy:.2%} accuracy"
        agreement = "" if self.agreement is None else f", {self.agreement:.2%} agreement"
        return f"{self.sqnr_db:.1f} dB{agreement}{accuracy}"


def gives_one_row(model: ModelProto) -> bool:
    """True for a prepared model whose only output is one row of scores."""
    shapes = [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in model.graph.output]
    return len(shapes) == 1 and len(shapes[0]) >= 1 and shapes[0][-1] >= 2 and all(size == 1 for size in shapes[0][:-1])


class Judge:
    """Judges on the images ``indices`` of a split; the float model answers once."""

    def __init__(self, model: ModelProto, contract: InputContract, split: Split, indices: NDArray[np.int64]) -> None:
        self.split, self.indices = split, indices
        self.is_classifier = gives_one_row(model)
        labelled = self.is_classifier and split.labels is not None
        self.labels = np.asarray(split.labels)[indices] if labelled else None
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
        sqnr = sqnr if math.isfinite(sqnr) else -MOST_DB
        same = scores.argmax(axis=1) == self.scores.argmax(axis=1)
        agreement = float(np.mean(same)) if self.is_classifier else None
        accuracy = self._accuracy(scores)
        return Verdict(sqnr, agreement, accuracy, points_lost(accuracy, self.accuracy, agreement, sqnr))

    def _scores(self, model: ModelProto, contract: InputContract) -> Reals:
        """All outputs for every image, [images, values]."""
        return outputs_of(model, RealInputs(self.split, self.indices, contract))

    def _accuracy(self, scores: Reals) -> float | None:
        return None if self.labels is None else float(np.mean(scores.argmax(axis=1) == self.labels))
