"""A model file that says what a sample is: rows of its contract in, as uint8 pictures, a row of scores out."""

from __future__ import annotations

from typing import Any

from edgekit.artifact import Array, TensorSpec
from edgekit.data.dataset import Images
from edgekit.errors import ModelError
from edgekit.evaluation.task_model import TaskModel
from edgekit.inputs.contracts import Contract
from edgekit.tasks.classification import Classification


class Classifier(TaskModel):
    """A model of one image or text that gives one row of scores, one for each class; any other raises ModelError."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        try:
            if self.reads is None:
                self.refuse_pictures()
            self.require(isinstance(self.task, Classification))
        except ModelError:
            self.close()
            raise
        self.contract: Contract = self.reads.contract
        self.layout = self.reads.layout

    @property
    def input(self) -> TensorSpec:
        """The tensor of the image or text."""
        return self.session.inputs[0]

    @property
    def output(self) -> TensorSpec:
        """The tensor of the scores."""
        return self.session.outputs[0]

    @property
    def classes(self) -> int:
        """The number of scores."""
        return self.output.shape[-1]

    def stored(self, images: Images) -> Array:
        """Rows [N, ...] to the outputs as they are stored, [N, classes] of the output's type.

        Raises:
            ModelError, RuntimeCrashError: as ``outputs``.
        """
        (scores,) = self.outputs(images)
        return scores.reshape(len(images), -1)
