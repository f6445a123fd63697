"""Models that give numbers, of which nothing more is known: they are compared with others', by signal to noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import TensorSpec
from edgekit.tasks.quality import MOST_DB, Quality, Reals, bounded_db

Labels = NDArray[np.int64]


class Figures(Protocol):
    """What labels say of a model's answers; ``cells`` are texts for the ``columns`` of its table."""

    columns: ClassVar[tuple[str, ...]]

    @property
    def images(self) -> int:
        """How many answers were looked at."""

    def cells(self) -> tuple[str, ...]:
        """Texts for the columns."""


def gives_back(shapes: Sequence[tuple[int, ...]], inputs: Sequence[tuple[int, ...]]) -> bool:
    """True if the one output has the shape of the one input, whatever their batch."""
    return len(shapes) == len(inputs) == 1 and len(shapes[0]) > 1 and shapes[0][1:] == inputs[0][1:]


class Outputs:
    """A task without answers, and the base of those that have some.

    Outputs are rows of real values, float32 [N, values], one row for each image.
    """

    metric = "accuracy"
    """What labels say of the answers, a share of 1."""
    most_images: int | None = 64
    """As many show how much was lost, where outputs may be large; None for all there are."""
    has_answers = False
    """True if labels can say which answers are right."""

    def fits(self, shapes: Sequence[tuple[int, ...]], inputs: Sequence[tuple[int, ...]] = ()) -> bool:
        """True for a model with outputs of these shapes, and inputs of those."""
        return True

    def allows(self, shapes: Sequence[tuple[int, ...]], inputs: Sequence[tuple[int, ...]]) -> bool:
        """True for a model that a user may name it for."""
        return True

    def classes(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """How many classes its answers know."""
        return 0

    def check_labels(self, labels: Labels, shapes: Sequence[tuple[int, ...]], source: str) -> None:
        """Raise DataError if the labels cannot be those of the model in the file ``source``."""

    def class_names(self, known: tuple[str, ...], found: tuple[str, ...], source: str, data: str) -> tuple[str, ...]:
        """The names that the file ``source`` (``known``) and ``data`` (``found``) agree on.

        Raises:
            DataError: they contradict each other.
        """
        return known

    def truth(self, labels: Labels | None, inputs: Callable[[], Reals]) -> Any:
        """What the answers are judged by, for the arguments ``labels`` here; None if nothing.

        ``inputs`` gives the model's real inputs, float32 [N, values].
        """
        return labels

    def metric_of(self, truth: Any) -> str:
        """What the metric by this truth is called."""
        return self.metric

    def lost(self, before: float, after: float, labels: Any) -> float:
        """Points that were lost of the metric."""
        return 100 * (before - after)

    def accuracy(self, outputs: Reals, labels: Labels) -> float | None:
        """The metric of the answers."""
        return None

    def agreement(self, outputs: Reals, reference: Reals) -> float | None:
        """The share of rows with the answer of ``reference``."""
        return None

    def quality(
        self, outputs: Reals, reference: Reals, labels: Labels | None = None, sizes: Sequence[int] = ()
    ) -> Quality:
        """What the outputs are worth against those of the original, and by the labels.

        ``sizes`` are the values of each output, where there are several.
        """
        accuracy, before = (None if labels is None else self.accuracy(rows, labels) for rows in (outputs, reference))
        agreement = self.agreement(outputs, reference)
        sqnr_db = bounded_db(reference, outputs)
        cuts = np.cumsum(sizes)[:-1]
        parts = zip(np.split(reference, cuts, axis=1), np.split(outputs, cuts, axis=1), strict=True)
        by_output = tuple(round(bounded_db(*pair), 2) for pair in parts) if len(sizes) > 1 else ()
        if accuracy is not None and before is not None:
            drop = self.lost(before, accuracy, labels)
        elif agreement is not None:
            drop = 100 * (1 - agreement)
        else:
            worst = min((sqnr_db, *by_output))
            drop = 0.0 if worst == MOST_DB else 100 * 10 ** (-worst / 20)
        return Quality(accuracy, agreement, sqnr_db, drop, self.metric_of(labels), by_output)

    def figures(self, outputs: Reals, labels: Labels, names: Sequence[str], spec: TensorSpec) -> Figures:
        """All that labels say of the answers, where there are some; ``spec`` is the first output's tensor."""
        raise NotImplementedError
