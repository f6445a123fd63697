"""A model file that says what a picture shows: uint8 pictures in, a row of scores out."""

from __future__ import annotations

from typing import Any

from edgekit.artifact import Array, TensorSpec
from edgekit.data.dataset import Images
from edgekit.errors import ModelError
from edgekit.evaluation.task_model import TaskModel
from edgekit.inputs.contract import InputContract
from edgekit.tasks.classification import Classification


class Classifier(TaskModel):
    """A model that takes one image and gives one row of scores, one for each class; any other raises ModelError."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        try:
            if self.pictures is None:
                self.refuse_pictures()
            self.require(isinstance(self.task, Classification))
        except ModelError:
            self.close()
            raise
        self.contract: InputContract = self.pictures.contract
        self.layout: str = self.pictures.layout

    @property
    def input(self) -> TensorSpec:
        """The tensor of the image."""
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
        """uint8 [N, H, W, C] to the outputs as they are stored, [N, classes] of the output's type.

        Raises:
            ModelError, RuntimeCrashError: as ``outputs``.
        """
        (scores,) = self.outputs(images)
        return scores.reshape(len(images), -1)
