"""What a command is told to open: ``MODEL`` or ``MODEL@RUNTIME``, as in ``model.int8.tflite@tflm``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.catalog import resolve_models
from edgekit.errors import ModelError
from edgekit.modelfiles.runtime_choice import default_runtime, find_runtime


@dataclass(frozen=True)
class ModelRef:
    """A model file and the runtime that is to open it."""

    path: Path
    runtime: str


def find_models(model: str, runtime: str | None = None) -> tuple[ModelRef, ...]:
    """The files of MODEL, each with the runtime named after the ``@``, or ``runtime``, or the one of its format.

    A run folder or a student stands for those of its files that the runtime opens.

    Raises:
        UnknownNameError: there is no such file, folder, student or runtime.
        ModelError: it has no file for that runtime.
    """
    model, runtime = parted(model, runtime)
    paths = resolve_models(model)
    if runtime is None:
        return tuple(ModelRef(path, default_runtime(path)) for path in paths)
    chosen = find_runtime(runtime)
    found = tuple(ModelRef(path, runtime) for path in paths if path.suffix.lower() == chosen.suffix)
    if not found:
        raise ModelError(f"{model} has no {chosen.suffix} file, which {chosen.title} needs; choose another --runtime.")
    return found


def parted(model: str, runtime: str | None = None) -> tuple[str, str | None]:
    """MODEL without its ``@RUNTIME``, and the runtime that is named: there, or else by ``runtime``."""
    name, at, suffix = model.rpartition("@")
    return (name, suffix) if at and not Path(model).exists() else (model, runtime)
