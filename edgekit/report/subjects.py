"""What the demo is about: digits, or photos. Each makes a student and its teacher in a folder, by a few commands."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Protocol

from edgekit import catalog
from edgekit.artifact import Metadata
from edgekit.files import write_bytes
from edgekit.recipe import TrainRecipe
from edgekit.training.distill import DistillOptions, DistillResult, distill
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.shrinking.shrink import ShrinkOptions, shrink
from edgekit.training.teach import TeachOptions, teach
from edgekit.training.teachers import TeacherDetails, TeacherOptions, open_teacher

TEACHER_FILE = "teacher.onnx"
Step = Callable[[str, str], AbstractContextManager[None]]
"""(a step's name, what it does) -> what surrounds it"""


class Subject(Protocol):
    """What a demo needs of one."""

    @property
    def data(self) -> str:
        """The source of its images."""

    @property
    def option(self) -> str:
        """What the command is told to be about it."""

    @property
    def steps(self) -> int:
        """How many it says."""

    def make(self, folder: Path, seed: int, step: Step) -> DistillResult:
        """Leave the teacher in TEACHER_FILE and the student in model.onnx."""

    def commands(self, folder: Path, seed: int) -> tuple[str, ...]:
        """The command lines that make the same."""


@dataclass(frozen=True)
class Digits:
    """A student of the catalog and its card's teacher, whose weights others may stand in for."""

    data: str = "mnist"
    recipe: str | TrainRecipe = "demo"
    teacher_weights: Path | None = None
    student: str = "mnist-tiny"
    option: str = ""
    steps: int = 1

    def make(self, folder: Path, seed: int, step: Step) -> DistillResult:
        """See ``Subject``.

        Raises:
            ModelError: the teacher ships no weights.
        """
        options = DistillOptions(
            student=self.student,
            details=TeacherDetails(self.teacher_weights),
            recipe=DistillRecipeOptions(self.recipe),
            out=folder,
            data=self.data,
            seed=seed,
        )
        with step("distill", f"a teacher's answers make a small student ({self.student})"):
            self._export_teacher(folder / TEACHER_FILE)
            return distill(options)

    def commands(self, folder: Path, seed: int) -> tuple[str, ...]:
        """See ``Subject``."""
        teacher = catalog.network_card("students", self.student).teacher
        where = f"--data {self.data} --seed {seed} --out {shlex.quote(str(folder))}"
        return (f"edgekit distill --student {self.student} --teacher {teacher} --recipe {self.recipe} {where}",)

    def _export_teacher(self, path: Path) -> None:
        """The teacher as a file, so that it is profiled like its student."""
        from edgekit.conversion.torch_onnx import to_onnx

        card = catalog.network_card("students", self.student)
        teacher = open_teacher(TeacherOptions(card.teacher, self.teacher_weights), card.contract)
        assert teacher.network is not None
        metadata = Metadata(teacher.contract, teacher.labels)
        write_bytes(path, to_onnx(teacher.network, teacher.contract, metadata).SerializeToString())


@dataclass(frozen=True)
class Photos:
    """A teacher that knows photos, fine-tuned on ``data`` and shrunk: what 'edgekit distill' does with photos alone."""

    data: str = "clothes"
    teacher: str = "efficientnet-lite0"
    side: int = 128
    to: str = "1MB"
    epochs: int = 16
    option: str = "--photos "
    steps: int = 2

    def make(self, folder: Path, seed: int, step: Step) -> DistillResult:
        """See ``Subject``.

        Raises:
            ModelError: the pretrained weights are not installed.
        """
        run = folder / self.teacher
        with step("teach", f"{self.teacher}, which knows photos, learns these"):
            taught = teach(TeachOptions(self.teacher, self.data, size=self.side, out=run, seed=seed))
            copyfile(taught.model, folder / TEACHER_FILE)
        with step("distill", f"channels are taken out of it, to {self.to}, and its answers bring back the rest"):
            recipe = DistillRecipeOptions(epochs=self.epochs)
            return shrink(ShrinkOptions(str(run), self.to, self.data, out=folder, recipe=recipe, seed=seed))

    def commands(self, folder: Path, seed: int) -> tuple[str, ...]:
        """See ``Subject``."""
        out, what = shlex.quote(str(folder)), f"--data {self.data} --seed {seed}"
        return (
            f"edgekit teach {self.teacher} --size {self.side} {what} --out {out}/{self.teacher}",
            f"edgekit shrink {out}/{self.teacher} --to {self.to} --epochs {self.epochs} {what} --out {out}",
        )
