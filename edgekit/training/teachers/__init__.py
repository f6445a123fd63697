"""Kinds of teachers, one file each; which one it is follows from what is given.

Each file has ``takes(model)``, whether a name, path or object is of its kind, and ``teacher(options, image_shape)``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from edgekit import catalog
from edgekit.errors import ModelError, UnknownNameError, UsageError, input_errors
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


def open_teacher(options: TeacherOptions, image_shape: tuple[int, int, int]) -> Teacher:
    """Open a teacher; ``image_shape`` (H, W, C) is used where its file leaves the input's size open.

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
        teacher: Teacher = kind.teacher(options, image_shape)
        return replace(teacher, contract=replace(teacher.contract, **changes))


def _kinds() -> Iterator[ModuleType]:
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        yield importlib.import_module(f"{__name__}.{path.stem}")
