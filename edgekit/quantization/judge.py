"""A judge of candidates: how close a quantized model's outputs stay to the float model's, on a few images."""

from __future__ import annotations

import math
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.data.dataset import Split
from edgekit.data.intake import Intake
from edgekit.graph.messages import sizes_of
from edgekit.quantization.calibrate import RealInputs, Reals, outputs_of
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.tasks import judged_by, task_of
from edgekit.tasks.quality import Quality

if TYPE_CHECKING:
    from onnx import ModelProto


class Judge:
    """Judges on the images ``indices`` of a split; the float model answers once."""

    def __init__(
        self, model: ModelProto, intake: Intake, split: Split, indices: NDArray[np.int64], task: str = ""
    ) -> None:
        sizes, labels = sizes_of(model.graph), None if split.labels is None else np.asarray(split.labels)[indices]
        outputs, inputs = ([sizes[value.name] for value in ends] for ends in (model.graph.output, model.graph.input))
        self.task = judged_by(task_of(outputs, inputs, task), labels, task)
        self.sizes = [math.prod(shape) for shape in outputs]
        self.split, self.indices = split, indices
        self.truth = self.task.truth(labels, lambda: self._inputs(intake))
        self.scores = self._scores(model, intake)

    def first(self, count: int) -> Judge:
        """A judge on the first of these images only."""
        few = copy(self)
        few.indices, few.scores = self.indices[:count], self.scores[:count]
        few.truth = None if self.truth is None else self.truth[:count]
        return few

    def judge(self, model: ModelProto, plan: Plan, intake: Intake) -> Quality:
        """Run the file that would be written, with real values at its ends."""
        scores = self._scores(insert_qdq(model, plan, "float32", "uint8"), intake)
        return self.task.quality(scores, self.scores, self.truth, self.sizes)

    def _inputs(self, intake: Intake) -> Reals:
        feeds = RealInputs(self.split, self.indices, intake)
        return np.stack([np.concatenate([array.reshape(-1) for array in feed]) for feed in feeds]).astype(np.float32)

    def _scores(self, model: ModelProto, intake: Intake) -> Reals:
        """All outputs for every image, [images, values]."""
        return outputs_of(model, RealInputs(self.split, self.indices, intake))
