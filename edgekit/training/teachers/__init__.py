"""Kinds of teachers, one file each; which one it is follows from what is given.

Each file has ``takes(model)``, whether a name, path or object is of its kind, and ``teacher(options, student)``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from edgekit import catalog
from edgekit.data.intake import require_pictures
from edgekit.errors import ModelError, UnknownNameError, UsageError, input_errors
from edgekit.inputs.contracts import Contract
from edgekit.options import Options, numbers, option
from edgekit.training.teacher import Teacher


@dataclass(frozen=True)
class TeacherOptions:
    """Which network teaches, and what its input needs where its file does not say.

    ``model`` is a torch module, or the name or file of a network; ``mean`` and ``std`` are per channel, of pixels in
    [0, 1]; ``weights`` go with networks whose file has none.
    """

    model: Any
    weights: Path | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.model, Path):
            object.__setattr__(self, "model", str(self.model))

    def require_no_weights(self) -> None:
        """Raise UsageError if there are weights for what has its own."""
        if self.weights is not None:
            raise UsageError(f"{self.model} has its weights inside; leave out --teacher-weights.")


@dataclass(frozen=True)
class TeacherDetails(Options):
    """What one teacher's file does not say: the options that all verbs with a teacher share."""

    teacher_weights: Path | None = option("safetensors or state dict of module:factory.", None, metavar="FILE")
    teacher_mean: tuple[float, ...] = option(
        "Per-channel mean of the teacher's input, as in 0.49,0.48,0.45.", (), read=numbers
    )
    teacher_std: tuple[float, ...] = option("Per-channel standard deviation of the teacher's input.", (), read=numbers)

    def of(self, teachers: Sequence[Any]) -> list[TeacherOptions]:
        """The teachers, one of which may be so described.

        Raises:
            UsageError: there are several, and details.
        """
        details = (self.teacher_weights, self.teacher_mean, self.teacher_std)
        if len(teachers) > 1 and any(details):
            raise UsageError("--teacher-weights, --teacher-mean and --teacher-std are of one teacher; name only one.")
        return [TeacherOptions(teacher, *details) for teacher in teachers]


def open_teacher(options: TeacherOptions, student: Contract) -> Teacher:
    """Open a teacher; what its file does not say of its input is as of the ``student`` that it teaches.

    Raises:
        UnknownNameError: the name is neither a file nor a card nor ``module:factory``.
        ModelError: its file is missing, broken or not an image classifier.
        UsageError: ``weights`` are given for a file that has its own.
    """
    kind = next((kind for kind in _kinds() if kind.takes(options.model)), None)
    if kind is None:
        known = catalog.names("teachers")
        raise UnknownNameError("teacher card, .onnx or .pt2 file, or module:factory", str(options.model), known)
    changes = {name: value for name in ("mean", "std") if (value := getattr(options, name))}
    with input_errors(ModelError, f"The teacher {options.model}: "):
        teacher: Teacher = kind.teacher(options, student)
        if not changes:
            return teacher
        return replace(teacher, contract=replace(require_pictures(teacher.contract, teacher.name), **changes))


def _kinds() -> Iterator[ModuleType]:
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        yield importlib.import_module(f"{__name__}.{path.stem}")
