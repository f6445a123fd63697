"""The torch network in a run folder of teach, distill or shrink, built again from its record and its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.artifact import Metadata
from edgekit.catalog import DISTILL, FLOAT_ONNX, MADE_OF_IT, TEACH, WEIGHTS, Architecture
from edgekit.errors import EdgekitError, ModelError
from edgekit.files import sha256_file, write_bytes
from edgekit.inputs.contracts import Contract
from edgekit.inputs.described import read_contract
from edgekit.modelfiles.golden import onnx_with_example
from edgekit.recipe import TrainRecipe
from edgekit.training.hubs import is_hub_name
from edgekit.training.weights import load_weights, read_tensors, save_weights, take_widths
from edgekit.zoo import build

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Structure:
    """What a network was built as: an architecture for inputs of ``shape``, for images (H, W, C).

    Since then channels may have been taken out of its layers, or images of another size been given to it.
    """

    architecture: Architecture
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """A run's network in evaluation mode, its input, its classes, and how it was trained."""

    network: nn.Module
    structure: Structure
    contract: Contract
    classes: tuple[str, ...]
    recipe: TrainRecipe
    sha256: str


def store_model(network: nn.Module, contract: Contract, metadata: Metadata, folder: Path) -> Path:
    """Write a run's weights and its model.onnx; what was made there of another model goes."""
    from edgekit.conversion.torch_onnx import to_onnx

    path, data = folder / FLOAT_ONNX, onnx_with_example(to_onnx(network, contract, metadata), metadata)
    if not path.is_file() or path.read_bytes() != data:
        for name in MADE_OF_IT:
            (folder / name).unlink(missing_ok=True)
    save_weights(network, folder / WEIGHTS)
    write_bytes(path, data)
    return path


def record_of(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """What a run says of itself, and in which file; None if the folder is of no run.

    Raises:
        ModelError: the file is damaged.
    """
    path = next((folder / name for name in (TEACH, DISTILL) if (folder / name).is_file()), None)
    if path is None:
        return None
    try:
        return path, dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as exc:
        raise _damaged(path) from exc


def data_learned(folder: Path) -> str:
    """The sum of the data that a run was trained on; empty where it says none."""
    _, record = record_of(folder) or (folder, {})
    return str(record.get("data_sha256") or dict(record.get("parents", {})).get("data", ""))


def open_run(folder: Path) -> Run | None:
    """Build a run's network again, each layer as wide as its weights.

    None if the folder is of no run, or of one whose network only its model.onnx has: a hub's, a module of the user's
    own, or a student that ships no weights.

    Raises:
        ModelError: the record is damaged, or the weights are not those of such a network.
    """
    found = record_of(folder)
    if found is None:
        return None
    path, record = found
    weights = folder / WEIGHTS
    if path.name != TEACH and (record.get("architecture") is None or not weights.is_file()):
        return None
    try:
        if is_hub_name(record["architecture"]["name"]):
            return None
        contract = read_contract(record["contract"])
        # teach names the classes with its figures, and builds for the images that the network takes.
        classes = tuple(map(str, record["classes"] if "classes" in record else record["test"]["classes"]))
        structure = Structure(Architecture(**record["architecture"]), tuple(record.get("shape", contract.shape)))
        recipe = TrainRecipe.from_dict(record["recipe"], str(path))
        network = build(structure.architecture, structure.shape, len(classes))
    except (ValueError, TypeError, KeyError, AttributeError, EdgekitError) as exc:
        raise _damaged(path) from exc
    take_widths(network, read_tensors(weights))
    return Run(load_weights(network, weights), structure, contract, classes, recipe, sha256_file(weights))


def _damaged(path: Path) -> ModelError:
    return ModelError(f"{path} is not what 'edgekit {path.stem}' writes; make that run again.")
