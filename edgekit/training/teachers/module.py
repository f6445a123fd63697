"""A torch module of the user's own."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edgekit.files import sha256_bytes, sha256_file
from edgekit.inputs.contracts import Contract
from edgekit.training.teacher import Teacher, torch_forward
from edgekit.training.teachers import TeacherOptions

if TYPE_CHECKING:
    from torch import nn


PLAIN = (bool, int, float, complex, str, bytes, tuple, type(None))
"""Attributes of these types decide what a layer computes, and say so by their ``repr``."""


def takes(model: Any) -> bool:
    """True for a torch module, which is known by what it can do: torch is not imported here."""
    return hasattr(model, "state_dict") and hasattr(model, "eval")


def teacher(options: TeacherOptions, student: Contract) -> Teacher:
    """It takes what the student takes, as it is."""
    network: nn.Module = options.model
    return from_network(network, type(network).__name__, options, student)


def from_network(network: nn.Module, name: str, options: TeacherOptions, student: Contract) -> Teacher:
    """A network as a teacher, known by its weights and by what is written of how it computes."""
    from edgekit.training.weights import load_weights, weights_sha256

    if options.weights is not None:
        load_weights(network, options.weights)
        digest = sha256_file(options.weights)
    else:
        digest = weights_sha256(network)
    digest = sha256_bytes(f"{network!r} {_code_of(network)} {_values_of(network)} {digest}".encode())
    return Teacher(name, digest, student.plain, torch_forward(network, name), network=network)


def _values_of(network: nn.Module) -> str:
    """What its layers hold besides weights: plain values, as a temperature is, and buffers that no file has."""
    from edgekit.training.weights import tensors_sha256

    found = []
    for path, layer in network.named_modules():
        if not _is_of_torch(type(layer)):
            plain = {name: value for name, value in vars(layer).items() if isinstance(value, PLAIN)}
            found.append(f"{path} {sorted(plain.items(), key=str)}")
    stored = network.state_dict().keys()
    unstored = {name: value for name, value in network.named_buffers() if name not in stored}
    return f"{found} {tensors_sha256(unstored)}"


def _is_of_torch(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("torch", "builtins")


def _code_of(network: nn.Module) -> str:
    """The source of its methods, but for torch's own: of what ``forward`` does neither weights nor ``repr`` tell."""
    kinds = {kind for layer in network.modules() for kind in type(layer).__mro__}
    own = (kind for kind in kinds if not _is_of_torch(kind))
    found = []
    for kind in sorted(own, key=lambda kind: f"{kind.__module__}.{kind.__qualname__}"):
        for method in filter(inspect.isfunction, vars(kind).values()):
            with suppress(OSError):  # typed into an interpreter, for instance
                found.append(inspect.getsource(method))
    return "".join(found)
