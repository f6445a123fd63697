"""An image classifier of a model hub, ``hf:ORG/NAME`` or ``timm:NAME``."""

from __future__ import annotations

from typing import Any

from edgekit.errors import ModelError
from edgekit.inputs.contracts import Contract
from edgekit.training.hubs import is_hub_name, open_hub
from edgekit.training.teacher import Teacher, torch_forward
from edgekit.training.teachers import TeacherOptions


def takes(model: Any) -> bool:
    """True for a hub's name and a colon before the model's."""
    return is_hub_name(model)


def teacher(options: TeacherOptions, student: Contract) -> Teacher:
    """Its input is what its image processor makes; its name tells the revision."""
    options.require_no_weights()
    found = open_hub(options.model)
    network, missing = found.network()
    if missing:
        raise ModelError(
            f"{found.name} has no weights for {min(missing)}, so it cannot teach; fine-tune it with 'edgekit teach'."
        )
    forward = torch_forward(network, found.name)
    return Teacher(found.name, found.sha256, found.contract, forward, found.labels, network)
