"""Quality of a written file: its outputs on the evaluation images, against the labels and its float original."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.data.dataset import Dataset
from edgekit.errors import ModelError
from edgekit.evaluation.evaluate import all_scores
from edgekit.evaluation.task_model import TaskModel
from edgekit.files import sha256_bytes
from edgekit.graph.isolated import model_bytes
from edgekit.inputs.contracts import Contract
from edgekit.tasks.quality import Quality, Reals

OF_TRAINING = 500
"""Training images that stand in for a test split: as many as most take to calibrate, drawn at random."""


@dataclass(frozen=True)
class MeasuredFile:
    """One model file with its quality, None where nothing was measured."""

    file: str
    file_bytes: int
    sha256: str
    quality: Quality | None

    @classmethod
    def of(cls, path: Path, quality: Quality | None) -> MeasuredFile:
        """Read size and SHA-256 of the file at ``path``."""
        data = model_bytes(path)
        return cls(path.name, len(data), sha256_bytes(data), quality)

    def cells(self) -> tuple[str, ...]:
        """A row of the table of files."""
        return (self.file, f"{self.file_bytes:,}", *(self.quality.cells() if self.quality else ()))


class Yardstick:
    """The evaluation images and the float model's outputs on them, computed once.

    ``split`` is the test split of ``data``, or the next best one that has images, of which the model's task may take a
    few.

    Raises:
        DataError: there are no images, or they have labels that the model has no score for.
        ModelError: the model gives the same for all samples of tensors.
    """

    def __init__(self, original: TaskModel, data: Dataset) -> None:
        self.split, images = data.evaluation
        if self.split == "train":
            images = images.view(images.sample(OF_TRAINING, seed=0))
        self.specs, self.kind = original.session.outputs, data.kind
        self.images = images.view(np.arange(len(images))[: original.judged_on(images).task.most_images])
        self.task, self.truth = original.judged_on(self.images)
        self.scores = all_scores(original, self.images)
        if images.kind == "samples":
            check_answers(original.path, [spec.name for spec in self.specs], self.scores)
        self.original = self._quality(self.scores)
        self._known: dict[str, Quality] = {}

    def __str__(self) -> str:
        return f"{len(self.images):,} {self.split} {self.kind}"

    def measure(self, path: Path, contract: Contract | None) -> Quality:
        """Run a file over the evaluation samples in its format's runtime; pictures become its input by ``contract``.

        The same file is run once.
        """
        sha256 = sha256_bytes(model_bytes(path))
        if sha256 not in self._known:
            with TaskModel(path, contract) as opened:
                self._known[sha256] = self._quality(all_scores(opened, self.images, self.specs))
        return self._known[sha256]

    def _quality(self, scores: Reals) -> Quality:
        sizes = [abs(math.prod(spec.shape)) for spec in self.specs]
        return self.task.quality(scores, self.scores, self.truth, sizes)


def check_answers(path: Path, names: Sequence[str], scores: Reals) -> None:
    """Raise ModelError where the outputs of a model, [samples, values], are the same for all samples."""
    if len(scores) > 1 and (scores == scores[0]).all():
        given = ", ".join(f"'{name}'" for name in names)
        raise ModelError(f"{path} gives the same {given} for all samples; check the model and the samples.")
