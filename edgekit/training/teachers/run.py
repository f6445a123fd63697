"""A run folder of ``teach`` or ``distill``: the float model there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.catalog import resolve_model
from edgekit.training.teacher import Teacher
from edgekit.training.teachers import TeacherOptions, onnx


def takes(model: Any) -> bool:
    """True for the name of a folder."""
    return isinstance(model, str) and Path(model).is_dir()


def teacher(options: TeacherOptions, image_shape: tuple[int, int, int]) -> Teacher:
    """Its input is what the run's data were."""
    path = resolve_model(options.model, "model.onnx")
    return replace(onnx.teacher(replace(options, model=str(path)), image_shape), name=path.parent.resolve().name)
