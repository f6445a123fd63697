"""Architectures, one readable file each, found by name and imported when built.

Each file has one ``nn.Module`` class named like the file in CamelCase. It is built from its input's shape (H, W, C),
its number of classes and the arguments that a card may name, takes real inputs [N, C, H, W] and returns logits
[N, classes].
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.catalog import Architecture
from edgekit.errors import UnknownNameError

if TYPE_CHECKING:
    from torch import nn


def architectures() -> tuple[str, ...]:
    """The names of all architectures, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem != "blocks"))


def build(architecture: Architecture | str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """A freshly initialised network for inputs of ``shape`` (H, W, C).

    Raises:
        UnknownNameError: there is no such architecture, or it has no such argument.
    """
    chosen = Architecture(architecture) if isinstance(architecture, str) else architecture
    if chosen.name not in architectures():
        raise UnknownNameError("architecture", chosen.name, architectures())
    module = importlib.import_module(f"edgekit.zoo.{chosen.name}")
    network: type[nn.Module] = getattr(module, "".join(part.capitalize() for part in chosen.name.split("_")))
    known = list(inspect.signature(network).parameters)[2:]
    for argument in chosen.arguments:
        if argument not in known:
            raise UnknownNameError(f"argument of {chosen.name}", argument, known)
    return network(shape, classes, **chosen.arguments)
