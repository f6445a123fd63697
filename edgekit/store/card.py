"""The card of a model in a store: what the file says of itself, and what a service must know to answer for it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from edgekit.deployment.app_model import AppModel, app_name, read_app_model
from edgekit.errors import ModelError
from edgekit.evaluation.input_options import InputOptions
from edgekit.graph.isolated import model_bytes
from edgekit.modelfiles.model_ref import find_models
from edgekit.modelfiles.session import vet


@dataclass(frozen=True)
class ReadModel:
    """A model file, its card, and the name that it would be given: that of its folder or of its file."""

    name: str
    data: bytes
    card: dict[str, Any]


def read_model(model: str, options: InputOptions) -> ReadModel:
    """Open MODEL in a worker and make its card. A model that is no classifier has ``student`` None.

        {"file", "bytes", "format", "scheme", "recipe", "quality", "parents",
         "student": as in a bundle's model.json, or None, "refusal": why there is none}

    Raises:
        ModelError, RuntimeCrashError: the file is broken, or made its worker crash.
        UsageError: there is no such model, or the options do not fit it.
    """
    path = find_models(model)[0].path
    contents = vet(path)
    metadata = contents.metadata(str(path))
    student: AppModel | None = None
    refusal = ""
    try:
        student = read_app_model(model, options)
    except ModelError as exc:
        refusal = str(exc)
    card = {
        "file": path.name,
        "bytes": contents.file_bytes,
        "format": contents.format,
        "scheme": contents.scheme,
        "recipe": metadata.recipe,
        "quality": {name: value for name, value in metadata.quality.items() if isfinite(value)},
        "parents": dict(metadata.parents),
        "student": student.to_dict() if student else None,
        "refusal": refusal.replace(str(path), path.name),  # it is told to others: not where the file lay
    }
    return ReadModel(app_name(path), student.data if student else model_bytes(path), card)
