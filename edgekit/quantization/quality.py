"""Quality of an int8 file: against the labels where there are some, and against its float original always."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.data.dataset import Dataset, Split
from edgekit.errors import DataError
from edgekit.evaluation.classifier import Classifier, ImageModel, Scores
from edgekit.evaluation.compare_noise import as_shaped
from edgekit.evaluation.evaluate import all_scores, labels_for
from edgekit.evaluation.statistics import signal_to_noise_db
from edgekit.files import sha256_bytes
from edgekit.graph.isolated import model_bytes
from edgekit.inputs.contract import InputContract

FEW_IMAGES = 64
OF_TRAINING = 500
"""Training images that stand in for a test split: as many as most take to calibrate, drawn at random."""


@dataclass(frozen=True)
class Quality:
    """How good a file's answers are; shares are in [0, 1].

    ``accuracy`` is None without labels; ``agreement`` is the share of images whose top answer is the float model's,
    None for a model that does not answer with scores; ``sqnr_db`` compares the outputs with the float model's and is
    None where they are equal.
    """

    accuracy: float | None
    agreement: float | None
    sqnr_db: float | None

    def drop_from(self, original: Quality) -> float:
        """What is lost in points: accuracy, or agreement where there are no labels; negative for a gain.

        Of a model that does not answer with scores, the error of its outputs in percent of their size.
        """
        return points_lost(self.accuracy, original.accuracy, self.agreement, self.sqnr_db)

    def figures(self, split: str) -> dict[str, float]:
        """The figures that a model file carries, named after the split they were measured on."""
        if self.agreement is None:
            return {} if self.sqnr_db is None else {f"{split}_sqnr_db": round(self.sqnr_db, 2)}
        if self.accuracy is None:
            return {f"{split}_agreement": round(self.agreement, 6)}
        return {f"{split}_accuracy": round(self.accuracy, 6)}

    def __str__(self) -> str:
        if self.agreement is None:
            return "equal" if self.sqnr_db is None else f"{self.sqnr_db:.1f} dB"
        return f"{self.agreement:.2%} agreement" if self.accuracy is None else f"{self.accuracy:.2%}"


def points_lost(
    accuracy: float | None, original: float | None, agreement: float | None, sqnr_db: float | None
) -> float:
    """What a quantized model has lost against its original, in points; see ``Quality.drop_from``."""
    if accuracy is not None and original is not None:
        return 100 * (original - accuracy)
    if agreement is not None:
        return 100 * (1 - agreement)
    return 0.0 if sqnr_db is None else 100 * 10 ** (-sqnr_db / 20)


@dataclass(frozen=True)
class MeasuredFile:
    """One model file with its quality."""

    file: str
    file_bytes: int
    sha256: str
    quality: Quality

    @classmethod
    def of(cls, path: Path, quality: Quality) -> MeasuredFile:
        """Read size and SHA-256 of the model at ``path``."""
        data = model_bytes(path)
        return cls(path.name, len(data), sha256_bytes(data), quality)


class Yardstick:
    """The evaluation images and the float model's outputs on them, computed once.

    ``split`` is the test split of ``data``, or the next best one that has images; of a model that does not answer with
    scores, a few of its images serve.

    Raises:
        DataError: there are no images, or they have labels that the model has no score for.
    """

    def __init__(self, original: ImageModel, data: Dataset) -> None:
        self.split, self.images = _evaluation_split(data)
        self.contract = original.contract
        self.specs = original.session.outputs
        self.is_classifier = isinstance(original, Classifier)
        if isinstance(original, Classifier) and self.images.labels is not None:
            labels_for(original, self.images)
        if not self.is_classifier:
            self.images = self.images.view(np.arange(min(len(self.images), FEW_IMAGES)))
        self.scores = self._outputs(original)
        self.original = self._compare(self.scores)

    def measure(self, path: Path, contract: InputContract | None = None) -> Quality:
        """Run a model file over the evaluation images in its format's runtime, by its own contract if it differs."""
        kind = Classifier if self.is_classifier else ImageModel
        with kind(path, contract or self.contract) as opened:
            return self._compare(self._outputs(opened))

    def _outputs(self, model: ImageModel) -> Scores:
        """The outputs [images, values], in the original's order of axes."""
        if isinstance(model, Classifier):
            return np.concatenate(list(all_scores(model, self.images)))
        rows = []
        for images, _ in self.images.batches(1):
            found = [
                as_shaped(spec.dequantize(value), wanted).reshape(-1)
                for value, spec, wanted in zip(
                    (output[:1] for output in model.outputs(images)), model.session.outputs, self.specs, strict=True
                )
            ]
            rows.append(found)
        return np.stack([np.concatenate(row) for row in rows])

    def _compare(self, scores: Scores) -> Quality:
        sqnr = signal_to_noise_db(self.scores, scores)
        if not self.is_classifier:
            return Quality(None, None, sqnr if math.isfinite(sqnr) else None)
        guesses, labels = scores.argmax(axis=1), self.images.labels
        return Quality(
            accuracy=None if labels is None else float(np.mean(guesses == labels)),
            agreement=float(np.mean(guesses == self.scores.argmax(axis=1))),
            sqnr_db=sqnr if math.isfinite(sqnr) else None,
        )


def _evaluation_split(data: Dataset) -> tuple[str, Split]:
    for name, split in (("test", data.test), ("validation", data.validation)):
        if len(split):
            return name, split
    if len(data.train):
        return "train", data.train.view(data.train.sample(OF_TRAINING, seed=0))
    raise DataError(f"{data.name} has no images at all; choose other data.")
