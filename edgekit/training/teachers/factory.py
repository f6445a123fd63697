"""``module:factory``: a function of the user's own code that builds a network; weights come from a file beside it."""

from __future__ import annotations

from typing import Any

from edgekit.data.factory import load_factory
from edgekit.errors import UsageError
from edgekit.inputs.contracts import Contract
from edgekit.training.hubs import is_hub_name
from edgekit.training.teacher import Teacher
from edgekit.training.teachers import TeacherOptions, module


def takes(model: Any) -> bool:
    """True for a name with a colon that is neither a file's nor a hub's."""
    return isinstance(model, str) and ":" in model and not model.endswith((".onnx", ".pt2")) and not is_hub_name(model)


def teacher(options: TeacherOptions, student: Contract) -> Teacher:
    """It takes what the student takes, as it is; its weights' file is never unpickled."""
    target = options.model
    factory = load_factory(target, UsageError)
    try:
        network = factory()
    except Exception as exc:  # whatever the user's code raises
        raise UsageError(
            f"The teacher '{target}' failed with {type(exc).__name__}: {exc}; correct that function."
        ) from exc
    if not module.takes(network):
        raise UsageError(f"The teacher '{target}' returned a {type(network).__name__}; return a torch.nn.Module.")
    return module.from_network(network, target, options, student)
