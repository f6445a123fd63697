"""Numbers that ought to be given ones: judged by the mean of the squares of their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import TensorSpec
from edgekit.console import counted
from edgekit.errors import DataError
from edgekit.tasks.outputs import Labels, Outputs
from edgekit.tasks.quality import ERROR, Reals

TINY = 1e-30


@dataclass(frozen=True)
class Regressed:
    """What a model's numbers are beside those they ought to be.

    ``explained`` is the share of the targets' variance that is not error (R²), 1 for no error; None where they have no
    variance.
    """

    images: int
    mean_squared_error: float
    mean_absolute_error: float
    explained: float | None

    columns: ClassVar[tuple[str, ...]] = (ERROR, "mean absolute error", "R²")

    def cells(self) -> tuple[str, ...]:
        """Texts for the columns."""
        explained = "" if self.explained is None else f"{self.explained:.4f}"
        return (f"{self.mean_squared_error:.6g}", f"{self.mean_absolute_error:.6g}", explained)


class Regression(Outputs):
    """All outputs together have a target each, float32 [N, values] or as many in other shapes."""

    metric = ERROR
    most_images = None
    has_answers = True

    def fits(self, shapes: Sequence[tuple[int, ...]], inputs: Sequence[tuple[int, ...]] = ()) -> bool:
        """No shape says that numbers are no scores: labels that are no classes do, or the user."""
        return False

    def check_labels(self, labels: Labels, shapes: Sequence[tuple[int, ...]], source: str) -> None:
        """Raise DataError unless there is a target for each value."""
        given, wanted = labels[0].size, sum(abs(int(np.prod(shape))) for shape in shapes)
        if given != wanted:
            raise DataError(
                f"{source} gives {counted(wanted, 'values')}, and the labels have {given} for each sample; give a "
                "target for each value, or class numbers from 0."
            )

    def accuracy(self, outputs: Reals, labels: Labels) -> float:
        """The mean squared error."""
        return float(np.square(_errors(outputs, labels)).mean())

    def lost(self, before: float, after: float, labels: Any) -> float:
        """The squared error that was added, in percent of the targets' variance: points of R²."""
        return 100 * (after - before) / max(float(np.var(labels, dtype=np.float64)), TINY)

    def figures(self, outputs: Reals, labels: Labels, names: Sequence[str], spec: TensorSpec) -> Regressed:
        """The errors, in the outputs' own units."""
        errors, variance = _errors(outputs, labels), float(np.var(labels, dtype=np.float64))
        squared = float(np.square(errors).mean())
        explained = 1 - squared / variance if variance else None
        return Regressed(len(labels), squared, float(np.abs(errors).mean()), explained)


TASK = Regression()


def _errors(outputs: Reals, labels: Labels) -> NDArray[np.float64]:
    return np.asarray(outputs.astype(np.float64) - np.asarray(labels, np.float64).reshape(outputs.shape))
