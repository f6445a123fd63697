"""The end of a distillation under the quantizer that ships the file, with the teacher still on.

The student's int8 files are those of ``edgekit quantize --int8``; its last rung learns what the student learned, by the
same loss, from one augmented view of the training set and the teacher's answers to it. A hint is left out: the file's
graph ends in logits, and what compared its features with the teacher's is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgekit.data.dataset import Dataset, Images
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.ladder import RUNGS
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import QuantizeResult, quantize
from edgekit.quantization.rungs.finetune import FinetuneOptions, Lesson
from edgekit.training.augment import View
from edgekit.training.loop import TrainRun
from edgekit.training.losses import find_loss
from edgekit.training.views import Teaching, view_of

SHARE, MOST_EPOCHS = 0.1, 6
"""Of the training's epochs that are made again under the quantizer, at least one; more gain nothing."""


@dataclass(frozen=True)
class _Pictures:
    """A view as an ImageArray: rendered when it is asked for."""

    view: View

    @property
    def shape(self) -> tuple[int, ...]:
        return self.view.source.shape

    def __len__(self) -> int:
        return len(self.view)

    def __getitem__(self, rows: Any) -> Images:
        return self.view.images(np.arange(len(self))[rows])


def quantize_with_teacher(run: TrainRun, data: Dataset, teaching: Teaching, weights: WeightScheme) -> QuantizeResult:
    """Write the int8 files of the run's model.onnx beside it, its weights stored as ``weights`` says.

    Raises:
        UnsupportedError: the model has an operator without an int8 form.
        TrainingError: the loss is no longer a number.
    """
    recipe, folder = run.recipe, Path(run.folder)
    view = view_of(data.train, recipe.augmentation, run.seed, 0)
    rows = np.arange(len(view))
    classes = len(data.classes)
    targets = teaching(view)[rows][:, :classes]
    labels = torch.from_numpy(view.targets(rows, classes))
    loss_of = run.loss or find_loss(recipe.loss, classes)

    def loss(answers: Tensor, rows: NDArray[np.int64]) -> Tensor:
        return loss_of(answers, labels[rows], torch.from_numpy(targets[rows]), recipe)

    epochs = min(MOST_EPOCHS, max(1, round(SHARE * recipe.epochs)))
    lesson = Lesson(_Pictures(view), targets, loss, FinetuneOptions(epochs=epochs, seed=run.seed))
    options = QuantizeOptions(str(folder), data, folder, int8=True, rungs=len(RUNGS), seed=run.seed, weights=weights)
    return quantize(options, lesson)
