"""Classifiers of images, texts or arrays: one row of scores for each sample, of which the largest is the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import TensorSpec
from edgekit.errors import DataError
from edgekit.inputs.tensors import to_probabilities
from edgekit.tasks.outputs import Labels, Outputs, gives_back
from edgekit.tasks.quality import Reals

PROBABILITY_STEP = 1 / 256
WORST_MISTAKES = 24
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Mistake:
    """A wrong answer: the image's index in its split, and the probabilities that the model gave to guess and truth."""

    index: int
    label: int
    guess: int
    probability: float
    label_probability: float


@dataclass(frozen=True)
class Classified:
    """What a classifier did on labelled images. Shares are in [0, 1]; ``mistakes`` are the most confident ones first.

    ``interval`` is the 95% one of the accuracy, ``confusion`` has a row for each label and a column for each guess.
    """

    images: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    classes: tuple[str, ...]
    per_class: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]
    mistakes: tuple[Mistake, ...]

    columns: ClassVar[tuple[str, ...]] = ("accuracy", "95% interval", "wrong", "weakest class")

    def cells(self) -> tuple[str, ...]:
        """Texts for the columns."""
        share, name = min(pair for pair in zip(self.per_class, self.classes, strict=True) if pair[0] is not None)
        low, high = self.interval
        wrong = str(self.images - self.correct)
        return (f"{self.accuracy:.2%}", f"{low:.2%} to {high:.2%}", wrong, f"{name} ({share:.1%})")


class Classification(Outputs):
    """The only output is one row of scores."""

    most_images = None
    has_answers = True

    def fits(self, shapes: Sequence[tuple[int, ...]], inputs: Sequence[tuple[int, ...]] = ()) -> bool:
        """True for one row of scores other than the input."""
        return self.allows(shapes, inputs) and not gives_back(shapes, inputs)

    def allows(self, shapes: Sequence[tuple[int, ...]], inputs: Sequence[tuple[int, ...]]) -> bool:
        """True for one output [classes] or [1, ..., classes] of at least two."""
        return len(shapes) == 1 and shapes[0][-1:] >= (2,) and all(size in (-1, 1) for size in shapes[0][:-1])

    def classes(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """How many scores a row has."""
        return shapes[0][-1]

    def check_labels(self, labels: Labels, shapes: Sequence[tuple[int, ...]], source: str) -> None:
        """Raise DataError if a label has no score."""
        if labels.dtype.kind == "f":
            raise DataError(f"{source} gives {self.classes(shapes)} scores, but the data have no class numbers.")
        classes, highest = self.classes(shapes), int(labels.max())
        if highest >= classes:
            raise DataError(
                f"{source} gives {classes} scores, but the data have a class {highest}; "
                "choose the data that belong to the model."
            )

    def class_names(self, known: tuple[str, ...], found: tuple[str, ...], source: str, data: str) -> tuple[str, ...]:
        """Those of the data, unless these only count the classes that the file knows by name."""
        if len(known) == len(found) and found == tuple(map(str, range(len(known)))):
            return known
        if known and known != found:
            raise DataError(
                f"{source} knows the classes {_brief(known)}, but {data} has {_brief(found)}; "
                "choose the data that belong to the model."
            )
        return found

    def accuracy(self, outputs: Reals, labels: Labels) -> float:
        """The share of rows whose largest score is the label's."""
        return float(np.mean(outputs.argmax(axis=1) == labels))

    def agreement(self, outputs: Reals, reference: Reals) -> float:
        """The share of rows with the same largest score."""
        return float(np.mean(outputs.argmax(axis=1) == reference.argmax(axis=1)))

    def figures(self, outputs: Reals, labels: Labels, names: Sequence[str], spec: TensorSpec) -> Classified:
        """The classes are numbered unless there is a name for each."""
        classes, guesses = outputs.shape[1], outputs.argmax(axis=1)
        counts = confusion(labels, guesses, classes)
        totals, hits = counts.sum(axis=1), counts.diagonal()
        correct = int(hits.sum())
        return Classified(
            images=len(labels),
            correct=correct,
            accuracy=correct / len(labels),
            interval=wilson_interval(correct, len(labels)),
            classes=tuple(names) if len(names) == classes else tuple(map(str, range(classes))),
            per_class=tuple(int(hit) / int(total) if total else None for hit, total in zip(hits, totals, strict=True)),
            confusion=tuple(tuple(int(count) for count in row) for row in counts),
            mistakes=_worst_mistakes(probabilities(outputs, spec), labels, guesses),
        )


TASK = Classification()


def probabilities(scores: Reals, output: TensorSpec | None = None) -> NDArray[np.float64]:
    """Scores [N, classes] as probabilities: as they are if each row is one already, by softmax otherwise.

    An 8-bit output with the scale that the LiteRT 8-bit specification gives to softmax and logistic alone holds
    probabilities even where rounding many small ones to 0 has made their sum less than 1.
    """
    return to_probabilities(scores, output is not None and holds_probabilities(output))


def holds_probabilities(output: TensorSpec) -> bool:
    """True if the specification's scale for softmax and logistic says so; ``probabilities`` looks at other outputs."""
    if output.scale is None or output.dtype not in ("int8", "uint8"):
        return False
    return math.isclose(output.scale, PROBABILITY_STEP) and output.zero_point == np.iinfo(output.dtype).min


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """The 95% confidence interval of a share ``correct / count`` (Wilson 1927); (0, 1) if nothing was counted."""
    if count == 0:
        return (0.0, 1.0)
    share, z2 = correct / count, Z_95**2
    centre = share + z2 / (2 * count)
    reach = Z_95 * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return (max(0.0, (centre - reach) / (1 + z2 / count)), min(1.0, (centre + reach) / (1 + z2 / count)))


def confusion(labels: Labels, guesses: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts [classes, classes]: row = label, column = guess."""
    counts = np.bincount(labels * classes + guesses, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def macro_f1(counts: Sequence[Sequence[int]]) -> float:
    """The mean over classes of the harmonic mean of precision and recall, from a confusion matrix (row = label).

    A class that is neither there nor guessed is left out; 0 if that is all of them.
    """
    table = np.asarray(counts)
    hits, sizes = table.diagonal(), table.sum(0) + table.sum(1)
    return float(np.mean(2 * hits[sizes > 0] / sizes[sizes > 0])) if sizes.any() else 0.0


def _worst_mistakes(chances: NDArray[np.float64], labels: Labels, guesses: NDArray[np.int64]) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(guesses != labels)
    order = np.argsort(-chances[wrong, guesses[wrong]], kind="stable")[:WORST_MISTAKES]
    return tuple(_mistake(int(row), int(labels[row]), int(guesses[row]), chances[row]) for row in wrong[order])


def _mistake(index: int, label: int, guess: int, chances: NDArray[np.float64]) -> Mistake:
    return Mistake(index, label, guess, round(float(chances[guess]), 4), round(float(chances[label]), 4))


def _brief(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f", ... ({len(names)})" if len(names) > 5 else "")
