"""A run folder: the network that ``teach`` has left there, or the float model of ``distill``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.catalog import Architecture, resolve_model
from edgekit.errors import ModelError
from edgekit.files import sha256_file
from edgekit.inputs.contract import InputContract
from edgekit.training.hubs import is_hub_name
from edgekit.training.teacher import Teacher, torch_forward
from edgekit.training.teachers import TeacherOptions, onnx

RECORD = "teach.json"


def takes(model: Any) -> bool:
    """True for the name of a folder."""
    return isinstance(model, str) and Path(model).is_dir()


def teacher(options: TeacherOptions, image_shape: tuple[int, int, int]) -> Teacher:
    """Its input is what the run's data were."""
    folder = Path(options.model).resolve()
    if (folder / RECORD).is_file():
        options.require_no_weights()
        if (found := _taught(folder)) is not None:
            return found
    path = resolve_model(options.model, "model.onnx")
    return replace(onnx.teacher(replace(options, model=str(path)), image_shape), name=folder.name)


def _taught(folder: Path) -> Teacher | None:
    """The torch network itself, which takes many images at once and has features to learn from; None for a hub's."""
    from edgekit.training.weights import load_weights
    from edgekit.zoo import build

    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        contract, labels = InputContract.from_dict(record["contract"]), tuple(map(str, record["test"]["classes"]))
        architecture = Architecture(record["architecture"]["name"], record["architecture"]["arguments"])
        if is_hub_name(architecture.name):
            return None
        network = build(architecture, contract.shape, len(labels))
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise ModelError(f"{folder / RECORD} is not what 'edgekit teach' writes; teach it again.") from exc
    weights = folder / "weights.safetensors"
    forward = torch_forward(load_weights(network, weights), folder.name)
    return Teacher(folder.name, sha256_file(weights), contract, forward, labels, network)
