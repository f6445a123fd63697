"""Autoencoders: the output ought to be the input, and what is given back badly is unlike what was learned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import TensorSpec
from edgekit.errors import DataError
from edgekit.tasks.outputs import Labels, gives_back
from edgekit.tasks.quality import AREA, Reals
from edgekit.tasks.regression import Regression


@dataclass(frozen=True)
class Anomalies:
    """Real inputs float32 [N, values] with labels int64 [N]: 0 for the usual, anything else for an anomaly."""

    inputs: Reals
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Any) -> Anomalies:
        return Anomalies(self.inputs[rows], self.labels[rows])

    def errors(self, outputs: Reals) -> NDArray[np.float64]:
        """The mean squared error of each sample, float64 [N]."""
        return np.asarray(np.square(outputs.astype(np.float64) - self.inputs).mean(axis=1))


@dataclass(frozen=True)
class Detected:
    """How well the error of the reconstruction tells anomalies; ``auc`` is the area under the ROC curve.

    That is the share of pairs of an anomaly and a usual sample in which the anomaly has the larger error, which is the
    mean of the squares.
    """

    images: int
    anomalies: int
    auc: float
    usual_error: float
    anomalous_error: float

    columns: ClassVar[tuple[str, ...]] = (AREA, "anomalies", "error of the usual", "error of anomalies")

    def cells(self) -> tuple[str, ...]:
        """Texts for the columns."""
        return (f"{self.auc:.2%}", f"{self.anomalies:,}", f"{self.usual_error:.6g}", f"{self.anomalous_error:.6g}")


class Reconstruction(Regression):
    """One output of the shape of the one input; with labels, by the area under the ROC curve of its error."""

    def fits(self, shapes: Sequence[tuple[int, ...]], inputs: Sequence[tuple[int, ...]] = ()) -> bool:
        """True for the same shape in and out, unless it may be an image that is made into another."""
        return gives_back(shapes, inputs) and len(shapes[0]) < 4

    def allows(self, shapes: Sequence[tuple[int, ...]], inputs: Sequence[tuple[int, ...]]) -> bool:
        """True for as many values in as out, in whatever order of axes."""
        given, taken = (sum(abs(math.prod(shape)) for shape in ends) for ends in (shapes, inputs))
        return len(shapes) == len(inputs) == 1 and given == taken

    def truth(self, labels: Labels | None, inputs: Callable[[], Reals]) -> Any:
        """The inputs, with the labels where they tell anomalies from the usual: training samples are mostly usual."""
        return inputs() if labels is None or not _tell(labels) else Anomalies(inputs(), labels)

    def check_labels(self, labels: Labels, shapes: Sequence[tuple[int, ...]], source: str) -> None:
        """Raise DataError unless the labels tell anomalies from the usual."""
        if labels.dtype.kind == "f":
            raise DataError(f"{source} gives its input back: label samples 0, or 1 for an anomaly, or not at all.")
        if not _tell(labels):
            raise DataError("The labels tell no anomalies from the usual; label samples 0, or 1 for an anomaly.")

    def metric_of(self, truth: Any) -> str:
        """The area, or the error where nothing is said of anomalies."""
        return AREA if isinstance(truth, Anomalies) else self.metric

    def accuracy(self, outputs: Reals, labels: Any) -> float:
        """The area under the ROC curve, or the mean squared error."""
        if isinstance(labels, Anomalies):
            return area_under_curve(labels.errors(outputs), labels.labels != 0)
        return super().accuracy(outputs, labels)

    def lost(self, before: float, after: float, labels: Any) -> float:
        """Points of the area, or of the variance."""
        return 100 * (before - after) if isinstance(labels, Anomalies) else super().lost(before, after, labels)

    def figures(self, outputs: Reals, labels: Any, names: Sequence[str], spec: TensorSpec) -> Any:
        """What the labels say, or the errors alone."""
        if not isinstance(labels, Anomalies):
            return super().figures(outputs, labels, names, spec)
        errors, strange = labels.errors(outputs), labels.labels != 0
        means = float(errors[~strange].mean()), float(errors[strange].mean())
        return Detected(len(labels), int(strange.sum()), area_under_curve(errors, strange), *means)


TASK = Reconstruction()


def _tell(labels: Labels) -> bool:
    """True if there are both."""
    return len(np.unique(labels != 0)) > 1


def area_under_curve(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """The area under the ROC curve: the share of pairs that ``scores`` order rightly, half of those that are equal."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    found, others = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - found * (found + 1) / 2) / (found * others))
