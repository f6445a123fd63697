"""A door that ``edgekit store export`` wrote: the gate and the models behind it, as their files describe them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.deployment.app_model import AppModel
from edgekit.errors import ModelError
from edgekit.inputs import door


@dataclass(frozen=True)
class AppDoor:
    """The gate, the models behind it by their names, and the content of door.json."""

    gate: AppModel
    experts: Mapping[str, AppModel]
    about: Mapping[str, Any]


def is_door(folder: Path) -> bool:
    """Whether a folder holds a door."""
    return (folder / door.FILE).is_file()


def read_door(folder: Path) -> AppDoor:
    """Read a door's folder. Nothing is opened in a runtime: each model was when it came into the store.

    Raises:
        ModelError: a file is missing, damaged, or another one than door.json says.
    """
    path = folder / door.FILE
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        experts = {name: _read(folder, name, said) for name, said in about["experts"].items()}
        read = AppDoor(_read(folder, about["name"], about["gate"]), experts, about)
        named = {*read.gate.labels, *filter(None, [door.Door(about["threshold"], about["text"]).text])}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise ModelError(f"{path} cannot be read; write it anew with 'edgekit store export'.") from exc
    if missing := named - experts.keys():
        raise ModelError(f"{path} says no file of '{min(missing)}', to which the door leads; export it anew.")
    return read


def _read(folder: Path, name: str, said: Mapping[str, Any]) -> AppModel:
    path = folder / said["file"]
    try:
        described = json.loads((path.parent / "model.json").read_text(encoding="utf-8"))
        model = AppModel.from_dict(described, path)
    except OSError as exc:
        raise ModelError(
            f"{folder / door.FILE} leads to '{name}', of which {exc.filename} is missing; "
            "write the door anew with 'edgekit store export'."
        ) from exc
    if model.sha256 != said["sha256"]:
        raise ModelError(f"{path} is not the file of '{name}' that {door.FILE} means; export the door anew.")
    return model
