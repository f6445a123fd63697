"""A teacher of the catalog, with the weights that it ships or others."""

from __future__ import annotations

from typing import Any

from edgekit import catalog
from edgekit.errors import ModelError
from edgekit.files import sha256_file
from edgekit.inputs.contracts import Contract
from edgekit.training.runs import Structure
from edgekit.training.teacher import Teacher, torch_forward
from edgekit.training.teachers import TeacherOptions


def takes(model: Any) -> bool:
    """True for a card's name."""
    return isinstance(model, str) and model in catalog.names("teachers")


def teacher(options: TeacherOptions, student: Contract) -> Teacher:
    """Its input is that of the card."""
    from edgekit.training.weights import load_weights, read_tensors
    from edgekit.zoo import build

    card = catalog.network_card("teachers", options.model)
    path = options.weights or card.weights
    if not path.exists():
        data = "" if card.data else " --data SRC"
        raise ModelError(
            f"The teacher {card.name} has no weights at {path}; make them with 'edgekit teach {card.name}{data}'."
        )
    classes = len(card.classes) or len(read_tensors(path).get("head.bias", ()))
    model = load_weights(build(card.architecture, card.contract.shape, classes), path)
    forward = torch_forward(model, card.name)
    structure = Structure(card.architecture, card.contract.shape)
    return Teacher(card.name, sha256_file(path), card.contract, forward, card.classes, model, structure)
