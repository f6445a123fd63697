"""How well an int8 file answers: against the float network always, against labels where there are some."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from images import Part, part_of
from models import Model
from numpy.typing import NDArray
from places import PRODUCTS

from edgekit.data.dataset import Split
from edgekit.evaluation.classifier import Classifier
from edgekit.evaluation.evaluate import all_scores
from edgekit.files import sha256_file
from edgekit.inputs.contract import InputContract
from edgekit.tasks.classification import wilson_interval
from edgekit.tasks.quality import signal_to_noise_db

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Judgement:
    """``agreement`` is the share of images with the float network's top answer, with its 95% interval.

    ``sqnr_db`` is that of the logits; ``drop`` the points of accuracy lost, None without labels.
    """

    agreement: float
    interval: tuple[float, float]
    sqnr_db: float
    accuracy: float | None
    drop: float | None


class Judge:
    """The float network's scores on a part of the model's images, against which its int8 files are judged."""

    def __init__(self, model: Model, part: str, count: int | None = None) -> None:
        self.model = model
        whole = part_of(model.images, part)
        labels = None if whole.labels is None else whole.labels[:count]
        self.part = Part(whole.images[:count], labels)
        self.reference = self._float_scores(part)

    @property
    def accuracy(self) -> float | None:
        """The float network's, None without labels."""
        return self._accuracy(self.reference)

    def judge(self, file: Path) -> Judgement:
        """Run an int8 file over the images in the runtime of its form, on one thread."""
        scores = self._scores(file)
        agreeing = int(np.sum(scores.argmax(axis=1) == self.reference.argmax(axis=1)))
        accuracy, original = self._accuracy(scores), self.accuracy
        return Judgement(
            agreement=agreeing / len(scores),
            interval=wilson_interval(agreeing, len(scores)),
            sqnr_db=round(signal_to_noise_db(self.reference, scores), 2),
            accuracy=accuracy,
            drop=None if accuracy is None or original is None else round(100 * (original - accuracy), 4),
        )

    def context(self) -> dict[str, Any]:
        """What the figures were measured on."""
        return {"set": self.model.images, "images": len(self.reference), "float_accuracy": self.accuracy}

    def _float_scores(self, part: str) -> Scores:
        """Kept from run to run, since they do not change with the quantizers."""
        key = f"{self.model.name}-{part}-{len(self.part.images)}-{sha256_file(self.model.path)[:16]}.npy"
        path = PRODUCTS / "scores" / key
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, self._scores(self.model.path))
        scores: Scores = np.load(path)
        return scores

    def _scores(self, file: Path) -> Scores:
        images = Split(np.asarray(self.part.images), self.part.labels)
        with Classifier(file, self._contract(file), threads=1) as classifier:
            return all_scores(classifier, images)

    def _contract(self, file: Path) -> InputContract:
        """What a file says of its own input, as EdgeKit's do; otherwise what the float network takes."""
        with Classifier(file, self.model.contract) as classifier:
            return classifier.metadata.contract or self.model.contract

    def _accuracy(self, scores: Scores) -> float | None:
        return None if self.part.labels is None else float(np.mean(scores.argmax(axis=1) == self.part.labels))
