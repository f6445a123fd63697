"""Quality of an int8 file: against the labels where there are some, and against its float original always."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.artifact import InputContract
from edgekit.data.dataset import Dataset, Split
from edgekit.errors import DataError
from edgekit.evaluate.classifier import Classifier, Scores
from edgekit.evaluate.evaluate import all_scores, labels_for
from edgekit.evaluate.statistics import signal_to_noise_db
from edgekit.files import sha256_file


@dataclass(frozen=True)
class Quality:
    """How good a file's answers are; shares are in [0, 1].

    ``accuracy`` is None without labels; ``agreement`` is the share of images whose top answer is the float model's;
    ``sqnr_db`` compares the scores with the float model's and is None where they are equal.
    """

    accuracy: float | None
    agreement: float
    sqnr_db: float | None

    def drop_from(self, original: Quality) -> float:
        """What is lost in points: accuracy, or agreement where there are no labels; negative for a gain."""
        if self.accuracy is None or original.accuracy is None:
            return 100 * (1 - self.agreement)
        return 100 * (original.accuracy - self.accuracy)

    def figures(self, split: str) -> dict[str, float]:
        """The figures that a model file carries, named after the split they were measured on."""
        if self.accuracy is None:
            return {f"{split}_agreement": round(self.agreement, 6)}
        return {f"{split}_accuracy": round(self.accuracy, 6)}

    def __str__(self) -> str:
        return f"{self.agreement:.2%} agreement" if self.accuracy is None else f"{self.accuracy:.2%}"


@dataclass(frozen=True)
class MeasuredFile:
    """One model file with its quality."""

    file: str
    file_bytes: int
    sha256: str
    quality: Quality

    @classmethod
    def of(cls, path: Path, quality: Quality) -> MeasuredFile:
        """Read size and SHA-256 of the file at ``path``."""
        return cls(path.name, path.stat().st_size, sha256_file(path), quality)


class Yardstick:
    """The evaluation images and the float model's scores on them, computed once.

    ``split`` is the test split of ``data``, or the next best one that has images.

    Raises:
        DataError: there are no images, or they have labels that the model has no score for.
    """

    def __init__(self, original: Classifier, data: Dataset) -> None:
        self.split, self.images = _evaluation_split(data)
        if self.images.labels is not None:
            labels_for(original, self.images)
        self.contract = original.contract
        self.scores: Scores = np.concatenate(list(all_scores(original, self.images)))
        self.original = self._compare(self.scores)

    def measure(self, path: Path, contract: InputContract | None = None) -> Quality:
        """Run a model file over the evaluation images in its format's runtime, by its own contract if it differs."""
        with Classifier(path, contract or self.contract) as classifier:
            return self._compare(np.concatenate(list(all_scores(classifier, self.images))))

    def _compare(self, scores: Scores) -> Quality:
        guesses, labels = scores.argmax(axis=1), self.images.labels
        sqnr = signal_to_noise_db(self.scores, scores)
        return Quality(
            accuracy=None if labels is None else float(np.mean(guesses == labels)),
            agreement=float(np.mean(guesses == self.scores.argmax(axis=1))),
            sqnr_db=sqnr if math.isfinite(sqnr) else None,
        )


def _evaluation_split(data: Dataset) -> tuple[str, Split]:
    for name in ("test", "validation", "train"):
        split: Split = getattr(data, name)
        if len(split):
            return name, split
    raise DataError(f"{data.name} has no images at all; choose other data.")
